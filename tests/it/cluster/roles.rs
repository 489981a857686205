//! Who is the primary: found out, and found out again.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use stellata_pool::{Error, Role};
use stellata_testkit::{Cluster as Servers, Proxy, Server, ServerOptions, Shutdown, run_within};

use super::*;

fn roles(cluster: &Cluster) -> Vec<Role> {
    cluster.status().servers.iter().map(|server| server.role).collect()
}

/// The server that a write is lent a connection to.
async fn written_at(cluster: &Cluster) -> u16 {
    loop {
        let mut lease = cluster.acquire().await.unwrap();
        match lease.query_one::<(i32,)>("select inet_server_port()", ()).await {
            Ok((port,)) => return u16::try_from(port).unwrap(),
            // The server was stopped while this thread stood still: nobody has read yet that it is gone.
            Err(error) => assert!(error.is_fatal(), "{error}"),
        }
    }
}

#[test]
fn the_primary_is_found_in_whatever_order_the_hosts_are_named() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    let nobody = Server::start(ServerOptions::new()).unwrap();
    nobody.stop(Shutdown::Immediate).unwrap();
    run_within(Duration::from_secs(100), async {
        let all = [&nobody, servers.standby(), servers.primary()];
        // Before anybody has looked, too.
        let warm = PoolOptions::new().min(1).acquire_timeout(Duration::from_secs(30));
        let cluster = Cluster::new(config(&all), options().replica(warm));
        assert_eq!(roles(&cluster), [Role::Unknown; 3]);
        assert_eq!(written_at(&cluster).await, servers.primary().port());
        let status = cluster.check().await;
        assert_eq!(roles(&cluster), [Role::Away, Role::Replica, Role::Primary]);
        assert!(status.servers[0].failure.is_some() && status.servers[2].failure.is_none());
        assert_eq!(status.primary_server().unwrap().endpoint.port(), servers.primary().port());
        assert_eq!(status.failovers, 0);
        let of_replica = cluster.servers().nth(1).unwrap();
        assert_eq!(of_replica.0.port(), servers.standby().port());
        of_replica.1.warm_up().await.unwrap();
        // To who is no standby nothing is opened for reads.
        let (_, of_primary) = cluster.servers().nth(2).unwrap();
        assert!(of_primary.warm_up().await.is_err());
        let mut reading = cluster.acquire_reading().await.unwrap();
        let (standby,): (bool,) =
            reading.query_one("select pg_is_in_recovery()", ()).await.unwrap();
        assert!(standby);
        assert_eq!((of_replica.1.metrics().opened, of_primary.metrics().opened), (1, 0));
    });
}

#[test]
fn without_a_primary_a_write_waits_until_its_deadline_and_reads_go_on() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_within(Duration::from_secs(100), async {
        let options = options()
            .primary(PoolOptions::new().acquire_timeout(Duration::from_secs(3)))
            .max_lag(Some(Duration::from_millis(300)));
        let all = [servers.primary(), servers.standby()];
        let cluster = Cluster::new(config(&all), options);
        assert_eq!(written_at(&cluster).await, servers.primary().port());
        servers.primary().stop(Shutdown::Fast).unwrap();
        seen(&cluster, "it is away", |cluster| roles(cluster) == [Role::Away, Role::Replica]).await;
        match cluster.acquire().await {
            Err(Error::Timeout { waited, .. }) => assert!(waited >= Duration::from_secs(3)),
            other => panic!("{other:?}"),
        }
        // Nobody falls behind a primary that is away.
        tokio::time::sleep(Duration::from_millis(600)).await;
        cluster.check().await;
        let mut reading = cluster.acquire_reading().await.unwrap();
        reading.execute("select 1", ()).await.unwrap();
        assert!(reading.parameter("in_hot_standby") == Some("on"));
        // The same server comes back.
        servers.primary().start_again().unwrap();
        seen(&cluster, "it is back", |cluster| roles(cluster)[0] == Role::Primary).await;
        assert_eq!(written_at(&cluster).await, servers.primary().port());
        assert_eq!(cluster.status().failovers, 0);
    });
}

#[test]
fn an_old_primary_that_comes_back_by_mistake_gets_nothing() {
    let mut servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), "create table t (n int)");
    servers.catch_up().unwrap();
    let all: Vec<&Server> = servers.servers().iter().collect();
    let config = config(&all);
    run_within(Duration::from_secs(100), async {
        let cluster = Cluster::new(config.clone(), options());
        assert_eq!(written_at(&cluster).await, servers.primary().port());
        cluster.check().await;
        servers.fail_over(Shutdown::Immediate).unwrap();
        let new = servers.primary().port();
        assert_eq!(written_at(&cluster).await, new);
        servers.standby().start_again().unwrap();
        assert!(!servers.standby().is_standby().unwrap(), "it says that it is a primary");
        seen(&cluster, "it is seen", |cluster| roles(cluster) == [Role::Superseded, Role::Primary])
            .await;
        for _ in 0..20 {
            assert_eq!(written_at(&cluster).await, new);
            let mut reading = cluster.acquire_reading().await.unwrap();
            let (port,): (i32,) = reading.query_one("select inet_server_port()", ()).await.unwrap();
            assert_eq!(port, i32::from(new));
        }
        // Who comes later finds the right one too, though it stands second.
        let later = Cluster::new(config.clone(), options());
        later.check().await;
        assert_eq!(written_at(&later).await, new);
        assert_eq!(roles(&later), [Role::Superseded, Role::Primary]);
        // Nor does it get anything while the new one is away.
        servers.primary().stop(Shutdown::Fast).unwrap();
        seen(&cluster, "it is away", |cluster| roles(cluster)[1] == Role::Away).await;
        assert_eq!(roles(&cluster)[0], Role::Superseded);
        assert_eq!(cluster.status().failovers, 1);
    });
}

#[test]
fn all_sessions_of_the_old_primary_are_gone_after_a_promotion() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_within(Duration::from_secs(100), async {
        let all = [servers.primary(), servers.standby()];
        let cluster = Cluster::new(config(&all), options());
        cluster.check().await;
        let mut lent = Vec::new();
        for _ in 0..5 {
            lent.push(cluster.acquire().await.unwrap());
        }
        let mut held = lent.pop().unwrap();
        drop(lent);
        let mut reading = cluster.acquire_reading().await.unwrap();
        // The old primary lives on: nobody has stopped it.
        servers.standby().promote().unwrap();
        seen(&cluster, "it is seen", |cluster| roles(cluster) == [Role::Superseded, Role::Primary])
            .await;
        assert_eq!(written_at(&cluster).await, servers.standby().port());
        seen(&cluster, "the idle ones are closed", |cluster| {
            cluster.primary().metrics().closed.renewed == 4
        })
        .await;
        // What is lent is not taken away, but it is not lent again.
        held.execute("select 1", ()).await.unwrap();
        reading.execute("select 1", ()).await.unwrap();
        drop((held, reading));
        seen(&cluster, "the lent ones are closed", |cluster| {
            let of_replica = cluster.status().servers[1].pool;
            cluster.primary().metrics().closed.renewed == 5
                && of_replica.idle + of_replica.lent == 0
        })
        .await;
        let sessions = "select count(*) from pg_stat_activity where backend_type = 'client backend'
            and application_name = '' and pid <> pg_backend_pid() and query not like '%is_standby%'";
        // A session that was said goodbye to needs a moment to end.
        seen(&cluster, "the old primary has none", |_| run_on(servers.primary(), sessions) == "0")
            .await;
    });
}

#[test]
fn who_waits_for_a_silent_primary_is_served_by_the_next_one() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_within(Duration::from_secs(100), async {
        let silent = Proxy::start(servers.primary().tcp()).unwrap();
        let url = format!(
            "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres",
            silent.port(),
            servers.standby().port()
        );
        // An attempt to connect takes longer than a caller waits.
        let config = Config::parse(&url).unwrap().with_connect_timeout(Duration::from_secs(90));
        let cluster = Cluster::new(config, options());
        cluster.check().await;
        assert_eq!(written_at(&cluster).await, servers.primary().port());
        let lent = cluster.acquire().await.unwrap();
        silent.pause();
        let (waited, ()) = tokio::join!(written_at(&cluster), async {
            seen(&cluster, "a connection is being opened", |cluster| {
                cluster.primary().status().opening == 1
            })
            .await;
            servers.standby().promote().unwrap();
        });
        assert_eq!(waited, servers.standby().port());
        assert_eq!(cluster.status().primary.waiting, 0);
        // What is lent there is not lent again.
        drop(lent);
        seen(&cluster, "it is closed", |cluster| cluster.primary().metrics().closed.renewed == 1)
            .await;
    });
}

#[test]
fn the_roles_of_every_version_are_read() {
    for version in stellata_testkit::VERSIONS {
        let Some(server_options) = ServerOptions::of_version(version) else {
            stellata_testkit::skip(&format!("PostgreSQL {version} is not here"));
            continue;
        };
        let mut servers = Servers::start(server_options).unwrap();
        let all: Vec<&Server> = servers.servers().iter().collect();
        let config = config(&all);
        run_within(Duration::from_secs(100), async {
            let cluster = Cluster::new(config, options());
            cluster.check().await;
            assert_eq!(roles(&cluster), [Role::Primary, Role::Replica], "{version}");
            seen(&cluster, "it is read from", |cluster| is_read_from(cluster, 1)).await;
            assert_eq!(written_at(&cluster).await, servers.primary().port());
            servers.fail_over(Shutdown::Immediate).unwrap();
            assert_eq!(written_at(&cluster).await, servers.primary().port(), "{version}");
            seen(&cluster, "both are seen", |cluster| {
                roles(cluster) == [Role::Away, Role::Primary]
            })
            .await;
        });
    }
}

#[test]
fn a_function_that_is_told_of_a_notice_may_ask_how_things_stand() {
    let mut servers = Servers::start(ServerOptions::new()).unwrap();
    let all: Vec<&Server> = servers.servers().iter().collect();
    let (asked, told) =
        (Arc::new(OnceLock::<Cluster>::new()), Arc::new(Mutex::new(Vec::<Role>::new())));
    let (of_cluster, tell) = (Arc::clone(&asked), Arc::clone(&told));
    let config = config(&all).with_on_notice(move |_| {
        if let Some(cluster) = of_cluster.get() {
            tell.lock().unwrap().extend(roles(cluster));
        }
    });
    run_within(Duration::from_secs(100), async {
        let options = options().check_interval(Duration::from_secs(3_600));
        let cluster = Cluster::new(config, options);
        cluster.check().await;
        asked.set(cluster.clone()).unwrap();
        let mut lease = cluster.acquire().await.unwrap();
        lease.execute("select 1", ()).await.unwrap();
        // Every session is told of it by a warning, which nobody reads while this one is lent.
        servers.fail_over(Shutdown::Immediate).unwrap();
        assert!(told.lock().unwrap().is_empty());
        drop(lease);
        // The other server is the primary now, so that the idle connections are looked at, and closed.
        cluster.check().await;
        assert_eq!(cluster.status().failovers, 1);
        // So was the connection that is kept for looks, if it was not closed before it was read.
        assert!(told.lock().unwrap().len() >= 2, "it was told of, and asked");
    });
}
