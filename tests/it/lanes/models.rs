//! Reads of models go over lanes by themselves; nothing else does.

use std::time::Duration;

use stellata::prelude::*;
use stellata::{Config, PoolOptions};
use stellata_testkit::{Database, with_database};
use tokio::task::JoinSet;

#[derive(Model, Debug, Clone)]
struct Song {
    #[model(key, identity)]
    id: Id<Song>,
    title: String,
    plays: i64,
}

async fn filled(database: &Database) -> Db {
    let config = Config::parse(&database.url()).unwrap().with_setting("application_name", "lanes");
    let options = PoolOptions::new().max(3).lanes(1).acquire_timeout(Duration::from_secs(20));
    let db = Db::connect_with(config, options).await.unwrap();
    db.create_all(&Schema::new().model::<Song>()).await.unwrap();
    let songs = (0..100).map(|n| new!(Song { title: format!("song {n}"), plays: n }));
    Song::insert_many(songs).exec(&db).await.unwrap();
    db
}

#[test]
fn reads_share_one_connection_and_errors_are_their_own() {
    with_database(async |database| {
        let db = filled(database).await;
        let mut tasks = JoinSet::new();
        for n in 1..=100_i64 {
            let db = db.clone();
            tasks.spawn(async move {
                let song = Song::get(n, &db).await.unwrap();
                assert_eq!((song.title, song.plays), (format!("song {}", n - 1), n - 1));
                let found = Song::query().filter(|s| s.plays.eq(n)).first(&db).await;
                assert_eq!(found.unwrap().is_some(), n < 100);
                assert_eq!(
                    Song::query().filter(|s| s.plays.lt(n)).count(&db).await.unwrap(),
                    n as u64
                );
                assert!(Song::find(n + 1_000, &db).await.unwrap().is_none());
                let error = Song::get(n + 1_000, &db).await.unwrap_err();
                assert_eq!(error.kind(), stellata::ErrorKind::NotFound);
                let error = Song::query()
                    .filter(|s| (s.plays / (s.plays - s.plays)).eq(n))
                    .first(&db)
                    .await
                    .unwrap_err();
                assert!(error.to_string().contains("22012"), "{error}");
                let all = Song::query().order_by(|s| s.id).all(&db).await.unwrap();
                assert_eq!(all.len(), 100);
                assert!(Song::query().exists(&db).await.unwrap());
                let rows: Vec<(i64,)> = db.sql("select $1").bind(n).shared().all().await.unwrap();
                assert_eq!(rows, [(n,)]);
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(db.pool().lanes(), 1);
        // One lane; and the connection that made the tables, if it is not that one.
        assert!(db.pool().metrics().opened <= 2, "{:?}", db.pool().metrics());
    });
}

#[test]
fn writes_transactions_and_raw_sql_never_go_over_a_lane() {
    with_database(async |database| {
        let db = filled(database).await;
        let lane: Vec<(i32,)> = db.sql("select pg_backend_pid()").shared().all().await.unwrap();
        let own: Vec<(i32,)> = db.sql("select pg_backend_pid()").all().await.unwrap();
        assert_ne!(lane, own);
        let unshared = db.without_lanes();
        let own: Vec<(i32,)> =
            unshared.sql("select pg_backend_pid()").shared().all().await.unwrap();
        assert_ne!(lane, own);
        // A write that waits for a lock holds up no read.
        let mut holder = database.session().unwrap();
        holder.run("begin; update song set plays = -1 where id = 1").unwrap();
        let writer = tokio::spawn({
            let db = db.clone();
            async move {
                let mut song = Song::get(1, &db).await.unwrap();
                song.update(|s| s.plays.set(7), &db).await.unwrap();
                song.plays
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!writer.is_finished());
        let read = tokio::time::timeout(Duration::from_secs(5), Song::get(1, &db));
        assert_eq!(read.await.unwrap().unwrap().plays, 0);
        holder.run("commit").unwrap();
        assert_eq!(writer.await.unwrap(), 7);
        // Inside a transaction a read sees what the transaction did.
        db.transaction(async |tx| {
            let mut song = Song::get(2, tx).await?;
            song.update(|s| s.plays.set(50), tx).await?;
            assert_eq!(Song::get(2, tx).await?.plays, 50);
            assert_eq!(Song::get(2, &db).await?.plays, 1);
            Ok::<_, stellata::Error>(())
        })
        .await
        .unwrap();
        assert_eq!(Song::get(2, &db).await.unwrap().plays, 50);
    });
}
