//! `date`, `time`, `timestamp`, `timestamptz` and `interval` as the types of the crate `time`.
//!
//! Its years are -9999 to 9999, unless its own feature for larger ones is on. Whatever one side can't hold is an error,
//! `infinity` and `24:00:00` included. Below a microsecond values are rounded to the nearest one, ties to the even one.

use ::time::{OffsetDateTime, PrimitiveDateTime, UtcDateTime};

use crate::error::{Error, ErrorKind, Result};
use crate::types::through::through;
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};

through! {
    ::time::Date as Date;
    ::time::Time as Time;
    PrimitiveDateTime as Timestamp;
    OffsetDateTime as TimestampTz;
    UtcDateTime as TimestampTz;
    ::time::Duration as Interval;
}

impl TryFrom<::time::Date> for Date {
    type Error = Error;

    /// The same day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(date: ::time::Date) -> Result<Self> {
        date.to_julian_day()
            .checked_sub(JULIAN_2000)
            .map_or_else(|| Err(outside()), Self::from_days)
    }
}

impl TryFrom<Date> for ::time::Date {
    type Error = Error;

    /// The same day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond those of `time`.
    fn try_from(date: Date) -> Result<Self> {
        let day = date.days().and_then(|days| days.checked_add(JULIAN_2000));
        day.and_then(|day| Self::from_julian_day(day).ok()).ok_or_else(outside)
    }
}

impl TryFrom<::time::Time> for Time {
    type Error = Error;

    /// The time, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for what rounds to 24:00:00.
    fn try_from(time: ::time::Time) -> Result<Self> {
        Self::from_nanoseconds(nanos_of_day(time))
    }
}

impl TryFrom<Time> for ::time::Time {
    type Error = Error;

    /// The same time.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for 24:00:00.
    fn try_from(time: Time) -> Result<Self> {
        let (hour, minute, second, micro) = time.hms_micro();
        Self::from_hms_micro(hour, minute, second, micro).map_err(|_| outside())
    }
}

impl TryFrom<PrimitiveDateTime> for Timestamp {
    type Error = Error;

    /// The timestamp, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(timestamp: PrimitiveDateTime) -> Result<Self> {
        TimestampTz::try_from(timestamp.assume_utc()).map(TimestampTz::utc)
    }
}

impl TryFrom<Timestamp> for PrimitiveDateTime {
    type Error = Error;

    /// The same timestamp.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond those of `time`.
    fn try_from(timestamp: Timestamp) -> Result<Self> {
        let time = timestamp.time().ok_or_else(outside)?;
        Ok(Self::new(timestamp.date().try_into()?, time.try_into()?))
    }
}

impl TryFrom<OffsetDateTime> for TimestampTz {
    type Error = Error;

    /// The instant, rounded to the nearest microsecond. The offset is not kept: a `timestamptz` has none.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(instant: OffsetDateTime) -> Result<Self> {
        Self::from_unix_nanoseconds(instant.unix_timestamp_nanos())
    }
}

impl TryFrom<TimestampTz> for OffsetDateTime {
    type Error = Error;

    /// The instant, at the offset zero.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond those of `time`.
    fn try_from(instant: TimestampTz) -> Result<Self> {
        Self::from_unix_timestamp_nanos(instant.unix_nanoseconds()?).map_err(|_| outside())
    }
}

impl TryFrom<UtcDateTime> for TimestampTz {
    type Error = Error;

    /// The instant, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(instant: UtcDateTime) -> Result<Self> {
        Self::from_unix_nanoseconds(instant.unix_timestamp_nanos())
    }
}

impl TryFrom<TimestampTz> for UtcDateTime {
    type Error = Error;

    /// The instant.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years beyond those of `time`.
    fn try_from(instant: TimestampTz) -> Result<Self> {
        Self::from_unix_timestamp_nanos(instant.unix_nanoseconds()?).map_err(|_| outside())
    }
}

impl TryFrom<::time::Duration> for Interval {
    type Error = Error;

    /// The duration as microseconds, rounded to the nearest one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] beyond 292 271 years, either way.
    fn try_from(duration: ::time::Duration) -> Result<Self> {
        Self::from_nanoseconds(duration.whole_nanoseconds())
    }
}

impl TryFrom<Interval> for ::time::Duration {
    type Error = Error;

    /// The duration of an interval of microseconds.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an interval with months or days, whose length is not fixed, and for the infinities.
    fn try_from(interval: Interval) -> Result<Self> {
        interval.only_microseconds().map(Self::microseconds)
    }
}

fn nanos_of_day(time: ::time::Time) -> i64 {
    let (hour, minute, second, nano) = time.as_hms_nano();
    let minutes = i64::from(hour).wrapping_mul(60).wrapping_add(i64::from(minute));
    let seconds = minutes.wrapping_mul(60).wrapping_add(i64::from(second));
    seconds.wrapping_mul(1_000_000_000).wrapping_add(i64::from(nano))
}

#[cold]
fn outside() -> Error {
    Error::new(ErrorKind::OutOfRange, "the value is outside the range of the other type")
}

/// The Julian day of 2000-01-01.
const JULIAN_2000: i32 = 2_451_545;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::oid::Oid;
    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip, survives};

    fn date(year: i32, month: u8, day: u8) -> ::time::Date {
        ::time::Date::from_calendar_date(year, month.try_into().unwrap(), day).unwrap()
    }

    fn at(nanos: u32) -> ::time::Time {
        ::time::Time::from_hms_nano(23, 59, 59, nanos).unwrap()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::DATE, "00002279", &date(2024, 2, 29));
        is_value(Oid::DATE, "fff4dbf8", &date(0, 12, 31));
        is_value(Oid::DATE, "ffda97a7", &date(-4713, 11, 24));
        is_value(Oid::DATE, "002c95d3", &date(9999, 12, 31));
        is_value(Oid::TIME, "000000141dd75fff", &at(999_999_000));
        is_value(
            Oid::TIMESTAMP,
            "ffffffffffffffff",
            &PrimitiveDateTime::new(date(1999, 12, 31), at(999_999_000)),
        );
        is_value(Oid::TIMESTAMPTZ, "fffca2fec4c82000", &OffsetDateTime::UNIX_EPOCH);
        is_value(Oid::TIMESTAMPTZ, "fffca2fec4c82000", &UtcDateTime::UNIX_EPOCH);
        is_value(
            Oid::INTERVAL,
            "ffffffffffffffff 00000000 00000000",
            &::time::Duration::microseconds(-1),
        );
    }

    #[test]
    fn an_offset_moves_no_instant() {
        let offset = ::time::UtcOffset::from_hms(5, 30, 0).unwrap();
        let instant = OffsetDateTime::UNIX_EPOCH.to_offset(offset);
        let raw = encode(Oid::TIMESTAMPTZ, &instant).unwrap();
        let read: OffsetDateTime = decode(Oid::TIMESTAMPTZ, &raw).unwrap();
        assert_eq!((read, read.offset()), (instant, ::time::UtcOffset::UTC));
    }

    #[test]
    fn parts_of_a_microsecond_are_rounded() {
        let written = |nanos| {
            encode(Oid::TIMESTAMP, &PrimitiveDateTime::new(date(1999, 12, 31), at(nanos))).unwrap()
        };
        assert_eq!(written(999_999_500), 0_i64.to_be_bytes());
        assert_eq!(written(999_999_499), (-1_i64).to_be_bytes());
        assert_eq!(written(999_998_500), (-2_i64).to_be_bytes());
        let error = encode(Oid::TIME, &at(999_999_500)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
    }

    #[test]
    fn what_either_side_can_not_hold_is_refused() {
        for text in ["7fffffff", "80000000", "7fda970c"] {
            is_refused::<::time::Date>(Oid::DATE, text, ErrorKind::OutOfRange);
        }
        is_refused::<::time::Time>(Oid::TIME, "000000141dd76000", ErrorKind::OutOfRange);
        for text in ["7fffffffffffffff", "8000000000000000", "7fffff5bb3b29fff"] {
            is_refused::<PrimitiveDateTime>(Oid::TIMESTAMP, text, ErrorKind::OutOfRange);
            is_refused::<OffsetDateTime>(Oid::TIMESTAMPTZ, text, ErrorKind::OutOfRange);
            is_refused::<UtcDateTime>(Oid::TIMESTAMPTZ, text, ErrorKind::OutOfRange);
        }
        for text in ["0000000000000000 00000001 00000000", "0000000000000000 00000000 ffffffff"] {
            is_refused::<::time::Duration>(Oid::INTERVAL, text, ErrorKind::OutOfRange);
        }
        let early = PrimitiveDateTime::new(date(-4713, 11, 23), at(0));
        assert_eq!(encode(Oid::DATE, &early.date()).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(encode(Oid::TIMESTAMP, &early).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(
            encode(Oid::TIMESTAMPTZ, &early.assume_utc()).unwrap_err().kind(),
            ErrorKind::OutOfRange
        );
        assert_eq!(
            encode(Oid::INTERVAL, &::time::Duration::MAX).unwrap_err().kind(),
            ErrorKind::OutOfRange
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            days in -2_451_545..=2_921_939_i32,
            micros in -211_813_488_000_000_000..=252_455_615_999_999_999_i64,
            duration: i64,
        ) {
            let day: ::time::Date = Date::from_days(days).unwrap().try_into().unwrap();
            prop_assert_eq!(Date::try_from(day).unwrap().ymd(), Some((day.year(), day.month().into(), day.day())));
            round_trip(&day)?;
            let timestamp: PrimitiveDateTime = Timestamp::from_microseconds(micros).unwrap().try_into().unwrap();
            round_trip(&timestamp)?;
            round_trip(&timestamp.time())?;
            round_trip(&timestamp.assume_utc())?;
            round_trip(&timestamp.as_utc())?;
            round_trip(&::time::Duration::microseconds(duration))?;
        }

        #[test]
        fn hostile_bytes_are_survived(short: [u8; 4], long: [u8; 8], interval: [u8; 16]) {
            survives::<::time::Date>(Oid::DATE, &short)?;
            survives::<::time::Time>(Oid::TIME, &long)?;
            survives::<PrimitiveDateTime>(Oid::TIMESTAMP, &long)?;
            survives::<OffsetDateTime>(Oid::TIMESTAMPTZ, &long)?;
            survives::<::time::Duration>(Oid::INTERVAL, &interval)?;
        }
    }
}
