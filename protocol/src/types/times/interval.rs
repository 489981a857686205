//! [`Interval`]: an `interval` in full.

use core::fmt::{self, Write};
use core::str::FromStr;

use crate::error::{Error, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{fixed, put, put_sized};
use crate::types::times::scan::{Scan, not_printed_so, out_of_range};
use crate::types::times::time::put_millionths;
use crate::types::times::{
    INFINITY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, NEG_INFINITY, nearest_micros,
};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

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

    /// The interval in ISO 8601, as the server prints it with the `IntervalStyle` `iso_8601`: `P1Y2M3DT4H5M6.7S`, each
    /// part with a sign of its own. The infinities have no such form; they are `infinity` and `-infinity`.
    #[must_use]
    pub fn to_iso8601(self) -> String {
        let mut text = String::new();
        // A `String` takes whatever is written to it.
        let _: fmt::Result = self.put_iso8601(&mut text);
        text
    }

    fn put_iso8601(self, out: &mut String) -> fmt::Result {
        if !self.is_finite() {
            return write!(out, "{self}");
        }
        if self == Self::default() {
            return out.write_str("PT0S");
        }
        let clock = Clock::of(self.microseconds);
        let part = |out: &mut String, number: i64, unit: char| match number {
            0 => Ok(()),
            _ => write!(out, "{number}{unit}"),
        };
        out.write_char('P')?;
        part(out, i64::from(self.months / 12), 'Y')?;
        part(out, i64::from(self.months % 12), 'M')?;
        part(out, i64::from(self.days), 'D')?;
        if self.microseconds == 0 {
            return Ok(());
        }
        let signed = |number: u64| {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            if clock.negative { number.wrapping_neg() } else { number }
        };
        out.write_char('T')?;
        part(out, signed(clock.hours), 'H')?;
        part(out, signed(clock.minutes), 'M')?;
        if (clock.seconds, clock.micros) != (0, 0) {
            let sign = if clock.negative { "-" } else { "" };
            write!(out, "{sign}{}{}S", clock.seconds, Millionths(clock.micros))?;
        }
        Ok(())
    }
}

/// Microseconds as a clock shows them.
struct Clock {
    negative: bool,
    hours: u64,
    minutes: u64,
    seconds: u64,
    micros: u32,
}

impl Clock {
    fn of(microseconds: i64) -> Self {
        Self {
            negative: microseconds < 0,
            hours: (microseconds / MICROS_PER_HOUR).unsigned_abs(),
            minutes: (microseconds / MICROS_PER_MINUTE % 60).unsigned_abs(),
            seconds: (microseconds / MICROS_PER_SECOND % 60).unsigned_abs(),
            micros: u32::try_from((microseconds % MICROS_PER_SECOND).unsigned_abs()).unwrap_or(0),
        }
    }
}

struct Millionths(u32);

impl fmt::Display for Millionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_millionths(self.0, f)
    }
}

impl fmt::Display for Interval {
    /// Writes the interval as the server prints it with the `IntervalStyle` `postgres`, its default:
    /// `1 year 2 mons -3 days +04:05:06.7`, `00:00:00`, `infinity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => return f.write_str(INFINITY),
            Self::NEG_INFINITY => return f.write_str(NEG_INFINITY),
            _ => {}
        }
        let mut first = true;
        // A plus is only needed behind a minus, which would be taken to go on.
        let mut after_minus = false;
        for (number, unit) in
            [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")]
        {
            if number != 0 {
                let blank = if first { "" } else { " " };
                let plus = if after_minus && number > 0 { "+" } else { "" };
                let plural = if number == 1 { "" } else { "s" };
                write!(f, "{blank}{plus}{number} {unit}{plural}")?;
                first = false;
                after_minus = number < 0;
            }
        }
        if !first && self.microseconds == 0 {
            return Ok(());
        }
        let clock = Clock::of(self.microseconds);
        let blank = if first { "" } else { " " };
        let sign = match (clock.negative, after_minus) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        write!(f, "{blank}{sign}{:02}:{:02}:{:02}", clock.hours, clock.minutes, clock.seconds)?;
        put_millionths(clock.micros, f)
    }
}

impl FromStr for Interval {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) and [`Interval::to_iso8601`] write, weeks of ISO 8601 (`P2W`) too; each part
    /// once at most, and in their order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::error::ErrorKind::InvalidValue) for other text,
    /// [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) for numbers that the fields can't hold.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            INFINITY => return Ok(Self::INFINITY),
            NEG_INFINITY => return Ok(Self::NEG_INFINITY),
            _ => {}
        }
        let mut scan = Scan::new(text);
        let read = match scan.take("P") {
            Some(()) => take_iso8601(&mut scan),
            None => take_verbose(&mut scan),
        };
        let sums = read.filter(|_| scan.is_at_end());
        sums.ok_or_else(|| not_printed_so("the text is no interval"))?
            .interval()
            .ok_or_else(|| out_of_range("the interval is outside the range of PostgreSQL's type"))
    }
}

/// What the parts of a text come to; none of them is long enough to reach the ends of these.
#[derive(Clone, Copy, Default)]
struct Sums {
    months: i64,
    days: i64,
    micros: i128,
}

impl Sums {
    fn interval(self) -> Option<Interval> {
        Some(Interval {
            months: i32::try_from(self.months).ok()?,
            days: i32::try_from(self.days).ok()?,
            microseconds: i64::try_from(self.micros).ok()?,
        })
    }

    fn add(&mut self, unit: Unit, number: i64) {
        let micros = |unit: i64| i128::from(number).wrapping_mul(i128::from(unit));
        match unit {
            Unit::Year => self.months = self.months.saturating_add(number.saturating_mul(12)),
            Unit::Month => self.months = self.months.saturating_add(number),
            Unit::Week => self.days = self.days.saturating_add(number.saturating_mul(7)),
            Unit::Day => self.days = self.days.saturating_add(number),
            Unit::Hour => self.micros = self.micros.saturating_add(micros(MICROS_PER_HOUR)),
            Unit::Minute => self.micros = self.micros.saturating_add(micros(MICROS_PER_MINUTE)),
            Unit::Second => self.micros = self.micros.saturating_add(micros(MICROS_PER_SECOND)),
        }
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

/// A number with or without a sign.
fn take_signed(scan: &mut Scan<'_>) -> Option<(bool, i64)> {
    let mut after = *scan;
    let negative = after.sign().unwrap_or(false);
    let number = after.number(1, DIGITS)?;
    *scan = after;
    Some((negative, number))
}

fn with_sign(negative: bool, number: i64) -> i64 {
    if negative { number.wrapping_neg() } else { number }
}

fn take_verbose(scan: &mut Scan<'_>) -> Option<Sums> {
    let mut sums = Sums::default();
    let mut first = true;
    for (unit, one, many) in [
        (Unit::Year, " year", " years"),
        (Unit::Month, " mon", " mons"),
        (Unit::Day, " day", " days"),
    ] {
        let mut after = *scan;
        if !first && after.take(" ").is_none() {
            return Some(sums);
        }
        if let Some((negative, number)) = take_signed(&mut after)
            && after.take(many).or_else(|| after.take(one)).is_some()
        {
            sums.add(unit, with_sign(negative, number));
            *scan = after;
            first = false;
        }
    }
    if !first && scan.is_at_end() {
        return Some(sums);
    }
    if !first {
        scan.take(" ")?;
    }
    let negative = scan.sign().unwrap_or(false);
    let hours = scan.number(2, DIGITS)?;
    scan.take(":")?;
    let minutes = scan.sixty()?;
    scan.take(":")?;
    let seconds = scan.sixty()?;
    let micros = scan.millionths()?;
    sums.add(Unit::Hour, with_sign(negative, hours));
    sums.add(Unit::Minute, with_sign(negative, minutes));
    sums.add(Unit::Second, with_sign(negative, seconds));
    sums.micros = sums.micros.saturating_add(i128::from(with_sign(negative, micros)));
    Some(sums)
}

fn take_iso8601(scan: &mut Scan<'_>) -> Option<Sums> {
    let mut sums = Sums::default();
    let mut has_part = false;
    let dates = [(Unit::Year, "Y"), (Unit::Month, "M"), (Unit::Week, "W"), (Unit::Day, "D")];
    for (unit, letter) in dates {
        has_part |= take_part(scan, &mut sums, unit, letter);
    }
    if scan.take("T").is_some() {
        let mut has_time = false;
        for (unit, letter) in [(Unit::Hour, "H"), (Unit::Minute, "M")] {
            has_time |= take_part(scan, &mut sums, unit, letter);
        }
        if !has_time || !scan.is_at_end() {
            let (negative, seconds) = take_signed(scan)?;
            let micros = scan.millionths()?;
            scan.take("S")?;
            sums.add(Unit::Second, with_sign(negative, seconds));
            sums.micros = sums.micros.saturating_add(i128::from(with_sign(negative, micros)));
        }
        has_part = true;
    }
    has_part.then_some(sums)
}

/// Whether a number and this letter came next, and were added.
fn take_part(scan: &mut Scan<'_>, sums: &mut Sums, unit: Unit, letter: &str) -> bool {
    let mut after = *scan;
    let Some((negative, number)) = take_signed(&mut after) else {
        return false;
    };
    let found = after.take(letter).is_some();
    if found {
        sums.add(unit, with_sign(negative, number));
        *scan = after;
    }
    found
}

/// As many digits as are always below the end of an `i64`.
const DIGITS: usize = 18;

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

impl Encode for Interval {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        Ok(put(self.to_be_bytes(), out))
    }

    #[inline]
    fn encode_sized(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        Ok(put_sized(self.to_be_bytes(), out))
    }
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
        assert_eq!("P2W".parse(), Ok(interval(0, 14, 0)));
        assert_eq!("P1Y".parse(), Ok(interval(12, 0, 0)));
        assert_eq!("-1 days +00:00:00".parse(), Ok(interval(0, -1, 0)));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "1",
            "1 year ",
            " 1 year",
            "1 mon 1 year",
            "1 year 1 year",
            "1year",
            "1 hour",
            "1 day 1",
            "1:02:03",
            "01:02",
            "01:60:00",
            "01:00:60",
            "--01:00:00",
            "1.5 days",
            "P",
            "PT",
            "P1",
            "P1H",
            "PT1D",
            "P1D1Y",
            "P1.5D",
            "PT1.5H",
            "PT1S1M",
            "PT1.S",
            "p1d",
            "P1DT",
            "PT1.1234567S",
            "Infinity",
            "+infinity",
            "1 day 01:00:00 2 days",
        ] {
            let found = text.parse::<Interval>().map_err(|error| error.kind());
            assert_eq!(found, Err(ErrorKind::InvalidValue), "{text}");
        }
        for text in [
            "2147483648 mons",
            "-2147483649 days",
            "178956971 years",
            "178956970 years 8 mons",
            "2562047788:00:54.775808",
            "999999999999999999 years",
            "P999999999999999999W",
            "PT999999999999999999H",
        ] {
            assert_eq!(
                text.parse::<Interval>().unwrap_err().kind(),
                ErrorKind::OutOfRange,
                "{text}"
            );
        }
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
        fn hostile_bytes_and_text_are_survived(raw: [u8; 16], any: Vec<u8>, text: String, iso in "P[-+0-9YMWDTHS.]{0,30}") {
            survives::<Interval>(Oid::INTERVAL, &raw)?;
            survives::<Interval>(Oid::INTERVAL, &any)?;
            let _ = text.parse::<Interval>();
            if let Ok(value) = iso.parse::<Interval>() {
                prop_assert_eq!(value.to_iso8601().parse(), Ok(value));
            }
        }
    }
}
