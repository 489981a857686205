//! Chance, for what should not happen to all at the same time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Draws lots. Nothing secret hangs on them.
#[derive(Debug)]
pub(crate) struct Lots(AtomicU64);

impl Lots {
    /// Lots that are drawn anew each time, or are the same for the same seed.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        // Without the system's random numbers all pools draw the same lots, which is no harm.
        Self(AtomicU64::new(seed.or_else(|| getrandom::u64().ok()).unwrap_or_default()))
    }

    /// Draws a number.
    pub(crate) fn draw(&self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut lot = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        lot = (lot ^ (lot >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        lot = (lot ^ (lot >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        lot
    }

    /// Takes away up to one in `share` of a duration.
    pub(crate) fn shorten(&self, duration: Duration, share: u32) -> Duration {
        let fraction = (self.draw() >> 32) as u32;
        let most = duration / share.max(1);
        duration.saturating_sub(most.mul_f64(f64::from(fraction) / f64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_stay_in_their_range_and_are_the_same_for_a_seed() {
        let second = Duration::from_secs(1);
        let (one, two) = (Lots::new(Some(7)), Lots::new(Some(7)));
        let drawn: Vec<Duration> = (0..100).map(|_| one.shorten(second, 2)).collect();
        assert!(drawn.iter().all(|lot| (second / 2..=second).contains(lot)));
        assert!(drawn.iter().any(|lot| *lot < second * 6 / 10));
        assert!(drawn.iter().any(|lot| *lot > second * 9 / 10));
        assert!(drawn.iter().all(|lot| *lot == two.shorten(second, 2)));
    }
}
