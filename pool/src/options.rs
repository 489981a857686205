//! The limits of a pool, and what it does with its connections on their way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use stellata_client::Connection;

/// What a hook returns: a boxed future, which may borrow the connection.
pub type HookFuture<'c> = Pin<Box<dyn Future<Output = stellata_client::Result<()>> + Send + 'c>>;

/// Something that is done with a connection.
#[derive(Clone)]
pub(crate) struct Hook(Arc<dyn Fn(&mut Connection) -> HookFuture<'_> + Send + Sync>);

impl Hook {
    fn new(run: impl Fn(&mut Connection) -> HookFuture<'_> + Send + Sync + 'static) -> Self {
        Self(Arc::new(run))
    }

    pub(crate) fn run<'c>(&self, connection: &'c mut Connection) -> HookFuture<'c> {
        (self.0)(connection)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// The limits of a pool, each with a safe default.
///
/// ```
/// use std::time::Duration;
/// use stellata_pool::PoolOptions;
///
/// let options = PoolOptions::new().max(32).min(4).after_connect(|connection| {
///     Box::pin(async move { connection.simple("set statement_timeout = '30s'").await.map(drop) })
/// });
/// ```
#[derive(Clone, Debug)]
pub struct PoolOptions {
    pub(crate) max: u32,
    pub(crate) min: u32,
    pub(crate) lanes: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) clean_timeout: Duration,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) idle_limit: Option<Duration>,
    pub(crate) seed: Option<u64>,
    #[cfg(feature = "metrics")]
    pub(crate) name: Option<String>,
    pub(crate) after_connect: Option<Hook>,
    pub(crate) before_lend: Option<Hook>,
    pub(crate) after_return: Option<Hook>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max: 10,
            min: 0,
            lanes: 0,
            acquire_timeout: Duration::from_secs(5),
            clean_timeout: Duration::from_secs(5),
            lifetime: Some(Duration::from_secs(30 * 60)),
            idle_limit: Some(Duration::from_secs(10 * 60)),
            seed: None,
            #[cfg(feature = "metrics")]
            name: None,
            after_connect: None,
            before_lend: None,
            after_return: None,
        }
    }
}

impl PoolOptions {
    /// The defaults: 10 connections at most, none kept when nobody wants them, 5 s to wait for one, 5 s to clean one; a
    /// connection lives for 30 minutes, or 10 when nobody uses it; no hooks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most connections there may be: 1 to 2^24 - 1. Default: 10.
    #[must_use]
    pub const fn max(mut self, connections: usize) -> Self {
        self.max = clamped(connections);
        self
    }

    /// Sets how many connections are kept open though nobody wants them. Default: 0. They are opened by
    /// [`Pool::warm_up`](crate::Pool::warm_up), and again when one of them is closed; the maximum comes first.
    #[must_use]
    pub const fn min(mut self, connections: usize) -> Self {
        self.min = if connections == 0 { 0 } else { clamped(connections) };
        self
    }

    /// Sets how many of the connections may be lanes, which statements share by pipelining: 64 at most. Default: 0, none.
    ///
    /// Only reads that leave nothing behind in the session go over lanes: those of models that are run on a pool or a
    /// database and not in a transaction, and SQL of which the caller says that it is such a read. Many tasks then use few
    /// connections and few system calls, and what is asked at the same time travels together. The price: a read waits for
    /// those before it on its lane, also for one that takes long or waits for a lock; and a read that is given up, by
    /// dropping its future or by a time limit, is not cancelled, but its answer is passed over.
    ///
    /// Lanes count as lent and are part of the maximum. They are opened as they are needed, and closed by the same limits
    /// as others. Where all connections are lanes and somebody waits for one of its own, a lane is given up for that. Who
    /// finds 64 statements in flight on every lane waits for a place, and after 50 ms has a connection of its own where
    /// there may be more.
    #[must_use]
    pub const fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = if lanes > MOST_LANES as usize { MOST_LANES } else { lanes as u32 };
        self
    }

    /// Sets how long a caller waits for a connection, the time to open one included. Default: 5 s.
    #[must_use]
    pub const fn acquire_timeout(mut self, limit: Duration) -> Self {
        self.acquire_timeout = limit;
        self
    }

    /// Sets how long the cleaning of a returned connection may take before it is closed instead; the same limit holds for
    /// each hook. Default: 5 s.
    #[must_use]
    pub const fn clean_timeout(mut self, limit: Duration) -> Self {
        self.clean_timeout = limit;
        self
    }

    /// Sets how long a connection lives; `None` for no limit. Default: 30 minutes. Each lives up to a tenth less, by
    /// chance, so that those that were opened together don't end together. One that is lent ends when it comes back.
    #[must_use]
    pub const fn lifetime(mut self, limit: Option<Duration>) -> Self {
        self.lifetime = limit;
        self
    }

    /// Sets how long a connection may be idle before it is closed; `None` for no limit. Default: 10 minutes. The
    /// [minimum](Self::min) stays.
    #[must_use]
    pub const fn idle_limit(mut self, limit: Option<Duration>) -> Self {
        self.idle_limit = limit;
        self
    }

    /// Sets what chance begins with, so that a simulation can be repeated: the pool draws lots for lifetimes and for the
    /// time between attempts. Default: the system's random numbers.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the name by which the recorder of the crate `metrics` knows the pool. Default: the first host of the
    /// configuration, its port and the database; `postgresql` for a pool of [`Pool::opened_by`](crate::Pool::opened_by).
    ///
    /// With the feature `metrics` the recorder is told, once a second and when the pool ends, under
    ///
    /// | name | kind | |
    /// |---|---|---|
    /// | `db.client.connection.wait_time` | histogram, s | how long callers waited for a connection |
    /// | `db.client.connection.create_time` | histogram, s | how long opening one took |
    /// | `db.client.connection.count` | gauge | connections by `db.client.connection.state`: `idle`, `used`, `opening` |
    /// | `db.client.connection.max` | gauge | the most connections that there may be |
    /// | `db.client.connection.pending_requests` | gauge | callers that wait |
    /// | `db.client.connection.timeouts` | counter | callers whose deadline passed |
    /// | `db.client.connection.opened` | counter | connections that were opened |
    /// | `db.client.connection.open_failures` | counter | attempts that failed |
    /// | `db.client.connection.closed` | counter | connections that were closed, by `reason` as in [`Closures`](crate::Closures) |
    /// | `db.client.statements` | counter | statements that were sent, as in [`PoolMetrics`](crate::PoolMetrics) |
    /// | `db.client.statements.reused` | counter | those that the server had prepared before |
    /// | `db.client.lane.count` | gauge | connections that are [lanes](PoolOptions::lanes) |
    /// | `db.client.lane.statements`, `.writes`, `.syncs_saved`, `.read_by_others`, `.sent_again`, `.moved` | counters | as in [`LaneCounts`](crate::LaneCounts) |
    ///
    /// each with `db.client.connection.pool.name` and `db.system.name`. The recorder has to be there before the pool is.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets what is done with each new connection before it is lent for the first time. What it changes in the session
    /// stays: it is run again after a session was reset. When it fails the connection is closed, as if it could not have
    /// been opened. Default: nothing.
    #[must_use]
    pub fn after_connect(
        mut self,
        run: impl Fn(&mut Connection) -> HookFuture<'_> + Send + Sync + 'static,
    ) -> Self {
        self.after_connect = Some(Hook::new(run));
        self
    }

    /// Sets what is done with a connection before each lending. When it fails the connection is closed, and the next one
    /// tried: at once where one is idle, else after a pause of 10 ms to 500 ms. The error at the caller's deadline holds how it
    /// failed last, or that it did not end. Default: nothing. With it, [`Pool::try_acquire`](crate::Pool::try_acquire) lends nothing.
    #[must_use]
    pub fn before_lend(
        mut self,
        run: impl Fn(&mut Connection) -> HookFuture<'_> + Send + Sync + 'static,
    ) -> Self {
        self.before_lend = Some(Hook::new(run));
        self
    }

    /// Sets what is done with a connection that has come back and is clean, by a task of the pool. When it fails the
    /// connection is closed. Default: nothing.
    #[must_use]
    pub fn after_return(
        mut self,
        run: impl Fn(&mut Connection) -> HookFuture<'_> + Send + Sync + 'static,
    ) -> Self {
        self.after_return = Some(Hook::new(run));
        self
    }
}

/// The most lanes: whoever chooses one looks at all.
const MOST_LANES: u32 = 64;

/// A number of connections that the pool can count.
pub(crate) const fn clamped(connections: usize) -> u32 {
    const MOST: usize = (1 << 24) - 1;
    if connections == 0 {
        1
    } else if connections > MOST {
        MOST as u32
    } else {
        connections as u32
    }
}
