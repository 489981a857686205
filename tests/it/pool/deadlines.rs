//! An acquire ends at its deadline, or at once where waiting does not help, and says why.
//!
//! Time stands still in these tests but where nothing else can happen, so that each limit is met exactly.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_client::{Connection, ErrorKind, SqlState};
use stellata_pool::{Cause, Config, Error, Pool, PoolOptions};
use stellata_testkit::{SCRAM_USER, run, with_database};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::{config, eventually, pool};

const LIMIT: Duration = Duration::from_secs(5);

fn options() -> PoolOptions {
    PoolOptions::new().max(2).acquire_timeout(LIMIT).seed(1)
}

/// Asks for a connection in vain; returns the cause.
async fn in_vain(pool: &Pool) -> (Cause, String) {
    let start = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    let took = start.elapsed();
    assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(10), "{took:?}: {error}");
    let text = error.to_string();
    assert!(text.starts_with("no connection after 5.0s: "), "{text}");
    let Error::Timeout { waited, cause, .. } = error else { panic!("{error:?}") };
    assert!(waited >= LIMIT && waited <= took);
    assert_eq!(pool.metrics().timed_out, 1);
    assert_eq!((pool.status().lent, pool.status().waiting), (0, 0));
    (cause, text)
}

#[test]
fn a_server_that_never_answers() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://me@{}/x", listener.local_addr().unwrap());
        tokio::time::pause();
        let pool = Pool::new(Config::parse(&url).unwrap(), options());
        let (cause, text) = in_vain(&pool).await;
        assert!(matches!(cause, Cause::Opening), "{cause:?}");
        assert!(text.ends_with("the server has not answered"), "{text}");
    });
}

#[test]
fn a_server_that_refuses_to_be_connected_to() {
    run(async {
        // Nobody else gets its port, and nobody listens.
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let place = bound.local_addr().unwrap();
        tokio::time::pause();
        let config = Config::parse(&format!("postgres://me@{place}/x")).unwrap();
        let pool = Pool::new(config, options());
        let (cause, text) = in_vain(&pool).await;
        let Cause::Failed(error) = cause else { panic!("{cause:?}") };
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(text.contains(&format!("no connection to {place}")), "{text}");
        // From 10 ms to 500 ms between two attempts.
        let attempts = pool.metrics().failed_to_open;
        assert!((10..=40).contains(&attempts), "{attempts}");
    });
}

#[test]
fn a_server_that_is_slow() {
    run(async {
        tokio::time::pause();
        let open = || async {
            tokio::time::sleep(LIMIT * 2).await;
            Err(stellata_client::Error::new(ErrorKind::Connect, "too late"))
        };
        let pool = Pool::opened_by(open, options());
        let (cause, _) = in_vain(&pool).await;
        assert!(matches!(cause, Cause::Opening), "{cause:?}");
        assert_eq!(pool.status().opening, 1, "the attempt is the pool's, not the caller's");
    });
}

#[test]
fn a_server_that_refused_once_and_is_silent_now() {
    run(async {
        tokio::time::pause();
        let calls = AtomicUsize::new(0);
        let open = move || {
            let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                match is_first {
                    true => Err(stellata_client::Error::new(ErrorKind::Authentication, "refused")),
                    false => std::future::pending().await,
                }
            }
        };
        let pool = Pool::opened_by(open, options());
        assert!(matches!(pool.acquire().await, Err(Error::Connect(_))));
        let (cause, text) = in_vain(&pool).await;
        assert!(matches!(cause, Cause::Opening), "{text}");
    });
}

#[test]
fn connections_that_are_all_lent() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options().max(1));
        let _lent = pool.acquire().await.unwrap();
        tokio::time::pause();
        let start = Instant::now();
        let error = pool.acquire().await.unwrap_err();
        assert!(start.elapsed() >= LIMIT && start.elapsed() < LIMIT + Duration::from_millis(10));
        assert!(
            matches!(error, Error::Timeout { cause: Cause::Exhausted, status, .. } if status.lent == 1 && status.max == 1),
            "{error:?}"
        );
        assert!(error.to_string().contains("1 of 1 are lent"), "{error}");
    });
}

#[test]
fn each_of_many_who_wait_is_told_at_a_deadline_of_its_own() {
    with_database(async |database| {
        let pool = Pool::new(config(database), options().max(1));
        let lent = pool.acquire().await.unwrap();
        tokio::time::pause();
        let mut tasks = Vec::new();
        for _ in 0..20 {
            let pool = pool.clone();
            tasks.push(tokio::spawn(async move {
                let start = Instant::now();
                (pool.acquire().await.map(drop), start.elapsed())
            }));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // One in their midst goes away, and the last is served.
        tasks.remove(10).abort();
        let last = tasks.pop().unwrap();
        for task in tasks {
            let (told, took) = task.await.unwrap();
            assert!(matches!(told, Err(Error::Timeout { cause: Cause::Exhausted, .. })));
            assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(10), "{took:?}");
        }
        assert_eq!(pool.status().waiting, 1);
        drop(lent);
        assert!(last.await.unwrap().0.is_ok());
        // Nobody is left to look for: who comes next is not overlooked.
        tokio::time::sleep(LIMIT * 3).await;
        let _lent = pool.acquire().await.unwrap();
        let start = Instant::now();
        assert!(matches!(pool.acquire().await, Err(Error::Timeout { .. })));
        assert!(start.elapsed() < LIMIT + Duration::from_millis(10));
        assert_eq!((pool.metrics().timed_out, pool.status().waiting), (19, 0));
    });
}

#[test]
fn a_runtime_that_stands_still_or_ends_keeps_nobody_in_another_waiting() {
    let limit = Duration::from_millis(200);
    let never = || std::future::pending::<stellata_client::Result<Connection>>();
    let pool = Pool::opened_by(never, options().acquire_timeout(limit));
    let in_vain = |runtime: &Runtime| {
        let start = std::time::Instant::now();
        let told = runtime.block_on(pool.acquire()).map(drop);
        assert!(matches!(told, Err(Error::Timeout { cause: Cause::Opening, .. })), "{told:?}");
        assert!(start.elapsed() >= limit);
    };
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    in_vain(&first);
    // Nothing moves in the first from here on.
    in_vain(&second);
    let waits = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| in_vain(&second));
        drop(first);
        waiting.join()
    });
    assert!(waits.is_ok());
    in_vain(&second);
    drop(second);
    in_vain(&runtime());
    assert_eq!(pool.metrics().timed_out, 5);
}

#[test]
fn a_server_that_is_full_is_asked_again() {
    with_database(async |database| {
        let role = format!("one_{}", database.name());
        database.run(&format!("create role \"{role}\" login connection limit 1")).unwrap();
        let url = database.endpoint().with_user(role.as_str(), None).url(database.name());
        let config = Config::parse(&url).unwrap();
        let in_the_way = Connection::connect(&config).await.unwrap();
        let pool = Pool::new(config, PoolOptions::new().acquire_timeout(Duration::from_secs(30)));
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await.map(|lease| lease.process_id()) }
        });
        eventually("it was refused", || pool.metrics().failed_to_open > 1).await;
        in_the_way.close().await;
        assert!(waiting.await.unwrap().is_ok());
        let impatient = PoolOptions::new().acquire_timeout(Duration::from_millis(200));
        let other = Pool::new(Config::parse(&url).unwrap(), impatient);
        let mut tries = 0;
        let cause = loop {
            match other.acquire().await.map(drop) {
                Err(Error::Timeout { cause: Cause::Failed(cause), .. }) => break cause,
                // A busy server has not even refused it by then.
                Err(Error::Timeout { cause: Cause::Opening, .. }) if tries < 20 => tries += 1,
                told => panic!("{told:?}"),
            }
        };
        assert_eq!(cause.sqlstate(), Some(SqlState::TOO_MANY_CONNECTIONS));
        pool.drain(Duration::from_secs(10)).await;
        eventually("the role is free", || {
            database.run(&format!("drop role if exists \"{role}\"")).is_ok()
        })
        .await;
    });
}

#[test]
fn what_does_not_mend_by_waiting_is_told_at_once() {
    with_database(async |database| {
        let wrong = database.tcp().with_user(SCRAM_USER, Some("wrong"));
        for (url, kind) in [
            (database.endpoint().url("nowhere_to_be_found"), ErrorKind::Server),
            (wrong.url(database.name()), ErrorKind::Authentication),
        ] {
            let pool = Pool::new(Config::parse(&url).unwrap(), PoolOptions::new().max(3));
            for _ in 0..10 {
                // More often than there are slots: none is lost.
                match pool.acquire().await {
                    Err(Error::Connect(error)) => assert_eq!(error.kind(), kind),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((pool.status().lent, pool.status().opening), (0, 0));
            assert_eq!(pool.metrics().timed_out, 0);
        }
    });
}

#[test]
fn who_can_wait_for_another_connection_is_not_told_at_once() {
    with_database(async |database| {
        let good = config(database);
        let calls = Arc::new(AtomicUsize::new(0));
        let open = move || {
            let (good, first) = (good.clone(), calls.fetch_add(1, Ordering::Relaxed) == 0);
            async move {
                if first {
                    return Connection::connect(&good).await;
                }
                Err(stellata_client::Error::new(ErrorKind::Authentication, "the password is old"))
            }
        };
        let pool = Pool::opened_by(open, options().acquire_timeout(Duration::from_secs(20)));
        let lent = pool.acquire().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await.map(|lease| lease.process_id()) }
        });
        eventually("it was refused", || pool.metrics().failed_to_open > 0).await;
        let process = lent.process_id();
        drop(lent);
        assert_eq!(waiting.await.unwrap().unwrap(), process);
    });
}

#[test]
fn a_server_that_is_away_is_not_rushed_at() {
    run(async {
        tokio::time::pause();
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let open = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err(io_error()) }
        };
        let pool = Pool::opened_by(open, options().max(8));
        let mut tasks = Vec::new();
        for _ in 0..200 {
            let pool = pool.clone();
            tasks.push(tokio::spawn(async move { pool.acquire().await.map(drop) }));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for task in tasks {
            assert!(matches!(task.await.unwrap(), Err(Error::Timeout { .. })));
        }
        // 6 s of waiting by 200 callers; after the first ones a single task tries.
        let attempts = attempts.load(Ordering::Relaxed);
        assert!(attempts <= 50, "{attempts}");
        eventually("the last one stops", || pool.status().opening == 0).await;
    });
}

fn io_error() -> stellata_client::Error {
    stellata_client::Error::new(ErrorKind::Io, io::ErrorKind::ConnectionReset.to_string())
}

#[test]
fn all_who_waited_are_served_when_the_server_is_back() {
    with_database(async |database| {
        let good = config(database);
        let away = Arc::new(AtomicUsize::new(12));
        let left = Arc::clone(&away);
        let open = move || {
            let good = good.clone();
            let fails =
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            async move {
                match fails {
                    Ok(_) => Err(io_error()),
                    Err(_) => Connection::connect(&good).await,
                }
            }
        };
        let options = options().max(6).acquire_timeout(Duration::from_secs(30));
        let pool = Pool::opened_by(open, options);
        let (ready, held) = tokio::sync::broadcast::channel::<()>(1);
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (pool, mut release) = (pool.clone(), ready.subscribe());
                tokio::spawn(async move {
                    let lease = pool.acquire().await.unwrap();
                    // All six are held at once: six were opened, though one task found the way.
                    let _ = release.recv().await;
                    drop(lease);
                })
            })
            .collect();
        drop(held);
        eventually("all are lent", || pool.status().lent == 6).await;
        ready.send(()).unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((pool.metrics().opened, pool.metrics().failed_to_open), (6, 12));
    });
}

#[test]
fn what_opens_for_one_who_left_serves_the_next() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let gone = tokio::time::timeout(Duration::ZERO, pool.acquire()).await;
        assert!(gone.is_err(), "opening takes longer than nothing");
        drop(pool.acquire().await.unwrap());
        assert_eq!(pool.metrics().opened, 1);
    });
}
