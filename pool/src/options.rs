//! The limits of a pool.

use std::time::Duration;

/// The limits of a pool, each with a safe default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    pub(crate) max: usize,
    pub(crate) acquire_timeout: Duration,
    pub(crate) clean_timeout: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max: 10,
            acquire_timeout: Duration::from_secs(5),
            clean_timeout: Duration::from_secs(5),
        }
    }
}

impl PoolOptions {
    /// The defaults: 10 connections, 5 s to wait for one, 5 s to clean one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most connections there may be; 1 at least.
    #[must_use]
    pub const fn max(mut self, connections: usize) -> Self {
        self.max = if connections == 0 { 1 } else { connections };
        self
    }

    /// Sets how long a caller waits for a connection, the time to open one included.
    #[must_use]
    pub const fn acquire_timeout(mut self, limit: Duration) -> Self {
        self.acquire_timeout = limit;
        self
    }

    /// Sets how long the cleaning of a returned connection may take before it is closed instead.
    #[must_use]
    pub const fn clean_timeout(mut self, limit: Duration) -> Self {
        self.clean_timeout = limit;
        self
    }
}
