//! Futures of models and of the pool that are dropped at every poll.

#![allow(clippy::print_stdout, reason = "the number of drops is part of what the tests tell")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use stellata::prelude::*;
use stellata::{Config, Error, PoolOptions, Settings};
use stellata_client::Connection;
use stellata_pool::Pool;
use stellata_testkit::{Database, Server, run_within};

use super::models::*;
use crate::dropped::{Reluctant, Trickle, is_long, next, poll_and_drop};

type Running<'d> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'd>>;

/// A use of public functions that wait.
pub(crate) struct Case {
    /// What it uses, as `room Type::function`.
    pub(crate) items: &'static [&'static str],
    work: for<'d> fn(&'d Db) -> Running<'d>,
}

/// What the names of rows begin with that a call has stored.
const NEW: &str = "new ";

/// A name that no row has yet.
fn fresh() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{NEW}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) const CASES: &[Case] = &[
    Case {
        items: &["orm Query::all", "orm Query::count", "orm Query::exists"],
        work: |db| {
            Box::pin(async {
                Artist::query().include(|a| (a.albums(), a.label())).all(db).await?;
                Artist::query().count(db).await?;
                Artist::query().exists(db).await.map(drop)
            })
        },
    },
    Case {
        items: &["orm Query::first", "orm Query::one"],
        work: |db| {
            Box::pin(async {
                Album::query().filter(|a| a.title.eq("Drunk")).first(db).await?;
                Album::query().filter(|a| a.title.eq("Drunk")).one(db).await.map(drop)
            })
        },
    },
    Case {
        items: &["orm $name::exec", "orm $name::all"],
        work: |db| {
            Box::pin(async {
                let drunk = Album::query().filter(|a| a.title.eq("Drunk"));
                drunk.clone().update(|a| a.plays.set(a.plays + 1)).exec(db).await?;
                drunk.update(|a| a.plays.set(a.plays + 1)).all(db).await?;
                Label::query().filter(|l| l.name.eq("nobody")).delete().exec(db).await.map(drop)
            })
        },
    },
    Case {
        items: &["orm UpsertUpdate::one", "orm InsertMissing::one"],
        work: |db| {
            Box::pin(async {
                let new = || new!(Artist { name: "Madlib", label_id: None });
                Artist::upsert(new())
                    .on(|a| a.name)
                    .update(|a, _| a.name.set(a.name))
                    .one(db)
                    .await?;
                Artist::upsert(new()).on(|a| a.name).do_nothing().one(db).await.map(drop)
            })
        },
    },
    Case {
        items: &[
            "orm Insert::insert",
            "orm Entity::get",
            "orm Entity::find",
            "orm Entity::save",
            "orm Entity::update",
            "orm Entity::reload",
            "orm Entity::delete",
        ],
        work: |db| {
            Box::pin(async {
                let mut label = new!(Label { name: fresh() }).insert(db).await?;
                label.name = fresh();
                label.save(db).await?;
                label.update(|l| l.name.set(format!("{NEW}and other")), db).await?;
                label.reload(db).await?;
                Label::get(label.id, db).await?;
                label.delete(db).await?;
                Label::find(label.id, db).await.map(drop)
            })
        },
    },
    Case {
        items: &["orm InsertMany::exec", "orm InsertMany::all"],
        work: |db| {
            Box::pin(async {
                let rows = || (0..3).map(|_| new!(Label { name: fresh() }));
                Label::insert_many(rows()).exec(db).await?;
                Label::insert_many(rows()).all(db).await.map(drop)
            })
        },
    },
    Case {
        items: &["orm Db::transaction", "orm Transaction::transaction"],
        work: |db| {
            Box::pin(async {
                db.transaction(async |tx| {
                    new!(Label { name: fresh() }).insert(tx).await?;
                    let undone = tx
                        .transaction(async |inner| {
                            new!(Label { name: fresh() }).insert(inner).await?;
                            Err::<(), _>(Label::get(-1, inner).await.unwrap_err())
                        })
                        .await;
                    assert!(undone.is_err());
                    new!(Label { name: fresh() }).insert(tx).await.map(drop)
                })
                .await
            })
        },
    },
    Case {
        items: &["orm Transaction::connection"],
        work: |db| {
            Box::pin(async {
                db.transaction(async |tx| {
                    let mut connection = tx.connection().await?;
                    connection.copy_in("label", &["name"]).rows([(fresh(),)]).await?;
                    drop(connection);
                    Label::query().count(tx).await?;
                    let mut connection = tx.connection().await?;
                    let inside = stellata::ConnectionExecutor::on(&mut connection);
                    new!(Label { name: fresh() }).insert(&inside).await.map(drop)
                })
                .await?;
                let mut lease = db.pool().acquire().await?;
                let session = stellata::ConnectionExecutor::on(&mut lease);
                Artist::query().include(|a| (a.albums(), a.label())).all(&session).await?;
                let rows = (0..3).map(|_| new!(Label { name: fresh() }));
                Label::insert_many(rows).exec(&session).await?;
                let mut rows = session.sql("select name from label").lend().await?;
                rows.next::<(&str,)>().await.map(drop)
            })
        },
    },
    Case {
        items: &["orm Configured::transaction"],
        work: |db| {
            Box::pin(async {
                let set = db.with_settings(Settings::new().set("app.user", "anna"));
                set.sql("select current_setting('app.user')").one::<(String,)>().await?;
                Artist::query().include(|a| a.albums()).all(&set).await?;
                set.transaction(async |tx| {
                    let nested = tx.with_settings(Settings::new().set("app.user", "berta"));
                    nested
                        .transaction(async |inner| Label::query().count(inner).await.map(drop))
                        .await?;
                    Label::query().count(&nested).await.map(drop)
                })
                .await
            })
        },
    },
    Case {
        items: &["orm Db::create_all", "orm Db::create_missing", "orm Db::drop_all"],
        work: |db| {
            Box::pin(async {
                let schema = Schema::new().model::<Folder>();
                // What was dropped before may have left the table, or taken it away.
                db.drop_all(&schema).await?;
                db.create_all(&schema).await?;
                db.create_missing(&schema).await
            })
        },
    },
    Case {
        items: &["orm Sql::all", "orm Sql::first", "orm Sql::one", "orm Sql::exec"],
        work: |db| {
            Box::pin(async {
                db.sql("select name from label").all::<(String,)>().await?;
                db.sql("select name from label").first::<(String,)>().await?;
                db.sql("select $1 + 1").bind(1).one::<(i32,)>().await?;
                db.sql("select 1").exec().await.map(drop)
            })
        },
    },
    Case {
        items: &["orm Sql::lend", "orm Rows::next"],
        work: |db| {
            Box::pin(async {
                let mut rows = db.sql("select name from label").lend().await?;
                while rows.next::<(&str,)>().await?.is_some() {}
                drop(rows);
                db.transaction(async |tx| {
                    let mut rows = tx.sql("select name from label").lend().await?;
                    rows.next::<(&str,)>().await.map(drop)
                })
                .await
            })
        },
    },
    Case {
        items: &["pool Pool::acquire", "pool Pool::warm_up"],
        work: |db| {
            Box::pin(async {
                let first = db.pool().acquire().await;
                let second = db.pool().acquire().await;
                drop((first, second));
                db.pool().warm_up().await.unwrap();
                Ok(())
            })
        },
    },
    Case {
        items: &["pool Pool::query_shared", "pool Pool::run_shared"],
        work: |db| {
            Box::pin(async {
                let rows: Vec<(i32,)> =
                    db.pool().query_shared("select $1 + 1", (1_i32,)).await.unwrap();
                assert_eq!(rows, [(2,)]);
                db.sql("select name from label").shared().all::<(String,)>().await.map(drop)
            })
        },
    },
    // Below is what has a database of its own.
    Case {
        items: &["orm Db::connect", "orm Db::connect_with", "pool Pool::drain"],
        work: |_| Box::pin(async { Ok(()) }),
    },
];

/// A pool that lends two connections, and has one for each lane, whose streams are slow while that is set.
fn pool(database: &Database, lanes: usize, statements: usize) -> (Db, Arc<AtomicBool>) {
    let is_slow = Arc::new(AtomicBool::new(false));
    let config = Config::parse(&database.tcp_url()).unwrap().with_statement_cache(statements);
    let (port, slow) = (database.tcp().port(), Arc::clone(&is_slow));
    let open = move || {
        let (config, slow) = (config.clone(), Arc::clone(&slow));
        async move { Connection::over(Reluctant::connect(port, slow).await, &config).await }
    };
    // What was dropped is read to its end: such a stream does not tell where to cancel it.
    let patience = Duration::from_secs(60);
    let options = PoolOptions::new().max(2 + lanes).lanes(lanes);
    let options = options.acquire_timeout(patience).clean_timeout(patience);
    (Db::from(Pool::opened_by(open, options)), is_slow)
}

/// The pool gives the answer to the question. What a call has stored is taken away, so that the answers to come are not
/// longer than those before: each of their bytes is a poll.
async fn is_whole(db: &Db, question: i64) {
    let (answer,): (i64,) = db.sql("select $1 + 0").bind(question).one().await.unwrap();
    assert_eq!(answer, question);
    Label::query().filter(|l| l.name.startswith(NEW)).delete().exec(db).await.unwrap();
}

/// Drops every case at every poll, and tells how many drops there were.
async fn drop_all(database: &Database, lanes: usize, statements: usize) {
    drop(filled(database).await);
    let (db, is_slow) = pool(database, lanes, statements);
    let mut question = 0;
    for case in CASES {
        let (mut polls, before) = (0, question);
        loop {
            is_slow.store(true, Ordering::Relaxed);
            let ended = poll_and_drop(polls, (case.work)(&db)).await;
            is_slow.store(false, Ordering::Relaxed);
            question += 1;
            is_whole(&db, question).await;
            if let Some(ended) = ended {
                ended.unwrap();
                break;
            }
            polls = next(polls);
        }
        (case.work)(&db).await.unwrap();
        is_whole(&db, question).await;
        println!("{} drops of {:?}", question - before, case.items);
    }
    let metrics = db.pool().metrics();
    println!("{question} drops with {lanes} lanes and {statements} statements kept");
    assert_eq!(metrics.opened, 2 + lanes as u64, "none was lost: {metrics:?}");
    assert!(question > 50, "{question}");
    // A lane counts as lent.
    assert!(db.pool().status().lent <= lanes);
    assert_eq!(db.pool().drain(Duration::from_secs(5)).await, 0);
}

fn within(test: impl AsyncFnOnce(&Database)) {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    let limit = Duration::from_secs(if is_long() { 3600 } else { 120 });
    run_within(limit, test(&database));
}

#[test]
fn every_call_on_a_pool_is_dropped_at_every_poll() {
    within(async |database| drop_all(database, 0, 256).await);
}

#[test]
fn every_call_on_a_pool_with_lanes_is_dropped_at_every_poll() {
    within(async |database| drop_all(database, 1, 256).await);
}

/// Nearly every statement is prepared anew, so that there is more to be dropped in.
#[test]
fn every_call_on_a_pool_that_keeps_one_statement_is_dropped_at_every_poll() {
    within(async |database| drop_all(database, 0, 1).await);
}

#[test]
fn opening_a_pool_and_closing_it_is_dropped_at_every_poll() {
    within(async |database| {
        let slow = Trickle::start(database).await;
        let config = Config::parse(&database.tcp_url())
            .unwrap()
            .with_port(slow.port)
            .with_setting("application_name", "dropped_pool");
        let options = PoolOptions::new().max(2);
        let mut polls = 0;
        loop {
            slow.set(true);
            let opened =
                poll_and_drop(polls, Db::connect_with(config.clone(), options.clone())).await;
            slow.set(false);
            let one = Db::connect_with(config.clone(), options.clone()).await.unwrap();
            poll_and_drop(polls, one.pool().drain(Duration::from_secs(5))).await;
            assert_eq!(one.pool().drain(Duration::from_secs(5)).await, 0);
            poll_and_drop(polls, Db::connect(&database.url())).await;
            if let Some(opened) = opened {
                opened.unwrap();
                break;
            }
            polls = next(polls);
        }
        println!("{polls} polls of opening a pool");
        let busy = "select state, query from pg_stat_activity \
                    where application_name = 'dropped_pool' and state <> 'idle'";
        let quiet = async {
            while !database.run(busy).unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(2), quiet).await.unwrap();
    });
}
