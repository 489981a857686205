//! What goes wrong in the middle: bad rows, futures that are dropped, servers that go away.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use stellata_client::{Config, Connection, CopyOptions, ErrorKind, SqlState, TransactionStatus};
use stellata_protocol::Oid;
use stellata_testkit::{Cut, Direction, Ending, Proxy, Server, with_database};

use tokio::io::AsyncWriteExt;

use super::connect;
use crate::dropped::poll_in_turns;

#[test]
fn the_server_names_the_row_that_it_refuses() {
    with_database(async |database| {
        database
            .run("create table t (n int primary key, s text not null check (s <> 'bad'))")
            .unwrap();
        let mut connection = connect(database).await;
        let rows = |bad: i32, text: &'static str| {
            (1..=30_000).map(move |n| (n, Some(if n == bad { text } else { "good" })))
        };
        for bad in [1, 7_777, 30_000] {
            let error = connection.copy_in("t", &[]).rows(rows(bad, "bad")).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some(SqlState::CHECK_VIOLATION), "{error}");
            assert_eq!(error.row(), Some(u64::try_from(bad).unwrap()), "{error:#}");
            assert!(error.to_string().ends_with(&format!("(row {bad} of the COPY)")), "{error}");
            assert!(!error.is_fatal() && connection.is_quiet());
            assert_eq!(connection.status(), TransactionStatus::Idle);
        }
        let double = [(5, Some("x")), (6, Some("y")), (5, Some("z"))];
        let error = connection.copy_in("t", &[]).rows(double).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.row()), (Some(SqlState::UNIQUE_VIOLATION), Some(3)));
        let null = [(5, Some("x")), (6, None)];
        let error = connection.copy_in("t", &[]).rows(null).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.row()), (Some(SqlState::NOT_NULL_VIOLATION), Some(2)));

        let text = &b"1\tx\n2\ty\nthree\tz\n"[..];
        let error = connection.copy_in("t", &[]).read_from(text).await.unwrap_err();
        assert_eq!(error.row(), Some(3), "{error}");
        assert!(!format!("{error:?}").contains("three") || error.to_string().contains("three"));
        let csv = connection.copy_in("t", &[]).options(CopyOptions::csv());
        let error = csv.read_from(&b"1,x\n2\n"[..]).await.unwrap_err();
        assert_eq!((error.sqlstate().unwrap().to_string(), error.row()), ("22P04".into(), Some(2)));
        let (count,): (i64,) = connection.query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(count, 0, "a COPY that failed has stored nothing");
    });
}

#[test]
fn a_row_that_can_t_be_written_is_named_and_nothing_is_stored() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let mut connection = connect(database).await;
        for bad in [0_u64, 20_000] {
            let rows = (0..30_000).map(|n| (n, if n as u64 == bad { "\0" } else { "good" }));
            let error = connection.copy_in("t", &[]).rows(rows).await.unwrap_err();
            assert_eq!((error.kind(), error.row()), (ErrorKind::Encode, Some(bad + 1)));
            assert!(
                error.to_string().starts_with("column 2 `s` of type text can't be written"),
                "{error}"
            );
            assert!(connection.is_quiet());
        }
        let error = connection.copy_in("t", &[]).rows([("one", 1)]).await.unwrap_err();
        assert!(
            error.to_string().contains("column 1 `n` of type int4 can't be written"),
            "{error}"
        );
        for error in [
            connection.copy_in("t", &[]).rows([(1,)]).await.unwrap_err(),
            connection.copy_in("t", &["n"]).rows([(1, 2)]).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.row()), (ErrorKind::Encode, Some(1)), "{error}");
        }
        let (count,): (i64,) = connection.query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(count, 0);
        let error = connection.copy_out("t", &["n"]).rows::<(String,)>().await.unwrap_err();
        assert!(
            error.to_string().starts_with("column 1 `n` of type int4 can't be read as"),
            "{error}"
        );
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
    });
}

#[test]
fn what_can_t_be_read_is_named_with_its_row() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let copy = connection.copy_out_query(
            "select case when n = 7 then null else n end from generate_series(1, 9000) n",
        );
        let mut rows = copy.rows::<(i32,)>().await.unwrap();
        for n in 1..7 {
            assert_eq!(rows.next().await.unwrap(), Some((n,)));
        }
        let error = rows.next().await.unwrap_err();
        assert_eq!((error.kind(), error.row()), (ErrorKind::Decode, Some(7)), "{error}");
        assert_eq!(rows.next().await.unwrap(), None, "nothing follows");
        drop(rows);
        // The server gives up in the middle.
        let copy =
            connection.copy_out_query("select 1 / (5000 - n) from generate_series(1, 9000) n");
        let mut rows = copy.rows::<(i32,)>().await.unwrap();
        let mut count = 0;
        let error = loop {
            match rows.next().await {
                Ok(row) => count += i32::from(row.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(count, 4999);
        assert_eq!(error.sqlstate().unwrap().to_string(), "22012");
        drop(rows);
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
    });
}

#[test]
fn rows_that_do_not_fit_their_columns_are_told_what_would() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let mut connection = connect(database).await;
        let few = connection.copy_in("t", &[]).rows([(1,)]).await.unwrap_err();
        let many = connection.copy_in("t", &[]).rows([(1, "a", 2)]).await.unwrap_err();
        for (error, what) in [(few, "fewer"), (many, "more")] {
            let wanted = format!(
                "a row has {what} values than columns, of which the COPY has 2: `n`, `s` (row 1 of the COPY)"
            );
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Encode, wanted));
        }
        let error = connection.copy_in("t", &[]).rows([(1_i64, "a")]).await.unwrap_err();
        let begins = "column 1 `n` of type int4 can't be written from `i64`: ";
        assert!(error.to_string().starts_with(begins), "{error}");
        let outcomes = [
            connection.copy_out("t", &[]).rows::<(i32,)>().await.map(drop),
            connection.copy_out("t", &[]).rows::<(i32, String, i32)>().await.map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert!(error.to_string().ends_with("which are 2: `n`, `s`"), "{error}");
        }

        // A command of one's own that takes another form than the rows have.
        let types = [Oid::INT4, Oid::TEXT];
        let copy = connection.copy_in_sql("copy t from stdin").types(types);
        let error = copy.rows([(1, "a")]).await.unwrap_err();
        assert!(error.to_string().contains("the rows came in binary"), "{error}");
        let copy = connection.copy_in_sql("copy t from stdin (format binary)").types(types);
        let error = copy.options(CopyOptions::csv()).rows([(1, "a")]).await.unwrap_err();
        assert!(error.to_string().contains("the rows came as text"), "{error}");
        let copy = connection.copy_in_sql("copy t from stdin (format csv)").types(types);
        assert_eq!(copy.options(CopyOptions::csv()).rows([(1, "a")]).await.unwrap(), 1);
        assert!(connection.is_quiet());
    });
}

#[test]
fn a_copy_in_that_is_dropped_stores_nothing_and_the_connection_goes_on() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let mut connection = connect(database).await;
        let mut unfinished = 0;
        let mut stored = 0;
        for round in 0..120_usize {
            // Rounds differ in what is dropped: the question for the columns, the pieces, the end.
            let columns: &[&str] = if round % 40 == 0 { &["n"] } else { &["n", "s"] };
            let rows = (0..20_000).map(|n| (n, "some text"));
            let done = if columns.len() == 1 {
                let copy = connection.copy_in("t", columns);
                poll_in_turns(round % 9, copy.rows((0..20_000).map(|n| (n,)))).await
            } else {
                poll_in_turns(round % 9, connection.copy_in("t", columns).rows(rows)).await
            };
            unfinished += usize::from(done.is_none());
            let (answer, count): (i64, i64) = connection
                .query_one("select $1, (select count(*) from t)", (round as i64,))
                .await
                .unwrap();
            assert_eq!(answer, round as i64);
            assert!(count == stored || count == stored + 20_000, "{count} after {stored}");
            assert!(done.is_none() || count > stored);
            stored = count;
            assert!(connection.is_quiet());
        }
        // Two of nine rounds at least, whatever the machine is busy with.
        assert!(unfinished >= 20, "only {unfinished} were dropped early");

        let mut writer = connection.copy_in("t", &["n"]).writer().unwrap();
        writer.write(b"1\n2\n").await.unwrap();
        drop(writer);
        assert!(!connection.is_quiet(), "the end of the COPY goes out with the next use");
        connection.drain(Duration::from_secs(10)).await.unwrap();
        assert!(connection.is_quiet());
        let writer = connection.copy_in("t", &["n"]).row_writer().await.unwrap();
        writer.abort().await.unwrap();
        let (count,): (i64,) = connection.query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(count, stored);
    });
}

#[test]
fn a_copy_in_that_is_dropped_in_a_transaction_fails_that() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut connection = connect(database).await;
        connection.execute("begin", ()).await.unwrap();
        let writer = connection.copy_in("t", &[]).row_writer().await.unwrap();
        drop(writer);
        let error = connection.execute("select 1", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::IN_FAILED_SQL_TRANSACTION));
        connection.execute("rollback", ()).await.unwrap();
    });
}

#[test]
fn a_copy_out_that_is_dropped_is_passed_over() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for round in 0..60_usize {
            let reading = async {
                let copy = connection.copy_out_query("select n from generate_series(1, 3000) n");
                let mut rows = copy.rows::<(i32,)>().await.unwrap();
                for want in 1.. {
                    match rows.next().await.unwrap() {
                        Some((n,)) => assert_eq!(n, want),
                        None => break,
                    }
                    if want % 100 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            };
            poll_in_turns(round, reading).await;
            let (answer,): (i64,) =
                connection.query_one("select $1", (round as i64,)).await.unwrap();
            assert_eq!(answer, round as i64);
        }
        assert!(connection.is_quiet());
    });
}

/// Ten gigabytes.
const HUGE: &str = "select n, repeat('x', 1000) from generate_series(1, 10000000) n";

/// Begins to copy something huge, and drops it.
async fn leave_huge(connection: &mut Connection, way: usize) {
    let copy = connection.copy_out_query(HUGE);
    match way % 3 {
        0 => {
            let mut rows = copy.rows::<(i32, String)>().await.unwrap();
            assert_eq!(rows.next().await.unwrap().unwrap().0, 1);
        }
        1 => {
            let mut reader = copy.reader().await.unwrap();
            assert!(reader.piece().await.unwrap().is_some());
        }
        _ => {
            let error = copy.each(|columns| columns.next::<bool>().map(drop)).await.unwrap_err();
            assert_eq!((error.kind(), error.row()), (ErrorKind::Decode, Some(1)));
        }
    }
}

#[test]
fn a_huge_copy_out_that_is_dropped_is_cancelled_before_much_of_it_has_come() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let process = connection.process_id();
        let mut most = 0;
        for way in 0..13 {
            proxy.reset_counts();
            leave_huge(&mut connection, way).await;
            // Whatever comes next finds the connection free.
            match way {
                0 | 4 => drop(connection.query_one::<(i32,)>("select 5", ()).await.unwrap()),
                1 => drop(connection.simple("select 5").await.unwrap()),
                2 => drop(connection.copy_in("t", &[]).rows([(5,)]).await.unwrap()),
                3 => drop(connection.copy_in("t", &[]).read_from(&b"5\n"[..]).await.unwrap()),
                5 => drop(connection.copy_out("t", &[]).write_to(Vec::new()).await.unwrap()),
                6 => drop(connection.lend("select 5", ()).unwrap().next::<(i32,)>().await.unwrap()),
                7 => connection.drain(Duration::from_secs(60)).await.unwrap(),
                9 => connection.check().unwrap(),
                10 => connection.watch(std::task::Waker::noop()).unwrap(),
                11 => drop(poll_in_turns(200, connection.idle()).await),
                12 => drop(poll_in_turns(200, connection.notification()).await),
                _ => connection.prepare([("select 5", &[][..])]).await.unwrap(),
            }
            most = most.max(proxy.counts().bytes_to_client);
            assert_eq!(connection.query_one::<(i32,)>("select 6", ()).await.unwrap(), (6,));
            assert!(connection.is_quiet() && connection.process_id() == process);
        }
        println!("{most} bytes of 10 GB have come");
        // How much comes until the request has gone its way is the machine's affair: 20 MB on a quiet one.
        assert!(most < 1 << 30, "{most} bytes have come");
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (2,)
        );
    });
}

#[test]
fn a_copy_out_that_is_dropped_while_it_stands_still_is_cancelled() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let copy = connection.copy_out_query("select pg_sleep(3600)");
        let reading = async {
            let mut reader = copy.reader().await.unwrap();
            reader.piece().await.unwrap();
        };
        assert!(tokio::time::timeout(Duration::from_millis(50), reading).await.is_err());
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));

        // A call that is dropped meanwhile leaves it to the next.
        for round in 0..12 {
            leave_huge(&mut connection, round).await;
            poll_in_turns(round, connection.query_one::<(i32,)>("select 1", ())).await;
            let asked = connection.query_one::<(i64,)>("select $1", (round as i64,)).await;
            assert_eq!(asked.unwrap(), (round as i64,));
        }
    });
}

#[test]
fn a_copy_out_of_which_little_is_left_is_dropped_and_leaves_its_transaction_alone() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut connection = connect(database).await;
        connection.execute("begin", ()).await.unwrap();
        connection.execute("insert into t values (1)", ()).await.unwrap();
        let copy =
            connection.copy_out_query("select repeat('x', 1000) from generate_series(1, 20000)");
        let mut rows = copy.rows::<(String,)>().await.unwrap();
        rows.next().await.unwrap();
        drop(rows);
        connection.execute("insert into t values (2)", ()).await.unwrap();
        connection.execute("commit", ()).await.unwrap();
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (2,)
        );
    });
}

#[test]
fn a_huge_copy_out_that_is_dropped_in_a_transaction_is_cancelled_and_says_so() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let process = connection.process_id();
        for way in 0..3 {
            connection.simple("begin; insert into t values (1)").await.unwrap();
            proxy.reset_counts();
            leave_huge(&mut connection, way).await;
            let error = connection.execute("insert into t values (2)", ()).await.unwrap_err();
            let most = proxy.counts().bytes_to_client;
            assert!((64 << 20..1 << 30).contains(&most), "{most} bytes have come");
            assert_eq!(error.sqlstate(), SqlState::from_text("25P02"));
            assert!(error.to_string().contains("was dropped within the transaction"), "{error}");
            // It is told once.
            let error = connection.execute("insert into t values (2)", ()).await.unwrap_err();
            assert!(!error.to_string().contains("was dropped"), "{error}");
            connection.execute("rollback", ()).await.unwrap();
            assert_eq!(connection.process_id(), process);
        }
        // The end of the transaction may be what comes next.
        connection.simple("begin; insert into t values (1)").await.unwrap();
        leave_huge(&mut connection, 0).await;
        connection.execute("rollback", ()).await.unwrap();
        let error = connection.execute("select 1 / 0", ()).await.unwrap_err();
        assert!(!error.to_string().contains("was dropped"), "{error}");
        let count = "select count(*) from t";
        assert_eq!(connection.query_one::<(i64,)>(count, ()).await.unwrap(), (0,));
    });
}

/// What one COPY in and one COPY out bring about over a connection that may be cut at any time.
async fn both_ways(connection: &mut Connection) -> Result<(), stellata_client::Error> {
    let rows = (0..9_000).map(|n| (n, "some text"));
    connection.copy_in("t", &["n", "s"]).rows(rows).await?;
    let mut rows = connection.copy_out("t", &["n"]).rows::<(i32,)>().await?;
    let mut count = 0;
    while rows.next().await?.is_some() {
        count += 1;
    }
    assert!(count >= 9_000, "a COPY that was cut off has come to its end with {count} rows");
    Ok(())
}

#[test]
fn a_server_that_goes_away_at_any_message_is_an_error_and_never_half_an_answer() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();

        // The bytes of a run that nothing disturbs tell where messages end.
        proxy.set_keeping(true);
        let mut connection = Connection::connect(&config).await.unwrap();
        proxy.reset_counts();
        let before = proxy.recordings()[0].clone();
        both_ways(&mut connection).await.unwrap();
        let after = proxy.recordings()[0].clone();
        drop(connection);
        proxy.set_keeping(false);
        let places = [Direction::ToClient, Direction::ToServer].map(|direction| {
            (direction, boundaries(&after.bytes(direction)[before.bytes(direction).len()..]))
        });
        for (direction, ends) in places {
            assert!(ends.len() > 6, "{direction:?}: {}", ends.len());
            // Of the many rows a few stand for all.
            let step = (ends.len() / 12).max(1);
            let few = ends
                .iter()
                .take(10)
                .chain(ends.iter().step_by(step))
                .chain(ends.iter().rev().take(6));
            for (number, &end) in few.enumerate() {
                database.run("truncate t").unwrap();
                let mut connection = Connection::connect(&config).await.unwrap();
                let ending = [Ending::Close, Ending::Reset][number % 2];
                proxy.cut(Cut::new(direction, end, ending));
                let outcome =
                    tokio::time::timeout(Duration::from_secs(20), both_ways(&mut connection));
                let outcome = outcome.await.expect("a server that went away was waited for");
                proxy.clear_cut();
                match outcome {
                    // All had come before the cut.
                    Ok(()) => assert_eq!(Some(&end), ends.last(), "{direction:?} cut after {end}"),
                    Err(error) => {
                        assert!(error.is_fatal(), "{direction:?} {end}: {error:?}");
                        assert!(connection.is_closed());
                    }
                }
            }
        }
        // A pool would open another; so can we.
        let mut connection = Connection::connect(&config).await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
    });
}

/// Where messages end.
fn boundaries(mut bytes: &[u8]) -> Vec<u64> {
    let mut ends = vec![0];
    let mut at = 0;
    while let [_, length @ ..] = bytes
        && let Some(length) = length.first_chunk::<4>()
    {
        let size = 1 + u32::from_be_bytes(*length) as usize;
        let Some(rest) = bytes.get(size..) else { break };
        at += size as u64;
        ends.push(at);
        bytes = rest;
    }
    ends
}

#[test]
fn a_session_that_is_ended_says_so_to_its_copy() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()";
        for way in 0..4 {
            let mut connection = connect(database).await;
            let mut writer = connection.copy_in("t", &[]).writer().unwrap();
            writer.write(b"1\tone\n").await.unwrap();
            writer.flush().await.unwrap();
            // Until none is left: a session that is told to end may still answer.
            while !database.run(kill).unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let mut ended = match way {
                0 => {
                    let error = loop {
                        if let Err(error) = writer.write(&[b'x'; 100_000]).await {
                            break error;
                        }
                    };
                    drop(writer);
                    error
                }
                1 => writer.finish().await.unwrap_err(),
                2 => writer.abort().await.unwrap_err(),
                _ => {
                    drop(writer);
                    connection.drain(Duration::from_secs(10)).await.unwrap_err()
                }
            };
            assert!(ended.is_fatal(), "{way}: {ended:?}");
            if way == 0 {
                assert_eq!(
                    ended.sqlstate().map(|state| state.to_string()).as_deref(),
                    Some("57P01")
                );
            }
            assert!(connection.is_closed());
            ended = connection.copy_in("t", &["n"]).rows([(1,)]).await.unwrap_err();
            assert!(ended.is_fatal(), "{way}: {ended:?}");
        }
    });
}

/// Polls once, and drops.
async fn try_once<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn a_row_whose_writing_is_given_up_is_not_added() {
    with_database(async |database| {
        database.run("create table t (n text, s text)").unwrap();
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let text = "x".repeat(60_000);
        for way in 0..2 {
            database.run("truncate t").unwrap();
            let mut connection = Connection::connect(&config).await.unwrap();
            // The columns are known from here on.
            connection.copy_in("t", &[]).rows::<(&str, &str)>([]).await.unwrap();
            proxy.pause();
            let mut added = Vec::new();
            let numbers = (0..600).map(|n| format!("{n}"));
            let copied = if way == 0 {
                let mut writer = connection.copy_in("t", &[]).row_writer().await.unwrap();
                for n in numbers {
                    if let Some(written) = try_once(writer.write(&(&*n, &*text))).await {
                        written.unwrap();
                        added.push(n);
                    }
                }
                proxy.resume();
                writer.finish().await.unwrap()
            } else {
                let mut writer = connection.copy_in("t", &[]).writer().unwrap();
                for n in numbers {
                    let row = [Some(&*n), Some(&*text)];
                    if let Some(written) = try_once(writer.row(row)).await {
                        written.unwrap();
                        added.push(n);
                    }
                }
                proxy.resume();
                writer.finish().await.unwrap()
            };
            assert!(added.len() < 600, "the way to the server was never full");
            assert_eq!(copied, added.len() as u64, "{way}");
            let stored: Vec<(String,)> =
                connection.query("select n from t order by n::int", ()).await.unwrap();
            assert_eq!(stored.into_iter().map(|(n,)| n).collect::<Vec<_>>(), added);
            assert!(connection.buffered() < 1 << 20, "{}", connection.buffered());
        }
    });
}

#[test]
fn a_copy_in_that_is_dropped_frees_its_table_at_once() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut other = connect(database).await;
        other.execute("set lock_timeout = '20s'", ()).await.unwrap();
        let mut connection = connect(database).await;
        for way in 0..2 {
            if way == 0 {
                let mut writer = connection.copy_in("t", &[]).writer().unwrap();
                writer.write(b"1\n").await.unwrap();
                writer.flush().await.unwrap();
            } else {
                let mut writer = connection.copy_in("t", &[]).row_writer().await.unwrap();
                writer.write(&(1,)).await.unwrap();
            }
            // It is idle from here on.
            other.execute("truncate t", ()).await.unwrap();
            let (count,): (i64,) = other.query_one("select count(*) from t", ()).await.unwrap();
            assert_eq!(count, 0);
        }
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
    });
}
