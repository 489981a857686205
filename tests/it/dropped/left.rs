//! What was given up and still runs is left in good time: the next call waits a little, cancels it, and goes on.

use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, LockMode, Plan, QueryOptions, SqlState};
use stellata_testkit::{Database, Proxy, Server, with_database};

use super::{poll_and_drop, poll_in_turns};

const FOREVER: &str = "select 'left' from pg_sleep(3600)";
/// Ten gigabytes.
const HUGE: &str = "select n, repeat('x', 1000) from generate_series(1, 10000000) n";
const SHORT: Duration = Duration::from_millis(200);

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// Waits until something that may take its time runs at the server, or no longer does.
async fn until_running(database: &Database, count: usize) {
    let running =
        "select query from pg_stat_activity where state = 'active' and datname = current_database()
                   and pid <> pg_backend_pid() and wait_event = 'PgSleep'";
    let reached = async {
        while database.run(running).unwrap().len() != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("it comes to that");
}

/// Begins a statement that never ends, and gives it up once it runs.
async fn leave_sleeping(database: &Database, connection: &mut Connection) {
    tokio::select! {
        slept = connection.execute(FOREVER, ()) => panic!("{slept:?}"),
        () = until_running(database, 1) => {}
    }
}

/// What may come next on a connection; each finds it free.
async fn come_next(connection: &mut Connection, way: usize) {
    match way {
        0 => drop(connection.query_one::<(i32,)>("select 5", ()).await.unwrap()),
        1 => drop(connection.simple("select 5").await.unwrap()),
        2 => drop(connection.query_rows("select 5", ()).await.unwrap()),
        3 => {
            let mut batch = connection.batch().unwrap();
            batch.add("select $1", (5,)).unwrap().sync().unwrap().add("select 6", ()).unwrap();
            let mut answers = batch.send().unwrap();
            assert_eq!(answers.one::<(i32,)>().await.unwrap(), (5,));
            assert_eq!(answers.count().await.unwrap(), 1);
        }
        4 => {
            let mut writer = connection.copy_in("t", &[]).writer().unwrap();
            writer.write(b"1\n2\n").await.unwrap();
            assert_eq!(writer.finish().await.unwrap(), 2);
        }
        5 => {
            let mut rows = connection.lend("select 5", ()).unwrap();
            while rows.next::<(i32,)>().await.unwrap().is_some() {}
        }
        6 => {
            let options = QueryOptions::new().plan(Plan::Custom);
            assert_eq!(connection.with(options).execute("select 1", ()).await.unwrap(), 1);
        }
        7 => {
            let lock = connection.lock(7, LockMode::Exclusive, Duration::from_secs(60)).await;
            lock.unwrap().release().await.unwrap();
        }
        8 => {
            while !connection.is_quiet() {
                let idle = tokio::time::timeout(Duration::from_millis(500), connection.idle());
                assert!(idle.await.is_err(), "nothing comes");
            }
        }
        9 => {
            // Put together and given up.
            drop(connection.copy_in("t", &[]).writer().unwrap());
            connection.batch().unwrap().add("select 'given up'", ()).unwrap();
            assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
        }
        10 => {
            connection.settle().await.unwrap();
            connection.begin_batch().unwrap();
            connection.sync().unwrap();
            connection.ready().await.unwrap();
        }
        _ => connection.drain(Duration::from_secs(60)).await.unwrap(),
    }
    assert!(connection.is_quiet(), "way {way}");
}

const WAYS: usize = 12;

#[test]
fn a_statement_that_was_dropped_and_never_ends_is_cancelled_by_whatever_comes_next() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut connection = connect(database).await;
        let process = connection.process_id();
        for way in 0..WAYS {
            leave_sleeping(database, &mut connection).await;
            let next = come_next(&mut connection, way);
            tokio::time::timeout(Duration::from_secs(60), next).await.expect("it comes soon");
            until_running(database, 0).await;
            assert_eq!(connection.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
        }
        assert_eq!(connection.process_id(), process, "it is the same session all the while");
    });
}

#[test]
fn rows_without_end_that_were_dropped_are_cancelled_before_many_have_come() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let mut most = 0;
        for way in 0..WAYS {
            proxy.reset_counts();
            match way % 3 {
                0 => {
                    let mut rows = connection.stream::<(i32, String)>(HUGE, ()).unwrap();
                    let first = std::future::poll_fn(|cx| {
                        futures_core::Stream::poll_next(std::pin::Pin::new(&mut rows), cx)
                    });
                    assert_eq!(first.await.unwrap().unwrap().0, 1);
                }
                1 => {
                    let mut rows = connection.lend(HUGE, ()).unwrap();
                    assert_eq!(rows.next::<(i32, &str)>().await.unwrap().unwrap().0, 1);
                }
                _ => {
                    let error = connection.query::<(bool,)>(HUGE, ()).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Decode);
                }
            }
            // Looking at it does not read it to its end.
            for _ in 0..20 {
                connection.check().unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            come_next(&mut connection, way).await;
            most = most.max(proxy.counts().bytes_to_client);
        }
        println!("{most} bytes of 10 GB have come");
        assert!(most < 1 << 30, "{most} bytes have come");
    });
}

#[test]
fn little_that_was_dropped_is_read_without_a_cancellation() {
    with_database(async |database| {
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let rows = "select n, repeat('x', 1000) from generate_series(1, 200) n";
        for round in 0..100_usize {
            poll_and_drop(1 + round % 3, connection.query::<(i32, String)>(rows, ())).await;
            let n = i64::try_from(round).unwrap();
            assert_eq!(connection.query_one::<(i64,)>("select $1 + 0", (n,)).await.unwrap(), (n,));
        }
        assert_eq!(proxy.counts().connections, 1, "none was opened to cancel");
    });
}

#[test]
fn a_lock_that_is_dropped_is_given_back_with_the_next_statement_in_one_trip() {
    with_database(async |database| {
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        for _ in 0..2 {
            drop(connection.try_lock(7, LockMode::Exclusive).await.unwrap().unwrap());
            proxy.reset_counts();
            assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
            assert_eq!(proxy.flights().len(), 1, "{:?}", proxy.flights());
        }
        let held =
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
        assert_eq!(connection.query_one::<(i64,)>(held, ()).await.unwrap(), (0,));
    });
}

#[test]
fn within_a_transaction_it_has_longer_and_its_cancellation_is_told() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut connection = connect(database).await;
        // Longer than is waited for outside of one.
        connection.simple("begin; insert into t values (1)").await.unwrap();
        let slow = connection.execute("insert into t select 2 from pg_sleep(1.5)", ());
        assert!(poll_in_turns(30, slow).await.is_none());
        connection.execute("insert into t values (3)", ()).await.unwrap();
        connection.execute("commit", ()).await.unwrap();
        let count = "select count(*) from t";
        assert_eq!(connection.query_one::<(i64,)>(count, ()).await.unwrap(), (3,));

        connection.simple("begin; insert into t values (4)").await.unwrap();
        leave_sleeping(database, &mut connection).await;
        let error = connection.execute("insert into t values (5)", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        assert!(error.to_string().contains("was dropped within the transaction"), "{error}");
        until_running(database, 0).await;
        connection.execute("rollback", ()).await.unwrap();
        assert_eq!(connection.query_one::<(i64,)>(count, ()).await.unwrap(), (3,));
    });
}

#[test]
fn a_limit_behind_something_that_was_dropped_leaves_nothing_of_its_own_at_the_server() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut connection = connect(database).await;
        let options = QueryOptions::new().limit(SHORT);
        let mine = "insert into t select 1 from pg_sleep(3)";
        for way in 0..3 {
            leave_sleeping(database, &mut connection).await;
            // Whatever was dropped has longer than this limit.
            let error = match way {
                0 => connection.with(options.clone()).execute(mine, ()).await.unwrap_err(),
                1 => {
                    let planned = options.clone().plan(Plan::Custom);
                    connection.with(planned).execute(mine, ()).await.unwrap_err()
                }
                _ => {
                    let mut batch = connection.batch().unwrap().limit(SHORT);
                    batch.add(mine, ()).unwrap().sync().unwrap().add(mine, ()).unwrap();
                    batch.send().unwrap().end().await.unwrap_err()
                }
            };
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            assert!(error.to_string().contains("nothing was sent"), "{error}");
            // The next call leaves what was dropped, and finds nothing of it.
            let count = "select count(*) from t";
            assert_eq!(connection.query_one::<(i64,)>(count, ()).await.unwrap(), (0,));
            until_running(database, 0).await;
            assert_eq!(database.run("select n from t").unwrap().len(), 0);
        }

        // There is time to leave it: what is cancelled then is the statement that has the limit.
        for way in 0..2 {
            leave_sleeping(database, &mut connection).await;
            let mut options = QueryOptions::new().limit(Duration::from_secs(4));
            if way == 1 {
                options = options.plan(Plan::Custom);
            }
            let error = connection.with(options).execute(FOREVER, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            until_running(database, 0).await;
            assert_eq!(connection.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
        }
    });
}

#[test]
fn a_limit_cancels_all_groups_of_a_batch() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for next in [false, true] {
            let mut batch = connection.batch().unwrap().limit(SHORT);
            for _ in 0..4 {
                batch.add(FOREVER, ()).unwrap().sync().unwrap();
            }
            let error = batch.send().unwrap().end().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            if next {
                assert_eq!(connection.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
            }
            // Without a further call too.
            until_running(database, 0).await;
            let activity = "select state from pg_stat_activity where datname = current_database()
                            and state = 'active' and pid <> pg_backend_pid()";
            let over = async {
                while !database.run(activity).unwrap().is_empty() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), over).await.unwrap();
        }
        // Groups that were given up without a limit as well.
        let mut batch = connection.batch().unwrap();
        for _ in 0..3 {
            batch.add(FOREVER, ()).unwrap().sync().unwrap();
        }
        tokio::select! {
            ended = batch.send().unwrap().end() => panic!("{ended:?}"),
            () = until_running(database, 1) => {}
        }
        assert_eq!(connection.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
        until_running(database, 0).await;
    });
}

#[test]
fn a_limit_with_a_plan_tells_what_became_of_the_statement() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let options = QueryOptions::new().limit(SHORT).plan(Plan::Custom);
        let mut tries = 0;
        let error = loop {
            let error = connection.with(options.clone()).execute(FOREVER, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            // A busy machine may take longer than the call waits to know.
            if error.to_string().ends_with("and was cancelled") {
                break error;
            }
            tries += 1;
            assert!(tries < 20, "{error}");
        };
        assert_eq!(error.sql(), Some(FOREVER));
        assert_eq!(connection.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
    });
}

#[test]
fn rows_that_are_lent_or_streamed_have_a_limit_for_each_wait() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let limit = Duration::from_secs(10);
        // Each row is there in time, all of them are not.
        let slow = "select n, pg_sleep(2)::text || repeat('x', 9000) from generate_series(1, 6) n";
        let mut rows = connection.with_limit(limit).lend(slow, ()).unwrap();
        let mut count = 0;
        while rows.next::<(i32, &str)>().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!((count, rows.completion().unwrap().rows), (6, 6));

        let mut rows = connection.with_limit(SHORT).lend(FOREVER, ()).unwrap();
        assert_eq!(rows.next::<(&str,)>().await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(rows.next::<(&str,)>().await.unwrap_err().kind(), ErrorKind::Usage);
        until_running(database, 0).await;
        let mut rows = connection.with_limit(SHORT).stream::<(String,)>(FOREVER, ()).unwrap();
        let mut next = async || {
            std::future::poll_fn(|cx| {
                futures_core::Stream::poll_next(std::pin::Pin::new(&mut rows), cx)
            })
            .await
        };
        assert_eq!(next().await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        assert!(next().await.is_none());
        drop(rows);
        until_running(database, 0).await;
        let mut with = connection.with_limit(Duration::from_secs(50));
        let rows = with.query_rows("select 5 as five", ()).await.unwrap();
        assert_eq!(rows[0].get::<i32>("five").unwrap(), 5);
        let planned = QueryOptions::new().plan(Plan::Custom);
        let error = connection.with(planned).lend("select 1", ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    });
}
