//! How a pool stands, and what it has done.

use std::time::Duration;

use stellata_client::StatementCounts;

/// A pool's counts at one moment. They are read one after the other while others change them, so that they need not add
/// up exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most connections there may be.
    pub max: usize,
    /// Connections that wait to be lent.
    pub idle: usize,
    /// Connections that are lent, or are being cleaned.
    pub lent: usize,
    /// Connections that are being opened, attempts after failures included.
    pub opening: usize,
    /// Callers that wait for a connection, or for a place on a lane.
    pub waiting: usize,
    /// Of the lent connections, those that are lanes: [`PoolOptions::lanes`](crate::PoolOptions::lanes).
    pub lanes: usize,
}

/// What a pool has done since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Connections that were opened.
    pub opened: u64,
    /// Attempts to open one that failed.
    pub failed_to_open: u64,
    /// Connections that were closed, by reason.
    pub closed: Closures,
    /// How long callers waited for the connections that they were lent, and for places on lanes where all were full.
    pub waits: Waits,
    /// Callers whose deadline passed.
    pub timed_out: u64,
    /// Statements that were sent by connections which have come back since, and how many of them were prepared before.
    pub statements: StatementCounts,
    /// What went over lanes.
    pub lanes: LaneCounts,
}

/// What has gone over the lanes of a pool: [`PoolOptions::lanes`](crate::PoolOptions::lanes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneCounts {
    /// Statements that were sent.
    pub statements: u64,
    /// Writes that they were sent in: fewer than statements where several are asked at the same time.
    pub writes: u64,
    /// Statements that needed no Sync of their own, because they went under one with others.
    pub syncs_saved: u64,
    /// Answers that another caller than the one who asked has read: whoever waits reads for all.
    pub read_by_others: u64,
    /// Statements that were sent once more, apart, because another under their Sync had failed.
    pub sent_again: u64,
    /// Statements that were run on a connection of their own after all: their answers are too large for a lane, or of types
    /// that the server is asked for first.
    pub moved: u64,
}

/// How many connections a pool has closed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closures {
    /// The server or the network ended it.
    pub broken: u64,
    /// It could not be cleaned, or one of the pool's hooks refused it.
    pub unclean: u64,
    /// The borrower asked for it: [`Lease::discard`](crate::Lease::discard).
    pub discarded: u64,
    /// It was not used for so long.
    pub idle: u64,
    /// It had become too old.
    pub aged: u64,
    /// [`Pool::renew`](crate::Pool::renew) was called.
    pub renewed: u64,
    /// There were to be fewer: [`Pool::resize`](crate::Pool::resize).
    pub surplus: u64,
    /// The pool was closed.
    pub closed: u64,
}

impl Closures {
    /// How many were closed, whatever the reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().map(|(_, count)| count).sum()
    }

    /// Each reason as a word, and how many were closed for it.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("broken", self.broken),
            ("unclean", self.unclean),
            ("discarded", self.discarded),
            ("idle", self.idle),
            ("aged", self.aged),
            ("renewed", self.renewed),
            ("surplus", self.surplus),
            ("closed", self.closed),
        ]
        .into_iter()
    }
}

/// How many buckets there are for waits.
pub(crate) const BUCKETS: usize = 26;

/// A histogram of waits. The first bucket holds those who did not wait; each further one those who waited less than its
/// bound, which is twice the one before: 1 µs, 2 µs, 4 µs and so on up to 16.8 s; the last one holds all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    pub(crate) counts: [u64; BUCKETS],
}

impl Waits {
    /// The buckets: a bound below which the waits are, and how many there were. The last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        self.counts.iter().enumerate().map(|(at, &count)| (bound(at), count))
    }

    /// How many connections were lent, and places on lanes that were waited for.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many were lent at once.
    #[must_use]
    pub fn at_once(&self) -> u64 {
        self.counts.first().copied().unwrap_or(0)
    }

    /// A bound that no more than one in `1 / (1 - share)` waits reach; `share` is between 0 and 1, as 0.99 for the 99th
    /// percentile. `None` when there were no waits, or the bound is above 16.8 s.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = self.count() as f64 * share.clamp(0.0, 1.0);
        let mut seen = 0;
        for (at, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen > 0 && seen as f64 >= wanted {
                return bound(at);
            }
        }
        None
    }
}

/// The bound of a bucket.
fn bound(bucket: usize) -> Option<Duration> {
    match bucket {
        0 => Some(Duration::ZERO),
        _ if bucket + 1 < BUCKETS => Some(Duration::from_micros(1 << (bucket - 1))),
        _ => None,
    }
}

/// The bucket of those who waited.
pub(crate) fn bucket(waited: Duration) -> usize {
    let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
    let bits = u64::BITS - micros.leading_zeros();
    (bits as usize + 1).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_is_below_the_bound_of_its_bucket_and_not_below_the_one_before() {
        for micros in (0..5_000).chain((14..40).flat_map(|n| [(1 << n) - 1, 1 << n])) {
            let waited = Duration::from_micros(micros);
            let bucket = bucket(waited);
            assert!(bound(bucket).is_none_or(|bound| waited < bound), "{waited:?}");
            assert!(bound(bucket - 1).is_some_and(|before| waited >= before), "{waited:?}");
        }
    }

    #[test]
    fn a_quantile_is_the_bound_that_so_many_stay_below() {
        let mut waits = Waits::default();
        assert_eq!(waits.quantile(0.5), None);
        waits.counts[0] = 90;
        waits.counts[bucket(Duration::from_micros(3))] = 9;
        waits.counts[BUCKETS - 1] = 1;
        assert_eq!((waits.count(), waits.at_once()), (100, 90));
        assert_eq!(waits.quantile(0.5), Some(Duration::ZERO));
        assert_eq!(waits.quantile(0.95), Some(Duration::from_micros(4)));
        assert_eq!(waits.quantile(1.0), None);
        assert_eq!(waits.buckets().count(), BUCKETS);
    }
}
