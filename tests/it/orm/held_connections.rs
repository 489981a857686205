//! Models on a connection that somebody holds, and the connection of a transaction.

use std::time::Duration;

use stellata::client::{LockKey, LockMode};
use stellata::prelude::*;
use stellata::{Config, ConnectionExecutor, Error, ErrorKind, PoolOptions, Settings};
use stellata_testkit::{Proxy, with_database};

use super::models::*;

#[derive(Model, Debug, Clone)]
#[model(table = "draft")]
struct Draft {
    #[model(key)]
    id: i32,
    title: String,
}

#[test]
fn models_are_read_from_and_written_to_a_temporary_table_of_a_lease() {
    with_database(async |database| {
        let db = filled(database).await;
        let mut lease = db.pool().acquire().await.unwrap();
        lease
            .execute("create temporary table draft (id int primary key, title text)", ())
            .await
            .unwrap();
        let mut session = ConnectionExecutor::on(&mut lease);
        let draft = new!(Draft { id: 1, title: "a" }).insert(&session).await.unwrap();
        let rows = (2..5).map(|id| new!(Draft { id, title: "b" }));
        assert_eq!(Draft::insert_many(rows).exec(&session).await.unwrap(), 3);
        assert_eq!(Draft::get(1, &session).await.unwrap().title, draft.title);
        session.connection().copy_in("draft", &[]).rows([(9, "copied")]).await.unwrap();
        assert_eq!(Draft::query().count(&session).await.unwrap(), 5);
        let graph = Artist::query().order_by(|a| a.id).include(|a| (a.albums(), a.label()));
        let here = graph.clone().all(&session).await.unwrap();
        assert_eq!(format!("{here:?}"), format!("{:?}", graph.all(&db).await.unwrap()));
        let elsewhere = Draft::query().all(&db).await.unwrap_err();
        assert_eq!(elsewhere.sqlstate().unwrap().as_str(), "42P01", "it is of that session alone");

        // By hand, dynamically, and rows that are lent.
        let on: &dyn Executor = &session;
        assert_eq!(Draft::query().filter(|d| d.id.gt(3)).count(on).await.unwrap(), 2);
        let mut rows = session.sql("select title from draft order by id").lend().await.unwrap();
        assert_eq!(rows.next::<(&str,)>().await.unwrap(), Some(("a",)));
        let busy = Draft::query().all(&session).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::Usage, "{busy}");
        drop(rows);
        let (all, one) = tokio::join!(Draft::query().all(&session), Draft::get(9, &session));
        assert_eq!((all.unwrap().len(), one.unwrap().title.as_str()), (5, "copied"));
        drop(lease);
        assert_eq!(
            db.sql("select to_regclass('draft') is null").one::<(bool,)>().await.unwrap(),
            (true,)
        );
    });
}

#[test]
fn a_lock_is_held_while_models_are_read_and_written() {
    with_database(async |database| {
        let db = filled(database).await;
        let mut lease = db.pool().acquire().await.unwrap();
        let (key, limit) = (LockKey::named("plays"), Duration::from_secs(10));
        let mut lock = lease.lock(key, LockMode::Exclusive, limit).await.unwrap();
        let session = ConnectionExecutor::on(&mut lock);
        let album = Album::query().filter(|a| a.title.eq("Drunk")).one(&session).await.unwrap();
        Album::query()
            .update(|a| a.plays.set(a.plays + 1))
            .all_rows()
            .exec(&session)
            .await
            .unwrap();
        let mut other = db.pool().acquire().await.unwrap();
        assert!(other.try_lock(key, LockMode::Exclusive).await.unwrap().is_none(), "it is held");
        assert_eq!(Album::get(album.id, &db).await.unwrap().plays, album.plays + 1);
        lock.release().await.unwrap();
        assert!(other.try_lock(key, LockMode::Exclusive).await.unwrap().is_some());
    });
}

#[test]
fn a_transaction_by_sql_and_settings_for_a_statement_are_those_of_the_session() {
    with_database(async |database| {
        let db = filled(database).await;
        let mut lease = db.pool().acquire().await.unwrap();
        let session = ConnectionExecutor::on(&mut lease);
        let set = session.with_settings(Settings::new().set("app.user", "anna"));
        let user = "select coalesce(current_setting('app.user', true), '')";
        for in_transaction in [false, true] {
            if in_transaction {
                session.sql("begin").exec().await.unwrap();
            }
            assert_eq!(set.sql(user).one::<(String,)>().await.unwrap().0, "anna");
            assert_eq!(session.sql(user).one::<(String,)>().await.unwrap().0, "", "set back");
        }
        Label::query().delete().all_rows().exec(&session).await.unwrap_err();
        let failed = Label::query().count(&session).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Transaction);
        session.sql("rollback").exec().await.unwrap();
        assert_eq!(Label::query().count(&session).await.unwrap(), 2);
        let nested = set.transaction(async |_| Ok::<_, Error>(())).await.unwrap_err();
        assert_eq!(nested.kind(), ErrorKind::Usage);
    });
}

#[test]
fn a_copy_inside_a_transaction_of_models_holds_or_is_undone_with_it() {
    with_database(async |database| {
        let db = filled(database).await;
        for holds in [false, true] {
            let done: stellata::Result<()> = db
                .transaction(async |tx| {
                    let label = new!(Label { name: "copied" }).insert(tx).await?;
                    let mut connection = tx.connection().await?;
                    let artists = ["x", "y"].map(|name| (name, label.id));
                    let copy = connection.copy_in("artist", &["name", "label_id"]);
                    assert_eq!(copy.rows(artists).await?, 2);
                    let busy = Label::query().count(tx).await.unwrap_err();
                    assert_eq!(busy.kind(), ErrorKind::Transaction, "{busy}");
                    let inside = ConnectionExecutor::on(&mut connection);
                    assert_eq!(Artist::query().count(&inside).await?, 5);
                    drop(connection);
                    assert_eq!(Artist::query().count(tx).await?, 5);
                    if holds { Ok(()) } else { Err(Label::get(-1, tx).await.unwrap_err()) }
                })
                .await;
            assert_eq!(done.is_ok(), holds);
            let left = if holds { (3, 5) } else { (2, 3) };
            let counts = (Label::query().count(&db).await, Artist::query().count(&db).await);
            assert_eq!((counts.0.unwrap(), counts.1.unwrap()), left);
        }
    });
}

#[test]
fn the_connection_of_a_transaction_has_begun_it_and_its_savepoint() {
    with_database(async |database| {
        drop(filled(database).await);
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let db = Db::connect_with(config, PoolOptions::new().max(1)).await.unwrap();
        proxy.reset_counts();
        let done: stellata::Result<()> = db
            .transaction(async |tx| {
                let mut connection = tx.connection().await?;
                let (key, limit) = (LockKey::named("tx"), Duration::from_secs(10));
                connection.transaction_lock(key, LockMode::Exclusive, limit).await?;
                drop(connection);
                let undone: stellata::Result<()> = tx
                    .transaction(async |inner| {
                        assert_eq!(
                            tx.connection().await.unwrap_err().kind(),
                            ErrorKind::Transaction
                        );
                        let mut connection = inner.connection().await?;
                        connection.execute("delete from review", ()).await?;
                        connection.execute("select nothing", ()).await?;
                        Ok(())
                    })
                    .await;
                assert_eq!(undone.unwrap_err().sqlstate().unwrap().as_str(), "42703");
                assert_eq!(Review::query().count(tx).await?, 1);
                Ok(())
            })
            .await;
        done.unwrap();
        let begun = proxy.flights();
        assert_eq!(begun[..2], ["PDBES", "PDBES"], "begin, then the lock: {begun:?}");
    });
}

#[test]
fn a_transaction_that_is_ended_by_hand_is_not_taken_for_one_that_holds() {
    with_database(async |database| {
        let db = filled(database).await;
        for end in ["commit", "rollback"] {
            let ended: stellata::Result<()> = db
                .transaction(async |tx| {
                    new!(Label { name: end }).insert(tx).await?;
                    tx.connection().await?.execute(end, ()).await?;
                    let over = Label::query().count(tx).await.unwrap_err();
                    assert_eq!(over.kind(), ErrorKind::Transaction, "{over}");
                    Ok(())
                })
                .await;
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Transaction, "{end}");
            let there = Label::query().filter(|l| l.name.eq(end)).exists(&db).await.unwrap();
            assert_eq!(there, end == "commit");
        }
        let by_sql: stellata::Result<()> = db
            .transaction(async |tx| {
                Label::query().count(tx).await?;
                tx.sql("commit").exec().await.map(drop)
            })
            .await;
        assert_eq!(by_sql.unwrap_err().kind(), ErrorKind::Transaction);
    });
}
