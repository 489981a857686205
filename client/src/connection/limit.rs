//! How long calls and the parts of connecting may take.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};

/// How long a call waits, after its limit is over, for the server to say what became of the cancelled statement.
pub(super) const GRACE: Duration = Duration::from_millis(50);

/// When a limit that begins now is over; one that is too long to be named, in a century.
pub(super) fn deadline(limit: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(limit.min(CENTURY)).unwrap_or(now)
}

/// Waits for `work`, for `limit` at most.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    what: impl FnOnce() -> String,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match limit {
        None | Some(Duration::MAX) => work.await,
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("{} took longer than {limit:?}", what()),
            )),
        },
    }
}
