//! `int2`, `int4`, `int8`, `oid` and `"char"`.

use crate::types::fixed::big_endian;

big_endian! {
    i8, CHAR, CHAR_ARRAY, "\"char\"";
    i16, INT2, INT2_ARRAY, "int2";
    i32, INT4, INT4_ARRAY, "int4";
    i64, INT8, INT8_ARRAY, "int8";
    u32, OID, OID_ARRAY, "oid";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{decode, hex, is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::CHAR, "80", &-128_i8);
        is_value(Oid::INT2, "fffe", &-2_i16);
        is_value(Oid::INT4, "00000001", &1_i32);
        is_value(Oid::INT4, "80000000", &i32::MIN);
        is_value(Oid::INT8, "7fffffffffffffff", &i64::MAX);
        is_value(Oid::OID, "ffffffff", &u32::MAX);
    }

    #[test]
    fn other_lengths_are_refused() {
        is_refused::<i32>(Oid::INT4, "", ErrorKind::Truncated);
        is_refused::<i32>(Oid::INT4, "000000", ErrorKind::Truncated);
        is_refused::<i32>(Oid::INT4, "0000000001", ErrorKind::TrailingBytes);
        let offset = |text| decode::<i32>(Oid::INT4, &hex(text)).map_err(|error| error.offset());
        assert_eq!(offset("000000"), Err(3));
        assert_eq!(offset("0000000001"), Err(4));
    }

    proptest! {
        #[test]
        fn every_value_comes_back(a: i8, b: i16, c: i32, d: i64, e: u32) {
            round_trip(&a)?;
            round_trip(&b)?;
            round_trip(&c)?;
            round_trip(&d)?;
            round_trip(&e)?;
        }
    }
}
