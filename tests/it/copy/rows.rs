//! Rows of values.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use stellata_client::{CopyFields, CopyOptions, CopyProgress, CopyRow, ErrorKind};
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
