//! [`Timestamp`] and [`TimestampTz`]: a `timestamp` and a `timestamptz` in full.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{encode_fixed, fixed};
use crate::types::times::calendar::date_of;
use crate::types::times::date::{Date, Era, PrintedDay, put_day, put_era, take_day, take_era};
use crate::types::times::scan::{Scan, not_printed_so, out_of_range};
use crate::types::times::time::{Time, take_time};
use crate::types::times::timetz::take_offset;
use crate::types::times::{
    INFINITY, MICROS_PER_DAY, MICROS_PER_SECOND, NEG_INFINITY, nearest_micros,
};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// Any value of PostgreSQL's `timestamp`: a date and a time in microseconds, in no time zone, from 4714-11-24 BC to the
/// end of the year 294276, or one of the infinities (the manual's section 8.5).
///
/// It is printed and read as the server does it with the `DateStyle` `ISO`.
///
/// ```
/// use stellata_protocol::{Date, Time, Timestamp};
/// let date = Date::new(2024, 2, 29).unwrap();
/// let timestamp = Timestamp::new(date, Time::new(12, 30, 0, 0).unwrap()).unwrap();
/// assert_eq!(timestamp.to_string(), "2024-02-29 12:30:00");
/// assert_eq!(timestamp.date(), date);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// From 2000-01-01. The infinities are the ends of the 64 bits.
    micros: i64,
}

impl Timestamp {
    /// Later than every other.
    pub const INFINITY: Self = Self { micros: i64::MAX };
    /// Earlier than every other.
    pub const NEG_INFINITY: Self = Self { micros: i64::MIN };
    /// The first: 4714-11-24 00:00:00 BC.
    pub const MIN: Self = Self { micros: -211_813_488_000_000_000 };
    /// The last: 294276-12-31 23:59:59.999999.
    pub const MAX: Self = Self { micros: 9_223_371_331_199_999_999 };

    /// A time of a day; 24:00:00 is the start of the next day. Of an infinite date it is that infinity.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for dates after the year 294276.
    pub fn new(date: Date, time: Time) -> Result<Self> {
        let Some(days) = date.days() else {
            return Ok(if date == Date::INFINITY { Self::INFINITY } else { Self::NEG_INFINITY });
        };
        i64::from(days)
            .checked_mul(MICROS_PER_DAY)
            .and_then(|micros| micros.checked_add(time.microseconds()))
            .map_or_else(|| Err(no_such_timestamp()), Self::from_microseconds)
    }

    /// So many microseconds after 2000-01-01 00:00:00.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] outside the range; the infinities are none.
    pub fn from_microseconds(microseconds: i64) -> Result<Self> {
        let timestamp = Self { micros: microseconds };
        if timestamp.is_in_range() { Ok(timestamp) } else { Err(no_such_timestamp()) }
    }

    /// The number of microseconds since 2000-01-01 00:00:00; `None` for the infinities.
    #[must_use]
    pub fn microseconds(self) -> Option<i64> {
        self.is_finite().then_some(self.micros)
    }

    /// Its day. That of an infinity is infinite.
    #[must_use]
    pub fn date(self) -> Date {
        match self.parts() {
            Some((days, _)) => Date::from_days(days).unwrap_or(Date::INFINITY),
            None if self == Self::INFINITY => Date::INFINITY,
            None => Date::NEG_INFINITY,
        }
    }

    /// Its time of day, which is never 24:00:00; `None` for the infinities.
    #[must_use]
    pub fn time(self) -> Option<Time> {
        self.parts().map(|(_, time)| time)
    }

    /// Whether this is none of the infinities.
    #[must_use]
    pub fn is_finite(self) -> bool {
        !matches!(self, Self::INFINITY | Self::NEG_INFINITY)
    }

    fn is_in_range(self) -> bool {
        (Self::MIN..=Self::MAX).contains(&self)
    }

    fn parts(self) -> Option<(i32, Time)> {
        let micros = self.microseconds()?;
        let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
        Some((days, Time::from_microseconds(micros.rem_euclid(MICROS_PER_DAY)).ok()?))
    }

    fn put(self, offset: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            Some((days, time)) => {
                let date = date_of(days);
                put_day(date, f)?;
                write!(f, " {time}{offset}")?;
                put_era(date, f)
            }
            None if self == Self::INFINITY => f.write_str(INFINITY),
            None => f.write_str(NEG_INFINITY),
        }
    }
}

impl fmt::Display for Timestamp {
    /// Writes the timestamp as the server prints it with the `DateStyle` `ISO`: `2024-02-29 12:34:56.789`,
    /// `0044-03-15 12:00:00 BC`, `infinity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put("", f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes; `T` may stand between date and time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for other text, [`ErrorKind::OutOfRange`] for a day that does not exist and for what
    /// lies outside the range.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            INFINITY => return Ok(Self::INFINITY),
            NEG_INFINITY => return Ok(Self::NEG_INFINITY),
            _ => {}
        }
        let mut scan = Scan::new(text);
        let (day, time, era) = take_timestamp(&mut scan, |_| Some(0))
            .map(|(day, time, _, era)| (day, time, era))
            .ok_or_else(|| not_printed_so("the text is no timestamp"))?;
        Self::new(day.of(era)?, time)
    }
}

type Printed = (PrintedDay, Time, i32, Era);

/// All of a timestamp, with the offset that `offset` takes.
fn take_timestamp(
    scan: &mut Scan<'_>,
    offset: impl Fn(&mut Scan<'_>) -> Option<i32>,
) -> Option<Printed> {
    let day = take_day(scan)?;
    scan.take(" ").or_else(|| scan.take("T"))?;
    let time = take_time(scan)?;
    let offset = offset(scan)?;
    let era = take_era(scan)?;
    scan.end()?;
    Some((day, time, offset, era))
}

#[cold]
fn no_such_timestamp() -> Error {
    out_of_range("the timestamp is outside the range of PostgreSQL's type")
}

impl PgType for Timestamp {
    const TYPE: Type = Type { oid: Oid::TIMESTAMP, array: Oid::TIMESTAMP_ARRAY, name: "timestamp" };
}

impl ArrayElement for Timestamp {}

encode_fixed! {
    Timestamp, |value| value.micros.to_be_bytes()
}

impl<'a> Decode<'a> for Timestamp {
    /// Reads any timestamp.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for one outside the server's own range, and those of a wrong length.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let timestamp = Self { micros: i64::from_be_bytes(fixed(raw)?) };
        if timestamp.is_in_range() || !timestamp.is_finite() {
            Ok(timestamp)
        } else {
            Err(Error::new(ErrorKind::InvalidValue, "a timestamp is outside the server's range"))
        }
    }
}

/// Any value of PostgreSQL's `timestamptz`: an instant in microseconds, from 4714-11-24 BC to the end of the year 294276
/// in UTC, or one of the infinities (the manual's section 8.5).
///
/// The server keeps no time zone with it, for all of its name, and prints it in that of the session. Here it is printed
/// as in a session in UTC; it is read with any offset.
///
/// ```
/// use stellata_protocol::TimestampTz;
/// let instant: TimestampTz = "2024-02-29 12:30:00+05:30".parse().unwrap();
/// assert_eq!(instant.to_string(), "2024-02-29 07:00:00+00");
/// assert_eq!(instant, TimestampTz::from_unix_microseconds(1_709_190_000_000_000).unwrap());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimestampTz {
    utc: Timestamp,
}

impl TimestampTz {
    /// Later than every instant.
    pub const INFINITY: Self = Self { utc: Timestamp::INFINITY };
    /// Earlier than every instant.
    pub const NEG_INFINITY: Self = Self { utc: Timestamp::NEG_INFINITY };
    /// The first instant: 4714-11-24 00:00:00 BC in UTC.
    pub const MIN: Self = Self { utc: Timestamp::MIN };
    /// The last instant: 294276-12-31 23:59:59.999999 in UTC.
    pub const MAX: Self = Self { utc: Timestamp::MAX };

    /// The instant at which clocks in UTC show `utc`.
    #[must_use]
    pub fn from_utc(utc: Timestamp) -> Self {
        Self { utc }
    }

    /// What clocks in UTC show at this instant.
    #[must_use]
    pub fn utc(self) -> Timestamp {
        self.utc
    }

    /// So many microseconds after 1970-01-01 00:00:00 UTC, as Unix counts them.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] outside the range.
    pub fn from_unix_microseconds(microseconds: i64) -> Result<Self> {
        microseconds
            .checked_sub(UNIX_TO_2000)
            .map_or_else(|| Err(no_such_timestamp()), Timestamp::from_microseconds)
            .map(Self::from_utc)
    }

    /// The number of microseconds since 1970-01-01 00:00:00 UTC. `None` for the infinities, and for the last 30 years of
    /// the range, which 64 bits do not reach from there.
    #[must_use]
    pub fn unix_microseconds(self) -> Option<i64> {
        self.utc.microseconds()?.checked_add(UNIX_TO_2000)
    }

    /// The instant nearest to so many nanoseconds after 1970-01-01 00:00:00 UTC.
    pub(in crate::types) fn from_unix_nanoseconds(nanoseconds: i128) -> Result<Self> {
        let nanoseconds = nanoseconds.checked_sub(i128::from(UNIX_TO_2000).wrapping_mul(1_000));
        nanoseconds
            .and_then(nearest_micros)
            .map_or_else(|| Err(no_such_timestamp()), Timestamp::from_microseconds)
            .map(Self::from_utc)
    }

    /// The number of nanoseconds since 1970-01-01 00:00:00 UTC.
    pub(in crate::types) fn unix_nanoseconds(self) -> Result<i128> {
        match self.utc.microseconds() {
            Some(micros) => {
                let unix = i128::from(micros).wrapping_add(i128::from(UNIX_TO_2000));
                Ok(unix.wrapping_mul(1_000))
            }
            None => Err(out_of_range("the timestamp is infinite")),
        }
    }

    /// Whether this is an instant, and no infinity.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.utc.is_finite()
    }
}

impl fmt::Display for TimestampTz {
    /// Writes the instant as the server prints it with the `DateStyle` `ISO` in UTC: `2024-02-29 12:34:56.789+00`,
    /// `0044-03-15 12:00:00+00 BC`, `infinity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.utc.put("+00", f)
    }
}

impl fmt::Debug for TimestampTz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TimestampTz {
    type Err = Error;

    /// Reads what the server prints with the `DateStyle` `ISO` in any time zone; `T` may stand between date and time,
    /// and `Z` for the offset.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for other text, [`ErrorKind::OutOfRange`] for a day that does not exist and for what
    /// lies outside the range.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            INFINITY => return Ok(Self::INFINITY),
            NEG_INFINITY => return Ok(Self::NEG_INFINITY),
            _ => {}
        }
        let zulu_or_offset =
            |scan: &mut Scan<'_>| scan.take("Z").map(|()| 0).or_else(|| take_offset(scan));
        let (day, time, offset, era) = take_timestamp(&mut Scan::new(text), zulu_or_offset)
            .ok_or_else(|| not_printed_so("the text is no timestamp with an offset"))?;
        // Counted through, since the local time may lie after the last timestamp where the instant does not.
        let days = i64::from(day.of(era)?.days().ok_or_else(no_such_timestamp)?);
        let micros = days.checked_mul(MICROS_PER_DAY);
        micros
            .and_then(|micros| micros.checked_add(time.microseconds()))
            .and_then(|micros| {
                micros.checked_sub(i64::from(offset).wrapping_mul(MICROS_PER_SECOND))
            })
            .map_or_else(|| Err(no_such_timestamp()), Timestamp::from_microseconds)
            .map(Self::from_utc)
    }
}

impl PgType for TimestampTz {
    const TYPE: Type =
        Type { oid: Oid::TIMESTAMPTZ, array: Oid::TIMESTAMPTZ_ARRAY, name: "timestamptz" };
}

impl ArrayElement for TimestampTz {}

impl Encode for TimestampTz {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.utc.encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.utc.encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        self.utc.encode_in_place(place)
    }
}

impl<'a> Decode<'a> for TimestampTz {
    /// Reads any instant.
    ///
    /// # Errors
    /// As [`Timestamp`].
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        Timestamp::decode(oid, raw).map(Self::from_utc)
    }
}

/// From 1970-01-01 to 2000-01-01 in microseconds.
const UNIX_TO_2000: i64 = 946_684_800_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_timestamps() {
        for (text, hex) in [
            ("2000-01-01 00:00:00", "0000000000000000"),
            ("1999-12-31 23:59:59.999999", "ffffffffffffffff"),
            ("2024-02-29 07:04:56.789012", "0002b57ea5468014"),
            ("294276-12-31 23:59:59.999999", "7fffff5bb3b29fff"),
            ("infinity", "7fffffffffffffff"),
            ("-infinity", "8000000000000000"),
        ] {
            let timestamp: Timestamp = text.parse().unwrap();
            is_value(Oid::TIMESTAMP, hex, &timestamp);
            assert_eq!(timestamp.to_string(), text);
            let instant = TimestampTz::from_utc(timestamp);
            is_value(Oid::TIMESTAMPTZ, hex, &instant);
            let printed = if instant.is_finite() { format!("{text}+00") } else { text.to_owned() };
            assert_eq!(instant.to_string(), printed);
            assert_eq!(printed.parse(), Ok(instant));
        }
        assert_eq!(Timestamp::MIN.to_string(), "4714-11-24 00:00:00 BC");
        assert_eq!(Timestamp::MAX.to_string(), "294276-12-31 23:59:59.999999");
        assert_eq!(TimestampTz::MIN.to_string(), "4714-11-24 00:00:00+00 BC");
        assert!(Timestamp::NEG_INFINITY < Timestamp::MIN && Timestamp::MAX < Timestamp::INFINITY);
    }

    #[test]
    fn timestamps_outside_the_range_are_refused() {
        for micros in
            [i64::MAX - 1, i64::MIN + 1, 9_223_371_331_200_000_000, -211_813_488_000_000_001]
        {
            let hex: String =
                micros.to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            is_refused::<Timestamp>(Oid::TIMESTAMP, &hex, ErrorKind::InvalidValue);
            is_refused::<TimestampTz>(Oid::TIMESTAMPTZ, &hex, ErrorKind::InvalidValue);
            assert!(Timestamp::from_microseconds(micros).is_err());
        }
        is_refused::<Timestamp>(Oid::TIMESTAMP, "00000000", ErrorKind::Truncated);
        assert!(Timestamp::new(Date::MAX, Time::MIN).is_err());
        assert!(Timestamp::from_microseconds(i64::MAX).is_err());
        assert!(TimestampTz::from_unix_microseconds(i64::MIN).is_err());
    }

    #[test]
    fn date_and_time_make_a_timestamp() {
        let date = Date::new(2024, 2, 29).unwrap();
        let of = |time| Timestamp::new(date, time).unwrap();
        assert_eq!(of(Time::MIN).to_string(), "2024-02-29 00:00:00");
        assert_eq!(of(Time::MAX).to_string(), "2024-03-01 00:00:00");
        assert_eq!(of(Time::MAX).time(), Some(Time::MIN));
        assert_eq!(Timestamp::new(Date::INFINITY, Time::MIN), Ok(Timestamp::INFINITY));
        assert_eq!(Timestamp::new(Date::NEG_INFINITY, Time::MIN), Ok(Timestamp::NEG_INFINITY));
        assert_eq!(Timestamp::INFINITY.date(), Date::INFINITY);
        assert_eq!(
            (Timestamp::NEG_INFINITY.date(), Timestamp::INFINITY.time()),
            (Date::NEG_INFINITY, None)
        );
    }

    #[test]
    fn instants_are_read_with_any_offset() {
        for (text, utc) in [
            ("2024-02-29 12:34:56+05:30", "2024-02-29 07:04:56+00"),
            ("2024-02-29T12:34:56.5Z", "2024-02-29 12:34:56.5+00"),
            ("1883-11-18 12:03:58-04:56:02", "1883-11-18 17:00:00+00"),
            ("0001-01-01 00:00:00+01", "0001-12-31 23:00:00+00 BC"),
            ("294277-01-01 00:59:59.999999+01", "294276-12-31 23:59:59.999999+00"),
        ] {
            assert_eq!(text.parse::<TimestampTz>().unwrap().to_string(), utc);
        }
        for text in [
            "2024-02-29 12:34:56",
            "2024-02-29 12:34:56 +00",
            "2024-02-29+00",
            "2024-02-29 12:34:56 BC+00",
            "",
            "2024-02-29 12:34:56+00 AD",
        ] {
            assert_eq!(
                text.parse::<TimestampTz>().unwrap_err().kind(),
                ErrorKind::InvalidValue,
                "{text}"
            );
        }
        for text in [
            "2024-02-29 12:34:56+00",
            "2024-02-29",
            "2024-02-29 12:34:56  BC",
            "2024-02-29  12:34:56",
            "",
            "infinity ",
        ] {
            assert_eq!(
                text.parse::<Timestamp>().unwrap_err().kind(),
                ErrorKind::InvalidValue,
                "{text}"
            );
        }
    }

    #[test]
    fn unix_time() {
        let unix = |micros| TimestampTz::from_unix_microseconds(micros).unwrap();
        assert_eq!(unix(0).to_string(), "1970-01-01 00:00:00+00");
        assert_eq!(unix(-1).to_string(), "1969-12-31 23:59:59.999999+00");
        assert_eq!(unix(i64::MAX).unix_microseconds(), Some(i64::MAX));
        assert_eq!(TimestampTz::MAX.unix_microseconds(), None);
        assert_eq!(TimestampTz::INFINITY.unix_microseconds(), None);
    }

    proptest! {
        #[test]
        fn every_timestamp_comes_back(micros in -211_813_488_000_000_000..=9_223_371_331_199_999_999_i64) {
            let timestamp = Timestamp::from_microseconds(micros).unwrap();
            round_trip(&timestamp)?;
            prop_assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
            prop_assert_eq!(Timestamp::new(timestamp.date(), timestamp.time().unwrap()), Ok(timestamp));
            let instant = TimestampTz::from_utc(timestamp);
            round_trip(&instant)?;
            prop_assert_eq!(instant.to_string().parse(), Ok(instant));
        }

        #[test]
        fn hostile_bytes_and_text_are_survived(raw: [u8; 8], any: Vec<u8>, text: String) {
            survives::<Timestamp>(Oid::TIMESTAMP, &raw)?;
            survives::<TimestampTz>(Oid::TIMESTAMPTZ, &any)?;
            let _ = (text.parse::<Timestamp>(), text.parse::<TimestampTz>());
        }
    }
}
