//! `void` as `()`: what a function that returns nothing returns.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::{Decode, PgType, Type};

impl PgType for () {
    const TYPE: Type = Type { oid: Oid::VOID, array: Oid::UNSPECIFIED, name: "void" };
}

impl<'a> Decode<'a> for () {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        if raw.is_empty() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::TrailingBytes, "a void holds something"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{decode, is_refused};

    #[test]
    fn nothing_is_read_from_nothing() {
        assert_eq!(decode::<()>(Oid::VOID, &[]), Ok(()));
        is_refused::<()>(Oid::VOID, "00", ErrorKind::TrailingBytes);
    }
}
