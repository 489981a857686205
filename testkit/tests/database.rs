//! A database per test: fresh, fast, and gone afterwards.

use std::collections::BTreeSet;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use stellata_testkit::sql::{self, quote_identifier, quote_literal};
use stellata_testkit::{Database, Server, ServerOptions, Shutdown, run, run_within, with_database};

fn is_there(server: &Server, name: &str) -> bool {
    let sql = format!("select 1 from pg_database where datname = {}", quote_literal(name));
    !sql::run(server.endpoint(), server.maintenance_database(), &sql).unwrap().is_empty()
}

#[test]
fn it_is_empty_and_goes_when_dropped() {
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    let name = database.name().to_owned();
    assert!(is_there(server, &name));
    assert_eq!(
        database.run("select current_database(), count(*) from pg_stat_user_tables").unwrap(),
        [[Some(name.clone()), Some("0".to_owned())]]
    );
    drop(database);
    assert!(!is_there(server, &name));
}

#[test]
fn it_goes_although_somebody_is_connected() {
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    let name = database.name().to_owned();
    let mut idle = database.session().unwrap();
    let mut in_transaction = database.session().unwrap();
    in_transaction.run("begin; create table t (n int)").unwrap();
    drop(database);
    assert!(!is_there(server, &name));
    assert!(idle.run("select 1").is_err());
}

#[test]
fn a_copy_has_the_tables_of_its_template() {
    let server = Server::shared().unwrap();
    let template = Database::create(server).unwrap();
    template.run("create table t (n int); insert into t values (1), (2)").unwrap();
    for copy in [template.duplicate(), Database::create_from(server, template.name())] {
        let copy = copy.unwrap();
        assert_ne!(copy.name(), template.name());
        assert_eq!(copy.run("delete from t returning n").unwrap().len(), 2);
    }
    assert_eq!(template.run("select n from t").unwrap().len(), 2);
}

#[test]
fn names_never_meet() {
    let server = Server::shared().unwrap();
    let made: Vec<Database> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Database::create(server).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().map(Database::name).collect::<BTreeSet<_>>().len(), 8);
}

#[test]
fn its_urls_lead_to_it() {
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    for url in [database.url(), database.tcp_url()] {
        // A server named by DATABASE_URL is reached as somebody else's URL says.
        let other = Server::at(&url).unwrap();
        assert!(!other.is_own());
        assert_eq!(other.maintenance_database(), database.name());
        assert_eq!(other.version_number(), server.version_number());
        let refused = other.restart(Shutdown::Fast).unwrap_err().to_string();
        assert!(refused.contains("not ours"), "{refused}");
    }
}

#[test]
fn on_a_server_that_is_not_ours_databases_are_made_and_removed() {
    let ours = Server::start(ServerOptions::new()).unwrap();
    let old = "stellata_test_1600000000_1_0_00000000";
    let create = format!("create database {}", quote_identifier(old));
    sql::run(ours.endpoint(), "postgres", &create).unwrap();
    let other = Server::at(&ours.tcp_url("postgres")).unwrap();
    let database = Database::create(&other).unwrap();
    let name = database.name().to_owned();
    assert!(is_there(&ours, &name));
    assert!(!is_there(&ours, old), "what a killed test left is removed by a later one");
    drop(database);
    assert!(!is_there(&ours, &name));
}

#[test]
fn dropping_it_without_its_server_does_not_hang() {
    let server = Server::start(ServerOptions::new()).unwrap();
    let database = Database::create(&server).unwrap();
    server.stop(Shutdown::Fast).unwrap();
    let begun = Instant::now();
    drop(database);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_test_gets_a_database_and_gives_its_value() {
    let name = with_database(async |database: &Database| {
        tokio::task::yield_now().await;
        assert_eq!(database.run("select 1").unwrap().len(), 1);
        database.name().to_owned()
    });
    assert!(!is_there(Server::shared().unwrap(), &name));
}

#[stellata_testkit::test]
async fn the_attribute_gives_a_database(database: &Database) {
    tokio::task::yield_now().await;
    assert_eq!(database.run("select 1").unwrap().len(), 1);
}

#[stellata_testkit::test]
async fn the_attribute_takes_what_a_test_may_return(
    database: &Database,
) -> Result<(), Box<dyn std::error::Error>> {
    database.run("select 1")?;
    Ok(())
}

#[stellata_testkit::test]
#[should_panic(expected = "as it should")]
async fn the_attribute_works_without_a_database_and_beside_others() {
    tokio::task::yield_now().await;
    panic!("as it should");
}

#[test]
fn the_database_of_a_failed_test_goes_too() {
    let mut name = String::new();
    let failed = catch_unwind(AssertUnwindSafe(|| {
        with_database(async |database: &Database| {
            database.name().clone_into(&mut name);
            panic!("as it should");
        })
    }));
    assert!(failed.is_err() && !name.is_empty());
    assert!(!is_there(Server::shared().unwrap(), &name));
}

#[test]
fn a_test_that_hangs_fails() {
    let begun = Instant::now();
    let hung = catch_unwind(|| run_within(Duration::from_millis(50), std::future::pending::<()>()));
    let message = *hung.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(message, "not done within 50ms");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_task_that_blocks_does_not_hold_up_the_end() {
    let begun = Instant::now();
    run(async {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(30)));
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_fault_in_sql_is_told_with_its_code() {
    with_database(async |database: &Database| {
        let mut session = database.session().unwrap();
        let error = session.run("select no_such_column").unwrap_err();
        assert_eq!(error.code(), Some("42703"));
        assert!(error.to_string().contains("no_such_column"));
        let rows = session.run("select 1, null; select 'two'").unwrap();
        assert_eq!(rows, [vec![Some("1".to_owned()), None], vec![Some("two".to_owned())]]);
    });
}

#[test]
fn a_skipped_test_is_counted() {
    let program = env::current_exe().unwrap();
    let log = env::temp_dir().join(format!("skips-{}", std::process::id()));
    for _ in 0..2 {
        let run = std::process::Command::new(&program)
            .args(["--exact", "one_that_skips", "--ignored"])
            .env("STELLATA_SKIP_LOG", &log)
            .output()
            .unwrap();
        assert!(run.status.success());
        let words = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(words.contains("skipped one_that_skips: no moon tonight"), "{words}");
    }
    let line = "one_that_skips\tno moon tonight\n";
    assert_eq!(std::fs::read_to_string(&log).unwrap(), line.repeat(2));
    std::fs::remove_file(&log).unwrap();
}

#[test]
#[ignore = "the test above runs it in a process of its own"]
fn one_that_skips() {
    stellata_testkit::skip("no moon\ntonight");
}
