//! Transaction identifiers.

use core::fmt;

use crate::error::Result;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A transaction's or subtransaction's number: 32 bits that start again after four thousand million, and so have no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Xid(pub u32);

impl Xid {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self(reader.u32()?))
    }

    pub(super) fn write(self, out: &mut Buffer) {
        out.put_u32(self.0);
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
