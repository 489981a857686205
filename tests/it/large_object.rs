//! Large objects.

use std::io::SeekFrom;

use stellata_client::{Config, Connection, ErrorKind, LargeObjectMode};
use stellata_protocol::Oid;
use stellata_testkit::{Database, Proxy, Server, with_database};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::dropped::poll_in_turns;
use LargeObjectMode::{Read, ReadWrite};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// Bytes among which a place can be told from every other.
fn bytes(count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| n.to_be_bytes()).collect()
}

#[test]
fn an_object_is_written_and_read_in_parts() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("begin", ()).await.unwrap();
        let oid = connection.create_large_object().await.unwrap();
        let data = bytes(200_000);
        let mut object = connection.open_large_object(oid, ReadWrite).await.unwrap();
        object.write_all(&data).await.unwrap();
        assert_eq!(object.position(), 800_000);
        assert_eq!(object.size().await.unwrap(), 800_000);
        assert_eq!(object.position(), 800_000, "asking for the size moves nothing");
        assert_eq!(object.read(&mut [0; 10]).await.unwrap(), 0, "the end");

        assert_eq!(object.seek(SeekFrom::End(-8)).await.unwrap(), 799_992);
        let mut last = Vec::new();
        assert_eq!(object.read_to_end(&mut last).await.unwrap(), 8);
        assert_eq!(last, data[799_992..]);
        object.seek(SeekFrom::Start(4_000)).await.unwrap();
        object.seek(SeekFrom::Current(-4)).await.unwrap();
        let mut part = [0; 100];
        assert_eq!(object.read(&mut part).await.unwrap(), 100);
        assert_eq!(part, data[3_996..4_096]);
        assert_eq!(
            object.seek(SeekFrom::Current(-5_000)).await.unwrap_err().kind(),
            ErrorKind::Usage
        );
        assert_eq!(object.position(), 4_096);

        object.truncate(10).await.unwrap();
        object.truncate(12).await.unwrap();
        object.seek(SeekFrom::Start(0)).await.unwrap();
        let mut rest = Vec::new();
        object.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest[..10], data[..10]);
        assert_eq!(rest[10..], [0, 0]);
        object.seek(SeekFrom::Start(1)).await.unwrap();
        object.write_all(b"between").await.unwrap();
        object.close().await.unwrap();
        connection.execute("commit", ()).await.unwrap();

        let (stored,): (Vec<u8>,) =
            connection.query_one("select lo_get($1)", (oid,)).await.unwrap();
        assert_eq!(&stored[..9], b"\0between\0");
        connection.unlink_large_object(oid).await.unwrap();
        let error = connection.unlink_large_object(oid).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().to_string(), "42704");
    });
}

#[test]
fn mistakes_are_told_clearly() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let oid = Oid(778_899);
        connection.create_large_object_as(oid).await.unwrap();
        let error = connection.create_large_object_as(oid).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        let error = connection.open_large_object(oid, Read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("begin one first"), "{error}");
        connection.execute("begin", ()).await.unwrap();
        let error = connection.open_large_object(Oid(778_900), Read).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().to_string(), "42704");
        connection.execute("rollback", ()).await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        let mut object = connection.open_large_object(oid, Read).await.unwrap();
        let error = object.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        let error = object.truncate(u64::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        connection.execute("rollback", ()).await.unwrap();
    });
}

#[test]
fn a_call_that_is_dropped_does_not_move_the_position() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("begin", ()).await.unwrap();
        let oid = connection.create_large_object().await.unwrap();
        let data = bytes(30_000);
        let mut object = connection.open_large_object(oid, ReadWrite).await.unwrap();
        object.write_all(&data).await.unwrap();
        object.seek(SeekFrom::Start(0)).await.unwrap();
        let mut at = 0_usize;
        for round in 0..50_usize {
            let mut lost = vec![0; 1_000];
            if let Some(read) = poll_in_turns(round % 4, object.read(&mut lost)).await {
                at += read.unwrap();
            }
            let mut part = [0; 40];
            assert_eq!(object.read(&mut part).await.unwrap(), 40);
            assert_eq!(part, data[at..at + 40], "round {round}");
            at += 40;
        }
        connection.execute("rollback", ()).await.unwrap();
    });
}

#[test]
fn seeking_costs_no_trip() {
    with_database(async |database| {
        let proxy = Proxy::start(Server::shared().unwrap().tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        let oid = connection.create_large_object().await.unwrap();
        let mut object = connection.open_large_object(oid, ReadWrite).await.unwrap();
        object.write_all(&bytes(1_000)).await.unwrap();
        object.seek(SeekFrom::Start(40)).await.unwrap();
        object.read(&mut [0; 40]).await.unwrap();
        proxy.reset_counts();
        for place in [8, 400, 800] {
            object.seek(SeekFrom::Start(place)).await.unwrap();
            let mut number = [0; 4];
            object.read(&mut number).await.unwrap();
            assert_eq!(u64::from(u32::from_be_bytes(number)), place / 4);
        }
        assert_eq!(proxy.counts().round_trips, 3);
    });
}

#[test]
fn it_is_a_stream_of_tokio() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("begin", ()).await.unwrap();
        let oid = connection.create_large_object().await.unwrap();
        let data = bytes(250_000);
        let object = connection.open_large_object(oid, ReadWrite).await.unwrap();
        let mut stream = object.into_stream();
        tokio::io::copy(&mut &data[..], &mut stream).await.unwrap();
        stream.seek(SeekFrom::Start(0)).await.unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        assert!(back == data);

        // Reading and writing by turns: what was read ahead is given up.
        stream.seek(SeekFrom::Start(100)).await.unwrap();
        let mut number = [0; 4];
        stream.read_exact(&mut number).await.unwrap();
        assert_eq!(number, 25_u32.to_be_bytes());
        stream.write_all(b"four").await.unwrap();
        stream.read_exact(&mut number).await.unwrap();
        assert_eq!(number, 27_u32.to_be_bytes());
        assert_eq!(stream.seek(SeekFrom::Current(0)).await.unwrap(), 112);
        assert_eq!(stream.seek(SeekFrom::End(-4)).await.unwrap(), 999_996);
        stream.write_all(b"last").await.unwrap();
        let object = stream.into_object().await.unwrap();
        assert_eq!(object.position(), 1_000_000);
        connection.execute("commit", ()).await.unwrap();
        let (stored,): (Vec<u8>,) =
            connection.query_one("select lo_get($1)", (oid,)).await.unwrap();
        assert_eq!((&stored[104..108], &stored[999_996..]), (&b"four"[..], &b"last"[..]));
    });
}
