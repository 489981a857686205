//! No hostile value takes long to be read, whatever the type is that it is read as.
//!
//! Time is what other work on the machine lengthens: `cargo xtask rel R07` runs this, and `cargo test` does not.
#![cfg(all(
    feature = "chrono",
    feature = "rust_decimal",
    feature = "serde_json",
    feature = "uuid"
))]
#![allow(clippy::print_stdout, reason = "the figures are what the test is for")]

#[path = "../../../fuzz/src/value.rs"]
#[allow(dead_code, reason = "the fuzzer uses all of it")]
mod value;
mod values;

use std::time::{Duration, Instant};

/// How long a hostile value may take.
const LIMIT: Duration = Duration::from_millis(50);

/// The quickest of some times, since anything may come between.
fn quickest(work: impl Fn()) -> Duration {
    let time = || {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..5).map(|_| time()).min().unwrap()
}

#[test]
fn a_hostile_value_takes_little_time() {
    let values = values::values();
    let (mut slowest, mut slowest_again) = ((Duration::ZERO, "", 0), (Duration::ZERO, "", 0));
    for reader in value::READERS {
        for (number, raw) in values.iter().enumerate() {
            let took = quickest(|| (reader.decode)(u8::MAX, raw));
            slowest = slowest.max((took, reader.name, number));
            // Read, written, read again and written again.
            let took = quickest(|| (reader.read)(u8::MAX, raw));
            slowest_again = slowest_again.max((took, reader.name, number));
        }
    }
    let types = value::READERS.len();
    println!(
        "hostile values: {} of them read as {types} types, {} in all: the slowest is {slowest:?}; \
         read and written twice, {slowest_again:?}",
        values.len(),
        values.len() * types,
    );
    assert!(slowest.0 < LIMIT);
    assert!(slowest_again.0 < LIMIT * 4);
}
