//! [`Oid`] as a value of `oid` and of its aliases.

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl PgType for Oid {
    const TYPE: Type = u32::TYPE;

    /// `oid` and its aliases, which are the same in binary. As text they are names: cast them where the name is wanted
    /// (`$1::regclass::text`).
    fn accepts(oid: Self) -> bool {
        matches!(
            oid,
            Self::OID
                | Self::REGPROC
                | Self::REGPROCEDURE
                | Self::REGOPER
                | Self::REGOPERATOR
                | Self::REGCLASS
                | Self::REGTYPE
                | Self::REGCONFIG
                | Self::REGDICTIONARY
                | Self::REGNAMESPACE
                | Self::REGROLE
                | Self::REGCOLLATION
        )
    }
}

impl ArrayElement for Oid {}

impl Encode for Oid {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.0.encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.0.encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        self.0.encode_in_place(place)
    }
}

impl<'a> Decode<'a> for Oid {
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        u32::decode(oid, raw).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::types::proof::{is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::OID, "00000017", &Oid::INT4);
        is_value(Oid::REGTYPE, "ffffffff", &Oid(u32::MAX));
        is_value(Oid::REGCLASS_ARRAY, "00000000 00000000 0000089d", &Vec::<Oid>::new());
        is_refused::<Oid>(Oid::REGCLASS, "000017", ErrorKind::Truncated);
        is_refused::<Oid>(Oid::REGCLASS, "0000001700", ErrorKind::TrailingBytes);
        assert!(!Oid::accepts(Oid::INT4) && !Oid::accepts(Oid::XID));
    }

    proptest! {
        #[test]
        fn every_value_comes_back(number: u32) {
            round_trip(&Oid(number))?;
        }
    }
}
