//! A connection of the pool.

use std::sync::Weak;

use stellata_client::{Connection, StatementCounts};

use crate::vigil::Sentry;

/// A connection, and what the pool knows of it.
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    /// How often the pool had been renewed when it was opened.
    pub(crate) generation: u32,
    /// When it is to be closed, by the pool's clock.
    pub(crate) expires: u64,
    /// When it came back last, by the pool's clock.
    pub(crate) returned: u64,
    /// What stands by the socket while the connection is idle.
    pub(crate) sentry: Weak<Sentry>,
    /// The statements that the pool has counted.
    pub(crate) counted: StatementCounts,
}
