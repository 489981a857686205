//! Looks after lanes: those whose drivers are not polled, those that are to end, those that are in somebody's way.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::lanes::Lane;
use crate::lending::Lent;
use crate::pooled::Pooled;
use crate::shared::{Shared, millis};

/// How often it looks while lanes are in use. Whoever leaves others waiting holds them up for twice as long at most.
const PAUSE: Duration = Duration::from_millis(5);
/// How many looks in a row find nothing in use before it goes.
const PATIENCE: u32 = 200;
/// How many looks may find the same statement running that nobody waits for, before its lane is given up.
const ABANDONED: u32 = 200;

impl Shared {
    /// Takes back the connection of a lane.
    #[inline]
    pub(crate) fn let_go(self: &Arc<Self>, parting: Option<Lent<Pooled>>) {
        if let Some(lent) = parting {
            self.take_back(lent);
            // Another can be fetched for the lane.
            self.lanes.room.notify_waiters();
        }
    }

    /// Ends lanes whose connections are not to be used any more: at once where nothing is in flight, else behind it.
    pub(crate) fn tend_lanes(self: &Arc<Self>) {
        let now = self.tick();
        let idle_limit = self.options.idle_limit.map_or(u64::MAX, millis);
        for lane in self.lanes.iter() {
            let ((), parting) = lane.crew.with(|traffic| {
                let unused = traffic.unused_for(now);
                let is_quiet = traffic.is_quiet();
                let Some(pooled) = traffic.pooled() else { return };
                let is_over = self.end_of(pooled, now).is_some()
                    || (is_quiet && (unused >= idle_limit || !pooled.connection.is_alive()));
                if is_over {
                    traffic.stop();
                }
            });
            self.let_go(parting);
        }
        if self.lending.is_closed() {
            self.lanes.room.notify_waiters();
        }
    }

    /// Gives up a lane where all connections are lanes, and somebody waits for one.
    pub(crate) fn yield_lane(self: &Arc<Self>) {
        if !self.lanes.is_on() {
            return;
        }
        // Who gets in line after this looks here afterwards.
        fence(Ordering::SeqCst);
        let is_in_the_way = self.lending.is_waited_for() && self.is_full();
        if !is_in_the_way || self.lanes.open() < self.open() {
            return;
        }
        let least = self.lanes.iter().filter(|lane| lane.is_open()).min_by_key(|lane| lane.load());
        if let Some(lane) = least {
            let ((), parting) = lane.crew.with(|traffic| traffic.stop());
            self.let_go(parting);
        }
    }

    /// Has a task look after the lanes, unless one does. Returns false where there is no living runtime to do it.
    #[inline]
    pub(crate) fn look_after_lanes(self: &Arc<Self>) -> bool {
        self.lanes.has_lookout.load(Ordering::Relaxed) || self.start_lookout()
    }

    #[cold]
    fn start_lookout(self: &Arc<Self>) -> bool {
        let Some(runtime) = self.runtime() else { return false };
        if self.lanes.has_lookout.swap(true, Ordering::AcqRel) {
            return true;
        }
        let pool = Arc::downgrade(self);
        let lookout = Lookout { pool, due: Vec::new(), room: false, is_gone: false };
        // A runtime that ends drops a task at once.
        !runtime.spawn(lookout.run()).is_finished()
    }
}

/// The task. Dropped with its runtime, it makes way for another, which it must not start itself: where no runtime takes
/// tasks any more that would be dropped too. All who wait are woken instead, and the first who is polled starts it.
struct Lookout {
    pool: Weak<Shared>,
    /// The lanes that were due at the last look.
    due: Vec<bool>,
    /// Somebody waited at the last look though there was room.
    room: bool,
    /// It has found nothing to do, and left.
    is_gone: bool,
}

impl Lookout {
    async fn run(mut self) {
        let mut idle = 0;
        while !self.is_gone {
            tokio::time::sleep(PAUSE).await;
            let Some(shared) = self.pool.upgrade() else { return };
            idle = if self.look(&shared) { 0 } else { idle + 1 };
            if idle >= PATIENCE {
                self.leave(&shared);
            }
        }
    }

    /// Goes, unless something is added in this moment and no other task has come for it.
    fn leave(&mut self, shared: &Arc<Shared>) {
        let lanes = &shared.lanes;
        lanes.has_lookout.store(false, Ordering::SeqCst);
        // Who adds a statement after this look finds no lookout, and starts one.
        let is_used = lanes.iter().any(|lane| {
            let (is_quiet, parting) = lane.crew.with(|traffic| traffic.is_quiet());
            shared.let_go(parting);
            !is_quiet
        });
        self.is_gone = !is_used || lanes.has_lookout.swap(true, Ordering::AcqRel);
    }

    /// Looks at all lanes; returns whether anything is under way.
    fn look(&mut self, shared: &Arc<Shared>) -> bool {
        let lanes = &shared.lanes;
        let now = shared.tick();
        self.due.resize(lanes.iter().count(), false);
        let mut is_used = false;
        for (lane, was_due) in lanes.iter().zip(&mut self.due) {
            let is_due = lane.crew.is_due();
            if is_due && *was_due {
                shared.let_go(lane.crew.drive());
            }
            *was_due = is_due;
            is_used |= look_at(shared, lane, now);
        }
        let waits = lanes.waiting.load(Ordering::SeqCst) > 0;
        let room = waits && lanes.has_room();
        if room && self.room {
            // Whoever was told of it first is not polled.
            lanes.room.notify_waiters();
        }
        self.room = room;
        shared.yield_lane();
        is_used || waits
    }
}

/// Looks at one lane; returns whether anything is in flight on it.
fn look_at(shared: &Arc<Shared>, lane: &Lane, now: u64) -> bool {
    let (is_used, parting) = lane.crew.with(|traffic| {
        let times = traffic.watch_oldest();
        let is_abandoned = times >= ABANDONED && !traffic.is_wanted();
        let is_over = traffic.pooled().is_some_and(|pooled| shared.end_of(pooled, now).is_some());
        if is_abandoned || is_over {
            traffic.stop();
        }
        !traffic.is_quiet()
    });
    shared.let_go(parting);
    is_used
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        let Some(shared) = self.pool.upgrade() else { return };
        let lanes = &shared.lanes;
        lanes.has_lookout.store(false, Ordering::SeqCst);
        for lane in lanes.iter() {
            // The connection may be of the runtime that ends: what is in flight is answered, or fails, and nothing more
            // is added.
            let ((), parting) = lane.crew.with(|traffic| {
                if !traffic.is_quiet() {
                    traffic.stop();
                }
            });
            shared.let_go(parting);
            lane.crew.rouse();
        }
        lanes.room.notify_waiters();
    }
}
