//! The messages of a replication stream, and those of pgoutput in it.

use stellata_protocol::replication::pgoutput::{Event, PgOutput, TupleValue, Version};
use stellata_protocol::replication::{PrimaryMessage, StandbyMessage};
use stellata_protocol::{Buffer, Error};

/// Reads the content of one CopyData message, as either side.
pub(crate) fn stream(payload: &[u8]) {
    let mut out = Buffer::new();
    if let Ok(message) = PrimaryMessage::read(payload) {
        message.write(&mut out);
        assert_eq!(out.as_slice(), payload, "what was read is written otherwise");
    }
    if let Ok(message) = StandbyMessage::read(payload) {
        out.clear();
        message.write(&mut out);
        assert_eq!(out.as_slice(), payload, "what was read is written otherwise");
    }
}

/// Reads messages of pgoutput: a byte for the version, then each with its length in two bytes.
pub(crate) fn pgoutput(input: &[u8]) {
    let Some((&version, mut rest)) = input.split_first() else { return };
    let mut decoder = match version % 5 {
        0 => PgOutput::new(Version::V1),
        1 => PgOutput::new(Version::V2),
        2 => PgOutput::new(Version::V3),
        3 => PgOutput::new(Version::V4),
        _ => PgOutput::parallel(),
    };
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (message, later) = behind.split_at(length);
        rest = later;
        let before = format!("{decoder:?}");
        match decoder.decode(message) {
            Ok(event) => look(&event, message),
            Err(_) => {
                assert_eq!(format!("{decoder:?}"), before, "a refused message leaves a trace")
            }
        }
    }
}

fn look(event: &Event<'_>, message: &[u8]) {
    let mut out = Buffer::new();
    event.write(&mut out).expect("what was read can be written");
    assert_eq!(out.as_slice(), message, "what was read is written otherwise");
    let (found, told) = match event {
        Event::Relation(relation) => (relation.columns.iter().count(), relation.columns.len()),
        Event::Truncate(truncate) => (truncate.relations.iter().count(), truncate.relations.len()),
        Event::Insert(insert) => values(insert.new.iter(), insert.new.len()),
        Event::Update(update) => values(update.new.iter(), update.new.len()),
        Event::Delete(delete) => values(delete.old.tuple().iter(), delete.old.tuple().len()),
        _ => (0, 0),
    };
    assert_eq!(found, told, "a list has another length than it says");
}

fn values<'a>(values: impl Iterator<Item = TupleValue<'a>>, len: usize) -> (usize, usize) {
    let texts: Vec<Result<&str, Error>> = values.map(|value| value.text()).collect();
    (texts.len(), len)
}
