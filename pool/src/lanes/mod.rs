//! Lanes: connections that many callers share by pipelining.
//!
//! A lane is a connection of the pool, lent for as long as it is used, and the statements that are in flight on it. Whoever
//! waits for one of them drives it for all ([`crew`]); their answers are kept as bytes until they are fetched ([`traffic`]).

pub(crate) mod crew;
pub(crate) mod place;
pub(crate) mod traffic;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::lanes::crew::Crew;
use crate::lanes::traffic::{FULL, LEAVING, SHUT, Traffic, in_flight};
use crate::meter::LaneMeter;

/// A connection that is shared, or the place for one.
pub(crate) struct Lane {
    pub(crate) crew: Crew<Traffic>,
    /// How many statements are in flight, for who chooses a lane.
    load: Arc<AtomicU32>,
}

/// The lanes of a pool.
pub(crate) struct Lanes {
    lanes: Box<[Lane]>,
    /// Callers that wait until a statement can be added.
    pub(crate) waiting: AtomicU32,
    /// Tells them that one may.
    pub(crate) room: Notify,
    /// How many tasks fetch a connection for a lane.
    pub(crate) opening: AtomicU32,
    /// How often that failed.
    pub(crate) failures: AtomicU32,
    /// No connection is fetched for a further lane before this, by the pool's clock, because one could not be had.
    pub(crate) rest_until: AtomicU64,
    /// Whether a task looks after the lanes.
    pub(crate) has_lookout: AtomicBool,
}

/// What a caller finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The lane with the least to do; and whether even that is busy while there may be more lanes.
    Lane { index: usize, may_widen: bool },
    /// There is none with room.
    Nothing,
}

impl Lanes {
    /// So many lanes, none with a connection yet.
    pub(crate) fn new(count: u32, meter: &Arc<LaneMeter>) -> Self {
        let crowd = Arc::new(AtomicU32::new(0));
        let lane = |_| {
            let load = Arc::new(AtomicU32::new(SHUT));
            let traffic = Traffic::new(Arc::clone(&load), Arc::clone(&crowd), Arc::clone(meter));
            Lane { crew: Crew::new(traffic), load }
        };
        Self {
            lanes: (0..count).map(lane).collect(),
            waiting: AtomicU32::new(0),
            room: Notify::new(),
            opening: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            rest_until: AtomicU64::new(0),
            has_lookout: AtomicBool::new(false),
        }
    }

    /// Whether there are to be any.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        !self.lanes.is_empty()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Lane> {
        self.lanes.get(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// The lane with the least to do.
    #[inline]
    pub(crate) fn choose(&self) -> Choice {
        let (mut best, mut least, mut shut) = (0, SHUT, false);
        for (index, lane) in self.lanes.iter().enumerate() {
            let load = lane.load.load(Ordering::Relaxed);
            shut |= load == SHUT;
            if load < least {
                (best, least) = (index, load);
            }
        }
        if least >= FULL {
            return Choice::Nothing;
        }
        Choice::Lane { index: best, may_widen: shut && in_flight(least) > 0 }
    }

    /// Whether a statement can be added anywhere.
    pub(crate) fn has_room(&self) -> bool {
        self.choose() != Choice::Nothing
    }

    /// How many lanes take statements.
    pub(crate) fn open(&self) -> u32 {
        let is_open = |lane: &&Lane| lane.is_open();
        u32::try_from(self.lanes.iter().filter(is_open).count()).unwrap_or(u32::MAX)
    }

    /// Whether a lane has no connection, and nobody fetches one for it.
    pub(crate) fn has_vacancy(&self) -> bool {
        let with = self.lanes.iter().filter(|lane| lane.load.load(Ordering::Relaxed) != SHUT);
        let wanted = with.count() + self.opening.load(Ordering::Relaxed) as usize;
        wanted < self.lanes.len()
    }

    /// How many wait for a place.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether all have connections.
    pub(crate) fn are_all_there(&self) -> bool {
        self.opening.load(Ordering::Relaxed) == 0 && !self.has_vacancy()
    }

    /// Tells as many of those who wait as places have come free. One who was told and goes away passes it on.
    #[inline]
    pub(crate) fn tell_of_room(&self, places: u32) {
        if places > 0 {
            let waiting = self.waiting.load(Ordering::SeqCst);
            (0..places.min(waiting)).for_each(|_| self.room.notify_one());
        }
    }
}

impl Lane {
    /// Whether it takes statements.
    pub(crate) fn is_open(&self) -> bool {
        self.load.load(Ordering::Relaxed) < LEAVING
    }

    /// How many statements are in flight, where it is open.
    pub(crate) fn load(&self) -> u32 {
        in_flight(self.load.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod stress;
