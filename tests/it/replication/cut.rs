//! Connections cut at many bytes, either way, while transactions are streamed open or told in two phases: every row that was
//! committed is kept once, and no other.

use std::collections::BTreeMap;
use std::time::Duration;

use stellata_client::replication::{
    Event, LogicalOptions, Lsn, NewSlot, ReplicationConnection, StreamingMode,
};
use stellata_client::{Config, Error};
use stellata_testkit::{Cut, Database, Direction, Ending, Proxy};

use super::{connect, slot_name, with_notes, with_notes_since};

/// What a consumer keeps on its disk.
#[derive(Default)]
struct Disk {
    ids: Vec<i64>,
    /// Transactions that are prepared, by the names that their writers gave them.
    prepared: BTreeMap<String, Vec<i64>>,
    /// Up to where all is kept.
    position: Lsn,
    connections: u32,
    /// Parts of open transactions, transactions that were prepared, and what came again.
    parts: u32,
    prepares: u32,
    repeats: u32,
}

impl Disk {
    /// Follows until the row `last` is there, by as many connections as it takes.
    async fn follow(&mut self, config: &Config, options: &LogicalOptions, last: i64) {
        while self.ids.last() != Some(&last) {
            self.connections += 1;
            if self.follow_once(config, options, last).await.is_err() {
                // Until the server has noticed, the slot is in use.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn follow_once(
        &mut self,
        config: &Config,
        options: &LogicalOptions,
        last: i64,
    ) -> Result<(), Error> {
        let mut replication = ReplicationConnection::connect(config).await?;
        let mut stream = replication.start_logical(options).await?;
        // What was open when the connection was lost comes again from its beginning.
        let mut open: BTreeMap<u32, Vec<(u32, i64)>> = BTreeMap::new();
        let (mut part, mut plain) = (None, Vec::new());
        while let Some(message) = stream.next().await? {
            let end = match message.event {
                Event::Begin(_) | Event::BeginPrepare(_) => {
                    plain.clear();
                    continue;
                }
                Event::StreamStart(start) => {
                    assert_eq!(start.is_first, !open.contains_key(&start.xid.0));
                    open.entry(start.xid.0).or_default();
                    part = Some(start.xid.0);
                    self.parts += 1;
                    continue;
                }
                Event::StreamStop => {
                    part = None;
                    continue;
                }
                Event::Insert(insert) => {
                    let id = insert.new.get("id")?;
                    match (part, insert.xid) {
                        (Some(part), Some(xid)) => open.get_mut(&part).unwrap().push((xid.0, id)),
                        (None, None) => plain.push(id),
                        other => panic!("{other:?}"),
                    }
                    continue;
                }
                Event::StreamAbort(abort) => {
                    if abort.xid == abort.subxid {
                        open.remove(&abort.xid.0);
                    } else if let Some(rows) = open.get_mut(&abort.xid.0) {
                        rows.retain(|(xid, _)| *xid != abort.subxid.0);
                    }
                    continue;
                }
                Event::StreamCommit(stream) => {
                    let rows = open.remove(&stream.xid.0).unwrap();
                    self.keep(stream.commit.end_lsn, |disk| {
                        disk.ids.extend(rows.into_iter().map(|(_, id)| id));
                    });
                    stream.commit.end_lsn
                }
                Event::Commit(commit) => {
                    self.keep(commit.end_lsn, |disk| disk.ids.append(&mut plain));
                    commit.end_lsn
                }
                Event::Prepare(prepared) => {
                    let rows = std::mem::take(&mut plain);
                    self.prepare(prepared.end_lsn, prepared.gid, rows);
                    prepared.end_lsn
                }
                Event::StreamPrepare(prepared) => {
                    let rows = open.remove(&prepared.xid.0).unwrap();
                    let rows = rows.into_iter().map(|(_, id)| id).collect();
                    self.prepare(prepared.end_lsn, prepared.gid, rows);
                    prepared.end_lsn
                }
                Event::CommitPrepared(prepared) => {
                    self.keep(prepared.end_lsn, |disk| {
                        let rows = disk.prepared.remove(&*prepared.gid);
                        disk.ids.extend(rows.expect("it was prepared before"));
                    });
                    prepared.end_lsn
                }
                Event::RollbackPrepared(rollback) => {
                    self.keep(rollback.end_lsn, |disk| {
                        disk.prepared.remove(&*rollback.gid).expect("it was prepared before");
                    });
                    rollback.end_lsn
                }
                _ => continue,
            };
            // Some are never confirmed, and come again with the next connection.
            if self.connections.is_multiple_of(2) {
                stream.confirm(end);
            }
            if self.ids.last() == Some(&last) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Keeps what ends at a position, unless it is there already.
    fn keep(&mut self, end: Lsn, keep: impl FnOnce(&mut Self)) {
        if end <= self.position {
            self.repeats += 1;
        } else {
            keep(self);
            self.position = end;
        }
    }

    fn prepare(&mut self, end: Lsn, gid: &str, rows: Vec<i64>) {
        self.prepares += 1;
        self.keep(end, |disk| drop(disk.prepared.insert(gid.to_owned(), rows)));
    }
}

/// More than the server keeps to itself of an open transaction.
fn insert(from: i64) -> String {
    format!(
        "insert into notes select n, repeat('x', 500) from generate_series({from}, {}) n",
        from + 199
    )
}

/// Has `write` write a round of transactions, of which it adds to the list what is to be kept, and follows them over a
/// connection that is cut; for many places of both ways.
async fn cut_at_many_places(
    database: &Database,
    options: &LogicalOptions,
    mut write: impl FnMut(i64, &mut Vec<i64>),
) -> Disk {
    let proxy = Proxy::start(database.tcp()).unwrap();
    let config = Config::parse(&proxy.url(database.name())).unwrap();
    let (mut disk, mut expected, mut cuts) = (Disk::default(), Vec::new(), 0);
    // Login, begin of the stream, and the 300 KB of a round.
    let to_client = (40..1_500).step_by(211).chain((1_500..290_000).step_by(14_423));
    let to_server = (0..700).step_by(67);
    let places = to_client.map(|after| (Direction::ToClient, after));
    for (direction, after) in places.chain(to_server.map(|after| (Direction::ToServer, after))) {
        let ending = if after % 2 == 0 { Ending::Close } else { Ending::Reset };
        write(1 + 10_000 * cuts, &mut expected);
        proxy.cut(Cut::new(direction, after, ending));
        disk.follow(&config, options, *expected.last().unwrap()).await;
        proxy.clear_cut();
        assert_eq!(disk.ids, expected, "{direction:?} cut after {after}");
        cuts += 1;
    }
    assert!(i64::from(disk.connections) > cuts + cuts / 2, "{} connections", disk.connections);
    assert!(disk.repeats > 5, "{} repeats", disk.repeats);
    disk
}

#[test]
fn streamed_transactions_survive_a_cut_at_any_byte() {
    with_notes(async |database| {
        let slot = slot_name();
        connect(&database.url()).await.create_slot(&NewSlot::logical(&slot)).await.unwrap();
        let options = LogicalOptions::new(&slot, ["everything"]).with_streaming(StreamingMode::On);
        let mut session = database.session().unwrap();
        let disk = cut_at_many_places(database, &options, |first, expected| {
            // A large one with a part that is rolled back, one that is rolled back whole, and a small one.
            for statement in [
                "begin",
                &insert(first),
                "savepoint s",
                &insert(first + 1000),
                "rollback to s",
                &insert(first + 2000),
                "commit",
                "begin",
                &insert(first + 3000),
                "rollback",
                &format!("insert into notes values ({}, 'last')", first + 9000),
            ] {
                session.run(statement).unwrap();
            }
            expected.extend((first..first + 200).chain(first + 2000..first + 2200));
            expected.push(first + 9000);
        })
        .await;
        let Disk { connections, parts, repeats, .. } = disk;
        println!("{connections} connections, {parts} parts, {repeats} repeats");
        assert!(parts > 100, "{parts} parts");
    });
}

#[test]
fn transactions_in_two_phases_survive_a_cut_at_any_byte() {
    with_notes_since(15, async |database| {
        let slot = slot_name();
        let new = NewSlot::logical(&slot).two_phase();
        connect(&database.url()).await.create_slot(&new).await.unwrap();
        let options = LogicalOptions::new(&slot, ["everything"])
            .with_streaming(StreamingMode::On)
            .two_phase();
        let mut session = database.session().unwrap();
        let name = database.name().to_owned();
        let disk = cut_at_many_places(database, &options, |first, expected| {
            let gid = |what: &str| format!("{name}_{first}_{what}");
            // Two that are open to the consumer at the same time, a large one and a small one; one that is rolled back; and one
            // that is told as a whole.
            for statement in [
                "begin",
                &insert(first),
                &insert(first + 1000),
                &format!("prepare transaction '{}'", gid("large")),
                "begin",
                &format!("insert into notes values ({}, 'small')", first + 5000),
                &format!("prepare transaction '{}'", gid("small")),
                "begin",
                &insert(first + 3000),
                &format!("prepare transaction '{}'", gid("never")),
                &format!("commit prepared '{}'", gid("small")),
                &format!("rollback prepared '{}'", gid("never")),
                &format!("commit prepared '{}'", gid("large")),
                &format!("insert into notes values ({}, 'last')", first + 9000),
            ] {
                session.run(statement).unwrap();
            }
            expected.push(first + 5000);
            expected.extend((first..first + 200).chain(first + 1000..first + 1200));
            expected.push(first + 9000);
        })
        .await;
        let Disk { connections, prepares, repeats, .. } = disk;
        println!("{connections} connections, {prepares} prepared, {repeats} repeats");
        assert!(disk.prepared.is_empty() && prepares > 100, "{prepares} prepared");
    });
}
