//! Consumers that are slow, servers that are silent, buffers that are full.

use std::time::Duration;

use stellata_client::replication::Event;
use stellata_client::{Config, ErrorKind};
use stellata_testkit::{Ending, Proxy};

use super::{connect, one, with_notes, with_slot};

#[test]
fn a_slow_consumer_holds_the_server_back_and_no_memory_grows() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
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
    });
}

#[test]
fn a_consumer_that_tends_is_not_taken_for_dead() {
    with_notes(async |database| {
        database
            .run(&format!("alter database \"{}\" set wal_sender_timeout = '2s'", database.name()))
            .unwrap();
        let (mut replication, options) = with_slot(database).await;
        assert_eq!(replication.show("wal_sender_timeout").await.unwrap(), "2s");
        let options = options.with_status_interval(Duration::from_millis(100));
        database.run("insert into notes values (1, 'a')").unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        loop {
            if let Event::Commit(_) = stream.next().await.unwrap().unwrap().event {
                break;
            }
        }
        stream.tend(tokio::time::sleep(Duration::from_secs(5))).await;
        // Waiting for what comes is enough too.
        let waited = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
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
            .run(&format!("alter database \"{}\" set wal_sender_timeout = '2s'", database.name()))
            .unwrap();
        let (mut replication, options) = with_slot(database).await;
        database.run("insert into notes values (1, 'a')").unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        stream.next().await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let error = loop {
            match stream.next().await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.is_fatal(), "{error:?}");
        drop(stream);
        assert!(replication.is_closed());
        // The next one has all the time that it needs.
        let reset = format!("alter database \"{}\" reset wal_sender_timeout", database.name());
        database.run(&reset).unwrap();
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
        let mut replication =
            stellata_client::replication::ReplicationConnection::connect(&config).await.unwrap();
        let options = options.with_silence(Duration::from_secs(2));
        let mut stream = replication.start_logical(&options).await.unwrap();
        // A server that has nothing to tell answers when it is asked.
        let waited = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
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
        let options =
            stellata_client::replication::LogicalOptions::new(&slot, ["not there", "everything"]);
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
