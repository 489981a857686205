//! What is said of a COMMIT around which the connection is cut.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stellata::prelude::*;
use stellata::{Config, Error, ErrorKind, PoolOptions};
use stellata_testkit::{Cut, Database, Direction, Ending, Proxy, Server, run_within};

#[derive(Model, Debug, Clone)]
#[model(table = "notes")]
struct Note {
    #[model(key)]
    id: i32,
    place: i32,
}

/// The numbers of the notes that are there, when no session is left that could still add one.
async fn settled(database: &Database) -> Vec<i32> {
    loop {
        let sessions = "select pid from pg_stat_activity where application_name = 'cut' and datname = current_database()";
        if database.run(sessions).unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rows = database.run("select id from notes order by id").unwrap();
    rows.iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_outcome_of_a_commit_is_never_lied_about() {
    let rounds = match std::env::var("STELLATA_LONG") {
        Ok(_) => 5_000,
        Err(_) => 200,
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(60 + rounds / 10), async {
        // One place is taken, which is found at the end of the transaction.
        database
            .run(
                "create table notes (id int4 primary key, place int4 not null unique deferrable initially deferred);
                 insert into notes values (-1, -1)",
            )
            .unwrap();
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&database.tcp_url())
            .unwrap()
            .with_port(proxy.port())
            .with_setting("application_name", "cut");
        let (mut done, mut failed, mut unknown) = (0, 0, 0);
        for round in 0..i32::try_from(rounds).unwrap() {
            let db = Db::connect_with(config.clone(), PoolOptions::new().max(1)).await.unwrap();
            let direction = if round % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
            let ending = if round % 3 == 0 { Ending::Reset } else { Ending::Close };
            // From before the first byte of the request to behind the last one of the answer.
            let after = u64::try_from(round / 2 * 5 % 350).unwrap();
            let is_refused = round % 7 == 6;
            let place = if is_refused { -1 } else { round };
            let closures = AtomicU32::new(0);
            let outcome = db
                .transaction(async |tx| {
                    closures.fetch_add(1, Ordering::Relaxed);
                    new!(Note { id: round, place }).insert(tx).await?;
                    proxy.cut(Cut::new(direction, after, ending));
                    Ok::<_, Error>(())
                })
                .await;
            proxy.clear_cut();
            drop(db);
            assert_eq!(closures.into_inner(), 1, "a transaction is never run twice by itself");
            let is_there = settled(&database).await.contains(&round);
            match outcome {
                Ok(()) => {
                    assert!(is_there, "round {round}: said to be committed, and is not");
                    done += 1;
                }
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => unknown += 1,
                Err(error) => {
                    assert!(!is_there, "round {round}: said to have failed, and is there: {error}");
                    assert_eq!(error.kind(), ErrorKind::Unique, "{error:#}");
                    failed += 1;
                }
            }
            assert!(!(is_refused && is_there), "round {round}");
        }
        println!("{done} committed, {failed} refused, {unknown} not known");
        assert!(done > 0 && failed > 0 && unknown > 0);
    });
}

#[test]
fn a_backend_that_is_ended_during_a_commit_leaves_the_outcome_open() {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(60), async {
        database
            .run(
                "create table notes (id int4 primary key, place int4 not null);
                 create function slow() returns trigger language plpgsql as
                 $$ begin perform pg_sleep(60); return null; end $$;
                 create constraint trigger slow after insert on notes deferrable initially deferred
                 for each row execute function slow()",
            )
            .unwrap();
        let config =
            Config::parse(&database.url()).unwrap().with_setting("application_name", "cut");
        let db = Db::connect_with(config, PoolOptions::new().max(1)).await.unwrap();
        let ending = async {
            let end = "select pg_terminate_backend(pid) from pg_stat_activity
                       where application_name = 'cut' and datname = current_database() and wait_event = 'PgSleep'";
            while database.run(end).unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let committing = db.transaction(async |tx| {
            new!(Note { id: 1, place: 1 }).insert(tx).await?;
            Ok::<_, Error>(())
        });
        let (outcome, ()) = tokio::join!(committing, ending);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert!(settled(&database).await.is_empty());
    });
}
