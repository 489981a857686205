//! Where a transaction begins and ends, whole or streamed in parts.

use crate::error::{ErrorKind, Result};
use crate::replication::lsn::Lsn;
use crate::replication::timestamp::Timestamp;
use crate::replication::xid::Xid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A transaction begins; its changes follow up to [`Commit`].
///
/// Layout: Byte1 `B`, Int64 LSN, Int64 time, Int32 xid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Where the commit stands in the log: the `lsn` of the [`Commit`].
    pub final_lsn: Lsn,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// The transaction.
    pub xid: Xid,
}

/// The end of a transaction.
///
/// Layout: Byte1 `C`, Int8 flags (0), Int64 LSN, Int64 end LSN, Int64 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where the commit stands in the log.
    pub lsn: Lsn,
    /// Where the commit ends: what a subscriber reports as flushed once the transaction is safe with it.
    pub end_lsn: Lsn,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// The transaction came to this server by replication.
///
/// Layout: Byte1 `O`, Int64 LSN, String name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Where the commit stands in the log of the server it came from.
    pub lsn: Lsn,
    /// The origin's name on the sending server.
    pub name: &'a str,
}

/// A part of a transaction that is still open begins; changes of it follow up to the StreamStop.
///
/// Layout: Byte1 `S`, Int32 xid, Int8 1 for the first part of this transaction, else 0. Since version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The top-level transaction.
    pub xid: Xid,
    /// Whether it is the transaction's first part.
    pub is_first: bool,
}

/// A streamed transaction has been committed.
///
/// Layout: Byte1 `c`, Int32 xid, then as [`Commit`]. Since version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamCommit {
    /// The top-level transaction.
    pub xid: Xid,
    /// Where and when.
    pub commit: Commit,
}

/// A streamed transaction or a part of it has been rolled back: what was streamed of `subxid` is to be thrown away.
///
/// Layout: Byte1 `A`, Int32 xid, Int32 subxid; with `streaming 'parallel'` (since version 4) also Int64 LSN, Int64 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAbort {
    /// The top-level transaction.
    pub xid: Xid,
    /// The subtransaction; the same as `xid` when all of it has been rolled back.
    pub subxid: Xid,
    /// Where and when, told with `streaming 'parallel'` alone.
    pub abort: Option<Abort>,
}

/// Where and when a transaction was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Where the rollback stands in the log.
    pub lsn: Lsn,
    /// When it was rolled back.
    pub aborted_at: Timestamp,
}

impl Begin {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            final_lsn: Lsn::read(reader)?,
            committed_at: Timestamp::read(reader)?,
            xid: Xid::read(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        self.final_lsn.write(out);
        self.committed_at.write(out);
        self.xid.write(out);
    }
}

impl Commit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        read_no_flags(reader)?;
        Ok(Self {
            lsn: Lsn::read(reader)?,
            end_lsn: Lsn::read(reader)?,
            committed_at: Timestamp::read(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        out.put_u8(0);
        self.lsn.write(out);
        self.end_lsn.write(out);
        self.committed_at.write(out);
    }
}

impl<'a> Origin<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { lsn: Lsn::read(reader)?, name: reader.cstr()? })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        self.lsn.write(out);
        out.put_cstr(self.name)
    }
}

impl StreamStart {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let xid = Xid::read(reader)?;
        let at = *reader;
        let is_first = match reader.u8()? {
            0 => false,
            1 => true,
            _ => {
                return Err(at.error(
                    ErrorKind::InvalidValue,
                    "the mark of a first part is neither 0 nor 1",
                ));
            }
        };
        Ok(Self { xid, is_first })
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        self.xid.write(out);
        out.put_u8(self.is_first.into());
    }
}

impl StreamCommit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { xid: Xid::read(reader)?, commit: Commit::read(reader)? })
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        self.xid.write(out);
        self.commit.write(out);
    }
}

impl StreamAbort {
    pub(super) fn read(reader: &mut Reader<'_>, is_parallel: bool) -> Result<Self> {
        let (xid, subxid) = (Xid::read(reader)?, Xid::read(reader)?);
        let abort = if is_parallel {
            Some(Abort { lsn: Lsn::read(reader)?, aborted_at: Timestamp::read(reader)? })
        } else {
            None
        };
        Ok(Self { xid, subxid, abort })
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        self.xid.write(out);
        self.subxid.write(out);
        if let Some(abort) = &self.abort {
            abort.lsn.write(out);
            abort.aborted_at.write(out);
        }
    }
}

/// Flags of which none is in use: whatever one would mean, it could not be done.
pub(super) fn read_no_flags(reader: &mut Reader<'_>) -> Result<()> {
    let at = *reader;
    if reader.u8()? == 0 {
        Ok(())
    } else {
        Err(at.error(ErrorKind::InvalidValue, "a message has a flag that is not known"))
    }
}
