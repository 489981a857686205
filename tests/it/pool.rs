//! Connections that are lent and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stellata_client::{Config, ErrorKind, TransactionStatus};
use stellata_pool::{Cause, Error, Pool, PoolOptions};
use stellata_testkit::{Database, with_database};

fn pool(database: &Database, max: usize) -> Pool {
    let options = PoolOptions::new().max(max).acquire_timeout(Duration::from_secs(20));
    Pool::new(Config::parse(&database.url()).unwrap(), options)
}

#[test]
fn a_connection_is_lent_again() {
    with_database(async |database| {
        let pool = pool(database, 4);
        let first = pool.acquire().await.unwrap().process_id();
        for _ in 0..10 {
            assert_eq!(pool.acquire().await.unwrap().process_id(), first);
        }
        assert_eq!(pool.status().idle, 1);
    });
}

#[test]
fn there_are_never_more_than_the_maximum() {
    with_database(async |database| {
        let pool = pool(database, 3);
        let lent = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..60)
            .map(|n: i32| {
                let (pool, lent) = (pool.clone(), Arc::clone(&lent));
                tokio::spawn(async move {
                    let mut connection = pool.acquire().await.unwrap();
                    assert!(lent.fetch_add(1, Ordering::SeqCst) < 3);
                    let (m,): (i32,) = connection.query_one("select $1", (n,)).await.unwrap();
                    assert_eq!(m, n);
                    lent.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(pool.status().idle <= 3);
        assert_eq!(pool.status().lent, 0);
    });
}

#[test]
fn the_deadline_is_kept_and_says_why() {
    with_database(async |database| {
        let options = PoolOptions::new().max(1).acquire_timeout(Duration::from_millis(200));
        let pool = Pool::new(Config::parse(&database.url()).unwrap(), options);
        let _lent = pool.acquire().await.unwrap();
        let start = Instant::now();
        let error = pool.acquire().await.unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(200));
        assert!(
            matches!(error, Error::Timeout { cause: Cause::Exhausted, status, .. } if status.lent == 1 && status.max == 1),
            "{error:?}"
        );
        assert!(error.to_string().contains("1 of 1 are lent"), "{error}");
    });
}

#[test]
fn what_keeps_a_connection_from_opening_is_told() {
    with_database(async |database| {
        let config = Config::parse(&database.endpoint().url("nowhere_to_be_found")).unwrap();
        let pool = Pool::new(config, PoolOptions::new());
        for _ in 0..20 {
            // More often than there are permits: none is lost.
            match pool.acquire().await {
                Err(Error::Connect(error)) => assert_eq!(error.kind(), ErrorKind::Server),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pool.status().lent, 0);
    });
}

#[test]
fn an_open_transaction_is_rolled_back_at_once() {
    with_database(async |database| {
        database.run("create table t (n int4)").unwrap();
        let pool = pool(database, 2);
        let mut connection = pool.acquire().await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        connection.execute("insert into t values (1)", ()).await.unwrap();
        connection.execute("lock table t", ()).await.unwrap();
        drop(connection);
        // Nobody borrows from the pool, and yet the lock goes.
        let watch = pool.clone();
        let free = async {
            while watch.status().idle < 1 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
        database.run("set lock_timeout = '5s'; lock table t").unwrap();
        let (count,): (i64,) =
            pool.acquire().await.unwrap().query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(count, 0);
    });
}

#[test]
fn the_next_borrower_sees_nothing_of_the_last() {
    with_database(async |database| {
        let pool = pool(database, 1);
        for sql in [
            "set work_mem = '5MB'",
            "create temp table left_over (n int4)",
            "listen left_over",
            "prepare left_over as select 1",
            "begin; declare left_over cursor for select 1",
            "begin; select 1/0",
            "set role pg_monitor",
        ] {
            let mut connection = pool.acquire().await.unwrap();
            let _ = connection.simple(sql).await;
            drop(connection);
            let mut connection = pool.acquire().await.unwrap();
            assert_eq!(connection.status(), TransactionStatus::Idle, "{sql}");
            let (work_mem, role, left): (String, bool, i64) = connection
                .query_one(
                    "select current_setting('work_mem'), current_user = session_user,
                        (select count(*) from pg_class where relname = 'left_over')
                        + (select count(*) from pg_listening_channels())
                        + (select count(*) from pg_prepared_statements where name = 'left_over')
                        + (select count(*) from pg_cursors where name = 'left_over')",
                    (),
                )
                .await
                .unwrap();
            assert_ne!(work_mem, "5MB", "{sql}");
            assert!(role, "{sql}");
            assert_eq!(left, 0, "{sql}");
        }
    });
}

#[test]
fn a_dropped_query_does_not_follow_the_connection() {
    with_database(async |database| {
        let pool = pool(database, 1);
        for n in 0..50_i32 {
            let mut connection = pool.acquire().await.unwrap();
            let limit = Duration::from_micros(50 * u64::from(n.unsigned_abs()));
            let _ = tokio::time::timeout(
                limit,
                connection.query::<(i32,)>("select -1 from pg_sleep(0.002)", ()),
            )
            .await;
            drop(connection);
            let mut connection = pool.acquire().await.unwrap();
            let (m,): (i32,) = connection.query_one("select $1", (n,)).await.unwrap();
            assert_eq!(m, n);
        }
    });
}

#[test]
fn a_dead_connection_is_not_lent() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let process = pool.acquire().await.unwrap().process_id().unwrap();
        database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        // The goodbye may need a moment to come.
        let mut tries = 0;
        loop {
            let mut connection = pool.acquire().await.unwrap();
            if connection.execute("select 1", ()).await.is_ok() {
                assert_ne!(connection.process_id(), Some(process));
                break;
            }
            tries += 1;
            assert!(tries < 3);
        }
    });
}

#[test]
fn a_closed_pool_lends_nothing() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let lent = pool.acquire().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await.map(drop) }
        });
        tokio::task::yield_now().await;
        pool.close();
        assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
        assert!(matches!(pool.acquire().await, Err(Error::Closed)));
        drop(lent);
        assert_eq!(pool.status().idle, 0);
    });
}
