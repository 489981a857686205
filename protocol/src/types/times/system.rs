//! `timestamptz` as [`SystemTime`], `interval` as [`Duration`].

use core::time::Duration;
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::types::through::through;
use crate::types::times::interval::Interval;
use crate::types::times::scan::out_of_range;
use crate::types::times::timestamp::TimestampTz;

through! {
    SystemTime as TimestampTz;
    Duration as Interval;
}

impl TryFrom<SystemTime> for TimestampTz {
    type Error = Error;

    /// The instant, rounded to the nearest microsecond, ties to the even one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) outside the range of `timestamptz`.
    fn try_from(time: SystemTime) -> Result<Self> {
        let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        Self::from_unix_nanoseconds(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => nanos(before.duration()).wrapping_neg(),
        })
    }
}

impl TryFrom<TimestampTz> for SystemTime {
    type Error = Error;

    /// The instant. Where the system keeps fewer digits than microseconds have, it leaves them out.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) for the infinities, and for instants that the
    /// system can't hold.
    fn try_from(instant: TimestampTz) -> Result<Self> {
        let nanos = instant.unix_nanoseconds()?;
        let distance = duration(nanos.unsigned_abs());
        let time = distance.and_then(|distance| {
            if nanos < 0 {
                Self::UNIX_EPOCH.checked_sub(distance)
            } else {
                Self::UNIX_EPOCH.checked_add(distance)
            }
        });
        time.ok_or_else(|| out_of_range("the timestamp is outside the range of the Rust type"))
    }
}

impl TryFrom<Duration> for Interval {
    type Error = Error;

    /// The duration as microseconds, rounded to the nearest one, ties to the even one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) above 292 471 years.
    fn try_from(duration: Duration) -> Result<Self> {
        Self::from_nanoseconds(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX))
    }
}

impl TryFrom<Interval> for Duration {
    type Error = Error;

    /// The duration of an interval of microseconds.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) for an interval with months or days, whose length
    /// is not fixed, for a negative one and for the infinities.
    fn try_from(interval: Interval) -> Result<Self> {
        u64::try_from(interval.only_microseconds()?)
            .map(Self::from_micros)
            .map_err(|_| out_of_range("the interval is negative"))
    }
}

fn duration(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let nanos = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    fn after(nanos: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    fn before(nanos: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH - Duration::from_nanos(nanos)
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::TIMESTAMPTZ, "fffca2fec4c82000", &after(0));
        is_value(Oid::TIMESTAMPTZ, "fffca2fec4c81fff", &before(1_000));
        is_value(Oid::TIMESTAMPTZ, "0000000000000000", &after(946_684_800_000_000_000));
        is_value(Oid::INTERVAL, "0000000000000001 00000000 00000000", &Duration::from_micros(1));
        is_value(
            Oid::INTERVAL,
            "7fffffffffffffff 00000000 00000000",
            &Duration::from_micros(i64::MAX.unsigned_abs()),
        );
    }

    #[test]
    fn nanoseconds_are_rounded() {
        let written = |time| encode(Oid::TIMESTAMPTZ, &time).unwrap();
        assert_eq!(written(after(1_499)), written(after(1_000)));
        assert_eq!(written(after(1_500)), written(after(2_000)));
        assert_eq!(written(after(2_500)), written(after(2_000)));
        assert_eq!(written(before(1_500)), written(before(2_000)));
        assert_eq!(written(before(1_499)), written(before(1_000)));
        let written = |nanos| encode(Oid::INTERVAL, &Duration::from_nanos(nanos)).unwrap();
        assert_eq!(written(2_500), written(2_000));
        assert_eq!(written(2_501), written(3_000));
    }

    #[test]
    fn what_either_side_can_not_hold_is_refused() {
        for text in ["7fffffffffffffff", "8000000000000000"] {
            is_refused::<SystemTime>(Oid::TIMESTAMPTZ, text, ErrorKind::OutOfRange);
        }
        for text in [
            "ffffffffffffffff 00000000 00000000",
            "0000000000000001 00000001 00000000",
            "0000000000000001 00000000 00000001",
            "7fffffffffffffff 7fffffff 7fffffff",
        ] {
            is_refused::<Duration>(Oid::INTERVAL, text, ErrorKind::OutOfRange);
        }
        let long = Duration::from_secs(9_300_000_000_000);
        assert_eq!(encode(Oid::INTERVAL, &long).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(
            encode(Oid::INTERVAL, &Duration::MAX).unwrap_err().kind(),
            ErrorKind::OutOfRange
        );
        let late = SystemTime::UNIX_EPOCH + long;
        assert_eq!(encode(Oid::TIMESTAMPTZ, &late).unwrap_err().kind(), ErrorKind::OutOfRange);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(micros in -211_813_488_000_000_000..=9_223_371_331_199_999_999_i64) {
            let instant = TimestampTz::from_utc(crate::types::times::timestamp::Timestamp::from_microseconds(micros).unwrap());
            let time = SystemTime::try_from(instant).unwrap();
            round_trip(&time)?;
            prop_assert_eq!(TimestampTz::try_from(time), Ok(instant));
            round_trip(&Duration::from_micros(micros.unsigned_abs()))?;
        }

        #[test]
        fn hostile_bytes_are_survived(instant: [u8; 8], interval: [u8; 16]) {
            survives::<SystemTime>(Oid::TIMESTAMPTZ, &instant)?;
            survives::<Duration>(Oid::INTERVAL, &interval)?;
        }
    }
}
