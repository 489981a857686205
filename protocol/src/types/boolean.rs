//! `bool`.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::{Decode, PgType, Type};

impl PgType for bool {
    const TYPE: Type = Type { oid: Oid::BOOL, array: Oid::BOOL_ARRAY, name: "bool" };
}

impl ArrayElement for bool {}

encode_fixed! {
    bool, |value| [u8::from(*value)]
}

impl<'a> Decode<'a> for bool {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        match fixed(raw)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Error::new(ErrorKind::InvalidValue, "a bool is neither 0 nor 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{is_refused, is_value};

    #[test]
    fn known_bytes() {
        is_value(Oid::BOOL, "00", &false);
        is_value(Oid::BOOL, "01", &true);
    }

    #[test]
    fn anything_else_is_refused() {
        is_refused::<bool>(Oid::BOOL, "02", ErrorKind::InvalidValue);
        is_refused::<bool>(Oid::BOOL, "ff", ErrorKind::InvalidValue);
        is_refused::<bool>(Oid::BOOL, "", ErrorKind::Truncated);
        is_refused::<bool>(Oid::BOOL, "0100", ErrorKind::TrailingBytes);
    }
}
