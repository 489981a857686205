//! Advisory locks.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use stellata_client::{Config, Connection, ErrorKind, LockKey, LockMode};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, with_database};

use LockMode::{Exclusive, Shared};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// How many advisory locks the sessions of a database hold.
async fn held(connection: &mut Connection) -> i64 {
    let count = "select count(*) from pg_locks where locktype = 'advisory' \
                 and database = (select oid from pg_database where datname = current_database())";
    connection.query_one::<(i64,)>(count, ()).await.unwrap().0
}

#[test]
fn modes_and_keys_exclude_as_the_server_says() {
    with_database(async |database| {
        let (mut one, mut two) = (connect(database).await, connect(database).await);
        let keys = [
            LockKey::from(7),
            LockKey::from(i64::MIN),
            LockKey::from((0, 7)),
            LockKey::from((-1, i32::MAX)),
            LockKey::named("nightly report"),
        ];
        for key in keys {
            for (first, second, both) in [
                (Exclusive, Exclusive, false),
                (Exclusive, Shared, false),
                (Shared, Exclusive, false),
                (Shared, Shared, true),
            ] {
                let lock = one.try_lock(key, first).await.unwrap().unwrap();
                let other = two.try_lock(key, second).await.unwrap();
                assert_eq!(other.is_some(), both, "{key:?} {first:?} {second:?}");
                if let Some(other) = other {
                    other.release().await.unwrap();
                }
                lock.release().await.unwrap();
                assert_eq!(held(&mut one).await, 0);
            }
        }
        // Other keys are other locks.
        let mut lock = one.try_lock(7, Exclusive).await.unwrap().unwrap();
        assert!(lock.try_lock((0, 7), Exclusive).await.unwrap().is_some());
        assert!(two.try_lock(8, Exclusive).await.unwrap().is_some());
        assert!(two.try_lock(7, Exclusive).await.unwrap().is_none());
    });
}

#[test]
fn a_name_has_the_key_that_sql_computes() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let in_sql = "select ('x' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 16))::bit(64)::bigint";
        for name in ["", "nightly report", "äöü"] {
            let (key,): (i64,) = connection.query_one(in_sql, (name,)).await.unwrap();
            assert_eq!(LockKey::named(name), LockKey::from(key));
        }
    });
}

#[test]
fn a_dropped_guard_gives_the_lock_back_and_the_next_use_passes_the_answer_over() {
    with_database(async |database| {
        let (mut one, mut two) = (connect(database).await, connect(database).await);
        let mut lock = one.try_lock("x".len() as i64, Exclusive).await.unwrap().unwrap();
        assert_eq!(lock.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
        drop(lock);
        assert!(!one.is_quiet(), "the answer to the unlocking waits for the next use");
        assert_eq!(one.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
        assert_eq!(held(&mut two).await, 0);

        // Nested, each gives back its own.
        let mut outer = one.try_lock(1, Exclusive).await.unwrap().unwrap();
        let inner = outer.try_lock(1, Exclusive).await.unwrap().unwrap();
        drop(inner);
        assert_eq!(outer.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
        assert_eq!(held(&mut two).await, 1);
        outer.release().await.unwrap();
        assert_eq!(held(&mut two).await, 0);
    });
}

#[test]
fn a_lock_that_was_asked_for_by_a_dropped_future_is_given_back() {
    with_database(async |database| {
        let (mut one, mut two) = (connect(database).await, connect(database).await);
        for round in 0..60_usize {
            {
                let mut future = pin!(one.try_lock(3, Exclusive));
                for _ in 0..round % 5 {
                    let once = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready()));
                    if once.await {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            let (answer,): (i32,) = one.query_one("select $1", (round as i32,)).await.unwrap();
            assert_eq!(answer, round as i32);
            assert_eq!(held(&mut two).await, 0, "round {round}");
        }
    });
}

#[test]
fn a_pool_gives_back_at_once_what_a_dropped_guard_held() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let pool = Pool::new(config, PoolOptions::new().max(1));
        let mut watcher = connect(database).await;
        for fails in [false, true] {
            let mut lease = pool.acquire().await.unwrap();
            if fails {
                // A transaction that has failed refuses to unlock.
                lease.execute("begin", ()).await.unwrap();
            }
            let mut lock = lease.try_lock(9, Exclusive).await.unwrap().unwrap();
            if fails {
                lock.execute("select 1/0", ()).await.unwrap_err();
            }
            drop(lock);
            drop(lease);
            let gone = async {
                while held(&mut watcher).await > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
        }
    });
}

#[test]
fn waiting_ends_with_the_lock_or_the_limit() {
    with_database(async |database| {
        let (mut one, mut two) = (connect(database).await, connect(database).await);
        let lock = one.lock(4, Exclusive, Duration::ZERO).await.unwrap();
        for tries in 0.. {
            let start = Instant::now();
            let error = two.lock(4, Shared, Duration::from_millis(60)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            assert!(start.elapsed() >= Duration::from_millis(60));
            if error.to_string().contains("another session held") {
                break;
            }
            // A busy server may not even have answered by then.
            two.drain(Duration::from_secs(20)).await.unwrap();
            assert!(tries < 20, "{error}");
        }
        assert!(two.is_quiet() && !two.is_closed());
        let waiting = async {
            let lock = two.lock(4, Exclusive, Duration::from_secs(60)).await.unwrap();
            lock.release().await.unwrap();
        };
        let giving = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            lock.release().await.unwrap();
        };
        tokio::join!(waiting, giving);
        assert!(one.lock(4, Exclusive, Duration::MAX).await.is_ok(), "no limit");
    });
}

#[test]
fn locks_of_a_transaction_last_as_long_as_it() {
    with_database(async |database| {
        let (mut one, mut two) = (connect(database).await, connect(database).await);
        let error = one.try_transaction_lock(5, Exclusive).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        for key in [LockKey::from(5), LockKey::from((5, 5))] {
            one.execute("begin", ()).await.unwrap();
            one.transaction_lock(key, Shared, Duration::ZERO).await.unwrap();
            two.execute("begin", ()).await.unwrap();
            assert!(two.try_transaction_lock(key, Shared).await.unwrap());
            assert!(!two.try_transaction_lock(key, Exclusive).await.unwrap());
            two.execute("rollback", ()).await.unwrap();
            two.execute("begin", ()).await.unwrap();
            let wait = Duration::from_millis(20);
            let error = two.transaction_lock(key, Exclusive, wait).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            one.execute("commit", ()).await.unwrap();
            assert!(two.try_transaction_lock(key, Exclusive).await.unwrap());
            two.execute("commit", ()).await.unwrap();
            assert_eq!(held(&mut one).await, 0);
        }
    });
}

#[test]
fn a_lock_that_was_lost_is_told_when_it_is_released() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut lock = connection.try_lock(6, Exclusive).await.unwrap().unwrap();
        lock.execute("select pg_advisory_unlock_all()", ()).await.unwrap();
        assert_eq!(lock.release().await.unwrap_err().kind(), ErrorKind::Usage);
    });
}

#[test]
fn a_lock_that_is_dropped_is_another_s_at_once() {
    with_database(async |database| {
        let (mut one, mut two) = (connect(database).await, connect(database).await);
        let limit = Duration::from_secs(20);
        drop(one.try_lock(7, Exclusive).await.unwrap().unwrap());
        // The first is idle from here on.
        two.lock(7, Exclusive, limit).await.unwrap().release().await.unwrap();

        // The same of a question whose answer nobody waits for.
        for _ in 0..5 {
            let mut asking = Box::pin(one.try_lock(7, Exclusive));
            // A quick server may have given it by then, and it is dropped.
            let polled = poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
            drop(polled);
            drop(asking);
            two.lock(7, Exclusive, limit).await.unwrap().release().await.unwrap();
        }
        assert_eq!(held(&mut one).await, 0);
    });
}
