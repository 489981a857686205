//! [`Interval`]: an `interval` in full.

mod text;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::times::nearest_micros;
use crate::types::times::scan::out_of_range;
use crate::types::{Decode, PgType, Type};

/// Any value of PostgreSQL's `interval`: months, days and microseconds, each with a sign of its own (the manual's section
/// 8.5).
///
/// The three are kept apart because they are not multiples of each other: months have 28 to 31 days, days have 23 to 25
/// hours. Two intervals are equal here where all three are; the server takes a month for 30 days and a day for 24 hours
/// when it compares.
///
/// Server 17 has made two of the values infinities: [`Interval::INFINITY`] and [`Interval::NEG_INFINITY`], the largest
/// and the smallest of all three fields. For older servers they are intervals like the others.
///
/// ```
/// use stellata_protocol::Interval;
/// let interval = Interval { months: 14, days: -3, microseconds: 4_500_000 };
/// assert_eq!(interval.to_string(), "1 year 2 mons -3 days +00:00:04.5");
/// assert_eq!(interval.to_iso8601(), "P1Y2M-3DT4.5S");
/// assert_eq!("P1Y2M-3DT4.5S".parse(), Ok(interval));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months; a year is twelve of them.
    pub months: i32,
    /// Days; a week is seven of them.
    pub days: i32,
    /// Microseconds; hours, minutes and seconds are so many of them.
    pub microseconds: i64,
}

impl Interval {
    /// Longer than every other, from server 17 on.
    pub const INFINITY: Self = Self { months: i32::MAX, days: i32::MAX, microseconds: i64::MAX };
    /// Shorter than every other, from server 17 on.
    pub const NEG_INFINITY: Self =
        Self { months: i32::MIN, days: i32::MIN, microseconds: i64::MIN };

    /// An interval of microseconds alone.
    #[must_use]
    pub const fn from_microseconds(microseconds: i64) -> Self {
        Self { months: 0, days: 0, microseconds }
    }

    /// The microseconds nearest to so many nanoseconds.
    pub(in crate::types) fn from_nanoseconds(nanoseconds: i128) -> Result<Self> {
        nearest_micros(nanoseconds)
            .map(Self::from_microseconds)
            .ok_or_else(|| out_of_range("the duration is longer than an interval's microseconds"))
    }

    /// The microseconds of an interval that is nothing else.
    pub(in crate::types) fn only_microseconds(self) -> Result<i64> {
        match self {
            Self { months: 0, days: 0, microseconds } => Ok(microseconds),
            _ => Err(out_of_range("the interval has months or days, whose length is not fixed")),
        }
    }

    /// Whether this is none of the infinities.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        !matches!(*self, Self::INFINITY | Self::NEG_INFINITY)
    }
}

impl PgType for Interval {
    const TYPE: Type = Type { oid: Oid::INTERVAL, array: Oid::INTERVAL_ARRAY, name: "interval" };
}

impl ArrayElement for Interval {}

impl Interval {
    fn to_be_bytes(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.microseconds.to_be_bytes();
        let [i, j, k, l] = self.days.to_be_bytes();
        let [m, n, o, p] = self.months.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

encode_fixed! {
    Interval, |value| value.to_be_bytes()
}

impl<'a> Decode<'a> for Interval {
    /// Reads any interval: all sixteen bytes are one.
    ///
    /// # Errors
    /// Those of a wrong length.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = fixed(raw)?;
        Ok(Self {
            microseconds: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            days: i32::from_be_bytes([i, j, k, l]),
            months: i32::from_be_bytes([m, n, o, p]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    fn interval(months: i32, days: i32, microseconds: i64) -> Interval {
        Interval { months, days, microseconds }
    }

    #[test]
    fn known_intervals() {
        for (value, hex, text, iso) in [
            (interval(0, 0, 0), "0000000000000000 00000000 00000000", "00:00:00", "PT0S"),
            (
                interval(14, -3, 14_706_700_000),
                "000000036c966ee0 fffffffd 0000000e",
                "1 year 2 mons -3 days +04:05:06.7",
                "P1Y2M-3DT4H5M6.7S",
            ),
            (interval(1, 0, 0), "0000000000000000 00000000 00000001", "1 mon", "P1M"),
            (interval(-12, 0, 0), "0000000000000000 00000000 fffffff4", "-1 years", "P-1Y"),
            (interval(12, 1, 0), "0000000000000000 00000001 0000000c", "1 year 1 day", "P1Y1D"),
            (
                interval(0, 0, -1),
                "ffffffffffffffff 00000000 00000000",
                "-00:00:00.000001",
                "PT-0.000001S",
            ),
            (
                interval(-1, 1, -3_600_000_000),
                "ffffffff296c5c00 00000001 ffffffff",
                "-1 mons +1 day -01:00:00",
                "P-1M1DT-1H",
            ),
            (
                interval(i32::MIN, i32::MIN, i64::MAX),
                "7fffffffffffffff 80000000 80000000",
                "-178956970 years -8 mons -2147483648 days +2562047788:00:54.775807",
                "P-178956970Y-8M-2147483648DT2562047788H54.775807S",
            ),
            (Interval::INFINITY, "7fffffffffffffff 7fffffff 7fffffff", "infinity", "infinity"),
            (
                Interval::NEG_INFINITY,
                "8000000000000000 80000000 80000000",
                "-infinity",
                "-infinity",
            ),
        ] {
            is_value(Oid::INTERVAL, hex, &value);
            assert_eq!((value.to_string().as_str(), value.to_iso8601().as_str()), (text, iso));
            assert_eq!((text.parse(), iso.parse()), (Ok(value), Ok(value)));
        }
        is_refused::<Interval>(Oid::INTERVAL, "0000000000000000 00000000", ErrorKind::Truncated);
    }

    fn any_interval() -> impl Strategy<Value = Interval> {
        let months = prop_oneof![Just(0), -30..30_i32, any::<i32>()];
        let days = prop_oneof![Just(0), -40..40_i32, any::<i32>()];
        let micros = prop_oneof![Just(0), -9_999_999..9_999_999_i64, any::<i64>()];
        (months, days, micros).prop_map(|(months, days, micros)| interval(months, days, micros))
    }

    proptest! {
        #[test]
        fn every_interval_comes_back(value in any_interval()) {
            round_trip(&value)?;
            prop_assert_eq!(value.to_string().parse(), Ok(value));
            prop_assert_eq!(value.to_iso8601().parse(), Ok(value));
        }

        #[test]
        fn hostile_bytes_are_survived(raw: [u8; 16], any: Vec<u8>) {
            survives::<Interval>(Oid::INTERVAL, &raw)?;
            survives::<Interval>(Oid::INTERVAL, &any)?;
        }
    }
}
