//! Rows of values.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_core::Stream;
use stellata_client::{CopyFields, CopyOptions, CopyProgress, CopyRow, CopyTable, ErrorKind};
use stellata_protocol::{Oid, Result};
use stellata_testkit::{Proxy, Server, with_database};

use super::{connect, text_of};

#[test]
fn tuples_go_in_and_come_out() {
    with_database(async |database| {
        database.run("create table \"Odd name\" (id int, title text, \"x\"\"y\" float8)").unwrap();
        let mut connection = connect(database).await;
        let rows = [(1, Some("one\ttab"), 0.5), (2, None, f64::INFINITY)];
        let columns = ["id", "title", "x\"y"];
        let copied = connection.copy_in("public.Odd name", &columns).rows(rows).await.unwrap();
        assert_eq!(copied, 2);
        assert_eq!(
            text_of(&mut connection, "select * from \"Odd name\" order by 1").await,
            "1\tone\\ttab\t0.5\n2\t\\N\tInfinity\n"
        );
        let mut out = connection
            .copy_out("Odd name", &["title", "id"])
            .rows::<(Option<String>, i32)>()
            .await
            .unwrap();
        let mut seen = Vec::new();
        while let Some(row) = out.next().await.unwrap() {
            seen.push(row);
        }
        assert_eq!(out.next().await.unwrap(), None, "the end stays the end");
        seen.sort_by_key(|row| row.1);
        assert_eq!(seen, [(Some("one\ttab".to_owned()), 1), (None, 2)]);
        assert!(connection.is_quiet() && !connection.is_changed());
    });
}

struct Track {
    position: i32,
    title: String,
}

impl CopyRow for Track {
    fn append_to(&self, fields: &mut CopyFields<'_>) -> Result<()> {
        fields.push(&self.position)?;
        fields.push(&self.title)
    }
}

#[test]
fn structs_streams_and_a_writer_feed_a_copy() {
    with_database(async |database| {
        database.run("create table tracks (position int, title varchar(20))").unwrap();
        let mut connection = connect(database).await;
        let track = |position| Track { position, title: format!("track {position}") };
        let copy = connection.copy_in("tracks", &["position", "title"]);
        assert_eq!(copy.rows((0..3).map(track)).await.unwrap(), 3);

        let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
        let feeding = tokio::spawn(async move {
            for position in 3..40_000 {
                sender.send(Track { position, title: "streamed".to_owned() }).await.unwrap();
            }
        });
        let copy = connection.copy_in("tracks", &[]);
        assert_eq!(copy.stream(|cx| receiver.poll_recv(cx)).await.unwrap(), 39_997);
        feeding.await.unwrap();

        let mut writer = connection.copy_in("tracks", &[]).row_writer().await.unwrap();
        writer.write(&track(40_000)).await.unwrap();
        writer.write(&(40_001, "by hand")).await.unwrap();
        // A row that can't be written is left out.
        let error = writer.write(&(40_002, "nul \0")).await.unwrap_err();
        assert_eq!((error.kind(), error.row()), (ErrorKind::Encode, Some(3)));
        assert_eq!(
            error.to_string(),
            "column 2 `title` of type varchar can't be written: text holds a NUL, which PostgreSQL can't store (row 3 of the COPY)"
        );
        writer.write(&(40_002, "later")).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), 3);
        let (count, sum): (i64, i64) = connection
            .query_one("select count(*), sum(position)::int8 from tracks", ())
            .await
            .unwrap();
        assert_eq!((count, sum), (40_003, 40_002 * 40_003 / 2));
    });
}

#[test]
fn a_copy_starts_in_one_trip_and_knows_the_columns_from_the_first_time() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = stellata_client::Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = stellata_client::Connection::connect(&config).await.unwrap();
        for (round, flights) in [(1, vec!["PDS", "DPBEdcS"]), (2, vec!["DPBEdcS"])] {
            proxy.reset_counts();
            connection.copy_in("t", &["n", "s"]).rows([(round, "x")]).await.unwrap();
            assert_eq!(proxy.flights(), flights);
        }
        proxy.reset_counts();
        let told = connection.copy_in("t", &["n", "s"]).types([Oid::INT4, Oid::TEXT]);
        told.rows([(3, "x")]).await.unwrap();
        assert_eq!(proxy.flights(), ["PBEdcS"]);
        assert_eq!(proxy.counts().round_trips, 1);

        // Much data: no answer is waited for.
        proxy.set_delay(std::time::Duration::ZERO, std::time::Duration::from_millis(20));
        proxy.reset_counts();
        let rows = (0..40_000).map(|n| (n, "some text"));
        connection.copy_in("t", &["n", "s"]).rows(rows).await.unwrap();
        let pieces: String = proxy.flights().concat();
        assert!(pieces.starts_with("DPBEdddd") && pieces.ends_with("ddcS"), "{pieces}");
    });
}

#[test]
fn a_column_that_changed_its_type_is_noticed_before_a_value_is_taken_for_another() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let mut connection = connect(database).await;
        connection.copy_in("t", &["n"]).rows([(1,)]).await.unwrap();
        assert_eq!(
            connection.copy_out("t", &["n"]).each(|c| c.next::<i32>().map(drop)).await.unwrap(),
            1
        );
        // Of the same size: 1 would be 1.4e-45.
        database.run("alter table t alter n type float4").unwrap();
        let error = connection.copy_in("t", &["n"]).rows([(1,)]).await.unwrap_err();
        assert!(error.is_stale_statement(), "{error}");
        assert!(error.to_string().contains("the columns have changed"), "{error}");
        let error = connection.copy_in("t", &["n"]).rows([(1,)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode, "{error}");
        assert_eq!(connection.copy_in("t", &["n"]).rows([(2.5_f32,)]).await.unwrap(), 1);
        // Out, nothing is lost by asking again.
        database.run("alter table t alter n type int8").unwrap();
        let mut sum = 0;
        let copy = connection.copy_out("t", &["n"]);
        copy.each(|columns| {
            sum += columns.next::<i64>()?;
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(sum, 3, "2.5 becomes 2 by the server's rounding");
    });
}

#[test]
fn progress_is_told_and_options_are_kept() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let mut connection = connect(database).await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let observe = || {
            let told = Arc::clone(&told);
            move |progress: CopyProgress| told.lock().unwrap().push(progress)
        };
        let options = CopyOptions::new().filter_sql("n % 2 = 0");
        let rows = (0..20_000).map(|n| (n, "some text"));
        let copy = connection.copy_in("t", &[]).options(options).progress(observe());
        assert_eq!(copy.rows(rows).await.unwrap(), 10_000);
        let seen = std::mem::take(&mut *told.lock().unwrap());
        // 19 bytes a row, and the count of 2: 20 000 rows are some 7 pieces.
        assert!((5..12).contains(&seen.len()), "{seen:?}");
        assert!(seen.windows(2).all(|two| two[0].bytes <= two[1].bytes), "{seen:?}");
        assert_eq!(seen.last().unwrap().rows, 10_000, "what the server has stored");
        let bytes = seen.last().unwrap().bytes;
        assert_eq!(bytes, 19 + 20_000 * (2 + 8 + 4 + 9) + 2);

        let copy = connection.copy_out("t", &[]).progress(observe());
        assert_eq!(copy.each(|_| Ok(())).await.unwrap(), 10_000);
        let seen = told.lock().unwrap().clone();
        assert_eq!(seen.last().unwrap().rows, 10_000);
        assert_eq!(seen.last().unwrap().bytes, 19 + 10_000 * (2 + 8 + 4 + 9) + 2);
    });
}

#[test]
fn commands_of_the_callers_own_need_types_for_rows() {
    with_database(async |database| {
        database.run("create table t (n int8)").unwrap();
        let mut connection = connect(database).await;
        let command = "copy t from stdin (format binary)";
        let error = connection.copy_in_sql(command).rows([(1_i64,)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let told = connection.copy_in_sql(command).types([Oid::INT8]);
        assert_eq!(told.rows([(1_i64,), (2,)]).await.unwrap(), 2);
        let told = connection.copy_out_sql("copy t to stdout binary").types([Oid::INT8]);
        let mut rows = told.rows::<(i64,)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some((1,)));
        drop(rows);
        for command in ["select 1", "copy t to stdout", ""] {
            let wrong = connection.copy_in_sql(command).types([Oid::INT8]);
            let error = wrong.rows([(1_i64,)]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{command}: {error}");
            assert!(error.to_string().contains("no COPY FROM STDIN"), "{error}");
        }
        for command in ["select 1", "", "insert into t values (3)"] {
            let error = connection.copy_out_sql(command).reader().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{command}: {error}");
        }
        let error = connection.copy_out_sql(command).reader().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (3,)
        );
    });
}

#[test]
fn a_stream_that_waits_hears_of_an_error_at_once() {
    with_database(async |database| {
        database.run("create table t (n int check (n < 10000))").unwrap();
        let mut connection = connect(database).await;
        // Enough for a piece to go out, and then nothing for ever.
        let mut rows: VecDeque<_> = (0..20_000).map(|n| (n,)).collect();
        let copy = connection.copy_in("t", &[]);
        let error = copy
            .stream(|_| match rows.pop_front() {
                Some(row) => Poll::Ready(Some(row)),
                None => Poll::Pending,
            })
            .await
            .unwrap_err();
        assert_eq!(error.sqlstate(), Some(stellata_client::SqlState::CHECK_VIOLATION));
        assert_eq!(error.row(), Some(10_001));
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (0,)
        );
    });
}

#[test]
fn rows_pass_as_streams_from_one_table_to_another() {
    with_database(async |database| {
        database
            .run(
                "create table source (n int, s text); create table target (n int, s text);
                 insert into source select n, repeat('x', n % 100) from generate_series(1, 20000) n",
            )
            .unwrap();
        let (mut from, mut to) = (connect(database).await, connect(database).await);
        let mut rows = from.copy_out("source", &[]).rows::<(i32, String)>().await.unwrap();
        let copied = to.copy_in("target", &[]).from_stream(Unfailing(&mut rows)).await.unwrap();
        assert_eq!(copied, 20_000);
        // At its end it stays there.
        assert!(next(&mut rows).await.is_none() && next(&mut rows).await.is_none());
        let differ = "select count(*) from (table source except table target) rows";
        assert_eq!(to.query_one::<(i64,)>(differ, ()).await.unwrap(), (0,));

        // The first error ends it.
        let copy = from.copy_out_query("select 1 / (3 - n) from generate_series(1, 5) n");
        let mut rows = copy.rows::<(i32,)>().await.unwrap();
        assert_eq!(next(&mut rows).await.unwrap().unwrap(), (0,));
        assert_eq!(next(&mut rows).await.unwrap().unwrap(), (1,));
        let error = next(&mut rows).await.unwrap().unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "22012");
        assert!(next(&mut rows).await.is_none());
        drop(rows);
        assert_eq!(from.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));

        // An error of the server is seen while no row is there.
        to.execute("truncate target", ()).await.unwrap();
        to.execute("alter table target add check (n <> 1)", ()).await.unwrap();
        let many = (0..10_000).map(|n| (n, "x".repeat(20)));
        let copied = to.copy_in("target", &[]).from_stream(ThenNothing(many)).await;
        assert_eq!(copied.unwrap_err().row(), Some(2));
    });
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// The rows of a stream that does not fail.
struct Unfailing<S>(S);

impl<S: Stream<Item = Result<R, stellata_client::Error>> + Unpin, R> Stream for Unfailing<S> {
    type Item = R;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        Pin::new(&mut self.0).poll_next(cx).map(|row| row.map(Result::unwrap))
    }
}

/// Rows behind which nothing comes, nor an end.
struct ThenNothing<I>(I);

impl<I: Iterator + Unpin> Stream for ThenNothing<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        self.0.next().map_or(Poll::Pending, |row| Poll::Ready(Some(row)))
    }
}

#[test]
fn tables_and_schemas_with_dots_in_their_names_are_copied() {
    with_database(async |database| {
        database
            .run(
                "create schema \"music.old\"; create table \"music.old\".\"v1.2\" (n int check (n > 0));
                 create table \"v1.2\" (s text); create schema music; create table music.v (n int)",
            )
            .unwrap();
        let mut connection = connect(database).await;
        let pair = ("music.old", "v1.2");
        assert_eq!(connection.copy_in(pair, &["n"]).rows([(1,), (2,)]).await.unwrap(), 2);
        let named = CopyTable::named("v1.2");
        assert_eq!(connection.copy_in(named.clone(), &[]).rows([("a",)]).await.unwrap(), 1);
        let dotted = String::from("music.v");
        assert_eq!(connection.copy_in(&dotted, &[]).rows([(5,)]).await.unwrap(), 1);
        let mut rows = connection.copy_out(pair, &[]).rows::<(i32,)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some((1,)));
        drop(rows);
        let mut rows = connection.copy_out(named, &["s"]).rows::<(String,)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some(("a".to_owned(),)));
        drop(rows);
        let mut bytes = Vec::new();
        assert_eq!(connection.copy_out("music.v", &[]).write_to(&mut bytes).await.unwrap(), 1);
        // The server's own word for the table is found in what it says.
        let error = connection.copy_in(pair, &[]).rows([(1,), (-1,)]).await.unwrap_err();
        assert_eq!(error.row(), Some(2), "{error:#}");
    });
}
