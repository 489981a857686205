//! A session inside TLS is as good as one in plain: large answers and questions, what comes unasked, and every end.

use std::time::Duration;

use stellata_client::{Connection, ErrorKind, SqlState, SslMode};
use stellata_testkit::{Cut, Direction, Ending, Pipe, Proxy, with_database_on};

use super::server::{config, shared};
use super::trusting;

async fn connect(database: &stellata_testkit::Database) -> Connection {
    let config = config(database, "postgres", trusting(SslMode::VerifyFull));
    Connection::connect(&config).await.unwrap()
}

#[test]
fn large_answers_and_large_questions() {
    with_database_on(shared(), async |database| {
        let mut connection = connect(database).await;
        for size in [1, 16_383, 16_384, 16_385, 40_000, 5_000_000] {
            let sent: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
            let (back,): (Vec<u8>,) =
                connection.query_one("select $1::bytea", (&sent,)).await.unwrap();
            assert!(back == sent, "{size}");
        }
        let sql = "select n, repeat('x', n % 2000) from generate_series(1, 20000) n";
        let rows = connection.query::<(i32, String)>(sql, ()).await.unwrap();
        assert_eq!(rows.len(), 20_000);
        assert!(rows.iter().all(|(n, text)| text.len() == (*n % 2000) as usize));
    });
}

/// The same session over pieces of one byte and more: no record is taken for more or less than it is.
#[test]
fn however_the_stream_is_cut() {
    with_database_on(shared(), async |database| {
        for chunk in [1, 2, 7, 1000] {
            let address = ("127.0.0.1", database.tcp().port());
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let config = config(database, "postgres", trusting(SslMode::VerifyFull));
            let mut connection =
                Connection::over(Pipe::new(stream).chunks(chunk), &config).await.unwrap();
            assert!(connection.is_encrypted());
            let text = "x".repeat(if chunk < 10 { 2_000 } else { 100_000 });
            let (back,): (String,) =
                connection.query_one("select $1::text", (&*text,)).await.unwrap();
            assert!(back == text, "{chunk}");
            connection.close().await;
        }
    });
}

#[test]
fn what_comes_unasked_is_found_though_it_is_decrypted_already() {
    with_database_on(shared(), async |database| {
        let mut listening = connect(database).await;
        let mut talking = connect(database).await;
        listening.execute("listen channel", ()).await.unwrap();
        for n in 0..100 {
            talking.execute(&format!("notify channel, '{n}'"), ()).await.unwrap();
        }
        let mut heard = 0;
        while heard < 100 {
            assert!(listening.is_alive());
            while let Some(notification) = listening.pop_notification() {
                assert_eq!(&*notification.payload, heard.to_string());
                heard += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(listening.is_quiet());
    });
}

#[test]
fn an_answer_that_nobody_waits_for_is_passed_over() {
    with_database_on(shared(), async |database| {
        let mut connection = connect(database).await;
        for wait in [0, 1, 5] {
            let asking = connection.query::<(i32, String)>(
                "select n, repeat('x', 1000) from generate_series(1, 5000) n",
                (),
            );
            let _ = tokio::time::timeout(Duration::from_millis(wait), asking).await;
            let (seven,): (i32,) = connection.query_one("select 7", ()).await.unwrap();
            assert_eq!(seven, 7);
        }
    });
}

#[test]
fn the_servers_goodbye_is_heard() {
    with_database_on(shared(), async |database| {
        let mut connection = connect(database).await;
        let pid = connection.process_id().unwrap();
        database.run(&format!("select pg_terminate_backend({pid}, 10000)")).unwrap();
        let error = connection.query::<(i32,)>("select 1", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::ADMIN_SHUTDOWN), "{error:?}");
        assert!(connection.is_closed());
        assert!(!connection.is_alive());
    });
}

/// A stream that is cut off, in the middle of a record or between two, is the connection's end, and nothing else.
#[test]
fn a_stream_that_is_cut_off_ends_the_connection() {
    with_database_on(shared(), async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let through =
            config(database, "postgres", trusting(SslMode::VerifyFull)).with_port(proxy.port());
        for ending in [Ending::Close, Ending::Reset] {
            for after in [0, 1, 5, 100, 10_000, 100_000] {
                let mut connection = Connection::connect(&through).await.unwrap();
                proxy.cut(Cut::new(Direction::ToClient, after, ending));
                let sql = "select n, repeat('x', 1000) from generate_series(1, 5000) n";
                let error = connection.query::<(i32, String)>(sql, ()).await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::Io), "{error:?}");
                assert!(connection.is_closed(), "{after} {ending:?}");
            }
        }
    });
}
