//! Chance that can be repeated.

use std::cell::Cell;
use std::time::Duration;

/// Numbers that follow from a seed (xorshift; Marsaglia 2003).
#[derive(Debug)]
pub(crate) struct Numbers(Cell<u64>);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        // The upper half: the lower bits of such numbers are not drawn well.
        (x >> 32) % limit
    }

    pub(crate) fn millis(&self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(crate) fn percent(&self, times: u64) -> bool {
        self.below(100) < times
    }
}
