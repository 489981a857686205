//! [`TimeTz`]: a `timetz` in full.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::times::MICROS_PER_SECOND;
use crate::types::times::scan::{Scan, not_printed_so, out_of_range};
use crate::types::times::time::{Time, take_time};
use crate::types::{Decode, PgType, Type};

/// Any value of PostgreSQL's `timetz`: a time of day and the offset from UTC at which it is read off a clock.
///
/// The offset is kept, unlike that of a `timestamptz`. The manual (section 8.5) advises against the type; it is here
/// because tables have it. Equality is that of both parts, the order is the server's: by the time in UTC, and where
/// that is the same the one further east first.
///
/// ```
/// use stellata_protocol::{Time, TimeTz};
/// let time = TimeTz::new(Time::new(4, 5, 6, 0).unwrap(), -8 * 3600).unwrap();
/// assert_eq!(time.to_string(), "04:05:06-08");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeTz {
    time: Time,
    /// In seconds east of UTC.
    offset: i32,
}

impl TimeTz {
    /// The largest offset, either way: 15:59:59 in seconds.
    pub const MAX_OFFSET: i32 = 57_599;

    /// A time read off a clock that is `offset` seconds ahead of UTC: east is positive.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an offset of 16 hours and more, either way.
    pub fn new(time: Time, offset: i32) -> Result<Self> {
        if (-Self::MAX_OFFSET..=Self::MAX_OFFSET).contains(&offset) {
            Ok(Self { time, offset })
        } else {
            Err(out_of_range("the offset is 16 hours or more"))
        }
    }

    /// The time on the clock.
    #[must_use]
    pub fn time(self) -> Time {
        self.time
    }

    /// By how many seconds the clock is ahead of UTC: east is positive.
    #[must_use]
    pub fn offset(self) -> i32 {
        self.offset
    }

    /// The server keeps seconds west of UTC, as POSIX does.
    fn to_be_bytes(self) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h] = self.time.microseconds().to_be_bytes();
        let [i, j, k, l] = self.offset.wrapping_neg().to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

impl PartialOrd for TimeTz {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TimeTz {
    fn cmp(&self, other: &Self) -> Ordering {
        let utc = |value: &Self| {
            let offset = i64::from(value.offset).wrapping_mul(MICROS_PER_SECOND);
            value.time.microseconds().wrapping_sub(offset)
        };
        utc(self).cmp(&utc(other)).then(other.offset.cmp(&self.offset))
    }
}

impl fmt::Display for TimeTz {
    /// Writes the time as the server prints it: `12:34:56.789+05:30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.time, f)?;
        let seconds = self.offset.unsigned_abs();
        let sign = if self.offset < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}", seconds / 3_600)?;
        if !seconds.is_multiple_of(3_600) {
            write!(f, ":{:02}", seconds / 60 % 60)?;
        }
        if !seconds.is_multiple_of(60) {
            write!(f, ":{:02}", seconds % 60)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TimeTz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TimeTz {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for other text, [`ErrorKind::OutOfRange`] for an offset of 16 hours and more.
    fn from_str(text: &str) -> Result<Self> {
        let mut scan = Scan::new(text);
        let read = take_time(&mut scan).zip(take_offset(&mut scan)).filter(|_| scan.is_at_end());
        let (time, offset) =
            read.ok_or_else(|| not_printed_so("the text is no time with an offset"))?;
        Self::new(time, offset)
    }
}

/// An offset in seconds east of UTC: a sign, hours, and minutes and seconds where there are any.
pub(super) fn take_offset(scan: &mut Scan<'_>) -> Option<i32> {
    let west = scan.sign()?;
    let mut seconds = scan.number(2, 2)?.wrapping_mul(3_600);
    if scan.take(":").is_some() {
        seconds = seconds.wrapping_add(scan.sixty()?.wrapping_mul(60));
        if scan.take(":").is_some() {
            seconds = seconds.wrapping_add(scan.sixty()?);
        }
    }
    let seconds = i32::try_from(seconds).ok()?;
    Some(if west { seconds.wrapping_neg() } else { seconds })
}

impl PgType for TimeTz {
    const TYPE: Type = Type { oid: Oid::TIMETZ, array: Oid::TIMETZ_ARRAY, name: "timetz" };
}

impl ArrayElement for TimeTz {}

encode_fixed! {
    TimeTz, |value| value.to_be_bytes()
}

impl<'a> Decode<'a> for TimeTz {
    /// Reads any time with its offset.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for a time or an offset outside the server's own range, and those of a wrong length.
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = fixed(raw)?;
        let micros = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let west = i32::from_be_bytes([i, j, k, l]);
        let value = Time::from_microseconds(micros)
            .and_then(|time| Self::new(time, west.checked_neg().unwrap_or(i32::MAX)));
        value.map_err(|_| {
            Error::new(
                ErrorKind::InvalidValue,
                "a time or its offset is outside the server's range",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    fn time(text: &str) -> TimeTz {
        text.parse().unwrap()
    }

    #[test]
    fn known_times() {
        for (text, hex) in [
            ("00:00:00+00", "0000000000000000 00000000"),
            ("12:34:56.789012-08", "0000000a8be62614 00007080"),
            ("12:34:56.789012+05:30", "0000000a8be62614 ffffb2a8"),
            ("24:00:00+15:59:59", "000000141dd76000 ffff1f01"),
            ("00:00:00-15:59:59", "0000000000000000 0000e0ff"),
            ("00:00:00+00:00:01", "0000000000000000 ffffffff"),
            ("00:00:00-00:30", "0000000000000000 00000708"),
        ] {
            is_value(Oid::TIMETZ, hex, &time(text));
            assert_eq!(time(text).to_string(), text);
        }
        assert_eq!(
            (time("01:00:00+02").offset(), time("01:00:00-00:00:30").offset()),
            (7_200, -30)
        );
    }

    #[test]
    fn what_is_no_time_with_an_offset_is_refused() {
        for hex in [
            "000000141dd76001 00000000",
            "ffffffffffffffff 00000000",
            "0000000000000000 0000e100",
            "0000000000000000 ffff1f00",
            "0000000000000000 80000000",
            "0000000000000000 7fffffff",
        ] {
            is_refused::<TimeTz>(Oid::TIMETZ, hex, ErrorKind::InvalidValue);
        }
        is_refused::<TimeTz>(Oid::TIMETZ, "0000000000000000", ErrorKind::Truncated);
        for text in [
            "",
            "00:00:00",
            "00:00:00Z",
            "00:00:00+0",
            "00:00:00+00:",
            "00:00:00+0530",
            "00:00:00 +00",
            "00:00:00+00:60",
        ] {
            assert_eq!(
                text.parse::<TimeTz>().unwrap_err().kind(),
                ErrorKind::InvalidValue,
                "{text}"
            );
        }
        let error = "00:00:00+16".parse::<TimeTz>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
    }

    #[test]
    fn the_order_is_the_servers() {
        let sorted = [
            "00:00:00+15",
            "01:00:00+02",
            "00:00:00+01",
            "23:00:00+00",
            "22:00:00-01",
            "23:00:00-01",
        ];
        assert!(sorted.map(time).is_sorted());
        assert!(time("01:00:00+02") < time("00:00:00+01"));
    }

    proptest! {
        #[test]
        fn every_time_comes_back(micros in 0..=86_400_000_000_i64, offset in -57_599..=57_599_i32) {
            let value = TimeTz::new(Time::from_microseconds(micros).unwrap(), offset).unwrap();
            round_trip(&value)?;
            prop_assert_eq!(value.to_string().parse(), Ok(value));
        }

        #[test]
        fn hostile_bytes_and_text_are_survived(raw: [u8; 12], any: Vec<u8>, text: String) {
            survives::<TimeTz>(Oid::TIMETZ, &raw)?;
            survives::<TimeTz>(Oid::TIMETZ, &any)?;
            let _ = text.parse::<TimeTz>();
        }
    }
}
