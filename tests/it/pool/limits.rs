//! What the options of a pool and its handles do: ages, sizes, hooks, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_pool::{Error, Pool, PoolOptions};
use stellata_testkit::{Database, run, with_database};

use super::memory::Memory;
use super::{config, eventually, number};

fn options() -> PoolOptions {
    PoolOptions::new().max(4).acquire_timeout(Duration::from_secs(20))
}

/// How many sessions the server has on the database, besides the one that asks.
fn sessions(database: &Database) -> usize {
    let counted = database
        .run(
            "select count(*) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .unwrap();
    number(&counted)
}

/// Lends so many connections at the same time, and gives them back.
async fn use_at_once(pool: &Pool, connections: usize) {
    let mut lent = Vec::new();
    for _ in 0..connections {
        lent.push(pool.acquire().await.unwrap());
    }
}

#[test]
fn a_pool_that_is_warmed_up_has_its_minimum() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options().min(3));
        pool.warm_up().await.unwrap();
        assert_eq!(pool.status().idle, 3);
        eventually("the server has them", || sessions(database) == 3).await;
        pool.warm_up().await.unwrap();
        assert_eq!(pool.metrics().opened, 3);
        assert!(pool.try_acquire().is_some());
        let nowhere = stellata_pool::Config::parse(&database.endpoint().url("nowhere")).unwrap();
        let pool = Pool::new(nowhere, options().min(3));
        assert!(matches!(pool.warm_up().await, Err(Error::Connect(_))));
        assert_eq!((pool.status().lent, pool.status().opening), (0, 0));
    });
}

#[test]
fn a_connection_ends_at_its_age() {
    with_database(async |database| {
        let lifetime = Some(Duration::from_secs(1));
        let pool = Pool::new(config(database), options().lifetime(lifetime));
        let lent = pool.acquire().await.unwrap();
        use_at_once(&pool, 2).await;
        eventually("the idle ones are closed", || pool.metrics().closed.aged == 2).await;
        assert_eq!(pool.status().lent, 1, "the one that is lent is left alone");
        // The others may have been opened earlier than it.
        tokio::time::sleep(Duration::from_millis(1300)).await;
        drop(lent);
        assert_eq!(pool.metrics().closed.aged, 3);
        eventually("the server has none", || sessions(database) == 0).await;
    });
}

#[test]
fn a_connection_that_nobody_uses_is_closed_but_the_minimum_stays() {
    with_database(async |database| {
        let limit = Some(Duration::from_millis(100));
        let pool = Pool::new(config(database), options().min(1).idle_limit(limit));
        use_at_once(&pool, 3).await;
        eventually("two are closed", || pool.metrics().closed.idle == 2).await;
        eventually("one is there", || sessions(database) == 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((pool.status().idle, pool.metrics().closed.idle), (1, 2));
        assert_eq!(pool.metrics().opened, 3, "one for each that was wanted");
    });
}

#[test]
fn the_minimum_is_kept_when_a_connection_breaks() {
    with_database(async |database| {
        let limit = Some(Duration::from_millis(100));
        let pool = Pool::new(config(database), options().min(2).idle_limit(limit));
        pool.warm_up().await.unwrap();
        let process = pool.acquire().await.unwrap().process_id().unwrap();
        database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        eventually("it was noticed", || pool.metrics().closed.broken == 1).await;
        eventually("it was replaced", || pool.status().idle == 2).await;
        assert_eq!(pool.metrics().opened, 3);
    });
}

#[test]
fn a_pool_is_made_smaller_and_larger_while_it_is_used() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options());
        let lent = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
        use_at_once(&pool, 2).await;
        assert_eq!((pool.status().lent, pool.status().idle), (2, 2));
        pool.resize(1);
        assert_eq!((pool.status().max, pool.status().idle), (1, 0));
        drop(lent);
        assert_eq!((pool.status().lent, pool.status().idle), (0, 1));
        assert_eq!(pool.metrics().closed.surplus, 3);
        let lent = pool.acquire().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), pool.acquire()).await.is_err());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.acquire().await.unwrap() })
            })
            .collect();
        eventually("they are in line", || pool.status().waiting == 3).await;
        pool.resize(4);
        let mut leases = Vec::new();
        for task in waiting {
            leases.push(task.await.unwrap());
        }
        assert_eq!(pool.status().lent, 4);
        assert!(tokio::time::timeout(Duration::from_millis(50), pool.acquire()).await.is_err());
        drop((lent, leases));
    });
}

#[test]
fn a_pool_that_is_made_smaller_and_larger_at_once_never_has_more_than_the_maximum() {
    run(async {
        let memory = Arc::new(Memory::default());
        let pool = memory.pool(options());
        for round in 1..=3 {
            use_at_once(&pool, 4).await;
            assert_eq!(pool.status().idle, 4);
            pool.resize(1);
            assert_eq!((pool.status().idle, pool.metrics().closed.surplus), (1, 3 * round));
            // Those that are closed have not said goodbye yet.
            pool.resize(4);
            use_at_once(&pool, 4).await;
            assert_eq!(memory.most(), 4);
        }
    });
}

#[test]
fn a_pool_that_is_renewed_lends_no_connection_of_before() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options());
        let lent = pool.acquire().await.unwrap();
        let old = lent.process_id();
        use_at_once(&pool, 2).await;
        pool.renew();
        assert_eq!((pool.status().idle, pool.metrics().closed.renewed), (0, 2));
        drop(lent);
        assert_eq!(pool.metrics().closed.renewed, 3);
        let lent = pool.acquire().await.unwrap();
        assert_ne!(lent.process_id(), old);
        drop(lent);
        assert!(pool.status().idle >= 1);
    });
}

#[test]
fn a_pool_drains() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options());
        let mut lent = pool.acquire().await.unwrap();
        use_at_once(&pool, 2).await;
        assert_eq!(pool.drain(Duration::from_millis(50)).await, 1, "one is lent");
        assert!(matches!(pool.acquire().await, Err(Error::Closed)));
        let (one,): (i32,) = lent.query_one("select 1", ()).await.unwrap();
        assert_eq!(one, 1, "it can be used to the end");
        let draining = tokio::spawn({
            let pool = pool.clone();
            async move { pool.drain(Duration::from_secs(20)).await }
        });
        drop(lent);
        assert_eq!(draining.await.unwrap(), 0);
        assert_eq!((pool.metrics().closed.closed, pool.status().lent), (3, 0));
        eventually("the server has none", || sessions(database) == 0).await;
    });
}

#[test]
fn a_pool_that_is_dropped_leaves_nothing() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options());
        let lent = pool.acquire().await.unwrap();
        use_at_once(&pool, 2).await;
        drop(pool);
        eventually("the lent one is left", || sessions(database) <= 3).await;
        drop(lent);
        eventually("the server has none", || sessions(database) == 0).await;
        let metrics = tokio::runtime::Handle::current().metrics();
        eventually("no task is left", || metrics.num_alive_tasks() == 0).await;
    });
}

#[test]
fn hooks_run_on_the_way_of_a_connection() {
    with_database(async |database| {
        let returned = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&returned);
        let options = options()
            .max(1)
            .after_connect(|connection| {
                Box::pin(async move { connection.simple("set work_mem = '7MB'").await.map(drop) })
            })
            .before_lend(|connection| {
                Box::pin(async move {
                    connection.simple("set application_name = 'lent'").await.map(drop)
                })
            })
            .after_return(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { Ok(()) })
            });
        let pool = Pool::new(config(database), options);
        for round in 1..=3 {
            assert!(pool.try_acquire().is_none(), "a hook has to be awaited");
            let mut lease = pool.acquire().await.unwrap();
            let (memory, name): (String, String) = lease
                .query_one(
                    "select current_setting('work_mem'), current_setting('application_name')",
                    (),
                )
                .await
                .unwrap();
            assert_eq!((memory.as_str(), name.as_str()), ("7MB", "lent"));
            lease.simple("set work_mem = '8MB'").await.unwrap();
            drop(lease);
            eventually("it is back", || pool.status().idle == 1).await;
            assert_eq!(returned.load(Ordering::Relaxed), round);
        }
        assert_eq!(pool.metrics().opened, 1);
    });
}

#[test]
fn a_hook_that_fails_costs_the_connection_and_not_the_caller() {
    with_database(async |database| {
        let calls = AtomicUsize::new(0);
        let options = options().max(1).before_lend(move |connection| {
            let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            Box::pin(async move {
                let sql = if first { "select 1/0" } else { "select 1" };
                connection.simple(sql).await.map(drop)
            })
        });
        let pool = Pool::new(config(database), options);
        drop(pool.acquire().await.unwrap());
        assert_eq!((pool.metrics().opened, pool.metrics().closed.unclean), (2, 1));

        let options = PoolOptions::new().after_connect(|connection| {
            Box::pin(async move { connection.simple("set no_such_setting = 1").await.map(drop) })
        });
        let pool = Pool::new(config(database), options);
        let error = pool.acquire().await.unwrap_err();
        assert!(matches!(error, Error::Connect(_)), "{error:?}");
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    });
}

#[test]
fn what_a_pool_did_is_counted() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options().max(1));
        for _ in 0..10 {
            drop(pool.acquire().await.unwrap());
        }
        let metrics = pool.metrics();
        assert_eq!((metrics.opened, metrics.failed_to_open, metrics.timed_out), (1, 0, 0));
        assert_eq!((metrics.waits.count(), metrics.waits.at_once()), (10, 9));
        assert_eq!(metrics.waits.quantile(0.9), Some(Duration::ZERO));
        assert!(metrics.waits.quantile(1.0).is_none_or(|wait| wait > Duration::ZERO));
    });
}

#[test]
fn what_was_given_to_one_who_left_ends_with_the_pool() {
    with_database(async |database| {
        for closes in [true, false] {
            let pool = Pool::new(config(database), options().max(2));
            let (one, two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
            let waiting = tokio::spawn({
                let pool = pool.clone();
                async move { pool.acquire().await.map(drop) }
            });
            eventually("it waits", || pool.status().waiting == 1).await;
            // Handed over, but not taken yet: this thread has not let the other task run.
            drop(one);
            if closes {
                pool.close();
            } else {
                pool.resize(1);
            }
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert_eq!(pool.status().idle, 0, "it is closed at once");
            drop(two);
            assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
            let closed = pool.metrics().closed;
            assert_eq!((closed.closed, closed.surplus), if closes { (2, 0) } else { (1, 1) });
        }
    });
}
