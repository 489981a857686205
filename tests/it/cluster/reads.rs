//! Which statement runs where.

use std::collections::BTreeMap;
use std::time::Duration;

use stellata::prelude::*;
use stellata::{ClusterOptions, ErrorKind};
use stellata_testkit::{Cluster as Servers, Proxy, ServerOptions, Shutdown, run_within};

use super::*;

#[test]
fn reads_run_on_the_replica_and_all_else_on_the_primary() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    servers.catch_up().unwrap();
    run_within(Duration::from_secs(100), async {
        let db = connect(&[servers.primary(), servers.standby()]).await;
        let (primary, replica) =
            (i32::from(servers.primary().port()), i32::from(servers.standby().port()));
        assert_eq!(read_at(&db).await, replica);
        assert_eq!(read_at(&db.primary()).await, primary);
        let places = Place::query().filter(|p| p.id.eq(1));
        assert_eq!(places.clone().all(&db).await.unwrap()[0].port, replica);
        assert_eq!(places.clone().first(&db).await.unwrap().unwrap().port, replica);
        assert_eq!(places.one(&db).await.unwrap().port, replica);
        let at_replica = Place::query().filter(|p| p.port.eq(replica));
        assert_eq!(at_replica.clone().count(&db).await.unwrap(), 1);
        assert!(at_replica.clone().exists(&db).await.unwrap());
        assert!(!at_replica.exists(&db.primary()).await.unwrap());
        let mut place = Place { id: 1, port: 0 };
        place.reload(&db).await.unwrap();
        assert_eq!(place.port, replica);
        assert_eq!(Place::find(1, &db).await.unwrap().unwrap().port, replica);

        // In a transaction, and by hand, unless it is said that it only reads.
        db.transaction(async |tx| {
            assert_eq!(read_at(tx).await, primary);
            Ok::<_, stellata::Error>(())
        })
        .await
        .unwrap();
        let port = "select inet_server_port()";
        assert_eq!(db.sql(port).one::<(i32,)>().await.unwrap(), (primary,));
        assert_eq!(db.sql(port).read_only().one::<(i32,)>().await.unwrap(), (replica,));
        let refused = db.sql("delete from note").read_only().exec().await.unwrap_err();
        assert_eq!(refused.sqlstate().unwrap().as_str(), "25006");

        // All that writes.
        let mut note = new!(Note { text: "one" }).insert(&db).await.unwrap();
        note.text = "two".into();
        note.save(&db).await.unwrap();
        note.update(|n| n.text.set("three"), &db).await.unwrap();
        let many = (0..3).map(|n| new!(Remark { text: format!("{n}"), note_id: note.id }));
        assert_eq!(Remark::insert_many(many).exec(&db).await.unwrap(), 3);
        let all = Note::query().filter(|n| n.id.eq(note.id));
        assert_eq!(all.clone().update(|n| n.text.set("four")).exec(&db).await.unwrap(), 1);
        let upserted = Note::upsert(new!(Note { id: note.id, text: "five" }))
            .on(|n| n.id)
            .update(|n, new| n.text.set(new.text))
            .one(&db)
            .await
            .unwrap();
        assert_eq!(upserted.row.text, "five");
        servers.catch_up().unwrap();

        // A graph of relations is handed over inside the replica.
        let with = all.include(|n| n.remarks()).one(&db).await.unwrap();
        assert_eq!(with.remarks.get().unwrap().len(), 3);
        let cluster = db.cluster().unwrap();
        assert_eq!(cluster.status().servers[0].pool.idle, 0);
        assert_eq!(cluster.drain(Duration::from_secs(20)).await, 0);
        assert_eq!(read_failure(&db).await, ErrorKind::Connection);
    });
}

async fn read_failure(on: &impl Executor) -> ErrorKind {
    Place::get(1, on).await.unwrap_err().kind()
}

#[test]
fn reads_are_spread_over_the_replicas() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    let third = servers.primary().start_standby().unwrap();
    servers.catch_up().unwrap();
    run_within(Duration::from_secs(100), async {
        let all = [servers.primary(), servers.standby(), &third];
        let db = Db::connect_cluster_with(config(&all), options().seed(7)).await.unwrap();
        let mut counts = BTreeMap::<i32, usize>::new();
        for _ in 0..200 {
            *counts.entry(read_at(&db).await).or_default() += 1;
        }
        assert_eq!(counts.len(), 2, "{counts:?}");
        assert!(counts.values().all(|count| *count > 60), "{counts:?}");
        assert!(!counts.contains_key(&i32::from(servers.primary().port())));

        // Of two, the one with fewer callers: they stay level.
        let cluster = db.cluster().unwrap();
        let mut lent = Vec::new();
        for _ in 0..12 {
            lent.push(cluster.acquire_reading().await.unwrap());
            let lent: Vec<usize> =
                cluster.status().servers[1..].iter().map(|server| server.pool.lent).collect();
            assert!(lent[0].abs_diff(lent[1]) <= 1, "{lent:?}");
        }
        drop(lent);

        // One of them goes; who reads does not notice, or is served by another.
        third.stop(Shutdown::Immediate).unwrap();
        for _ in 0..50 {
            read_at(&db).await;
        }
        seen(cluster, "it is left out", |cluster| !is_read_from(cluster, 2)).await;
        let counted = cluster.status().servers[2].failure.is_some();
        assert!(counted);
        for _ in 0..20 {
            assert_eq!(read_at(&db).await, i32::from(servers.standby().port()));
        }
        third.start_again().unwrap();
        seen(cluster, "it is back", |cluster| is_read_from(cluster, 2)).await;
        servers.standby().stop(Shutdown::Immediate).unwrap();
        third.stop(Shutdown::Kill).unwrap();
        for _ in 0..20 {
            read_at(&db).await;
        }
        seen(cluster, "both are left out", |cluster| {
            !is_read_from(cluster, 1) && !is_read_from(cluster, 2)
        })
        .await;
        assert_eq!(read_at(&db).await, i32::from(servers.primary().port()));
    });
}

#[test]
fn a_replica_that_is_too_far_behind_is_not_read_from() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    servers.catch_up().unwrap();
    run_within(Duration::from_secs(100), async {
        let options = options().max_lag(Some(Duration::from_millis(400)));
        let all = [servers.primary(), servers.standby()];
        let db = Db::connect_cluster_with(config(&all), options).await.unwrap();
        let cluster = db.cluster().unwrap();
        seen(cluster, "it is read from", |cluster| is_read_from(cluster, 1)).await;
        run_on(servers.standby(), "select pg_wal_replay_pause()");
        new!(Note { text: "late" }).insert(&db).await.unwrap();
        seen(cluster, "it is left out", |cluster| !is_read_from(cluster, 1)).await;
        let status = cluster.status();
        assert!(status.servers[1].lag.unwrap() > Duration::from_millis(400), "{status:?}");
        assert_eq!(read_at(&db).await, i32::from(servers.primary().port()));
        assert_eq!(Note::query().count(&db).await.unwrap(), 1);
        run_on(servers.standby(), "select pg_wal_replay_resume()");
        seen(cluster, "it is back", |cluster| is_read_from(cluster, 1)).await;
        assert_eq!(read_at(&db).await, i32::from(servers.standby().port()));
        assert_eq!(Note::query().count(&db).await.unwrap(), 1);
    });
}

#[test]
fn a_silent_replica_is_left_out_and_its_callers_go_on_elsewhere() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    servers.catch_up().unwrap();
    run_within(Duration::from_secs(100), async {
        let silent = Proxy::start(servers.standby().tcp()).unwrap();
        let url = format!(
            "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres",
            servers.primary().port(),
            silent.port()
        );
        let options: ClusterOptions = options().check_timeout(Duration::from_millis(1500));
        let db = Db::connect_cluster_with(Config::parse(&url).unwrap(), options).await.unwrap();
        let cluster = db.cluster().unwrap();
        seen(cluster, "it is read from", |cluster| is_read_from(cluster, 1)).await;
        // Nobody has read yet: a connection has to be opened, to a server that says nothing.
        silent.pause();
        assert_eq!(read_at(&db).await, i32::from(servers.primary().port()));
        assert!(!is_read_from(cluster, 1));
        silent.resume();
        seen(cluster, "it is back", |cluster| is_read_from(cluster, 1)).await;
        assert_eq!(read_at(&db).await, i32::from(servers.standby().port()));
    });
}

#[test]
fn a_read_that_a_replica_gives_up_is_made_again_on_the_primary() {
    const SLOW: &str = "select inet_server_port(),
        pg_sleep(case when pg_is_in_recovery() then 60 else 0 end)::text";
    let options = ServerOptions::new().setting("max_standby_streaming_delay", "0");
    let servers = Servers::start(options).unwrap();
    run_on(servers.primary(), TABLES);
    run_on(servers.primary(), "insert into note (text) values ('one')");
    servers.catch_up().unwrap();
    run_within(Duration::from_secs(100), async {
        let db = connect(&[servers.primary(), servers.standby()]).await;
        let primary = i32::from(servers.primary().port());
        let is_running = || {
            let running = "select count(*) from pg_stat_activity
                where query like '%in_recovery() then 60%' and state = 'active' and pid <> pg_backend_pid()";
            run_on(servers.standby(), running) == "1"
        };
        let once_it_runs = async |then: &dyn Fn()| {
            while !is_running() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            then();
        };
        let read = || db.sql(SLOW).read_only().one::<(i32, String)>();

        let end = "select pg_terminate_backend(pid) from pg_stat_activity
            where query like '%in_recovery() then 60%' and pid <> pg_backend_pid()";
        let kill = || drop(run_on(servers.standby(), end));
        let (found, ()) = tokio::join!(read(), once_it_runs(&kill));
        assert_eq!(found.unwrap().0, primary, "its session was ended");

        // The replica has to remove what the read may still see.
        let remove = || {
            run_on(servers.primary(), "delete from note");
            run_on(servers.primary(), "vacuum note");
        };
        let is_over = std::cell::Cell::new(false);
        let reading = async {
            let found = read().await;
            is_over.set(true);
            found
        };
        // Whoever else looks at the table just then has the first vacuum leave the row.
        let removing = async {
            once_it_runs(&remove).await;
            for _ in 0..100 {
                if !is_over.get() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    run_on(servers.primary(), "vacuum note");
                }
            }
        };
        let (found, ()) = tokio::join!(reading, removing);
        assert_eq!(found.unwrap().0, primary, "it stood in the way of replay");

        // What is wrong with the statement itself is told at once.
        let wrong = db.sql("select 1 / 0").read_only().exec().await.unwrap_err();
        assert_eq!(wrong.sqlstate().unwrap().as_str(), "22012");
        assert_eq!(read_at(&db).await, i32::from(servers.standby().port()));
    });
}
