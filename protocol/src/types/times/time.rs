//! [`Time`]: a `time` in full.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::times::scan::{Scan, not_printed_so, out_of_range};
use crate::types::times::{
    MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, nearest_micros,
};
use crate::types::{Decode, PgType, Type};

/// Any value of PostgreSQL's `time`: a time of day in microseconds, from 00:00:00 to 24:00:00, which is one of them (the
/// manual's section 8.5).
///
/// ```
/// use stellata_protocol::Time;
/// let time = Time::new(12, 34, 56, 789_000).unwrap();
/// assert_eq!(time.to_string(), "12:34:56.789");
/// assert_eq!("24:00:00".parse(), Ok(Time::MAX));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    micros: i64,
}

impl Time {
    /// The start of the day: 00:00:00.
    pub const MIN: Self = Self { micros: 0 };
    /// The end of the day: 24:00:00, which is not the start of the next one.
    pub const MAX: Self = Self { micros: MICROS_PER_DAY };

    /// A time of day: hour (0 to 23, or 24 where all else is 0), minute and second (0 to 59), microsecond (0 to
    /// 999 999).
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for larger numbers.
    pub fn new(hour: u8, minute: u8, second: u8, microsecond: u32) -> Result<Self> {
        if minute > 59 || second > 59 || microsecond > 999_999 {
            return Err(no_such_time());
        }
        Self::from_microseconds(
            i64::from(hour)
                .wrapping_mul(MICROS_PER_HOUR)
                .wrapping_add(i64::from(minute).wrapping_mul(MICROS_PER_MINUTE))
                .wrapping_add(i64::from(second).wrapping_mul(MICROS_PER_SECOND))
                .wrapping_add(i64::from(microsecond)),
        )
    }

    /// The time so many microseconds after the start of the day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] below 0 and above 86 400 000 000.
    pub fn from_microseconds(microseconds: i64) -> Result<Self> {
        let time = Self { micros: microseconds };
        if (Self::MIN..=Self::MAX).contains(&time) { Ok(time) } else { Err(no_such_time()) }
    }

    /// The time nearest to so many nanoseconds after the start of the day, ties to the even microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] below 0, and for what rounds to 24:00:00 or more: types that tell nanoseconds apart
    /// hold no end of the day, so that it could not be read back.
    pub fn from_nanoseconds(nanoseconds: i64) -> Result<Self> {
        match nearest_micros(nanoseconds.into()).map(Self::from_microseconds) {
            Some(Ok(time)) if time < Self::MAX => Ok(time),
            _ => Err(out_of_range("the time rounds to the end of its day")),
        }
    }

    /// The number of microseconds since the start of the day, 0 to 86 400 000 000.
    #[must_use]
    pub fn microseconds(self) -> i64 {
        self.micros
    }

    /// Hour (0 to 24), minute, second and microsecond.
    #[must_use]
    pub fn hms_micro(self) -> (u8, u8, u8, u32) {
        let part = |number: i64| u8::try_from(number).unwrap_or(0);
        (
            part(self.micros / MICROS_PER_HOUR),
            part(self.micros / MICROS_PER_MINUTE % 60),
            part(self.micros / MICROS_PER_SECOND % 60),
            u32::try_from(self.micros % MICROS_PER_SECOND).unwrap_or(0),
        )
    }
}

impl fmt::Display for Time {
    /// Writes the time as the server prints it: `12:34:56.789`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second, micro) = self.hms_micro();
        write!(f, "{hour:02}:{minute:02}:{second:02}")?;
        put_millionths(micro, f)
    }
}

/// Writes a point and decimals without the zeros at their end; nothing for zero.
pub(super) fn put_millionths(millionths: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut number = millionths;
    let mut width = 6_usize;
    while number > 0 && number.is_multiple_of(10) {
        number /= 10;
        width = width.saturating_sub(1);
    }
    if number == 0 { Ok(()) } else { write!(f, ".{number:0width$}") }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Time {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes, with or without zeros at the end of its decimals.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for other text.
    fn from_str(text: &str) -> Result<Self> {
        let mut scan = Scan::new(text);
        take_time(&mut scan)
            .filter(|_| scan.is_at_end())
            .ok_or_else(|| not_printed_so("the text is no time"))
    }
}

pub(super) fn take_time(scan: &mut Scan<'_>) -> Option<Time> {
    let hour = scan.number(2, 2)?;
    scan.take(":")?;
    let minute = scan.sixty()?;
    scan.take(":")?;
    let second = scan.sixty()?;
    let micros = scan.millionths()?;
    let seconds =
        hour.wrapping_mul(3_600).wrapping_add(minute.wrapping_mul(60)).wrapping_add(second);
    Time::from_microseconds(seconds.wrapping_mul(MICROS_PER_SECOND).wrapping_add(micros)).ok()
}

#[cold]
fn no_such_time() -> Error {
    out_of_range("the time does not exist")
}

impl PgType for Time {
    const TYPE: Type = Type { oid: Oid::TIME, array: Oid::TIME_ARRAY, name: "time" };
}

impl ArrayElement for Time {}

encode_fixed! {
    Time, |value| value.micros.to_be_bytes()
}

impl<'a> Decode<'a> for Time {
    /// Reads any time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] below 00:00:00 and above 24:00:00, and those of a wrong length.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        Self::from_microseconds(i64::from_be_bytes(fixed(raw)?)).map_err(|_| {
            Error::new(ErrorKind::InvalidValue, "a time is negative or longer than a day")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_times() {
        for (text, hex) in [
            ("00:00:00", "0000000000000000"),
            ("12:34:56.789012", "0000000a8be62614"),
            ("00:00:00.1", "00000000000186a0"),
            ("00:00:00.000001", "0000000000000001"),
            ("23:59:59.999999", "000000141dd75fff"),
            ("24:00:00", "000000141dd76000"),
        ] {
            let time: Time = text.parse().unwrap();
            is_value(Oid::TIME, hex, &time);
            assert_eq!(time.to_string(), text);
            let (hour, minute, second, micro) = time.hms_micro();
            assert_eq!(Time::new(hour, minute, second, micro), Ok(time));
        }
        assert_eq!("01:02:03.100".parse::<Time>().unwrap().to_string(), "01:02:03.1");
    }

    #[test]
    fn times_outside_the_day_are_refused() {
        for hex in ["000000141dd76001", "ffffffffffffffff", "7fffffffffffffff", "8000000000000000"]
        {
            is_refused::<Time>(Oid::TIME, hex, ErrorKind::InvalidValue);
        }
        for (hour, minute, second, micro) in [
            (24, 0, 0, 1),
            (25, 0, 0, 0),
            (0, 60, 0, 0),
            (0, 0, 60, 0),
            (0, 0, 0, 1_000_000),
            (24, 1, 0, 0),
        ] {
            let error = Time::new(hour, minute, second, micro).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfRange);
        }
        for text in [
            "",
            "12:34",
            "1:02:03",
            "12:34:60",
            "12:60:00",
            "24:00:01",
            "24:00:00.000001",
            "25:00:00",
            "12:34:56.",
            "12:34:56.1234567",
            "12:34:56+00",
            "-12:34:56",
            "12:34:56 ",
            "12.34.56",
            "12:34:56,5",
        ] {
            assert_eq!(text.parse::<Time>().unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
        }
    }

    #[test]
    fn nanoseconds_are_rounded_within_the_day() {
        let rounded = |nanos| Time::from_nanoseconds(nanos).map(Time::microseconds).ok();
        assert_eq!((rounded(1_500), rounded(2_500), rounded(2_501)), (Some(2), Some(2), Some(3)));
        assert_eq!(rounded(86_399_999_999_499), Some(86_399_999_999));
        assert_eq!(
            (rounded(86_399_999_999_500), rounded(-501), rounded(i64::MAX)),
            (None, None, None)
        );
    }

    proptest! {
        #[test]
        fn every_time_comes_back(micros in 0..=MICROS_PER_DAY) {
            let time = Time::from_microseconds(micros).unwrap();
            round_trip(&time)?;
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            let (hour, minute, second, micro) = time.hms_micro();
            prop_assert_eq!(Time::new(hour, minute, second, micro), Ok(time));
        }

        #[test]
        fn hostile_bytes_and_text_are_survived(raw: [u8; 8], any: Vec<u8>, text: String) {
            survives::<Time>(Oid::TIME, &raw)?;
            survives::<Time>(Oid::TIME, &any)?;
            let _ = text.parse::<Time>();
        }
    }
}
