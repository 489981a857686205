//! The minimum is opened again after pauses that grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_client::ErrorKind;
use stellata_pool::{Error, Pool, PoolOptions};
use stellata_testkit::run_within;
use tokio::time::Instant;

use super::memory::Memory;

/// A pool of a server that refuses everybody by an error of this kind until it is told otherwise, and how often it was asked.
fn refused(kind: ErrorKind, seed: u64) -> (Pool, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (asked, refuses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (counted, memory) = (Arc::clone(&asked), Arc::new(Memory::default()));
    let is_refusing = Arc::clone(&refuses);
    let open = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let refuses = is_refusing.load(Ordering::Relaxed) > 0;
        let memory = Arc::clone(&memory);
        async move {
            match refuses {
                true => Err(stellata_client::Error::new(kind, "not now")),
                false => memory.connect().await,
            }
        }
    };
    let options =
        PoolOptions::new().max(4).min(2).acquire_timeout(Duration::from_secs(1)).seed(seed);
    (Pool::opened_by(open, options), asked, refuses)
}

/// More than passes on the clock that stands still.
const LONG: Duration = Duration::from_secs(4_000);

/// How many attempts there are in ten minutes in which nobody asks for a connection.
async fn attempts(kind: ErrorKind, seed: u64) -> (usize, Vec<Duration>) {
    let (pool, asked, _) = refused(kind, seed);
    assert!(pool.warm_up().await.is_err());
    let (start, before) = (Instant::now(), asked.load(Ordering::Relaxed));
    let (mut seen, mut times) = (before, Vec::new());
    while start.elapsed() < Duration::from_secs(600) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = asked.load(Ordering::Relaxed);
        if now > seen {
            times.push(start.elapsed());
        }
        seen = now;
    }
    (seen - before, times)
}

#[test]
fn a_server_that_is_away_is_asked_less_and_less_often_and_by_no_beat() {
    run_within(LONG, async {
        tokio::time::pause();
        let (count, times) = attempts(ErrorKind::Connect, 1).await;
        assert!((60..=140).contains(&count), "{count}");
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[0] < Duration::from_secs(2), "{gaps:?}");
        assert!(gaps.iter().all(|gap| *gap <= Duration::from_millis(10_100)), "{gaps:?}");
        let (_, others) = attempts(ErrorKind::Connect, 2).await;
        assert_ne!(times, others, "another pool draws other lots");
    });
}

#[test]
fn a_refusal_that_lasts_is_asked_for_when_somebody_asks_or_after_minutes() {
    run_within(LONG, async {
        tokio::time::pause();
        let (count, _) = attempts(ErrorKind::Authentication, 1).await;
        assert!((1..=6).contains(&count), "{count}");
        let (pool, asked, refuses) = refused(ErrorKind::Authentication, 1);
        assert!(pool.warm_up().await.is_err());
        // Whoever asks is told at once, each time.
        for _ in 0..3 {
            let before = asked.load(Ordering::Relaxed);
            assert!(matches!(pool.acquire().await, Err(Error::Connect(_))));
            assert_eq!(asked.load(Ordering::Relaxed), before + 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        // The password is right again: the first who asks finds it out, and the minimum follows.
        refuses.store(0, Ordering::Relaxed);
        drop(pool.acquire().await.unwrap());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((pool.status().idle, pool.metrics().opened), (2, 2));
    });
}
