//! Statements in flight: put together without I/O, sent as one flush, answered in order.
//!
//! [`Connection::begin_batch`], [`Connection::submit`] for each statement, [`Connection::sync`], then
//! [`Connection::rows`] for each [`Ticket`] in order, and [`Connection::ready`] at the end. Nothing is written before the
//! first answer is awaited, so that all statements leave in one write.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use stellata_protocol::message::{CommandTag, TransactionStatus, read_row_description};
use stellata_protocol::{
    ColumnError, Columns, Conversation, Event, Expect, FieldDescription, Oid, Params, SqlState,
};

use crate::connection::Connection;
use crate::connection::columns::{Check, Sink, decode_error};
use crate::connection::discovery::Discovery;
use crate::error::{Error, ErrorKind, Result};
use crate::statement::Statement;
use crate::statement::cache::{Prepared, Slot, SlotId};

/// A statement that was submitted, to be handed to [`Connection::rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) slot: SlotId,
    pub(super) call: u64,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// How many rows were written, read or fetched; 0 for a statement that counts none.
    pub rows: u64,
    /// Whether it was a COMMIT or ROLLBACK that ended in `ROLLBACK`. Of a COMMIT all calls but [`Connection::rows`] make an
    /// error of it: [`ErrorKind::RolledBack`].
    pub rolled_back: bool,
}

/// A statement whose Parse is in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parsing {
    pub(super) slot: SlotId,
    /// The group of requests that it belongs to.
    pub(super) call: u64,
}

impl Connection {
    /// Begins a batch. Whatever was asked before is given up: its answers will be passed over, however long that takes.
    /// [`Connection::settle`] before it bounds that.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more, or why it can't be used any more where that has
    /// just come. [`ErrorKind::Usage`] while what was asked before is still being cancelled, which waits for somebody to
    /// wait for it: unlike this, [`Connection::batch`] can be called then.
    #[inline]
    pub fn begin_batch(&mut self) -> Result<()> {
        if self.driver.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the connection is closed"));
        }
        if self.open {
            self.end_last()?;
        }
        if self.driver.conversation.has_strays() {
            self.take_strays()?;
        }
        self.begin_requests();
        Ok(())
    }

    #[inline]
    fn begin_requests(&mut self) {
        self.driver.conversation.abandon();
        self.call = self.driver.conversation.begin();
        self.open = true;
        #[cfg(feature = "tracing")]
        self.watched.clear();
    }

    /// [`Connection::begin_batch`] for calls that can't wait: what the call before asked may still run, or be being
    /// cancelled. Nothing may be written before [`Connection::poll_held_up`] is through.
    pub(crate) fn begin_ahead(&mut self) -> Result<()> {
        if self.unsent {
            self.withdraw();
        }
        if self.driver.is_closed() || self.is_quiet() || self.is_riding() {
            return self.begin_batch();
        }
        self.hold_back()?;
        self.begin_requests();
        Ok(())
    }

    /// Ends what the last call has left open.
    #[cold]
    fn end_last(&mut self) -> Result<()> {
        if self.unsent {
            self.withdraw();
            if !self.open {
                return Ok(());
            }
        }
        if let Some(cancelling) = &mut self.cancelling {
            let ended = pin!(tokio::task::unconstrained(cancelling))
                .poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(ended) = ended else {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "the call before is still being cancelled, which could hit this one: drain the connection first",
                ));
            };
            self.cancelling = None;
            self.note_cancelled(ended)?;
        }
        // A batch was left half put together; its failure must not reach into this one. Where something was cancelled,
        // what is late of that hits this.
        self.driver.conversation.sync().map_err(Error::protocol)
    }

    /// Takes in what came behind the end of the last call, so that it can't pass for the answer to this one.
    #[cold]
    fn take_strays(&mut self) -> Result<()> {
        // The server's goodbye is the only answer that nobody has to ask for; the conversation refuses all others.
        match self.driver.advance()? {
            Some(_) => Err(self.server_error(None)),
            None => Ok(()),
        }
    }

    pub(super) fn close_batch(&mut self) {
        self.open = self.cancelling.is_some();
    }

    /// Adds a statement to the batch. Nothing is written yet.
    ///
    /// A statement that is not prepared yet is prepared in the same flush, so that its first use costs no further round
    /// trip. A parameter type of 0 is left for the server to infer.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when the statement or its parameters can't be sent: a NUL in the text, more than 65 535
    /// parameters, 2 GiB. Nothing of the batch is sent then: it is over, unless a part of it has been written already.
    #[inline]
    pub fn submit(&mut self, statement: &dyn Statement, params: &Params) -> Result<Ticket> {
        let ticket = self.append(statement, params);
        if ticket.is_err() {
            self.withdraw();
        }
        ticket
    }

    /// As [`Connection::submit`], but the rest of the batch stays when the statement can't be sent.
    #[inline]
    pub(super) fn append(&mut self, statement: &dyn Statement, params: &Params) -> Result<Ticket> {
        let ticket = self.put(statement, params, false)?;
        #[cfg(feature = "tracing")]
        self.note_asked(statement, params);
        Ok(ticket)
    }

    /// As [`Connection::submit`], of a statement that is not watched as part of a batch. `again`: if its name is gone it is
    /// run again.
    #[inline]
    pub(super) fn put(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
        again: bool,
    ) -> Result<Ticket> {
        if !self.forgotten.is_empty() {
            self.close_forgotten()?;
        }
        let slot = match self.cache.find(statement.key(), params.types(), self.call) {
            Some(slot) => slot,
            None => self.add(statement, params.types())?,
        };
        let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
        if entry.prepared != Prepared::Yes {
            return self.put_unprepared(slot, params, again);
        }
        match self.driver.conversation.run(&entry.head, params) {
            Ok(()) => {
                self.counts.bound += 1;
                Ok(Ticket { slot, call: self.call })
            }
            Err(error) => Err(Error::encode(error).with_sql(Some(entry.sql.clone()))),
        }
    }

    /// As [`Connection::put`], of a statement that is to be prepared, or of which there is more to be said.
    #[inline(never)]
    fn put_unprepared(&mut self, slot: SlotId, params: &Params, again: bool) -> Result<Ticket> {
        let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
        let conversation = &mut self.driver.conversation;
        let (place, before) = (conversation.place(), entry.prepared);
        // What an earlier group of the batch asks to prepare may fail with that group.
        let group = self.call.max(self.group);
        let is_there = !entry.name.is_empty()
            && (before == Prepared::Asked(group)
                || (before == Prepared::Mixed && (again || !entry.doubted)));
        let asked = match is_there {
            true => Ok(()),
            false => prepare(conversation, entry, params.types()),
        };
        let sent = asked.and_then(|()| match &entry.formats {
            Some(formats) => conversation
                .bind_formats("", &entry.name, params, formats)
                .and_then(|()| conversation.execute(0)),
            None => conversation.run(&entry.head, params),
        });
        if let Err(error) = sent {
            // Nothing of a statement that can't be sent is to fail the others.
            conversation.withdraw(place);
            return Err(Error::encode(error).with_sql(Some(entry.sql.clone())));
        }
        if !is_there {
            entry.prepared = Prepared::Asked(group);
            self.counts.parsed += 1;
            self.parsing.push_back(Parsing { slot, call: group });
        }
        self.counts.bound += 1;
        Ok(Ticket { slot, call: self.call })
    }

    /// Sends a statement alone in a batch of its own: [`Connection::begin_batch`], [`Connection::submit`] and
    /// [`Connection::sync`] in fewer steps.
    #[inline]
    pub(super) fn submit_alone(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
    ) -> Result<Ticket> {
        self.begin_batch()?;
        if self.forgotten.is_empty()
            && let Some(slot) = self.cache.find(statement.key(), params.types(), self.call)
            && let Some(entry) = self.cache.get(slot)
            && entry.prepared == Prepared::Yes
        {
            return match self.driver.conversation.run_alone(&entry.head, params) {
                Ok(()) => {
                    self.open = false;
                    self.counts.bound += 1;
                    Ok(Ticket { slot, call: self.call })
                }
                Err(error) => Err(Error::encode(error).with_sql(Some(entry.sql.clone()))),
            };
        }
        match self.put(statement, params, self.is_idle()) {
            Ok(ticket) => self.sync().map(|()| ticket),
            Err(error) => {
                self.withdraw();
                Err(error)
            }
        }
    }

    #[cold]
    pub(super) fn close_forgotten(&mut self) -> Result<()> {
        let is_small = self.cache.shrink(self.call, &mut self.forgotten);
        for name in self.forgotten.drain(..) {
            if !name.is_empty() {
                self.driver.conversation.close_statement(&name).map_err(Error::protocol)?;
            }
        }
        if !is_small {
            self.look_again();
        }
        Ok(())
    }

    /// Has the next call look at the size of the cache again: what this one uses can't go before it is over.
    #[cold]
    fn look_again(&mut self) {
        self.forgotten.push(Box::default());
    }

    #[cold]
    pub(super) fn add(&mut self, statement: &dyn Statement, types: &[Oid]) -> Result<SlotId> {
        let sql = statement.sql()?;
        let slot = self
            .cache
            .insert(statement.key(), types, &sql, self.call, &mut self.forgotten)
            .map_err(Error::encode)?;
        self.close_forgotten()?;
        Ok(slot)
    }

    /// Ends the batch: what fails before this point reaches no further, and all before it is one transaction unless the
    /// statements say otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more.
    #[inline]
    pub fn sync(&mut self) -> Result<()> {
        self.driver.conversation.sync().map_err(Error::protocol)?;
        self.open = self.cancelling.is_some();
        Ok(())
    }

    /// Reads the rows of a submitted statement, in the order of submission.
    ///
    /// `check` looks at the columns once per statement and row type; `sink` gets each row, borrowed from the read buffer.
    ///
    /// # Errors
    /// What the server says of the statement, or of one before it in the batch; the batch has then been read to its end.
    /// [`ErrorKind::Decode`] when a column does not fit; the rest of the batch is then passed over.
    ///
    /// # Cancel safety
    /// When the future is dropped the statement may run all the same. The next call passes over its answer.
    pub fn rows<'c>(
        &'c mut self,
        ticket: Ticket,
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &'c mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> impl Future<Output = Result<Completion>> + Send {
        #[cfg(feature = "tracing")]
        let rows = self.watch_rows(ticket, check, sink);
        #[cfg(not(feature = "tracing"))]
        let rows = self.read_answer(ticket, check, sink);
        rows
    }

    pub(super) async fn read_answer(
        &mut self,
        ticket: Ticket,
        check: Check,
        sink: Sink<'_>,
    ) -> Result<Completion> {
        if ticket.call != self.call {
            return Err(Error::new(ErrorKind::Usage, "the ticket belongs to a batch that is over"));
        }
        if self.discovery.holds(self.call) {
            return self.rows_behind(ticket.slot, check, sink).await;
        }
        loop {
            let step = self.read_rows(ticket.slot, check, sink);
            match step.map_err(|error| self.refuse(error))? {
                Step::Wait => self.driver.fill().await?,
                Step::Done(completion) | Step::RolledBack(completion) => {
                    if self.discovery.holds(self.call) {
                        self.resolve(ticket.slot, check, sink).await?;
                    }
                    return Ok(completion);
                }
                Step::Failed(error) => {
                    self.note_failure(ticket.slot, &error);
                    if let Err(broken) = self.read_to_ready().await {
                        return Err(broken.after(Some(error)));
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Reads the answer to a statement that is alone in its batch, to the end of the batch: [`Connection::rows`] and
    /// [`Connection::ready`] in fewer steps. `outcome` is kept between polls.
    #[inline(always)]
    pub(super) fn poll_alone(
        &mut self,
        cx: &mut Context<'_>,
        ticket: Ticket,
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
        outcome: &mut Option<Result<Completion>>,
    ) -> Poll<Result<Completion>> {
        // Nothing of the answer can be there before the statement is written, and nothing more of it before a read.
        loop {
            if let Err(broken) = ready!(self.driver.poll_fill(cx)) {
                // Of a statement that went well nobody knows without its ReadyForQuery whether it was committed.
                return Poll::Ready(Err(broken.after(outcome.take().and_then(Result::err))));
            }
            if outcome.is_none() {
                let step = self.read_rows(ticket.slot, check, sink);
                match step.map_err(|error| self.refuse(error))? {
                    Step::Wait => continue,
                    Step::Done(completion) => *outcome = Some(Ok(completion)),
                    Step::RolledBack(completion) => {
                        *outcome = Some(self.judge(ticket.slot, completion));
                    }
                    // A server that ended the session sends no ReadyForQuery.
                    Step::Failed(error) if self.driver.is_closed() => {
                        return Poll::Ready(Err(error));
                    }
                    Step::Failed(error) => {
                        self.note_failure(ticket.slot, &error);
                        *outcome = Some(Err(error));
                    }
                }
            }
            if self.parsing.is_empty() && self.driver.conversation.pass_ready() {
                return Poll::Ready(outcome.take().unwrap_or_else(|| Err(gone())));
            }
            while let Some(event) = self.advance()? {
                match event {
                    Event::ReadyForQuery => {
                        return Poll::Ready(outcome.take().unwrap_or_else(|| Err(gone())));
                    }
                    Event::Error => {
                        // A constraint that was deferred to the end, or the server's goodbye.
                        let error = self.server_error(None);
                        if self.driver.is_closed() {
                            return Poll::Ready(Err(error));
                        }
                        *outcome = Some(Err(error));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Reads what is there of a statement's answer.
    #[inline]
    pub(super) fn read_rows(
        &mut self,
        slot: SlotId,
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> Result<Step> {
        self.driver.conversation.pass_bind_complete();
        loop {
            if let Some(body) = self.driver.conversation.next_row() {
                let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
                read_row(body, entry, &mut self.discovery, self.call, check, sink)?;
                while let Some(body) = self.driver.conversation.next_row() {
                    let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
                    read_row(body, entry, &mut self.discovery, self.call, check, sink)?;
                }
                if let Some(body) = self.driver.conversation.next_complete() {
                    if let Some(rows) = CommandTag::everyday(body) {
                        return Ok(Step::Done(Completion { rows, rolled_back: false }));
                    }
                    return self.end_otherwise(slot);
                }
            } else if let Some(body) = self.driver.conversation.next_complete() {
                // Apart from those with rows: not all that ends as a `select` is one.
                if let Some(rows) = CommandTag::written(body) {
                    return Ok(Step::Done(Completion { rows, rolled_back: false }));
                }
                return self.end_otherwise(slot);
            }
            if let Some(step) = self.read_event(slot, check, sink)? {
                return Ok(step);
            }
        }
    }

    /// Takes in the end of a statement that is none of the everyday ones.
    #[inline(never)]
    fn end_otherwise(&mut self, slot: SlotId) -> Result<Step> {
        let completion = completion(self.driver.conversation.body())?;
        match self.ends_as_select() {
            true => self.note_selected(slot),
            false => self.note_command(),
        }
        Ok(Step::ended(completion))
    }

    /// Reads what comes next of a statement's answer, where that is neither a row nor the end. `None`: there may be more.
    #[inline(never)]
    fn read_event(&mut self, slot: SlotId, check: Check, sink: Sink<'_>) -> Result<Option<Step>> {
        let Some(event) = self.advance()? else {
            return Ok(Some(Step::Wait));
        };
        match event {
            Event::DataRow => {
                let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
                let body = self.driver.conversation.body();
                read_row(body, entry, &mut self.discovery, self.call, check, sink)?;
                Ok(None)
            }
            Event::CommandComplete => {
                self.note_selected(slot);
                Ok(Some(Step::ended(completion(self.driver.conversation.body())?)))
            }
            Event::EmptyQuery => Ok(Some(Step::Done(Completion { rows: 0, rolled_back: false }))),
            Event::Error => {
                let sql = self.cache.get(slot).map(|entry| entry.sql.clone());
                Ok(Some(Step::Failed(self.server_error(sql))))
            }
            Event::PortalSuspended => Err(Error::new(
                ErrorKind::Protocol,
                "the server holds back rows that were all asked for",
            )),
            Event::ReadyForQuery => {
                Err(Error::new(ErrorKind::Usage, "a statement before it in the batch failed"))
            }
            _ => Ok(None),
        }
    }

    /// Reads to the end of the batch; returns where the session stands as to transactions.
    ///
    /// # Errors
    /// An error that comes with the end itself, such as a deferred constraint.
    ///
    /// # Cancel safety
    /// When the future is dropped the next call passes over what is still to come.
    #[inline]
    pub async fn ready(&mut self) -> Result<TransactionStatus> {
        if self.discovery.holds(self.call) {
            return self.ready_behind();
        }
        let mut failed: Option<Error> = None;
        loop {
            match self.advance()? {
                None => {
                    let filled = self.driver.fill().await;
                    filled.map_err(|broken| broken.after(failed.take()))?;
                }
                Some(Event::Error) => {
                    let error = self.server_error(None);
                    if self.driver.is_closed() {
                        // A server that ends the session sends no ReadyForQuery.
                        return Err(error);
                    }
                    self.pass(Event::Error);
                    failed = Some(error);
                }
                Some(Event::ReadyForQuery) => {
                    #[cfg(feature = "tracing")]
                    self.note_end(failed.as_ref());
                    return match failed {
                        Some(error) => Err(error),
                        None => Ok(self.status()),
                    };
                }
                // Nobody has asked for the answer.
                Some(event @ (Event::DataRow | Event::CommandComplete)) => self.pass(event),
                Some(_) => {}
            }
        }
    }

    /// Reads to the end of the batch after an error, so that the status is known.
    pub(super) async fn read_to_ready(&mut self) -> Result<()> {
        // A server that ended the session sends no ReadyForQuery.
        while !self.driver.is_closed() {
            match self.advance()? {
                None => self.driver.fill().await?,
                Some(Event::ReadyForQuery) => break,
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Notes what an answer tells about statements, also when nobody waits for it any more.
    pub(super) fn note_statement(&mut self, event: Event, request: u64) -> Result<()> {
        match event {
            Event::ParseComplete => {
                if let Some(parsing) = self.parsing.front().filter(|first| first.call == request)
                    && let Some(entry) = self.cache.get_mut(parsing.slot)
                {
                    entry.prepared = match &entry.formats {
                        // The unnamed statement is another's soon.
                        _ if entry.name.is_empty() => Prepared::No,
                        None if !entry.doubted => Prepared::Yes,
                        _ => Prepared::Mixed,
                    };
                }
            }
            Event::RowDescription => {
                // That of a simple query is nobody's who waits for a statement.
                if let Some(parsing) = self.parsing.pop_front_if(|first| first.call == request) {
                    let fields = read_row_description(self.driver.conversation.body())
                        .map_err(Error::protocol)?;
                    self.note_fields(parsing.slot, fields);
                }
            }
            Event::NoData => {
                if let Some(parsing) = self.parsing.pop_front_if(|first| first.call == request) {
                    self.note_fields(parsing.slot, Vec::new());
                }
            }
            // What the calls up to here asked to prepare, and did not get, is not prepared.
            Event::ReadyForQuery => {
                while let Some(&parsing) = self.parsing.front()
                    && parsing.call <= request
                {
                    self.parsing.pop_front();
                    if !self.parsing.iter().any(|later| later.slot == parsing.slot) {
                        self.forget(parsing.slot);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes what an error tells of a statement, so that it can run when it is sent again.
    #[cold]
    pub(super) fn note_failure(&mut self, slot: SlotId, error: &Error) {
        if error.is_stale_statement() {
            match error.sqlstate() {
                Some(SqlState::INVALID_SQL_STATEMENT_NAME) => self.lose_name(slot),
                Some(SqlState::DUPLICATE_PREPARED_STATEMENT) => self.share_name(slot),
                _ => self.forget(slot),
            }
        } else if error.is_unsendable()
            && let Some(entry) = self.cache.get_mut(slot)
        {
            entry.ask_for_text();
        }
    }

    /// Forgets a statement whose name is gone. That may have been done behind the connection's back; or there is a pooler,
    /// which is suspected from now on where nothing has spoken for one before, and is there where something has.
    fn lose_name(&mut self, slot: SlotId) {
        // There is nothing to be closed.
        self.cache.remove(slot);
        if self.cache.is_doubted() {
            self.drop_names();
        } else if !self.cache.is_trusted() {
            self.cache.doubt_names();
        }
    }

    /// Forgets a statement whose name is there, though the connection has not prepared it: another has, behind a pooler,
    /// unless it was said that there is none.
    fn share_name(&mut self, slot: SlotId) {
        if !self.cache.is_trusted() {
            self.forget(slot);
            self.drop_names();
        } else if let Some(entry) = self.cache.remove(slot) {
            self.forgotten.push(entry.name);
        }
    }

    /// Goes on without names of statements: the session's backend is not its own.
    fn drop_names(&mut self) {
        // Others may use what is there by those names.
        self.forgotten.clear();
        // The empty name can always be sent.
        let _ = self.cache.make_unnamed();
    }

    /// Forgets a statement, and has the server forget it with the next flush.
    pub(super) fn forget(&mut self, slot: SlotId) {
        if let Some(entry) = self.cache.remove(slot)
            && entry.is_prepared()
            && !self.cache.is_unnamed()
        {
            self.forgotten.push(entry.name);
        }
    }

    fn note_fields(&mut self, slot: SlotId, fields: Vec<FieldDescription>) {
        if let Some(entry) = self.cache.get_mut(slot) {
            entry.describe(fields);
        }
    }
}

/// What the body of a CommandComplete tells.
#[inline]
pub(super) fn completion(body: &[u8]) -> Result<Completion> {
    Ok(Completion {
        rows: CommandTag::count(body).map_err(Error::protocol)?,
        rolled_back: body == b"ROLLBACK\0",
    })
}

/// Asks for a statement to be prepared and described.
#[cold]
pub(super) fn prepare(
    conversation: &mut Conversation,
    entry: &Slot,
    types: &[Oid],
) -> stellata_protocol::Result<()> {
    if (entry.doubted || matches!(entry.prepared, Prepared::Asked(_))) && !entry.name.is_empty() {
        // Whether a call that was given up got it prepared is not known yet, nor what stands behind a pooler. Closing what is not there is no error;
        // preparing what is there would be one.
        conversation.close_statement(&entry.name)?;
    }
    conversation.parse(&entry.name, &entry.sql, types)?;
    conversation.describe_statement(&entry.name)
}

/// Hands one row to the caller, after its columns have been checked; or holds it, until it is known what their types are.
#[inline]
pub(super) fn read_row(
    body: &[u8],
    entry: &mut Slot,
    discovery: &mut Discovery,
    call: u64,
    check: Check,
    sink: Sink<'_>,
) -> Result<()> {
    if entry.checked != check as usize && !discovery.first_row(body, entry, call, check)? {
        return Ok(());
    }
    let mut columns = Columns::new(body, &entry.column_types).map_err(Error::protocol)?;
    match sink(&mut columns) {
        Ok(()) => columns.end().map_err(Error::protocol),
        Err(error) => Err(refused(error, body, entry, discovery)),
    }
}

/// A value that can't be read, of a type that may have been changed since it was asked for.
#[cold]
fn refused(error: ColumnError, body: &[u8], entry: &mut Slot, discovery: &Discovery) -> Error {
    let fields = entry.fields.as_deref().unwrap_or_default();
    let refused = decode_error(error, fields, &entry.sql, &discovery.catalog(), None, Some(body));
    if let Some(field) = fields.get(error.index)
        && field.type_oid.is_user_defined()
    {
        discovery.doubt(field.type_oid);
        entry.checked = 0;
    }
    refused
}

#[cold]
pub(super) fn gone() -> Error {
    Error::new(ErrorKind::Usage, "the statement is gone from the cache")
}

/// What became of reading what is there.
pub(super) enum Step {
    Wait,
    Done(Completion),
    /// It is a COMMIT or ROLLBACK that ended in `ROLLBACK`.
    RolledBack(Completion),
    Failed(Error),
}

impl Step {
    fn ended(completion: Completion) -> Self {
        if completion.rolled_back { Self::RolledBack(completion) } else { Self::Done(completion) }
    }
}
