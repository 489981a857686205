//! Connections that are lent and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stellata_pool::Error;
use stellata_testkit::with_database;

use super::{eventually, pool};

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

#[test]
fn callers_are_served_in_the_order_in_which_they_came() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let lent = pool.acquire().await.unwrap();
        let served = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..100_usize {
            let (caller, served) = (pool.clone(), Arc::clone(&served));
            tasks.push(tokio::spawn(async move {
                let _connection = caller.acquire().await.unwrap();
                served.lock().unwrap().push(n);
            }));
            eventually("it is in line", || pool.status().waiting == n + 1).await;
        }
        // Every third goes away, from the middle, the front and the end.
        for gone in tasks.iter().step_by(3) {
            gone.abort();
        }
        drop(lent);
        for task in tasks {
            let _ = task.await;
        }
        let expected: Vec<usize> = (0..100).filter(|n| n % 3 != 0).collect();
        assert_eq!(*served.lock().unwrap(), expected);
        assert_eq!((pool.status().waiting, pool.status().idle), (0, 1));
        assert_eq!(pool.metrics().opened, 1);
    });
}

#[test]
fn who_comes_while_others_wait_overtakes_nobody() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let lent = pool.acquire().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await.map(drop) }
        });
        eventually("it is in line", || pool.status().waiting == 1).await;
        drop(lent);
        assert!(pool.try_acquire().is_none(), "it is on its way to who waited");
        waiting.await.unwrap().unwrap();
        assert!(pool.try_acquire().is_some());
    });
}

#[test]
fn a_connection_that_is_discarded_is_replaced() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let lease = pool.acquire().await.unwrap();
        let process = lease.process_id();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await.map(|lease| lease.process_id()) }
        });
        eventually("it is in line", || pool.status().waiting == 1).await;
        lease.discard();
        assert_ne!(waiting.await.unwrap().unwrap(), process);
        assert_eq!((pool.metrics().opened, pool.metrics().closed.discarded), (2, 1));
        assert_eq!(pool.status().idle, 1);
    });
}
