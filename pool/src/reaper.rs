//! The task that looks after idle connections while nobody uses the pool.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::shared::Shared;

/// The pool's clock moves at least, and at most, so often; a recorder is told something new each second.
const SLOWEST: Duration = Duration::from_secs(if cfg!(feature = "metrics") { 1 } else { 30 });
const FASTEST: Duration = Duration::from_millis(10);

impl Shared {
    /// Starts the task, unless it runs. It ends with the pool.
    pub(crate) fn start_reaper(self: &Arc<Self>, runtime: &Handle) {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        if reaper.as_ref().is_none_or(|reaper| reaper.is_finished()) {
            let limits = [self.options.lifetime, self.options.idle_limit];
            let shortest = limits.into_iter().flatten().min().unwrap_or(SLOWEST);
            let pause = (shortest / 8).clamp(FASTEST, SLOWEST);
            *reaper = Some(runtime.spawn(run(Arc::downgrade(self), pause)).abort_handle());
        }
    }
}

async fn run(pool: Weak<Shared>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(shared) = pool.upgrade() else { return };
        if shared.lending.is_closed() {
            return;
        }
        shared.reap();
        shared.tend_lanes();
        // Where the runtime of who should have seen to it is gone.
        shared.open_overlooked(false);
        shared.open_minimum();
        #[cfg(feature = "metrics")]
        shared.publish();
    }
}
