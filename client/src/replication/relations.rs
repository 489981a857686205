//! The tables of a logical stream, as they were told.

use std::collections::HashMap;

use stellata_protocol::Oid;
use stellata_protocol::replication::Xid;
use stellata_protocol::replication::pgoutput;

use crate::error::Result;
use crate::replication::malformed;
use crate::replication::row::Relation;

/// How many tables are remembered at most. A server has told more, or makes them up.
const MOST: usize = 1 << 18;

/// The tables that a stream has told so far.
///
/// A streamed transaction that is still open sees its own changes of tables, which nobody else does until it is committed:
/// what is told inside of it is kept apart.
#[derive(Debug, Default)]
pub struct Relations {
    known: HashMap<Oid, Relation>,
    /// By streamed transaction that is open, what was told inside of it.
    open: HashMap<Xid, HashMap<Oid, Relation>>,
    /// The streamed transaction of the part that is being read.
    part: Option<Xid>,
    count: usize,
}

impl Relations {
    /// A table by its OID on the sending server, as it is where the stream is.
    #[must_use]
    pub fn get(&self, oid: Oid) -> Option<&Relation> {
        let inside = self.part.and_then(|part| self.open.get(&part)?.get(&oid));
        inside.or_else(|| self.known.get(&oid))
    }

    pub(super) fn find(&self, oid: Oid) -> Result<&Relation> {
        self.get(oid).ok_or_else(|| malformed("a change of a table that was never described"))
    }

    pub(super) fn note(&mut self, relation: &pgoutput::Relation<'_>) -> Result<()> {
        if self.count >= MOST {
            return Err(malformed("more tables were described than a database has"));
        }
        let tables = match self.part {
            Some(part) => self.open.entry(part).or_default(),
            None => &mut self.known,
        };
        if tables.insert(relation.oid, Relation::of(relation)).is_none() {
            self.count += 1;
        }
        Ok(())
    }

    pub(super) fn begin_part(&mut self, xid: Xid) {
        self.part = Some(xid);
    }

    pub(super) fn end_part(&mut self) {
        self.part = None;
    }

    /// A streamed transaction has ended. Once it is committed, what it has told holds for all; otherwise the server tells
    /// it again where it is needed.
    pub(super) fn end(&mut self, xid: Xid, committed: bool) {
        let Some(told) = self.open.remove(&xid) else { return };
        self.count = self.count.saturating_sub(told.len());
        if committed {
            for (oid, relation) in told {
                if self.known.insert(oid, relation).is_none() {
                    self.count += 1;
                }
            }
        }
    }
}
