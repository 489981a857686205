//! The messages of the output plugin `pgoutput`, versions 1 to 4 (manual: "Logical Replication Message Formats").
//!
//! | version | since server | adds |
//! |---|---|---|
//! | 1 | 10 | transactions, once they are committed |
//! | 2 | 14 | parts of large transactions while they are open (`streaming 'on'`) |
//! | 3 | 15 | transactions in two phases (`two_phase 'on'`) |
//! | 4 | 16 | where a streamed transaction was rolled back (`streaming 'parallel'`) |
//!
//! A transaction is Begin, its changes and Commit; BeginPrepare, its changes and Prepare; or any number of parts between
//! StreamStart and StreamStop and in the end StreamCommit, StreamAbort or StreamPrepare. Between a StreamStart and its
//! StreamStop most messages also name the (sub)transaction, which can be known only from what came before: [`PgOutput`]
//! keeps that, and refuses what does not stand in this order.
//!
//! ```
//! use stellata_protocol::replication::pgoutput::{Event, PgOutput, Version};
//!
//! let mut messages = PgOutput::new(Version::V1);
//! let begin = b"B\0\0\0\0\x01\x58\xfe\xc0\0\x03\x03\xd6\x4b\x6b\x17\x0d\0\0\x02\xec";
//! let Event::Begin(begin) = messages.decode(begin).unwrap() else { panic!("no begin") };
//! assert_eq!(begin.final_lsn.to_string(), "0/158FEC0");
//! assert_eq!(begin.xid.to_string(), "748");
//! ```

mod list;
mod transaction;
mod prepared;
mod relation;
mod change;
#[cfg(test)]
mod tests;

pub use change::{Delete, Insert, Message, OldRow, Truncate, Tuple, TupleValue, Update};
pub use list::{Item, Items, List};
pub use prepared::{Prepared, RollbackPrepared};
pub use relation::{Relation, RelationColumn, ReplicaIdentity, TypeName};
pub use transaction::{Abort, Begin, Commit, Origin, StreamAbort, StreamCommit, StreamStart};

use crate::error::{Error, ErrorKind, Result};
use crate::replication::xid::Xid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// What a message of pgoutput says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `B`: a transaction begins.
    Begin(Begin),
    /// `C`: the end of a transaction.
    Commit(Commit),
    /// `O`: the transaction came by replication.
    Origin(Origin<'a>),
    /// `R`: what a table looks like.
    Relation(Relation<'a>),
    /// `Y`: the name of a type.
    Type(TypeName<'a>),
    /// `I`: a row was inserted.
    Insert(Insert<'a>),
    /// `U`: a row was updated.
    Update(Update<'a>),
    /// `D`: a row was deleted.
    Delete(Delete<'a>),
    /// `T`: tables were truncated.
    Truncate(Truncate<'a>),
    /// `M`: a message of an application.
    Message(Message<'a>),
    /// `S`: a part of an open transaction begins.
    StreamStart(StreamStart),
    /// `E`: the end of that part. The message has nothing but its kind.
    StreamStop,
    /// `c`: a streamed transaction was committed.
    StreamCommit(StreamCommit),
    /// `A`: a streamed transaction, or a subtransaction of it, was rolled back.
    StreamAbort(StreamAbort),
    /// `b`: a prepared transaction begins.
    BeginPrepare(Prepared<'a>),
    /// `P`: the end of a transaction: it was prepared.
    Prepare(Prepared<'a>),
    /// `K`: a prepared transaction was committed.
    CommitPrepared(Prepared<'a>),
    /// `r`: a prepared transaction was rolled back.
    RollbackPrepared(RollbackPrepared<'a>),
    /// `p`: a streamed transaction was prepared.
    StreamPrepare(Prepared<'a>),
}

/// The version of pgoutput's messages: the option `proto_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1, since server 10.
    V1,
    /// 2, since server 14.
    V2,
    /// 3, since server 15.
    V3,
    /// 4, since server 16.
    V4,
}

impl Version {
    /// The number of the option `proto_version`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

/// Reads the messages of one stream in the order in which they come. A new stream needs a new one.
#[derive(Clone, Debug)]
pub struct PgOutput {
    version: Version,
    is_parallel: bool,
    place: Place,
}

/// Where in the order of messages the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between transactions and between streamed parts.
    Between,
    /// Behind a Begin.
    Transaction,
    /// Behind a BeginPrepare.
    Preparation,
    /// Behind a StreamStart.
    Part,
}

impl PgOutput {
    /// For a stream whose option `proto_version` is the version's number, and whose option `streaming` is not `parallel`.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self { version, is_parallel: false, place: Place::Between }
    }

    /// For a stream of version 4 whose option `streaming` is `parallel`.
    #[must_use]
    pub const fn parallel() -> Self {
        Self { version: Version::V4, is_parallel: true, place: Place::Between }
    }

    /// Whether the next message goes on with what is between a beginning and its end: a transaction, or a streamed part.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.place != Place::Between
    }

    /// Reads the next message: the data of one [`XLogData`](super::XLogData), or what
    /// `pg_logical_slot_get_binary_changes` returns. Nothing is copied.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidValue`]: an unknown kind of message, value, flag or replica identity;
    /// - [`ErrorKind::UnexpectedMessage`]: a message of a later version, or out of order;
    /// - [`ErrorKind::InvalidLength`]: a negative length or number;
    /// - [`ErrorKind::Truncated`], [`ErrorKind::TrailingBytes`]: fewer or more bytes than the message has;
    /// - [`ErrorKind::InvalidText`]: a name that is not UTF-8.
    ///
    /// A message that was refused leaves no trace: the next one is read as if it had not come.
    pub fn decode<'a>(&mut self, data: &'a [u8]) -> Result<Event<'a>> {
        let mut reader = Reader::new(data);
        let kind = reader.u8()?;
        let place = self.place_behind(kind)?;
        let event = self.read(kind, &mut reader)?;
        reader.end()?;
        if let Event::Message(Message { is_transactional: true, .. }) = event
            && self.place == Place::Between
        {
            return Err(unexpected("a message of a transaction stands outside of one"));
        }
        self.place = place;
        Ok(event)
    }

    /// The table of what may come where: the place behind a message of this kind.
    fn place_behind(&self, kind: u8) -> Result<Place> {
        let since = match kind {
            b'B' | b'C' | b'O' | b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M' => Version::V1,
            b'S' | b'E' | b'c' | b'A' => Version::V2,
            b'b' | b'P' | b'K' | b'r' | b'p' => Version::V3,
            _ => return Err(unknown()),
        };
        if self.version < since {
            return Err(unexpected("a message belongs to a later version of pgoutput"));
        }
        match (kind, self.place) {
            (b'B', Place::Between) => Ok(Place::Transaction),
            (b'b', Place::Between) => Ok(Place::Preparation),
            (b'S', Place::Between) => Ok(Place::Part),
            (b'C', Place::Transaction) | (b'P', Place::Preparation) | (b'E', Place::Part) => {
                Ok(Place::Between)
            }
            (b'c' | b'A' | b'p' | b'K' | b'r' | b'M', Place::Between) => Ok(Place::Between),
            (
                b'O' | b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M',
                inside @ (Place::Transaction | Place::Preparation | Place::Part),
            ) => Ok(inside),
            _ => Err(unexpected("a message of pgoutput is out of order")),
        }
    }

    fn read<'a>(&self, kind: u8, reader: &mut Reader<'a>) -> Result<Event<'a>> {
        let xid = match kind {
            b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M' if self.place == Place::Part => {
                Some(Xid::read(reader)?)
            }
            _ => None,
        };
        Ok(match kind {
            b'B' => Event::Begin(Begin::read(reader)?),
            b'C' => Event::Commit(Commit::read(reader)?),
            b'O' => Event::Origin(Origin::read(reader)?),
            b'R' => Event::Relation(Relation::read(reader, xid)?),
            b'Y' => Event::Type(TypeName::read(reader, xid)?),
            b'I' => Event::Insert(Insert::read(reader, xid)?),
            b'U' => Event::Update(Update::read(reader, xid)?),
            b'D' => Event::Delete(Delete::read(reader, xid)?),
            b'T' => Event::Truncate(Truncate::read(reader, xid)?),
            b'M' => Event::Message(Message::read(reader, xid)?),
            b'S' => Event::StreamStart(StreamStart::read(reader)?),
            b'E' => Event::StreamStop,
            b'c' => Event::StreamCommit(StreamCommit::read(reader)?),
            b'A' => Event::StreamAbort(StreamAbort::read(reader, self.is_parallel)?),
            b'b' => Event::BeginPrepare(Prepared::read_begin(reader)?),
            b'P' => Event::Prepare(Prepared::read(reader)?),
            b'K' => Event::CommitPrepared(Prepared::read(reader)?),
            b'r' => Event::RollbackPrepared(RollbackPrepared::read(reader)?),
            b'p' => Event::StreamPrepare(Prepared::read(reader)?),
            _ => return Err(unknown()),
        })
    }
}

#[cold]
fn unknown() -> Error {
    Error::new(ErrorKind::InvalidValue, "an unknown kind of pgoutput message")
}

#[cold]
fn unexpected(message: &'static str) -> Error {
    Error::new(ErrorKind::UnexpectedMessage, message)
}

impl Event<'_> {
    /// Writes the message, as the plugin does. What stands in it alone decides its form: an `xid` makes it one of a streamed
    /// part, an `abort` one of `streaming 'parallel'`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in a name, [`ErrorKind::TooLarge`] for more columns than 65 535 or bytes than
    /// 2 GiB. Nothing is appended then.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        let start = out.len();
        let done = self.write_parts(out);
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    fn write_parts(&self, out: &mut Buffer) -> Result<()> {
        out.put_u8(self.kind());
        if let Some(xid) = self.streamed_xid() {
            xid.write(out);
        }
        match self {
            Self::Begin(begin) => begin.write(out),
            Self::Commit(commit) => commit.write(out),
            Self::Origin(origin) => origin.write(out)?,
            Self::Relation(relation) => relation.write(out)?,
            Self::Type(name) => name.write(out)?,
            Self::Insert(insert) => insert.write(out)?,
            Self::Update(update) => update.write(out)?,
            Self::Delete(delete) => delete.write(out)?,
            Self::Truncate(truncate) => truncate.write(out)?,
            Self::Message(message) => message.write(out)?,
            Self::StreamStart(start) => start.write(out),
            Self::StreamStop => {}
            Self::StreamCommit(commit) => commit.write(out),
            Self::StreamAbort(abort) => abort.write(out),
            Self::BeginPrepare(prepared) => prepared.write_begin(out)?,
            Self::Prepare(prepared)
            | Self::CommitPrepared(prepared)
            | Self::StreamPrepare(prepared) => prepared.write(out)?,
            Self::RollbackPrepared(rollback) => rollback.write(out)?,
        }
        Ok(())
    }

    /// The letter that the message begins with.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Begin(_) => b'B',
            Self::Commit(_) => b'C',
            Self::Origin(_) => b'O',
            Self::Relation(_) => b'R',
            Self::Type(_) => b'Y',
            Self::Insert(_) => b'I',
            Self::Update(_) => b'U',
            Self::Delete(_) => b'D',
            Self::Truncate(_) => b'T',
            Self::Message(_) => b'M',
            Self::StreamStart(_) => b'S',
            Self::StreamStop => b'E',
            Self::StreamCommit(_) => b'c',
            Self::StreamAbort(_) => b'A',
            Self::BeginPrepare(_) => b'b',
            Self::Prepare(_) => b'P',
            Self::CommitPrepared(_) => b'K',
            Self::RollbackPrepared(_) => b'r',
            Self::StreamPrepare(_) => b'p',
        }
    }

    /// The (sub)transaction that a message inside a streamed part names.
    #[must_use]
    pub const fn streamed_xid(&self) -> Option<Xid> {
        match self {
            Self::Relation(Relation { xid, .. })
            | Self::Type(TypeName { xid, .. })
            | Self::Insert(Insert { xid, .. })
            | Self::Update(Update { xid, .. })
            | Self::Delete(Delete { xid, .. })
            | Self::Truncate(Truncate { xid, .. })
            | Self::Message(Message { xid, .. }) => *xid,
            _ => None,
        }
    }
}
