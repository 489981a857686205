//! One character as text.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl PgType for char {
    const TYPE: Type = str::TYPE;

    fn accepts(oid: Oid) -> bool {
        str::accepts(oid)
    }
}

impl ArrayElement for char {}

impl Encode for char {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        str::encode(self.encode_utf8(&mut [0; 4]), oid, out)
    }
}

impl<'a> Decode<'a> for char {
    /// Reads text of exactly one character.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for no character and for more, blanks at the end of a `char(n)` among them.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut characters = <&str>::decode(oid, raw)?.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(Error::new(ErrorKind::OutOfRange, "the text is not one character")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{encode, is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::TEXT, "61", &'a');
        is_value(Oid::BPCHAR, "f09f9880", &'😀');
        is_refused::<char>(Oid::TEXT, "", ErrorKind::OutOfRange);
        is_refused::<char>(Oid::BPCHAR, "6120", ErrorKind::OutOfRange);
        is_refused::<char>(Oid::TEXT, "ff", ErrorKind::InvalidText);
        let nul = encode(Oid::TEXT, &'\0').map_err(|error| error.kind());
        assert_eq!(nul, Err(ErrorKind::InvalidText));
    }

    proptest! {
        #[test]
        fn every_value_comes_back(character in "[^\0]") {
            round_trip(&character.chars().next().unwrap())?;
        }
    }
}
