//! A hook before lending that fails or hangs is named, and the server is not rushed at for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_client::ErrorKind;
use stellata_pool::{Cause, Error, Pool, PoolOptions};
use stellata_testkit::run;
use tokio::time::Instant;

use super::memory::Memory;

const LIMIT: Duration = Duration::from_secs(5);

fn options() -> PoolOptions {
    PoolOptions::new().max(2).acquire_timeout(LIMIT).clean_timeout(LIMIT * 2).seed(1)
}

/// Asks for a connection in vain; returns the cause.
async fn in_vain(pool: &Pool) -> Arc<stellata_client::Error> {
    let start = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    let took = start.elapsed();
    assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(10), "{took:?}: {error}");
    let Error::Timeout { cause: Cause::Failed(cause), .. } = error else { panic!("{error:?}") };
    cause
}

#[test]
fn one_that_fails_is_named_and_tried_after_pauses() {
    run(async {
        tokio::time::pause();
        let options = options().before_lend(|_| {
            Box::pin(async {
                Err(stellata_client::Error::new(ErrorKind::Usage, "this hook is out of order"))
            })
        });
        let pool = Arc::new(Memory::default()).pool(options);
        let cause = in_vain(&pool).await;
        assert!(cause.to_string().contains("this hook is out of order"), "{cause}");
        // From 10 ms to 500 ms between two of them.
        let opened = pool.metrics().opened;
        assert!((10..=40).contains(&opened), "{opened}");
        assert_eq!(pool.metrics().closed.unclean, opened);
        tokio::time::sleep(LIMIT).await;
        assert_eq!((pool.status().lent, pool.status().opening, pool.status().waiting), (0, 0, 0));
    });
}

#[test]
fn one_that_fails_is_named_to_who_waits_for_a_lane() {
    run(async {
        tokio::time::pause();
        let options = options().lanes(1).before_lend(|_| {
            Box::pin(async {
                Err(stellata_client::Error::new(ErrorKind::Usage, "this hook is out of order"))
            })
        });
        let pool = Arc::new(Memory::default()).pool(options);
        let start = Instant::now();
        let error = pool.query_shared::<(i64,)>("select 1", ()).await.unwrap_err();
        let took = start.elapsed();
        assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(10), "{took:?}: {error}");
        assert!(error.to_string().contains("this hook is out of order"), "{error}");
    });
}

#[test]
fn one_that_hangs_is_named() {
    run(async {
        tokio::time::pause();
        // For longer than callers wait, or for less long.
        for limit in [LIMIT * 2, LIMIT / 3] {
            let options =
                options().clean_timeout(limit).before_lend(|_| Box::pin(std::future::pending()));
            let pool = Arc::new(Memory::default()).pool(options);
            let cause = in_vain(&pool).await;
            assert_eq!(cause.kind(), ErrorKind::Timeout);
            assert!(cause.to_string().contains("before lending"), "{cause}");
        }
    });
}

#[test]
fn idle_connections_that_it_refuses_are_not_paused_for() {
    run(async {
        let (memory, runs) = (Arc::new(Memory::default()), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&runs);
        let options = options().max(8).min(8).before_lend(move |_| {
            let refuses = counted.fetch_add(1, Ordering::Relaxed) < 7;
            Box::pin(async move {
                if refuses {
                    return Err(stellata_client::Error::new(ErrorKind::Closed, "it is stale"));
                }
                Ok(())
            })
        });
        let pool = memory.pool(options);
        pool.warm_up().await.unwrap();
        tokio::time::pause();
        let start = Instant::now();
        drop(pool.acquire().await.unwrap());
        assert_eq!((start.elapsed(), runs.load(Ordering::Relaxed)), (Duration::ZERO, 8));
        assert_eq!((pool.metrics().opened, pool.metrics().closed.unclean), (8, 7));
    });
}
