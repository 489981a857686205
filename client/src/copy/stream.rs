//! Rows as `futures` streams, both ways.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use stellata_protocol::FromRow;
use stellata_protocol::copy::CopyRow;

use crate::copy::sink::CopyIn;
use crate::copy::source::CopyRows;
use crate::error::Result;

impl CopyIn<'_> {
    /// Copies the rows of a [`Stream`], to its end. While no row is there, the connection is read, so that an error of the server
    /// ends the waiting at once. A stream that is not `Unpin` is given as `std::pin::pin!(stream)`.
    ///
    /// ```no_run
    /// # async fn example<S>(connection: &mut stellata_client::Connection, readings: S) -> Result<(), stellata_client::Error>
    /// # where S: futures_core::Stream<Item = (i64, f64)> + Unpin {
    /// let copied = connection.copy_in("readings", &["sensor", "value"]).from_stream(readings).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`CopyIn::rows`].
    ///
    /// # Cancel safety
    /// As [`CopyIn::rows`]. Rows that were taken from the stream are lost.
    pub async fn from_stream<R: CopyRow>(
        self,
        mut rows: impl Stream<Item = R> + Unpin,
    ) -> Result<u64> {
        self.stream(|cx| Pin::new(&mut rows).poll_next(cx)).await
    }
}

/// The rows as [`CopyRows::next`] gives them. The first error ends the stream.
impl<T: for<'r> FromRow<'r>> Stream for CopyRows<'_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        Self::poll_next(self.get_mut(), cx).map(Result::transpose)
    }
}
