//! Pools that outlive runtimes, and are used in several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_client::{Connection, ErrorKind};
use stellata_pool::{Error, Pool, PoolOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::memory::Memory;
use super::{soon, threads};

/// Far above what a hand-over takes, far below what a caller waits.
const SOON: Duration = Duration::from_secs(20);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn options() -> PoolOptions {
    PoolOptions::new().max(1).acquire_timeout(SOON * 3)
}

/// A pool of which the first attempts to open a connection never end.
fn stuck(attempts: usize, options: PoolOptions) -> (Pool, Arc<AtomicUsize>) {
    let (memory, begun) = (Arc::new(Memory::default()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&begun);
    let open = move || {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        let memory = Arc::clone(&memory);
        async move {
            if number < attempts {
                std::future::pending::<()>().await;
            }
            memory.connect().await
        }
    };
    (Pool::opened_by(open, options), begun)
}

/// Has somebody wait in a runtime.
fn waiting_in(runtime: &Runtime, pool: &Pool) -> JoinHandle<Result<(), Error>> {
    let pool = pool.clone();
    runtime.spawn(async move { pool.acquire().await.map(drop) })
}

/// Waits until somebody has been served in a runtime.
fn is_served(runtime: &Runtime, waiting: JoinHandle<Result<(), Error>>) {
    runtime.block_on(async { timeout(SOON, waiting).await }).unwrap().unwrap().unwrap();
}

#[test]
fn what_was_being_opened_in_a_runtime_that_ends_is_opened_where_somebody_waits() {
    for first in [one_thread, threads] {
        let (first, second) = (first(), threads());
        let (pool, begun) = stuck(2, options().max(2));
        let waiting = waiting_in(&second, &pool);
        soon("one attempt is under way", || begun.load(Ordering::Relaxed) == 1);
        // The second attempt is the first runtime's, which ends while it is under way.
        let (asks, counted) = (pool.clone(), Arc::clone(&begun));
        first.block_on(async move {
            tokio::spawn(async move { asks.acquire().await.map(drop) });
            while counted.load(Ordering::Relaxed) < 2 {
                tokio::task::yield_now().await;
            }
        });
        let other = waiting_in(&second, &pool);
        soon("three wait", || pool.status().waiting == 3);
        drop(first);
        is_served(&second, waiting);
        is_served(&second, other);
        assert_eq!((begun.load(Ordering::Relaxed), pool.metrics().opened), (3, 1));
    }
}

#[test]
fn what_was_being_closed_in_a_runtime_that_ends_makes_room_for_who_waits() {
    let (first, second) = (one_thread(), threads());
    let pool = Arc::new(Memory::default()).pool(options());
    let lease = second.block_on(pool.acquire()).unwrap();
    let waiting = waiting_in(&second, &pool);
    soon("it waits", || pool.status().waiting == 1);
    {
        // Its goodbye is left to the first runtime, which never comes to say it.
        let _inside = first.enter();
        lease.discard();
    }
    drop(first);
    is_served(&second, waiting);
    assert_eq!((pool.metrics().opened, pool.status().lent), (2, 0));
}

#[test]
fn what_comes_back_outside_of_any_runtime_when_the_first_has_ended_makes_room_for_who_waits() {
    let (first, second) = (one_thread(), threads());
    let pool = Arc::new(Memory::default()).pool(options());
    let lease = first.block_on(pool.acquire()).unwrap();
    drop(first);
    let waiting = waiting_in(&second, &pool);
    soon("it waits", || pool.status().waiting == 1);
    lease.discard();
    is_served(&second, waiting);
    assert_eq!(pool.metrics().opened, 2);
}

#[test]
fn the_end_of_a_runtime_is_no_refusal_for_who_waits_in_another() {
    let (home, first, second) = (threads(), one_thread(), threads());
    let (memory, number, handle) =
        (Arc::new(Memory::default()), AtomicUsize::new(0), home.handle().clone());
    let open = move || {
        let (number, memory) = (number.fetch_add(1, Ordering::Relaxed), Arc::clone(&memory));
        let handle = handle.clone();
        async move {
            match number {
                0 => handle.spawn(memory.connect()).await.unwrap(),
                // In vain, once, for a reason that lasts.
                1 => Err(stellata_client::Error::new(ErrorKind::Authentication, "an old refusal")),
                _ => std::future::pending::<stellata_client::Result<Connection>>().await,
            }
        }
    };
    let pool = Pool::opened_by(open, options().max(2));
    // Who sees to the deadlines does so in the first.
    let lease = first.block_on(pool.acquire()).unwrap();
    first.block_on(async {
        assert!(timeout(Duration::from_millis(50), pool.acquire()).await.is_err());
    });
    assert_eq!(pool.metrics().failed_to_open, 1);
    let waiting = waiting_in(&second, &pool);
    soon("it waits", || pool.status().waiting == 1);
    drop(first);
    std::thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished(), "it was turned away");
    drop(lease);
    is_served(&second, waiting);
}
