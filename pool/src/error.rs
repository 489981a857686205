//! Why no connection was lent.

use std::fmt;
use std::time::Duration;

use crate::status::PoolStatus;

/// The result of asking a pool for a connection.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a pool lent no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The deadline passed while all connections were lent, or while one was being opened.
    Timeout {
        /// How long the caller waited.
        waited: Duration,
        /// How the pool stood then.
        status: PoolStatus,
        /// Whether the time went into opening a connection, rather than into waiting for one to come back.
        opening: bool,
    },
    /// The pool is closed.
    Closed,
    /// A connection could not be opened.
    Connect(stellata_client::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { waited, opening: true, .. } => {
                write!(f, "no connection after {waited:?}: the server did not let us in")
            }
            Self::Timeout { waited, status, opening: false } => write!(
                f,
                "no connection after {waited:?}: {} of {} are lent, and {} more callers wait",
                status.lent, status.max, status.waiting
            ),
            Self::Closed => f.write_str("the pool is closed"),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            _ => None,
        }
    }
}
