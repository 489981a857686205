//! What real servers have sent (`data/README.md` says how it was recorded) is read as what it is.

use stellata_protocol::copy::{BinaryCopyReader, BinaryCopyWriter};
use stellata_protocol::replication::pgoutput::{
    Abort, Begin, Event, OldRow, PgOutput, ReplicaIdentity, TupleValue, Version,
};
use stellata_protocol::replication::{Keepalive, Lsn, PrimaryMessage, Timestamp, XLogData, Xid};
use stellata_protocol::{Buffer, Oid};

const V1: &str = include_str!("data/pgoutput/v1.hex");
const V1_BINARY: &str = include_str!("data/pgoutput/v1-binary.hex");
const V2: &str = include_str!("data/pgoutput/v2.hex");
const V3: &str = include_str!("data/pgoutput/v3.hex");
const V4: &str = include_str!("data/pgoutput/v4.hex");
const WALSENDER: &str = include_str!("data/pgoutput/walsender.hex");

/// The messages of a file, one a line.
fn messages(file: &str) -> Vec<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    file.lines().map(|line| line.as_bytes().chunks(2).map(digits).collect()).collect()
}

/// The letters of the messages, in order.
fn kinds(file: &str) -> String {
    messages(file).iter().map(|message| char::from(message[0])).collect()
}

fn recordings() -> [(&'static str, PgOutput); 5] {
    [
        (V1, PgOutput::new(Version::V1)),
        (V1_BINARY, PgOutput::new(Version::V1)),
        (V2, PgOutput::new(Version::V2)),
        (V3, PgOutput::new(Version::V3)),
        (V4, PgOutput::parallel()),
    ]
}

/// The values of a row as one would print them.
fn print<'a>(values: impl IntoIterator<Item = TupleValue<'a>>) -> Vec<String> {
    let print = |value| match value {
        TupleValue::Null => "null".to_owned(),
        TupleValue::Unchanged => "unchanged".to_owned(),
        TupleValue::Text(_) => value.text().unwrap().to_owned(),
        TupleValue::Binary(bytes) => format!("{bytes:x?}"),
    };
    values.into_iter().map(print).collect()
}

#[test]
fn every_message_is_read_and_written_as_it_came() {
    for (file, mut decoder) in recordings() {
        for message in messages(file) {
            let event = decoder.decode(&message).unwrap();
            let mut out = Buffer::new();
            event.write(&mut out).unwrap();
            assert_eq!(out.as_slice(), message, "{event:?}");
        }
        assert!(!decoder.is_inside());
    }
}

#[test]
fn every_prefix_of_every_message_is_an_error_and_so_is_a_byte_more() {
    for (file, mut decoder) in recordings() {
        for mut message in messages(file) {
            for len in 0..message.len() {
                assert!(decoder.clone().decode(&message[..len]).is_err());
            }
            message.push(0);
            assert!(decoder.clone().decode(&message).is_err());
            message.pop();
            decoder.decode(&message).unwrap();
        }
    }
}

#[test]
fn a_stream_is_refused_by_the_versions_before_it() {
    for (file, versions) in
        [(V2, &[Version::V1][..]), (V3, &[Version::V1, Version::V2]), (V4, &[Version::V1])]
    {
        for version in versions {
            let mut decoder = PgOutput::new(*version);
            assert!(messages(file).iter().any(|message| decoder.decode(message).is_err()));
        }
    }
    // Without `parallel` the place of a rollback is more than belongs there.
    let mut decoder = PgOutput::new(Version::V4);
    assert!(messages(V4).iter().any(|message| decoder.decode(message).is_err()));
}

#[test]
fn every_kind_was_recorded() {
    let all = [V1, V2, V3, V4].map(kinds).concat();
    for kind in "BCORYIUDTMSEcAbPKrp".chars() {
        assert!(all.contains(kind), "{kind}");
    }
    assert!(kinds(V1).starts_with("BYYRIIUUDC"));
    assert!(kinds(V3).starts_with("bYYRIPK"));
    assert_eq!((kinds(V2).matches('A').count(), kinds(V4).matches('A').count()), (1, 2));
}

#[test]
fn transactions_hold_what_the_sql_did() {
    let (mut inserts, mut updates, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut truncates, mut texts, mut origins) = (Vec::new(), Vec::new(), Vec::new());
    let mut relations = Vec::new();
    let file = messages(V1);
    let mut decoder = PgOutput::new(Version::V1);
    for message in &file {
        match decoder.decode(message).unwrap() {
            Event::Insert(insert) => inserts.push(print(insert.new)),
            Event::Update(update) => updates.push((update.old, print(update.new))),
            Event::Delete(delete) => deletes.push(delete.old),
            Event::Truncate(truncate) => truncates.push(truncate),
            Event::Message(message) => texts.push(message),
            Event::Origin(origin) => origins.push(origin),
            Event::Relation(relation) => relations.push(relation),
            event => assert_eq!(event.streamed_xid(), None),
        }
    }
    assert_eq!(inserts[0], ["1", "first", "2024-02-29 12:34:56.789+00", "happy", "a"]);
    assert_eq!(inserts[1], ["2", "null", "null", "null", "null"]);
    assert_eq!(inserts[2], ["1", "12.50", "\\x00ff"]);
    assert_eq!(inserts[5], ["10", "from elsewhere", "null", "sad", "b"]);

    let (old, new) = &updates[0];
    assert_eq!((old.is_none(), &new[1][..]), (true, "ünïcødé"));
    let (Some(OldRow::Key(old)), new) = &updates[1] else { panic!("{:?}", updates[1]) };
    assert_eq!((&print(*old)[0][..], &new[0][..]), ("2", "3"));
    let (Some(OldRow::Full(old)), new) = &updates[2] else { panic!("{:?}", updates[2]) };
    assert_eq!((&print(*old)[1][..], &new[1][..]), ("12.50", "-1.00"));
    assert_eq!(updates[3].1, ["1", "2", "unchanged"]);
    let (Some(OldRow::Key(old)), new) = &updates[4] else { panic!("{:?}", updates[4]) };
    assert_eq!((print(*old), &new[1][..]), (["null", "k", "null"].map(String::from).to_vec(), "l"));

    assert!(matches!(deletes[0], OldRow::Key(_)) && matches!(deletes[1], OldRow::Full(_)));
    assert_eq!(print(*deletes[0].tuple())[0], "3");

    let plain = &relations[0];
    assert_eq!((plain.schema, plain.name), ("public", "plain"));
    assert_eq!(plain.replica_identity, ReplicaIdentity::Default);
    let columns: Vec<_> = plain.columns.iter().map(|column| (column.name, column.is_key)).collect();
    let expected =
        [("id", true), ("name", false), ("at", false), ("feeling", false), ("alias", false)];
    assert_eq!(columns, expected);
    let types: Vec<_> = plain.columns.iter().map(|column| column.type_oid).collect();
    assert_eq!(types[..3], [Oid::INT4, Oid::TEXT, Oid::TIMESTAMPTZ]);
    assert!(types[3].is_user_defined() && types[4].is_user_defined());
    let identity = |name| {
        relations.iter().find(|relation| relation.name == name).map(|known| known.replica_identity)
    };
    assert_eq!(identity("whole"), Some(ReplicaIdentity::Full));
    assert_eq!(identity("keyed"), Some(ReplicaIdentity::Index));

    let flags: Vec<_> = truncates
        .iter()
        .map(|truncate| (truncate.relations.len(), truncate.cascade, truncate.restart_identity))
        .collect();
    assert_eq!(flags, [(1, false, false), (2, true, true)]);
    assert!(truncates[1].relations.iter().any(|oid| oid == plain.oid));

    let found: Vec<_> =
        texts.iter().map(|text| (text.is_transactional, text.prefix, text.content)).collect();
    let transactional = (true, "stellata", &b"in a transaction"[..]);
    assert!(found.contains(&transactional) && found.contains(&(false, "stellata", b"\x00\xff")));
    assert_eq!((origins[0].lsn, origins[0].name), (Lsn(0x1_00AB_CDEF), "elsewhere"));
}

#[test]
fn binary_rows_are_binary() {
    let file = messages(V1_BINARY);
    let mut decoder = PgOutput::new(Version::V1);
    let first = file.iter().find_map(|message| match decoder.decode(message).unwrap() {
        Event::Insert(insert) => insert.new.iter().next(),
        _ => None,
    });
    assert_eq!(first, Some(TupleValue::Binary(&[0, 0, 0, 1])));
}

#[test]
fn streamed_parts_name_their_subtransactions() {
    let (mut top, mut xids, mut aborts, mut commits) = (None, Vec::new(), Vec::new(), Vec::new());
    let mut firsts = 0;
    let file = messages(V4);
    let mut decoder = PgOutput::parallel();
    for message in &file {
        match decoder.decode(message).unwrap() {
            Event::StreamStart(start) => {
                firsts += usize::from(start.is_first);
                top.get_or_insert(start.xid);
            }
            Event::StreamAbort(abort) => aborts.push(abort),
            Event::StreamCommit(commit) => commits.push(commit),
            Event::Insert(insert) => xids.push(insert.xid.unwrap()),
            _ => {}
        }
    }
    let top = top.unwrap();
    assert_eq!(firsts, 2, "two transactions were streamed");
    assert_eq!(xids[0], top);
    let inner = aborts[0];
    assert_eq!(inner.xid, top);
    assert_ne!(inner.subxid, top);
    let Some(Abort { lsn, aborted_at }) = inner.abort else { panic!("no place of the rollback") };
    assert_eq!(commits[0].xid, top);
    assert!(lsn.is_valid() && lsn < commits[0].commit.lsn);
    assert!(aborted_at <= commits[0].commit.committed_at);
    assert!(commits[0].commit.lsn < commits[0].commit.end_lsn);
    let outer = aborts[aborts.len() - 1];
    assert_eq!(outer.xid, outer.subxid);
}

#[test]
fn prepared_transactions_have_their_names() {
    let mut steps = Vec::new();
    let file = messages(V3);
    let mut decoder = PgOutput::new(Version::V3);
    for message in &file {
        let event = decoder.decode(message).unwrap();
        let gid = match event {
            Event::BeginPrepare(step)
            | Event::Prepare(step)
            | Event::CommitPrepared(step)
            | Event::StreamPrepare(step) => {
                assert!(step.lsn < step.end_lsn && step.at > Timestamp(0));
                step.gid
            }
            Event::RollbackPrepared(step) => {
                assert!(step.prepare_end_lsn < step.end_lsn);
                assert!(Timestamp(0) < step.prepared_at && step.prepared_at < step.rolled_back_at);
                step.gid
            }
            _ => continue,
        };
        steps.push(format!("{} {gid}", char::from(event.kind())));
    }
    let expected = [
        "b gid one",
        "P gid one",
        "K gid one",
        "b gid two",
        "P gid two",
        "r gid two",
        "p gid three",
        "K gid three",
        "b gid four",
        "P gid four",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_walsenders_messages_carry_the_plugins() {
    let file = messages(WALSENDER);
    let mut decoder = PgOutput::new(Version::V3);
    let mut kinds = String::new();
    for message in &file {
        let read = PrimaryMessage::read(message).unwrap();
        let mut out = Buffer::new();
        read.write(&mut out);
        assert_eq!(out.as_slice(), message);
        match read {
            PrimaryMessage::Keepalive(keepalive) => {
                let Keepalive { end, sent_at, reply_requested } = keepalive;
                assert_eq!((end, reply_requested), (Lsn(0x158_FE38), false));
                assert!(sent_at.unix_micros() > Some(1_700_000_000_000_000));
            }
            PrimaryMessage::XLogData(XLogData { start, end, data, .. }) => {
                assert_eq!(start, end);
                kinds.push(char::from(decoder.decode(data).unwrap().kind()));
            }
        }
    }
    assert_eq!(kinds, "bYYRIP");
}

#[test]
fn a_begin_is_what_its_bytes_say() {
    let file = messages(V1);
    let Ok(Event::Begin(begin)) = PgOutput::new(Version::V1).decode(&file[0]) else {
        panic!("no begin")
    };
    let number = |range: core::ops::Range<usize>| {
        file[0][range].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let expected = Begin {
        final_lsn: Lsn(number(1..9)),
        committed_at: Timestamp(i64::try_from(number(9..17)).unwrap()),
        xid: Xid(u32::try_from(number(17..21)).unwrap()),
    };
    assert_eq!(begin, expected);
}

const ROWS: &[u8] = include_bytes!("data/copy/rows.bin");
const EMPTY: &[u8] = include_bytes!("data/copy/empty.bin");
const NO_COLUMNS: &[u8] = include_bytes!("data/copy/no-columns.bin");
const WIDE: &[u8] = include_bytes!("data/copy/wide.bin");

type Row = (i32, i64, String, Option<f64>, bool, Vec<u8>);
const TYPES: [Oid; 6] = [Oid::INT4, Oid::INT8, Oid::TEXT, Oid::FLOAT8, Oid::BOOL, Oid::BYTEA];

fn rows() -> Vec<Row> {
    let row = |n: i32| {
        (
            n,
            i64::from(n) * 10_000_000_000,
            format!("row {n}"),
            (n % 2 == 0).then(|| f64::from(n) / 3.0),
            n % 3 == 0,
            [0, 255].repeat(usize::try_from(n).unwrap()),
        )
    };
    (1..=20).map(row).collect()
}

#[test]
fn copied_rows_are_read_however_they_are_cut() {
    for length in 1..=ROWS.len() {
        let mut copy = BinaryCopyReader::new(TYPES);
        let mut found: Vec<Row> = Vec::new();
        for mut chunk in ROWS.chunks(length) {
            while let Some(mut row) = copy.row(&mut chunk).unwrap() {
                found.push((
                    row.next().unwrap(),
                    row.next().unwrap(),
                    row.next().unwrap(),
                    row.next().unwrap(),
                    row.next().unwrap(),
                    row.next().unwrap(),
                ));
            }
        }
        copy.end().unwrap();
        assert_eq!(found, rows(), "in chunks of {length}");
    }
}

#[test]
fn rows_are_written_as_the_server_writes_them() {
    let mut copy = BinaryCopyWriter::new(TYPES).unwrap();
    for row in rows() {
        copy.row(&row).unwrap();
    }
    copy.finish().unwrap();
    assert_eq!(copy.piece(), ROWS);
    let mut copy = BinaryCopyWriter::new([Oid::INT4, Oid::TEXT]).unwrap();
    copy.row(&(None::<i32>, "x".repeat(3000))).unwrap();
    copy.finish().unwrap();
    assert_eq!(copy.piece(), WIDE);
    let mut copy = BinaryCopyWriter::new([]).unwrap();
    (0..3).try_for_each(|_| copy.row(&())).unwrap();
    copy.finish().unwrap();
    assert_eq!(copy.piece(), NO_COLUMNS);
    let mut copy = BinaryCopyWriter::new([Oid::INT4]).unwrap();
    copy.finish().unwrap();
    assert_eq!(copy.piece(), EMPTY);
}

#[test]
fn every_prefix_of_a_copy_lacks_its_end() {
    for (data, columns) in [(ROWS, 6), (EMPTY, 1), (NO_COLUMNS, 0), (WIDE, 2)] {
        for len in 0..=data.len() {
            let mut copy = BinaryCopyReader::new(vec![Oid::UNSPECIFIED; columns]);
            let mut chunk = &data[..len];
            while copy.row(&mut chunk).unwrap().is_some() {}
            assert_eq!(copy.end().is_ok(), len == data.len());
        }
    }
}
