//! `date`, `time`, `timestamp`, `timestamptz` and `interval` as jiff's types.
//!
//! Its years are -9999 to 9999. Whatever one side can't hold is an error, `infinity` and `24:00:00` included. Below a
//! microsecond values are rounded to the nearest one, ties to the even one; a [`Span`] is refused there, whose parts are
//! kept apart and so not rounded into each other.

use ::jiff::civil::DateTime;
use ::jiff::{SignedDuration, Span, Zoned};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::through::through;
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};
use crate::types::times::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::types::{Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

through! {
    ::jiff::civil::Date as Date;
    ::jiff::civil::Time as Time;
    DateTime as Timestamp;
    ::jiff::Timestamp as TimestampTz;
    SignedDuration as Interval;
    Span as Interval;
}

impl PgType for Zoned {
    const TYPE: Type = TimestampTz::TYPE;
}

impl ArrayElement for Zoned {}

impl Encode for Zoned {
    /// Writes the instant. The time zone is not stored, since a `timestamptz` has none; so a [`Zoned`] can't be read.
    ///
    /// # Errors
    /// Those of [`jiff::Timestamp`].
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.timestamp().encode(oid, out)
    }

    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.timestamp().encode_sized(oid, out)
    }
}

impl TryFrom<::jiff::civil::Date> for Date {
    type Error = Error;

    /// The same day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(date: ::jiff::civil::Date) -> Result<Self> {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        Self::new(i32::from(date.year()), month, day)
    }
}

impl TryFrom<Date> for ::jiff::civil::Date {
    type Error = Error;

    /// The same day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond 9999.
    fn try_from(date: Date) -> Result<Self> {
        let same = || {
            let (year, month, day) = date.ymd()?;
            let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
            Self::new(i16::try_from(year).ok()?, month, day).ok()
        };
        same().ok_or_else(outside)
    }
}

impl TryFrom<::jiff::civil::Time> for Time {
    type Error = Error;

    /// The time, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for what rounds to 24:00:00.
    fn try_from(time: ::jiff::civil::Time) -> Result<Self> {
        Self::from_nanoseconds(nanos_of_day(time))
    }
}

impl TryFrom<Time> for ::jiff::civil::Time {
    type Error = Error;

    /// The same time.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for 24:00:00.
    fn try_from(time: Time) -> Result<Self> {
        let (hour, minute, second, micro) = time.hms_micro();
        let same = || {
            let nano = i32::try_from(micro).ok()?.checked_mul(1_000)?;
            let part = |number: u8| i8::try_from(number).ok();
            Self::new(part(hour)?, part(minute)?, part(second)?, nano).ok()
        };
        same().ok_or_else(outside)
    }
}

impl TryFrom<DateTime> for Timestamp {
    type Error = Error;

    /// The timestamp, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(timestamp: DateTime) -> Result<Self> {
        let day = Self::new(timestamp.date().try_into()?, Time::MIN)?;
        let start = TimestampTz::from_utc(day).unix_nanoseconds()?;
        let nanos = start.wrapping_add(nanos_of_day(timestamp.time()).into());
        TimestampTz::from_unix_nanoseconds(nanos).map(TimestampTz::utc)
    }
}

impl TryFrom<Timestamp> for DateTime {
    type Error = Error;

    /// The same timestamp.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond 9999.
    fn try_from(timestamp: Timestamp) -> Result<Self> {
        let time = timestamp.time().ok_or_else(outside)?;
        Ok(Self::from_parts(timestamp.date().try_into()?, time.try_into()?))
    }
}

impl TryFrom<::jiff::Timestamp> for TimestampTz {
    type Error = Error;

    /// The instant, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(instant: ::jiff::Timestamp) -> Result<Self> {
        Self::from_unix_nanoseconds(instant.as_nanosecond())
    }
}

impl TryFrom<TimestampTz> for ::jiff::Timestamp {
    type Error = Error;

    /// The instant.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond 9999.
    fn try_from(instant: TimestampTz) -> Result<Self> {
        Self::from_nanosecond(instant.unix_nanoseconds()?).map_err(|_| outside())
    }
}

impl TryFrom<SignedDuration> for Interval {
    type Error = Error;

    /// The duration as microseconds, rounded to the nearest one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] beyond 292 271 years, either way.
    fn try_from(duration: SignedDuration) -> Result<Self> {
        Self::from_nanoseconds(duration.as_nanos())
    }
}

impl TryFrom<Interval> for SignedDuration {
    type Error = Error;

    /// The duration of an interval of microseconds.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an interval with months or days, whose length is not fixed, and for the infinities.
    fn try_from(interval: Interval) -> Result<Self> {
        interval.only_microseconds().map(Self::from_micros)
    }
}

impl TryFrom<Span> for Interval {
    type Error = Error;

    /// Years as twelve months, weeks as seven days, hours and what is shorter as microseconds.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for nanoseconds that make no whole microsecond, and for more than a field holds.
    fn try_from(span: Span) -> Result<Self> {
        let times = |number: i64, unit: i64| i128::from(number).wrapping_mul(i128::from(unit));
        let nanos = times(span.get_hours().into(), MICROS_PER_HOUR)
            .wrapping_add(times(span.get_minutes(), MICROS_PER_MINUTE))
            .wrapping_add(times(span.get_seconds(), MICROS_PER_SECOND))
            .wrapping_add(times(span.get_milliseconds(), 1_000))
            .wrapping_add(span.get_microseconds().into())
            .wrapping_mul(1_000)
            .wrapping_add(span.get_nanoseconds().into());
        if nanos % 1_000 != 0 {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "the span has nanoseconds that make no whole microsecond",
            ));
        }
        let months = i32::from(span.get_years()).wrapping_mul(12).checked_add(span.get_months());
        let days =
            span.get_weeks().checked_mul(7).and_then(|days| days.checked_add(span.get_days()));
        let micros = i64::try_from(nanos / 1_000).ok();
        match (months, days, micros) {
            (Some(months), Some(days), Some(microseconds)) => {
                Ok(Self { months, days, microseconds })
            }
            _ => Err(outside()),
        }
    }
}

impl TryFrom<Interval> for Span {
    type Error = Error;

    /// Years, months, days, hours, minutes, seconds and microseconds, as the server prints them.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an interval whose fields have different signs, since a [`Span`] has one for all of
    /// them, for more than a [`Span`] holds, and for the infinities.
    fn try_from(interval: Interval) -> Result<Self> {
        let Interval { months, days, microseconds } = interval;
        let (any_up, any_down) = (
            months > 0 || days > 0 || microseconds > 0,
            months < 0 || days < 0 || microseconds < 0,
        );
        if any_up && any_down {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "the interval's parts have different signs, which the Rust type can't hold",
            ));
        }
        Self::new()
            .try_years(months / 12)
            .and_then(|span| span.try_months(months % 12))
            .and_then(|span| span.try_days(days))
            .and_then(|span| span.try_hours(microseconds / MICROS_PER_HOUR))
            .and_then(|span| span.try_minutes(microseconds / MICROS_PER_MINUTE % 60))
            .and_then(|span| span.try_seconds(microseconds / MICROS_PER_SECOND % 60))
            .and_then(|span| span.try_microseconds(microseconds % MICROS_PER_SECOND))
            .map_err(|_| outside())
    }
}

fn nanos_of_day(time: ::jiff::civil::Time) -> i64 {
    let minutes = i64::from(time.hour()).wrapping_mul(60).wrapping_add(time.minute().into());
    let seconds = minutes.wrapping_mul(60).wrapping_add(time.second().into());
    seconds.wrapping_mul(1_000_000_000).wrapping_add(time.subsec_nanosecond().into())
}

#[cold]
fn outside() -> Error {
    Error::new(ErrorKind::OutOfRange, "the value is outside the range of the other type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use ::jiff::ToSpan;
    use ::jiff::civil::{date, datetime, time};
    use ::jiff::tz::{TimeZone, offset};

    use crate::types::proof::{decode, encode, hex, is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(Oid::DATE, "00002279", &date(2024, 2, 29));
        is_value(Oid::DATE, "fff4dbf8", &date(0, 12, 31));
        is_value(Oid::DATE, "ffda97a7", &date(-4713, 11, 24));
        is_value(Oid::DATE, "002c95d3", &date(9999, 12, 31));
        is_value(Oid::TIME, "000000141dd75fff", &time(23, 59, 59, 999_999_000));
        is_value(
            Oid::TIMESTAMP,
            "ffffffffffffffff",
            &datetime(1999, 12, 31, 23, 59, 59, 999_999_000),
        );
        is_value(Oid::TIMESTAMPTZ, "fffca2fec4c82000", &::jiff::Timestamp::UNIX_EPOCH);
        is_value(
            Oid::INTERVAL,
            "ffffffffffffffff 00000000 00000000",
            &SignedDuration::from_micros(-1),
        );
        let zoned = ::jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::fixed(offset(5)));
        assert_eq!(encode(Oid::TIMESTAMPTZ, &zoned), Ok(hex("fffca2fec4c82000")));
    }

    #[test]
    fn spans_and_intervals() {
        let cases = [
            (
                1.year().months(2).days(3).hours(4).minutes(5).seconds(6).milliseconds(700),
                (14, 3, 14_706_700_000),
            ),
            (2.weeks().days(1), (0, 15, 0)),
            (-1.month().microseconds(1), (-1, 0, -1)),
            (1_000.nanoseconds(), (0, 0, 1)),
            (Span::new(), (0, 0, 0)),
        ];
        for (span, (months, days, microseconds)) in cases {
            let interval = Interval { months, days, microseconds };
            assert_eq!(Interval::try_from(span), Ok(interval));
            let raw = encode(Oid::INTERVAL, &span).unwrap();
            assert_eq!(decode(Oid::INTERVAL, &raw), Ok(interval));
            let back: Span = decode(Oid::INTERVAL, &raw).unwrap();
            assert_eq!(Interval::try_from(back), Ok(interval));
        }
        let span: Span =
            decode(Oid::INTERVAL, &encode(Oid::INTERVAL, &cases[0].0).unwrap()).unwrap();
        assert_eq!(
            span.fieldwise(),
            1.year().months(2).days(3).hours(4).minutes(5).seconds(6).microseconds(700_000)
        );
        for span in [1.nanosecond(), 1.second().nanoseconds(1_001)] {
            assert_eq!(encode(Oid::INTERVAL, &span).unwrap_err().kind(), ErrorKind::OutOfRange);
        }
        for text in [
            "0000000000000001 00000000 ffffffff",
            "0000000000000000 ffffffff 00000001",
            "7fffffffffffffff 7fffffff 7fffffff",
            "0000000000000000 00000000 7fffffff",
            "7fffffffffffffff 00000000 00000000",
        ] {
            is_refused::<Span>(Oid::INTERVAL, text, ErrorKind::OutOfRange);
        }
    }

    #[test]
    fn parts_of_a_microsecond_are_rounded() {
        let written =
            |nanos| encode(Oid::TIMESTAMP, &datetime(1999, 12, 31, 23, 59, 59, nanos)).unwrap();
        assert_eq!(written(999_999_500), 0_i64.to_be_bytes());
        assert_eq!(written(999_999_499), (-1_i64).to_be_bytes());
        assert_eq!(written(999_998_500), (-2_i64).to_be_bytes());
        let error = encode(Oid::TIME, &time(23, 59, 59, 999_999_500)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
    }

    #[test]
    fn what_either_side_can_not_hold_is_refused() {
        for text in ["7fffffff", "80000000", "7fda970c", "002c95d4"] {
            is_refused::<::jiff::civil::Date>(Oid::DATE, text, ErrorKind::OutOfRange);
        }
        is_refused::<::jiff::civil::Time>(Oid::TIME, "000000141dd76000", ErrorKind::OutOfRange);
        for text in ["7fffffffffffffff", "8000000000000000", "7fffff5bb3b29fff"] {
            is_refused::<DateTime>(Oid::TIMESTAMP, text, ErrorKind::OutOfRange);
            is_refused::<::jiff::Timestamp>(Oid::TIMESTAMPTZ, text, ErrorKind::OutOfRange);
        }
        is_refused::<SignedDuration>(
            Oid::INTERVAL,
            "0000000000000000 00000001 00000000",
            ErrorKind::OutOfRange,
        );
        for early in [DateTime::MIN, datetime(-4713, 11, 23, 23, 59, 59, 0)] {
            assert_eq!(encode(Oid::DATE, &early.date()).unwrap_err().kind(), ErrorKind::OutOfRange);
            assert_eq!(encode(Oid::TIMESTAMP, &early).unwrap_err().kind(), ErrorKind::OutOfRange);
        }
        let early = ::jiff::Timestamp::MIN;
        assert_eq!(encode(Oid::TIMESTAMPTZ, &early).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(
            encode(Oid::INTERVAL, &SignedDuration::MAX).unwrap_err().kind(),
            ErrorKind::OutOfRange
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            days in -2_451_545..=2_921_939_i32,
            micros in -211_813_488_000_000_000..=252_455_615_999_999_999_i64,
            instant in -211_813_488_000_000_000..=252_455_400_000_000_000_i64,
            duration: i64,
        ) {
            let day: ::jiff::civil::Date = Date::from_days(days).unwrap().try_into().unwrap();
            round_trip(&day)?;
            let timestamp: DateTime = Timestamp::from_microseconds(micros).unwrap().try_into().unwrap();
            round_trip(&timestamp)?;
            round_trip(&timestamp.time())?;
            let instant = TimestampTz::from_utc(Timestamp::from_microseconds(instant).unwrap());
            round_trip(&::jiff::Timestamp::try_from(instant).unwrap())?;
            round_trip(&SignedDuration::from_micros(duration))?;
        }

        #[test]
        fn hostile_bytes_are_survived(short: [u8; 4], long: [u8; 8], interval: [u8; 16], small: [i8; 3]) {
            survives::<::jiff::civil::Date>(Oid::DATE, &short)?;
            survives::<::jiff::civil::Time>(Oid::TIME, &long)?;
            survives::<DateTime>(Oid::TIMESTAMP, &long)?;
            survives::<::jiff::Timestamp>(Oid::TIMESTAMPTZ, &long)?;
            survives::<SignedDuration>(Oid::INTERVAL, &interval)?;
            survives::<Span>(Oid::INTERVAL, &interval)?;
            let [months, days, micros] = small;
            let interval = Interval { months: months.into(), days: days.into(), microseconds: micros.into() };
            survives::<Span>(Oid::INTERVAL, &encode(Oid::INTERVAL, &interval).unwrap())?;
        }
    }
}
