//! What fails fails alone.

use std::time::Duration;

use stellata_client::{ErrorKind, SqlState};
use stellata_pool::SharedError;
use stellata_pool::Sharing::{self, Apart, Together};
use stellata_testkit::with_database;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ask, ask_by, asking, config, poll_once, pool, sessions, slowly};

fn client(error: SharedError) -> stellata_client::Error {
    match error {
        SharedError::Statement(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Statements at the same time, of which every fifth divides by zero; each is answered as if it were alone.
fn mixed(sharing: Sharing) {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        for round in 0..10_i64 {
            let mut tasks = JoinSet::new();
            for n in 0..40_i64 {
                let pool = pool.clone();
                tasks.spawn(async move {
                    let by = if n % 5 == 0 { 0 } else { n };
                    let answer = ask_by(&pool, sharing, &"select 1000 / $1::int8", by).await;
                    if by == 0 {
                        let error = client(answer.unwrap_err());
                        assert_eq!(error.sqlstate(), SqlState::from_text("22012"));
                        assert_eq!(error.sql(), Some("select 1000 / $1::int8"));
                    } else {
                        assert_eq!(answer.unwrap(), 1_000 / by);
                    }
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
            assert_eq!(ask(&pool, Together, round).await.unwrap(), round);
        }
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn an_error_under_a_sync_of_its_own_touches_no_other_statement() {
    mixed(Apart);
}

#[test]
fn an_error_under_a_shared_sync_has_the_others_sent_again() {
    mixed(Together);
}

#[test]
fn new_statements_at_the_same_time_are_prepared_and_fail_apart() {
    for sharing in [Apart, Together] {
        with_database(async |database| {
            let pool = pool(database, 1, 1);
            let mut tasks = JoinSet::new();
            for n in 0..120_i64 {
                let pool = pool.clone();
                tasks.spawn(async move {
                    // Some statements are asked for by several at once, some can't be prepared.
                    let kind = n % 30;
                    let sql = match kind % 4 {
                        3 => format!("select nothing_{kind} + $1::int8"),
                        _ => format!("select $1::int8 + {kind}"),
                    };
                    let answer = ask_by(&pool, sharing, &sql.as_str(), n).await;
                    if kind % 4 == 3 {
                        let error = client(answer.unwrap_err());
                        assert_eq!(error.sqlstate(), SqlState::from_text("42703"));
                        assert_eq!(error.sql(), Some(&*sql));
                    } else {
                        assert_eq!(answer.unwrap(), n + kind);
                    }
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
            assert_eq!(sessions(database), 1);
        });
    }
}

#[test]
fn statements_that_evict_each_other_are_answered() {
    with_database(async |database| {
        let config = config(database).with_statement_cache(2);
        let options = stellata_pool::PoolOptions::new().max(1).lanes(1);
        let pool = stellata_pool::Pool::new(config, options);
        let mut tasks = JoinSet::new();
        for n in 0..200_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                let sql = format!("select $1::int8 + {}", n % 7);
                let sharing = if n % 3 == 0 { Apart } else { Together };
                assert_eq!(ask_by(&pool, sharing, &sql.as_str(), n).await.unwrap(), n + n % 7);
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(sessions(database), 1);
    });
}

#[test]
fn a_lost_connection_fails_all_that_was_in_flight_and_is_replaced() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        for round in 0..5_i64 {
            let (process,): (i32,) =
                pool.query_shared("select pg_backend_pid()", ()).await.unwrap()[0];
            let mut first = slowly(&pool, 30.0);
            assert!(poll_once(&mut first).await.is_pending());
            let mut others: Vec<_> = (0..20).map(|n| asking(&pool, Apart, n)).collect();
            for other in &mut others {
                assert!(poll_once(other).await.is_pending());
            }
            database.run(&format!("select pg_terminate_backend({process})")).unwrap();
            for asked in std::iter::once(first).chain(others) {
                let error =
                    client(timeout(Duration::from_secs(10), asked).await.unwrap().unwrap_err());
                assert!(error.is_fatal(), "{error:?}");
                assert_eq!(error.sqlstate(), SqlState::from_text("57P01"), "{error:?}");
            }
            assert_eq!(ask(&pool, Together, round).await.unwrap(), round);
            let (next,): (i32,) =
                pool.query_shared("select pg_backend_pid()", ()).await.unwrap()[0];
            assert_ne!(next, process);
        }
        assert_eq!(pool.metrics().closed.broken, 5);
    });
}

#[test]
fn an_idle_lane_whose_session_ended_is_replaced_unseen() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        let (process,): (i32,) = pool.query_shared("select pg_backend_pid()", ()).await.unwrap()[0];
        database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        // The goodbye has come when another session can't see that one any more.
        let gone = format!("select 1 from pg_stat_activity where pid = {process}");
        while !database.run(&gone).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ask(&pool, Apart, 3).await.unwrap(), 3);
    });
}

#[test]
fn a_statement_that_a_change_of_its_table_has_outdated_runs_again() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        database.run("create table t (n int8, m int8); insert into t values (1, 10)").unwrap();
        for (round, sharing) in [Apart, Together, Together, Apart].into_iter().enumerate() {
            let read = |pool: stellata_pool::Pool| async move {
                ask_by(&pool, sharing, &"select * from t where n = $1", 1).await
            };
            assert_eq!(read(pool.clone()).await.unwrap(), 1);
            database.run(&format!("alter table t add column c{round} int4")).unwrap();
            let mut tasks = JoinSet::new();
            for _ in 0..20 {
                tasks.spawn(read(pool.clone()));
            }
            while let Some(task) = tasks.join_next().await {
                // The new column is one too many; that it is seen means that the statement was prepared anew.
                match task.unwrap() {
                    Ok(answer) => assert_eq!(answer, 1),
                    Err(error) => {
                        let error = client(error);
                        assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_session_that_was_changed_takes_no_more_and_is_cleaned() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        let read = "select current_setting('work_mem')";
        let before: Vec<(String,)> = pool.query_shared(read, ()).await.unwrap();
        // Against what is asked for in the documentation.
        pool.query_shared::<(i32,)>("set work_mem = '12345kB'", ()).await.unwrap();
        let after: Vec<(String,)> = pool.query_shared(read, ()).await.unwrap();
        assert_eq!(before, after);
        pool.query_shared::<(i32,)>("begin", ()).await.unwrap();
        let number = "select pg_current_xact_id()::text";
        let first: Vec<(String,)> = pool.query_shared(number, ()).await.unwrap();
        let second: Vec<(String,)> = pool.query_shared(number, ()).await.unwrap();
        assert_ne!(first, second);
    });
}

#[test]
fn what_can_not_be_sent_leaves_the_lane_whole() {
    with_database(async |database| {
        let pool = pool(database, 1, 1);
        for round in 0..3_i64 {
            let waits = pool.clone();
            let slow = tokio::spawn(async move { slowly(&waits, 0.05).await.unwrap() });
            tokio::task::yield_now().await;
            let error = client(ask_by(&pool, Together, &"select '\0', $1", 1).await.unwrap_err());
            assert_eq!(error.kind(), ErrorKind::Encode, "{error:?}");
            assert_eq!(ask(&pool, Together, round).await.unwrap(), round);
            assert_eq!(slow.await.unwrap(), 1);
        }
        assert_eq!(sessions(database), 1);
    });
}
