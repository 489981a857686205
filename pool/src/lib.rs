//! A bounded pool of PostgreSQL connections.
//!
//! What it promises: never more connections than the maximum; callers are served in the order in which they came; a
//! deadline for every acquire; a connection is lent only when it is as it was opened.
//!
//! With the feature `metrics` the pool tells the recorder of that crate what it does: see `PoolOptions::name`.
//!
//! The modules below stand in the order of their imports: each uses only those above it.

mod lending;
mod lots;
mod status;
#[cfg(feature = "metrics")]
mod export;
mod meter;
mod error;
mod options;
mod vigil;
mod pooled;
mod lanes;
mod shared;
mod opening;
mod returning;
mod lookout;
mod reaper;
mod usher;
mod lease;
mod pool;
mod sharing;
mod cluster;

pub use cluster::{Cluster, ClusterOptions, ClusterStatus, Role, ServerStatus};
pub use error::{Cause, Error, Result};
pub use lanes::traffic::Sharing;
pub use lease::Lease;
pub use options::{HookFuture, PoolOptions};
pub use pool::Pool;
pub use sharing::SharedError;
pub use status::{Closures, LaneCounts, PoolMetrics, PoolStatus, Waits};
pub use stellata_client::{Config, Endpoint, StatementCounts};

/// The examples of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/pool.md")]
struct Guide;

/// As above.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/lanes.md")]
struct LanesGuide;
