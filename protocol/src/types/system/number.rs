//! [`Xid8`] and [`Cid`]: numbers of transactions and of commands.

use core::fmt;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::{Decode, PgType, Type};

/// A transaction's number that never comes again, with the epoch in its upper half: `xid8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Xid8(pub u64);

/// A command's number within its transaction: `cid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Cid(pub u32);

macro_rules! numbers {
    ($($rust:ident, $number:ty, $oid:ident, $array:ident, $name:literal;)*) => {$(
        impl fmt::Display for $rust {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl PgType for $rust {
            const TYPE: Type = Type { oid: Oid::$oid, array: Oid::$array, name: $name };
        }

        impl ArrayElement for $rust {}

        encode_fixed! { $rust, |value| value.0.to_be_bytes() }

        impl<'a> Decode<'a> for $rust {
            #[inline]
            fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
                Ok(Self(<$number>::from_be_bytes(fixed(raw)?)))
            }
        }
    )*};
}

numbers! {
    Xid8, u64, XID8, XID8_ARRAY, "xid8";
    Cid, u32, CID, CID_ARRAY, "cid";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::types::proof::{is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::XID8, "ffffffffffffffff", &Xid8(u64::MAX));
        is_value(Oid::CID, "fffffffe", &Cid(u32::MAX - 1));
        is_refused::<Xid8>(Oid::XID8, "00000001", ErrorKind::Truncated);
        is_refused::<Xid8>(Oid::XID8, "000000000000000100", ErrorKind::TrailingBytes);
        is_refused::<Cid>(Oid::CID, "000001", ErrorKind::Truncated);
        is_refused::<Cid>(Oid::CID, "0000000100", ErrorKind::TrailingBytes);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(transaction: u64, command: u32) {
            round_trip(&Xid8(transaction))?;
            round_trip(&Cid(command))?;
        }
    }
}
