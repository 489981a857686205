//! How a pool stands.

/// A pool's counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most connections there may be.
    pub max: usize,
    /// Connections that wait to be lent.
    pub idle: usize,
    /// Connections that are lent, are being opened, or are being cleaned.
    pub lent: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
}
