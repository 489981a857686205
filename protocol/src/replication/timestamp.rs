//! Instants of the replication protocol.

use crate::error::Result;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// An instant, in microseconds since 2000-01-01 00:00:00 UTC: the server's `TimestampTz`. Any value is possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Timestamp(pub i64);

/// From 1970-01-01 to 2000-01-01: 10 957 days, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

impl Timestamp {
    /// The instant so many microseconds after 1970-01-01 00:00:00 UTC; `None` when it lies more than 292 000 years away.
    ///
    /// ```
    /// use stellata_protocol::replication::Timestamp;
    /// assert_eq!(Timestamp::from_unix_micros(946_684_800_000_001), Some(Timestamp(1)));
    /// ```
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Option<Self> {
        match micros.checked_sub(EPOCH) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Microseconds since 1970-01-01 00:00:00 UTC; `None` when it lies more than 292 000 years away.
    #[must_use]
    pub const fn unix_micros(self) -> Option<i64> {
        self.0.checked_add(EPOCH)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self(reader.i64()?))
    }

    pub(super) fn write(self, out: &mut Buffer) {
        out.put_i64(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_epoch_is_thirty_years_before() {
        assert_eq!(Timestamp(0).unix_micros(), Some(EPOCH));
        assert_eq!(Timestamp::from_unix_micros(0), Some(Timestamp(-EPOCH)));
        assert_eq!(Timestamp(i64::MAX).unix_micros(), None);
        assert_eq!(Timestamp::from_unix_micros(i64::MIN), None);
        let last = i64::MAX - EPOCH;
        assert_eq!(
            Timestamp(last).unix_micros().and_then(Timestamp::from_unix_micros),
            Some(Timestamp(last))
        );
    }
}
