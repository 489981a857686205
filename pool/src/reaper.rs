//! The task that looks after idle connections: what comes on them, and how long they stay.

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

impl Shared {
    /// Starts the task, unless it runs. It ends with the pool.
    pub(crate) fn start_reaper(self: &Arc<Self>, runtime: &Handle) {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        if reaper.as_ref().is_none_or(|reaper| reaper.is_finished()) {
            let limits = [self.options.lifetime, self.options.idle_limit];
            let shortest = limits.into_iter().flatten().min().unwrap_or(SLOWEST);
            let pause = (shortest / 8).clamp(FASTEST, SLOWEST);
            let task = run(Arc::downgrade(self), Arc::clone(&self.vigil), pause);
            *reaper = Some(runtime.spawn(task).abort_handle());
        }
    }
}

async fn run(pool: Weak<Shared>, vigil: Arc<Vigil>, pause: Duration) {
    let start = Instant::now();
    let mut due = start + pause;
    let mut tell = TELL.map(|pause| start + pause);
    // `None`: every idle connection has a sentry, and no connection is lent.
    let mut next = Some(start + LOOK);
    loop {
        let until = [next, tell].into_iter().flatten().fold(due, Instant::min);
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
            shared.open_minimum();
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
