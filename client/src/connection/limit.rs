//! How long the parts of connecting may take.

use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

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
