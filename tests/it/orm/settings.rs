//! Settings of the server for a query, and for a transaction.

use std::time::Duration;

use stellata::prelude::*;
use stellata::{Cluster, ClusterOptions, Config, Error, ErrorKind, PoolOptions, Settings};
use stellata_testkit::{Database, Proxy, with_database};
use tokio::task::JoinSet;

use super::models::*;

/// What a statement sees.
const SEEN: &str = "select current_setting('work_mem'), current_setting('app.user', true)";

fn settings() -> Settings {
    Settings::new().set("work_mem", "7MB").set("app.user", "anna")
}

fn own() -> (String, Option<String>) {
    ("7MB".into(), Some("anna".into()))
}

async fn seen(on: &impl Executor) -> (String, Option<String>) {
    on.with_settings(Settings::new()).sql(SEEN).one().await.unwrap()
}

async fn work_mem(on: &impl Executor) -> String {
    seen(on).await.0
}

/// One connection through a proxy, to a database with the models and the same tables, but for their rows, in another
/// schema.
async fn behind_proxy(database: &Database) -> (Db, Proxy) {
    drop(filled(database).await);
    let tables = ["label", "artist", "albums", "\"order\"", "play", "review"];
    let copies: String = tables
        .iter()
        .map(|table| format!("create table elsewhere.{table} (like public.{table} including all);"))
        .collect();
    database
        .run(&format!(
            "create schema elsewhere; {copies}
             insert into elsewhere.label (name) values ('elsewhere');
             insert into elsewhere.artist (name, label_id) values ('nobody', 1)"
        ))
        .unwrap();
    let proxy = Proxy::start(database.tcp()).unwrap();
    let config = Config::parse(&proxy.url(database.name())).unwrap();
    let db = Db::connect_with(config, PoolOptions::new().max(1)).await.unwrap();
    proxy.reset_counts();
    (db, proxy)
}

#[test]
fn all_that_runs_on_models_runs_with_settings_in_one_round_trip() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let there = db.with_settings(Settings::new().search_path(["elsewhere"]));
        let here = Artist::query().count(&db).await.unwrap();
        assert!(here > 1);
        let trips = |what: &str| {
            assert_eq!(proxy.counts().round_trips, 1, "{what}: {:?}", proxy.flights());
            assert_eq!(proxy.counts().writes_to_server, 1, "{what}");
            proxy.reset_counts();
        };
        proxy.reset_counts();
        for _ in 0..2 {
            assert_eq!(Artist::query().count(&there).await.unwrap(), 1);
            trips("count");
            assert_eq!(Artist::query().one(&there).await.unwrap().name, "nobody");
            trips("one");
            let graph = Label::query().include(|l| l.artists().include(|a| a.albums()));
            let labels = graph.all(&there).await.unwrap();
            trips("relations");
            assert_eq!(labels.len(), 1);
            assert_eq!(labels[0].artists.get().unwrap()[0].name, "nobody");
            let mut label = new!(Label { name: "new" }).insert(&there).await.unwrap();
            trips("insert");
            label.update(|l| l.name.set("newer"), &there).await.unwrap();
            trips("update");
            let many = (0..5).map(|n| new!(Label { name: format!("{n}") }));
            assert_eq!(Label::insert_many(many).exec(&there).await.unwrap(), 5);
            trips("insert many");
            let others = Label::query().filter(|l| l.name.ne("elsewhere"));
            assert_eq!(others.delete().exec(&there).await.unwrap(), 6);
            trips("delete");
            assert_eq!(
                there.sql("select count(*) from artist").one::<(i64,)>().await.unwrap(),
                (1,)
            );
            trips("by hand");
        }
        let artists = Artist::query().count(&db).await.unwrap();
        assert_eq!(artists, here, "the same connection, without the settings");
        assert_eq!(db.pool().metrics().opened, 1);
        // Settings upon settings: what is said later counts.
        let both =
            there.with_settings(settings()).with_settings(Settings::new().set("WORK_MEM", "8MB"));
        let seen: (String, String) = both
            .sql("select current_setting('work_mem'), current_setting('search_path')")
            .one()
            .await
            .unwrap();
        assert_eq!(seen, ("8MB".into(), "\"elsewhere\"".into()));
    });
}

#[test]
fn rows_are_lent_with_settings() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let before = work_mem(&db).await;
        let set = db.with_settings(settings());
        proxy.reset_counts();
        let mut rows = set.sql(SEEN).lend().await.unwrap();
        assert_eq!(rows.next::<(&str, &str)>().await.unwrap(), Some(("7MB", "anna")));
        assert_eq!(rows.next::<(&str, &str)>().await.unwrap(), None);
        assert_eq!(proxy.counts().round_trips, 1, "{:?}", proxy.flights());
        drop(rows);
        assert_eq!(work_mem(&db).await, before);
        db.transaction(async |tx| {
            for left in [0, 1] {
                let set = tx.with_settings(settings());
                let mut rows = set.sql(SEEN).lend().await?;
                assert_eq!(rows.next::<(&str, &str)>().await?, Some(("7MB", "anna")));
                if left == 0 {
                    assert_eq!(rows.next::<(&str, &str)>().await?, None);
                }
                drop(rows);
                assert_eq!(work_mem(tx).await, before);
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_transaction_has_settings_from_its_first_statement_to_its_end() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let (before, _) = seen(&db).await;
        let set = db.with_settings(settings());
        // Once, so that all is prepared.
        for round in 0..2 {
            proxy.reset_counts();
            set.transaction(async |tx| {
                assert_eq!(seen(tx).await, own());
                assert_eq!(proxy.counts().round_trips, 1, "{:?}", proxy.flights());
                assert_eq!(seen(tx).await, own());
                tx.transaction(async |inner| {
                    assert_eq!(seen(inner).await, own());
                    Ok::<_, Error>(())
                })
                .await
            })
            .await
            .unwrap();
            assert_eq!(proxy.counts().round_trips, 4, "round {round}: {:?}", proxy.flights());
            assert_eq!(work_mem(&db).await, before);
        }
        // However it ends.
        let failed = set.transaction(async |tx| {
            assert_eq!(seen(tx).await, own());
            tx.sql("select 1 / 0").exec().await
        });
        failed.await.unwrap_err();
        assert_eq!(work_mem(&db).await, before);
        let dropped = set.transaction(async |tx| {
            assert_eq!(seen(tx).await, own());
            std::future::pending::<Result<(), Error>>().await
        });
        assert!(tokio::time::timeout(Duration::from_millis(200), dropped).await.is_err());
        assert_eq!(work_mem(&db).await, before);
        assert_eq!(db.pool().metrics().opened, 1);
        // One without a statement never reaches the server.
        proxy.reset_counts();
        set.transaction(async |_| Ok::<_, Error>(())).await.unwrap();
        assert_eq!(proxy.counts().round_trips, 0);
    });
}

#[test]
fn in_a_transaction_a_query_and_a_savepoint_give_their_settings_back() {
    with_database(async |database| {
        let (db, proxy) = behind_proxy(database).await;
        let outer = Settings::new().set("work_mem", "3MB").set("app.user", "berta");
        let theirs = ("3MB".to_owned(), Some("berta".to_owned()));
        db.with_settings(outer)
            .transaction(async |tx| {
                assert_eq!(seen(tx).await, theirs);
                let set = tx.with_settings(settings());
                proxy.reset_counts();
                let (during,): (String,) =
                    set.sql("select current_setting('work_mem')").one().await?;
                assert_eq!(during, "7MB");
                assert_eq!(proxy.counts().round_trips, 1, "{:?}", proxy.flights());
                assert_eq!(seen(tx).await, theirs);
                // A graph, in one flush.
                proxy.reset_counts();
                let labels = Label::query().include(|l| l.artists()).all(&set).await?;
                assert!(!labels.is_empty());
                assert_eq!(proxy.counts().round_trips, 1, "{:?}", proxy.flights());
                assert_eq!(seen(tx).await, theirs);

                // A savepoint that is kept, with a query of its own settings inside.
                proxy.reset_counts();
                set.transaction(async |inner| {
                    assert_eq!(seen(inner).await, own());
                    let more = inner.with_settings(Settings::new().set("work_mem", "9MB"));
                    let (during,): (String,) =
                        more.sql("select current_setting('work_mem')").one().await?;
                    assert_eq!(during, "9MB");
                    assert_eq!(seen(inner).await, own());
                    Ok::<_, Error>(())
                })
                .await?;
                assert_eq!(seen(tx).await, theirs);
                assert_eq!(proxy.counts().round_trips, 4, "{:?}", proxy.flights());

                // One that is undone, by an error of its own or one of the server's.
                for sql in ["select 1", "select 1 / 0"] {
                    let undone = set.transaction(async |inner| {
                        assert_eq!(seen(inner).await, own());
                        inner.sql(sql).exec().await?;
                        Err::<(), _>(Label::get(-1, inner).await.unwrap_err())
                    });
                    undone.await.unwrap_err();
                    assert_eq!(seen(tx).await, theirs);
                }
                // A query that fails in one.
                let undone = tx.transaction(async |inner| {
                    inner.with_settings(settings()).sql("select 1 / 0").exec().await
                });
                undone.await.unwrap_err();
                assert_eq!(seen(tx).await, theirs);
                // One that is never begun.
                set.transaction(async |_| Ok::<_, Error>(())).await?;
                assert_eq!(seen(tx).await, theirs);
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        assert_ne!(work_mem(&db).await, "3MB");
    });
}

#[test]
fn a_setting_that_is_refused_is_named() {
    with_database(async |database| {
        let db = filled(database).await;
        let labels = Label::query().count(&db).await.unwrap();
        for (name, value) in
            [("work_mem", "much"), ("no_such", "1"), ("role", "nobody_of_this_name")]
        {
            let set = db.with_settings(settings().set(name, value));
            let error = new!(Label { name: "never" }).insert(&set).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Database, "{error}");
            let named = |error: &Error| {
                let said = error.to_string();
                assert!(said.contains(name) && said.contains("was refused"), "{said}");
                assert!(error.sqlstate().is_some());
            };
            named(&error);
            let graph = Label::query().include(|l| l.artists()).all(&set).await.unwrap_err();
            named(&graph);
            let error =
                set.transaction(async |tx| Label::query().count(tx).await).await.unwrap_err();
            named(&error);
            let error = db
                .transaction(async |tx| {
                    Label::query().count(&tx.with_settings(settings().set(name, value))).await
                })
                .await
                .unwrap_err();
            named(&error);
        }
        let none = db.with_settings(Settings::new().set("client_encoding", "LATIN1"));
        let error = Label::query().count(&none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(Label::query().count(&db).await.unwrap(), labels);
    });
}

#[test]
fn a_query_with_settings_shares_no_connection() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let options = PoolOptions::new().max(4).lanes(1).acquire_timeout(Duration::from_secs(20));
        let db = Db::connect_with(config, options).await.unwrap();
        let mut tasks = JoinSet::new();
        for n in 0..60_i64 {
            let db = db.clone();
            tasks.spawn(async move {
                if n % 2 == 0 {
                    let user = format!("user {n}");
                    let set = db.with_settings(Settings::new().set("app.user", &*user));
                    let (seen,): (String,) = set
                        .sql("select current_setting('app.user') from pg_sleep(0.002)")
                        .shared()
                        .one()
                        .await
                        .unwrap();
                    assert_eq!(seen, user);
                } else {
                    let (seen,): (String,) = db
                        .sql("select coalesce(current_setting('app.user', true), '')")
                        .shared()
                        .one()
                        .await
                        .unwrap();
                    assert_eq!(seen, "");
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(db.pool().lanes(), 1);
        let on_lane: (i32,) = db.sql("select pg_backend_pid()").shared().one().await.unwrap();
        let set = db.with_settings(settings());
        let apart: (i32,) = set.sql("select pg_backend_pid()").shared().one().await.unwrap();
        assert_ne!(on_lane, apart);
    });
}

#[test]
fn settings_are_gone_after_statements_that_were_outdated() {
    with_database(async |database| {
        let (db, _proxy) = behind_proxy(database).await;
        let set = db.with_settings(settings());
        let text = "select n from changing";
        database.run("create table changing (n int4); insert into changing values (1)").unwrap();
        assert_eq!(set.sql(text).one::<(i32,)>().await.unwrap(), (1,));
        database.run("alter table changing alter n type int8").unwrap();
        assert_eq!(set.sql(text).one::<(i64,)>().await.unwrap(), (1,));
        assert_ne!(work_mem(&db).await, "7MB");
    });
}

#[test]
fn a_cluster_runs_queries_with_settings_where_they_belong() {
    with_database(async |database| {
        drop(filled(database).await);
        let config = Config::parse(&database.tcp_url()).unwrap();
        let pool = PoolOptions::new().acquire_timeout(Duration::from_secs(30));
        let options = ClusterOptions::new().primary(pool.clone()).replica(pool);
        let db = Db::from(Cluster::new(config, options));
        let set = db.with_settings(settings());
        let seen_there: (String, Option<String>) = set.sql(SEEN).one().await.unwrap();
        assert_eq!(seen_there, own());
        let seen_there: (String, Option<String>) = set.sql(SEEN).read_only().one().await.unwrap();
        assert_eq!(seen_there, own());
        let label = new!(Label { name: "in a cluster" }).insert(&set).await.unwrap();
        assert_eq!(Label::get(label.id, &set).await.unwrap().name, "in a cluster");
        let renamed = Label::query().filter(|l| l.id.eq(label.id)).update(|l| l.name.set("x"));
        assert_eq!(renamed.exec(&set).await.unwrap(), 1, "the row of the settings is not counted");
        let graph = Label::query().include(|l| l.artists()).all(&set).await.unwrap();
        assert!(graph.len() > 1);
        let mine = db.read_your_writes();
        let with_both = mine.with_settings(settings());
        new!(Label { name: "mine" }).insert(&with_both).await.unwrap();
        assert!(mine.place().is_some());
        assert!(Label::query().filter(|l| l.name.eq("mine")).exists(&with_both).await.unwrap());
        set.transaction(async |tx| {
            assert_eq!(seen(tx).await, own());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        let error = db.with_settings(settings().set("work_mem", "much"));
        let error = Label::query().count(&error).await.unwrap_err();
        assert!(error.to_string().contains("the setting work_mem was refused"), "{error}");
        assert_ne!(work_mem(&db).await, "7MB");
    });
}
