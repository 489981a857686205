//! The log as a stream of bytes.

use std::time::Duration;

use stellata_client::replication::{Lsn, NewSlot, PhysicalOptions, PhysicalStream};
use stellata_testkit::{Server, run_within, sql};

use super::{connect, one, slot_name, with_notes};

#[test]
fn the_logs_bytes_are_those_of_the_servers_disk() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let slot = slot_name();
        replication.create_slot(&NewSlot::physical(&slot, true).temporary()).await.unwrap();
        // From the beginning of a segment, so that a file of the server can be laid beside it.
        let start: Lsn = replication.identify_system().await.unwrap().position;
        let start = Lsn(start.0 & !(16 * 1024 * 1024 - 1));
        database
            .run("insert into notes select n, repeat('x', 300) from generate_series(1, 5000) n")
            .unwrap();
        let end: Lsn = one(database, "select pg_current_wal_flush_lsn()").parse().unwrap();
        let options = PhysicalOptions::new(start).with_slot(&slot).with_timeline(1);
        let mut stream = replication.start_physical(&options).await.unwrap();
        let (mut bytes, mut at) = (Vec::new(), start);
        while at < end {
            let piece = stream.next().await.unwrap().unwrap();
            assert_eq!(piece.position, at, "a piece goes on where the one before ended");
            assert!(piece.bytes.len() <= 128 * 1024 && piece.log_end >= piece.end());
            bytes.extend_from_slice(piece.bytes);
            at = piece.end();
            stream.confirm(at);
        }
        assert_eq!(stream.finish().await.unwrap(), None);
        let length = usize::try_from(end.0 - start.0).unwrap().min(16 * 1024 * 1024);
        let file = format!(
            "select encode(pg_read_binary_file('pg_wal/' || pg_walfile_name('{start}'::pg_lsn + 1), 0, {length}), 'hex')"
        );
        let hex: String = bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(one(database, &file) == hex, "the bytes differ");

        // What is confirmed, the slot lets go.
        let kept = format!(
            "select restart_lsn >= '{end}' from pg_replication_slots where slot_name = '{slot}'"
        );
        let moved = async {
            while one(database, &kept) != "t" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), moved).await.unwrap();
        replication.identify_system().await.unwrap();
    });
}

#[test]
fn a_log_that_is_gone_is_an_error_and_the_connection_stays() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let error = async {
            let mut stream =
                replication.start_physical(&PhysicalOptions::new(Lsn(0x10_0000))).await?;
            stream.next().await.map(|_| ())
        };
        let error = error.await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "58P01", "{error:?}");
        replication.identify_system().await.unwrap();
    });
}

/// Reads to the end of a stream, whose pieces go on where the one before ended. Returns where that was.
async fn read_to_end(stream: &mut PhysicalStream<'_>, start: Lsn) -> Lsn {
    let mut at = start;
    while let Some(piece) = stream.next().await.unwrap() {
        assert_eq!(piece.position, at);
        at = piece.end();
    }
    at
}

#[test]
fn the_end_of_a_timeline_tells_where_the_log_goes_on() {
    let primary = Server::start(super::options()).unwrap();
    let standby = primary.start_standby().unwrap();
    run_within(Duration::from_secs(120), async {
        let write = |server: &Server| {
            let sql = "create table if not exists t (n int); insert into t select generate_series(1, 2000)";
            sql::run(server.endpoint(), "postgres", sql).unwrap();
        };
        let position =
            sql::run(primary.endpoint(), "postgres", "select pg_current_wal_flush_lsn()");
        let start: Lsn = position.unwrap()[0][0].as_deref().unwrap().parse().unwrap();
        let start = Lsn(start.0 & !0x1fff);
        write(&primary);
        primary.wait_for_standby(&standby).unwrap();

        // A stream that is under way when the standby becomes a primary.
        let mut replication = connect(&standby.url("postgres")).await;
        assert_eq!(replication.identify_system().await.unwrap().timeline, 1);
        let mut stream = replication.start_physical(&PhysicalOptions::new(start)).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(first.position, start);
        let after = first.end();
        let promoting = tokio::task::spawn_blocking(move || {
            standby.promote().unwrap();
            standby
        });
        let end = read_to_end(&mut stream, after).await;
        let next = stream.finish().await.unwrap().unwrap();
        let standby = promoting.await.unwrap();
        assert_eq!((next.timeline, next.start), (2, end));

        // The connection goes on: with the history, and with the log behind it.
        assert_eq!(replication.identify_system().await.unwrap().timeline, 2);
        let history = replication.timeline_history(2).await.unwrap();
        assert_eq!(history.file_name, "00000002.history");
        assert!(history.content.starts_with(&format!("1\t{}\t", next.start)), "{history:?}");
        let begin = Lsn(next.start.0 & !0x1fff);
        let options = PhysicalOptions::new(begin).with_timeline(next.timeline);
        let mut stream = replication.start_physical(&options).await.unwrap();
        write(&standby);
        let piece = stream.next().await.unwrap().unwrap();
        assert!(piece.position == begin && piece.end() > next.start);
        assert_eq!(stream.finish().await.unwrap(), None, "this timeline has no end");

        // And one that begins when all is over.
        let options = PhysicalOptions::new(start).with_timeline(1);
        let mut stream = replication.start_physical(&options).await.unwrap();
        assert_eq!(read_to_end(&mut stream, start).await, end);
        assert_eq!(stream.finish().await.unwrap(), Some(next));
        assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
    });
}
