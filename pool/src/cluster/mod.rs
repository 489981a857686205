//! A primary and its replicas, each with a pool.

mod options;
mod lag;
mod status;
mod topology;
mod server;
mod shared;
mod watching;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stellata_client::{Config, Endpoint};
use tokio::time::Instant;

use crate::cluster::server::unless;
use crate::cluster::shared::Shared;
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::pool::Pool;

pub use options::ClusterOptions;
pub use status::{ClusterStatus, Role, ServerStatus};

/// A primary and the replicas that follow it: the hosts of one configuration, each of them one server. A clone is another
/// handle of the same cluster.
///
/// Which of them is the primary is found out, and found out again: a task of each server asks it every second what it is,
/// and at once when a connection to the primary can't be opened or [`recheck`](Self::recheck) is called. After a promotion
/// the pool of the primary opens its connections to the new one, and lends none of the old ones any more; whoever waits
/// in its line keeps the place.
///
/// A promotion begins a new timeline in the log of the server. A primary on an older timeline than one that was seen is
/// an old one that came back by mistake: nothing is sent to it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use stellata_pool::{Cluster, ClusterOptions, Config};
///
/// let config = Config::parse("postgres://anna@db1.example,db2.example,db3.example/music")?;
/// let cluster = Cluster::new(config, ClusterOptions::new());
/// let mut writing = cluster.acquire().await?;
/// let mut reading = cluster.acquire_reading().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

impl Cluster {
    /// A cluster of all hosts that the configuration names. What it says of `target_session_attrs` is not used. Nothing
    /// happens before the first call that waits.
    #[must_use]
    pub fn new(config: Config, options: ClusterOptions) -> Self {
        Self { shared: Arc::new(Shared::new(&config, options)) }
    }

    /// Lends a connection to the primary: [`Pool::acquire`] of its pool.
    ///
    /// # Errors
    /// As [`Pool::acquire`]. While there is no primary a caller waits for one until the deadline.
    ///
    /// # Cancel safety
    /// As [`Pool::acquire`].
    #[inline]
    pub async fn acquire(&self) -> Result<Lease> {
        self.primary().acquire().await
    }

    /// Lends a connection for reading: to a replica that is not too far behind, of two drawn by lot the one with fewer
    /// callers; where there is no such replica, to the primary.
    ///
    /// A caller who waits for a replica that is left out meanwhile goes on to another, with the deadline that it had.
    ///
    /// # Errors
    /// As [`Pool::acquire`].
    ///
    /// # Cancel safety
    /// As [`Pool::acquire`].
    #[inline]
    pub async fn acquire_reading(&self) -> Result<Lease> {
        match self.try_acquire_reading() {
            Some(lease) => Ok(lease),
            None => Box::pin(self.acquire_reading_in_line()).await,
        }
    }

    /// Lends an idle connection for reading, if the server that is chosen has one and nobody waits for it; opens none and
    /// waits for none.
    #[inline]
    #[must_use]
    pub fn try_acquire_reading(&self) -> Option<Lease> {
        self.shared.watch();
        match self.shared.choose() {
            Some(server) => server.pool.try_acquire(),
            None => self.shared.primary.try_acquire(),
        }
    }

    #[cold]
    async fn acquire_reading_in_line(&self) -> Result<Lease> {
        let shared = &self.shared;
        let start = Instant::now();
        loop {
            let mut moves = shared.moves.subscribe();
            let Some(server) = shared.choose() else {
                return shared.primary.acquire_since(start).await;
            };
            let left_out = async {
                // The sender is `self`'s own.
                while moves.changed().await.is_ok() {
                    if !server.is_fit.load(Ordering::Acquire) {
                        return;
                    }
                }
            };
            match unless(server.pool.acquire_since(start), left_out).await {
                None => {}
                // It lets nobody in: the others go on without it.
                Some(Err(Error::Connect(_))) => return shared.primary.acquire_since(start).await,
                Some(done) => return done,
            }
        }
    }

    /// The pool of the primary, whichever server that is.
    #[inline]
    #[must_use]
    pub fn primary(&self) -> &Pool {
        self.shared.watch();
        &self.shared.primary
    }

    /// The servers, in the order of the configuration, each with its pool for reads: for counts, or to open connections
    /// ahead. Such a pool opens connections while its server is a standby only.
    pub fn servers(&self) -> impl Iterator<Item = (&Endpoint, &Pool)> {
        self.shared.servers.iter().map(|server| (&server.endpoint, &server.pool))
    }

    /// Has all servers looked at now instead of at the end of their interval: for who has learnt that something is wrong,
    /// by a lost connection or a write that was refused because the server is read-only (25006). It may be called at any
    /// rate; a server is looked at 50 times a second at most.
    pub fn recheck(&self) {
        self.shared.watch();
        self.shared.recheck();
    }

    /// Looks at all servers, and tells how the cluster stands then. It takes no longer than twice the
    /// [limit of a look](ClusterOptions::check_timeout).
    ///
    /// # Cancel safety
    /// When the future is dropped the looks are made all the same.
    pub async fn check(&self) -> ClusterStatus {
        self.shared.watch();
        let asked: Vec<u64> = self.shared.servers.iter().map(|server| server.ask()).collect();
        let answered = async {
            for (server, number) in self.shared.servers.iter().zip(asked) {
                server.answered(number).await;
            }
        };
        // Nobody answers where the cluster is closed, or the runtime of its tasks stands still.
        let _ = tokio::time::timeout(self.shared.options.check_timeout * 2, answered).await;
        self.status()
    }

    /// How the cluster stands, by the last look at each server.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        self.shared.status()
    }

    /// Closes all pools: see [`Pool::close`].
    pub fn close(&self) {
        self.shared.primary.close();
        for server in self.shared.servers.iter() {
            server.pool.close();
        }
        self.shared.recheck();
    }

    /// Closes all pools and waits, for `limit` at most, until all connections have come back and are closed. Returns how
    /// many have not.
    ///
    /// # Cancel safety
    /// When the future is dropped the pools are closed all the same.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.close();
        let start = Instant::now();
        let mut left = self.shared.primary.drain(limit).await;
        for server in self.shared.servers.iter() {
            left += server.pool.drain(limit.saturating_sub(start.elapsed())).await;
        }
        left
    }
}
