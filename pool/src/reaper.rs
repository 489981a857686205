//! The task that looks after idle connections: what comes on them, and how long they stay.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::shared::{Look, Shared};
use crate::vigil::Vigil;

/// The pool's clock moves at least, and at most, so often.
const SLOWEST: Duration = Duration::from_secs(30);
const FASTEST: Duration = Duration::from_millis(10);

/// How often a recorder is told something new, if there may be one.
const TELL: Option<Duration> =
    if cfg!(feature = "metrics") { Some(Duration::from_secs(1)) } else { None };

/// How often idle connections are looked at while the pool is used. One that has been idle from one look to the next is
/// left with a sentry, and from then on what comes on it is noticed at once.
const LOOK: Duration = Duration::from_millis(500);

/// The pause between two attempts to open the minimum is twice as long as the one before, up to this.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// And it is this after a refusal that lasts: whoever asks for a connection finds out sooner that it does not any more.
const LONG_REST: Duration = Duration::from_secs(300);

impl Shared {
    /// Starts the task, unless it runs. It ends with the pool.
    #[inline]
    pub(crate) fn start_reaper(self: &Arc<Self>, runtime: &Handle) {
        if !self.has_reaper.load(Ordering::Relaxed) {
            self.start_reaper_in(runtime);
        }
    }

    #[cold]
    fn start_reaper_in(self: &Arc<Self>, runtime: &Handle) {
        if self.has_reaper.swap(true, Ordering::AcqRel) {
            return;
        }
        let limits = [self.options.lifetime, self.options.idle_limit];
        let shortest = limits.into_iter().flatten().min().unwrap_or(SLOWEST);
        let pause = (shortest / 8).clamp(FASTEST, SLOWEST);
        let reaper = Reaper { pool: Arc::downgrade(self), vigil: Arc::clone(&self.vigil) };
        runtime.spawn(reaper.run(pause));
    }
}

/// The task. Dropped, also with its runtime, it makes way for another.
struct Reaper {
    pool: Weak<Shared>,
    vigil: Arc<Vigil>,
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(shared) = self.pool.upgrade() {
            shared.has_reaper.store(false, Ordering::Release);
        }
    }
}

/// When the minimum is tried again that could not be opened.
struct Rest {
    until: Instant,
    /// The pause that comes next.
    pause: Duration,
    /// When the attempt failed that this is about.
    failed: Option<Instant>,
}

impl Rest {
    fn new(now: Instant) -> Self {
        Self { until: now, pause: LOOK, failed: None }
    }

    /// Has the minimum opened, unless it is to be left alone for a while. Returns until when, in that case.
    fn open_minimum(&mut self, shared: &Arc<Shared>, now: Instant) -> Option<Instant> {
        if shared.open() >= shared.options.min {
            return None;
        }
        match shared.last_failure() {
            None => *self = Self::new(now),
            Some(failure) if self.failed != Some(failure.at) => {
                let pause = if failure.lasts { LONG_REST } else { self.pause };
                self.failed = Some(failure.at);
                self.until = failure.at + shared.lots.shorten(pause, 2);
                self.pause = (self.pause * 2).min(LONGEST_REST);
            }
            Some(_) => {}
        }
        if self.until > now {
            return Some(self.until);
        }
        shared.open_minimum();
        None
    }
}

impl Reaper {
    async fn run(self, pause: Duration) {
        if let Some(shared) = self.pool.upgrade() {
            *shared.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(Handle::current());
        }
        self.look(pause).await;
    }

    async fn look(&self, pause: Duration) {
        let (pool, vigil) = (&self.pool, &self.vigil);
        let start = Instant::now();
        let mut due = start + pause;
        let mut tell = TELL.map(|pause| start + pause);
        // `None`: every idle connection has a sentry, and no connection is lent.
        let mut next = Some(start + LOOK);
        let mut rest = Rest::new(start);
        let mut again = None;
        loop {
            let until = [next, tell, again].into_iter().flatten().fold(due, Instant::min);
            let has_news = if next.is_some() {
                timeout_at(until, vigil.news()).await.is_ok()
            } else {
                match timeout_at(until, vigil.stir()).await {
                    Ok(false) => {
                        next = Some(Instant::now() + LOOK);
                        continue;
                    }
                    heard => heard.is_ok(),
                }
            };
            let Some(shared) = pool.upgrade() else { return };
            if shared.lending.is_closed() {
                return;
            }
            let now = Instant::now();
            let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            let look = match () {
                () if due <= now => Some(Look::Thorough),
                () if has_news => Some(Look::News),
                () => is_over(next).then_some(Look::Usual),
            };
            if let Some(look) = look {
                // Many connections may be read, which is no reason for the runtime to hold one of them back.
                let is_calm = tokio::task::unconstrained(async { shared.look(look) }).await;
                next = match (is_calm, look) {
                    (true, _) => None,
                    (false, Look::News) => next.or(Some(now + LOOK)),
                    (false, _) => Some(now + LOOK),
                };
                if look != Look::News {
                    shared.tend_lanes();
                }
                if look == Look::Thorough {
                    due = now + pause;
                    // Where the runtime of who should have seen to it is gone.
                    shared.open_overlooked(false);
                }
            }
            if look.is_some() || is_over(again) {
                again = rest.open_minimum(&shared, now);
            }
            if is_over(tell) {
                tell = TELL.map(|pause| now + pause);
                #[cfg(feature = "metrics")]
                shared.publish();
            }
            if has_news {
                drop(shared);
                // Whoever sends much to idle connections has it read a hundred times a second.
                sleep(FASTEST).await;
            }
        }
    }
}
