//! Rows that are lent one after the other, straight from the read buffer.

use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{Columns, Event, FromRow, IntoParams, Params};
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::connection::batch::{Completion, Ticket, completion, gone};
use crate::connection::columns::{Check, decode_error};
use crate::connection::discovery::{Bodies, Unfit, check_columns};
use crate::connection::limit::{GRACE, deadline};
use crate::connection::outcome::{of_commit, timed_out, unsent};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::Statement;
#[cfg(feature = "tracing")]
use crate::trace::Watch;

/// The rows of a statement, lent one after the other: a row is read when it is asked for, and what it borrows stays valid
/// until the next one is.
///
/// Memory does not grow with the number of rows. Dropped before its end, it leaves the rest to be passed over by the
/// connection's next call.
///
/// So that no row has to wait until its columns are known, a statement that is new to the connection is prepared and
/// described before it runs, which costs a round trip more than [`Connection::query`]; where columns are of types that the
/// database numbers by itself and nobody has asked for yet, one more.
///
/// `C` is how the connection is held: borrowed, unless [`Rows::of`] says otherwise.
#[derive(Debug)]
pub struct Rows<'c, C = &'c mut Connection> {
    connection: C,
    sql: &'c str,
    params: Params,
    /// `None` until the statement was sent.
    ticket: Option<Ticket>,
    /// The statement was sent for the second time.
    again: bool,
    /// Rows that were held until their types were known, and how many of them have been lent.
    held: Option<(Bodies, usize)>,
    completion: Option<Completion>,
    /// What tracers are told of the statement, until it has ended.
    #[cfg(feature = "tracing")]
    watch: Option<Watch>,
}

impl Connection {
    /// Runs a statement whose rows are lent one after the other, without a copy of any.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// let mut rows = connection.lend("select id, title from albums", ())?;
    /// while let Some((id, title)) = rows.next::<(i32, &str)>().await? {
    ///     println!("{id}: {title}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when a parameter can't be written. Nothing is sent before the first row is asked for.
    pub fn lend<'c>(&'c mut self, sql: &'c str, params: impl IntoParams) -> Result<Rows<'c>> {
        let mut collected = Params::new();
        params.append_to(&mut collected).map_err(Error::encode)?;
        Ok(Rows::of(self, sql, collected))
    }
}

impl<'c, C: DerefMut<Target = Connection>> Rows<'c, C> {
    /// The rows of a statement on a connection that is held as a `C`: by what a pool has lent, say. Nothing is sent before
    /// the first row is asked for.
    pub fn of(connection: C, sql: &'c str, params: Params) -> Self {
        Self {
            connection,
            sql,
            params,
            ticket: None,
            again: false,
            held: None,
            completion: None,
            #[cfg(feature = "tracing")]
            watch: None,
        }
    }

    /// The rows of the last statement of a flush: that of the batch whose other answers have all been read.
    ///
    /// It runs already: where its columns turn out to be of types that are not known yet, up to 8 MiB of rows are held until
    /// they are. More are passed over, which is an [`ErrorKind::Decode`] behind which the types are known. Whoever can send
    /// the statement by itself does that where the connection does not [know](Connection::knows) it.
    pub fn answering(connection: C, ticket: Ticket) -> Self {
        let rows = Self::of(connection, "", Params::new());
        #[cfg(feature = "tracing")]
        let rows = {
            let mut rows = rows;
            rows.watch = rows.connection.next_watch();
            rows
        };
        Self { ticket: Some(ticket), again: true, ..rows }
    }

    /// The next row as a `T` that may borrow from the read buffer: a tuple, or a type that implements [`FromRow`]. `None`
    /// behind the last one.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// It can be called again: no row is lost.
    pub async fn next<'r, T: FromRow<'r>>(&'r mut self) -> Result<Option<T>> {
        if !self.advance(<T as FromRow<'r>>::expect).await? {
            return Ok(None);
        }
        self.read()
    }

    /// As [`Rows::next`], of a row that borrows nothing, with a limit.
    #[cfg(feature = "stream")]
    pub(super) async fn next_owned<T: for<'r> FromRow<'r>>(
        &mut self,
        limit: Option<Duration>,
    ) -> Result<Option<T>> {
        match limit {
            None => self.next::<T>().await,
            Some(limit) => self.next_in_time::<T>(limit).await,
        }
    }

    /// As [`Rows::next`], with a limit; when it is over, the statement is cancelled.
    pub(super) async fn next_in_time<'r, T: FromRow<'r>>(
        &'r mut self,
        limit: Duration,
    ) -> Result<Option<T>> {
        let deadline = deadline(limit);
        match timeout_at(deadline, self.advance(<T as FromRow<'r>>::expect)).await {
            Ok(Ok(true)) => self.read(),
            Ok(Ok(false)) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.time_is_over(limit, deadline).await),
        }
    }

    #[cold]
    async fn time_is_over(&mut self, limit: Duration, deadline: Instant) -> Error {
        let connection: &mut Connection = &mut self.connection;
        let Some(ticket) = self.ticket else { return unsent(limit) };
        let sql = connection.cache.get(ticket.slot).map(|entry| Arc::clone(&entry.sql));
        connection.start_cancelling();
        connection.settle_by(deadline + GRACE).await;
        // Who asks once more is told that the call is over.
        self.ticket = Some(Ticket { call: 0, ..ticket });
        timed_out(limit, None, sql)
    }

    /// The next row, if it is in the read buffer and nothing has to be asked to read it.
    #[cfg(feature = "stream")]
    pub(super) fn next_at_hand<T: for<'r> FromRow<'r>>(&mut self) -> Result<Option<T>> {
        let check: Check = <T as FromRow<'_>>::expect;
        let connection: &mut Connection = &mut self.connection;
        let Some(ticket) = self.ticket.filter(|ticket| ticket.call == connection.call) else {
            return Ok(None);
        };
        let entry = connection.cache.get(ticket.slot);
        let is_checked = entry.is_some_and(|entry| entry.checked == check as usize);
        if self.held.is_some() || !is_checked || self.completion.is_some() {
            return Ok(None);
        }
        if connection.driver.conversation.next_row().is_none() {
            return Ok(None);
        }
        self.read()
    }

    /// Reads the row that is lent.
    fn read<'r, T: FromRow<'r>>(&'r self) -> Result<Option<T>> {
        let connection: &Connection = &self.connection;
        let slot = self.ticket.ok_or_else(gone)?.slot;
        let entry = connection.cache.get(slot).ok_or_else(gone)?;
        let body = match &self.held {
            Some((rows, lent)) => rows.get(lent.saturating_sub(1)),
            None => connection.driver.conversation.body(),
        };
        let mut columns = Columns::new(body, &entry.column_types).map_err(Error::protocol)?;
        let row = T::from_row(&mut columns).map_err(|error| {
            let fields = entry.fields.as_deref().unwrap_or_default();
            if let Some(field) = fields.get(error.index) {
                connection.discovery.doubt(field.type_oid);
            }
            let catalog = connection.discovery.catalog();
            decode_error(error, fields, &entry.sql, &catalog, None, Some(body))
        })?;
        columns.end().map_err(Error::protocol)?;
        Ok(Some(row))
    }

    /// How the statement ended; `None` before [`Rows::next`] has returned `None`.
    #[must_use]
    pub fn completion(&self) -> Option<Completion> {
        self.completion
    }

    /// Goes to the next row. Returns false behind the last one.
    #[cfg(feature = "tracing")]
    async fn advance(&mut self, check: Check) -> Result<bool> {
        if self.ticket.is_none() && self.watch.is_none() {
            let sql = || self.sql.to_owned();
            self.watch = Some(self.connection.labels.watch(sql, &self.params));
        }
        let advanced = self.go_on(check).await;
        let ended = match &advanced {
            Ok(true) => return advanced,
            Ok(false) => Ok(self.completion.map_or(0, |completion| completion.rows)),
            Err(error) => Err(error),
        };
        if let Some(watch) = self.watch.take() {
            self.connection.note_end(ended.err());
            watch.end(ended);
        }
        advanced
    }

    /// Goes to the next row. Returns false behind the last one.
    #[cfg(not(feature = "tracing"))]
    #[inline]
    fn advance(&mut self, check: Check) -> impl Future<Output = Result<bool>> {
        self.go_on(check)
    }

    async fn go_on(&mut self, check: Check) -> Result<bool> {
        loop {
            if let Some((rows, lent)) = &mut self.held {
                let slot = self.ticket.ok_or_else(gone)?.slot;
                if *lent >= rows.len() && !rows.are_lost() {
                    return Ok(false);
                }
                self.connection.learn(slot, check).await?;
                rows.check(&self.connection.cache.get(slot).ok_or_else(gone)?.sql)?;
                *lent += 1;
                return Ok(true);
            }
            if self.completion.is_some() {
                return Ok(false);
            }
            let ticket = match self.ticket {
                Some(ticket) => ticket,
                None => {
                    self.connection.settle().await?;
                    let sql: &dyn Statement = &self.sql;
                    let known = self.connection.learn_ahead(sql, &self.params, check).await;
                    if let Err(error) = known {
                        self.begin_again(error)?;
                        continue;
                    }
                    *self.ticket.insert(self.connection.submit_alone(&self.sql, &self.params)?)
                }
            };
            let step = self.step(ticket);
            match step.map_err(|error| self.connection.refuse(error))? {
                Step::Wait => {
                    let filled = self.connection.driver.fill().await;
                    filled.map_err(|error| self.lost(ticket, error))?;
                }
                Step::Row => {
                    let connection: &mut Connection = &mut self.connection;
                    let catalog = connection.discovery.catalog();
                    let entry = connection.cache.get_mut(ticket.slot).ok_or_else(gone)?;
                    if entry.checked == check as usize {
                        return Ok(true);
                    }
                    match check_columns(entry, check, &catalog) {
                        Ok(()) => return Ok(true),
                        Err(Unfit::Wrong(error)) => return Err(error),
                        Err(Unfit::Unknown(_)) => self.hold(ticket).await?,
                    }
                }
                Step::Done(completion) => {
                    let ready = self.connection.ready().await;
                    ready.map_err(|error| self.lost(ticket, error))?;
                    self.completion = Some(completion);
                    if completion.rolled_back {
                        self.connection.judge(ticket.slot, completion)?;
                    }
                }
                Step::Failed(error) => self.fail(ticket, error).await?,
            }
        }
    }

    #[cold]
    fn lost(&self, ticket: Ticket, error: Error) -> Error {
        if self.connection.is_commit(ticket.slot) { of_commit(error) } else { error }
    }

    /// Ends after an error of the server's, or begins again where the statement was stale.
    #[cold]
    async fn fail(&mut self, ticket: Ticket, error: Error) -> Result<()> {
        self.connection.note_failure(ticket.slot, &error);
        if let Err(broken) = self.connection.read_to_ready().await {
            return Err(self.lost(ticket, broken.after(Some(error))));
        }
        self.begin_again(error).map_err(|error| self.lost(ticket, error))
    }

    /// Begins again where the statement was stale, and ends with the error where it was not.
    #[cold]
    fn begin_again(&mut self, error: Error) -> Result<()> {
        if error.can_be_healed() {
            let usable = !self.connection.is_closed();
            if usable && !self.again && self.connection.status() == TransactionStatus::Idle {
                self.again = true;
                self.ticket = None;
                return Ok(());
            }
        }
        Err(error)
    }

    /// Takes rows over, the current one first, so that the server can be asked for their types. All are read: where they
    /// are too many to be held they are lost.
    #[cold]
    async fn hold(&mut self, ticket: Ticket) -> Result<()> {
        let mut rows = Bodies::to_lend();
        rows.push(self.connection.driver.conversation.body());
        let completion = loop {
            let step = self.step(ticket);
            match step.map_err(|error| self.connection.refuse(error))? {
                Step::Wait => self.connection.driver.fill().await?,
                Step::Row => rows.push(self.connection.driver.conversation.body()),
                Step::Done(completion) => break completion,
                Step::Failed(error) => {
                    return match self.connection.read_to_ready().await {
                        Ok(()) => Err(error),
                        Err(broken) => Err(broken.after(Some(error))),
                    };
                }
            }
        };
        self.connection.ready().await?;
        self.completion = Some(completion);
        self.held = Some((rows, 0));
        Ok(())
    }

    /// Reads what is there up to the next row.
    fn step(&mut self, ticket: Ticket) -> Result<Step> {
        let connection: &mut Connection = &mut self.connection;
        if ticket.call != connection.call {
            return Err(Error::new(ErrorKind::Usage, "the rows belong to a call that is over"));
        }
        connection.driver.conversation.pass_bind_complete();
        loop {
            if connection.driver.conversation.next_row().is_some() {
                return Ok(Step::Row);
            }
            let Some(event) = connection.advance()? else { return Ok(Step::Wait) };
            match event {
                Event::DataRow => return Ok(Step::Row),
                Event::CommandComplete => {
                    connection.note_selected(ticket.slot);
                    return completion(connection.driver.conversation.body()).map(Step::Done);
                }
                Event::EmptyQuery => {
                    return Ok(Step::Done(Completion { rows: 0, rolled_back: false }));
                }
                Event::Error => {
                    let sql = connection.cache.get(ticket.slot).map(|entry| entry.sql.clone());
                    return Ok(Step::Failed(connection.server_error(sql)));
                }
                Event::PortalSuspended | Event::ReadyForQuery => {
                    return Err(Error::new(
                        ErrorKind::Protocol,
                        "the server ends an answer before its statement",
                    ));
                }
                _ => {}
            }
        }
    }
}

/// What became of looking for the next row.
enum Step {
    Wait,
    Row,
    Done(Completion),
    Failed(Error),
}
