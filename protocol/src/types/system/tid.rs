//! [`Tid`]: where a row lies.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Where a version of a row lies in its table, as the system column `ctid` tells: `tid`.
///
/// ```
/// use stellata_protocol::types::system::Tid;
/// let place: Tid = "(42,7)".parse().unwrap();
/// assert_eq!(place, Tid { block: 42, offset: 7 });
/// assert_eq!(place.to_string(), "(42,7)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tid {
    /// Which block of the table, counted from 0.
    pub block: u32,
    /// Which place in the block, counted from 1; 0 is none.
    pub offset: u16,
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

impl FromStr for Tid {
    type Err = Error;

    /// Reads what is printed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let (block, offset) = text
            .strip_prefix('(')
            .and_then(|text| text.strip_suffix(')'))
            .and_then(|text| text.split_once(','))
            .filter(|both| !both.0.starts_with('+') && !both.1.starts_with('+'))
            .and_then(|both| Some((both.0.parse().ok()?, both.1.parse().ok()?)))
            .ok_or(Error::new(ErrorKind::InvalidValue, "a tid does not look like (42,7)"))?;
        Ok(Self { block, offset })
    }
}

impl PgType for Tid {
    const TYPE: Type = Type { oid: Oid::TID, array: Oid::TID_ARRAY, name: "tid" };
}

impl ArrayElement for Tid {}

impl Encode for Tid {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_u32(self.block);
        out.put_u16(self.offset);
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Tid {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let tid = Self { block: reader.u32()?, offset: reader.u16()? };
        reader.end()?;
        Ok(tid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::TID, "00000001 0002", &Tid { block: 1, offset: 2 });
        is_refused::<Tid>(Oid::TID, "", ErrorKind::Truncated);
        is_refused::<Tid>(Oid::TID, "00000001 00", ErrorKind::Truncated);
        is_refused::<Tid>(Oid::TID, "00000001 0002 00", ErrorKind::TrailingBytes);
    }

    #[test]
    fn text_that_is_no_tid_is_refused() {
        for text in [
            "",
            "()",
            "(1)",
            "1,2",
            "(1,2",
            "1,2)",
            "(1,2,3)",
            "(+1,2)",
            "(1,+2)",
            "(-1,2)",
            "(1, 2)",
            "(4294967296,0)",
            "(0,65536)",
        ] {
            assert!(text.parse::<Tid>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(block: u32, offset: u16) {
            let tid = Tid { block, offset };
            round_trip(&tid)?;
            prop_assert_eq!(tid.to_string().parse(), Ok(tid));
        }
    }
}
