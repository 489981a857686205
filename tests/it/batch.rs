//! Different statements in one flush.

use std::net::Ipv4Addr;
use std::time::Duration;

use stellata::prelude::*;
use stellata_client::{Config, Connection, ErrorKind, Params, SqlState, TransactionStatus};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Pipe, Proxy, with_database};
use tokio::net::{TcpSocket, TcpStream};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

async fn table(connection: &mut Connection) {
    connection
        .simple(
            "create table t (id int4 primary key, title text,
                             place int4 unique deferrable initially deferred)",
        )
        .await
        .unwrap();
}

async fn count(connection: &mut Connection) -> i64 {
    connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap().0
}

#[test]
fn each_statement_has_its_own_answer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        table(&mut connection).await;
        for round in 0..2 {
            let mut batch = connection.batch().unwrap();
            batch.add("insert into t values ($1, $2)", (round * 2, "a")).unwrap();
            batch
                .add("insert into t values ($1, $2) returning id, title", (round * 2 + 1, "b"))
                .unwrap();
            batch.add("select n from generate_series(1, 3) n", ()).unwrap();
            batch.add("select 1 where false", ()).unwrap();
            batch.add("", ()).unwrap();
            batch.add("select 'x'", ()).unwrap();
            assert_eq!(batch.len(), 6);
            let mut answers = batch.send().unwrap();
            assert_eq!(answers.count().await.unwrap(), 1);
            let new: (i32, String) = answers.one().await.unwrap();
            assert_eq!(new, (round * 2 + 1, "b".to_owned()));
            assert_eq!(answers.rows::<(i32,)>().await.unwrap(), [(1,), (2,), (3,)]);
            assert_eq!(answers.opt::<(i32,)>().await.unwrap(), None);
            assert_eq!(answers.count().await.unwrap(), 0);
            let mut seen = String::new();
            let each = answers.each(|columns| {
                seen.push_str(columns.next()?);
                Ok(())
            });
            assert_eq!(each.await.unwrap(), 1);
            assert_eq!(seen, "x");
            assert_eq!(answers.remaining(), 0);
            assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Usage);
            answers.end().await.unwrap();
            assert!(connection.is_quiet());
        }
        assert_eq!(count(&mut connection).await, 4);
        connection.batch().unwrap().send().unwrap().end().await.unwrap();
        assert!(connection.is_quiet(), "a batch of nothing asks nothing");
    });
}

#[test]
fn a_hundred_lookups_with_one_sync_are_one_write_and_one_wake_up() {
    with_database(async |database| {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, database.tcp().port())).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let pipe = Pipe::new(stream);
        let control = pipe.control();
        let config = Config::parse(&database.tcp_url()).unwrap();
        let mut connection = Connection::over(pipe, &config).await.unwrap();
        connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap();
        let before = control.done();
        let mut batch = connection.batch().unwrap();
        for n in 0..100 {
            batch.add("select $1 + 1", (n,)).unwrap();
        }
        let mut answers = batch.send().unwrap();
        assert_eq!(control.done(), before, "nothing is written before an answer is asked for");
        for n in 0..100 {
            assert_eq!(answers.one::<(i32,)>().await.unwrap(), (n + 1,));
        }
        answers.end().await.unwrap();
        let done = control.done();
        assert_eq!(done.writes - before.writes, 1);
        // All answers fit into one buffer of the server's; the end of them comes with it.
        assert!(done.reads - before.reads <= 2, "{} reads", done.reads - before.reads);
    });
}

#[test]
fn a_group_that_fails_is_undone_and_touches_no_other() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&database.tcp_url()).unwrap().with_port(proxy.port());
        let mut connection = Connection::connect(&config).await.unwrap();
        table(&mut connection).await;
        // Prepared beforehand or not, told by the round.
        for round in 0..3 {
            connection.execute("delete from t", ()).await.unwrap();
            proxy.reset_counts();
            let insert = "insert into t (id) values ($1)";
            let mut batch = connection.batch().unwrap();
            batch.add(insert, (1,)).unwrap().sync().unwrap();
            batch.add(insert, (2,)).unwrap();
            batch.add(insert, (1,)).unwrap();
            batch.add(insert, (3,)).unwrap().add("select 9", ()).unwrap().sync().unwrap();
            batch.add("select nothing", ()).unwrap().sync().unwrap();
            batch.add(insert, (4,)).unwrap().sync().unwrap();
            batch.add("select count(*) from t", ()).unwrap();
            let mut answers = batch.send().unwrap();
            assert_eq!(answers.count().await.unwrap(), 1);
            assert_eq!(answers.count().await.unwrap(), 1, "done, and undone by what comes");
            let error = answers.count().await.unwrap_err();
            assert_eq!(error.sqlstate(), Some(SqlState::UNIQUE_VIOLATION));
            assert_eq!(error.sql(), Some(insert));
            for _ in 0..2 {
                assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Skipped);
            }
            let error = answers.count().await.unwrap_err();
            assert_eq!(error.sqlstate(), Some(SqlState::UNDEFINED_COLUMN));
            assert_eq!(answers.count().await.unwrap(), 1);
            assert_eq!(answers.one::<(i64,)>().await.unwrap(), (2,), "round {round}");
            answers.end().await.unwrap();
            assert_eq!(proxy.flights().len(), 1, "{:?}", proxy.flights());
            assert_eq!(connection.status(), TransactionStatus::Idle);
        }
    });
}

#[test]
fn an_error_of_the_end_of_a_group_is_its_last_statements() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        table(&mut connection).await;
        let insert = "insert into t (id, place) values ($1, $2)";
        let mut batch = connection.batch().unwrap();
        batch.add(insert, (1, 7)).unwrap().sync().unwrap();
        batch.add(insert, (2, 7)).unwrap().sync().unwrap();
        batch.add(insert, (3, 8)).unwrap().add(insert, (4, 8)).unwrap().sync().unwrap();
        batch.add(insert, (5, 9)).unwrap();
        let mut answers = batch.send().unwrap();
        answers.count().await.unwrap();
        let error = answers.count().await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::UNIQUE_VIOLATION), "found at the end");
        answers.count().await.unwrap();
        assert_eq!(answers.count().await.unwrap_err().sqlstate(), Some(SqlState::UNIQUE_VIOLATION));
        answers.count().await.unwrap();
        answers.end().await.unwrap();
        assert_eq!(count(&mut connection).await, 2);
    });
}

#[test]
fn rows_that_can_not_be_read_do_not_reach_the_next_answer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for _ in 0..2 {
            let mut batch = connection.batch().unwrap();
            batch.add("select n from generate_series(1, 5) n", ()).unwrap();
            batch.add("select 10 / (2 - n) from generate_series(1, 3) n", ()).unwrap();
            batch.add("select 1", ()).unwrap().sync().unwrap();
            batch
                .add("select case when n <> 2 then n end from generate_series(1, 3) n", ())
                .unwrap();
            batch.add("select 'after'", ()).unwrap();
            let mut answers = batch.send().unwrap();
            // A type that does not fit.
            assert_eq!(answers.rows::<(String,)>().await.unwrap_err().kind(), ErrorKind::Decode);
            // One that does not fit, of a statement that fails behind its first row.
            assert_eq!(answers.rows::<(String,)>().await.unwrap_err().kind(), ErrorKind::Decode);
            assert_eq!(answers.one::<(i32,)>().await.unwrap_err().kind(), ErrorKind::Skipped);
            // A NULL in the second row.
            assert_eq!(answers.rows::<(i32,)>().await.unwrap_err().kind(), ErrorKind::Decode);
            assert_eq!(answers.one::<(String,)>().await.unwrap().0, "after");
            answers.end().await.unwrap();
            assert!(connection.is_quiet());
        }
    });
}

#[test]
fn types_that_are_asked_for_meanwhile_keep_answers_apart() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.simple("create type mood as enum ('sad', 'happy')").await.unwrap();
        let mut batch = connection.batch().unwrap();
        batch.add("select 1", ()).unwrap().sync().unwrap();
        batch.add("select 'happy'::mood from generate_series(1, 2)", ()).unwrap();
        batch.add("select 1 / 0", ()).unwrap();
        batch.add("select 2", ()).unwrap().sync().unwrap();
        batch.add("select 3", ()).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.one::<(i32,)>().await.unwrap(), (1,));
        assert_eq!(answers.rows::<(String,)>().await.unwrap().len(), 2);
        assert_eq!(answers.count().await.unwrap_err().sqlstate(), SqlState::from_text("22012"));
        assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Skipped);
        assert_eq!(answers.one::<(i32,)>().await.unwrap(), (3,));
        answers.end().await.unwrap();
        assert!(connection.is_quiet());
    });
}

#[test]
fn a_batch_that_is_left_leaves_the_connection_usable() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for taken in 0..4 {
            let mut batch = connection.batch().unwrap();
            for n in 0..3 {
                batch.add("select $1 + 0, repeat('x', 5000)", (n,)).unwrap().sync().unwrap();
            }
            let mut answers = batch.send().unwrap();
            for n in 0..taken {
                assert_eq!(answers.one::<(i32, String)>().await.unwrap().0, n);
            }
            drop(answers);
            assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
            // Put together and never sent.
            let mut batch = connection.batch().unwrap();
            batch.add("select 1 / 0", ()).unwrap();
            drop(batch);
            assert_eq!(connection.query_one::<(i32,)>("select 8", ()).await.unwrap(), (8,));
        }
        let mut batch = connection.batch().unwrap();
        let error = batch.add("select $1", ("a\0b",)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        batch.add("select 5", ()).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.one::<(i32,)>().await.unwrap(), (5,));
        answers.end().await.unwrap();
    });
}

/// Puts inserts together in every way, and leaves them.
fn leave(connection: &mut Connection, way: u32) {
    let insert = "insert into t (id) values ($1)";
    let mut batch = connection.batch().unwrap();
    batch.add(insert, (1,)).unwrap();
    match way {
        0 => {}
        1 => drop(batch.sync().unwrap()),
        2 => drop(batch.sync().unwrap().add(insert, (2,)).unwrap().sync().unwrap()),
        3 => drop(batch.add(insert, ("a\0b",)).unwrap_err()),
        // More than 65 535 parameters are found out last.
        4 => {
            let params: Params = many();
            batch.sync().unwrap();
            let error = batch.add_statement(&"selec $1", &params).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode);
        }
        5 => drop(batch.add("select '\0'", ()).unwrap_err()),
        _ => drop(batch.send().unwrap()),
    }
}

fn many() -> Params {
    let mut params = Params::new();
    for n in 0..65_536 {
        params.push(&n).unwrap();
    }
    params
}

const WAYS: std::ops::Range<u32> = 0..7;

#[test]
fn a_batch_that_is_never_sent_leaves_nothing_behind() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        table(&mut connection).await;
        let pool = Pool::new(
            Config::parse(&database.url()).unwrap(),
            PoolOptions::new().max(1).acquire_timeout(Duration::from_secs(20)),
        );
        for way in WAYS {
            let sent = connection.statements();
            leave(&mut connection, way);
            connection.check().unwrap();
            assert!(connection.is_quiet(), "{way}");
            assert_eq!(connection.statements(), sent, "{way}");
            leave(&mut connection, way);
            assert_eq!(count(&mut connection).await, 0, "the next use, {way}");
            leave(&mut connection, way);
            connection.drain(Duration::from_secs(10)).await.unwrap();
            assert_eq!(count(&mut connection).await, 0, "drain, {way}");
            leave(&mut connection, way);
            connection.check().unwrap();
            connection.simple("select 1").await.unwrap();
            assert_eq!(count(&mut connection).await, 0, "check, {way}");
            leave(&mut connection, way);
            connection.batch().unwrap().send().unwrap().end().await.unwrap();
            leave(&mut connection, way);
            let mut batch = connection.batch().unwrap();
            batch.add("select count(*) from t", ()).unwrap();
            let (count,): (i64,) = batch.send().unwrap().one().await.unwrap();
            assert_eq!(count, 0, "another batch, {way}");

            let mut lent = pool.acquire().await.unwrap();
            let process = lent.process_id();
            leave(&mut lent, way);
            drop(lent);
            let mut lent = pool.acquire().await.unwrap();
            assert_eq!(lent.process_id(), process);
            let (count,): (i64,) = lent.query_one("select count(*) from t", ()).await.unwrap();
            assert_eq!(count, 0, "the pool, {way}");
        }
        leave(&mut connection, 1);
        connection.close().await;
        let mut connection = connect(database).await;
        assert_eq!(count(&mut connection).await, 0, "the end");
    });
}

#[test]
fn a_batch_whose_answers_were_asked_for_has_left() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        table(&mut connection).await;
        let mut batch = connection.batch().unwrap();
        batch.add("insert into t (id) values (1)", ()).unwrap().sync().unwrap();
        batch.add("insert into t (id) values (2)", ()).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.count().await.unwrap(), 1);
        drop(answers);
        assert_eq!(count(&mut connection).await, 2);
    });
}

#[test]
fn a_statement_that_can_not_be_sent_is_no_part_of_its_batch() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        table(&mut connection).await;
        let params = many();
        for _ in 0..2 {
            connection.simple("delete from t").await.unwrap();
            let mut batch = connection.batch().unwrap();
            batch.add("insert into t (id) values (1)", ()).unwrap();
            // Were it asked to prepare, the group would fail with that.
            batch.add_statement(&"selec $1", &params).unwrap_err();
            batch.add("insert into t (id) values (2)", ()).unwrap().sync().unwrap();
            batch.add_statement(&"selec $1", &params).unwrap_err();
            batch.send().unwrap().end().await.unwrap();
            assert!(connection.is_quiet());
            assert_eq!(count(&mut connection).await, 2);
        }
    });
}

#[test]
fn what_an_unsent_batch_did_to_the_prepared_statements_is_made_good() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&database.tcp_url()).unwrap().with_port(proxy.port());
        let mut connection = Connection::connect(&config.with_statement_cache(2)).await.unwrap();
        for sql in ["select 1", "select 2"] {
            connection.execute(sql, ()).await.unwrap();
        }
        let mut batch = connection.batch().unwrap();
        batch.add("select 2", ()).unwrap().add("select 3", ()).unwrap();
        batch.add("select 3", ()).unwrap().sync().unwrap().add("select 3", ()).unwrap();
        drop(batch);
        proxy.reset_counts();
        for (sql, answer) in [("select 3", 3), ("select 2", 2), ("select 1", 1)] {
            assert_eq!(connection.query_one::<(i32,)>(sql, ()).await.unwrap(), (answer,));
        }
        // The first was to be closed, and is; what the batch was to prepare is not thought prepared.
        assert_eq!(proxy.flights(), ["CPDBES", "BES", "CPDBES"]);
        let left = connection.simple("select count(*) from pg_prepared_statements").await.unwrap();
        assert_eq!(left[0].rows[0][0].as_deref(), Some("2"));

        // What a call that was given up has asked to prepare is still under way.
        drop(connection.execute("select pg_sleep(0), 9", ()));
        let sleeping = connection.execute("select pg_sleep(0.05), 9", ());
        let _ = tokio::time::timeout(Duration::from_millis(10), sleeping).await;
        let mut batch = connection.batch().unwrap();
        batch.add("select pg_sleep(0.05), 9", ()).unwrap();
        drop(batch);
        for _ in 0..2 {
            connection.execute("select pg_sleep(0.05), 9", ()).await.unwrap();
        }
        assert!(connection.is_quiet());
    });
}

/// Its rows count how often they were asked for.
#[derive(Model, Debug, Clone)]
#[model(table = "counted")]
struct Counted {
    #[model(key)]
    id: i64,
    n: i64,
    #[model(has_many = Part::counted_id)]
    parts: HasMany<Part>,
}

#[derive(Model, Debug, Clone)]
struct Part {
    #[model(key)]
    id: i64,
    counted_id: i64,
    #[model(belongs_to = counted_id, no_constraint)]
    counted: BelongsTo<Counted>,
}

/// More conditions than a statement may have parameters. Every time it is the same.
fn with_too_many() -> Query<Counted> {
    Counted::query().include(|c| {
        c.parts().filter(|p| {
            let mut all: Vec<_> = (0..65_536).map(|n| p.id.eq(n)).collect();
            while all.len() > 1 {
                let mut pairs = all.into_iter();
                let mut half = Vec::new();
                while let (Some(one), Some(other)) = (pairs.next(), pairs.next()) {
                    half.push(one | other);
                }
                all = half;
            }
            all.remove(0)
        })
    })
}

#[test]
fn a_model_s_statement_that_can_not_be_sent_takes_the_others_along() {
    with_database(async |database| {
        database
            .run(
                "create sequence calls;
                 create view counted as select 1::int8 as id, nextval('calls') as n;
                 create table t (n int4)",
            )
            .unwrap();
        let calls = || {
            let rows = database.run("select is_called from calls").unwrap();
            rows[0][0].as_deref() == Some("t")
        };
        let db =
            Db::connect_with(Config::parse(&database.url()).unwrap(), PoolOptions::new().max(1))
                .await
                .unwrap();
        let set = db.with_settings(stellata::Settings::new().set("work_mem", "5MB"));
        for round in 0..2 {
            for executor in [&db as &dyn Executor, &set] {
                let error = with_too_many().all(executor).await.unwrap_err();
                assert!(!calls(), "round {round}: {error}");
                assert_eq!(db.sql("select 1").one::<(i32,)>().await.unwrap(), (1,));
                assert!(!calls(), "round {round}: {error}");
            }
        }

        // In a transaction its beginning stays, and all that is done is undone with it.
        let ended = db
            .transaction(async |tx| {
                tx.sql("insert into t values (1)\0").exec().await.unwrap_err();
                tx.sql("insert into t values (2)").exec().await?;
                with_too_many().all(tx).await.unwrap_err();
                let inner = tx.with_settings(stellata::Settings::new().set("work_mem", "5MB"));
                inner.sql("insert into t values (3)\0").exec().await.unwrap_err();
                let (memory,): (String,) = tx.sql("show work_mem").one().await?;
                assert_ne!(memory, "5MB");
                Err::<(), _>(Counted::get(-1, tx).await.unwrap_err())
            })
            .await;
        ended.unwrap_err();
        let (rows,): (i64,) = db.sql("select count(*) from t").one().await.unwrap();
        assert_eq!(rows, 0);
    });
}

#[test]
fn a_batch_ends_at_its_limit() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut batch = connection.batch().unwrap().limit(Duration::from_secs(1));
        batch.add("select 1", ()).unwrap().sync().unwrap();
        batch.add("select pg_sleep(60)", ()).unwrap().sync().unwrap();
        // One cancellation hits one of them.
        batch.add("select pg_sleep(2)", ()).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.one::<(i32,)>().await.unwrap(), (1,));
        assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Usage);
        drop(answers);
        connection.drain(Duration::from_secs(20)).await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
    });
}

/// Both sides have more to say than the buffers between them hold.
#[test]
fn full_buffers_both_ways_are_no_deadlock() {
    with_database(async |database| {
        // The client's own sockets, whose buffers hold what the system gives them.
        for url in [database.url(), database.tcp_url()] {
            let connection = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap();
            full_both_ways(connection, 400, 100_000).await;
        }
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = (Ipv4Addr::LOCALHOST, database.tcp().port()).into();
        let stream = socket.connect(address).await.unwrap();
        let config = Config::parse(&database.tcp_url()).unwrap();
        let connection = Connection::over(stream, &config).await.unwrap();
        // 100 MB in the long form.
        let (items, length) = match std::env::var("STELLATA_LONG") {
            Ok(_) => (1_000, 100_000),
            Err(_) => (120, 100_000),
        };
        full_both_ways(connection, items, length).await;
    });
}

async fn full_both_ways(mut connection: Connection, items: i32, length: usize) {
    connection.simple("create temp table t (id int4, title text)").await.unwrap();
    let text = "x".repeat(length);
    let mut batch = connection.batch().unwrap();
    for n in 0..items {
        batch
            .add("insert into t values ($1, $2) returning id, title", (n, &*text))
            .unwrap()
            .sync()
            .unwrap();
    }
    let mut answers = batch.send().unwrap();
    for n in 0..items {
        let (id, title): (i32, String) = answers.one().await.unwrap();
        assert_eq!((id, title.len()), (n, length));
    }
    answers.end().await.unwrap();
    assert_eq!(
        connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap().0,
        i64::from(items)
    );
}
