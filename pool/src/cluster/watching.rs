//! The tasks that look at the servers, one for each.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::server::{Server, unless};
use super::shared::Shared;

/// The least time between two looks at a server, however often one is asked for.
const SPACING: Duration = Duration::from_millis(20);
/// The most time between two looks while no primary is known to live.
const ALARMED: Duration = Duration::from_millis(100);

impl Shared {
    /// Starts the tasks, unless they run. They end with the cluster, or with their runtime: then the next who wants
    /// something starts them anew.
    #[inline]
    pub(super) fn watch(self: &Arc<Self>) {
        if self.watchers.load(Ordering::Acquire) == 0 {
            self.start_watching();
        }
    }

    #[cold]
    fn start_watching(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let count = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        if self.is_closed()
            || self
                .watchers
                .compare_exchange(0, count, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
        {
            return;
        }
        for (index, server) in self.servers.iter().enumerate() {
            let watching = Watching(Arc::clone(&self.watchers));
            let shared = Arc::downgrade(self);
            runtime.spawn(run(shared, index, Arc::clone(server), watching));
        }
    }
}

/// A task that runs. Dropped, it does not, also when it is dropped with its runtime.
struct Watching(Arc<AtomicU32>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn run(cluster: Weak<Shared>, index: usize, server: Arc<Server>, _watching: Watching) {
    let mut kept = None;
    loop {
        let limit = match cluster.upgrade() {
            Some(shared) if !shared.is_closed() => shared.options.check_timeout,
            _ => break,
        };
        // Whoever asked before now is served by this look; else it would be made twice.
        pin!(server.wake.notified()).enable();
        let number = server.newest_asked();
        let seen = server.look(&mut kept, limit).await;
        let Some(shared) = cluster.upgrade() else { break };
        shared.note(index, seen.map_err(Arc::new), Instant::now());
        server.answer(number);
        let pause = shared.pause(ALARMED);
        drop(shared);
        tokio::time::sleep(SPACING).await;
        let rest = tokio::time::sleep(pause.saturating_sub(SPACING));
        unless(rest, server.wake.notified()).await;
    }
    if let Some(connection) = kept {
        let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
    }
}
