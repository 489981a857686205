//! Transaction identifiers.

use core::fmt;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::{Decode, PgType, Type};
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

impl PgType for Xid {
    const TYPE: Type = Type { oid: Oid::XID, array: Oid::XID_ARRAY, name: "xid" };
}

impl ArrayElement for Xid {}

encode_fixed! {
    Xid, |value| value.0.to_be_bytes()
}

impl<'a> Decode<'a> for Xid {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        Ok(Self(u32::from_be_bytes(fixed(raw)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::error::ErrorKind;
    use crate::types::proof::{is_refused, is_value};

    #[test]
    fn known_bytes() {
        is_value(Oid::XID, "fffffffe", &Xid(u32::MAX - 1));
        is_refused::<Xid>(Oid::XID, "000001", ErrorKind::Truncated);
        is_refused::<Xid>(Oid::XID, "0000000100", ErrorKind::TrailingBytes);
    }
}
