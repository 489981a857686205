//! What a logical stream tells.

use stellata_protocol::Oid;
use stellata_protocol::replication::pgoutput::{
    self, Begin, Commit, Origin, Prepared, RollbackPrepared, StreamAbort, StreamCommit,
    StreamStart, TypeName,
};
use stellata_protocol::replication::{Lsn, Timestamp, Xid};

use crate::error::Result;
use crate::replication::relations::Relations;
use crate::replication::row::{Relation, Row};

/// A message of a logical stream.
#[derive(Clone, Copy, Debug)]
pub struct LogicalMessage<'a> {
    /// Where it stands in the log; 0/0 for a description, which stands nowhere.
    pub position: Lsn,
    /// The server's clock when it sent this.
    pub sent_at: Timestamp,
    /// What it says.
    pub event: Event<'a>,
}

/// What a [`LogicalMessage`] says.
///
/// A transaction is [`Event::Begin`], its changes, and [`Event::Commit`]. With
/// [`two_phase`](super::LogicalOptions::two_phase) one that is prepared is [`Event::BeginPrepare`], its changes and
/// [`Event::Prepare`], and some time later [`Event::CommitPrepared`] or [`Event::RollbackPrepared`]. With
/// [`with_streaming`](super::LogicalOptions::with_streaming) a large one is any number of parts while it is open, each
/// between [`Event::StreamStart`] and [`Event::StreamStop`], and in the end [`Event::StreamCommit`],
/// [`Event::StreamAbort`] or [`Event::StreamPrepare`]: until then it has not happened. An abort may concern a
/// subtransaction alone, whose changes are known by their `xid`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A transaction begins that has been committed.
    Begin(Begin),
    /// It ends. Confirm `end_lsn` once it is safe.
    Commit(Commit),
    /// The transaction came to the server by replication.
    Origin(Origin<'a>),
    /// What a table looks like: told before the first change of it, and again when it looks different.
    Relation(&'a Relation),
    /// The name of a type that is not built in, told before the first table that has it.
    Type(TypeName<'a>),
    /// A row was inserted.
    Insert(Insert<'a>),
    /// A row was updated.
    Update(Update<'a>),
    /// A row was deleted.
    Delete(Delete<'a>),
    /// Tables were truncated.
    Truncate(Truncate<'a>),
    /// A message of an application. One that is not of a transaction is confirmed by its `lsn`.
    Message(pgoutput::Message<'a>),
    /// A part of an open transaction begins.
    StreamStart(StreamStart),
    /// The part ends.
    StreamStop,
    /// A streamed transaction is committed. Confirm `commit.end_lsn` once it is safe.
    StreamCommit(StreamCommit),
    /// A streamed transaction, or a subtransaction of it, is rolled back.
    StreamAbort(StreamAbort),
    /// A transaction begins that has been prepared.
    BeginPrepare(Prepared<'a>),
    /// It is prepared. Confirm `end_lsn` once it is safe.
    Prepare(Prepared<'a>),
    /// A prepared transaction is committed. Confirm `end_lsn` once that is safe.
    CommitPrepared(Prepared<'a>),
    /// A prepared transaction is rolled back. Confirm `end_lsn` once that is safe.
    RollbackPrepared(RollbackPrepared<'a>),
    /// A streamed transaction is prepared. Confirm `end_lsn` once it is safe.
    StreamPrepare(Prepared<'a>),
}

/// A row was inserted.
#[derive(Clone, Copy, Debug)]
pub struct Insert<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The row.
    pub new: Row<'a>,
}

/// A row was updated.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// What is told of the old row; `None` where its key is the new row's.
    pub old: Option<OldRow<'a>>,
    /// The new row.
    pub new: Row<'a>,
}

/// A row was deleted.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// What is told of the row.
    pub old: OldRow<'a>,
}

/// What is told of a row that is gone.
#[derive(Clone, Copy, Debug)]
pub enum OldRow<'a> {
    /// The columns of the key; the others read as NULL.
    Key(Row<'a>),
    /// All columns: the table's replica identity is FULL.
    Full(Row<'a>),
}

impl<'a> OldRow<'a> {
    /// The row, of which all columns or those of the key alone have their values.
    #[must_use]
    pub const fn row(&self) -> Row<'a> {
        match *self {
            Self::Key(row) | Self::Full(row) => row,
        }
    }
}

/// Tables were truncated, all by one command.
#[derive(Clone, Copy, Debug)]
pub struct Truncate<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The command said CASCADE. The tables that it reached are among the others.
    pub cascade: bool,
    /// The command said RESTART IDENTITY.
    pub restart_identity: bool,
    oids: pgoutput::List<'a, Oid>,
    relations: &'a Relations,
}

impl<'a> Truncate<'a> {
    /// The tables.
    pub fn relations(&self) -> impl Iterator<Item = &'a Relation> {
        let relations = self.relations;
        self.oids.iter().filter_map(move |oid| relations.get(oid))
    }
}

impl<'a> Event<'a> {
    /// Finds the tables of which an event speaks.
    pub(super) fn of(event: pgoutput::Event<'a>, relations: &'a Relations) -> Result<Self> {
        let old = |relation, old| {
            Ok(match old {
                pgoutput::OldRow::Key(values) => OldRow::Key(Row::new(relation, values)?),
                pgoutput::OldRow::Full(values) => OldRow::Full(Row::new(relation, values)?),
            })
        };
        Ok(match event {
            pgoutput::Event::Begin(begin) => Self::Begin(begin),
            pgoutput::Event::Commit(commit) => Self::Commit(commit),
            pgoutput::Event::Origin(origin) => Self::Origin(origin),
            pgoutput::Event::Relation(relation) => Self::Relation(relations.find(relation.oid)?),
            pgoutput::Event::Type(name) => Self::Type(name),
            pgoutput::Event::Insert(insert) => {
                let relation = relations.find(insert.relation)?;
                Self::Insert(Insert { xid: insert.xid, new: Row::new(relation, insert.new)? })
            }
            pgoutput::Event::Update(update) => {
                let relation = relations.find(update.relation)?;
                Self::Update(Update {
                    xid: update.xid,
                    old: update.old.map(|row| old(relation, row)).transpose()?,
                    new: Row::new(relation, update.new)?,
                })
            }
            pgoutput::Event::Delete(delete) => {
                let relation = relations.find(delete.relation)?;
                Self::Delete(Delete { xid: delete.xid, old: old(relation, delete.old)? })
            }
            pgoutput::Event::Truncate(truncate) => {
                for oid in truncate.relations {
                    relations.find(oid)?;
                }
                Self::Truncate(Truncate {
                    xid: truncate.xid,
                    cascade: truncate.cascade,
                    restart_identity: truncate.restart_identity,
                    oids: truncate.relations,
                    relations,
                })
            }
            pgoutput::Event::Message(message) => Self::Message(message),
            pgoutput::Event::StreamStart(start) => Self::StreamStart(start),
            pgoutput::Event::StreamStop => Self::StreamStop,
            pgoutput::Event::StreamCommit(commit) => Self::StreamCommit(commit),
            pgoutput::Event::StreamAbort(abort) => Self::StreamAbort(abort),
            pgoutput::Event::BeginPrepare(prepared) => Self::BeginPrepare(prepared),
            pgoutput::Event::Prepare(prepared) => Self::Prepare(prepared),
            pgoutput::Event::CommitPrepared(prepared) => Self::CommitPrepared(prepared),
            pgoutput::Event::RollbackPrepared(rollback) => Self::RollbackPrepared(rollback),
            pgoutput::Event::StreamPrepare(prepared) => Self::StreamPrepare(prepared),
        })
    }
}
