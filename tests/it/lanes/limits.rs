//! How much is under way at once, and how lanes come and go.

use std::time::Duration;

use stellata_client::Connection;
use stellata_pool::Sharing::{Apart, Together};
use stellata_pool::{Cause, Error, Pool, PoolOptions, SharedError};
use stellata_testkit::{run, with_database};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Asking, ask, ask_by, asking, config, eventually, poll_once, pool, sessions, slowly};

#[test]
fn more_than_a_lane_takes_wait_and_are_answered() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        let mut tasks = JoinSet::new();
        for n in 0..1_000_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                let sharing = if n % 2 == 0 { Apart } else { Together };
                if n % 7 == 0 {
                    // Some give up while they wait.
                    let _ = timeout(Duration::from_micros(n as u64), ask(&pool, sharing, n)).await;
                } else {
                    assert_eq!(ask(&pool, sharing, n).await.unwrap(), n);
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn who_waits_for_a_lane_has_a_deadline() {
    with_database(async |database| {
        let options = PoolOptions::new().max(1).lanes(1).acquire_timeout(Duration::from_secs(3));
        let pool = Pool::new(config(database), options);
        let lease = pool.acquire().await.unwrap();
        let error = ask(&pool, Apart, 1).await.unwrap_err();
        assert!(matches!(error, SharedError::Pool(Error::Timeout { .. })), "{error:?}");
        drop(lease);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
    });
}

/// As many statements as a lane takes, the first of which sleeps for long.
async fn fill(pool: &Pool) -> Vec<Asking<'_>> {
    assert_eq!(ask(pool, Apart, 1).await.unwrap(), 1);
    let mut held = vec![slowly(pool, 300.0)];
    held.extend((1..64).map(|n| asking(pool, Apart, n)));
    for one in &mut held {
        assert!(poll_once(one).await.is_pending());
    }
    held
}

const LIMIT: Duration = Duration::from_secs(5);

/// Asks in vain, on paused time: the cause, when the deadline has come, and not later.
async fn in_vain(pool: &Pool) -> Cause {
    let start = Instant::now();
    let error = ask(pool, Apart, 7).await.unwrap_err();
    let took = start.elapsed();
    assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(20), "{took:?}: {error}");
    let SharedError::Pool(Error::Timeout { waited, cause, .. }) = error else {
        panic!("{error:?}")
    };
    assert!(waited >= LIMIT && waited <= took, "{waited:?}");
    cause
}

#[test]
fn who_finds_all_lanes_full_in_a_full_pool_is_told_so_at_the_deadline() {
    with_database(async |database| {
        let options = PoolOptions::new().max(1).lanes(1).acquire_timeout(LIMIT);
        let pool = Pool::new(config(database), options);
        let held = fill(&pool).await;
        tokio::time::pause();
        let counted = async {
            tokio::time::sleep(LIMIT / 2).await;
            pool.status().waiting
        };
        let (cause, waiting) = tokio::join!(in_vain(&pool), counted);
        assert!(matches!(cause, Cause::Exhausted), "{cause:?}");
        assert_eq!((waiting, pool.status().waiting, pool.metrics().timed_out), (1, 0, 1));
        drop(held);
    });
}

#[test]
fn who_finds_all_lanes_full_has_a_connection_of_its_own_where_there_may_be_more() {
    with_database(async |database| {
        let pool = pool(database, 3, 1);
        let held = fill(&pool).await;
        let answer = timeout(Duration::from_secs(15), ask(&pool, Apart, 7)).await;
        assert_eq!(answer.unwrap().unwrap(), 7);
        assert_eq!((pool.lanes(), pool.metrics().opened, pool.status().waiting), (1, 2, 0));
        drop(held);
    });
}

#[test]
fn a_lane_that_can_not_be_had_is_waited_for_until_the_deadline_and_not_twice() {
    run(async {
        tokio::time::pause();
        let never = || std::future::pending::<stellata_client::Result<Connection>>();
        let options = PoolOptions::new().max(2).lanes(1).acquire_timeout(LIMIT);
        let pool = Pool::opened_by(never, options);
        for _ in 0..3 {
            let cause = in_vain(&pool).await;
            assert!(matches!(cause, Cause::Opening), "{cause:?}");
            // So that the next does not come behind one who came before it.
            tokio::time::sleep(LIMIT / 3).await;
        }
    });
}

#[test]
fn a_lane_that_ends_slowly_is_waited_for_without_haste() {
    with_database(async |database| {
        let pool = pool(database, 2, 1);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let slow = tokio::spawn({
            let pool = pool.clone();
            async move { slowly(&pool, 1.5).await }
        });
        eventually("it is sent", || pool.metrics().lanes.statements == 2).await;
        // The lane takes no more, and its place is not free yet.
        pool.renew();
        assert_eq!(pool.lanes(), 0);
        let before = pool.metrics();
        assert_eq!(ask(&pool, Apart, 7).await.unwrap(), 7);
        let now = pool.metrics();
        assert!(now.waits.count() - before.waits.count() <= 3, "{before:?} {now:?}");
        assert_eq!(slow.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn large_statements_wait_until_the_lane_has_written_those_before() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let mut tasks = JoinSet::new();
        for n in 0..24_usize {
            let pool = pool.clone();
            tasks.spawn(async move {
                let long = "x".repeat(700_000 + n);
                let rows: Vec<(i32,)> =
                    pool.query_shared("select length($1)", (long.as_str(),)).await.unwrap();
                assert_eq!(rows, [(700_000 + n as i32,)]);
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!((sessions(database), pool.status().waiting), (1, 0));
    });
}

#[test]
fn a_large_answer_is_read_on_a_connection_of_its_own() {
    with_database(async |database| {
        let pool = pool(database, 2, 1);
        let large = "select repeat('x', 1000) from generate_series(1, 20000)";
        for _ in 0..3 {
            let waits = pool.clone();
            let other = tokio::spawn(async move { ask(&waits, Together, 5).await.unwrap() });
            let rows: Vec<(String,)> = pool.query_shared(large, ()).await.unwrap();
            assert_eq!((rows.len(), rows[0].0.len()), (20_000, 1_000));
            assert_eq!(other.await.unwrap(), 5);
        }
        // A row that is larger than what a lane holds.
        let rows: Vec<(String,)> =
            pool.query_shared("select repeat('y', 3000000)", ()).await.unwrap();
        assert_eq!(rows[0].0.len(), 3_000_000);
        assert_eq!(sessions(database), 2);
    });
}

#[test]
fn a_type_that_is_not_known_yet_is_asked_for_on_another_connection() {
    with_database(async |database| {
        database.run("create type mood as enum ('calm', 'loud')").unwrap();
        let pool = pool(database, 2, 1);
        for _ in 0..3 {
            let rows: Vec<(String,)> = pool.query_shared("select 'loud'::mood", ()).await.unwrap();
            assert_eq!(rows, [("loud".to_owned(),)]);
        }
        assert_eq!(pool.lanes(), 1);
    });
}

#[test]
fn lanes_are_part_of_the_maximum_and_make_way() {
    with_database(async |database| {
        let pool = pool(database, 2, 2);
        let mut tasks = JoinSet::new();
        for task in 0..16_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for round in 0..40 {
                    let question = task * 100 + round;
                    if task % 4 == 0 {
                        let mut lease = pool.acquire().await.unwrap();
                        let (told,): (i64,) =
                            lease.query_one("select $1::int8", (question,)).await.unwrap();
                        assert_eq!(told, question);
                    } else {
                        assert_eq!(ask(&pool, Together, question).await.unwrap(), question);
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
            assert!(sessions(database) <= 2);
        }
        assert_eq!(pool.metrics().timed_out, 0);
    });
}

#[test]
fn an_idle_lane_makes_way_at_once() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        assert_eq!(pool.lanes(), 1);
        let lease = pool.acquire().await.unwrap();
        assert_eq!((pool.lanes(), pool.metrics().opened), (0, 1));
        drop(lease);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        assert_eq!(pool.metrics().opened, 1);
    });
}

#[test]
fn a_pool_that_is_drained_answers_what_is_in_flight() {
    with_database(async |database| {
        let pool = pool(database, 2, 2);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let mut slow = slowly(&pool, 0.3);
        assert!(poll_once(&mut slow).await.is_pending());
        let answered = tokio::spawn({
            let pool = pool.clone();
            async move { slowly(&pool, 0.3).await }
        });
        tokio::task::yield_now().await;
        let (left, answer) = tokio::join!(pool.drain(Duration::from_secs(20)), slow);
        assert_eq!((left, answer.unwrap()), (0, 1));
        let answer = answered.await.unwrap();
        assert!(matches!(answer, Ok(1) | Err(SharedError::Pool(Error::Closed))), "{answer:?}");
        let error = ask(&pool, Apart, 1).await.unwrap_err();
        assert!(matches!(error, SharedError::Pool(Error::Closed)), "{error:?}");
        assert_eq!(pool.lanes(), 0);
        eventually("the server has none", || sessions(database) == 0).await;
    });
}

#[test]
fn resizing_and_renewing_reach_lanes() {
    with_database(async |database| {
        let pool = pool(database, 3, 3);
        let busy: Vec<_> = (0..6)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { slowly(&pool, 0.2).await.unwrap() })
            })
            .collect();
        eventually("three lanes", || pool.lanes() > 0).await;
        for task in busy {
            task.await.unwrap();
        }
        pool.resize(1);
        eventually("one session", || sessions(database) <= 1).await;
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let (before,): (i32,) = pool.query_shared("select pg_backend_pid()", ()).await.unwrap()[0];
        pool.renew();
        let (after,): (i32,) = pool.query_shared("select pg_backend_pid()", ()).await.unwrap()[0];
        assert_ne!(before, after);
    });
}

#[test]
fn lanes_age_and_are_closed_when_nobody_uses_them() {
    with_database(async |database| {
        let options = PoolOptions::new()
            .max(2)
            .lanes(1)
            .idle_limit(Some(Duration::from_millis(200)))
            .lifetime(Some(Duration::from_millis(600)));
        let pool = Pool::new(config(database), options);
        let start = Instant::now();
        let mut processes = Vec::new();
        while start.elapsed() < Duration::from_secs(2) {
            let (process,): (i32,) =
                pool.query_shared("select pg_backend_pid()", ()).await.unwrap()[0];
            processes.push(process);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        processes.dedup();
        assert!(processes.len() >= 2, "{processes:?}");
        eventually("it is closed", || sessions(database) == 0).await;
        assert_eq!(pool.lanes(), 0);
    });
}

#[test]
fn a_statement_that_nobody_waits_for_does_not_keep_its_lane() {
    with_database(async |database| {
        let pool = pool(database, 2, 1);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let mut slow = slowly(&pool, 50.0);
        assert!(poll_once(&mut slow).await.is_pending());
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(slow);
        // The lane is given up, and the statement cancelled, which can hit no other.
        eventually("it is given up", || pool.lanes() == 0).await;
        assert_eq!(
            timeout(Duration::from_secs(5), ask(&pool, Apart, 2)).await.unwrap().unwrap(),
            2
        );
        let runs = "select 1 from pg_stat_activity where datname = current_database() \
                    and query like 'select 1::int8 from pg_sleep%' and state = 'active'";
        eventually("it is cancelled", || database.run(runs).unwrap().is_empty()).await;
    });
}

#[test]
fn a_time_limit_gives_up_waiting_and_cancels_nothing() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let mut slow = slowly(&pool, 3.0);
        assert!(poll_once(&mut slow).await.is_pending());
        // Behind the slow one, so that a cancellation for it would hit that.
        assert!(timeout(Duration::from_millis(50), ask(&pool, Apart, 2)).await.is_err());
        assert_eq!(slow.await.unwrap(), 1);
        assert_eq!(ask(&pool, Together, 3).await.unwrap(), 3);
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn a_lane_with_a_slow_statement_is_avoided() {
    with_database(async |database| {
        let pool = pool(database, 3, 2);
        let mut slow = slowly(&pool, 3.0);
        let _ = timeout(Duration::from_millis(100), &mut slow).await;
        for n in 0..20_i64 {
            // Another lane is opened, and taken from then on.
            let asked = timeout(Duration::from_secs(2), ask(&pool, Apart, n));
            let answer = asked.await;
            if n > 0 {
                assert_eq!(answer.unwrap().unwrap(), n);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(pool.lanes(), 2);
        assert_eq!(slow.await.unwrap(), 1);
    });
}

#[test]
fn a_hook_before_lending_runs_before_a_lane_is_made() {
    with_database(async |database| {
        let options = PoolOptions::new().max(2).lanes(2).before_lend(|connection| {
            Box::pin(async move {
                connection
                    .execute("select set_config('lanes.hook', 'ran', false)", ())
                    .await
                    .map(drop)
            })
        });
        let pool = Pool::new(config(database), options);
        let rows: Vec<(String,)> =
            pool.query_shared("select current_setting('lanes.hook')", ()).await.unwrap();
        assert_eq!(rows, [("ran".to_owned(),)]);
    });
}

#[test]
fn without_lanes_a_read_has_a_connection_of_its_own() {
    with_database(async |database| {
        let pool = pool(database, 2, 0);
        assert!(!pool.has_lanes());
        assert_eq!(ask(&pool, Together, 1).await.unwrap(), 1);
        assert_eq!((pool.lanes(), pool.status().idle), (0, 1));
    });
}

#[test]
fn a_server_that_is_away_is_told_of_in_its_own_words() {
    run(async {
        let config =
            stellata_pool::Config::parse("postgres://me@127.0.0.1:1/x?sslmode=disable").unwrap();
        let options = PoolOptions::new().lanes(2).acquire_timeout(Duration::from_millis(300));
        let pool = Pool::new(config, options);
        let error = ask(&pool, Apart, 1).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:1"), "{text}");
    });
}

#[test]
fn what_goes_over_lanes_is_counted() {
    with_database(async |database| {
        let pool = pool(database, 2, 1);
        assert_eq!(pool.status().lanes, 0);
        assert_eq!(ask(&pool, Apart, 1).await.unwrap(), 1);
        let first = pool.metrics().lanes;
        assert_eq!((pool.status().lanes, pool.status().lent), (1, 1));
        assert_eq!((first.statements, first.writes, first.syncs_saved), (1, 1, 0));
        // Four under one Sync behind one that takes a while; one of them fails, and the others are sent again.
        let mut slow = slowly(&pool, 0.05);
        assert!(poll_once(&mut slow).await.is_pending());
        let asking: Vec<_> = (0..4_i64)
            .map(|n| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let sql = if n == 2 { "select $1 / 0::int8" } else { "select $1::int8" };
                    ask_by(&pool, Together, &sql, n).await.ok()
                })
            })
            .collect();
        let mut answers = Vec::new();
        for asked in asking {
            answers.push(asked.await.unwrap());
        }
        assert_eq!(answers, [Some(0), Some(1), None, Some(3)]);
        assert_eq!(slow.await.unwrap(), 1);
        let now = pool.metrics().lanes;
        let again = now.sent_again;
        // The one that failed was told at once, and may have left its Sync before the last had come.
        assert!((1..=3).contains(&again), "{now:?}");
        assert_eq!(now.statements, 1 + 1 + 4 + again, "{now:?}");
        assert!((1..=3).contains(&now.syncs_saved) && now.writes < now.statements, "{now:?}");
        assert!(now.read_by_others > 0, "nobody polled the slow one: {now:?}");
        let large = "select repeat('x', 1000) from generate_series(1, 20000)";
        pool.query_shared::<(String,)>(large, ()).await.unwrap();
        pool.query_shared::<(String,)>(large, ()).await.unwrap();
        assert_eq!(pool.metrics().lanes.moved, 2);
        // What went over a lane is among the statements of the pool when the lane has been given back.
        let sent = pool.metrics().lanes.statements;
        pool.renew();
        eventually("it is given back", || pool.lanes() == 0).await;
        assert_eq!(pool.metrics().statements.sent, sent + 2);
    });
}
