//! Why no connection was lent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::status::PoolStatus;

/// The result of asking a pool for a connection.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a pool lent no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The deadline passed.
    Timeout {
        /// How long the caller waited.
        waited: Duration,
        /// How the pool stood then.
        status: PoolStatus,
        /// What the caller waited for.
        cause: Cause,
    },
    /// The pool is closed.
    Closed,
    /// A connection could not be opened, for a reason that does not mend by waiting: the server refuses the login or
    /// knows no such database, the configuration can't be used, or a hook of the pool failed by an error of that kind.
    Connect(Arc<stellata_client::Error>),
}

/// What a caller waited for when its deadline passed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// For one of the others to give a connection back: as many as there may be were lent.
    Exhausted,
    /// For a connection that was being opened: the server has not answered yet.
    Opening,
    /// For a connection to be opened: the attempts failed, the last one by this error. Or for one that the hook before
    /// lending lets pass: it failed by this error, or did not end.
    Failed(Arc<stellata_client::Error>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { waited, status, cause } => {
                write!(f, "no connection after {waited:.1?}: ")?;
                match cause {
                    Cause::Exhausted => write!(
                        f,
                        "{} of {} are lent, and {} more callers wait",
                        status.lent, status.max, status.waiting
                    ),
                    Cause::Opening => f.write_str("the server has not answered"),
                    Cause::Failed(error) => error.fmt(f),
                }
            }
            Self::Closed => f.write_str("the pool is closed"),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its sentence is part of this one's already: what is below it comes next.
            Self::Connect(error) | Self::Timeout { cause: Cause::Failed(error), .. } => {
                error.source()
            }
            _ => None,
        }
    }
}
