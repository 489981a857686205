//! Runtimes that end or stand still while lanes are in use.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use stellata_client::Connection;
use stellata_pool::Sharing::Apart;
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Server};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use super::{Asking, ask, ask_by, asking, config, poll_once, pool, sessions, slowly};

/// Far above what a hand-over takes, far below the limit of a test.
const SOON: Duration = Duration::from_secs(20);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn database() -> Database {
    Database::create(Server::shared().unwrap()).unwrap()
}

/// A pool with one lane, whose connections live in a runtime of their own, whoever has them opened.
fn pool_at(home: &Handle, database: &Database) -> Pool {
    let (config, home) = (config(database), home.clone());
    let open = move || {
        let (config, home) = (config.clone(), home.clone());
        async move {
            let opened = home.spawn(async move { Connection::connect(&config).await });
            opened.await.unwrap()
        }
    };
    Pool::opened_by(open, PoolOptions::new().max(1).lanes(1).acquire_timeout(SOON))
}

#[test]
fn a_runtime_that_ends_while_a_lane_is_busy_leaves_the_pool_to_the_next() {
    let database = database();
    for first in [one_thread, two_threads] {
        for given_up in [true, false] {
            let (first, second) = (first(), two_threads());
            let pool = pool(&database, 2, 1);
            let mut kept = None;
            first.block_on(async {
                assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
                let mut slow = slowly(&pool, 30.0);
                assert!(poll_once(&mut slow).await.is_pending());
                if given_up {
                    drop(slow);
                } else {
                    kept = Some(slow);
                }
                let waits = pool.clone();
                tokio::spawn(async move { slowly(&waits, 30.0).await });
                tokio::task::yield_now().await;
            });
            drop(first);
            drop(kept);
            second.block_on(async {
                let answer = timeout(SOON, ask(&pool, Apart, 7)).await;
                assert_eq!(answer.unwrap().unwrap(), 7);
                assert_eq!((pool.lanes(), pool.status().lent), (1, 1));
                assert_eq!(pool.drain(SOON).await, 0);
            });
        }
    }
}

#[test]
fn who_waits_in_another_runtime_is_looked_after_when_the_first_ends() {
    let database = database();
    for first in [one_thread, two_threads] {
        let (first, second) = (first(), two_threads());
        let pool = pool_at(second.handle(), &database);
        // Whoever looks after the lanes does so there from now on.
        assert_eq!(first.block_on(ask(&pool, Apart, 1)).unwrap(), 1);
        // The two whom the socket wakes are not polled again.
        let mut stale: Vec<Asking<'_>> = vec![slowly(&pool, 0.5), asking(&pool, Apart, -1)];
        {
            let _inside = second.enter();
            for one in &mut stale {
                let mut nobody = Context::from_waker(Waker::noop());
                assert!(Pin::new(one).poll(&mut nobody).is_pending());
            }
        }
        let (told, waits) = std::sync::mpsc::channel();
        let waiting = second.spawn({
            let pool = pool.clone();
            async move {
                let mut asking = asking(&pool, Apart, 7);
                assert!(poll_once(&mut asking).await.is_pending());
                told.send(()).unwrap();
                asking.await
            }
        });
        waits.recv().unwrap();
        drop(first);
        let answer = second.block_on(async { timeout(SOON, waiting).await });
        assert_eq!(answer.unwrap().unwrap().unwrap(), 7);
    }
}

#[test]
fn who_waits_for_room_is_told_of_it_by_who_makes_it() {
    let database = database();
    let mut locks = database.session().unwrap();
    locks.run("select pg_advisory_lock(1), pg_advisory_lock(2)").unwrap();
    let (still, second) = (one_thread(), two_threads());
    let pool = pool_at(second.handle(), &database);
    // Who looks after the lanes stands still from now on, and can help nobody.
    assert_eq!(still.block_on(ask(&pool, Apart, 1)).unwrap(), 1);
    second.block_on(async {
        let locked = |lock: i64| -> Asking<'_> {
            let pool = &pool;
            Box::pin(async move {
                let sql = format!("select $1::int8 from pg_advisory_xact_lock({lock})");
                ask_by(pool, Apart, &sql.as_str(), lock).await
            })
        };
        let mut held: Vec<Asking<'_>> = vec![locked(1), locked(2)];
        held.extend((2..64).map(|n| asking(&pool, Apart, n)));
        for one in &mut held {
            assert!(poll_once(one).await.is_pending());
        }
        let waiting: Vec<_> = (0..3)
            .map(|n| {
                let pool = pool.clone();
                tokio::spawn(async move { ask(&pool, Apart, n).await })
            })
            .collect();
        super::eventually("three wait", || pool.status().waiting == 3).await;
        // One is answered, and one of those who wait has its place; 63 are held up behind the second.
        locks.run("select pg_advisory_unlock(1)").unwrap();
        assert_eq!(timeout(SOON, held.remove(0)).await.unwrap().unwrap(), 1);
        super::eventually("one has been told", || pool.status().waiting == 2).await;
        // One who was told and goes away passes it on.
        for one in waiting.iter().take(2) {
            one.abort();
        }
        locks.run("select pg_advisory_unlock(2)").unwrap();
        assert_eq!(timeout(SOON, held.remove(0)).await.unwrap().unwrap(), 2);
        for (one, n) in held.into_iter().zip(2..) {
            assert_eq!(timeout(SOON, one).await.unwrap().unwrap(), n);
        }
        for (one, n) in waiting.into_iter().zip(0..) {
            match timeout(SOON, one).await.unwrap() {
                Ok(answer) => assert_eq!(answer.unwrap(), n),
                Err(gone) => assert!(gone.is_cancelled() && n < 2),
            }
        }
        assert_eq!((pool.status().waiting, sessions(&database)), (0, 1));
    });
}
