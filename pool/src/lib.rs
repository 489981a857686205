//! A bounded pool of PostgreSQL connections.
//!
//! What it promises: never more connections than the maximum; callers are served in the order in which they came; a
//! deadline for every acquire; a connection is lent only when it is as it was opened.
//!
//! The modules below stand in the order of their imports: each uses only those above it.

mod lending;
mod status;
mod error;
mod options;
mod shared;
mod lease;
mod pool;

pub use error::{Error, Result};
pub use lease::Lease;
pub use options::PoolOptions;
pub use pool::Pool;
pub use status::PoolStatus;
pub use stellata_client::Config;
