//! Raw data: text, CSV and binary, to and from readers and writers.

use std::io::Cursor;

use stellata_client::{CopyHeader, CopyOptions, ErrorKind};
use stellata_testkit::with_database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{connect, text_of};

/// Texts that mean something to one format or another.
const ODD: [Option<&str>; 12] = [
    None,
    Some(""),
    Some("\\N"),
    Some("\\."),
    Some("NULL"),
    Some("a\tb\nc\rd\\e"),
    Some("quote \" and ' and \"\""),
    Some("comma, semicolon; pipe|"),
    Some(" blanks "),
    Some("äöü 😀"),
    Some("ä"),
    Some("\u{8}\u{c}\u{b}"),
];

#[test]
fn lines_of_every_form_say_what_was_meant() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (n serial, a text, b text)", ()).await.unwrap();
        for options in [
            CopyOptions::text(),
            CopyOptions::text().delimiter('|').null("NULL"),
            CopyOptions::text().null("ä"),
            CopyOptions::csv(),
            CopyOptions::csv().delimiter(';').null("NULL"),
            CopyOptions::csv().quote('\'').escape('\\').null("\\N"),
            CopyOptions::csv().quote('|').escape('\'').delimiter('\t'),
        ] {
            connection.execute("truncate t restart identity", ()).await.unwrap();
            let copy = connection.copy_in("t", &["a", "b"]).options(options.clone());
            let mut writer = copy.writer().unwrap();
            for odd in ODD {
                writer.row([odd, Some("end")]).await.unwrap();
            }
            assert_eq!(writer.finish().await.unwrap(), 12, "{options:?}");
            let back: Vec<(Option<String>, String)> =
                connection.query("select a, b from t order by n", ()).await.unwrap();
            let want = ODD.map(|odd| (odd.map(str::to_owned), "end".to_owned()));
            assert_eq!(back, want, "{options:?}");

            // The server itself does not tell a text that looks like NULL from one, where it writes text.
            if options == CopyOptions::text().delimiter('|').null("NULL")
                || options == CopyOptions::text().null("ä")
            {
                continue;
            }
            // Its own lines come back as they went out.
            let mut data = Vec::new();
            let copy = connection.copy_out("t", &["a", "b"]).options(options.clone());
            assert_eq!(copy.write_to(&mut data).await.unwrap(), 12);
            connection.execute("truncate t restart identity", ()).await.unwrap();
            let copy = connection.copy_in("t", &["a", "b"]).options(options.clone());
            assert_eq!(copy.read_from(&data[..]).await.unwrap(), 12);
            let back: Vec<(Option<String>, String)> =
                connection.query("select a, b from t order by n", ()).await.unwrap();
            assert_eq!(back, want, "{options:?}");
        }
    });
}

#[test]
fn options_reach_the_server_as_they_are() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (a text, b text)", ()).await.unwrap();
        let data = "a;b\n'x''y';NA\n\"NA\";\n";
        let options = CopyOptions::csv()
            .delimiter(';')
            .null("NA")
            .header(CopyHeader::Names)
            .quote('"')
            .escape('\'')
            .encoding("LATIN1");
        let copy = connection.copy_in("t", &[]).options(options.clone());
        assert_eq!(copy.read_from(data.as_bytes()).await.unwrap(), 2);
        let rows: Vec<(Option<String>, Option<String>)> =
            connection.query("select a, b from t", ()).await.unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(rows, [(text("'x''y'"), None), (text("NA"), text(""))]);

        let mut out = Vec::new();
        let options = CopyOptions::csv().header(CopyHeader::Names).force_quote(&["a"]).null("it's");
        connection.copy_out("t", &[]).options(options).write_to(&mut out).await.unwrap();
        assert_eq!(out, b"a,b\n\"'x''y'\",it's\n\"NA\",\n");

        // What does not fit is the server's to say, and does no harm.
        let wrong = CopyOptions::csv().quote('ä');
        let error =
            connection.copy_in("t", &[]).options(wrong).read_from(&b"x"[..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        let hostile = CopyOptions::text().null("'); drop table t; --");
        connection.copy_in("t", &[]).options(hostile).read_from(&b""[..]).await.unwrap();
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (2,)
        );
    });
}

#[test]
fn binary_data_passes_as_bytes() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (n int, s text)", ()).await.unwrap();
        connection
            .execute(
                "insert into t select n, repeat('x', n % 500) from generate_series(1, 5000) n",
                (),
            )
            .await
            .unwrap();
        let mut data = Vec::new();
        let copy = connection.copy_out("t", &[]).options(CopyOptions::binary());
        assert_eq!(copy.write_to(&mut data).await.unwrap(), 5000);
        assert!(data.starts_with(b"PGCOPY\n"));
        connection.execute("create temp table u (like t)", ()).await.unwrap();
        let copy = connection.copy_in("u", &[]).options(CopyOptions::binary());
        assert_eq!(copy.read_from(Cursor::new(data)).await.unwrap(), 5000);
        let same = "select count(*) from t join u using (n, s)";
        assert_eq!(connection.query_one::<(i64,)>(same, ()).await.unwrap(), (5000,));
    });
}

#[test]
fn readers_and_writers_of_tokio_work_with_it() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (n int)", ()).await.unwrap();
        let mut writer = connection.copy_in("t", &[]).writer().unwrap();
        for n in 0..50_000 {
            writer.write_all(format!("{n}\n").as_bytes()).await.unwrap();
        }
        writer.flush().await.unwrap();
        writer.shutdown().await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), 50_000);

        let mut text = String::new();
        let copy = connection.copy_out("t", &[]);
        copy.reader().await.unwrap().read_to_string(&mut text).await.unwrap();
        assert!(text.lines().zip(0..).all(|(line, n)| line == format!("{n}")));
        assert_eq!(text.lines().count(), 50_000);

        let mut reader =
            connection.copy_out_query("select 1 union all select 2").reader().await.unwrap();
        assert_eq!(reader.piece().await.unwrap(), Some(&b"1\n"[..]));
        assert_eq!(reader.piece().await.unwrap(), Some(&b"2\n"[..]));
        assert_eq!(reader.piece().await.unwrap(), None);
        assert_eq!(reader.copied(), 2);
        drop(reader);
        assert_eq!(text_of(&mut connection, "select 3").await, "3\n");
    });
}

#[test]
fn a_reader_or_writer_that_fails_leaves_the_connection_usable() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (n int)", ()).await.unwrap();
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(b"1\n2\n").await.unwrap();
        drop(near);
        assert_eq!(connection.copy_in("t", &[]).read_from(far).await.unwrap(), 2);

        let failing = Cursor::new(b"3\n").chain(Failing);
        let error = connection.copy_in("t", &[]).read_from(failing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stream, "{error}");
        assert!(!error.is_fatal());
        let copy = connection.copy_out_query("select generate_series(1, 100000)");
        let error = copy.write_to(Failing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stream, "{error}");
        assert_eq!(
            connection.query_one::<(i64,)>("select count(*) from t", ()).await.unwrap(),
            (2,)
        );
    });
}

/// A disk that is full, a file that can't be read.
struct Failing;

impl tokio::io::AsyncRead for Failing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(std::io::Error::other("can't be read")))
    }
}

impl tokio::io::AsyncWrite for Failing {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Err(std::io::Error::other("the disk is full")))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
