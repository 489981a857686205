//! [`Char`]: one byte.

use core::fmt::{self, Write as _};

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::{Decode, PgType, Type};

/// One byte that stands for a letter, such as `pg_class.relkind`: `"char"`, with the quotes.
///
/// `i8` is the same type where a number is wanted. It is printed as servers since 15 print it: nothing for 0, and octal
/// digits for what is not ASCII.
///
/// ```
/// use stellata_protocol::types::system::Char;
/// assert_eq!(Char(b'r').to_string(), "r");
/// assert_eq!(Char(0x80).to_string(), "\\200");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Char(pub u8);

impl fmt::Display for Char {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1..=127 => f.write_char(char::from(self.0)),
            _ => write!(f, "\\{:o}", self.0),
        }
    }
}

impl PgType for Char {
    const TYPE: Type = i8::TYPE;
}

impl ArrayElement for Char {}

encode_fixed! {
    Char, |value| [value.0]
}

impl<'a> Decode<'a> for Char {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let [byte] = fixed(raw)?;
        Ok(Self(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::error::ErrorKind;
    use crate::types::proof::{is_refused, is_value, round_trip};

    #[test]
    fn every_value_comes_back() {
        is_value(Oid::CHAR, "72", &Char(b'r'));
        (0..=u8::MAX).for_each(|byte| round_trip(&Char(byte)).unwrap());
        is_refused::<Char>(Oid::CHAR, "", ErrorKind::Truncated);
        is_refused::<Char>(Oid::CHAR, "7272", ErrorKind::TrailingBytes);
    }
}
