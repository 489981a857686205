//! Prepared statements: kept, let go, healed.

use stellata_client::{Config, Connection, ErrorKind, SqlState};
use stellata_testkit::{Database, with_database};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

async fn prepared(connection: &mut Connection) -> i64 {
    let answer = connection
        .simple("select count(*) from pg_prepared_statements where name like 's\\_%'")
        .await
        .unwrap();
    answer[0].rows[0][0].as_ref().unwrap().parse().unwrap()
}

#[test]
fn a_statement_is_prepared_once_and_told_apart_by_types() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for n in 0..5 {
            let (m,): (i32,) = connection.query_one("select $1 + 1", (n,)).await.unwrap();
            assert_eq!(m, n + 1);
        }
        assert_eq!(prepared(&mut connection).await, 1);
        let (m,): (i64,) = connection.query_one("select $1 + 1", (5_i64,)).await.unwrap();
        assert_eq!(m, 6);
        assert_eq!(prepared(&mut connection).await, 2);
    });
}

#[test]
fn the_cache_is_bounded_and_the_server_forgets_too() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap().with_statement_cache(4);
        let mut connection = Connection::connect(&config).await.unwrap();
        for n in 0..50 {
            let sql = format!("select {n}");
            let (m,): (i32,) = connection.query_one(&sql, ()).await.unwrap();
            assert_eq!(m, n);
        }
        assert_eq!(connection.cached_statements(), 4);
        assert_eq!(prepared(&mut connection).await, 4);
    });
}

#[test]
fn a_statement_that_fails_to_prepare_leaves_nothing() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for _ in 0..3 {
            connection.execute("select nothing", ()).await.unwrap_err();
        }
        assert_eq!(connection.cached_statements(), 0);
        connection.simple("create function nothing() returns int4 return 3").await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select nothing()", ()).await.unwrap(), (3,));
    });
}

#[test]
fn a_statement_heals_when_its_table_changes() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.simple("create table t (n int4)").await.unwrap();
        connection.execute("insert into t values (7)", ()).await.unwrap();
        assert_eq!(connection.query::<(i32,)>("select * from t", ()).await.unwrap(), [(7,)]);
        database.run("alter table t alter n type int8").unwrap();
        assert_eq!(connection.query::<(i64,)>("select * from t", ()).await.unwrap(), [(7,)]);
        database.run("alter table t add m text default 'new'").unwrap();
        assert_eq!(
            connection.query::<(i64, String)>("select * from t", ()).await.unwrap(),
            [(7, "new".to_owned())]
        );
        // The type that no longer fits is an error, not another value.
        let error = connection.query::<(i64,)>("select * from t", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    });
}

#[test]
fn a_statement_heals_when_the_session_forgets_it() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for sql in ["discard all", "deallocate all"] {
            connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap();
            connection.simple(sql).await.unwrap();
            assert_eq!(
                connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap(),
                (2,),
                "after {sql}"
            );
        }
        // Behind the client's back, so that it can't see the command.
        connection.simple("do $$ begin execute 'deallocate all'; end $$").await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap(), (2,));
    });
}

#[test]
fn inside_a_transaction_a_stale_statement_is_an_error_and_heals_after() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap();
        connection.simple("do $$ begin execute 'deallocate all'; end $$; begin").await.unwrap();
        let error = connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::INVALID_SQL_STATEMENT_NAME));
        connection.simple("rollback").await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap(), (2,));
    });
}

#[test]
fn a_batch_runs_in_one_flush_and_fails_as_one() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let none = stellata_client::Params::new();
        let check = |_: &mut stellata_client::Expect<'_>| Ok(());
        for round in 0..2 {
            connection.begin_batch().unwrap();
            let statements = ["select 1", "select 2", "select 1", "select 4"];
            let tickets: Vec<_> =
                statements.iter().map(|sql| connection.submit(sql, &none).unwrap()).collect();
            connection.sync().unwrap();
            let mut seen = Vec::new();
            for ticket in tickets {
                connection
                    .rows(ticket, check, &mut |columns| {
                        seen.push(columns.next::<i32>()?);
                        Ok(())
                    })
                    .await
                    .unwrap();
            }
            connection.ready().await.unwrap();
            assert_eq!(seen, [1, 2, 1, 4], "round {round}");
        }

        connection.simple("create table t (n int4 primary key)").await.unwrap();
        connection.begin_batch().unwrap();
        let tickets: Vec<_> = ["insert into t values (1)", "insert into t values (1)", "select 9"]
            .iter()
            .map(|sql| connection.submit(sql, &none).unwrap())
            .collect();
        connection.sync().unwrap();
        connection.rows(tickets[0], check, &mut |_| Ok(())).await.unwrap();
        let error = connection.rows(tickets[1], check, &mut |_| Ok(())).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::UNIQUE_VIOLATION));
        assert!(connection.is_quiet());
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (0,)
        );
        assert_eq!(connection.query_one::<(i32,)>("select 9", ()).await.unwrap(), (9,));
    });
}
