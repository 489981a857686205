//! Transactions that are committed in two phases (`PREPARE TRANSACTION`).

use crate::error::Result;
use crate::replication::lsn::Lsn;
use crate::replication::pgoutput::transaction::read_no_flags;
use crate::replication::timestamp::Timestamp;
use crate::replication::xid::Xid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A step of a transaction in two phases: it is prepared, or committed after that.
///
/// Layout: Byte1 of the kind, Int8 flags (0; BeginPrepare has none), Int64 LSN, Int64 end LSN, Int64 time, Int32 xid,
/// String gid. Since version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Where the step, the PREPARE or the COMMIT PREPARED, stands in the log.
    pub lsn: Lsn,
    /// Where it ends: what a subscriber reports as flushed once the step is safe with it.
    pub end_lsn: Lsn,
    /// When it was done.
    pub at: Timestamp,
    /// The transaction.
    pub xid: Xid,
    /// The name that PREPARE TRANSACTION gave it, up to 199 bytes.
    pub gid: &'a str,
}

/// A prepared transaction has been rolled back.
///
/// Layout: Byte1 `r`, Int8 flags (0), Int64 end LSN of the PREPARE, Int64 end LSN, Int64 time of the PREPARE, Int64 time,
/// Int32 xid, String gid. Since version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPrepared<'a> {
    /// Where the PREPARE ends in the log: with the gid it tells one prepared transaction from another of the same name.
    pub prepare_end_lsn: Lsn,
    /// Where the ROLLBACK PREPARED ends.
    pub end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at: Timestamp,
    /// When it was rolled back.
    pub rolled_back_at: Timestamp,
    /// The transaction.
    pub xid: Xid,
    /// The name that PREPARE TRANSACTION gave it, up to 199 bytes.
    pub gid: &'a str,
}

impl<'a> Prepared<'a> {
    /// Reads all but the kind, of the kinds that have flags.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        read_no_flags(reader)?;
        Self::read_begin(reader)
    }

    /// Reads all but the kind of a BeginPrepare.
    pub(super) fn read_begin(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self {
            lsn: Lsn::read(reader)?,
            end_lsn: Lsn::read(reader)?,
            at: Timestamp::read(reader)?,
            xid: Xid::read(reader)?,
            gid: reader.cstr()?,
        })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u8(0);
        self.write_begin(out)
    }

    pub(super) fn write_begin(&self, out: &mut Buffer) -> Result<()> {
        self.lsn.write(out);
        self.end_lsn.write(out);
        self.at.write(out);
        self.xid.write(out);
        out.put_cstr(self.gid)
    }
}

impl<'a> RollbackPrepared<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        read_no_flags(reader)?;
        Ok(Self {
            prepare_end_lsn: Lsn::read(reader)?,
            end_lsn: Lsn::read(reader)?,
            prepared_at: Timestamp::read(reader)?,
            rolled_back_at: Timestamp::read(reader)?,
            xid: Xid::read(reader)?,
            gid: reader.cstr()?,
        })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u8(0);
        self.prepare_end_lsn.write(out);
        self.end_lsn.write(out);
        self.prepared_at.write(out);
        self.rolled_back_at.write(out);
        self.xid.write(out);
        out.put_cstr(self.gid)
    }
}
