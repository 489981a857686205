//! One timer for all who wait for a connection: a task that sends away those whose deadline has come.
//!
//! All wait equally long, so that their deadlines stand in line in their order, and a look at the first is enough. The task
//! sleeps until then; who gets in line leaves a deadline there and does nothing more, unless that is before the next look.
//!
//! It sees to those who wait in its own runtime. Another may stand still while they wait, so that they have timers of their
//! own.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::lending::NEVER;
use crate::shared::Shared;

impl Shared {
    /// The runtime of who calls, where the task runs there. Where it runs nowhere it is started.
    #[inline]
    pub(crate) fn usher(self: &Arc<Self>) -> Option<Id> {
        let runtime = Handle::try_current().ok()?;
        let here = runtime.id();
        (self.has_usher(here) || self.start_usher(&runtime, here)).then_some(here)
    }

    /// Whether the task runs in a runtime.
    #[inline]
    pub(crate) fn has_usher(&self, runtime: Id) -> bool {
        self.usher.load() == Some(runtime)
    }

    #[cold]
    fn start_usher(self: &Arc<Self>, runtime: &Handle, here: Id) -> bool {
        if self.usher.compare_exchange(None, Some(here)).is_ok() {
            let pool = Arc::downgrade(self);
            runtime.spawn(Usher { pool, timer: None, is_due: false });
            // Who looked after the connections may have gone with the same runtime.
            self.start_reaper(runtime);
        }
        self.has_usher(here)
    }

    /// How long after the pool was made, in nanoseconds; later than 500 years is never.
    #[inline]
    fn nanos(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.start))
    }

    /// The deadline of who comes at `start`.
    #[inline]
    pub(crate) fn deadline(&self, start: Instant) -> u64 {
        self.nanos(start).saturating_add(nanos(self.options.acquire_timeout))
    }
}

#[inline]
fn nanos(duration: Duration) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    duration.as_secs().saturating_mul(SECOND).saturating_add(duration.subsec_nanos().into())
}

/// The task. Dropped with its runtime, it sends away all who wait: they see to their deadlines themselves from then on.
struct Usher {
    pool: Weak<Shared>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The timer has run out.
    is_due: bool,
}

impl Future for Usher {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(shared) = self.pool.upgrade() else { return Poll::Ready(()) };
            let now = Instant::now();
            // Whoever comes from now on has no earlier deadline than this. Where nobody came for so long, no timer is kept:
            // the first to come wakes this.
            let earliest = if self.is_due { NEVER } else { shared.deadline(now) };
            let next = shared.lending.send_away_late(shared.nanos(now), earliest, cx.waker());
            self.is_due = false;
            let at = shared.start.checked_add(Duration::from_nanos(next));
            drop(shared);
            let Some(at) = at.filter(|_| next != NEVER) else {
                self.timer = None;
                return Poll::Pending;
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.is_due = true;
        }
    }
}

impl Drop for Usher {
    fn drop(&mut self) {
        let Some(shared) = self.pool.upgrade() else { return };
        shared.usher.store(None);
        // Who got in line before this is seen below; who does afterwards sees that nobody runs.
        fence(Ordering::SeqCst);
        shared.lending.turn_away();
    }
}
