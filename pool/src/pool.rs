//! The pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stellata_client::{Config, Connection};
use tokio::sync::{SemaphorePermit, TryAcquireError};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::options::PoolOptions;
use crate::shared::Shared;
use crate::status::PoolStatus;

/// A bounded set of connections that are lent and given back. A clone is another handle of the same pool.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use stellata_pool::{Config, Pool, PoolOptions};
///
/// let pool = Pool::new(Config::parse("postgres://me@localhost/music")?, PoolOptions::new().max(8));
/// let mut connection = pool.acquire().await?;
/// let (count,): (i64,) = connection.query_one("select count(*) from albums", ()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool that opens its connections as they are asked for.
    #[must_use]
    pub fn new(config: Config, options: PoolOptions) -> Self {
        Self { shared: Arc::new(Shared::new(config, options)) }
    }

    /// Lends a connection: an idle one where there is one, else a new one, else the next that comes back. Callers are
    /// served in the order in which they came.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the deadline of the options passes, [`Error::Connect`] at once when opening a connection
    /// fails, [`Error::Closed`] when the pool is closed.
    ///
    /// # Cancel safety
    /// When the future is dropped its place in the queue goes to the next, and a connection that was being opened is
    /// closed.
    #[inline]
    pub async fn acquire(&self) -> Result<Lease> {
        match self.shared.permits.try_acquire() {
            Ok(permit) => {
                if let Some(connection) = self.shared.take_idle() {
                    return Ok(self.lend(connection, permit));
                }
                // Boxed, as waiting is below: the future of a lookup need not be as large as that of a login.
                Box::pin(self.open(permit, Instant::now())).await
            }
            Err(TryAcquireError::Closed) => Err(Error::Closed),
            Err(TryAcquireError::NoPermits) => Box::pin(self.wait()).await,
        }
    }

    /// Lends an idle connection, if there is one; opens none and waits for none.
    #[inline]
    #[must_use]
    pub fn try_acquire(&self) -> Option<Lease> {
        let permit = self.shared.permits.try_acquire().ok()?;
        Some(self.lend(self.shared.take_idle()?, permit))
    }

    async fn wait(&self) -> Result<Lease> {
        let start = Instant::now();
        let permit = {
            let _waiting = Waiting::new(&self.shared.waiting);
            tokio::time::timeout(self.shared.options.acquire_timeout, self.shared.permits.acquire())
                .await
        };
        match permit {
            Err(_) => Err(self.timed_out(start, false)),
            Ok(Err(_)) => Err(Error::Closed),
            Ok(Ok(permit)) => match self.shared.take_idle() {
                Some(connection) => Ok(self.lend(connection, permit)),
                None => self.open(permit, start).await,
            },
        }
    }

    async fn open(&self, permit: SemaphorePermit<'_>, start: Instant) -> Result<Lease> {
        let deadline = start + self.shared.options.acquire_timeout;
        match tokio::time::timeout_at(deadline, Connection::connect(&self.shared.config)).await {
            Err(_) => Err(self.timed_out(start, true)),
            Ok(Err(error)) => Err(Error::Connect(error)),
            Ok(Ok(connection)) => Ok(self.lend(Box::new(connection), permit)),
        }
    }

    fn lend(&self, connection: Box<Connection>, permit: SemaphorePermit<'_>) -> Lease {
        // The lease holds the permit from here on, and gives it back with the connection.
        permit.forget();
        Lease::new(connection, Arc::clone(&self.shared))
    }

    #[cold]
    fn timed_out(&self, start: Instant, opening: bool) -> Error {
        Error::Timeout { waited: start.elapsed(), status: self.status(), opening }
    }

    /// How the pool stands now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        self.shared.status()
    }

    /// Closes the pool: idle connections at once, lent ones when they come back. Whoever waits gets [`Error::Closed`].
    pub fn close(&self) {
        self.shared.permits.close();
        self.shared.close_idle();
    }
}

/// Counts a caller that waits, also when its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
