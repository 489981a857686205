//! What is written is read back; what is hostile or out of order is refused.

use proptest::prelude::*;

use super::*;
use crate::oid::Oid;
use crate::replication::lsn::Lsn;
use crate::replication::timestamp::Timestamp;

/// The kinds of messages, by where they may stand.
const BEGINS: &[u8] = b"BbS";
const CHANGES: &[u8] = b"ORYIUDTM";
const BETWEEN: &[u8] = b"cApKrM";
const ENDS: &[u8] = b"CPE";

fn written(event: &Event<'_>) -> Vec<u8> {
    let mut out = Buffer::new();
    event.write(&mut out).unwrap();
    out.as_slice().to_vec()
}

fn kind_of(found: Result<Event<'_>>) -> Result<(), ErrorKind> {
    found.map(|_| ()).map_err(|error| error.kind())
}

/// Values that a test makes events of.
#[derive(Clone, Debug)]
struct Seed {
    numbers: [u64; 3],
    times: [i64; 2],
    xids: [u32; 2],
    flags: [bool; 2],
    names: [String; 2],
    bytes: Vec<u8>,
    values: Vec<(u8, Vec<u8>)>,
    columns: Vec<(bool, String, u32, i32)>,
    oids: Vec<u32>,
}

prop_compose! {
    fn seed()(
        numbers: [u64; 3],
        times: [i64; 2],
        xids: [u32; 2],
        flags: [bool; 2],
        names in ["[^\0]{0,8}", "[a-z]{0,8}"],
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
        values in proptest::collection::vec((0..4_u8, proptest::collection::vec(any::<u8>(), 0..9)), 0..5),
        columns in proptest::collection::vec((any::<bool>(), "[^\0]{0,8}", any::<u32>(), any::<i32>()), 0..5),
        oids in proptest::collection::vec(any::<u32>(), 0..5),
    ) -> Seed {
        Seed { numbers, times, xids, flags, names, bytes, values, columns, oids }
    }
}

impl Seed {
    fn values(&self) -> Vec<TupleValue<'_>> {
        let value = |kind, bytes| match kind {
            0 => TupleValue::Null,
            1 => TupleValue::Unchanged,
            2 => TupleValue::Text(bytes),
            _ => TupleValue::Binary(bytes),
        };
        self.values.iter().map(|(kind, bytes)| value(*kind, &bytes[..])).collect()
    }

    fn prepared(&self) -> Prepared<'_> {
        Prepared {
            lsn: Lsn(self.numbers[0]),
            end_lsn: Lsn(self.numbers[1]),
            at: Timestamp(self.times[0]),
            xid: Xid(self.xids[0]),
            gid: &self.names[0],
        }
    }

    fn commit(&self) -> Commit {
        Commit {
            lsn: Lsn(self.numbers[0]),
            end_lsn: Lsn(self.numbers[1]),
            committed_at: Timestamp(self.times[0]),
        }
    }

    /// The bytes of an event of this kind, as it stands inside a streamed part or elsewhere, and the event that was
    /// written.
    fn bytes(&self, kind: u8, is_streamed: bool, is_parallel: bool) -> (Vec<u8>, String) {
        let xid = is_streamed.then_some(Xid(self.xids[1]));
        let relation = Oid(self.xids[0]);
        let mut place = Buffer::new();
        let tuple = Tuple::new(&self.values(), &mut place).unwrap();
        let old = if self.flags[0] { OldRow::Key(tuple) } else { OldRow::Full(tuple) };
        let columns: Vec<_> = self
            .columns
            .iter()
            .map(|(is_key, name, oid, modifier)| RelationColumn {
                is_key: *is_key,
                name,
                type_oid: Oid(*oid),
                type_modifier: *modifier,
            })
            .collect();
        let oids: Vec<_> = self.oids.iter().map(|oid| Oid(*oid)).collect();
        let (mut of_columns, mut of_oids) = (Buffer::new(), Buffer::new());
        let identities = [
            ReplicaIdentity::Default,
            ReplicaIdentity::Nothing,
            ReplicaIdentity::Full,
            ReplicaIdentity::Index,
        ];
        let event = match kind {
            b'B' => Event::Begin(Begin {
                final_lsn: Lsn(self.numbers[0]),
                committed_at: Timestamp(self.times[0]),
                xid: Xid(self.xids[0]),
            }),
            b'C' => Event::Commit(self.commit()),
            b'O' => Event::Origin(Origin { lsn: Lsn(self.numbers[2]), name: &self.names[0] }),
            b'R' => Event::Relation(Relation {
                xid,
                oid: relation,
                schema: &self.names[0],
                name: &self.names[1],
                replica_identity: identities[self.oids.len() % 4],
                columns: List::new(&columns, &mut of_columns).unwrap(),
            }),
            b'Y' => Event::Type(TypeName {
                xid,
                oid: relation,
                schema: &self.names[0],
                name: &self.names[1],
            }),
            b'I' => Event::Insert(Insert { xid, relation, new: tuple }),
            b'U' => {
                let old = self.flags[1].then_some(old);
                Event::Update(Update { xid, relation, old, new: tuple })
            }
            b'D' => Event::Delete(Delete { xid, relation, old }),
            b'T' => Event::Truncate(Truncate {
                xid,
                cascade: self.flags[0],
                restart_identity: self.flags[1],
                relations: List::new(&oids, &mut of_oids).unwrap(),
            }),
            b'M' => Event::Message(Message {
                xid,
                is_transactional: is_streamed,
                lsn: Lsn(self.numbers[0]),
                prefix: &self.names[1],
                content: &self.bytes,
            }),
            b'S' => {
                Event::StreamStart(StreamStart { xid: Xid(self.xids[0]), is_first: self.flags[0] })
            }
            b'E' => Event::StreamStop,
            b'c' => {
                Event::StreamCommit(StreamCommit { xid: Xid(self.xids[1]), commit: self.commit() })
            }
            b'A' => Event::StreamAbort(StreamAbort {
                xid: Xid(self.xids[0]),
                subxid: Xid(self.xids[1]),
                abort: is_parallel.then_some(Abort {
                    lsn: Lsn(self.numbers[2]),
                    aborted_at: Timestamp(self.times[1]),
                }),
            }),
            b'b' => Event::BeginPrepare(self.prepared()),
            b'P' => Event::Prepare(self.prepared()),
            b'K' => Event::CommitPrepared(self.prepared()),
            b'p' => Event::StreamPrepare(self.prepared()),
            b'r' => Event::RollbackPrepared(RollbackPrepared {
                prepare_end_lsn: Lsn(self.numbers[0]),
                end_lsn: Lsn(self.numbers[1]),
                prepared_at: Timestamp(self.times[0]),
                rolled_back_at: Timestamp(self.times[1]),
                xid: Xid(self.xids[0]),
                gid: &self.names[0],
            }),
            _ => panic!("no such kind"),
        };
        assert_eq!(event.kind(), kind);
        (written(&event), format!("{event:?}"))
    }
}

/// A decoder of the version that stands behind a message of the kind `begin`, or between all.
fn decoder(version: Version, is_parallel: bool, begin: Option<u8>) -> PgOutput {
    let mut messages = if is_parallel { PgOutput::parallel() } else { PgOutput::new(version) };
    let bytes: &[u8] = match begin {
        None => return messages,
        Some(b'B') => &[&b"B"[..], &[0; 20]].concat(),
        Some(b'b') => &[&b"b"[..], &[0; 29]].concat(),
        Some(_) => b"S\0\0\0\x07\x01",
    };
    messages.decode(bytes).unwrap();
    assert!(messages.is_inside());
    messages
}

proptest! {
    #[test]
    fn every_event_comes_back(seed in seed(), is_parallel: bool, more: u8) {
        let inside = CHANGES.iter().flat_map(|kind| BEGINS.iter().map(move |begin| (*kind, Some(*begin))));
        let between = [BEGINS, BETWEEN].concat().into_iter().map(|kind| (kind, None));
        let ends = [(b'C', Some(b'B')), (b'P', Some(b'b')), (b'E', Some(b'S'))];
        for (kind, begin) in inside.chain(between).chain(ends) {
            let (mut bytes, event) = seed.bytes(kind, begin == Some(b'S'), is_parallel);
            let messages = decoder(Version::V4, is_parallel, begin);
            let found = messages.clone().decode(&bytes);
            prop_assert!(found.is_ok(), "{event}: {found:?}");
            let found = found.unwrap();
            prop_assert_eq!(format!("{found:?}"), event);
            prop_assert_eq!(written(&found), &bytes[..]);
            for len in 0..bytes.len() {
                let kind = kind_of(messages.clone().decode(&bytes[..len]));
                // A name that is cut within a character has no end either.
                prop_assert_eq!(kind, Err(ErrorKind::Truncated));
            }
            bytes.push(more);
            let kind = kind_of(messages.clone().decode(&bytes));
            prop_assert_eq!(kind, Err(ErrorKind::TrailingBytes));
        }
    }

    #[test]
    fn any_bytes_end_in_an_error_or_an_event_that_is_written_as_them(
        kind in prop_oneof![
            9 => proptest::sample::select([BEGINS, CHANGES, BETWEEN, ENDS].concat()),
            1 => any::<u8>(),
        ],
        rest in proptest::collection::vec(
            prop_oneof![
                6 => 0..3_u8,
                3 => proptest::sample::select(b"NKOnutbdfi".to_vec()),
                1 => any::<u8>(),
            ],
            0..60,
        ),
        is_parallel: bool,
        begin in proptest::option::of(proptest::sample::select(BEGINS.to_vec())),
    ) {
        let bytes = [&[kind], &rest[..]].concat();
        let mut messages = decoder(Version::V4, is_parallel, begin);
        if let Ok(event) = messages.decode(&bytes) {
            prop_assert_eq!(written(&event), &bytes[..]);
        }
    }

    #[test]
    fn damage_ends_in_an_error_or_an_event_that_is_written_as_it(
        seed in seed(),
        kind in proptest::sample::select(CHANGES.to_vec()),
        begin in proptest::sample::select(BEGINS.to_vec()),
        at in any::<proptest::sample::Index>(),
        byte: u8,
    ) {
        let (mut bytes, _) = seed.bytes(kind, begin == b'S', false);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut messages = decoder(Version::V4, false, Some(begin));
        if let Ok(event) = messages.decode(&bytes) {
            prop_assert_eq!(written(&event), &bytes[..]);
        }
    }
}

/// Bytes of an event of each kind, for tests to which its content does not matter.
fn sample(kind: u8, is_streamed: bool) -> Vec<u8> {
    let seed = Seed {
        numbers: [1, 2, 3],
        times: [4, 5],
        xids: [6, 7],
        flags: [true, true],
        names: ["a".to_owned(), "b".to_owned()],
        bytes: b"content".to_vec(),
        values: vec![(0, Vec::new()), (2, b"text".to_vec())],
        columns: vec![(true, "id".to_owned(), 23, -1)],
        oids: vec![8],
    };
    seed.bytes(kind, is_streamed, false).0
}

#[test]
fn every_kind_in_every_place_and_version_is_read_or_refused_as_the_table_says() {
    for version in [Version::V1, Version::V2, Version::V3, Version::V4] {
        for begin in [None, Some(b'B'), Some(b'b'), Some(b'S')] {
            let begin_is_known = match begin {
                Some(b'S') => version >= Version::V2,
                Some(b'b') => version >= Version::V3,
                _ => true,
            };
            if !begin_is_known {
                continue;
            }
            for kind in 0..=u8::MAX {
                let is_legal = match begin {
                    None => BEGINS.contains(&kind) || BETWEEN.contains(&kind),
                    Some(b'B') => CHANGES.contains(&kind) || kind == b'C',
                    Some(b'b') => CHANGES.contains(&kind) || kind == b'P',
                    Some(_) => CHANGES.contains(&kind) || kind == b'E',
                };
                let is_of_version = version.number() >= 3
                    || !b"bPKrp".contains(&kind)
                        && (version.number() == 2 || !b"SEcA".contains(&kind));
                let is_known = [BEGINS, CHANGES, BETWEEN, ENDS].concat().contains(&kind);
                let bytes = if is_known { sample(kind, begin == Some(b'S')) } else { vec![kind] };
                let mut messages = decoder(version, false, begin);
                let expected = match (is_known, is_legal && is_of_version) {
                    (false, _) => Err(ErrorKind::InvalidValue),
                    (true, false) => Err(ErrorKind::UnexpectedMessage),
                    (true, true) => Ok(()),
                };
                let name = char::from(kind);
                let found = kind_of(messages.decode(&bytes));
                assert_eq!(found, expected, "{name} behind {begin:?} in {version:?}");
                let is_inside = match expected {
                    Err(_) => begin.is_some(),
                    Ok(()) => !ENDS.contains(&kind) && (begin.is_some() || BEGINS.contains(&kind)),
                };
                assert_eq!(messages.is_inside(), is_inside, "behind {name} in {version:?}");
            }
        }
    }
}

#[test]
fn a_message_that_was_refused_leaves_no_trace() {
    let mut messages = PgOutput::new(Version::V2);
    assert_eq!(kind_of(messages.decode(b"S\0\0\0\x07\x02")), Err(ErrorKind::InvalidValue));
    assert!(!messages.is_inside());
    assert_eq!(kind_of(messages.decode(b"S\0\0\0\x07\x01")), Ok(()));
    assert_eq!(kind_of(messages.decode(b"E!")), Err(ErrorKind::TrailingBytes));
    assert!(messages.is_inside());
    let insert = b"I\0\0\0\x08\0\0\0\x01N\0\0";
    let Ok(Event::Insert(insert)) = messages.decode(insert) else { panic!("no insert") };
    assert_eq!((insert.xid, insert.relation), (Some(Xid(8)), Oid(1)));
}

#[test]
fn each_fault_has_its_error_at_its_place() {
    let cases: &[(&str, &[u8], ErrorKind, u32)] = &[
        ("nothing", b"", ErrorKind::Truncated, 0),
        ("flags of a commit", b"C\x01", ErrorKind::InvalidValue, 1),
        ("no new row", b"I\0\0\0\x01K", ErrorKind::InvalidValue, 5),
        ("an old row only", b"U\0\0\0\x01K\0\0", ErrorKind::Truncated, 8),
        ("a new row of two", b"U\0\0\0\x01K\0\0O", ErrorKind::InvalidValue, 8),
        ("a new row deleted", b"D\0\0\0\x01N\0\0", ErrorKind::InvalidValue, 5),
        ("kind of a value", b"I\0\0\0\x01N\0\x01x", ErrorKind::InvalidValue, 8),
        ("negative value", b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff", ErrorKind::InvalidLength, 9),
        ("long value", b"I\0\0\0\x01N\0\x01b\x7f\xff\xff\xff", ErrorKind::Truncated, 13),
        ("many values", b"I\0\0\0\x01N\xff\xffnn", ErrorKind::Truncated, 10),
        ("many tables", b"T\x7f\xff\xff\xff\0\0\0\0\x01", ErrorKind::Truncated, 10),
        ("negative tables", b"T\xff\xff\xff\xff\0", ErrorKind::InvalidLength, 1),
        ("flags of a truncation", b"T\0\0\0\0\x04", ErrorKind::InvalidValue, 5),
        ("identity", b"R\0\0\0\x01a\0b\0x\0\0", ErrorKind::InvalidValue, 9),
        ("flags of a column", b"R\0\0\0\x01a\0b\0d\0\x01\x02", ErrorKind::InvalidValue, 12),
        ("name that is not UTF-8", b"Y\0\0\0\x01\xff\0b\0", ErrorKind::InvalidText, 5),
        ("flags of a message", b"M\x02", ErrorKind::InvalidValue, 1),
        (
            "negative content",
            b"M\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff",
            ErrorKind::InvalidLength,
            11,
        ),
    ];
    for (name, bytes, kind, offset) in cases {
        let mut messages = decoder(Version::V4, false, Some(b'B'));
        let found =
            messages.decode(bytes).map(|_| ()).map_err(|error| (error.kind(), error.offset()));
        assert_eq!(found, Err((*kind, *offset)), "{name}");
    }
}

#[test]
fn a_message_outside_of_transactions_belongs_to_none() {
    let mut message = sample(b'M', false);
    assert_eq!(kind_of(PgOutput::new(Version::V1).decode(&message)), Ok(()));
    message[1] = 1;
    let found = kind_of(PgOutput::new(Version::V1).decode(&message));
    assert_eq!(found, Err(ErrorKind::UnexpectedMessage));
    assert_eq!(kind_of(decoder(Version::V1, false, Some(b'B')).decode(&message)), Ok(()));
}

#[test]
fn what_can_not_be_written_leaves_nothing() {
    let mut out = Buffer::new();
    out.put_u8(1);
    let name = TypeName { xid: None, oid: Oid(1), schema: "a", name: "b\0" };
    let kind = Event::Type(name).write(&mut out).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::InvalidText));
    let mut place = Buffer::new();
    let new = Tuple::new(&[TupleValue::Null; 65_536], &mut place).unwrap();
    let insert = Insert { xid: None, relation: Oid(1), new };
    let kind = Event::Insert(insert).write(&mut out).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::TooLarge));
    assert_eq!(out.as_slice(), [1]);
}

#[test]
fn a_text_is_given_and_what_is_none_says_why() {
    let kind = |value: TupleValue<'static>| value.text().map_err(|error| error.kind());
    assert_eq!(kind(TupleValue::Text("é".as_bytes())), Ok("é"));
    assert_eq!(kind(TupleValue::Text(b"\xff")), Err(ErrorKind::InvalidText));
    assert_eq!(kind(TupleValue::Null), Err(ErrorKind::UnexpectedNull));
    assert_eq!(kind(TupleValue::Unchanged), Err(ErrorKind::WrongType));
    assert_eq!(kind(TupleValue::Binary(b"a")), Err(ErrorKind::WrongType));
}

#[test]
fn a_list_says_how_long_it_is() {
    let mut place = Buffer::new();
    let list = List::new(&[Oid(1), Oid(2)], &mut place).unwrap();
    assert_eq!((list.len(), list.is_empty(), list.iter().len()), (2, false, 2));
    assert_eq!(list.into_iter().collect::<Vec<_>>(), [Oid(1), Oid(2)]);
    assert_eq!(format!("{list:?}"), "[Oid(1), Oid(2)]");
    let mut other = Buffer::new();
    assert_ne!(list, List::new(&[Oid(1)], &mut other).unwrap());
}
