//! Questions and answers on one connection.

use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, Params, SqlState, TransactionStatus};
use stellata_testkit::{Database, with_database};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

#[test]
fn rows_come_as_tuples() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let rows: Vec<(i32, Option<String>)> = connection
            .query(
                "select n, case when n <> 2 then 'row ' || n end from generate_series(1, $1) n",
                (3,),
            )
            .await
            .unwrap();
        assert_eq!(rows, [(1, Some("row 1".to_owned())), (2, None), (3, Some("row 3".to_owned()))]);
        let none: Option<(i32,)> = connection.query_opt("select 1 where false", ()).await.unwrap();
        assert_eq!(none, None);
        let error = connection.query_one::<(i32,)>("values (1), (2)", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let error = connection.query_one::<(i32,)>("select 1 where false", ()).await.unwrap_err();
        assert_eq!(error.to_string(), "the statement returned no row where one was wanted");
    });
}

#[test]
fn borrowed_columns_point_into_the_read_buffer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut places = Vec::new();
        let mut text = String::new();
        let rows = connection
            .query_each(
                "select 'first ' || n, 'second' from generate_series(1, 3) n",
                (),
                |columns| {
                    let first: &str = columns.next()?;
                    let second: &str = columns.next()?;
                    text.push_str(first);
                    places.push((first.as_ptr() as usize, second.as_ptr() as usize, first.len()));
                    Ok(())
                },
            )
            .await
            .unwrap();
        assert_eq!(rows, 3);
        assert_eq!(text, "first 1first 2first 3");
        for (first, second, len) in places {
            // The second column lies right behind the first and its own length: nothing was copied.
            assert_eq!(second, first + len + 4);
        }
    });
}

#[test]
fn borrowed_columns_of_another_type_are_refused() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        // Four bytes of text are no number, whatever way they come.
        let sql = "select 'abcd'";
        let alone = connection.query_each(sql, (), |columns| columns.next::<i32>().map(drop));
        let alone = alone.await.unwrap_err();
        let mut with = connection.with_limit(Duration::from_secs(9));
        let limited = with.query_each(sql, (), |columns| columns.next::<i32>().map(drop));
        let limited = limited.await.unwrap_err();
        let mut batch = connection.batch().unwrap();
        batch.add(sql, ()).unwrap();
        let mut answers = batch.send().unwrap();
        let in_batch = answers.each(|columns| columns.next::<i32>().map(drop));
        let in_batch = in_batch.await.unwrap_err();
        let copied = connection
            .copy_out_query(sql)
            .each(|columns| columns.next::<i32>().map(drop))
            .await
            .unwrap_err();
        for read in [alone, limited, in_batch, copied] {
            assert_eq!(read.kind(), ErrorKind::Decode);
            let message = read.to_string();
            assert!(message.contains("`i32`") && message.contains("text"), "{message}");
        }
        let (one,): (i32,) = connection.query_one("select 1", ()).await.unwrap();
        assert_eq!(one, 1);
    });
}

#[test]
fn an_unknown_column_is_shown_with_a_caret() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let error = connection
            .query::<(i32,)>("select relpages,\n       relnam\nfrom pg_class", ())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(error.sqlstate(), Some(SqlState::UNDEFINED_COLUMN));
        assert_eq!(error.to_string(), "column \"relnam\" does not exist (SQLSTATE 42703)");
        let shown = format!("{error:#}");
        assert!(shown.contains("line 2:        relnam\n               ^"), "{shown}");
        // The connection goes on.
        assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
    });
}

#[test]
fn a_column_of_another_type_is_named_with_both_types() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let error =
            connection.query::<(i32, i32)>("select 1, 'x'::text as title", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(
            error.to_string(),
            "column 2 `title` of type text can't be read as `i32`: the column has another type"
        );
        let error = connection.query::<(i32,)>("select null::int4 as n", ()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "column 1 `n` of type int4 can't be read as `i32`: the value is NULL"
        );
        let error = connection.query::<(i32,)>("select 1, 2", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let error = connection.query::<(i32, i32)>("select 1", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
    });
}

#[test]
fn what_can_not_be_sent_is_refused_before_a_byte_is() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut params = Params::new();
        for n in 0..65_536 {
            params.push(&n).unwrap();
        }
        let error = connection.execute("select 1", &params).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert_eq!(error.to_string(), "a statement has more than 65535 parameters");

        let error = connection.execute("select $1", ("a\0b",)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert!(error.to_string().contains("NUL"), "{error}");
        let error = connection.execute("select '\0'", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        let error = connection.simple("select '\0'").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);

        assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
        assert!(connection.is_quiet());
    });
}

#[test]
fn as_many_parameters_as_the_protocol_allows() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut params = Params::new();
        let mut sql = String::from("select 0");
        for n in 1..=65_535_i64 {
            params.push(&n).unwrap();
            if n % 100 == 0 || n == 65_535 {
                sql.push_str(&format!("+ ${n}::int8"));
            } else {
                // Every parameter must be used for its type to be known.
                sql.push_str(&format!("+ ${n}::int8 * 0"));
            }
        }
        // The parser of the server is recursive: a sum of 65 535 terms needs more stack than it has.
        let error = connection.execute(&sql, &params).await.unwrap_err();
        assert_eq!(error.sqlstate().map(|state| state.to_string()), Some("54001".to_owned()));

        let list: Vec<String> = (1..=65_535).map(|n| format!("${n}")).collect();
        let sql = format!("select count(*) from (select unnest(array[{}])) a", list.join(","));
        let (count,): (i64,) = connection.query_one(&sql, &params).await.unwrap();
        assert_eq!(count, 65_535);
    });
}

#[test]
fn constraint_violations_name_what_was_violated() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection
            .simple(
                "create table a (id int4 primary key);
                 create table b (id int4 primary key, a int4 not null references a, n int4 check (n > 0))",
            )
            .await
            .unwrap();
        connection.execute("insert into a values (1)", ()).await.unwrap();
        for (sql, state, constraint) in [
            ("insert into a values (1)", SqlState::UNIQUE_VIOLATION, Some("a_pkey")),
            ("insert into b values (1, 7, 1)", SqlState::FOREIGN_KEY_VIOLATION, Some("b_a_fkey")),
            ("insert into b values (1, 1, 0)", SqlState::CHECK_VIOLATION, Some("b_n_check")),
            ("insert into b values (1, null, 1)", SqlState::NOT_NULL_VIOLATION, None),
        ] {
            let error = connection.execute(sql, ()).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some(state), "{sql}");
            assert_eq!(error.server().unwrap().constraint(), constraint, "{sql}");
            assert_eq!(error.sql(), Some(sql));
        }
    });
}

#[test]
fn several_statements_in_one_text() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let results = connection
            .simple("create temp table t (n int4); insert into t values (1), (2); select n, null as m from t;")
            .await
            .unwrap();
        assert_eq!(results.len(), 3);
        assert_eq!(results[1].tag, "INSERT 0 2");
        assert_eq!(results[2].columns, ["n", "m"]);
        assert_eq!(results[2].rows, [[Some("1".to_owned()), None], [Some("2".to_owned()), None]]);

        let error =
            connection.simple("insert into t values (3); select nothing").await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::UNDEFINED_COLUMN));
        assert!(format!("{error:#}").contains("line 1: insert into t values (3); select nothing"));
        let (count,): (i64,) = connection.query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(count, 2, "what failed took the whole text with it");
        assert_eq!(connection.simple("").await.unwrap().len(), 1);
    });
}

#[test]
fn copy_without_data_is_refused_and_the_connection_goes_on() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.simple("create table t (n int4)").await.unwrap();
        for _ in 0..3 {
            let error = connection.execute("copy t from stdin", ()).await.unwrap_err();
            assert!(error.to_string().contains("no data was given"), "{error}");
            let error = connection.simple("copy t from stdin").await.unwrap_err();
            assert!(error.to_string().contains("no data was given"), "{error}");
            assert_eq!(connection.execute("copy t to stdout", ()).await.unwrap(), 0);
            assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
            assert!(connection.is_quiet());
        }
    });
}

#[test]
fn the_status_is_the_servers() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        assert_eq!(connection.status(), TransactionStatus::Idle);
        connection.execute("begin", ()).await.unwrap();
        assert_eq!(connection.status(), TransactionStatus::InTransaction);
        connection.execute("select 1/0", ()).await.unwrap_err();
        assert_eq!(connection.status(), TransactionStatus::Failed);
        connection.execute("select 1", ()).await.unwrap_err();
        connection.execute("rollback", ()).await.unwrap();
        assert_eq!(connection.status(), TransactionStatus::Idle);
    });
}

#[test]
fn notices_and_notifications_are_kept_for_the_caller() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("listen \"Some Channel\"", ()).await.unwrap();
        connection.simple("do $$ begin raise notice 'hello %', 7; end $$").await.unwrap();
        connection.simple("notify \"Some Channel\", 'payload'").await.unwrap();
        let notice = connection.pop_notice().unwrap();
        assert_eq!(&*notice.message, "hello 7");
        connection.execute("select 1", ()).await.unwrap();
        let notification = connection.pop_notification().unwrap();
        assert_eq!(&*notification.channel, "Some Channel");
        assert_eq!(&*notification.payload, "payload");
        assert!(connection.pop_notification().is_none());
    });
}

#[test]
fn large_answers_and_large_parameters_pass_both_ways() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let text = "0123456789abcdef".repeat(400_000);
        let (back,): (String,) = connection.query_one("select $1 || '.'", (&*text,)).await.unwrap();
        assert_eq!(back.len(), text.len() + 1);
        assert!(connection.buffered() <= 40 * 1024, "{}", connection.buffered());

        let rows: Vec<(i32, String)> = connection
            .query("select n, repeat('x', n % 700) from generate_series(1, 50000) n", ())
            .await
            .unwrap();
        assert_eq!(rows.len(), 50_000);
        assert!(
            rows.iter()
                .zip(1..)
                .all(|((n, text), want)| *n == want && text.len() == (n % 700) as usize)
        );
        assert!(connection.buffered() <= 40 * 1024, "{}", connection.buffered());
    });
}

#[test]
fn a_message_above_the_limit_ends_the_connection() {
    with_database(async |database| {
        let limits = stellata_client::Limits { message: 1 << 20, ..Default::default() };
        let config = Config::parse(&database.url()).unwrap().with_limits(limits);
        let mut connection = Connection::connect(&config).await.unwrap();
        let error =
            connection.query::<(String,)>("select repeat('x', 2000000)", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("limit"), "{error}");
        assert!(connection.is_closed());
    });
}
