//! `float4` and `float8`.

use crate::types::fixed::big_endian;

big_endian! {
    f32, FLOAT4, FLOAT4_ARRAY, "float4";
    f64, FLOAT8, FLOAT8_ARRAY, "float8";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{decode, encode, is_refused, is_value};

    #[test]
    fn known_bytes() {
        is_value(Oid::FLOAT4, "3fc00000", &1.5_f32);
        is_value(Oid::FLOAT4, "7f7fffff", &f32::MAX);
        is_value(Oid::FLOAT4, "ff800000", &f32::NEG_INFINITY);
        is_value(Oid::FLOAT4, "00000001", &f32::from_bits(1));
        is_value(Oid::FLOAT8, "3ff8000000000000", &1.5_f64);
        is_value(Oid::FLOAT8, "7fefffffffffffff", &f64::MAX);
        is_value(Oid::FLOAT8, "7ff0000000000000", &f64::INFINITY);
        is_value(Oid::FLOAT8, "0000000000000001", &5e-324_f64);
    }

    #[test]
    fn other_lengths_are_refused() {
        is_refused::<f32>(Oid::FLOAT4, "3fc000", ErrorKind::Truncated);
        is_refused::<f64>(Oid::FLOAT8, "3ff800000000000000", ErrorKind::TrailingBytes);
    }

    proptest! {
        // By bits: NaN is not equal to itself, and -0 is equal to 0.
        #[test]
        fn every_bit_comes_back(a: u32, b: u64) {
            let bytes = encode(Oid::FLOAT4, &f32::from_bits(a)).unwrap();
            prop_assert_eq!(decode::<f32>(Oid::FLOAT4, &bytes).map(f32::to_bits), Ok(a));
            let bytes = encode(Oid::FLOAT8, &f64::from_bits(b)).unwrap();
            prop_assert_eq!(decode::<f64>(Oid::FLOAT8, &bytes).map(f64::to_bits), Ok(b));
        }
    }
}
