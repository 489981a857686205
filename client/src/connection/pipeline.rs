//! Different statements in one flush, each with its own answer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::{ColumnError, Columns, Event, FromRow, IntoParams, Params};
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::connection::batch::{Completion, Ticket};
use crate::connection::columns::{Check, Sink};
use crate::connection::limit::{GRACE, deadline};
use crate::connection::outcome::{of_commit, timed_out, unsent};
use crate::connection::query::{collect, count_error};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::statement::Statement;

/// Statements that leave together, in one write and one round trip: see [`Connection::batch`].
///
/// Dropped before its first answer is asked for, it leaves nothing behind: no statement of it is ever sent.
///
/// What runs by itself is run again where a prepared statement turns out to be gone, or outdated by a change of its tables.
/// A batch is not: answers of it may have been handed out by then. Its group fails with the server's error, of which
/// [`Error::can_be_healed`] is true; what was wrong with that statement is mended, so that the same may be put together once
/// more. So it is with the first use of a statement that returns a type which the server can't send in binary (`aclitem`).
#[derive(Debug)]
pub struct Batch<'c> {
    connection: &'c mut Connection,
    asked: VecDeque<Asked>,
    limit: Option<Duration>,
}

/// A statement of a batch.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ticket: Ticket,
    /// It is the last of its group.
    is_last: bool,
}

/// The answers to a [`Batch`], in the order of its statements.
///
/// Nothing is written before the first answer is asked for; dropped before that, the statements are never sent. Dropped
/// later, it leaves the rest to be passed over by the connection's next call; the statements may run all the same.
#[derive(Debug)]
pub struct Answers<'c> {
    connection: &'c mut Connection,
    asked: VecDeque<Asked>,
    /// A statement of the group that is being answered has failed, and the group has been read to its end.
    has_failed: bool,
    limit: Option<Duration>,
    deadline: Option<Instant>,
}

impl Connection {
    /// Begins a batch of different statements. They are sent together, so that all of them cost one round trip.
    ///
    /// Statements up to a [`Batch::sync`], or to the end, are a group: where no transaction is open, a group is one, so
    /// that all of it is done or nothing. A group that fails does not touch the others.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// let mut batch = connection.batch()?;
    /// batch.add("update accounts set balance = balance - $1 where id = $2", (10_i64, 1_i64))?;
    /// batch.add("update accounts set balance = balance + $1 where id = $2 returning balance", (10_i64, 2_i64))?;
    /// let mut answers = batch.send()?;
    /// let taken = answers.count().await?;
    /// let (balance,): (i64,) = answers.one().await?;
    /// answers.end().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more.
    pub fn batch(&mut self) -> Result<Batch<'_>> {
        self.begin_ahead()?;
        self.unsent = true;
        Ok(Batch { connection: self, asked: VecDeque::new(), limit: None })
    }

    /// Reads the rest of the answer to a statement whose rows can't be read. Returns false when it failed after all, and
    /// its group has been read to its end.
    async fn skip_answer(&mut self) -> Result<bool> {
        loop {
            match self.advance()? {
                None => self.driver.fill().await?,
                Some(Event::CommandComplete | Event::EmptyQuery) => return Ok(true),
                Some(Event::Error) => {
                    self.read_to_ready().await?;
                    return Ok(false);
                }
                Some(_) => {}
            }
        }
    }
}

impl<'c> Batch<'c> {
    /// Adds a statement.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when the statement or its parameters can't be sent. The statement is not part of the batch
    /// then.
    pub fn add(&mut self, sql: &str, params: impl IntoParams) -> Result<&mut Self> {
        let params = collect(params)?;
        self.add_statement(&sql, &params)
    }

    /// As [`Batch::add`], of a statement of any kind.
    ///
    /// # Errors
    /// As [`Batch::add`].
    pub fn add_statement(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
    ) -> Result<&mut Self> {
        if self.asked.back().is_some_and(|asked| asked.is_last) {
            self.connection.begin_group();
        }
        let ticket = self.connection.append(statement, params)?;
        self.asked.push_back(Asked { ticket, is_last: false });
        Ok(self)
    }

    /// Adds settings of the server: a statement of its own, with an answer of its own, that puts them in force until the end of
    /// the transaction. That is the one that is open, or that a `begin` before it in the batch opens; else the group.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use stellata_client::Settings;
    ///
    /// let mut batch = connection.batch()?;
    /// batch.add("begin", ())?.set(&Settings::new().set("app.user", "anna"))?;
    /// batch.add("update accounts set owner = current_setting('app.user')", ())?;
    /// batch.send()?.end().await?;
    /// // ... more in the same transaction, and its end
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Batch::add`]; [`ErrorKind::Usage`] where there are no settings.
    pub fn set(&mut self, settings: &Settings) -> Result<&mut Self> {
        let (sql, params) = settings.until_end()?;
        self.add_statement(&&*sql, &params)
    }

    /// Ends a group: what fails before this point reaches no further.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more.
    pub fn sync(&mut self) -> Result<&mut Self> {
        if let Some(asked) = self.asked.back_mut()
            && !asked.is_last
        {
            self.connection.end_group()?;
            asked.is_last = true;
        }
        Ok(self)
    }

    /// Sets how long the batch may take, from the first answer that is asked for to the last. What then still runs is
    /// cancelled, as with [`QueryOptions::limit`](crate::QueryOptions::limit); the answers to come are lost.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// How many statements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// Whether there is no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Closes the batch, and gives the answers. The statements leave when the first answer is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more.
    pub fn send(mut self) -> Result<Answers<'c>> {
        self.sync()?;
        if self.asked.is_empty() {
            self.connection.withdraw();
        }
        let Self { connection, asked, limit } = self;
        Ok(Answers { connection, asked, has_failed: false, limit, deadline: None })
    }
}

impl Answers<'_> {
    /// The rows of the next statement, each as a `T`: a tuple, or a type that implements [`FromRow`].
    ///
    /// # Errors
    /// [`ErrorKind::Server`] with what the server says of the statement; [`ErrorKind::Skipped`] when it was not run because
    /// one before it in its group failed; [`ErrorKind::Decode`] when its rows can't be read. The answers of other groups
    /// are not touched by that. An error of the group's end, such as a deferred constraint, is the last statement's.
    /// [`ErrorKind::Usage`] when there is no further statement. Of a COMMIT [`ErrorKind::RolledBack`] and
    /// [`ErrorKind::OutcomeUnknown`], as of [`Connection::execute`](crate::Connection::execute); the latter also of statements
    /// before it when the connection is lost.
    ///
    /// # Cancel safety
    /// When the future is dropped the answers to come are lost: the batch is to be dropped too.
    pub async fn rows<T>(&mut self) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let mut rows = Vec::new();
        self.next(<T as FromRow<'_>>::expect, &mut |columns| {
            rows.push(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The row of the next statement, which returns at most one.
    ///
    /// # Errors
    /// As [`Answers::rows`]; [`ErrorKind::Usage`] for several rows.
    ///
    /// # Cancel safety
    /// As [`Answers::rows`].
    pub async fn opt<T>(&mut self) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let (mut row, mut count) = (None, 0_u64);
        self.next(<T as FromRow<'_>>::expect, &mut |columns| {
            count += 1;
            row = Some(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        if count > 1 { Err(count_error("several rows")) } else { Ok(row) }
    }

    /// The row of the next statement, which returns exactly one.
    ///
    /// # Errors
    /// As [`Answers::rows`]; [`ErrorKind::Usage`] for no row or several.
    ///
    /// # Cancel safety
    /// As [`Answers::rows`].
    pub async fn one<T>(&mut self) -> Result<T>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        match self.opt().await? {
            Some(row) => Ok(row),
            None => Err(count_error("no row")),
        }
    }

    /// Hands each row of the next statement to `sink`, borrowed from the read buffer. Returns the number of rows.
    ///
    /// # Errors
    /// As [`Answers::rows`]. Columns are checked as they are read.
    ///
    /// # Cancel safety
    /// As [`Answers::rows`].
    pub async fn each(
        &mut self,
        mut sink: impl FnMut(&mut Columns<'_, true>) -> Result<(), ColumnError> + Send,
    ) -> Result<u64> {
        let mut checked = |columns: &mut Columns<'_>| columns.checked(&mut sink);
        Ok(self.next(|_| Ok(()), &mut checked).await?.rows)
    }

    /// How many rows the next statement has written, or returned.
    ///
    /// # Errors
    /// As [`Answers::rows`].
    ///
    /// # Cancel safety
    /// As [`Answers::rows`].
    pub async fn count(&mut self) -> Result<u64> {
        Ok(self.next(|_| Ok(()), &mut |_| Ok(())).await?.rows)
    }

    /// How many answers are still to come.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.asked.len()
    }

    /// Reads the answers that nobody has asked for, to the end of the batch.
    ///
    /// # Errors
    /// The first error among them.
    ///
    /// # Cancel safety
    /// As [`Answers::rows`].
    pub async fn end(mut self) -> Result<()> {
        let mut ended = Ok(());
        while !self.asked.is_empty() {
            let answer = self.count().await;
            ended = ended.and(answer.map(|_| ()));
        }
        ended
    }

    /// Reads the answer to the next statement: what all of the above do.
    ///
    /// # Errors
    /// As [`Answers::rows`].
    ///
    /// # Cancel safety
    /// As [`Answers::rows`].
    pub async fn next(&mut self, check: Check, sink: Sink<'_>) -> Result<Completion> {
        let Some(limit) = self.limit else { return self.read(check, sink).await };
        let deadline = *self.deadline.get_or_insert_with(|| deadline(limit));
        let current = self.asked.front().copied();
        if let Ok(read) = timeout_at(deadline, self.read(check, sink)).await {
            return read;
        }
        let commit = current.and_then(|current| self.commit_from(current));
        self.asked.clear();
        if self.connection.take_back() {
            return Err(unsent(limit));
        }
        self.connection.start_cancelling();
        self.connection.settle_by(deadline + GRACE).await;
        Err(timed_out(limit, None, commit))
    }

    /// The first COMMIT of the statements that have not been answered.
    #[cold]
    fn commit_from(&self, current: Asked) -> Option<Arc<str>> {
        let slots = std::iter::once(&current).chain(&self.asked).map(|asked| asked.ticket.slot);
        let cache = &self.connection.cache;
        slots
            .filter(|slot| self.connection.is_commit(*slot))
            .find_map(|slot| cache.get(slot).map(|entry| Arc::clone(&entry.sql)))
    }

    /// What is told of a batch that is lost: of all that it was to commit nobody knows whether it was.
    #[cold]
    fn lost(&self, current: Asked, error: Error) -> Error {
        if error.is_fatal() && self.commit_from(current).is_some() {
            of_commit(error)
        } else {
            error
        }
    }

    async fn read(&mut self, check: Check, sink: Sink<'_>) -> Result<Completion> {
        let Some(asked) = self.asked.pop_front() else {
            return Err(Error::new(ErrorKind::Usage, "all answers of the batch have been read"));
        };
        self.connection.let_go();
        if self.connection.held_up {
            poll_fn(|cx| self.connection.poll_held_up(cx)).await?;
            // The last Sync was put together before.
            self.connection.close_batch();
        }
        if self.has_failed {
            self.has_failed = !asked.is_last;
            return Err(Error::new(
                ErrorKind::Skipped,
                "the statement was not run, because one before it in its group failed",
            ));
        }
        match self.connection.rows(asked.ticket, check, sink).await {
            Ok(completion) => {
                if asked.is_last {
                    let ready = self.connection.ready().await;
                    ready.map_err(|error| self.lost(asked, error))?;
                }
                if completion.rolled_back {
                    return self.connection.judge(asked.ticket.slot, completion);
                }
                Ok(completion)
            }
            Err(error) if error.kind() == ErrorKind::Decode && !self.connection.is_closed() => {
                // Where rows were held for their types, all has been read already.
                let goes_on = self.connection.has_held() || self.connection.skip_answer().await?;
                self.has_failed = !goes_on && !asked.is_last;
                if goes_on && asked.is_last {
                    self.connection.ready().await?;
                }
                Err(error)
            }
            Err(error) => {
                self.has_failed = !asked.is_last;
                Err(self.lost(asked, error))
            }
        }
    }
}
