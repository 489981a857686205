//! What all handles of a pool share, and how connections leave it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use crossbeam_utils::atomic::AtomicCell;
use stellata_client::{Connection, StatementCounts, TransactionStatus};
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lanes::Lanes;
use crate::lending::{Lending, Lent, Vacancy};
use crate::lots::Lots;
use crate::meter::{Meter, Reason};
use crate::options::PoolOptions;
use crate::pooled::Pooled;
use crate::status::PoolStatus;
use crate::vigil::Vigil;

/// How long saying goodbye to a server may take.
const GOODBYE: Duration = Duration::from_secs(1);

type Opened = Pin<Box<dyn Future<Output = stellata_client::Result<Connection>> + Send>>;

/// How a connection is opened.
pub(crate) type Open = Box<dyn Fn() -> Opened + Send + Sync>;

/// An attempt to open a connection that failed.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) error: Arc<stellata_client::Error>,
    /// The next attempt will fail as this one did.
    pub(crate) lasts: bool,
    pub(crate) at: Instant,
    /// Of which series of attempts it was one.
    pub(crate) series: u32,
}

/// A pool's state.
pub(crate) struct Shared {
    pub(crate) lending: Lending<Pooled>,
    pub(crate) lanes: Lanes,
    pub(crate) meter: Meter,
    pub(crate) options: PoolOptions,
    /// How often the pool was renewed.
    generation: AtomicU32,
    /// A clock that nobody has to ask the system for: milliseconds since `start`, moved by the reaper.
    clock: AtomicU64,
    pub(crate) start: Instant,
    /// When idle connections were looked at last, by the clock.
    looked: AtomicU64,
    /// How many are looking through the idle connections, which nobody else finds meanwhile.
    looking: AtomicU32,
    pub(crate) vigil: Arc<Vigil>,
    pub(crate) max: AtomicU32,
    /// Connections that are lent or idle or being cleaned.
    open: AtomicU32,
    /// Connections that are being closed: they still take up their slots.
    closing: AtomicU32,
    pub(crate) opening: AtomicU32,
    pub(crate) opener: Open,
    pub(crate) lots: Lots,
    /// How often attempts to open a connection have begun while none was under way.
    pub(crate) series: AtomicU32,
    /// Why the last attempt to open a connection failed; nothing after one that succeeded. Only who fails and who is
    /// turned away looks here.
    failure: Mutex<Option<Failure>>,
    /// How the hook before lending failed last, and when: for who waits for a lane, which another has to fetch.
    hook_failure: Mutex<Option<(Arc<stellata_client::Error>, Instant)>>,
    /// The runtime in which the reaper runs, or ran last, for what has to be done outside of any.
    pub(crate) home: Mutex<Option<Handle>>,
    /// The runtime in which a task sees to the deadlines of those who wait there.
    pub(crate) usher: AtomicCell<Option<Id>>,
    /// Whether a task looks after the connections.
    pub(crate) has_reaper: AtomicBool,
    /// Tells of connections that are gone.
    pub(crate) gone: Notify,
}

impl Shared {
    pub(crate) fn new(opener: Open, options: PoolOptions) -> Self {
        const { assert!(AtomicCell::<Option<Id>>::is_lock_free()) };
        let meter = Meter::new(
            #[cfg(feature = "metrics")]
            options.name.clone(),
        );
        Self {
            lending: Lending::new(options.max),
            lanes: Lanes::new(options.lanes.min(options.max), &meter.lanes),
            meter,
            generation: AtomicU32::new(0),
            clock: AtomicU64::new(0),
            start: Instant::now(),
            looked: AtomicU64::new(0),
            looking: AtomicU32::new(0),
            vigil: Arc::default(),
            max: AtomicU32::new(options.max),
            open: AtomicU32::new(0),
            closing: AtomicU32::new(0),
            opening: AtomicU32::new(0),
            opener,
            lots: Lots::new(options.seed),
            series: AtomicU32::new(0),
            failure: Mutex::new(None),
            hook_failure: Mutex::new(None),
            home: Mutex::new(None),
            usher: AtomicCell::new(None),
            has_reaper: AtomicBool::new(false),
            gone: Notify::new(),
            options,
        }
    }

    /// Where a task of the pool can run.
    pub(crate) fn runtime(&self) -> Option<Handle> {
        Handle::try_current()
            .ok()
            .or_else(|| self.home.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Moves the pool's clock.
    pub(crate) fn tick(&self) -> u64 {
        let now = millis(self.start.elapsed());
        self.clock.fetch_max(now, Ordering::Relaxed);
        now
    }

    /// How many connections can be lent or are.
    pub(crate) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// How many connections are on their way in or out.
    pub(crate) fn moving(&self) -> u32 {
        self.opening.load(Ordering::Relaxed).saturating_add(self.closing.load(Ordering::Relaxed))
    }

    /// Whether as many connections as there may be are open, or still closing.
    pub(crate) fn is_full(&self) -> bool {
        let there = self.open().saturating_add(self.closing.load(Ordering::Relaxed));
        there >= self.max.load(Ordering::Relaxed)
    }

    /// Takes note of a connection that was opened.
    pub(crate) fn admit(&self, connection: Connection, generation: u32) -> Box<Pooled> {
        self.open.fetch_add(1, Ordering::Relaxed);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.vigil.rouse();
        let returned = self.tick();
        // All live a little less long, and each differently, than they may.
        let expires = self.options.lifetime.map_or(u64::MAX, |lifetime| {
            returned.saturating_add(millis(self.lots.shorten(lifetime, 10)))
        });
        let counted = StatementCounts::default();
        Box::new(Pooled { connection, generation, expires, returned, sentry: Weak::new(), counted })
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Lets all connections that were opened so far end.
    pub(crate) fn renew(self: &Arc<Self>) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.look_through(|pooled| self.fault(pooled));
    }

    pub(crate) fn note_failure(&self, failure: Failure) {
        self.meter.failed_to_open();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// Why the last attempt to open a connection failed, if it did.
    pub(crate) fn last_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why no connection can be opened, if that is so: by the attempts that are made now, or were last.
    pub(crate) fn failure(&self) -> Option<Arc<stellata_client::Error>> {
        let series = self.series.load(Ordering::Relaxed);
        self.last_failure().filter(|failure| failure.series == series).map(|failure| failure.error)
    }

    pub(crate) fn note_hook_failure(&self, error: &Arc<stellata_client::Error>) {
        let mut noted = self.hook_failure.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = Some((Arc::clone(error), Instant::now()));
    }

    /// How the hook before lending failed last, if it has since `start`.
    pub(crate) fn hook_failure(&self, start: Instant) -> Option<Arc<stellata_client::Error>> {
        let noted = self.hook_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        noted.filter(|(_, at)| *at >= start).map(|(error, _)| error)
    }

    /// Takes an idle connection that can still be used, unless somebody waits for one.
    #[inline]
    pub(crate) fn take(self: &Arc<Self>) -> Option<Lent<Pooled>> {
        loop {
            let mut lent = self.lending.take()?;
            match self.fault(&mut lent.thing) {
                None => return Some(lent),
                Some(reason) => self.retire(lent, reason),
            }
        }
    }

    /// Why a connection can't be lent, if that is so: a look at what has come on its socket, and no more.
    #[inline]
    pub(crate) fn fault(&self, pooled: &mut Pooled) -> Option<Reason> {
        if !pooled.connection.is_alive() {
            Some(Reason::Broken)
        } else if pooled.generation != self.generation() {
            Some(Reason::Renewed)
        } else {
            None
        }
    }

    /// Gives a clean connection to the next, unless it is to be closed.
    #[inline]
    pub(crate) fn give(self: &Arc<Self>, mut lent: Lent<Pooled>) {
        self.count_statements(&mut lent.thing);
        let now = self.clock.load(Ordering::Relaxed);
        if let Some(reason) = self.end_of(&lent.thing, now) {
            return self.retire(lent, reason);
        }
        lent.thing.returned = now;
        self.lending.give(lent);
        if self.is_shedding() {
            // That may have begun after the look above.
            self.shed();
        }
    }

    #[inline]
    fn count_statements(&self, pooled: &mut Pooled) {
        self.meter.count_statements(&mut pooled.counted, pooled.connection.statements());
    }

    #[inline]
    pub(crate) fn is_shedding(&self) -> bool {
        self.lending.is_closed() || self.lending.has_surplus()
    }

    /// Why a connection is not to be lent any more, if that is so.
    #[inline]
    pub(crate) fn end_of(&self, pooled: &Pooled, now: u64) -> Option<Reason> {
        if self.is_shedding() {
            let closed = self.lending.is_closed();
            return Some(if closed { Reason::Closed } else { Reason::Surplus });
        }
        if pooled.generation != self.generation() {
            return Some(Reason::Renewed);
        }
        (pooled.expires <= now).then_some(Reason::Aged)
    }

    /// Closes idle connections where there are to be fewer, or none.
    #[cold]
    pub(crate) fn shed(self: &Arc<Self>) {
        while self.is_shedding() {
            let Some(lent) = self.lending.take_idle() else { return };
            let closed = self.lending.is_closed();
            self.retire(lent, if closed { Reason::Closed } else { Reason::Surplus });
        }
    }

    /// Looks at all idle connections, the one that was used last at the end, and closes those that are at their end or for
    /// which `end` has a reason.
    fn look_through(self: &Arc<Self>, mut end: impl FnMut(&mut Pooled) -> Option<Reason>) {
        let now = self.clock.load(Ordering::Relaxed);
        let mut looking = Looking::begin(self);
        while let Some(lent) = looking.taken.last_mut() {
            let reason = end(&mut lent.thing).or_else(|| self.end_of(&lent.thing, now));
            let Some(lent) = looking.taken.pop() else { break };
            match reason {
                // Not by way of `Shared::give`: it has been idle since it came back, not since now.
                None => self.lending.give(lent),
                Some(reason) => self.retire(lent, reason),
            }
        }
        drop(looking);
        self.shed();
    }

    /// Whether idle connections are being looked at, and those who find none now have them soon.
    pub(crate) fn is_looking(&self) -> bool {
        self.looking.load(Ordering::SeqCst) > 0
    }

    /// Takes in what has come on idle connections, and closes those that are at their end. Returns whether the pool is calm:
    /// nothing is lent, and all that is idle has a sentry.
    pub(crate) fn look(self: &Arc<Self>, look: Look) -> bool {
        let now = self.tick();
        let idle_limit = self.options.idle_limit.map_or(u64::MAX, millis);
        let before = match look {
            Look::News => self.looked.load(Ordering::Relaxed),
            Look::Usual | Look::Thorough => self.looked.swap(now, Ordering::Relaxed),
        };
        let mut spare = self.open().saturating_sub(self.options.min);
        let mut is_calm = true;
        self.look_through(|pooled| {
            if look != Look::Thorough && pooled.sentry.strong_count() > 0 {
                return None;
            }
            if look != Look::Thorough && pooled.returned >= before {
                // In use: a sentry would soon be gone.
                is_calm = false;
                return None;
            }
            if !self.watch(pooled) {
                return Some(Reason::Broken);
            }
            let unused = now.saturating_sub(pooled.returned) >= idle_limit;
            (look == Look::Thorough && unused && spare > 0).then(|| {
                spare -= 1;
                Reason::Idle
            })
        });
        let open = self.open();
        is_calm && open == self.lending.idle() && open >= self.options.min
    }

    /// Takes in what has come on an idle connection, and leaves a sentry with it. Returns false where it can't be used any
    /// more.
    fn watch(&self, pooled: &mut Pooled) -> bool {
        let sentry = pooled.sentry.upgrade().unwrap_or_else(|| {
            let sentry = self.vigil.sentry();
            pooled.sentry = Arc::downgrade(&sentry);
            sentry
        });
        pooled.connection.watch(&Waker::from(sentry)).is_ok()
    }

    /// Closes a connection. Its slot is vacant when the connection is closed, so that the server never sees more of them
    /// than there may be.
    #[cold]
    pub(crate) fn retire(self: &Arc<Self>, lent: Lent<Pooled>, reason: Reason) {
        self.meter.closed(reason);
        let Lent { mut thing, slot } = lent;
        self.count_statements(&mut thing);
        self.closing.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
        let is_surplus = reason == Reason::Surplus;
        if is_surplus {
            // At once, so that no second one is closed for the same surplus.
            self.lending.begin_parting();
        }
        let leaving = Leaving { shared: Arc::clone(self), slot: Some(slot), is_surplus };
        if !thing.connection.is_closed()
            && let Some(runtime) = self.runtime()
        {
            runtime.spawn(async move {
                let leaving = leaving;
                let _ = tokio::time::timeout(GOODBYE, thing.connection.close()).await;
                drop(leaving);
            });
            return;
        }
        drop(thing);
        drop(leaving);
    }

    /// Tells the recorder how the pool stands, and what it has done.
    #[cfg(feature = "metrics")]
    pub(crate) fn publish(&self) {
        self.meter.export.publish(self.status(), self.meter.read());
    }

    /// Tells the recorder that the pool is gone, and the idle connections with it.
    #[cfg(feature = "metrics")]
    fn publish_end(&self) {
        while self.lending.take_idle().is_some() {
            self.meter.closed(Reason::Closed);
        }
        let gone = PoolStatus { max: 0, idle: 0, lent: 0, opening: 0, waiting: 0, lanes: 0 };
        self.meter.export.publish(gone, self.meter.read());
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed) as usize;
        let idle = self.lending.idle() as usize;
        PoolStatus {
            max: count(&self.max),
            idle,
            lent: count(&self.open).saturating_sub(idle),
            opening: count(&self.opening),
            waiting: self.lending.waiting().saturating_add(self.lanes.waiting()) as usize,
            lanes: self.lanes.open() as usize,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // They find the pool gone, and end.
        self.vigil.alarm();
        self.lending.wake_looker();
        #[cfg(feature = "metrics")]
        self.publish_end();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// How idle connections are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something has come on one of them: those without a sentry are read.
    News,
    /// So are those that have been idle since the last such look; from now on they have one.
    Usual,
    /// All are read, and those that have been idle for too long are closed.
    Thorough,
}

/// Idle connections that are looked at. Dropped, all are idle again that are still here, also where a function of the
/// application that is told of notices has panicked.
struct Looking<'s> {
    shared: &'s Arc<Shared>,
    taken: Vec<Lent<Pooled>>,
}

impl<'s> Looking<'s> {
    fn begin(shared: &'s Arc<Shared>) -> Self {
        shared.looking.fetch_add(1, Ordering::SeqCst);
        let taken = std::iter::from_fn(|| shared.lending.take_idle()).collect();
        Self { shared, taken }
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        while let Some(lent) = self.taken.pop() {
            self.shared.lending.give(lent);
        }
        self.shared.looking.fetch_sub(1, Ordering::SeqCst);
        // Who got in line before this, and had nothing opened because of the look, is seen by us next.
        fence(Ordering::SeqCst);
        for _ in 0..self.shared.lending.waiting() {
            self.shared.open_overlooked(false);
        }
    }
}

/// A connection that is being closed. Dropped, it is gone, also when its task is dropped with its runtime.
struct Leaving {
    shared: Arc<Shared>,
    slot: Option<Vacancy>,
    /// There are to be fewer.
    is_surplus: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.closing.fetch_sub(1, Ordering::Relaxed);
        if let Some(slot) = self.slot.take() {
            self.shared.lending.vacate(slot);
        }
        if self.is_surplus {
            // Behind that, so that no other is closed in between.
            self.shared.lending.end_parting();
        }
        self.shared.open_wanted();
        self.shared.gone.notify_waiters();
    }
}

/// Whether a connection may be lent as it is.
#[inline]
pub(crate) fn is_clean(connection: &Connection) -> bool {
    connection.is_quiet()
        && connection.status() == TransactionStatus::Idle
        && !connection.is_changed()
        && !connection.is_closed()
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
