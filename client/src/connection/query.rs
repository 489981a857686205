//! One statement at a time: parameters in, rows out, one round trip.

#[cfg(feature = "tracing")]
use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, ready};

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{ColumnError, Columns, Expect, FromRow, IntoParams, Params};

use crate::connection::Connection;
use crate::connection::batch::{Completion, Ticket};
use crate::connection::outcome::{commits, of_commit};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::Statement;
use crate::statement::cache::SlotId;
#[cfg(feature = "tracing")]
use crate::trace::Watch;

impl Connection {
    /// Runs a statement and reads each row into `T`: a tuple, or a type that implements [`FromRow`].
    ///
    /// Parameters `$1`, `$2`.. are given as a tuple, in the PostgreSQL type of their Rust type. The statement is prepared
    /// on first use, in the same round trip, and kept for the next.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// let rows: Vec<(i64, Option<String>)> = connection
    ///     .query("select id, title from albums where released > $1", (1999_i32,))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Server`] with the SQL and the place in it, [`ErrorKind::Decode`] naming column, Rust type and
    /// PostgreSQL type, [`ErrorKind::Encode`] before anything is sent.
    ///
    /// # Cancel safety
    /// When the future is dropped the statement may run all the same; the connection stays usable.
    pub async fn query<T>(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let mut collected = Params::new();
        params.append_to(&mut collected).map_err(Error::encode)?;
        let mut rows = Vec::new();
        self.run(sql, &collected, <T as FromRow<'_>>::expect, &mut |columns| {
            rows.push(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// Runs a statement that returns exactly one row.
    ///
    /// # Errors
    /// As [`Connection::query`]; [`ErrorKind::Usage`] for no row or several.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_one<T>(&mut self, sql: &str, params: impl IntoParams) -> Result<T>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        match self.query_opt(sql, params).await? {
            Some(row) => Ok(row),
            None => Err(count_error("no row")),
        }
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    /// As [`Connection::query`]; [`ErrorKind::Usage`] for several rows.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_opt<T>(&mut self, sql: &str, params: impl IntoParams) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let mut collected = Params::new();
        params.append_to(&mut collected).map_err(Error::encode)?;
        let (mut row, mut count) = (None, 0_u64);
        self.run(sql, &collected, <T as FromRow<'_>>::expect, &mut |columns| {
            count += 1;
            row = Some(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        if count > 1 { Err(count_error("several rows")) } else { Ok(row) }
    }

    /// Runs a statement and hands each row to `sink`, borrowed from the read buffer: nothing is copied that `sink` does
    /// not copy. Returns the number of rows.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// let mut letters = 0;
    /// connection
    ///     .query_each("select title from albums", (), |columns| {
    ///         letters += columns.next::<&str>()?.len();
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::query`]. Columns are checked as they are read.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_each(
        &mut self,
        sql: &str,
        params: impl IntoParams,
        mut sink: impl FnMut(&mut Columns<'_, true>) -> Result<(), ColumnError> + Send,
    ) -> Result<u64> {
        let mut collected = Params::new();
        params.append_to(&mut collected).map_err(Error::encode)?;
        let mut checked = |columns: &mut Columns<'_>| columns.checked(&mut sink);
        let completion = self.run(sql, &collected, |_| Ok(()), &mut checked).await?;
        Ok(completion.rows)
    }

    /// Runs a statement for its effect; returns the number of rows written, or read and passed over.
    ///
    /// # Errors
    /// As [`Connection::query`]. Of a COMMIT, END or PREPARE TRANSACTION [`ErrorKind::RolledBack`] when the transaction had
    /// failed, and was rolled back instead; [`ErrorKind::OutcomeUnknown`] when the connection was lost before the answer had
    /// come. That is so of all calls that run statements.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn execute(&mut self, sql: &str, params: impl IntoParams) -> Result<u64> {
        let mut collected = Params::new();
        params.append_to(&mut collected).map_err(Error::encode)?;
        let completion = self.run(sql, &collected, |_| Ok(()), &mut |_| Ok(())).await?;
        Ok(completion.rows)
    }

    /// Runs one statement in a round trip of its own: the road that all of the above take.
    ///
    /// A prepared statement that the server no longer knows, or that a change of its tables has outdated, is prepared
    /// anew and run once more, unless a transaction is open.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub fn run<'c>(
        &'c mut self,
        statement: &'c (impl Statement + ?Sized),
        params: &'c Params,
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &'c mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> impl Future<Output = Result<Completion>> + Send {
        let mut run = Run::new(statement, params, check, sink);
        poll_fn(move |cx| self.poll_run(cx, &mut run))
    }

    /// Goes on with a statement; with the feature `tracing`, watched.
    #[cfg(feature = "tracing")]
    pub(super) fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        run: &mut Run<'_, impl Statement + ?Sized>,
    ) -> Poll<Result<Completion>> {
        let mut watch = run.watch.take().unwrap_or_else(|| {
            let sql = || run.statement.sql().map(Cow::into_owned).unwrap_or_default();
            self.labels.watch(sql, run.steps.params)
        });
        let polled = watch.poll(
            || self.poll_steps(cx, &run.statement, &mut run.steps),
            |completion| completion.rows,
        );
        run.watch = Some(watch);
        polled
    }

    /// Goes on with a statement.
    #[cfg(not(feature = "tracing"))]
    #[inline(always)]
    pub(super) fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        run: &mut Run<'_, impl Statement + ?Sized>,
    ) -> Poll<Result<Completion>> {
        self.poll_steps(cx, &run.statement, &mut run.steps)
    }

    /// One function for statements of all kinds, with all that a poll needs in it: between a caller's future and the
    /// socket is one call.
    #[inline(never)]
    fn poll_steps(
        &mut self,
        cx: &mut Context<'_>,
        statement: &dyn Statement,
        steps: &mut Steps<'_>,
    ) -> Poll<Result<Completion>> {
        let Steps { params, check, sink, progress } = steps;
        loop {
            let ticket = match progress.ticket {
                Some(ticket) => ticket,
                None => {
                    if self.driver.conversation.is_owing() {
                        ready!(self.poll_settle(cx))?;
                    }
                    match self.submit_alone(statement, params) {
                        Ok(ticket) => *progress.ticket.insert(ticket),
                        // What the limit of the call before has cancelled is waited for.
                        Err(_) if self.cancelling.is_some() => {
                            ready!(self.poll_settle(cx))?;
                            continue;
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            };
            if let Some(completion) = progress.held {
                ready!(self.poll_look_up(cx))?;
                self.read_held(ticket.slot, *check, *sink)?;
                return Poll::Ready(Ok(completion));
            }
            match ready!(self.poll_alone(cx, ticket, *check, *sink, &mut progress.outcome)) {
                Ok(completion) if self.discovery.holds(self.call) => {
                    progress.held = Some(completion);
                }
                Err(error)
                    if !progress.again
                        && error.can_be_healed()
                        && !self.is_closed()
                        && self.status() == TransactionStatus::Idle =>
                {
                    *progress = Progress { again: true, ..Progress::default() };
                }
                Ok(completion) => return Poll::Ready(Ok(completion)),
                Err(error) => return Poll::Ready(Err(self.fail(statement, error))),
            }
        }
    }
}

impl Connection {
    /// What is told of a statement that was sent and has failed.
    #[cold]
    pub(super) fn fail(&mut self, statement: &dyn Statement, error: Error) -> Error {
        self.discovery.release();
        if error.is_fatal() && statement.sql().is_ok_and(|sql| commits(&sql)) {
            return of_commit(error);
        }
        error
    }
}

/// A statement that runs.
pub(super) struct Run<'c, S: ?Sized> {
    statement: &'c S,
    steps: Steps<'c>,
    #[cfg(feature = "tracing")]
    watch: Option<Watch>,
}

/// A statement that runs, and can be gone on with after its limit is over.
pub(super) trait Limited {
    fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Completion>>;

    /// Where the statement is cached, once it was sent.
    fn slot(&self) -> Option<SlotId>;
}

impl<S: Statement + ?Sized> Limited for Run<'_, S> {
    fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Completion>> {
        connection.poll_run(cx, self)
    }

    fn slot(&self) -> Option<SlotId> {
        self.slot()
    }
}

/// What of it does not depend on the statement's kind.
struct Steps<'c> {
    params: &'c Params,
    check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
    sink: &'c mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    progress: Progress,
}

impl<'c, S: Statement + ?Sized> Run<'c, S> {
    #[inline(always)]
    pub(super) fn new(
        statement: &'c S,
        params: &'c Params,
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &'c mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> Self {
        Self {
            statement,
            steps: Steps { params, check, sink, progress: Progress::default() },
            #[cfg(feature = "tracing")]
            watch: None,
        }
    }

    /// Where the statement is cached, once it was sent.
    pub(super) fn slot(&self) -> Option<SlotId> {
        self.steps.progress.ticket.map(|ticket| ticket.slot)
    }
}

/// How far it has come, kept between polls.
#[derive(Default)]
struct Progress {
    ticket: Option<Ticket>,
    outcome: Option<Result<Completion>>,
    /// It is over, and its rows wait until it is known what their types are.
    held: Option<Completion>,
    /// It runs for the second time.
    again: bool,
}

pub(super) fn collect(params: impl IntoParams) -> Result<Params> {
    let mut collected = Params::new();
    params.append_to(&mut collected).map_err(Error::encode)?;
    Ok(collected)
}

#[cold]
pub(super) fn count_error(found: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("the statement returned {found} where one was wanted"))
}
