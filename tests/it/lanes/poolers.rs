//! Lanes through PgBouncer in transaction mode: each Sync may find another backend.

use std::time::Duration;

use stellata_client::Config;
use stellata_pool::Sharing::{Apart, Together};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Bouncer, BouncerOptions, Database, Server, run_within, skip};
use tokio::task::JoinSet;

use super::ask_by;

const TASKS: i64 = 32;
const ROUNDS: i64 = 30;

/// A pooler that leads to two backends, and does not track prepared statements unless it is told to.
fn start(options: BouncerOptions, tracks: bool) -> (Bouncer, Database) {
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    let options = options.setting("default_pool_size", "2");
    let options = match (tracks, options.version()) {
        (true, _) => options.setting("max_prepared_statements", "100"),
        (false, (1, ..21)) => options,
        (false, _) => options.setting("max_prepared_statements", "0"),
    };
    (Bouncer::start(server, options).unwrap(), database)
}

/// Many tasks ask over three lanes, some for what fails; no answer may be wrong or missing.
async fn traffic(config: Config) -> Pool {
    let options = PoolOptions::new().max(4).lanes(3).acquire_timeout(Duration::from_secs(30));
    let pool = Pool::new(config, options);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                let question = task * 1_000 + round;
                let sharing = if question % 2 == 0 { Apart } else { Together };
                // Texts that all have, and texts that only some have.
                let sql = match question % 5 {
                    0 => format!("select $1::int8 -- {}", task % 7),
                    1 if question % 3 == 0 => "select 1 / ($1::int8 - $1::int8)".to_owned(),
                    _ => "select $1::int8".to_owned(),
                };
                match ask_by(&pool, sharing, &sql.as_str(), question).await {
                    Ok(told) => assert_eq!(told, question),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(sql.contains('/') && text.contains("22012"), "{sql}: {text}");
                    }
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert!((1..=3).contains(&pool.lanes()), "{:?}", pool.status());
    pool
}

#[test]
fn told_of_the_pooler_lanes_keep_no_statement() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options, false);
    run_within(Duration::from_secs(60), async {
        let config = Config::parse(&bouncer.url(database.name())).unwrap();
        let pool = traffic(config.with_transaction_pooler(true)).await;
        for _ in 0..8 {
            let sql = "select count(*) from pg_prepared_statements where name <> ''";
            let rows: Vec<(i64,)> = pool.query_shared(sql, ()).await.unwrap();
            assert_eq!(rows, [(0,)]);
        }
        let counts = pool.metrics().lanes;
        assert!(counts.syncs_saved > 0 && counts.sent_again > 0, "{counts:?}");
    });
}

#[test]
fn not_told_of_the_pooler_lanes_find_it_out() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options, false);
    run_within(Duration::from_secs(60), async {
        traffic(Config::parse(&bouncer.url(database.name())).unwrap()).await;
    });
}

#[test]
fn a_pooler_that_tracks_statements_takes_those_of_lanes() {
    let Some(options) = BouncerOptions::find_tracking() else {
        skip("there is no PgBouncer that tracks prepared statements");
        return;
    };
    let (bouncer, database) = start(options, true);
    run_within(Duration::from_secs(60), async {
        traffic(Config::parse(&bouncer.url(database.name())).unwrap()).await;
    });
}
