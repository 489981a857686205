//! [`Date`]: a `date` in full.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::times::calendar::{Ymd, date_of, day_of};
use crate::types::times::scan::{Scan, not_printed_so, out_of_range};
use crate::types::times::{INFINITY, NEG_INFINITY};
use crate::types::{Decode, PgType, Type};

/// Any value of PostgreSQL's `date`: a day from 4714-11-24 BC to 5874897-12-31, or one of the infinities (the manual's
/// section 8.5).
///
/// The calendar is the Gregorian one for all of time, as for the server. It is printed and read as the server does it
/// with the `DateStyle` `ISO`.
///
/// ```
/// use stellata_protocol::Date;
/// let date = Date::new(2024, 2, 29).unwrap();
/// assert_eq!(date.to_string(), "2024-02-29");
/// assert_eq!("0044-03-15 BC".parse(), Date::new(-43, 3, 15));
/// assert!(date < Date::INFINITY);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// From 2000-01-01. The infinities are the ends of the 32 bits.
    days: i32,
}

impl Date {
    /// Later than every day.
    pub const INFINITY: Self = Self { days: i32::MAX };
    /// Earlier than every day.
    pub const NEG_INFINITY: Self = Self { days: i32::MIN };
    /// The first day: 4714-11-24 BC.
    pub const MIN: Self = Self { days: -2_451_545 };
    /// The last day: 5874897-12-31.
    pub const MAX: Self = Self { days: 2_145_031_948 };

    /// A day of the calendar. Years are counted with a year 0, which is 1 BC; -1 is 2 BC.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a day that does not exist, and for one outside the range.
    pub fn new(year: i32, month: u8, day: u8) -> Result<Self> {
        day_of((year, month, day)).map_or_else(|| Err(no_such_day()), Self::from_days)
    }

    /// The day so many days after 2000-01-01.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a day outside the range; the infinities are none.
    pub fn from_days(days: i32) -> Result<Self> {
        let date = Self { days };
        if (Self::MIN..=Self::MAX).contains(&date) { Ok(date) } else { Err(no_such_day()) }
    }

    /// The number of days since 2000-01-01; `None` for the infinities.
    #[must_use]
    pub fn days(self) -> Option<i32> {
        self.is_finite().then_some(self.days)
    }

    /// Year, month (1 to 12) and day (1 to 31); the year 0 is 1 BC. `None` for the infinities.
    #[must_use]
    pub fn ymd(self) -> Option<(i32, u8, u8)> {
        self.days().map(date_of)
    }

    /// Whether this is a day, and no infinity.
    #[must_use]
    pub fn is_finite(self) -> bool {
        !matches!(self, Self::INFINITY | Self::NEG_INFINITY)
    }
}

impl fmt::Display for Date {
    /// Writes the date as the server prints it with the `DateStyle` `ISO`: `2024-02-29`, `0044-03-15 BC`, `infinity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ymd() {
            Some(date) => {
                put_day(date, f)?;
                put_era(date, f)
            }
            None if *self == Self::INFINITY => f.write_str(INFINITY),
            None => f.write_str(NEG_INFINITY),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Date {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for other text, [`ErrorKind::OutOfRange`] for a day that does not exist or lies
    /// outside the range.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            INFINITY => return Ok(Self::INFINITY),
            NEG_INFINITY => return Ok(Self::NEG_INFINITY),
            _ => {}
        }
        let mut scan = Scan::new(text);
        let read = take_day(&mut scan).zip(take_era(&mut scan)).filter(|_| scan.is_at_end());
        let (day, era) = read.ok_or_else(|| not_printed_so("the text is no date"))?;
        day.of(era)
    }
}

/// A day as it is printed: without the era, which stands at the end of all.
#[derive(Clone, Copy)]
pub(super) struct PrintedDay {
    year: i64,
    month: i64,
    day: i64,
}

#[derive(Clone, Copy)]
pub(super) enum Era {
    Christ,
    BeforeChrist,
}

impl PrintedDay {
    pub(super) fn of(self, era: Era) -> Result<Date> {
        let year = match era {
            _ if self.year == 0 => None,
            Era::Christ => Some(self.year),
            Era::BeforeChrist => 1_i64.checked_sub(self.year),
        };
        let parts = || {
            let year = i32::try_from(year?).ok()?;
            Some((year, u8::try_from(self.month).ok()?, u8::try_from(self.day).ok()?))
        };
        let (year, month, day) = parts().ok_or_else(no_such_day)?;
        Date::new(year, month, day)
    }
}

pub(super) fn take_day(scan: &mut Scan<'_>) -> Option<PrintedDay> {
    let year = scan.number(4, 7)?;
    scan.take("-")?;
    let month = scan.number(2, 2)?;
    scan.take("-")?;
    let day = scan.number(2, 2)?;
    Some(PrintedDay { year, month, day })
}

pub(super) fn take_era(scan: &mut Scan<'_>) -> Option<Era> {
    if scan.is_at_end() {
        return Some(Era::Christ);
    }
    scan.take(BEFORE_CHRIST).map(|()| Era::BeforeChrist)
}

pub(super) fn put_day((year, month, day): Ymd, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let year = if year > 0 { year } else { 1_i32.wrapping_sub(year) };
    write!(f, "{year:04}-{month:02}-{day:02}")
}

pub(super) fn put_era((year, ..): Ymd, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(if year > 0 { "" } else { BEFORE_CHRIST })
}

#[cold]
fn no_such_day() -> Error {
    out_of_range("the date does not exist, or lies outside the range of date")
}

impl PgType for Date {
    const TYPE: Type = Type { oid: Oid::DATE, array: Oid::DATE_ARRAY, name: "date" };
}

impl ArrayElement for Date {}

encode_fixed! {
    Date, |value| value.days.to_be_bytes()
}

impl<'a> Decode<'a> for Date {
    /// Reads any date.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for a day outside the server's own range, and those of a wrong length.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let date = Self { days: i32::from_be_bytes(fixed(raw)?) };
        if !date.is_finite() || (Self::MIN..=Self::MAX).contains(&date) {
            Ok(date)
        } else {
            Err(Error::new(ErrorKind::InvalidValue, "a date is outside the server's range"))
        }
    }
}

const BEFORE_CHRIST: &str = " BC";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_dates() {
        for (text, hex, ymd) in [
            ("2000-01-01", "00000000", Some((2000, 1, 1))),
            ("1999-12-31", "ffffffff", Some((1999, 12, 31))),
            ("1970-01-01", "ffffd533", Some((1970, 1, 1))),
            ("2024-02-29", "00002279", Some((2024, 2, 29))),
            ("0001-01-01", "fff4dbf9", Some((1, 1, 1))),
            ("0001-12-31 BC", "fff4dbf8", Some((0, 12, 31))),
            ("4714-11-24 BC", "ffda97a7", Some((-4713, 11, 24))),
            ("5874897-12-31", "7fda970c", Some((5_874_897, 12, 31))),
            ("infinity", "7fffffff", None),
            ("-infinity", "80000000", None),
        ] {
            let date: Date = text.parse().unwrap();
            is_value(Oid::DATE, hex, &date);
            assert_eq!(date.to_string(), text);
            assert_eq!(date.ymd(), ymd);
            if let Some((year, month, day)) = ymd {
                assert_eq!(Date::new(year, month, day), Ok(date));
            }
        }
        assert_eq!(Date::MIN.to_string(), "4714-11-24 BC");
        assert_eq!(Date::MAX.to_string(), "5874897-12-31");
        assert!(Date::NEG_INFINITY < Date::MIN && Date::MAX < Date::INFINITY);
    }

    #[test]
    fn days_outside_the_range_are_refused() {
        for hex in ["7fda970d", "7ffffffe", "80000001", "ffda97a6"] {
            is_refused::<Date>(Oid::DATE, hex, ErrorKind::InvalidValue);
        }
        is_refused::<Date>(Oid::DATE, "000000", ErrorKind::Truncated);
        for days in [i32::MIN, i32::MAX, 2_145_031_949, -2_451_546] {
            assert!(Date::from_days(days).is_err());
        }
        assert!(Date::new(2023, 2, 29).is_err());
        assert!(Date::new(5_874_898, 1, 1).is_err());
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            " 2000-01-01",
            "2000-01-01 ",
            "2000-1-1",
            "200-01-01",
            "20000101",
            "2000-01-01 AD",
            "2000-01-01BC",
            "-2000-01-01",
            "+2000-01-01",
            "2000/01/01",
            "2000-01-01 00:00:00",
            "Infinity",
            "+infinity",
            "99999999-01-01",
            "2000-01-01 BC BC",
            "２000-01-01",
        ] {
            assert_eq!(text.parse::<Date>().unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
        }
        for text in [
            "0000-01-01",
            "0000-01-01 BC",
            "2000-13-01",
            "2000-02-30",
            "4714-11-23 BC",
            "5874898-01-01",
        ] {
            assert_eq!(text.parse::<Date>().unwrap_err().kind(), ErrorKind::OutOfRange, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_comes_back(days in -2_451_545..=2_145_031_948_i32) {
            let date = Date::from_days(days).unwrap();
            round_trip(&date)?;
            prop_assert_eq!(date.to_string().parse(), Ok(date));
            prop_assert_eq!(date.days(), Some(days));
        }

        #[test]
        fn hostile_bytes_and_text_are_survived(raw: [u8; 4], any: Vec<u8>, text: String, day in "[-0-9]{8,12}( BC)?") {
            survives::<Date>(Oid::DATE, &raw)?;
            survives::<Date>(Oid::DATE, &any)?;
            let _ = text.parse::<Date>();
            if let Ok(date) = day.parse::<Date>() {
                prop_assert_eq!(date.to_string().parse(), Ok(date));
            }
        }
    }
}
