//! Consumers that are slow, servers that are silent, buffers that are full.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stellata_client::replication::{Event, LogicalOptions, ReplicationConnection};
use stellata_client::{Config, ErrorKind};
use stellata_testkit::{Database, Ending, Proxy, Reply, run_within};

use super::{connect, one, with_notes, with_slot};

#[test]
fn a_slow_consumer_holds_the_server_back_and_no_memory_grows() {
    with_notes(async |database| {
        held_back(database, &database.url()).await;
        held_back(database, &database.tcp_url()).await;
    });
}

async fn held_back(database: &Database, url: &str) {
    database.run("truncate notes").unwrap();
    let (_, options) = with_slot(database).await;
    let mut replication = connect(url).await;
    database
        .run("insert into notes select n, repeat('x', 2000) from generate_series(1, 20000) n")
        .unwrap();
    // A report at every opportunity, so that both ways are busy.
    let options = options.with_status_interval(Duration::ZERO);
    let mut stream = replication.start_logical(&options).await.unwrap();
    let mut rows = 0;
    loop {
        match stream.next().await.unwrap().unwrap().event {
            Event::Insert(insert) => {
                assert_eq!(insert.new.get::<&str>("body").unwrap().len(), 2000);
                rows += 1;
                if rows % 4000 == 0 {
                    stream.tend(tokio::time::sleep(Duration::from_millis(50))).await;
                }
            }
            Event::Commit(commit) => {
                stream.confirm(commit.end_lsn);
                break;
            }
            _ => {}
        }
    }
    stream.finish().await.unwrap();
    assert_eq!(rows, 20_000);
    // 40 MB have passed.
    assert!(replication.buffered() < 512 * 1024, "{} bytes", replication.buffered());
}

/// Reads messages up to the first of a kind, and returns its body.
fn read_to(socket: &mut TcpStream, wanted: u8) -> Vec<u8> {
    loop {
        let mut head = [0; 5];
        socket.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        socket.read_exact(&mut body).unwrap();
        if head[0] == wanted {
            return body;
        }
    }
}

/// A stream whose messages come and come while nothing is read of what goes the other way. Every keepalive asks for an answer.
#[test]
fn a_stream_goes_on_while_the_way_to_the_server_is_full_and_rests_when_nothing_comes() {
    const KEEPALIVES: u64 = 400_000;
    let keepalive = |end: u64| {
        let body = [&b"k"[..], &end.to_be_bytes(), &[0; 8], &[1]].concat();
        Reply::new().copy_data(&body)
    };
    let piece = |message: &[u8]| Reply::new().copy_data(&[&b"w"[..], &[0; 24], message].concat());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me@{}/any?sslmode=disable", listener.local_addr().unwrap());
    let (go_on, goes_on) = mpsc::channel();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        socket.read_exact(&mut length).unwrap();
        let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
        socket.read_exact(&mut startup).unwrap();
        socket.write_all(Reply::logged_in().bytes()).unwrap();
        read_to(&mut socket, b'Q');
        socket.write_all(Reply::new().copy('W', 0).bytes()).unwrap();
        for end in 1..=KEEPALIVES {
            socket.write_all(keepalive(end).bytes()).unwrap();
        }
        socket.write_all(piece(&[&b"B"[..], &[0; 20]].concat()).bytes()).unwrap();
        // Now it waits, and reads nothing.
        goes_on.recv().unwrap();
        let (mut told, mut last) = (0, 0);
        while last < KEEPALIVES {
            let status = read_to(&mut socket, b'd');
            assert_eq!((status.len(), status[0]), (34, b'r'));
            let now = u64::from_be_bytes(status[1..9].try_into().unwrap());
            assert!(now >= last);
            (told, last) = (told + 1, now);
        }
        socket.write_all(piece(&[&b"C"[..], &[0; 25]].concat()).bytes()).unwrap();
        goes_on.recv().unwrap();
        told
    });
    let told = run_within(Duration::from_secs(60), async move {
        let config = Config::parse(&url).unwrap();
        let mut replication = ReplicationConnection::connect(&config).await.unwrap();
        let options = LogicalOptions::new("any", ["any"]).with_status_interval(Duration::ZERO);
        let mut stream = replication.start_logical(&options).await.unwrap();
        let first = stream.next().await.unwrap().unwrap().event;
        assert!(matches!(first, Event::Begin(_)), "{first:?}");
        let mut polls = 0;
        {
            let mut next = pin!(stream.next());
            let counted = poll_fn(|cx| {
                polls += 1;
                next.as_mut().poll(cx).map(drop)
            });
            let waited = tokio::time::timeout(Duration::from_millis(400), counted).await;
            assert!(waited.is_err(), "there was something to read");
        }
        assert!(polls < 100, "it was polled {polls} times while nothing came");
        go_on.send(()).unwrap();
        let second = stream.next().await.unwrap().unwrap().event;
        assert!(matches!(second, Event::Commit(_)), "{second:?}");
        go_on.send(()).unwrap();
        drop(stream);
        assert!(replication.buffered() < 512 * 1024, "{} bytes", replication.buffered());
        tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap()
    });
    println!("{told} reports of {KEEPALIVES}");
    assert!(told < KEEPALIVES, "the way to the server was never full");
}

#[test]
fn a_consumer_that_tends_is_not_taken_for_dead() {
    with_notes(async |database| {
        database
            .run(&format!(
                "alter database \"{}\" set wal_sender_timeout = '600ms'",
                database.name()
            ))
            .unwrap();
        let (mut replication, options) = with_slot(database).await;
        assert_eq!(replication.show("wal_sender_timeout").await.unwrap(), "600ms");
        let options = options.with_status_interval(Duration::from_millis(100));
        database.run("insert into notes values (1, 'a')").unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        loop {
            if let Event::Commit(_) = stream.next().await.unwrap().unwrap().event {
                break;
            }
        }
        stream.tend(tokio::time::sleep(Duration::from_millis(2500))).await;
        // Waiting for what comes is enough too.
        let waited = tokio::time::timeout(Duration::from_millis(1500), stream.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        database.run("insert into notes values (2, 'b')").unwrap();
        loop {
            if let Event::Insert(insert) = stream.next().await.unwrap().unwrap().event {
                assert_eq!(insert.new.get::<i64>("id").unwrap(), 2);
                break;
            }
        }
        stream.finish().await.unwrap();
    });
}

#[test]
fn a_consumer_that_sleeps_too_long_is_told_so_and_resumes() {
    with_notes(async |database| {
        database
            .run(&format!(
                "alter database \"{}\" set wal_sender_timeout = '300ms'",
                database.name()
            ))
            .unwrap();
        let (mut replication, options) = with_slot(database).await;
        database.run("insert into notes values (1, 'a')").unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        stream.next().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let error = loop {
            match stream.next().await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.is_fatal(), "{error:?}");
        drop(stream);
        assert!(replication.is_closed());
        let mut replication = connect(&database.url()).await;
        let mut stream = replication.start_logical(&options).await.unwrap();
        loop {
            if let Event::Insert(_) = stream.next().await.unwrap().unwrap().event {
                break;
            }
        }
    });
}

#[test]
fn a_silent_network_is_found_out() {
    with_notes(async |database| {
        let (_, options) = with_slot(database).await;
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut replication = ReplicationConnection::connect(&config).await.unwrap();
        let options = options.with_silence(Duration::from_millis(600));
        let mut stream = replication.start_logical(&options).await.unwrap();
        // A server that has nothing to tell answers when it is asked.
        let waited = tokio::time::timeout(Duration::from_millis(2000), stream.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        proxy.sever(Ending::Silence);
        let error = stream.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        drop(stream);
        assert!(replication.is_closed());
    });
}

#[test]
fn a_stream_is_ended_in_the_middle_of_a_large_transaction() {
    with_notes(async |database| {
        let (replication, options) = with_slot(database).await;
        replication.close().await;
        database
            .run("insert into notes select n, repeat('x', 2000) from generate_series(1, 10000) n")
            .unwrap();
        for way in 0..4 {
            let mut replication = connect(&database.url()).await;
            let mut stream = replication.start_logical(&options).await.unwrap();
            for _ in 0..100 {
                stream.next().await.unwrap().unwrap();
            }
            if way % 2 == 0 {
                stream.finish().await.unwrap();
            } else {
                drop(stream);
            }
            assert!(replication.identify_system().await.is_ok());
        }
        // None of it was confirmed.
        let mut replication = connect(&database.url()).await;
        let mut stream = replication.start_logical(&options).await.unwrap();
        let mut rows = 0;
        loop {
            match stream.next().await.unwrap().unwrap().event {
                Event::Insert(_) => rows += 1,
                Event::Commit(_) => break,
                _ => {}
            }
        }
        assert_eq!(rows, 10_000);
    });
}

#[test]
fn an_error_inside_a_stream_is_told_and_the_connection_stays() {
    with_notes(async |database| {
        let (mut replication, _) = with_slot(database).await;
        let (mut replication_too, options) = with_slot(database).await;
        drop(options);
        let slot = super::slot_name();
        let made = stellata_client::replication::NewSlot::logical(&slot);
        replication.create_slot(&made).await.unwrap();
        let options = LogicalOptions::new(&slot, ["not there", "everything"]);
        database.run("insert into notes values (1, 'a')").unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        // Some servers pass over a publication that is not there, with a warning.
        let found = loop {
            match stream.next().await {
                Ok(Some(message)) if matches!(message.event, Event::Commit(_)) => break None,
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = found {
            assert_eq!(error.sqlstate().unwrap().as_str(), "42704", "{error:?}");
            assert!(error.to_string().contains("not there"), "{error}");
        } else {
            assert!(database.version() >= 18);
        }
        drop(stream);
        replication.identify_system().await.unwrap();
        replication_too.identify_system().await.unwrap();
        assert_eq!(one(database, "select count(*) from notes"), "1");
    });
}
