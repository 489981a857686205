//! What all operations share.

use stellata_benches::schema;

/// How an operation ends.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Each operation is done so many times before it counts: statements are prepared and buffers have their sizes then.
pub(crate) const WARM_UP: u32 = 4;

/// Keys in turn; every other user has a hair colour.
pub(crate) fn keys(count: u32) -> impl Iterator<Item = i32> + Send {
    (1..=schema::USERS).cycle().zip(0..count).map(|(id, _)| id)
}

/// Rows of `users`, as a length.
pub(crate) fn rows() -> usize {
    usize::try_from(schema::USERS).unwrap_or_default()
}

/// The answer is what was asked for: a program that does less than it says would be quick.
pub(crate) fn check(holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err("the answer is wrong".into()) }
}
