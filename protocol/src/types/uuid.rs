//! `uuid` as [`Uuid`].

use ::uuid::Uuid;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::{Decode, PgType, Type};

impl PgType for Uuid {
    const TYPE: Type = Type { oid: Oid::UUID, array: Oid::UUID_ARRAY, name: "uuid" };
}

impl ArrayElement for Uuid {}

encode_fixed! {
    Uuid, |value| value.into_bytes()
}

impl<'a> Decode<'a> for Uuid {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        Ok(Self::from_bytes(fixed(raw)?))
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
        let value = "00112233-4455-6677-8899-aabbccddeeff".parse::<Uuid>().unwrap();
        is_value(Oid::UUID, "00112233445566778899aabbccddeeff", &value);
        is_refused::<Uuid>(Oid::UUID, "00112233445566778899aabbccddee", ErrorKind::Truncated);
        is_refused::<Uuid>(
            Oid::UUID,
            "00112233445566778899aabbccddeeff00",
            ErrorKind::TrailingBytes,
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value: u128) {
            round_trip(&Uuid::from_u128(value))?;
        }
    }
}
