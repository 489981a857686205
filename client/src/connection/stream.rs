//! Rows as a stream of owned values.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use stellata_protocol::{FromRow, IntoParams};

use crate::connection::Connection;
use crate::connection::lending::Rows;
use crate::error::Result;

/// The rows of a statement as a [`Stream`]: see [`Connection::stream`].
///
/// Dropped before its end, it leaves the rest to be passed over by the connection's next call, or to be cancelled by
/// [`Connection::drain`].
pub struct RowStream<'c, T> {
    state: State<'c, T>,
    /// How long a row is waited for.
    limit: Option<Duration>,
}

enum State<'c, T> {
    /// The next row may be in the read buffer.
    Reading(Box<Rows<'c>>),
    /// It has to be waited for.
    Waiting(Waiting<'c, T>),
    Over,
}

type Waiting<'c, T> = Pin<Box<dyn Future<Output = (Box<Rows<'c>>, Result<Option<T>>)> + Send + 'c>>;

impl Connection {
    /// Runs a statement whose rows are read as they are asked for.
    ///
    /// Nothing is read ahead but what one read of the socket brings, so that a consumer that is slow slows the server
    /// down, and memory does not grow with the number of rows: that the statement's first run costs a round trip or two more
    /// is so that no row has to be held until its columns are known. The server holds the statement's snapshot and resources
    /// all the while. Rows that borrow are lent by [`Connection::lend`]; other statements between the rows are for
    /// [`Connection::portal`].
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use std::{future::poll_fn, pin::Pin};
    /// use futures_core::Stream;
    /// let mut rows = connection.stream::<(i64, String)>("select id, title from albums", ())?;
    /// // Or `rows.next().await` with the trait `StreamExt` of a crate of your choice.
    /// while let Some(row) = poll_fn(|cx| Pin::new(&mut rows).poll_next(cx)).await {
    ///     let (id, title) = row?;
    ///     println!("{id}: {title}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) when a parameter can't be written. Nothing is sent before the first
    /// row is asked for; the first error, as of [`Connection::query`], ends the stream.
    pub fn stream<'c, T>(
        &'c mut self,
        sql: &'c str,
        params: impl IntoParams,
    ) -> Result<RowStream<'c, T>>
    where
        T: for<'r> FromRow<'r> + Send + 'c,
    {
        let state = State::Reading(Box::new(self.lend(sql, params)?));
        Ok(RowStream { state, limit: None })
    }
}

impl<T> RowStream<'_, T> {
    pub(super) fn with_limit(self, limit: Option<Duration>) -> Self {
        Self { limit, ..self }
    }
}

impl<'c, T> Stream for RowStream<'c, T>
where
    T: for<'r> FromRow<'r> + Send + 'c,
{
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let limit = self.limit;
        loop {
            let state = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Poll::Ready(None),
                State::Reading(mut rows) => match rows.next_at_hand::<T>() {
                    Ok(Some(row)) => {
                        self.state = State::Reading(rows);
                        return Poll::Ready(Some(Ok(row)));
                    }
                    Ok(None) => State::Waiting(Box::pin(async move {
                        let next = rows.next_owned::<T>(limit).await;
                        (rows, next)
                    })),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                waiting => waiting,
            };
            self.state = state;
            if let State::Waiting(waiting) = &mut self.state {
                let (rows, next) = ready!(waiting.as_mut().poll(cx));
                self.state = match &next {
                    Ok(Some(_)) => State::Reading(rows),
                    _ => State::Over,
                };
                return Poll::Ready(next.transpose());
            }
        }
    }
}

/// The state is read, never pinned.
impl<T> Unpin for RowStream<'_, T> {}

impl<T> fmt::Debug for RowStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream")
            .field("over", &matches!(self.state, State::Over))
            .finish_non_exhaustive()
    }
}
