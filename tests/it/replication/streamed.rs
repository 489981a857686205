//! Transactions that are streamed while they are open, and transactions in two phases.

use std::collections::BTreeMap;

use stellata_client::replication::{
    Event, LogicalOptions, LogicalStream, NewSlot, StreamingMode, Xid,
};
use stellata_testkit::Database;

use super::{connect, slot_name, with_notes, with_notes_since};

/// What a consumer keeps of streamed transactions until they are committed: by transaction, each change with the
/// subtransaction that made it.
#[derive(Default)]
struct Kept {
    open: BTreeMap<u32, Vec<(Xid, i64)>>,
    part: Option<u32>,
    committed: Vec<i64>,
    parts: usize,
    aborts: usize,
}

impl Kept {
    /// Follows a stream until `last` is committed.
    async fn follow(&mut self, stream: &mut LogicalStream<'_>, last: i64) {
        let mut plain = Vec::new();
        while self.committed.last() != Some(&last) {
            match stream.next().await.unwrap().unwrap().event {
                Event::StreamStart(start) => {
                    assert_eq!(start.is_first, !self.open.contains_key(&start.xid.0));
                    self.open.entry(start.xid.0).or_default();
                    self.part = Some(start.xid.0);
                    self.parts += 1;
                }
                Event::StreamStop => self.part = None,
                Event::Insert(insert) => {
                    let id = insert.new.get("id").unwrap();
                    match (self.part, insert.xid) {
                        (Some(part), Some(xid)) => {
                            self.open.get_mut(&part).unwrap().push((xid, id))
                        }
                        (None, None) => plain.push(id),
                        other => panic!("{other:?}"),
                    }
                }
                Event::StreamCommit(commit) => {
                    let changes = self.open.remove(&commit.xid.0).unwrap();
                    self.committed.extend(changes.into_iter().map(|(_, id)| id));
                }
                Event::StreamAbort(abort) => {
                    self.aborts += 1;
                    if abort.xid == abort.subxid {
                        self.open.remove(&abort.xid.0);
                    } else if let Some(changes) = self.open.get_mut(&abort.xid.0) {
                        changes.retain(|(xid, _)| *xid != abort.subxid);
                    }
                }
                Event::Commit(_) => self.committed.append(&mut plain),
                _ => {}
            }
        }
    }
}

async fn streams_open_transactions(database: &Database, mode: StreamingMode) {
    let mut replication = connect(&database.url()).await;
    let slot = slot_name();
    replication.create_slot(&NewSlot::logical(&slot)).await.unwrap();
    let options = LogicalOptions::new(&slot, ["everything"]).with_streaming(mode);
    let mut stream = replication.start_logical(&options).await.unwrap();

    let insert = |from: i64, to: i64| {
        format!(
            "insert into notes select n, repeat('x', 500) from generate_series({from}, {to}) n;"
        )
    };
    // A large transaction with a subtransaction that is rolled back, and a change of the table inside of it.
    let mut writer = database.session().unwrap();
    writer.run(&format!("begin; {}", insert(1, 1000))).unwrap();
    writer.run(&format!("savepoint s; {} rollback to s", insert(1001, 2000))).unwrap();
    writer.run("alter table notes add column more int").unwrap();
    writer.run(&insert(2001, 3000)).unwrap();
    writer.run("commit").unwrap();
    // One that is rolled back, with a change of the table that nobody will ever see.
    writer.run("begin; alter table notes add column never int").unwrap();
    writer.run(&insert(4001, 5000)).unwrap();
    writer.run("rollback").unwrap();
    writer.run("insert into notes values (9999, 'last', 1)").unwrap();

    let mut kept = Kept::default();
    kept.follow(&mut stream, 9999).await;
    let expected: Vec<i64> = (1..=1000).chain(2001..=3000).chain([9999]).collect();
    assert_eq!(kept.committed, expected);
    assert!(kept.open.is_empty());
    assert!(kept.parts >= 4, "{} parts", kept.parts);
    assert!(kept.aborts >= 1, "{} aborts", kept.aborts);
    let notes = stream.relations().get(
        super::one(database, "select 'notes'::regclass::oid::text")
            .parse()
            .map(stellata_protocol::Oid)
            .unwrap(),
    );
    assert_eq!(notes.unwrap().columns.len(), 3, "what was rolled back is not remembered");
    stream.finish().await.unwrap();
}

#[test]
fn large_transactions_are_streamed_while_they_are_open() {
    with_notes(async |database| streams_open_transactions(database, StreamingMode::On).await);
}

#[test]
fn a_rollback_is_told_with_its_place_in_parallel_mode() {
    with_notes_since(16, async |database| {
        streams_open_transactions(database, StreamingMode::Parallel).await;
    });
}

#[test]
fn transactions_in_two_phases_are_told_when_they_are_prepared() {
    with_notes_since(15, async |database| {
        let mut replication = connect(&database.url()).await;
        let slot = slot_name();
        replication.create_slot(&NewSlot::logical(&slot).two_phase()).await.unwrap();
        let name = database.name();
        let gid = |number: u32| format!("{name}_{number}");
        let sql = format!(
            "begin; insert into notes values (1, 'a'); prepare transaction '{}'; commit prepared '{0}';
             begin; insert into notes values (2, 'b'); prepare transaction '{}'; rollback prepared '{1}';
             begin; insert into notes select n, repeat('x', 500) from generate_series(10, 1010) n;
             prepare transaction '{}'; commit prepared '{2}'",
            gid(1),
            gid(2),
            gid(3),
        );
        let mut writer = database.session().unwrap();
        for statement in sql.split(';') {
            writer.run(statement).unwrap();
        }
        let options = LogicalOptions::new(&slot, ["everything"])
            .with_streaming(StreamingMode::On)
            .two_phase();
        let mut stream = replication.start_logical(&options).await.unwrap();
        let mut told = Vec::new();
        while told.len() < 6 {
            let position = match stream.next().await.unwrap().unwrap().event {
                Event::BeginPrepare(begin) => {
                    assert!(begin.gid.starts_with(name));
                    continue;
                }
                Event::Prepare(prepared) => {
                    told.push(format!("prepare {}", prepared.gid));
                    prepared.end_lsn
                }
                Event::StreamPrepare(prepared) => {
                    told.push(format!("stream prepare {}", prepared.gid));
                    prepared.end_lsn
                }
                Event::CommitPrepared(prepared) => {
                    told.push(format!("commit {}", prepared.gid));
                    prepared.end_lsn
                }
                Event::RollbackPrepared(rollback) => {
                    told.push(format!("rollback {}", rollback.gid));
                    rollback.end_lsn
                }
                _ => continue,
            };
            stream.confirm(position);
        }
        let expected: Vec<String> =
            [("prepare", 1), ("commit", 1), ("prepare", 2), ("rollback", 2)]
                .into_iter()
                .chain([("stream prepare", 3), ("commit", 3)])
                .map(|(what, number)| format!("{what} {}", gid(number)))
                .collect();
        assert_eq!(told, expected);
        stream.finish().await.unwrap();
    });
}
