//! What all handles of a pool share: the idle connections and the right to have one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stellata_client::{Config, Connection, TransactionStatus};
use tokio::sync::Semaphore;

use crate::options::PoolOptions;
use crate::status::PoolStatus;

/// Boxed, because a connection is large and moves with every lease.
type Idle = Vec<Box<Connection>>;

/// A pool's state. A permit is the right to have a connection: it is held while one is lent, opened or cleaned, so that
/// there are never more than the maximum. Waiters are served first come, first served.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) options: PoolOptions,
    pub(crate) permits: Semaphore,
    pub(crate) waiting: AtomicUsize,
    /// The connection that was used last is lent first: its caches are warm, and the others may grow old.
    idle: Mutex<Idle>,
}

impl Shared {
    pub(crate) fn new(config: Config, options: PoolOptions) -> Self {
        Self {
            config,
            options,
            permits: Semaphore::new(options.max),
            waiting: AtomicUsize::new(0),
            idle: Mutex::new(Vec::with_capacity(options.max)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that could panic runs under the lock; a poisoned one still holds whole connections.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an idle connection that can still be used. The caller holds a permit.
    pub(crate) fn take_idle(&self) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.is_alive() && is_clean(&connection) {
                return Some(connection);
            }
        }
    }

    /// Takes a connection back and gives up its permit.
    pub(crate) fn put_back(&self, connection: Option<Box<Connection>>) {
        if let Some(connection) = connection
            && !self.permits.is_closed()
        {
            self.idle().push(connection);
        }
        self.permits.add_permits(1);
        if self.permits.is_closed() {
            // Closed in the meantime: what was pushed just before goes too.
            self.close_idle();
        }
    }

    /// Drops all idle connections.
    pub(crate) fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    pub(crate) fn status(&self) -> PoolStatus {
        PoolStatus {
            max: self.options.max,
            idle: self.idle().len(),
            lent: self.options.max.saturating_sub(self.permits.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Brings a connection back to the state in which it was opened. `None` when that fails: it is closed then.
    pub(crate) async fn clean(&self, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        let limit = self.options.clean_timeout;
        let cleaned = tokio::time::timeout(limit, async {
            connection.drain(limit).await?;
            if connection.status() != TransactionStatus::Idle {
                connection.simple("rollback").await?;
            }
            if connection.is_changed() {
                connection.simple("discard all").await?;
                connection.mark_clean();
            }
            Ok::<_, stellata_client::Error>(())
        })
        .await;
        (matches!(cleaned, Ok(Ok(()))) && is_clean(&connection)).then_some(connection)
    }
}

/// Whether a connection may be lent as it is.
pub(crate) fn is_clean(connection: &Connection) -> bool {
    connection.is_quiet()
        && connection.status() == TransactionStatus::Idle
        && !connection.is_changed()
        && !connection.is_closed()
}
