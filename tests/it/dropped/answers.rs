//! A connection of which a call was dropped: what it owes is read away, and the next answer is the next question's.

use std::time::Duration;

use stellata_client::{Config, Connection, TransactionStatus};
use stellata_testkit::{Database, with_database};

use super::poll_and_drop;

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

#[test]
fn an_answer_never_reaches_the_wrong_question() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let (mut dropped, mut question) = (0, 0_i64);
        for round in 0..400_usize {
            question += 1;
            let future = connection.query::<(i64, String)>(
                "select $1, repeat('x', 20000) from generate_series(1, 5)",
                (question,),
            );
            if poll_and_drop(round % 7, future).await.is_none() {
                dropped += 1;
            }
            question += 1;
            let (answer,): (i64,) =
                connection.query_one("select $1 + 0", (question,)).await.unwrap();
            assert_eq!(answer, question);
        }
        assert!(dropped > 100, "only {dropped} futures were dropped early");
        assert!(connection.is_quiet());
    });
}

#[test]
fn dropping_while_a_statement_is_prepared_keeps_the_cache_right() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for round in 0..60_usize {
            // Every round a statement that is not known yet, given up at another moment, then asked again.
            let sql = format!("select $1 + {round}");
            for polls in [round % 4, (round / 4) % 4] {
                poll_and_drop(polls, connection.query::<(i32,)>(&sql, (1_i32,))).await;
            }
            let (sum,): (i32,) = connection.query_one(&sql, (1_i32,)).await.unwrap();
            assert_eq!(sum, 1 + round as i32);
        }
    });
}

#[test]
fn a_dropped_failure_is_not_taken_for_the_next_ones() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for round in 0..100_usize {
            poll_and_drop(round % 5, connection.execute("select 1/0", ())).await;
            poll_and_drop(round % 3, connection.simple("select 1; select 1/0; select 2")).await;
            assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
        }
    });
}

#[test]
fn draining_reads_what_is_owed() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        poll_and_drop(1, connection.execute("begin", ())).await;
        connection.drain(Duration::from_secs(10)).await.unwrap();
        assert!(connection.is_quiet());
        assert_eq!(connection.status(), TransactionStatus::InTransaction);
    });
}

#[test]
fn a_dropped_connect_leaves_no_session() {
    with_database(async |database| {
        let config =
            Config::parse(&database.url()).unwrap().with_setting("application_name", "dropped");
        for polls in 0..12 {
            poll_and_drop(polls, Connection::connect(&config)).await;
        }
        let gone = async {
            loop {
                let rows = database
                    .run("select pid from pg_stat_activity where application_name = 'dropped'")
                    .unwrap();
                if rows.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    });
}

#[test]
fn a_dropped_texts_columns_are_not_taken_for_the_next_statements() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for round in 0..20_i64 {
            // Both columns have eight bytes: what is taken for the other would be read as another number.
            let text = format!("select {round}::float8; select 1; select 2 where false");
            assert!(poll_and_drop(1, connection.simple(&text)).await.is_none());
            let sql = format!("select $1 + {round}");
            let (sum,): (i64,) = connection.query_one(&sql, (1_i64,)).await.unwrap();
            assert_eq!(sum, 1 + round);
            assert!(poll_and_drop(1, connection.simple(&text)).await.is_none());
            let (sum,): (f64,) = connection.query_one(&sql, (0.5_f64,)).await.unwrap();
            assert_eq!(sum, 0.5 + round as f64);
        }
    });
}
