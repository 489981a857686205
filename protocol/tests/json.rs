//! JSON as it goes out and comes back.
#![cfg(feature = "serde_json")]

use proptest::prelude::*;

use stellata_protocol::{Buffer, Decode, Encode, Json, Oid};

fn there_and_back(number: f64) -> f64 {
    let mut out = Buffer::new();
    let _ = Json(number).encode(Oid::JSONB, &mut out).unwrap();
    Json::<f64>::decode(Oid::JSONB, out.as_slice()).unwrap().0
}

proptest! {
    /// Found by the fuzzer: the reader of numbers that is quickest may miss by the last bit.
    #[test]
    fn a_number_is_read_as_it_was_written(number: f64) {
        prop_assert_eq!(there_and_back(number).to_bits(), number.to_bits());
    }
}

#[test]
fn numbers_that_once_came_back_as_others() {
    for number in [-5.327_621_757_448_477e-59, f64::MIN_POSITIVE, f64::MAX, 5e-324, 0.1 + 0.2] {
        assert_eq!(there_and_back(number).to_bits(), f64::to_bits(number));
    }
}
