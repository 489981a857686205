//! How a cluster stands.

use std::sync::Arc;
use std::time::Duration;

use stellata_client::Endpoint;

use crate::status::PoolStatus;

/// What a server was at the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Nobody has looked yet.
    Unknown,
    /// It takes the writes.
    Primary,
    /// It follows a primary, and may be read from.
    Replica,
    /// It says that it is a primary, but another one was promoted later, or was there first on the same timeline. Nothing
    /// is sent to it: what it takes is lost when it is set right.
    Superseded,
    /// It could not be reached, or did not answer in time.
    Away,
}

/// A server of a cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it was at the last look.
    pub role: Role,
    /// Whether reads go to it.
    pub is_read_from: bool,
    /// How far a replica was behind at the last look: see [`ClusterOptions::max_lag`](crate::ClusterOptions::max_lag).
    /// `None` for other servers, and for a replica that has not come to where the primary was seen first.
    pub lag: Option<Duration>,
    /// Why the last look failed, while it is [away](Role::Away).
    pub failure: Option<Arc<stellata_client::Error>>,
    /// How its pool for reads stands.
    pub pool: PoolStatus,
}

/// How a cluster stands: the last looks at its servers, and its pools now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// The servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
    /// How the pool of the primary stands.
    pub primary: PoolStatus,
    /// How often another server than before became the primary.
    pub failovers: u64,
}

impl ClusterStatus {
    /// The server that takes the writes, where it is known. It may be away just now.
    #[must_use]
    pub fn primary_server(&self) -> Option<&ServerStatus> {
        self.servers.iter().find(|server| server.role == Role::Primary)
    }
}
