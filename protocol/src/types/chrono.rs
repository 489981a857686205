//! `date`, `time`, `timestamp`, `timestamptz` and `interval` as chrono's types.
//!
//! The server counts days and microseconds from 2000-01-01 (`timestamp.h` of its source). Whatever one side can't hold
//! is an error, `infinity` and `24:00:00` included. Below a microsecond values are rounded to the nearest one, ties to
//! the even one, as the server does with text (but for its own error in floating point); a leap second (`23:59:60`) is
//! the second after it, as there.

use ::chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Timelike, Utc,
};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed, put, put_in_place, put_sized};
use crate::types::through::through;
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl PgType for NaiveDate {
    const TYPE: Type = Type { oid: Oid::DATE, array: Oid::DATE_ARRAY, name: "date" };
}

impl ArrayElement for NaiveDate {}

encode_fixed! {
    NaiveDate, |value| days(*value)?.to_be_bytes()
}

impl<'a> Decode<'a> for NaiveDate {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let days = i32::from_be_bytes(fixed(raw)?);
        match days.checked_add(EPOCH_DAYS).and_then(Self::from_num_days_from_ce_opt) {
            Some(date) if days >= FIRST_DAY => Ok(date),
            _ => Err(no_date(days)),
        }
    }
}

impl PgType for NaiveTime {
    const TYPE: Type = Type { oid: Oid::TIME, array: Oid::TIME_ARRAY, name: "time" };
}

impl ArrayElement for NaiveTime {}

encode_fixed! {
    /// Writes a time of day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for what rounds to 24:00:00 or is the leap second before it: the server would take it,
    /// but it could not be read back.
    NaiveTime, |value| micros_of_day(*value)?.to_be_bytes()
}

impl<'a> Decode<'a> for NaiveTime {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let micros = i64::from_be_bytes(fixed(raw)?);
        time_of_day(micros).ok_or_else(|| no_time(micros))
    }
}

impl PgType for NaiveDateTime {
    const TYPE: Type = Type { oid: Oid::TIMESTAMP, array: Oid::TIMESTAMP_ARRAY, name: "timestamp" };
}

impl ArrayElement for NaiveDateTime {}

encode_fixed! {
    NaiveDateTime, |value| micros(&value.and_utc())?.to_be_bytes()
}

impl<'a> Decode<'a> for NaiveDateTime {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        instant(raw).map(|instant| instant.naive_utc())
    }
}

impl<Z: TimeZone> PgType for DateTime<Z> {
    const TYPE: Type =
        Type { oid: Oid::TIMESTAMPTZ, array: Oid::TIMESTAMPTZ_ARRAY, name: "timestamptz" };
}

impl<Z: TimeZone> ArrayElement for DateTime<Z> {}

impl<Z: TimeZone> Encode for DateTime<Z> {
    /// Writes the instant. The offset is not stored: a `timestamptz` has none.
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        Ok(put(micros(self)?.to_be_bytes(), out))
    }

    #[inline]
    fn encode_sized(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        Ok(put_sized(micros(self)?.to_be_bytes(), out))
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        put_in_place(micros(self).ok()?.to_be_bytes(), place)
    }
}

impl<'a> Decode<'a> for DateTime<Utc> {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        instant(raw)
    }
}

impl<'a> Decode<'a> for DateTime<FixedOffset> {
    /// Reads the instant, at the offset zero: a `timestamptz` has no offset of its own.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        instant(raw).map(|instant| instant.fixed_offset())
    }
}

through! {
    TimeDelta as Interval;
}

impl TryFrom<NaiveDate> for Date {
    type Error = Error;

    /// The same day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(date: NaiveDate) -> Result<Self> {
        days(date).and_then(Self::from_days)
    }
}

impl TryFrom<Date> for NaiveDate {
    type Error = Error;

    /// The same day.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years after 262142.
    fn try_from(date: Date) -> Result<Self> {
        let day = date.days().and_then(|days| days.checked_add(EPOCH_DAYS));
        day.and_then(Self::from_num_days_from_ce_opt)
            .ok_or_else(|| no_date(date.days().unwrap_or(i32::MAX)))
    }
}

impl TryFrom<NaiveTime> for Time {
    type Error = Error;

    /// The time, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for what rounds to 24:00:00 or is the leap second before it.
    fn try_from(time: NaiveTime) -> Result<Self> {
        micros_of_day(time).and_then(Self::from_microseconds)
    }
}

impl TryFrom<Time> for NaiveTime {
    type Error = Error;

    /// The same time.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for 24:00:00.
    fn try_from(time: Time) -> Result<Self> {
        time_of_day(time.microseconds()).ok_or_else(|| no_time(time.microseconds()))
    }
}

impl TryFrom<NaiveDateTime> for Timestamp {
    type Error = Error;

    /// The timestamp, rounded to the nearest microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(timestamp: NaiveDateTime) -> Result<Self> {
        micros(&timestamp.and_utc()).and_then(Self::from_microseconds)
    }
}

impl TryFrom<Timestamp> for NaiveDateTime {
    type Error = Error;

    /// The same timestamp.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years after 262142.
    fn try_from(timestamp: Timestamp) -> Result<Self> {
        at(timestamp.microseconds().unwrap_or(i64::MAX)).map(|instant| instant.naive_utc())
    }
}

impl<Z: TimeZone> TryFrom<DateTime<Z>> for TimestampTz {
    type Error = Error;

    /// The instant, rounded to the nearest microsecond. The offset is not kept: a `timestamptz` has none.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] before 4714-11-24 BC.
    fn try_from(instant: DateTime<Z>) -> Result<Self> {
        micros(&instant).and_then(Timestamp::from_microseconds).map(Self::from_utc)
    }
}

impl TryFrom<TimestampTz> for DateTime<Utc> {
    type Error = Error;

    /// The instant.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the infinities and for years after 262142.
    fn try_from(instant: TimestampTz) -> Result<Self> {
        at(instant.utc().microseconds().unwrap_or(i64::MAX))
    }
}

impl TryFrom<TimeDelta> for Interval {
    type Error = Error;

    /// The duration as microseconds, rounded to the nearest one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] beyond 292 271 years, either way.
    fn try_from(duration: TimeDelta) -> Result<Self> {
        let seconds = i128::from(duration.num_seconds()).wrapping_mul(1_000_000_000);
        Self::from_nanoseconds(seconds.wrapping_add(i128::from(duration.subsec_nanos())))
    }
}

impl TryFrom<Interval> for TimeDelta {
    type Error = Error;

    /// The duration of an interval of microseconds.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an interval with months or days, whose length is not fixed, and for the infinities.
    fn try_from(interval: Interval) -> Result<Self> {
        interval.only_microseconds().map(Self::microseconds)
    }
}

#[inline]
fn days(date: NaiveDate) -> Result<i32> {
    match date.num_days_from_ce().checked_sub(EPOCH_DAYS) {
        Some(days) if days >= FIRST_DAY => Ok(days),
        _ => Err(before_first()),
    }
}

#[inline]
fn instant(raw: &[u8]) -> Result<DateTime<Utc>> {
    at(i64::from_be_bytes(fixed(raw)?))
}

/// So many microseconds after 2000-01-01.
#[inline]
fn at(micros: i64) -> Result<DateTime<Utc>> {
    match micros.checked_add(EPOCH_MICROS).and_then(DateTime::from_timestamp_micros) {
        Some(instant) if micros >= FIRST_MICRO => Ok(instant),
        _ => Err(no_instant(micros)),
    }
}

#[inline]
fn micros<Z: TimeZone>(instant: &DateTime<Z>) -> Result<i64> {
    let micros = instant
        .timestamp()
        .checked_sub(EPOCH_SECONDS)
        .and_then(|seconds| seconds.checked_mul(MICROS_PER_SECOND))
        .and_then(|micros| micros.checked_add(nearest_micros(instant.timestamp_subsec_nanos())));
    match micros {
        Some(micros) if micros >= FIRST_MICRO => Ok(micros),
        _ => Err(before_first()),
    }
}

#[inline]
fn micros_of_day(time: NaiveTime) -> Result<i64> {
    let micros = i64::from(time.num_seconds_from_midnight())
        .wrapping_mul(MICROS_PER_SECOND)
        .wrapping_add(nearest_micros(time.nanosecond()));
    if micros < MICROS_PER_DAY {
        Ok(micros)
    } else {
        Err(Error::new(ErrorKind::OutOfRange, "the time rounds to the end of its day"))
    }
}

#[inline]
fn time_of_day(micros: i64) -> Option<NaiveTime> {
    let micros = u64::try_from(micros).ok()?;
    let seconds = u32::try_from(micros / 1_000_000).ok()?;
    let nanos = u32::try_from(micros % 1_000_000).ok()?.wrapping_mul(1_000);
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

/// The microseconds nearest to `nanos` (at most 1 999 999 999: chrono counts a leap second so), ties to even.
#[inline]
fn nearest_micros(nanos: u32) -> i64 {
    let micros = nanos / 1_000;
    let rest = nanos % 1_000;
    let up = rest > 500 || (rest == 500 && micros % 2 == 1);
    i64::from(micros).wrapping_add(i64::from(up))
}

#[cold]
fn before_first() -> Error {
    Error::new(ErrorKind::OutOfRange, "the date is before 4714-11-24 BC, PostgreSQL's first")
}

#[cold]
fn no_date(days: i32) -> Error {
    match days {
        i32::MIN | i32::MAX => Error::new(ErrorKind::OutOfRange, "the date is infinite"),
        _ => Error::new(ErrorKind::OutOfRange, "the date is outside the range of the Rust type"),
    }
}

#[cold]
fn no_time(micros: i64) -> Error {
    match micros {
        MICROS_PER_DAY => Error::new(
            ErrorKind::OutOfRange,
            "the time is 24:00:00, which the Rust type can't hold",
        ),
        _ => Error::new(ErrorKind::InvalidValue, "a time is negative or longer than a day"),
    }
}

#[cold]
fn no_instant(micros: i64) -> Error {
    match micros {
        i64::MIN | i64::MAX => Error::new(ErrorKind::OutOfRange, "the timestamp is infinite"),
        _ => {
            Error::new(ErrorKind::OutOfRange, "the timestamp is outside the range of the Rust type")
        }
    }
}

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// 2000-01-01, in days from 0000-12-31, where chrono counts from.
const EPOCH_DAYS: i32 = 730_120;
/// 2000-01-01, in Unix time.
const EPOCH_SECONDS: i64 = 946_684_800;
/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// 4714-11-24 BC, the first day the server knows, from 2000-01-01.
const FIRST_DAY: i32 = -2_451_545;
/// Its first microsecond.
const FIRST_MICRO: i64 = -211_813_488_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip, survives};

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn time(text: &str) -> NaiveTime {
        text.parse().unwrap()
    }

    fn timestamp(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn known_dates() {
        for (text, hex) in [
            ("2000-01-01", "00000000"),
            ("1999-12-31", "ffffffff"),
            ("1970-01-01", "ffffd533"),
            ("2024-02-29", "00002279"),
            ("0001-01-01", "fff4dbf9"),
            ("0000-12-31", "fff4dbf8"),
            ("-4712-11-24", "ffda9915"),
            ("-4713-11-24", "ffda97a7"),
            ("+262142-12-31", "05a9d16f"),
        ] {
            is_value(Oid::DATE, hex, &date(text));
        }
    }

    #[test]
    fn dates_outside_either_range_are_refused() {
        let refused = |hex| is_refused::<NaiveDate>(Oid::DATE, hex, ErrorKind::OutOfRange);
        refused("7fffffff"); // infinity
        refused("80000000"); // -infinity
        refused("05a9d170"); // the day after chrono's last
        refused("7fda970c"); // 5874897-12-31, the server's last
        refused("ffda97a6"); // the day before the server's first
        assert_eq!(kind(encode(Oid::DATE, &NaiveDate::MIN)), Some(ErrorKind::OutOfRange));
        assert_eq!(kind(encode(Oid::DATE, &date("-4713-11-23"))), Some(ErrorKind::OutOfRange));
    }

    #[test]
    fn known_times() {
        for (text, hex) in [
            ("00:00:00", "0000000000000000"),
            ("12:34:56.789012", "0000000a8be62614"),
            ("23:59:59.999999", "000000141dd75fff"),
        ] {
            is_value(Oid::TIME, hex, &time(text));
        }
    }

    #[test]
    fn times_outside_the_day_are_refused() {
        let refused = |hex, kind| is_refused::<NaiveTime>(Oid::TIME, hex, kind);
        refused("000000141dd76000", ErrorKind::OutOfRange); // 24:00:00
        refused("000000141dd76001", ErrorKind::InvalidValue);
        refused("ffffffffffffffff", ErrorKind::InvalidValue);
        refused("7fffffffffffffff", ErrorKind::InvalidValue);
        refused("8000000000000000", ErrorKind::InvalidValue);
        for text in ["23:59:59.9999995", "23:59:59.999999999", "23:59:60"] {
            assert_eq!(kind(encode(Oid::TIME, &time(text))), Some(ErrorKind::OutOfRange), "{text}");
        }
    }

    #[test]
    fn parts_of_a_microsecond_and_leap_seconds_are_as_the_server_reads_them() {
        for (written, read) in [
            ("01:02:03.000000499", "01:02:03"),
            ("01:02:03.0000005", "01:02:03"),
            ("01:02:03.000000501", "01:02:03.000001"),
            ("01:02:03.0000015", "01:02:03.000002"),
            ("01:02:03.0000025", "01:02:03.000002"),
            ("12:34:60", "12:35:00"),
        ] {
            let raw = encode(Oid::TIME, &time(written)).unwrap();
            assert_eq!(decode(Oid::TIME, &raw), Ok(time(read)), "{written}");
            let written = date("2024-02-29").and_time(time(written));
            let raw = encode(Oid::TIMESTAMP, &written).unwrap();
            let read = date("2024-02-29").and_time(time(read));
            assert_eq!(decode(Oid::TIMESTAMP, &raw), Ok(read), "{written}");
            assert_eq!(encode(Oid::TIMESTAMPTZ, &written.and_utc()), Ok(raw));
        }
        let raw = encode(Oid::TIMESTAMP, &timestamp("2016-12-31T23:59:60")).unwrap();
        assert_eq!(decode(Oid::TIMESTAMP, &raw), Ok(timestamp("2017-01-01T00:00:00")));
        // Before 2000 the count is negative, and is rounded the same way.
        let raw = encode(Oid::TIMESTAMP, &timestamp("1999-12-31T23:59:59.9999989")).unwrap();
        assert_eq!(raw, (-1_i64).to_be_bytes());
    }

    #[test]
    fn known_timestamps() {
        for (text, hex) in [
            ("2000-01-01T00:00:00", "0000000000000000"),
            ("1999-12-31T23:59:59.999999", "ffffffffffffffff"),
            ("2024-02-29T07:04:56.789012", "0002b57ea5468014"),
        ] {
            is_value(Oid::TIMESTAMP, hex, &timestamp(text));
            is_value(Oid::TIMESTAMPTZ, hex, &timestamp(text).and_utc());
        }
    }

    #[test]
    fn a_timestamptz_is_an_instant() {
        let written: DateTime<FixedOffset> = "2024-02-29T12:34:56.789012+05:30".parse().unwrap();
        is_value(Oid::TIMESTAMPTZ, "0002b57ea5468014", &written);
        let read: DateTime<FixedOffset> =
            decode(Oid::TIMESTAMPTZ, &encode(Oid::TIMESTAMPTZ, &written).unwrap()).unwrap();
        assert_eq!(read.offset().local_minus_utc(), 0);
        assert!(!DateTime::<Utc>::accepts(Oid::TIMESTAMP));
        assert!(!NaiveDateTime::accepts(Oid::TIMESTAMPTZ));
    }

    #[test]
    fn timestamps_outside_either_range_are_refused() {
        let refused = |micros: i64| {
            let raw = micros.to_be_bytes();
            assert_eq!(
                kind(decode::<DateTime<Utc>>(Oid::TIMESTAMPTZ, &raw)),
                Some(ErrorKind::OutOfRange)
            );
            assert_eq!(
                kind(decode::<NaiveDateTime>(Oid::TIMESTAMP, &raw)),
                Some(ErrorKind::OutOfRange)
            );
        };
        refused(i64::MAX); // infinity
        refused(i64::MIN); // -infinity
        refused(i64::MAX - 1);
        refused(i64::MIN + 1);
        refused(9_223_371_331_199_999_999); // the server's last, in the year 294276
        refused(FIRST_MICRO - 1);
        let first = timestamp("-4713-11-24T00:00:00");
        let last = timestamp("+262142-12-31T23:59:59.999999");
        round_trip(&first).unwrap();
        round_trip(&last).unwrap();
        let before = first - ::chrono::TimeDelta::microseconds(1);
        assert_eq!(kind(encode(Oid::TIMESTAMP, &before)), Some(ErrorKind::OutOfRange));
        assert_eq!(
            kind(encode(Oid::TIMESTAMPTZ, &DateTime::<Utc>::MIN_UTC)),
            Some(ErrorKind::OutOfRange)
        );
    }

    #[test]
    fn durations_are_intervals_of_microseconds() {
        is_value(Oid::INTERVAL, "ffffffffffffffff 00000000 00000000", &TimeDelta::microseconds(-1));
        for (nanos, micros) in [(-1_500, -2), (-500, 0), (1_499, 1), (2_500, 2), (-2_501, -3)] {
            let interval = Interval::from_microseconds(micros);
            assert_eq!(Interval::try_from(TimeDelta::nanoseconds(nanos)), Ok(interval), "{nanos}");
        }
        for text in [
            "0000000000000000 00000001 00000000",
            "0000000000000000 00000000 00000001",
            "7fffffffffffffff 7fffffff 7fffffff",
        ] {
            is_refused::<TimeDelta>(Oid::INTERVAL, text, ErrorKind::OutOfRange);
        }
        assert_eq!(kind(encode(Oid::INTERVAL, &TimeDelta::MAX)), Some(ErrorKind::OutOfRange));
        assert_eq!(kind(encode(Oid::INTERVAL, &TimeDelta::MIN)), Some(ErrorKind::OutOfRange));
    }

    #[test]
    fn whole_types_are_converted_or_refused() {
        assert_eq!(kind(NaiveDate::try_from(Date::INFINITY)), Some(ErrorKind::OutOfRange));
        assert_eq!(kind(NaiveDate::try_from(Date::MAX)), Some(ErrorKind::OutOfRange));
        assert_eq!(kind(NaiveTime::try_from(Time::MAX)), Some(ErrorKind::OutOfRange));
        assert_eq!(
            kind(NaiveDateTime::try_from(Timestamp::NEG_INFINITY)),
            Some(ErrorKind::OutOfRange)
        );
        assert_eq!(kind(DateTime::<Utc>::try_from(TimestampTz::MAX)), Some(ErrorKind::OutOfRange));
        assert_eq!(kind(Date::try_from(NaiveDate::MIN)), Some(ErrorKind::OutOfRange));
    }

    proptest! {
        #[test]
        fn whole_types_write_the_same_bytes(
            day in FIRST_DAY..=95_015_279_i32,
            micro in 0..MICROS_PER_DAY,
            instant in FIRST_MICRO..8_209_320_191_999_999_999_i64,
            duration: i64,
        ) {
            let date = Date::from_days(day).unwrap();
            let chrono = NaiveDate::try_from(date).unwrap();
            prop_assert_eq!(Date::try_from(chrono), Ok(date));
            prop_assert_eq!(encode(Oid::DATE, &date), encode(Oid::DATE, &chrono));
            let parts = (chrono.year(), chrono.month(), chrono.day());
            prop_assert_eq!(date.ymd().map(|(y, m, d)| (y, m.into(), d.into())), Some(parts));
            let time = Time::from_microseconds(micro).unwrap();
            prop_assert_eq!(Time::try_from(NaiveTime::try_from(time).unwrap()), Ok(time));
            let timestamp = Timestamp::from_microseconds(instant).unwrap();
            let chrono = NaiveDateTime::try_from(timestamp).unwrap();
            prop_assert_eq!(Timestamp::try_from(chrono), Ok(timestamp));
            prop_assert_eq!(encode(Oid::TIMESTAMP, &timestamp), encode(Oid::TIMESTAMP, &chrono));
            let instant = TimestampTz::from_utc(timestamp);
            let chrono = DateTime::<Utc>::try_from(instant).unwrap();
            prop_assert_eq!(TimestampTz::try_from(chrono), Ok(instant));
            round_trip(&TimeDelta::microseconds(duration))?;
        }

        #[test]
        fn every_value_comes_back(
            day in FIRST_DAY..=95_015_279_i32,
            micro in 0..MICROS_PER_DAY,
            instant in FIRST_MICRO..8_209_320_191_999_999_999_i64,
        ) {
            let date = decode::<NaiveDate>(Oid::DATE, &day.to_be_bytes()).unwrap();
            prop_assert_eq!(encode(Oid::DATE, &date), Ok(day.to_be_bytes().to_vec()));
            round_trip(&date)?;
            let time = decode::<NaiveTime>(Oid::TIME, &micro.to_be_bytes()).unwrap();
            prop_assert_eq!(encode(Oid::TIME, &time), Ok(micro.to_be_bytes().to_vec()));
            round_trip(&time)?;
            let raw = instant.to_be_bytes();
            let timestamp = decode::<NaiveDateTime>(Oid::TIMESTAMP, &raw).unwrap();
            prop_assert_eq!(encode(Oid::TIMESTAMP, &timestamp), Ok(raw.to_vec()));
            round_trip(&timestamp)?;
            round_trip(&timestamp.and_utc())?;
            round_trip(&timestamp.and_utc().fixed_offset())?;
        }

        #[test]
        fn hostile_bytes_are_survived(short: [u8; 4], long: [u8; 8], any: Vec<u8>) {
            survives::<NaiveDate>(Oid::DATE, &short)?;
            survives::<NaiveTime>(Oid::TIME, &long)?;
            survives::<NaiveDateTime>(Oid::TIMESTAMP, &long)?;
            survives::<DateTime<Utc>>(Oid::TIMESTAMPTZ, &long)?;
            survives::<NaiveDate>(Oid::DATE, &any)?;
            survives::<DateTime<FixedOffset>>(Oid::TIMESTAMPTZ, &any)?;
        }
    }
}
