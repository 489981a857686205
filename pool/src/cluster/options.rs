//! What a cluster does with its servers.

use std::time::Duration;

use crate::options::PoolOptions;

/// The settings of a [`Cluster`](crate::Cluster), each with a safe default.
///
/// ```
/// use std::time::Duration;
/// use stellata_pool::{ClusterOptions, PoolOptions};
///
/// let options = ClusterOptions::new()
///     .primary(PoolOptions::new().max(16))
///     .replica(PoolOptions::new().max(32))
///     .max_lag(Some(Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    pub(crate) primary: PoolOptions,
    pub(crate) replica: PoolOptions,
    pub(crate) check_interval: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) max_lag: Option<Duration>,
    pub(crate) seed: Option<u64>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            primary: PoolOptions::new(),
            replica: PoolOptions::new(),
            check_interval: Duration::from_secs(1),
            check_timeout: Duration::from_secs(2),
            max_lag: Some(Duration::from_secs(30)),
            seed: None,
        }
    }
}

impl ClusterOptions {
    /// The defaults: the limits of a [pool](PoolOptions::new) for the primary and for each replica, a look at each server
    /// every second that may take 2 s, and replicas that are left out when they are 30 s behind.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits of the primary's pool. Default: [`PoolOptions::new`].
    #[must_use]
    pub fn primary(mut self, options: PoolOptions) -> Self {
        self.primary = options;
        self
    }

    /// Sets the limits of each replica's pool. Default: [`PoolOptions::new`].
    #[must_use]
    pub fn replica(mut self, options: PoolOptions) -> Self {
        self.replica = options;
        self
    }

    /// Sets how often each server is asked what it is: 10 ms at least. Default: 1 s. While no primary is known to live it
    /// is every 100 ms at most. A look costs one query on a connection of its own.
    #[must_use]
    pub const fn check_interval(mut self, interval: Duration) -> Self {
        const LEAST: Duration = Duration::from_millis(10);
        self.check_interval = if interval.as_nanos() < LEAST.as_nanos() { LEAST } else { interval };
        self
    }

    /// Sets how long a server may take for a look, connecting included, before it counts as away. Default: 2 s.
    #[must_use]
    pub const fn check_timeout(mut self, limit: Duration) -> Self {
        self.check_timeout = limit;
        self
    }

    /// Sets how far a replica may be behind the primary before nothing is read from it; `None` for as far as it likes.
    /// Default: 30 s.
    ///
    /// A replica is as far behind as the time is long since the primary was seen at a place of its log that the replica
    /// has reached: by the clock of this program alone, to within about two [intervals](Self::check_interval). It is not
    /// read from before it has reached the first such place. While the primary is away, nobody falls behind.
    #[must_use]
    pub const fn max_lag(mut self, limit: Option<Duration>) -> Self {
        self.max_lag = limit;
        self
    }

    /// Sets what chance begins with, so that a simulation can be repeated: replicas are chosen by lot. Default: the
    /// system's random numbers.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}
