//! [`MacAddr`] and [`MacAddr8`]: their bytes.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::{Decode, PgType, Type};

/// A hardware address of 48 bits (EUI-48): `macaddr`.
///
/// ```
/// use stellata_protocol::types::network::MacAddr;
/// let address: MacAddr = "08:00:2b:01:02:03".parse().unwrap();
/// assert_eq!(address, MacAddr([0x08, 0x00, 0x2b, 0x01, 0x02, 0x03]));
/// assert_eq!(address.to_string(), "08:00:2b:01:02:03");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

/// A hardware address of 64 bits (EUI-64): `macaddr8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr8(pub [u8; 8]);

impl From<MacAddr> for MacAddr8 {
    /// The same device in the longer form: `ff:fe` in the middle, as the server casts it.
    fn from(MacAddr([a, b, c, d, e, f]): MacAddr) -> Self {
        Self([a, b, c, 0xff, 0xfe, d, e, f])
    }
}

macro_rules! addresses {
    ($($rust:ident, $len:literal, $oid:ident, $array:ident, $name:literal, $example:literal;)*) => {$(
        impl fmt::Display for $rust {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print(&self.0, f)
            }
        }

        impl FromStr for $rust {
            type Err = Error;

            #[doc = concat!("Reads what is printed: pairs of hexadecimal digits with colons between them, `", $example, "`.")]
            ///
            /// # Errors
            /// [`ErrorKind::InvalidValue`] for anything else.
            fn from_str(text: &str) -> Result<Self> {
                parse(text).map(Self).ok_or(Error::new(
                    ErrorKind::InvalidValue,
                    concat!("a hardware address does not look like ", $example),
                ))
            }
        }

        impl PgType for $rust {
            const TYPE: Type = Type { oid: Oid::$oid, array: Oid::$array, name: $name };
        }

        impl ArrayElement for $rust {}

        encode_fixed! { $rust, |value| value.0 }

        impl<'a> Decode<'a> for $rust {
            #[inline]
            fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
                fixed(raw).map(Self)
            }
        }
    )*};
}

addresses! {
    MacAddr, 6, MACADDR, MACADDR_ARRAY, "macaddr", "08:00:2b:01:02:03";
    MacAddr8, 8, MACADDR8, MACADDR8_ARRAY, "macaddr8", "08:00:2b:01:02:03:04:05";
}

fn print(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut colon = "";
    for byte in bytes {
        write!(f, "{colon}{byte:02x}")?;
        colon = ":";
    }
    Ok(())
}

fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut pairs = text.split(':');
    for byte in &mut bytes {
        let pair = pairs.next()?;
        if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        let short: MacAddr = "08:00:2B:01:02:ff".parse().unwrap();
        is_value(Oid::MACADDR, "08002b0102ff", &short);
        is_value(Oid::MACADDR8, "08002bfffe0102ff", &MacAddr8::from(short));
        assert_eq!(short.to_string(), "08:00:2b:01:02:ff");
        is_refused::<MacAddr>(Oid::MACADDR, "08002b0102", ErrorKind::Truncated);
        is_refused::<MacAddr>(Oid::MACADDR, "08002bfffe0102ff", ErrorKind::TrailingBytes);
        is_refused::<MacAddr8>(Oid::MACADDR8, "08002b0102ff", ErrorKind::Truncated);
        is_refused::<MacAddr8>(Oid::MACADDR8, "08002bfffe0102ff00", ErrorKind::TrailingBytes);
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for text in [
            "",
            ":",
            "08:00:2b:01:02",
            "08:00:2b:01:02:03:",
            "08:00:2b:01:02:03:04",
            "8:0:2b:1:2:3",
            "08-00-2b-01-02-03",
            "08:00:2b:01:02:+3",
            "08:00:2b:01:02:é",
            "08:00:2b:01:02:0g",
        ] {
            let kind = text.parse::<MacAddr>().map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::InvalidValue), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(short: [u8; 6], long: [u8; 8]) {
            let (short, long) = (MacAddr(short), MacAddr8(long));
            round_trip(&short)?;
            round_trip(&long)?;
            prop_assert_eq!(short.to_string().parse(), Ok(short));
            prop_assert_eq!(long.to_string().parse(), Ok(long));
        }
    }
}
