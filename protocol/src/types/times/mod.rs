//! `date`, `time`, `timetz`, `timestamp`, `timestamptz` and `interval` in full, without any crate for them.
//!
//! The server counts days and microseconds from 2000-01-01 (`timestamp.h` of its source), in the Gregorian calendar for
//! all of time.

pub(super) mod scan;
mod calendar;
pub(crate) mod date;
pub(crate) mod time;
pub(crate) mod timetz;
pub(crate) mod timestamp;
pub(crate) mod interval;
pub(crate) mod or_infinity;
mod system;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_MINUTE: i64 = 60_000_000;
pub(super) const MICROS_PER_HOUR: i64 = 3_600_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;
const INFINITY: &str = "infinity";
const NEG_INFINITY: &str = "-infinity";

/// The microseconds nearest to `nanos`, ties to even, as the server rounds what it reads; `None` beyond 64 bits.
pub(super) fn nearest_micros(nanos: i128) -> Option<i64> {
    let micros = nanos.div_euclid(1_000);
    let rest = nanos.rem_euclid(1_000);
    let up = rest > 500 || (rest == 500 && micros.rem_euclid(2) == 1);
    i64::try_from(micros.wrapping_add(i128::from(up))).ok()
}

#[cfg(test)]
mod tests {
    use super::nearest_micros;

    #[test]
    fn nanoseconds_are_rounded_to_the_nearest_even_microsecond() {
        for (nanos, micros) in [
            (0, 0),
            (499, 0),
            (500, 0),
            (501, 1),
            (1_500, 2),
            (2_500, 2),
            (-499, 0),
            (-500, 0),
            (-501, -1),
            (-1_500, -2),
            (-2_500, -2),
            (i128::from(i64::MIN) * 1_000 - 500, i64::MIN),
        ] {
            assert_eq!(nearest_micros(nanos), Some(micros), "{nanos}");
        }
        assert_eq!(nearest_micros(i128::from(i64::MAX) * 1_000 + 500), None);
        assert_eq!(nearest_micros(i128::MAX), None);
    }
}
