//! Places in the write-ahead log.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A place in the write-ahead log: bytes since its beginning (manual: "`pg_lsn` Type").
///
/// It is written as PostgreSQL writes it: the upper and the lower 32 bits in hexadecimal, with a slash between them.
///
/// ```
/// use stellata_protocol::replication::Lsn;
/// let lsn: Lsn = "16/B374D848".parse().unwrap();
/// assert_eq!(lsn, Lsn(0x16_B374_D848));
/// assert_eq!(lsn.to_string(), "16/B374D848");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// No place: where a primary sends nothing that has one, and where a standby leaves the choice to the primary.
    pub const INVALID: Self = Self(0);

    /// Whether it is a place.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }

    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self(u64::from_be_bytes(reader.array()?)))
    }

    #[inline]
    pub(super) fn write(self, out: &mut Buffer) {
        out.put_slice(&self.0.to_be_bytes());
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = Error;

    /// Reads one to eight hexadecimal digits, a slash, and as many again, as the server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let half = |digits: &str| match digits.len() {
            1..=8 if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                u64::from_str_radix(digits, 16).ok()
            }
            _ => None,
        };
        text.split_once('/')
            .and_then(|(upper, lower)| Some(Self(half(upper)? << 32 | half(lower)?)))
            .ok_or(Error::new(ErrorKind::InvalidValue, "an LSN does not look like 16/B374D848"))
    }
}

impl PgType for Lsn {
    const TYPE: Type = Type { oid: Oid::PG_LSN, array: Oid::PG_LSN_ARRAY, name: "pg_lsn" };
}

impl ArrayElement for Lsn {}

impl Encode for Lsn {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.write(out);
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Lsn {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let lsn = Self::read(&mut reader)?;
        reader.end()?;
        Ok(lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_and_binary_come_back(lsn: u64) {
            let lsn = Lsn(lsn);
            prop_assert_eq!(lsn.to_string().parse(), Ok(lsn));
            let mut out = Buffer::new();
            prop_assert_eq!(lsn.encode(Lsn::TYPE.oid, &mut out), Ok(IsNull::No));
            prop_assert_eq!(Lsn::decode(Lsn::TYPE.oid, out.as_slice()), Ok(lsn));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-fA-F/+ -]{0,20}") {
            if let Ok(lsn) = text.parse::<Lsn>() {
                let halves: Vec<_> = text.split('/').map(|half| half.trim_start_matches('0')).collect();
                let printed = lsn.to_string().to_ascii_lowercase();
                let found: Vec<_> = printed.split('/').map(|half| half.trim_start_matches('0')).collect();
                prop_assert_eq!(found.join("/"), halves.join("/").to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn the_order_is_that_of_the_log() {
        let mut all = ["0/FFFFFFFF", "1/0", "0/0", "FFFFFFFF/FFFFFFFF", "a/B"]
            .map(|text| text.parse::<Lsn>().unwrap());
        all.sort();
        assert_eq!(
            all.map(|lsn| lsn.to_string()),
            ["0/0", "0/FFFFFFFF", "1/0", "A/B", "FFFFFFFF/FFFFFFFF"]
        );
        assert!(!Lsn::INVALID.is_valid() && Lsn(1).is_valid());
    }

    #[test]
    fn what_the_server_refuses_is_refused() {
        for text in
            ["", "/", "0", "0/", "/0", "G/0", "+1/0", "1/ 0", "123456789/0", "1/2/3", "0/-1"]
        {
            let kind = text.parse::<Lsn>().map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::InvalidValue), "{text}");
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        let kind = |raw: &[u8]| Lsn::decode(Lsn::TYPE.oid, raw).map_err(|error| error.kind());
        assert_eq!(kind(&[0; 7]), Err(ErrorKind::Truncated));
        assert_eq!(kind(&[0; 9]), Err(ErrorKind::TrailingBytes));
    }
}
