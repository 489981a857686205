//! A primary and its standby: what one commits the other shows, and either may take the other's place.

use stellata_testkit::sql::{self, Session};
use stellata_testkit::{Cluster, Database, Server, ServerOptions, Shutdown, skip};

fn one(server: &Server, sql: &str) -> String {
    let rows = sql::run(server.endpoint(), "postgres", sql).unwrap();
    rows.into_iter().flatten().flatten().next_back().unwrap()
}

#[test]
fn a_standby_shows_what_its_primary_has_and_takes_no_writes() {
    let cluster = Cluster::start(ServerOptions::new()).unwrap();
    let (primary, standby) = (cluster.primary(), cluster.standby());
    assert!(!primary.is_standby().unwrap() && standby.is_standby().unwrap());
    assert_eq!(one(primary, "show synchronous_commit"), "on");
    one(primary, "create table t (n int); insert into t values (1); select 1");
    cluster.catch_up().unwrap();
    assert_eq!(one(standby, "select n from t"), "1");
    let refused = sql::run(standby.endpoint(), "postgres", "insert into t values (2)");
    assert_eq!(refused.unwrap_err().code(), Some("25006"));
    let database = Database::create(primary).unwrap();
    cluster.catch_up().unwrap();
    Session::connect(standby.endpoint(), database.name()).unwrap();
    let url =
        format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/x", primary.port(), standby.port());
    assert_eq!(cluster.url("x"), url);
}

#[test]
fn no_write_that_was_acknowledged_is_lost_however_the_primary_goes() {
    let mut cluster = Cluster::start(ServerOptions::new()).unwrap();
    cluster.set_synchronous(true).unwrap();
    one(cluster.primary(), "create table t (n int); select 1");
    let url = cluster.url("postgres");
    for (round, how) in
        [Shutdown::Kill, Shutdown::Immediate, Shutdown::Fast].into_iter().enumerate()
    {
        // The standby shows it at once: nothing has to be waited for.
        one(cluster.primary(), &format!("insert into t values ({round}); select 1"));
        assert_eq!(one(cluster.standby(), "select count(*) from t"), (round + 1).to_string());
        cluster.fail_over(how).unwrap();
        assert_eq!(cluster.standby().process(), None);
        assert!(!cluster.primary().is_standby().unwrap());
        assert_eq!(one(cluster.primary(), "select count(*) from t"), (round + 1).to_string());
        one(cluster.primary(), "begin; insert into t values (-1); rollback; select 1");
        cluster.rejoin().unwrap();
        assert!(cluster.standby().is_standby().unwrap(), "{how:?}");
        assert_eq!(cluster.url("postgres"), url);
    }
}

#[test]
fn every_version_has_standbys() {
    for version in stellata_testkit::VERSIONS {
        let Some(options) = ServerOptions::of_version(version) else {
            skip(&format!("PostgreSQL {version} is not here"));
            continue;
        };
        let mut cluster = Cluster::start(options).unwrap();
        assert_eq!(cluster.standby().version(), version);
        one(cluster.primary(), "create table t (n int); select 1");
        cluster.catch_up().unwrap();
        cluster.fail_over(Shutdown::Kill).unwrap();
        assert_eq!(one(cluster.primary(), "select count(*) from t"), "0", "{version}");
    }
}

#[test]
fn what_can_not_be_done_is_said() {
    let cluster = Cluster::start(ServerOptions::new()).unwrap();
    assert!(cluster.standby().follow(cluster.primary()).is_err());
    assert!(cluster.primary().promote().is_err());
    assert!(cluster.primary().kill_backend(std::process::id()).is_err());
}

#[test]
fn a_server_recovers_from_a_killed_backend() {
    let server = Server::start(ServerOptions::new()).unwrap();
    let mut victim = Session::connect(server.endpoint(), "postgres").unwrap();
    let mut witness = Session::connect(server.endpoint(), "postgres").unwrap();
    let process = victim.run("select pg_backend_pid()").unwrap().remove(0).remove(0).unwrap();
    server.kill_backend(process.parse().unwrap()).unwrap();
    assert!(victim.run("select 1").is_err());
    // The server ends its other sessions, since what they share may be broken.
    let begun = std::time::Instant::now();
    while witness.run("select 1").is_ok() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    server.wait_until_ready().unwrap();
    assert_eq!(one(&server, "select 1"), "1");
    assert!(server.log().contains("was terminated by signal 9"));
}

#[test]
fn a_server_of_each_version_is_shared() {
    for version in stellata_testkit::VERSIONS {
        let Some(server) = Server::of_version(version).unwrap() else {
            skip(&format!("PostgreSQL {version} is not here"));
            continue;
        };
        assert_eq!(server.version(), version);
        assert!(std::ptr::eq(server, Server::of_version(version).unwrap().unwrap()));
        let same = Server::shared().unwrap();
        assert_eq!(std::ptr::eq(server, same), same.version() == version);
    }
    assert!(Server::of_version(9).is_err());
}

#[test]
fn what_came_with_a_version_is_tried_on_a_server_that_has_it() {
    let shared = Server::shared().unwrap();
    for major in stellata_testkit::VERSIONS {
        let Some(server) = Server::since(major).unwrap() else {
            skip(&format!("no PostgreSQL {major} or newer is here"));
            continue;
        };
        assert!(server.version() >= major);
        assert_eq!(std::ptr::eq(server, shared), shared.version() >= major);
        let options = ServerOptions::since(major).unwrap();
        let newest = Server::start(options).unwrap().version();
        assert!(newest >= server.version(), "{newest} is the newest");
    }
    assert!(Server::since(99).unwrap().is_none());
    assert!(ServerOptions::since(99).is_none());
}
