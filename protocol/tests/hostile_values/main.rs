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

/// How long it may take to be read, written, read again and written again.
const LIMIT_TWICE: Duration = Duration::from_millis(200);

/// How often something is tried that takes longer than it may: the machine may have been doing something else meanwhile.
const TRIES: usize = 50;

/// The quickest of some times.
fn quickest(limit: Duration, work: impl Fn()) -> Duration {
    let mut quickest = Duration::MAX;
    for tried in 1..=TRIES {
        let start = Instant::now();
        work();
        quickest = quickest.min(start.elapsed());
        if tried >= 5 && quickest < limit {
            break;
        }
    }
    quickest
}

#[test]
fn a_hostile_value_takes_little_time() {
    let values = values::values();
    let (mut slowest, mut slowest_again) = ((Duration::ZERO, "", 0), (Duration::ZERO, "", 0));
    for reader in value::READERS {
        for (number, raw) in values.iter().enumerate() {
            let took = quickest(LIMIT, || (reader.decode)(u8::MAX, raw));
            slowest = slowest.max((took, reader.name, number));
            let took = quickest(LIMIT_TWICE, || (reader.read)(u8::MAX, raw));
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
    assert!(slowest_again.0 < LIMIT_TWICE);
}
