//! Rows of SQL by hand that are lent from the read buffer, by a program that knows `stellata` alone.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::{Database, with_database};

const MANY: &str = "select 'row ' || n, '\\x00ff'::bytea from generate_series(1, $1::int) n";

async fn connected(database: &Database) -> Db {
    Db::connect(&database.url()).await.unwrap()
}

#[test]
fn lent_rows_borrow_from_the_read_buffer() {
    with_database(async |database| {
        let db = connected(database).await;
        let mut rows = db.sql(MANY).bind(2000).lend().await.unwrap();
        let mut count = 0;
        while let Some((text, bytes)) = rows.next::<(&str, &[u8])>().await.unwrap() {
            count += 1;
            assert_eq!((text, bytes), (&*format!("row {count}"), &[0, 0xff][..]));
            // Between them lies the length of the second column: nothing was copied.
            assert_eq!(bytes.as_ptr() as usize, text.as_ptr() as usize + text.len() + 4);
        }
        assert_eq!(count, 2000);
        assert!(rows.next::<(&str, &[u8])>().await.unwrap().is_none());
        drop(rows);
        // Given up in the middle, the connection is as good as before.
        let mut rows = db.sql(MANY).bind(20_000).lend().await.unwrap();
        assert!(rows.next::<(&str, &[u8])>().await.unwrap().is_some());
        drop(rows);
        assert_eq!(db.sql("select 9").one::<(i32,)>().await.unwrap(), (9,));
    });
}

#[test]
fn lent_rows_of_a_transaction_keep_it_to_themselves() {
    with_database(async |database| {
        let db = connected(database).await;
        db.sql("create table t (n int)").exec().await.unwrap();
        let done: stellata::Result<()> = db
            .transaction(async |tx| {
                // The first statement: BEGIN rides along.
                let mut rows = tx
                    .sql("insert into t select generate_series(1, 3) returning n, n::text")
                    .lend()
                    .await?;
                assert_eq!(rows.next::<(i32, &str)>().await?, Some((1, "1")));
                // It would wait for ever.
                let error = tx.sql("select 1").exec().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Transaction);
                assert!(error.to_string().contains("lent"), "{error}");
                let inner: stellata::Result<()> = tx.transaction(async |_| Ok(())).await;
                assert_eq!(inner.unwrap_err().kind(), ErrorKind::Transaction);
                assert_eq!(rows.next::<(i32, &str)>().await?, Some((2, "2")));
                drop(rows);
                let mut rows = tx.sql("select count(*) from t").lend().await?;
                assert_eq!(rows.next::<(i64,)>().await?, Some((3,)));
                assert_eq!(rows.next::<(i64,)>().await?, None);
                drop(rows);
                tx.sql("insert into t values (4)").exec().await.map(drop)
            })
            .await;
        done.unwrap();
        let (count,): (i64,) = db.sql("select count(*) from t").one().await.unwrap();
        assert_eq!(count, 4);
    });
}

#[test]
fn an_error_of_lent_rows_tells_what_and_where() {
    with_database(async |database| {
        let db = connected(database).await;
        let fault = db.sql("select $1::text").bind("a\0b").lend().await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Usage);
        let mut rows =
            db.sql("select 1 / (2 - n) from generate_series(1, 3) n").lend().await.unwrap();
        let line = line!() - 1;
        assert_eq!(rows.next::<(i32,)>().await.unwrap(), Some((1,)));
        let error = rows.next::<(i32,)>().await.unwrap_err();
        assert_eq!(error.server().unwrap().sqlstate.as_str(), "22012");
        assert!(error.to_string().contains(&format!("lent.rs:{line}")), "{error}");
        drop(rows);
        let mut rows = db.sql("select 1").lend().await.unwrap();
        let error = rows.next::<(&str,)>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    });
}

#[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
enum Mood {
    Happy,
}

#[test]
fn lent_rows_of_an_unknown_type_are_not_held_whatever_stands_before_them() {
    with_database(async |database| {
        database.run("create type mood as enum ('happy')").unwrap();
        // More than would be held.
        let many = "select repeat('x', 1 << 20), 'happy'::mood from generate_series(1, 72)";
        for in_transaction in [false, true] {
            let db = connected(database).await;
            let read = async |mut rows: stellata::Rows<'_>| {
                let mut count = 0;
                while let Some((text, mood)) = rows.next::<(&str, Mood)>().await? {
                    assert_eq!((text.len(), mood), (1 << 20, Mood::Happy));
                    count += 1;
                }
                Ok::<_, stellata::Error>(count)
            };
            let count = match in_transaction {
                false => read(db.sql(many).lend().await.unwrap()).await,
                // Its first statement.
                true => db.transaction(async |tx| read(tx.sql(many).lend().await?).await).await,
            };
            assert_eq!(count.unwrap(), 72);
        }
    });
}
