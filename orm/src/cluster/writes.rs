//! Up to where somebody's writes reach in the log.

use std::sync::atomic::{AtomicU64, Ordering};

use stellata_client::replication::Lsn;

/// Farther than any log: a write may have happened, and nobody knows where.
const NOWHERE: u64 = u64::MAX;

/// The place in the log that has all that was written.
#[derive(Debug, Default)]
pub(crate) struct Writes(AtomicU64);

impl Writes {
    pub(crate) fn since(place: Lsn) -> Self {
        Self(AtomicU64::new(place.0))
    }

    /// The place; not a valid one where nothing was written.
    pub(crate) fn place(&self) -> Lsn {
        Lsn(self.0.load(Ordering::Acquire))
    }

    /// Whether no replica can be known to have it all.
    pub(crate) fn are_nowhere(&self) -> bool {
        self.place().0 == NOWHERE
    }

    /// Something is being written.
    pub(crate) fn begin(&self) -> Writing<'_> {
        Writing { writes: self, is_open: true }
    }
}

/// A write that is under way. Dropped before its end, it may have happened, and its place is not known.
#[must_use]
pub(crate) struct Writing<'w> {
    writes: &'w Writes,
    is_open: bool,
}

impl Writing<'_> {
    /// It is done; the log's next free place afterwards.
    pub(crate) fn end_at(mut self, insert: Lsn) {
        self.is_open = false;
        self.writes.0.fetch_max(end(insert).0, Ordering::AcqRel);
    }

    /// Nothing was written.
    pub(crate) fn give_up(mut self) {
        self.is_open = false;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.writes.0.store(NOWHERE, Ordering::Release);
        }
    }
}

/// Where the last record ends before a free place. Behind the end of a page the next free place is behind the header of
/// the next page (`XLOG_BLCKSZ`, and the longer header of a segment's first), where no replica gets to before there is
/// more.
const fn end(insert: Lsn) -> Lsn {
    const PAGE: u64 = 8192;
    const SEGMENT: u64 = 1 << 20;
    match insert.0 {
        place if place % PAGE == 24 => Lsn(place - 24),
        place if place % SEGMENT == 40 => Lsn(place - 40),
        place => Lsn(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_place_counts_and_a_lost_write_is_nowhere() {
        let writes = Writes::default();
        assert!(!writes.place().is_valid());
        writes.begin().end_at(Lsn(500));
        writes.begin().end_at(Lsn(400));
        writes.begin().give_up();
        assert_eq!(writes.place(), Lsn(500));
        drop(writes.begin());
        assert!(writes.are_nowhere());
        writes.begin().end_at(Lsn(600));
        assert!(writes.are_nowhere(), "the lost one may still come");
    }

    #[test]
    fn a_place_behind_a_header_is_the_end_of_the_page_before() {
        assert_eq!(end(Lsn(0x0100_2018)), Lsn(0x0100_2000));
        assert_eq!(end(Lsn(0x0100_0028)), Lsn(0x0100_0000));
        for place in [0x0100_2000, 0x0100_2020, 0x0100_2028, 0x0100_0030] {
            assert_eq!(end(Lsn(place)), Lsn(place));
        }
    }
}
