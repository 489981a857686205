//! Statements with options of their own: a time limit, how they are planned, settings of the server.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use stellata_protocol::{ColumnError, Columns, FromRow, IntoParams, Params, SqlState};
use tokio::time::sleep_until;

use crate::connection::Connection;
use crate::connection::batch::{Completion, gone};
use crate::connection::columns::{Check, Sink};
use crate::connection::lending::Rows;
use crate::connection::limit::{GRACE, deadline};
use crate::connection::outcome::{timed_out, unsent};
use crate::connection::query::{Limited, Run, collect, count_error};
use crate::connection::row::{Row, take};
use crate::connection::set::RunSet;
#[cfg(feature = "stream")]
use crate::connection::stream::RowStream;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::statement::cache::Slot;
use crate::statement::{Statement, StatementKey};

/// Options of a statement: see [`Connection::with`].
///
/// Defaults: no time limit, plans and all other settings as the session has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    limit: Option<Duration>,
    plan: Plan,
    settings: Settings,
}

/// How the server plans a prepared statement (manual, `plan_cache_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// As the session has it: unless set otherwise, the server plans for the parameters at hand five times, and then
    /// keeps one plan for all where that seems no worse.
    #[default]
    Session,
    /// For the parameters at hand: where the best plan depends on them, as with values of very different frequency.
    Custom,
    /// One plan for all parameters: where planning costs more than running.
    Generic,
}

impl QueryOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: None, plan: Plan::Session, settings: Settings::new() }
    }

    /// Sets how long a statement may take, from its call to its last row.
    ///
    /// When the limit is over the statement is cancelled at the server, over a connection of its own, and the call fails
    /// with [`ErrorKind::Timeout`]. It waits 50 ms more for what the server says: a statement that was done by then was
    /// done, and the call returns its result. Where that is not enough, the connection is left with a cancellation under
    /// way, and the next call waits for its end, so that it never hits another statement. [`Connection::drain`], which a
    /// pool calls by itself, waits for it too. What can't wait, such as [`Connection::batch`], is put together and waits
    /// where its first answer is asked for.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets how the server plans the statement, by [`settings`](Self::settings): what is said there holds of it.
    #[must_use]
    pub const fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Sets settings of the server for the statement alone. It takes the same round trip.
    ///
    /// They go ahead of the statement in the same flush. Where no transaction is open the two are one, with whose end the
    /// settings are gone. In a transaction a third goes behind the statement that sets them back to what they were; where
    /// the statement fails, the rollback does so.
    ///
    /// Not for statements that can't run in a transaction (`vacuum`, `create database`): the server refuses them (25001), but
    /// for old minor releases, which run them without the settings. Nor for `begin` and `commit`.
    ///
    /// What the server does not let be set is an error of the statement, which names the setting; the statement is not run.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// All settings that the statement needs.
    fn all_settings(&self) -> Cow<'_, Settings> {
        let mode = match self.plan {
            Plan::Session => return Cow::Borrowed(&self.settings),
            Plan::Custom => "force_custom_plan",
            Plan::Generic => "force_generic_plan",
        };
        Cow::Owned(self.settings.clone().set("plan_cache_mode", mode))
    }
}

/// A connection whose next statements have options: see [`Connection::with`].
#[derive(Debug)]
pub struct With<'c> {
    connection: &'c mut Connection,
    options: QueryOptions,
}

/// Rows that are lent one after the other, each within a time limit: see [`With::lend`].
#[derive(Debug)]
pub struct LimitedRows<'c> {
    rows: Rows<'c>,
    limit: Duration,
}

impl LimitedRows<'_> {
    /// As [`Rows::next`].
    ///
    /// # Errors
    /// As [`Rows::next`]; [`ErrorKind::Timeout`] when the row was not there within the limit. The statement is cancelled
    /// then, as with [`QueryOptions::limit`], and there is no further row.
    ///
    /// # Cancel safety
    /// It can be called again: no row is lost. The limit begins anew.
    pub async fn next<'r, T: FromRow<'r>>(&'r mut self) -> Result<Option<T>> {
        self.rows.next_in_time(self.limit).await
    }

    /// As [`Rows::completion`].
    #[must_use]
    pub fn completion(&self) -> Option<Completion> {
        self.rows.completion()
    }
}

impl Connection {
    /// The connection, for statements that have options.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use std::time::Duration;
    /// use stellata_client::{Plan, QueryOptions};
    ///
    /// let options = QueryOptions::new().limit(Duration::from_secs(2)).plan(Plan::Custom);
    /// let (orders,): (i64,) = connection
    ///     .with(options)
    ///     .query_one("select count(*) from orders where status = $1", ("rare",))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with(&mut self, options: QueryOptions) -> With<'_> {
        With { connection: self, options }
    }

    /// The connection, for statements with a time limit: see [`QueryOptions::limit`].
    #[must_use]
    pub fn with_limit(&mut self, limit: Duration) -> With<'_> {
        self.with(QueryOptions::new().limit(limit))
    }
}

impl<'c> With<'c> {
    /// As [`Connection::lend`], with the limit for each [`LimitedRows::next`]: from there to where the row is there. How long
    /// a row is kept does not count, nor how many there are.
    ///
    /// # Errors
    /// As [`Connection::lend`]; [`ErrorKind::Usage`] where a plan or settings are asked for: those are for statements whose
    /// rows are all read at once.
    pub fn lend(self, sql: &'c str, params: impl IntoParams) -> Result<LimitedRows<'c>> {
        self.refuse_settings()?;
        let limit = self.options.limit.unwrap_or(Duration::MAX);
        Ok(LimitedRows { rows: self.connection.lend(sql, params)?, limit })
    }

    /// As [`Connection::stream`], with the limit for each time that the next row is waited for. How long nobody asks for
    /// a row does not count, nor how many there are.
    ///
    /// # Errors
    /// As [`With::lend`]. [`ErrorKind::Timeout`] ends the stream, as any other error does.
    #[cfg(feature = "stream")]
    pub fn stream<T>(self, sql: &'c str, params: impl IntoParams) -> Result<RowStream<'c, T>>
    where
        T: for<'r> FromRow<'r> + Send + 'c,
    {
        self.refuse_settings()?;
        Ok(self.connection.stream(sql, params)?.with_limit(self.options.limit))
    }

    fn refuse_settings(&self) -> Result<()> {
        if self.options.all_settings().is_empty() {
            return Ok(());
        }
        let message = "a plan or settings are for a statement whose rows are all read at once";
        Err(Error::new(ErrorKind::Usage, message))
    }
}

impl With<'_> {
    /// As [`Connection::query`].
    ///
    /// # Errors
    /// As [`Connection::query`]; [`ErrorKind::Timeout`] when the limit is over.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query<T>(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let params = collect(params)?;
        let mut rows = Vec::new();
        self.run(&sql, &params, <T as FromRow<'_>>::expect, &mut |columns| {
            rows.push(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// As [`Connection::query_one`].
    ///
    /// # Errors
    /// As [`Connection::query_one`]; [`ErrorKind::Timeout`] when the limit is over.
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

    /// As [`Connection::query_opt`].
    ///
    /// # Errors
    /// As [`Connection::query_opt`]; [`ErrorKind::Timeout`] when the limit is over.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_opt<T>(&mut self, sql: &str, params: impl IntoParams) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let params = collect(params)?;
        let (mut row, mut count) = (None, 0_u64);
        self.run(&sql, &params, <T as FromRow<'_>>::expect, &mut |columns| {
            count += 1;
            row = Some(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        if count > 1 { Err(count_error("several rows")) } else { Ok(row) }
    }

    /// As [`Connection::query_each`].
    ///
    /// # Errors
    /// As [`Connection::query_each`]; [`ErrorKind::Timeout`] when the limit is over.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_each(
        &mut self,
        sql: &str,
        params: impl IntoParams,
        mut sink: impl FnMut(&mut Columns<'_, true>) -> Result<(), ColumnError> + Send,
    ) -> Result<u64> {
        let params = collect(params)?;
        let mut checked = |columns: &mut Columns<'_>| columns.checked(&mut sink);
        Ok(self.run(&sql, &params, |_| Ok(()), &mut checked).await?.rows)
    }

    /// As [`Connection::query_rows`]. The limit is that of the statement and, from there on, of looking up types that are
    /// not known; a type that could not be looked up in time is an error for who reads it.
    ///
    /// # Errors
    /// As [`Connection::query_rows`]; [`ErrorKind::Timeout`] when the limit is over.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_rows(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<Row>> {
        let params = collect(params)?;
        let deadline = self.options.limit.map(deadline);
        let mut taken = Vec::new();
        self.run(&sql, &params, |_| Ok(()), &mut |columns| {
            taken.push(take(columns)?);
            Ok(())
        })
        .await?;
        let Self { connection, .. } = self;
        let key = StatementKey::Sql(sql);
        let slot = connection.cache.find(key, params.types(), connection.call).ok_or_else(gone)?;
        connection.rows_of(slot, taken, deadline).await
    }

    /// As [`Connection::execute`].
    ///
    /// # Errors
    /// As [`Connection::execute`]; [`ErrorKind::Timeout`] when the limit is over.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn execute(&mut self, sql: &str, params: impl IntoParams) -> Result<u64> {
        let params = collect(params)?;
        Ok(self.run(&sql, &params, |_| Ok(()), &mut |_| Ok(())).await?.rows)
    }

    /// As [`Connection::run`].
    ///
    /// # Errors
    /// As [`Connection::run`]; [`ErrorKind::Timeout`] when the limit is over.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn run(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
        check: Check,
        sink: Sink<'_>,
    ) -> Result<Completion> {
        let Self { connection, options } = self;
        let settings = options.all_settings();
        match (settings.is_empty(), options.limit) {
            (true, None) => connection.run(statement, params, check, sink).await,
            (true, Some(limit)) => {
                let run = Run::new(statement, params, check, sink);
                connection.run_limited(limit, run).await
            }
            (false, limit) => {
                let mut run = RunSet::new(&settings, statement, params, check, sink);
                match limit {
                    None => poll_fn(|cx| run.poll(connection, cx)).await,
                    Some(limit) => connection.run_limited(limit, run).await,
                }
            }
        }
    }
}

impl Connection {
    /// Runs one statement within a limit.
    async fn run_limited(&mut self, limit: Duration, mut run: impl Limited) -> Result<Completion> {
        let deadline = deadline(limit);
        let mut over = pin!(sleep_until(deadline));
        let in_time = poll_fn(|cx| match run.poll(self, cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => over.as_mut().poll(cx).map(|()| None),
        });
        if let Some(done) = in_time.await {
            return done;
        }
        if run.slot().is_none() {
            return Err(unsent(limit));
        }
        // The answer that comes now tells whether the statement was done after all.
        self.start_cancelling();
        over.as_mut().reset(deadline + GRACE);
        let outcome = poll_fn(|cx| match run.poll(self, cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => over.as_mut().poll(cx).map(|()| None),
        })
        .await;
        let sql =
            run.slot().and_then(|slot| self.cache.get(slot)).map(|Slot { sql, .. }| sql.clone());
        self.settle_by(deadline + GRACE).await;
        match outcome {
            None => Err(timed_out(limit, None, sql)),
            Some(Err(error)) if error.sqlstate() == Some(SqlState::QUERY_CANCELED) => {
                Err(timed_out(limit, Some(error), sql))
            }
            Some(done) => done,
        }
    }
}
