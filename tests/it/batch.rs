//! Different statements in one flush.

use std::net::Ipv4Addr;
use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, SqlState, TransactionStatus};
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

#[test]
fn a_batch_ends_at_its_limit() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut batch = connection.batch().unwrap().limit(Duration::from_millis(40));
        batch.add("select 1", ()).unwrap().sync().unwrap();
        batch.add("select pg_sleep(60)", ()).unwrap().sync().unwrap();
        batch.add("select pg_sleep(60)", ()).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.one::<(i32,)>().await.unwrap(), (1,));
        assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Usage);
        drop(answers);
        connection.drain(Duration::from_secs(2)).await.unwrap();
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
