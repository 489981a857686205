//! Rows that are read as they are asked for: lent, streamed, in portions; and rows of columns that nobody named.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use stellata_client::{Config, Connection, ErrorKind, Oid, RowStream, SqlState, TransactionStatus};
use stellata_testkit::{Database, Proxy, with_database};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

async fn next<'c, T>(rows: &mut RowStream<'c, T>) -> Option<Result<T, stellata_client::Error>>
where
    T: for<'r> stellata_client::FromRow<'r> + Send + 'c,
{
    poll_fn(|cx| Pin::new(&mut *rows).poll_next(cx)).await
}

#[test]
fn lent_rows_point_into_the_read_buffer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut rows = connection
            .lend("select 'first ' || n, 'second' from generate_series(1, 3) n", ())
            .unwrap();
        let mut text = String::new();
        while let Some((first, second)) = rows.next::<(&str, &str)>().await.unwrap() {
            // The second column lies right behind the first and its own length: nothing was copied.
            assert_eq!(second.as_ptr() as usize, first.as_ptr() as usize + first.len() + 4);
            text.push_str(first);
        }
        assert_eq!(text, "first 1first 2first 3");
        assert_eq!(rows.completion().unwrap().rows, 3);
        assert!(connection.is_quiet());
    });
}

#[test]
fn a_stream_gives_all_rows_and_the_connection_goes_on() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let sql = "select n, repeat('x', n % 50) from generate_series(1, $1) n";
        let mut rows = connection.stream::<(i32, String)>(sql, (20_000,)).unwrap();
        let mut expected = 0;
        while let Some(row) = next(&mut rows).await {
            let (n, text) = row.unwrap();
            expected += 1;
            assert_eq!((n, text.len()), (expected, n as usize % 50));
        }
        assert_eq!(expected, 20_000);
        assert!(next(&mut rows).await.is_none(), "it stays at its end");
        drop(rows);
        assert!(connection.is_quiet());

        // Left in the middle, what is to come is passed over.
        let mut rows = connection.stream::<(i32, String)>(sql, (20_000,)).unwrap();
        assert_eq!(next(&mut rows).await.unwrap().unwrap().0, 1);
        drop(rows);
        assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
    });
}

#[test]
fn a_stream_ends_with_the_first_error() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let sql = "select 10 / (3 - n) from generate_series(1, 5) n";
        let mut rows = connection.stream::<(i32,)>(sql, ()).unwrap();
        assert_eq!(next(&mut rows).await.unwrap().unwrap(), (5,));
        assert_eq!(next(&mut rows).await.unwrap().unwrap(), (10,));
        let error = next(&mut rows).await.unwrap().unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::from_text("22012"));
        assert_eq!(error.sql(), Some(sql));
        assert!(next(&mut rows).await.is_none());
        drop(rows);
        let mut rows = connection.stream::<(String,)>("select 1", ()).unwrap();
        assert_eq!(next(&mut rows).await.unwrap().unwrap_err().kind(), ErrorKind::Decode);
        drop(rows);
        assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
    });
}

#[test]
fn a_slow_consumer_slows_the_server_down() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&database.tcp_url()).unwrap().with_port(proxy.port());
        let mut connection = Connection::connect(&config).await.unwrap();
        let sql = "select n, repeat('x', 1000) from generate_series(1, 1000000) n";
        let mut rows = connection.stream::<(i32, String)>(sql, ()).unwrap();
        for _ in 0..10 {
            next(&mut rows).await.unwrap().unwrap();
        }
        // Nobody reads on. What is under way settles, and comes to no more than the buffers between hold.
        let mut passed = proxy.counts().bytes_to_client;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let now = proxy.counts().bytes_to_client;
            if now == passed {
                break;
            }
            passed = now;
        }
        assert!(passed < 64 << 20, "{passed} bytes of a thousand million");
        drop(rows);
        assert!(connection.buffered() <= 1 << 20, "{}", connection.buffered());
        connection.drain(std::time::Duration::from_secs(8)).await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
    });
}

#[test]
fn a_portal_gives_portions_with_other_statements_between() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&database.tcp_url()).unwrap().with_port(proxy.port());
        // So small a cache that the statement is let go between the portions.
        let mut connection = Connection::connect(&config.with_statement_cache(1)).await.unwrap();
        let sql = "select n, 'row ' || n from generate_series(1, $1) n";

        let mut portal = connection.portal(sql, (10,)).unwrap();
        let error = portal.fetch::<(i32, String)>(&mut connection, 4).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "no transaction is open");

        connection.execute("begin", ()).await.unwrap();
        let mut other = connection.portal("select -n from generate_series(1, 3) n", ()).unwrap();
        let mut all = Vec::new();
        let mut portions = Vec::new();
        while !portal.is_done() {
            proxy.reset_counts();
            let rows = portal.fetch::<(i32, String)>(&mut connection, 4).await.unwrap();
            assert_eq!(proxy.flights().len(), 1, "a portion is one round trip, the first too");
            portions.push(rows.len());
            all.extend(rows);
            if !other.is_done() {
                let (n,) = other.fetch::<(i32,)>(&mut connection, 1).await.unwrap()[0];
                assert_eq!(n, -(portions.len() as i32));
            }
            assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
        }
        assert_eq!(portions, [4, 4, 2]);
        assert_eq!(all.last(), Some(&(10, "row 10".to_owned())));
        assert!(portal.fetch::<(i32, String)>(&mut connection, 4).await.unwrap().is_empty());
        portal.close(&mut connection).unwrap();

        // All that are left at once; a wrong type is told, and the portal goes on behind it.
        let mut portal = connection.portal(sql, (10,)).unwrap();
        let error = portal.fetch::<(String,)>(&mut connection, 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let rest = portal.fetch::<(i32, String)>(&mut connection, 0).await.unwrap();
        assert_eq!(rest.len(), 8);
        assert!(portal.is_done());

        // It ends with its transaction.
        let mut portal = connection.portal(sql, (10,)).unwrap();
        portal.fetch::<(i32, String)>(&mut connection, 2).await.unwrap();
        connection.execute("commit", ()).await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        let error = portal.fetch::<(i32, String)>(&mut connection, 2).await.unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::from_text("34000"));
        assert_eq!(connection.status(), TransactionStatus::Failed);
        connection.execute("rollback", ()).await.unwrap();
        assert!(connection.is_quiet());
    });
}

#[test]
fn rows_of_columns_that_nobody_named() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection
            .simple("create type mood as enum ('sad', 'happy'); create table t (id int8, \"a b\" text, m mood)")
            .await
            .unwrap();
        connection
            .execute("insert into t values (1, 'x', 'happy'), (2, null, 'sad')", ())
            .await
            .unwrap();
        let rows = connection.query_rows("select * from t order by id", ()).await.unwrap();
        assert_eq!(rows.len(), 2);
        let row = &rows[0];
        let names: Vec<&str> = row.columns().iter().map(|column| &*column.name).collect();
        assert_eq!(names, ["id", "a b", "m"]);
        assert_eq!(row.columns()[0].type_oid, Oid::INT8);
        assert_eq!(row.type_name("id").as_deref(), Some("int8"));
        assert_eq!(row.type_name(2).as_deref(), Some("public.mood"));
        assert_eq!(row.get::<i64>("id").unwrap(), 1);
        assert_eq!(row.get::<&str>(1).unwrap(), "x");
        assert_eq!(row.get::<String>("m").unwrap(), "happy");
        assert_eq!(rows[1].get::<Option<&str>>("a b").unwrap(), None);
        assert_eq!((rows[1].is_null(1), rows[1].is_null(9)), (Some(true), None));
        let error = rows[1].get::<&str>("a b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "column 2 `a b` of type text can't be read as `&str`: the value is NULL"
        );
        let error = row.get::<i32>("id").unwrap_err();
        assert_eq!(
            error.to_string(),
            "column 1 `id` of type int8 can't be read as `i32`: the column has another type"
        );
        assert_eq!(row.get::<i64>("nothing").unwrap_err().kind(), ErrorKind::Usage);
        assert!(connection.query_rows("select 1 where false", ()).await.unwrap().is_empty());
        assert!(connection.query_rows("select from t", ()).await.unwrap()[0].is_empty());
    });
}

#[test]
fn columns_without_a_binary_form_come_as_text() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.simple("create table t (n int4); grant select on t to public").await.unwrap();
        let sql =
            "select relacl, relname::text, relnatts, relacl[1] from pg_class where relname = $1";
        for _ in 0..3 {
            let (acl, name, columns, first): (String, String, i16, String) =
                connection.query_one(sql, ("t",)).await.unwrap();
            assert!(acl.starts_with('{') && acl.contains("=r/"), "{acl}");
            assert_eq!((name.as_str(), columns), ("t", 1));
            assert!(acl.contains(&first), "{first} in {acl}");
        }
        assert!(connection.is_quiet());
        let row = &connection.query_rows(sql, ("t",)).await.unwrap()[0];
        assert!(row.get::<&str>("relacl").unwrap().contains("=r/"));
        assert_eq!(row.get::<i16>("relnatts").unwrap(), 1);

        // In a batch too, and in one round trip from the second time on.
        let mut batch = connection.batch().unwrap();
        batch.add(sql, ("t",)).unwrap().add("select 1", ()).unwrap();
        let mut answers = batch.send().unwrap();
        let (acl, ..): (String, String, i16, String) = answers.one().await.unwrap();
        assert!(acl.contains("=r/"));
        assert_eq!(answers.one::<(i32,)>().await.unwrap(), (1,));
        answers.end().await.unwrap();

        // What is missing altogether is still an error.
        let error = connection.execute("select nothing(1)", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::UNDEFINED_FUNCTION));
    });
}
