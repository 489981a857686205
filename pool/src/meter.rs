//! Counts what a pool does.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stellata_client::StatementCounts;

#[cfg(feature = "metrics")]
use crate::export::Export;
use crate::status::{BUCKETS, Closures, LaneCounts, PoolMetrics, Waits, bucket};

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Broken,
    Unclean,
    Discarded,
    Idle,
    Aged,
    Renewed,
    Surplus,
    Closed,
}

/// How many reasons there are.
const REASONS: usize = Reason::Closed as usize + 1;

/// Counters of all lanes.
#[derive(Debug, Default)]
pub(crate) struct LaneMeter {
    statements: AtomicU64,
    writes: AtomicU64,
    syncs_saved: AtomicU64,
    read_by_others: AtomicU64,
    sent_again: AtomicU64,
    moved: AtomicU64,
}

impl LaneMeter {
    /// So many statements left in one write.
    pub(crate) fn wrote(&self, statements: u32) {
        self.statements.fetch_add(statements.into(), Ordering::Relaxed);
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// So many statements under one Sync have been answered, and so many of the answers were read by others.
    pub(crate) fn answered(&self, statements: u64, by_others: u64) {
        if statements > 1 {
            self.syncs_saved.fetch_add(statements - 1, Ordering::Relaxed);
        }
        if by_others > 0 {
            self.read_by_others.fetch_add(by_others, Ordering::Relaxed);
        }
    }

    pub(crate) fn sent_again(&self) {
        self.sent_again.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> LaneCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneCounts {
            statements: count(&self.statements),
            writes: count(&self.writes),
            syncs_saved: count(&self.syncs_saved),
            read_by_others: count(&self.read_by_others),
            sent_again: count(&self.sent_again),
            moved: count(&self.moved),
        }
    }
}

/// Counters, each changed on its own.
#[derive(Debug)]
pub(crate) struct Meter {
    waits: [AtomicU64; BUCKETS],
    opened: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    closed: [AtomicU64; REASONS],
    statements: AtomicU64,
    reused: AtomicU64,
    pub(crate) lanes: Arc<LaneMeter>,
    /// What the recorder is told that the counters don't hold.
    #[cfg(feature = "metrics")]
    pub(crate) export: Export,
}

impl Meter {
    /// `name` is the pool's.
    pub(crate) fn new(#[cfg(feature = "metrics")] name: Option<String>) -> Self {
        Self {
            waits: array::from_fn(|_| AtomicU64::new(0)),
            opened: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            closed: array::from_fn(|_| AtomicU64::new(0)),
            statements: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            lanes: Arc::default(),
            #[cfg(feature = "metrics")]
            export: Export::new(name),
        }
    }

    /// A connection was lent to who did not wait.
    #[inline]
    pub(crate) fn lent_at_once(&self) {
        let [at_once, ..] = &self.waits;
        at_once.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lent_after(&self, waited: Duration) {
        if let Some(count) = self.waits.get(bucket(waited)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        #[cfg(feature = "metrics")]
        self.export.waited(waited);
    }

    /// A connection was opened, which took that long.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "a recorder is told"))]
    pub(crate) fn opened(&self, took: Duration) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.export.opened(took);
    }

    pub(crate) fn failed_to_open(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, reason: Reason) {
        if let Some(count) = self.closed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes note of the statements that a connection has sent since `counted`.
    #[inline]
    pub(crate) fn count_statements(&self, counted: &mut StatementCounts, now: StatementCounts) {
        if counted.sent != now.sent {
            self.statements.fetch_add(now.sent.wrapping_sub(counted.sent), Ordering::Relaxed);
            self.reused.fetch_add(now.reused.wrapping_sub(counted.reused), Ordering::Relaxed);
            *counted = now;
        }
    }

    pub(crate) fn read(&self) -> PoolMetrics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let closed = |reason| self.closed.get(reason as usize).map_or(0, count);
        let mut statements = StatementCounts::default();
        (statements.sent, statements.reused) = (count(&self.statements), count(&self.reused));
        PoolMetrics {
            statements,
            lanes: self.lanes.read(),
            opened: count(&self.opened),
            failed_to_open: count(&self.failed),
            timed_out: count(&self.timed_out),
            waits: Waits { counts: self.waits.each_ref().map(count) },
            closed: Closures {
                broken: closed(Reason::Broken),
                unclean: closed(Reason::Unclean),
                discarded: closed(Reason::Discarded),
                idle: closed(Reason::Idle),
                aged: closed(Reason::Aged),
                renewed: closed(Reason::Renewed),
                surplus: closed(Reason::Surplus),
                closed: closed(Reason::Closed),
            },
        }
    }
}
