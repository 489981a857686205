//! How often the client waits for the server, seen by a proxy that stands between them.

use std::time::{Duration, Instant};

use stellata::prelude::*;
use stellata::{Config, ErrorKind, PoolOptions};
use stellata_testkit::{Cut, Database, Direction, Ending, Proxy, with_database};

use super::models::*;

/// The tables of the tests, and a way to them through a proxy, with one connection that is open already.
async fn behind_proxy(database: &Database) -> (Db, Proxy) {
    drop(filled(database).await);
    let proxy = Proxy::start(database.tcp()).unwrap();
    let config = Config::parse(&proxy.url(database.name())).unwrap();
    let db = Db::connect_with(config, PoolOptions::new().max(1)).await.unwrap();
    proxy.reset_counts();
    (db, proxy)
}

#[test]
fn a_statement_is_one_round_trip_also_on_first_use() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        for use_of_it in ["PDBES", "BES", "BES"] {
            proxy.reset_counts();
            let found = Album::query().filter(|a| a.title.eq("Drunk")).all(&db).await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(proxy.flights(), [use_of_it]);
            assert_eq!(proxy.counts().round_trips, 1);
            assert_eq!(proxy.counts().writes_to_server, 1, "{use_of_it}");
        }
    });
}

#[test]
fn every_everyday_operation_is_one_round_trip() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let trips = |what: &str, want: u64| {
            assert_eq!(proxy.counts().round_trips, want, "{what}");
            proxy.reset_counts();
        };
        let mut album = Album::get(1, &db).await.unwrap();
        trips("get", 1);
        Album::query().count(&db).await.unwrap();
        trips("count", 1);
        Album::query().filter(|a| a.live).exists(&db).await.unwrap();
        trips("exists", 1);
        let new = new!(Album { title: "It Is What It Is", artist_id: album.artist_id });
        let new = new.insert(&db).await.unwrap();
        trips("insert", 1);
        let label = |number: i32| new!(Label { name: format!("label {number}") });
        Label::insert_many((0..20_000).map(label)).exec(&db).await.unwrap();
        trips("insert many by arrays", 1);
        let mixed = (0..40_000_i32).map(|number| {
            let mut label = label(number);
            if number % 2 == 0 {
                label.id = stellata::Field::Set(Id::new(1_000_000 + i64::from(number)));
            }
            label
        });
        Label::insert_many(mixed).exec(&db).await.unwrap();
        trips("insert many of several forms, in several statements", 1);
        album.update(|a| a.plays.set(a.plays + 1), &db).await.unwrap();
        trips("update", 1);
        album.save(&db).await.unwrap();
        trips("save", 1);
        new.delete(&db).await.unwrap();
        trips("delete", 1);
        Album::upsert(new!(Album { title: "Drunk", artist_id: album.artist_id }))
            .on(|key| key.artist_id_title)
            .update(|a, _| a.plays.set(a.plays + 1))
            .one(&db)
            .await
            .unwrap();
        trips("upsert", 1);
    });
}

#[test]
fn an_include_sends_all_its_statements_before_it_reads_the_first_answer() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let graph = Label::query().order_by(|l| l.id).include(|l| {
            l.artists().include(|a| a.albums().include(|b| (b.tracks(), b.review(), b.artist())))
        });
        let cold = graph.clone().all(&db).await.unwrap();
        assert_eq!(proxy.flights().len(), 1, "{:?}", proxy.flights());
        assert_eq!(proxy.flights()[0], format!("{}S", "PDBE".repeat(6)));

        // Whatever the server answers reaches the client a while later: had it waited anywhere, there were more flights.
        let delay = Duration::from_millis(150);
        proxy.set_delay(Duration::ZERO, delay);
        proxy.reset_counts();
        let start = Instant::now();
        let warm = graph.all(&db).await.unwrap();
        let took = start.elapsed();
        assert_eq!(proxy.flights(), [format!("{}S", "BE".repeat(6))]);
        assert_eq!(proxy.counts().round_trips, 1);
        assert!(took >= delay, "{took:?}");
        assert_eq!(format!("{cold:?}"), format!("{warm:?}"));
    });
}

#[test]
fn begin_rides_with_the_first_statement() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        for _ in 0..2 {
            proxy.reset_counts();
            let done: stellata::Result<()> = db
                .transaction(async |tx| {
                    Album::query().update(|a| a.plays.set(a.plays + 1)).all_rows().exec(tx).await?;
                    let inner: stellata::Result<u64> =
                        tx.transaction(async |inner| Album::query().count(inner).await).await;
                    inner.map(drop)
                })
                .await;
            done.unwrap();
            assert_eq!(proxy.counts().round_trips, 3, "{:?}", proxy.flights());
        }
        // begin + update; savepoint + count; release + commit.
        assert_eq!(proxy.flights(), ["BEBES", "BEBES", "BEBES"]);
        for _ in 0..2 {
            proxy.reset_counts();
            let done: stellata::Result<()> = db
                .transaction(async |tx| {
                    let mut rows = tx.sql("select title from albums").lend().await?;
                    while rows.next::<(&str,)>().await?.is_some() {}
                    Ok(())
                })
                .await;
            done.unwrap();
        }
        // begin + the statement whose rows are lent; commit.
        assert_eq!(proxy.flights(), ["BEBES", "BES"]);
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_neither_done_nor_failed() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let lost: stellata::Result<()> = db
            .transaction(async |tx| {
                Album::query().update(|a| a.plays.set(77)).all_rows().exec(tx).await?;
                // The first byte of an answer may pass: the server has committed then.
                proxy.cut(Cut::new(Direction::ToClient, 1, Ending::Close));
                Ok(())
            })
            .await;
        let error = lost.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        proxy.clear_cut();
        // The pool has another connection at once.
        assert_eq!(Album::query().filter(|a| a.plays.eq(77)).count(&db).await.unwrap(), 5);
    });
}
