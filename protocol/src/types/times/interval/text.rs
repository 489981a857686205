//! Intervals as text: what `interval_out` of the server's source prints in two of its styles.

use core::fmt::{self, Write};
use core::str::FromStr;

use crate::error::{Error, Result};
use crate::types::times::interval::Interval;
use crate::types::times::scan::{Scan, not_printed_so, out_of_range};
use crate::types::times::time::put_millionths;
use crate::types::times::{
    INFINITY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, NEG_INFINITY,
};

impl Interval {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;

    fn interval(months: i32, days: i32, microseconds: i64) -> Interval {
        Interval { months, days, microseconds }
    }

    #[test]
    fn other_ways_to_write_an_interval() {
        for (text, value) in [
            ("P2W", interval(0, 14, 0)),
            ("P1Y", interval(12, 0, 0)),
            ("P+1M-2D", interval(1, -2, 0)),
            ("PT36H", interval(0, 0, 129_600_000_000)),
            ("PT-0.5S", interval(0, 0, -500_000)),
            ("-1 days +00:00:00", interval(0, -1, 0)),
            ("1 years 1 mons 1 days", interval(13, 1, 0)),
            ("1 mon 00:00:01.500", interval(1, 0, 1_500_000)),
        ] {
            assert_eq!(text.parse(), Ok(value), "{text}");
        }
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

    proptest! {
        #[test]
        fn any_text_is_survived(text: String, iso in "P[-+0-9YMWDTHS.]{0,30}") {
            let _ = text.parse::<Interval>();
            if let Ok(value) = iso.parse::<Interval>() {
                prop_assert_eq!(value.to_iso8601().parse(), Ok(value));
            }
        }
    }
}
