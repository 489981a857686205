//! What is said of a COMMIT around which the connection is cut.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stellata::prelude::*;
use stellata::{Config, Error, ErrorKind, PoolOptions};
use stellata_client::{Connection, QueryOptions};
use stellata_testkit::{
    Cut, Database, Direction, Ending, Proxy, Server, run_within, with_database,
};

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

/// What a transaction is ended by, on a connection of one's own.
const ENDS: [&str; 6] = ["execute", "batch", "simple", "limit", "settings", "lend"];

/// Ends the transaction that is open, by one of [`ENDS`].
async fn end(
    connection: &mut Connection,
    way: usize,
    commit: &str,
) -> Result<(), stellata_client::Error> {
    match ENDS[way] {
        "execute" => connection.execute(commit, ()).await.map(drop),
        "batch" => {
            let mut batch = connection.batch()?;
            batch.add("set local work_mem = '1MB'", ())?.add(commit, ())?;
            batch.send()?.end().await
        }
        "simple" => {
            let text = format!("set local work_mem = '1MB'; {commit}; select 'commit'");
            connection.simple(&text).await.map(drop)
        }
        "limit" => {
            let limit = Duration::from_secs(50);
            connection.with_limit(limit).execute(commit, ()).await.map(drop)
        }
        "settings" => {
            let options = QueryOptions::new().limit(Duration::from_secs(50));
            connection.with(options).query::<(i32,)>(commit, ()).await.map(drop)
        }
        _ => {
            let mut rows = connection.lend(commit, ())?;
            while rows.next::<(i32,)>().await?.is_some() {}
            Ok(())
        }
    }
}

#[test]
fn the_outcome_of_a_commit_by_hand_is_never_lied_about() {
    use stellata_client::ErrorKind;

    let rounds = match std::env::var("STELLATA_LONG") {
        Ok(_) => 6_000,
        Err(_) => 360,
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(60 + rounds / 10), async {
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
        let mut seen = [[0_u32; 4]; ENDS.len()];
        for round in 0..i32::try_from(rounds).unwrap() {
            let way = usize::try_from(round).unwrap() % ENDS.len();
            let turn = round / 6;
            let mut connection = Connection::connect(&config).await.unwrap();
            connection.execute("begin", ()).await.unwrap();
            // Its end is refused; or a statement in it has failed, so that it is rolled back.
            let (is_refused, is_failed) = (turn % 7 == 6, turn % 7 == 5);
            let place = if is_refused { -1 } else { round };
            let insert = "insert into notes values ($1, $2)";
            connection.execute(insert, (round, place)).await.unwrap();
            if is_failed {
                connection.execute("select 1 / 0", ()).await.unwrap_err();
            }
            let direction = if turn % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
            let ending = if turn % 3 == 0 { Ending::Reset } else { Ending::Close };
            // From before the first byte of the request to behind the last one of the answer.
            let after = u64::try_from(turn / 2 * 13 % 260).unwrap();
            proxy.cut(Cut::new(direction, after, ending));
            let outcome = end(&mut connection, way, "commit").await;
            proxy.clear_cut();
            drop(connection);
            let is_there = settled(&database).await.contains(&round);
            let what = format!("round {round}, {}", ENDS[way]);
            let seen = &mut seen[way];
            match outcome {
                Ok(()) => {
                    assert!(is_there, "{what}: said to be committed, and is not");
                    seen[0] += 1;
                }
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                    assert!(error.is_fatal(), "{what}: {error}");
                    seen[1] += 1;
                }
                Err(error) if error.kind() == ErrorKind::RolledBack => {
                    assert!(is_failed && !is_there, "{what}: {error}");
                    seen[2] += 1;
                }
                Err(error) => {
                    assert!(!is_there, "{what}: said to have failed, and is there: {error}");
                    // Of rows that are lent the columns are asked for first, when nothing is sent yet.
                    let is_early = ENDS[way] == "lend" && error.is_fatal();
                    assert!(error.kind() == ErrorKind::Server || is_early, "{what}: {error:?}");
                    seen[3] += u32::from(!is_early);
                }
            }
            assert!(!((is_refused || is_failed) && is_there), "{what}");
        }
        println!("committed, not known, rolled back, refused, by {ENDS:?}: {seen:?}");
        assert!(seen.iter().all(|seen| seen[0] > 0 && seen[1] > 0 && seen[3] > 0), "{seen:?}");
        assert!(seen.iter().map(|seen| seen[2]).sum::<u32>() > 0, "{seen:?}");
    });
}

#[test]
fn a_commit_that_rolls_back_is_a_failure_however_it_is_asked_for() {
    use stellata_client::{ErrorKind, TransactionStatus};

    with_database(async |database| {
        let mut connection =
            Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap();
        let commits =
            ["commit", " /* so */ END;", "prepare transaction 'x'", "-- now\nCommit and no chain"];
        for (way, name) in ENDS.into_iter().enumerate() {
            for commit in commits {
                connection.execute("begin", ()).await.unwrap();
                connection.execute("select 1 / 0", ()).await.unwrap_err();
                // Where a statement of the same batch is refused first, that is what is told.
                let alone = if matches!(name, "batch" | "simple") { 0 } else { way };
                let error = end(&mut connection, alone, commit).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::RolledBack, "{commit}: {error}");
                assert!(error.to_string().contains("rolled back instead of committed"), "{error}");
                assert_eq!(error.sql(), Some(commit));
                assert!(!error.is_fatal() && connection.is_quiet());
                assert_eq!(connection.status(), TransactionStatus::Idle);
            }
            connection.execute("begin", ()).await.unwrap();
            connection.execute("select 1 / 0", ()).await.unwrap_err();
            connection.execute("rollback", ()).await.unwrap();
        }
        for has_limit in [false, true] {
            connection.execute("begin", ()).await.unwrap();
            connection.execute("select 1 / 0", ()).await.unwrap_err();
            let mut batch = connection.batch().unwrap();
            if has_limit {
                batch = batch.limit(Duration::from_secs(50));
            }
            batch.add("commit", ()).unwrap().add("select 5", ()).unwrap();
            let mut answers = batch.send().unwrap();
            assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::RolledBack);
            assert_eq!(answers.one::<(i32,)>().await.unwrap(), (5,), "it was run all the same");
        }
        connection.execute("begin", ()).await.unwrap();
        connection.execute("select 1 / 0", ()).await.unwrap_err();
        let error = connection.simple("commit; select 5").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RolledBack);
        connection.simple("begin; rollback; begin; commit; select 'commit'").await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
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
