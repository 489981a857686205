//! Whoever waits drives, and nobody alone.

use std::time::Duration;

use stellata_client::Connection;
use stellata_pool::Sharing::{Apart, Together};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::with_database;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ask, ask_by, asking, config, poll_once, pool, sessions, slowly};
use crate::dropped::{Reluctant, poll_and_drop};

/// Far above what a hand-over takes, far below the limit of a test.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn many_tasks_share_one_connection() {
    with_database(async |database| {
        let pool = pool(database, 4, 1);
        let mut tasks = JoinSet::new();
        for task in 0..64_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for round in 0..50 {
                    let question = task * 1_000 + round;
                    let sharing = if round % 2 == 0 { Apart } else { Together };
                    assert_eq!(ask(&pool, sharing, question).await.unwrap(), question);
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!((sessions(database), pool.lanes(), pool.status().lent), (1, 1, 1));
    });
}

#[test]
fn a_leader_that_is_dropped_stalls_nobody() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        assert_eq!(ask(&pool, Apart, 0).await.unwrap(), 0);
        for round in 0..50_i64 {
            let mut leader = asking(&pool, Apart, -1);
            assert!(poll_once(&mut leader).await.is_pending());
            let mut followers = JoinSet::new();
            for n in 0..4 {
                let pool = pool.clone();
                followers.spawn(async move {
                    let question = round * 10 + n;
                    assert_eq!(ask(&pool, Together, question).await.unwrap(), question);
                });
            }
            tokio::task::yield_now().await;
            if round % 2 == 0 {
                // The answer may have come meanwhile, and woken nobody but the leader.
                std::thread::sleep(Duration::from_millis(1));
                tokio::task::yield_now().await;
            }
            drop(leader);
            let all = async { while followers.join_next().await.transpose().unwrap().is_some() {} };
            timeout(SOON, all).await.unwrap();
        }
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn leaders_that_are_polled_once_and_never_again_stall_nobody() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        assert_eq!(ask(&pool, Apart, 0).await.unwrap(), 0);
        let mut held = Vec::new();
        for round in 0..20_i64 {
            // Behind a statement that takes a while, so that what comes has to be waited for.
            let mut first = slowly(&pool, 0.02);
            assert!(poll_once(&mut first).await.is_pending());
            held.push(first);
            for n in 0..round % 7 {
                let mut stale = asking(&pool, if n % 2 == 0 { Apart } else { Together }, -1);
                assert!(poll_once(&mut stale).await.is_pending());
                held.push(stale);
            }
            let one = timeout(SOON, ask(&pool, Apart, round)).await.unwrap();
            let other = timeout(SOON, ask(&pool, Together, round)).await.unwrap();
            assert_eq!((one.unwrap(), other.unwrap()), (round, round));
        }
        // Their answers are there all the same.
        for stale in &mut held {
            assert!(matches!(timeout(SOON, stale).await.unwrap().unwrap(), 1 | -1));
        }
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn a_leader_in_a_select_that_goes_another_way_stalls_nobody() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        assert_eq!(ask(&pool, Apart, 0).await.unwrap(), 0);
        let mut tasks = JoinSet::new();
        for task in 0..8_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for round in 0..20 {
                    let question = task * 100 + round;
                    let mut asking = asking(&pool, Apart, question);
                    if task % 2 == 0 {
                        // Polled, and then left alone while this task does something else.
                        tokio::select! {
                            biased;
                            answer = &mut asking => {
                                assert_eq!(answer.unwrap(), question);
                                continue;
                            }
                            () = tokio::task::yield_now() => {}
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    assert_eq!(asking.await.unwrap(), question);
                }
            });
        }
        let all = async { while tasks.join_next().await.transpose().unwrap().is_some() {} };
        timeout(SOON * 3, all).await.unwrap();
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn followers_that_are_dropped_leave_their_places() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        // Many more than there are places, one batch after the other.
        for round in 0..30_i64 {
            let mut followers: Vec<_> = (0..60).map(|n| asking(&pool, Apart, n)).collect();
            for follower in &mut followers {
                let _ = poll_once(follower).await;
            }
            for (n, follower) in (0_i64..).zip(followers) {
                match n % 3 {
                    0 => assert_eq!(follower.await.unwrap(), n),
                    _ => drop(follower),
                }
            }
            assert_eq!(ask(&pool, Together, round).await.unwrap(), round);
        }
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn a_statement_that_nobody_reads_is_written_all_the_same() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        let mut first = slowly(&pool, 0.3);
        // Opens the lane, and sends.
        let _ = timeout(Duration::from_millis(200), &mut first).await;
        // It was to write what others add, and is not polled again.
        let mut writer = asking(&pool, Apart, -1);
        assert!(poll_once(&mut writer).await.is_pending());
        let mut added = asking(&pool, Apart, 7);
        assert_eq!(timeout(SOON, &mut added).await.unwrap().unwrap(), 7);
    });
}

/// Every byte of an answer is a turn, and the stream wakes from within its own poll.
#[test]
fn an_answer_that_comes_byte_by_byte_reaches_its_question() {
    with_database(async |database| {
        let database =
            std::sync::Arc::new(stellata_testkit::Database::duplicate(database).unwrap());
        let opened = std::sync::Arc::clone(&database);
        let open = move || {
            let database = std::sync::Arc::clone(&opened);
            async move { Connection::over(Reluctant::always(&database).await, &config(&database)).await }
        };
        let options = PoolOptions::new().max(1).lanes(1).acquire_timeout(SOON);
        let pool = Pool::opened_by(open, options);
        assert_eq!(ask(&pool, Apart, 0).await.unwrap(), 0);
        let mut tasks = JoinSet::new();
        for task in 0..6_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for round in 0..40_usize {
                    let question = task * 1_000 + round as i64;
                    let sharing = if round % 3 == 0 { Apart } else { Together };
                    if round % 4 == 3 {
                        // Dropped at another point of it each time.
                        poll_and_drop(round * 5 + task as usize, ask(&pool, sharing, question))
                            .await;
                    } else if round % 9 == 1 {
                        let by_zero = &"select 1 / ($1::int8 - $1::int8)";
                        ask_by(&pool, sharing, by_zero, question).await.unwrap_err();
                    } else {
                        assert_eq!(ask(&pool, sharing, question).await.unwrap(), question);
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(sessions(&database), 1);
        assert_eq!(pool.drain(SOON).await, 0);
    });
}
