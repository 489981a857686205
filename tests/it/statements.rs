//! Prepared statements: kept, let go, healed.

use stellata_client::{Config, Connection, ErrorKind, Oid, SqlState};
use stellata_testkit::{Database, Proxy, with_database};

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
fn what_a_large_batch_has_prepared_is_let_go_by_the_next_call() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap().with_statement_cache(8);
        let mut connection = Connection::connect(&config).await.unwrap();
        let texts: Vec<String> = (0..24).map(|n| format!("select {n}")).collect();
        for ahead in [false, true] {
            if ahead {
                let none: &[Oid] = &[];
                connection.prepare(texts.iter().map(|text| (&**text, none))).await.unwrap();
            } else {
                let mut batch = connection.batch().unwrap();
                for text in &texts {
                    batch.add(text, ()).unwrap();
                }
                let mut answers = batch.send().unwrap();
                for n in 0..24 {
                    assert_eq!(answers.one::<(i32,)>().await.unwrap(), (n,));
                }
                answers.end().await.unwrap();
            }
            assert_eq!(connection.cached_statements(), 24, "all are in use");
            // One of them, so that nothing is prepared.
            assert_eq!(connection.query_one::<(i32,)>("select 3", ()).await.unwrap(), (3,));
            assert_eq!(connection.cached_statements(), 8);
            assert_eq!(prepared(&mut connection).await, 8);
            for (n, text) in (0..24).zip(&texts) {
                assert_eq!(connection.query_one::<(i32,)>(text, ()).await.unwrap(), (n,));
            }
            assert_eq!(prepared(&mut connection).await, 8);
        }
    });
}

/// Takes the prepared statements away, behind the connection's back.
const DEALLOCATE: &str = "do $$ begin execute 'deallocate all'; end $$";

#[test]
fn names_stay_where_it_was_said_that_there_is_no_pooler() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = through(database, &proxy).await.with_transaction_pooler(false);
        let mut connection = Connection::connect(&config).await.unwrap();
        let add = "select $1 + 1";
        for _ in 0..3 {
            connection.query_one::<(i32,)>(add, (1,)).await.unwrap();
            connection.simple(DEALLOCATE).await.unwrap();
            assert_eq!(flights_of_one(add, &mut connection, &proxy).await, ["BES", "PDBES"]);
            assert_eq!(flights_of_one(add, &mut connection, &proxy).await, ["BES"]);
        }
        connection.execute("begin", ()).await.unwrap();
        assert_eq!(
            flights_of_one(add, &mut connection, &proxy).await,
            ["BES"],
            "and in transactions"
        );
        connection.execute("commit", ()).await.unwrap();

        // A name that was taken by hand is the connection's own after that.
        let mut other = Connection::connect(&config).await.unwrap();
        let names = connection
            .simple("select name from pg_prepared_statements where statement = 'select $1 + 1'")
            .await
            .unwrap();
        let name = names[0].rows[0][0].clone().unwrap();
        other.simple(&format!("prepare {name} as select 'by hand'")).await.unwrap();
        assert_eq!(flights_of_one(add, &mut other, &proxy).await, ["PDBES", "CPDBES"]);
        assert_eq!(flights_of_one(add, &mut other, &proxy).await, ["BES"]);
    });
}

#[test]
fn a_name_that_is_gone_once_is_suspected_and_stays() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, &proxy).await).await.unwrap();
        let add = "select $1 + 1";
        for sql in [add, "select $1 + 2"] {
            connection.query_one::<(i32,)>(sql, (1,)).await.unwrap();
        }
        connection.simple(DEALLOCATE).await.unwrap();
        assert_eq!(flights_of_one(add, &mut connection, &proxy).await.len(), 2);
        assert_eq!(flights_of_one(add, &mut connection, &proxy).await, ["BES"], "by itself");
        connection.execute("begin", ()).await.unwrap();
        // Gone as well: what is doubted is prepared anew where it can't be run again.
        let flights = flights_of_one("select $1 + 2", &mut connection, &proxy).await;
        assert_eq!(flights, ["CPDBES"]);
        connection.execute("commit", ()).await.unwrap();
        connection.simple(DEALLOCATE).await.unwrap();
        assert_eq!(flights_of_one(add, &mut connection, &proxy).await, ["BES", "PDBES"]);
        assert_eq!(
            flights_of_one(add, &mut connection, &proxy).await,
            ["PDBES"],
            "twice is enough"
        );
    });
}

async fn flights_of_one(sql: &str, connection: &mut Connection, proxy: &Proxy) -> Vec<String> {
    proxy.reset_counts();
    connection.query_one::<(i32,)>(sql, (1,)).await.unwrap();
    proxy.flights()
}

#[test]
fn a_type_that_was_dropped_takes_one_statement_along() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, &proxy).await).await.unwrap();
        let add = "select $1 + 1";
        connection.query_one::<(i32,)>(add, (1,)).await.unwrap();
        let mood = "select count(*) from unnest($1::mood[])";
        let none: Vec<String> = Vec::new();
        for _ in 0..3 {
            connection.simple("create type mood as enum ('sad')").await.unwrap();
            let mut params = stellata_client::Params::new();
            params.push_as(Oid(0), &none).unwrap();
            connection.run(mood, &params, |_| Ok(()), &mut |_| Ok(())).await.unwrap();
            connection.simple("drop type mood").await.unwrap();
        }
        assert_eq!(flights_of_one(add, &mut connection, &proxy).await, ["BES"], "its name stays");
        connection.execute("begin", ()).await.unwrap();
        assert_eq!(flights_of_one(add, &mut connection, &proxy).await, ["BES"], "undoubted");
    });
}

/// Answers of a batch may have been handed out when one of its statements turns out to be stale.
#[test]
fn a_batch_is_not_run_again_but_goes_through_the_next_time() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.simple("create table t (n int4); insert into t values (7)").await.unwrap();
        let acl = "select makeaclitem(10::oid, 10::oid, 'select', false)";
        for (sql, change) in [
            ("select * from t", "alter table t alter n type int8"),
            (acl, "select 1"),
            ("select n from t", DEALLOCATE),
        ] {
            if sql != acl {
                connection.execute(sql, ()).await.unwrap();
            }
            connection.simple(change).await.unwrap();
            for round in 0..2 {
                let mut batch = connection.batch().unwrap();
                batch.add("insert into t values (8)", ()).unwrap().add(sql, ()).unwrap();
                let mut answers = batch.send().unwrap();
                let mut ended = answers.count().await.map(drop);
                if ended.is_ok() {
                    ended = answers.count().await.map(drop);
                }
                match round {
                    0 => assert!(ended.unwrap_err().can_be_healed(), "{sql}"),
                    _ => ended.unwrap(),
                }
                assert!(answers.end().await.is_ok() || round == 0);
            }
            let (count,): (i64,) =
                connection.query_one("select count(*) from t where n = 8", ()).await.unwrap();
            assert_eq!(count, 1, "once, after {change}");
            connection.execute("delete from t where n = 8", ()).await.unwrap();
        }
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

async fn flights_of(sql: &str, connection: &mut Connection, proxy: &Proxy) -> Vec<String> {
    proxy.reset_counts();
    connection.query_one::<(i32,)>(sql, ()).await.unwrap();
    proxy.flights()
}

async fn through(database: &Database, proxy: &Proxy) -> Config {
    Config::parse(&database.tcp_url()).unwrap().with_port(proxy.port())
}

#[test]
fn what_is_let_go_rides_with_the_next_request() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = through(database, &proxy).await.with_statement_cache(2);
        let mut connection = Connection::connect(&config).await.unwrap();
        for sql in ["select 1", "select 2"] {
            assert_eq!(flights_of(sql, &mut connection, &proxy).await, ["PDBES"]);
        }
        assert_eq!(flights_of("select 1", &mut connection, &proxy).await, ["BES"]);
        assert_eq!(flights_of("select 3", &mut connection, &proxy).await, ["CPDBES"]);
        assert_eq!(flights_of("select 1", &mut connection, &proxy).await, ["BES"], "used last");
        assert_eq!(flights_of("select 2", &mut connection, &proxy).await, ["CPDBES"]);
        assert_eq!(prepared(&mut connection).await, 2);
    });
}

#[test]
fn statements_can_be_prepared_ahead_in_one_trip() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, &proxy).await).await.unwrap();
        proxy.reset_counts();
        let ahead = [("select $1 + 1", &[Oid::INT4][..]), ("select 2", &[]), ("select 2", &[])];
        connection.prepare(ahead).await.unwrap();
        assert_eq!(proxy.flights(), ["PDPDS"]);
        assert_eq!(connection.cached_statements(), 2);
        proxy.reset_counts();
        assert_eq!(connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap(), (2,));
        assert_eq!(connection.query_one::<(i32,)>("select 2", ()).await.unwrap(), (2,));
        assert_eq!(proxy.flights(), ["BES", "BES"]);
        connection.prepare(ahead).await.unwrap();
        assert_eq!(connection.cached_statements(), 2);

        let error = connection.prepare([("select 3", &[][..]), ("select nothing", &[])]).await;
        assert_eq!(error.unwrap_err().sqlstate(), Some(SqlState::UNDEFINED_COLUMN));
        assert_eq!(connection.cached_statements(), 3);
        assert_eq!(prepared(&mut connection).await, 3);
    });
}

/// Changes of tables, of their meaning, and of what the session knows, while the same statement runs again and again.
#[test]
fn ddl_under_traffic_never_gives_another_answer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut ddl = database.session().unwrap();
        ddl.run(
            "create table t (n int4); insert into t values (7);
             create schema other; create table other.t (n int4); insert into other.t values (8)",
        )
        .unwrap();
        let sql = "select * from t";
        assert_eq!(connection.query::<(i32,)>(sql, ()).await.unwrap(), [(7,)]);

        ddl.run("alter table t add column m text default 'm'").unwrap();
        let row: (i32, String) = connection.query_one(sql, ()).await.unwrap();
        assert_eq!(row, (7, "m".to_owned()));
        ddl.run("alter table t alter column n type int8").unwrap();
        let row: (i64, String) = connection.query_one(sql, ()).await.unwrap();
        assert_eq!(row, (7, "m".to_owned()));
        ddl.run("alter table t drop column m; alter table t rename n to renamed").unwrap();
        let rows = connection.query_rows(sql, ()).await.unwrap();
        assert_eq!(&*rows[0].columns()[0].name, "renamed");
        ddl.run("drop table t; create table t (a bool, n int4); insert into t values (true, 9)")
            .unwrap();
        assert_eq!(connection.query_one::<(bool, i32)>(sql, ()).await.unwrap(), (true, 9));
        ddl.run("drop table t").unwrap();
        let error = connection.query_one::<(bool, i32)>(sql, ()).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "42P01");
        ddl.run("create table t (n int4); insert into t values (7)").unwrap();
        assert_eq!(connection.query_one::<(i32,)>(sql, ()).await.unwrap(), (7,));

        // The same text means another table.
        connection.execute("set search_path to other, public", ()).await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>(sql, ()).await.unwrap(), (8,));
        ddl.run("alter table other.t add column m text default 'm'").unwrap();
        assert_eq!(connection.query_one::<(i32, String)>(sql, ()).await.unwrap().0, 8);
        connection.simple("set search_path to public").await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>(sql, ()).await.unwrap(), (7,));

        for forget in ["discard all", "deallocate all", "discard plans"] {
            connection.execute(forget, ()).await.unwrap();
            assert_eq!(connection.query_one::<(i32,)>(sql, ()).await.unwrap(), (7,), "{forget}");
        }

        // In a transaction the first use after a change is an error; the statement is right again behind it.
        connection.execute("begin", ()).await.unwrap();
        connection.query_one::<(i32,)>(sql, ()).await.unwrap();
        connection.execute("alter table t alter column n type int8", ()).await.unwrap();
        let error = connection.query_one::<(i64,)>(sql, ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::FEATURE_NOT_SUPPORTED));
        connection.execute("rollback", ()).await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>(sql, ()).await.unwrap(), (7,));
        assert!(connection.is_quiet());
    });
}

/// What a pooler without tracking does to whoever names statements: the name is taken by another client.
#[test]
fn a_name_that_another_has_taken_is_no_failure() {
    with_database(async |database| {
        let mut first = connect(database).await;
        first.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap();
        let names = first
            .simple("select name from pg_prepared_statements where name like 's\\_%'")
            .await
            .unwrap();
        let name = names[0].rows[0][0].clone().unwrap();

        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut second = Connection::connect(&through(database, &proxy).await).await.unwrap();
        second.simple(&format!("prepare {name} as select 'of another'")).await.unwrap();
        proxy.reset_counts();
        assert_eq!(second.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap(), (2,));
        assert_eq!(proxy.flights(), ["PDBES", "PDBES"], "refused, and again without a name");
        proxy.reset_counts();
        assert_eq!(second.query_one::<(i32,)>("select $1 + 2", (1,)).await.unwrap(), (3,));
        assert_eq!(second.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap(), (2,));
        assert_eq!(proxy.flights(), ["PDBES", "PDBES"], "one trip each, and no names from now on");
        assert_eq!(prepared(&mut second).await, 1, "what is another's stays");
    });
}

#[test]
fn behind_a_transaction_pooler_no_statement_has_a_name() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = through(database, &proxy).await.with_transaction_pooler(true);
        let mut connection = Connection::connect(&config).await.unwrap();
        for n in 0..3 {
            proxy.reset_counts();
            assert_eq!(
                connection.query_one::<(i32,)>("select $1 + 1", (n,)).await.unwrap(),
                (n + 1,)
            );
            assert_eq!(proxy.flights(), ["PDBES"]);
        }
        connection.prepare([("select 1", &[][..])]).await.unwrap();
        assert_eq!(prepared(&mut connection).await, 0);
        let mut batch = connection.batch().unwrap();
        for n in 0..3 {
            batch.add("select $1 + 1", (n,)).unwrap().add("select 'text'", ()).unwrap();
        }
        let mut answers = batch.send().unwrap();
        for n in 0..3 {
            assert_eq!(answers.one::<(i32,)>().await.unwrap(), (n + 1,));
            assert_eq!(answers.one::<(String,)>().await.unwrap().0, "text");
        }
        answers.end().await.unwrap();
        // The columns are looked at every time: the statement may mean something else by now.
        connection.simple("create table t (n int4); insert into t values (7)").await.unwrap();
        assert_eq!(connection.query::<(i32,)>("select * from t", ()).await.unwrap(), [(7,)]);
        database.run("alter table t alter n type int8").unwrap();
        assert_eq!(connection.query::<(i64,)>("select * from t", ()).await.unwrap(), [(7,)]);
        let error = connection.query::<(i32,)>("select * from t", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    });
}
