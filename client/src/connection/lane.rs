//! Statements of several callers in flight on one connection: what the shared lanes of a pool stand on.
//!
//! Other calls of a connection give up what was asked before them. Here nothing is given up: statements are added at any
//! time, alone under a Sync of their own or several under one, and their answers are read in that order by whoever drives
//! the connection. Rows are handed out as bytes, and are read later, elsewhere, with what the statement is known by.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use stellata_protocol::message::CommandTag;
use stellata_protocol::{ColumnError, Columns, ErrorKind as Wire, Event, Expect, Params, Reader};

use crate::connection::Connection;
use crate::connection::batch::{Completion, completion};
use crate::connection::columns::{Check, decode_error};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::Statement;
use crate::statement::cache::{Prepared, SlotId};
use crate::statement::layout::Layout;
#[cfg(feature = "tracing")]
use crate::trace::Watch;
use crate::types::DatabaseTypes;

/// A statement in flight on a lane.
pub struct LaneTicket {
    slot: SlotId,
    sql: Arc<str>,
    /// `None` until its columns are known.
    layout: Option<Arc<Layout>>,
    types: Arc<DatabaseTypes>,
    #[cfg(feature = "tracing")]
    watch: Watch,
}

impl fmt::Debug for LaneTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneTicket").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// What comes next on a lane.
#[derive(Debug)]
pub enum LaneEvent {
    /// A row of the statement that is being answered: [`Lane::row`].
    Row,
    /// The statement has ended. The next event belongs to the one behind it, or is [`LaneEvent::Ready`].
    Done(Completion),
    /// The statement has failed, and those behind it up to the next Sync are not run.
    Failed {
        /// What the server says.
        error: Error,
        /// Whether the same statement may run when it is sent once more.
        again: bool,
    },
    /// The answer to a Sync.
    Ready,
}

/// Why rows that came over a lane were not read.
#[derive(Debug)]
pub enum Unread {
    /// The connection has to be asked first what their types are, which a lane does not do.
    UnknownType,
    /// They can't be: [`ErrorKind::Decode`], or [`ErrorKind::Protocol`] for what is no row.
    Failed(Error),
}

/// A connection that several callers share by pipelining: [`Connection::lane`].
///
/// It keeps no list of who asked what. Whoever uses it remembers the tickets in their order and where the Syncs stand
/// between them, and hands the ticket that is being answered to [`Lane::next`].
#[derive(Debug)]
pub struct Lane<'c>(&'c mut Connection);

impl Connection {
    /// Adds statements without giving up those that are in flight.
    ///
    /// The connection has to be [quiet](Connection::is_quiet) when the first one is added, and is not to be used in another
    /// way before all have been answered; what is not is passed over by the next call, as ever.
    #[inline]
    pub fn lane(&mut self) -> Lane<'_> {
        Lane(self)
    }
}

impl Lane<'_> {
    /// Adds a statement, as the first of a group where `is_first`, and with the Sync that ends the group where `is_last`.
    /// Nothing is written yet. `None`, and nothing is added, for a statement whose answers don't belong on a lane: they were
    /// too large before, or have types that nobody knows.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more, and as [`Connection::submit`]. The group may hold
    /// a part of the statement then, and is to be ended by [`Lane::sync`].
    #[inline]
    pub fn submit(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
        is_first: bool,
        is_last: bool,
    ) -> Result<Option<LaneTicket>> {
        let connection = &mut *self.0;
        let found = connection.cache.find(statement.key(), params.types(), connection.call);
        let entry = found.and_then(|slot| connection.cache.get(slot));
        let layout = entry.and_then(|entry| entry.layout.as_ref());
        if layout.is_some_and(|layout| layout.unfit.load(Ordering::Relaxed)) {
            return Ok(None);
        }
        if is_first {
            connection.call = connection.driver.conversation.begin();
            connection.open = true;
        }
        if connection.driver.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the connection is closed"));
        }
        if let (Some(slot), Some(entry)) = (found, entry)
            && entry.prepared == Prepared::Yes
            && connection.forgotten.is_empty()
        {
            let conversation = &mut connection.driver.conversation;
            let sent = match is_last {
                true => conversation.run_alone(&entry.head, params),
                false => conversation.run(&entry.head, params),
            };
            sent.map_err(|error| Error::encode(error).with_sql(Some(entry.sql.clone())))?;
            connection.open &= !is_last;
            connection.counts.bound += 1;
            return Ok(connection.lane_ticket(slot, params));
        }
        let slot = connection.put(statement, params, false)?.slot;
        if is_last {
            connection.sync()?;
        }
        Ok(connection.lane_ticket(slot, params))
    }

    /// Ends the group: what fails before this point reaches no further.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more.
    #[inline]
    pub fn sync(&mut self) -> Result<()> {
        self.0.sync()
    }

    /// Writes what is unsent and reads what has come; pending until more bytes have. Every group has to be ended before.
    ///
    /// # Errors
    /// Why the connection is gone.
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.driver.poll_fill(cx)
    }

    /// As [`Lane::poll_fill`], but writes nothing: what is unsent, or belongs to a group that has no end yet, stays.
    ///
    /// # Errors
    /// Why the connection is gone.
    #[inline]
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.driver.poll_receive(cx)
    }

    /// How many bytes have not been written yet.
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.0.driver.conversation.output().len()
    }

    /// What comes next, of what is there. `answering` is the oldest statement that has not ended; `None` where all before
    /// the next Sync have.
    ///
    /// # Errors
    /// When the session is over: the server's own last words, or that it broke the protocol.
    #[inline]
    pub fn next(&mut self, answering: Option<&mut LaneTicket>) -> Result<Option<LaneEvent>> {
        let connection = &mut *self.0;
        connection.driver.conversation.pass_bind_complete();
        if connection.driver.conversation.next_row().is_some() {
            return connection.row_of(answering).map(Some);
        }
        if let Some(body) = connection.driver.conversation.next_complete() {
            if let Some(rows) = CommandTag::everyday(body) {
                return Ok(Some(LaneEvent::Done(Completion { rows, rolled_back: false })));
            }
            let completion = completion(body)?;
            connection.note_command();
            return Ok(Some(LaneEvent::Done(completion)));
        }
        if connection.parsing.is_empty() && connection.driver.conversation.pass_ready() {
            return Ok(Some(LaneEvent::Ready));
        }
        connection.next_event(answering)
    }

    /// The body of the row that has just come.
    #[inline]
    #[must_use]
    pub fn row(&self) -> &[u8] {
        self.0.driver.conversation.body()
    }
}

impl Connection {
    #[inline]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "they are for tracers"))]
    fn lane_ticket(&mut self, slot: SlotId, params: &Params) -> Option<LaneTicket> {
        let sql = Arc::clone(&self.cache.get(slot)?.sql);
        let mut ticket = LaneTicket {
            slot,
            #[cfg(feature = "tracing")]
            watch: self.labels.watch(|| sql.to_string(), params),
            sql,
            layout: None,
            types: Arc::clone(&self.discovery.database),
        };
        self.find_layout(&mut ticket);
        Some(ticket)
    }

    #[inline]
    fn row_of(&mut self, answering: Option<&mut LaneTicket>) -> Result<LaneEvent> {
        if let Some(ticket) = answering
            && ticket.layout.is_none()
        {
            self.find_layout(ticket);
        }
        Ok(LaneEvent::Row)
    }

    #[inline(never)]
    fn next_event(&mut self, mut answering: Option<&mut LaneTicket>) -> Result<Option<LaneEvent>> {
        loop {
            let Some(event) = self.advance()? else { return Ok(None) };
            match event {
                Event::DataRow => return self.row_of(answering).map(Some),
                Event::CommandComplete => {
                    return Ok(Some(LaneEvent::Done(completion(self.driver.conversation.body())?)));
                }
                Event::EmptyQuery => {
                    let none = Completion { rows: 0, rolled_back: false };
                    return Ok(Some(LaneEvent::Done(none)));
                }
                Event::RowDescription | Event::NoData => {
                    if let Some(ticket) = answering.as_deref_mut() {
                        self.find_layout(ticket);
                    }
                }
                Event::Error => {
                    let sql = answering.as_ref().map(|ticket| Arc::clone(&ticket.sql));
                    let error = self.server_error(sql);
                    if self.driver.is_closed() {
                        return Err(error);
                    }
                    if let Some(ticket) = answering {
                        self.note_lane_failure(ticket, &error);
                    }
                    let again = error.can_be_healed();
                    return Ok(Some(LaneEvent::Failed { error, again }));
                }
                Event::PortalSuspended => {
                    let message = "the server holds back rows that were all asked for";
                    return Err(self.refuse(Error::new(ErrorKind::Protocol, message)));
                }
                Event::ReadyForQuery => return Ok(Some(LaneEvent::Ready)),
                _ => {}
            }
        }
    }

    /// Whether the place in the cache is still that of the statement: it may have been evicted while this was in flight.
    fn is_there(&self, ticket: &LaneTicket) -> bool {
        self.cache.get(ticket.slot).is_some_and(|entry| Arc::ptr_eq(&entry.sql, &ticket.sql))
    }

    /// Notes what an error tells of the statement, unless another's has told it already.
    #[cold]
    fn note_lane_failure(&mut self, ticket: &LaneTicket, error: &Error) {
        if !self.is_there(ticket) {
            return;
        }
        let is_old = match (self.cache.get(ticket.slot).map(|entry| &entry.layout), &ticket.layout)
        {
            (Some(Some(now)), Some(then)) => !Arc::ptr_eq(now, then),
            (Some(None), Some(_)) => true,
            _ => false,
        };
        if !is_old {
            self.note_failure(ticket.slot, error);
        }
    }

    /// Takes note of what the rows of a statement are read with, if that is known.
    #[inline]
    fn find_layout(&mut self, ticket: &mut LaneTicket) {
        let Some(entry) = self.cache.get_mut(ticket.slot) else { return };
        if !Arc::ptr_eq(&entry.sql, &ticket.sql) {
            return;
        }
        if entry.layout.is_none()
            && let Some(fields) = &entry.fields
        {
            let layout = Layout::new(fields, &entry.column_types);
            if fields.is_empty() {
                // It is no read, whatever its tag will be: it may leave something in the session.
                layout.unfit.store(true, Ordering::Relaxed);
                self.changed = true;
            }
            entry.layout = Some(layout);
        }
        ticket.layout.clone_from(&entry.layout);
    }
}

impl LaneTicket {
    /// Whether the rows can be read: their columns are known. They are not where the statement was evicted meanwhile.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.layout.is_some()
    }

    /// Keeps the statement off lanes from now on, for as long as this connection knows it.
    pub fn mark_unfit(&self) {
        if let Some(layout) = &self.layout {
            layout.unfit.store(true, Ordering::Relaxed);
        }
    }

    /// Reads rows: their bodies one behind the other, each behind its length in four bytes. Nothing is asked of the
    /// connection, which need not be there any more.
    ///
    /// # Errors
    /// [`Unread`], where `sink` may have been given some of the rows.
    pub fn read(
        &self,
        rows: &[u8],
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> Result<(), Unread> {
        if rows.is_empty() {
            return Ok(());
        }
        let Some(layout) = &self.layout else { return Err(Unread::UnknownType) };
        if layout.checked.load(Ordering::Relaxed) != check as usize {
            self.check(layout, check)?;
        }
        let mut rest = Reader::new(rows);
        while let Some(body) = rest.value().map_err(broken)? {
            let mut columns = Columns::new(body, &layout.column_types).map_err(broken)?;
            match sink(&mut columns) {
                Ok(()) => columns.end().map_err(broken)?,
                Err(error) => return Err(self.refused(layout, error, body)),
            }
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Holds the columns against a Rust type.
    #[cold]
    fn check(&self, layout: &Layout, check: Check) -> Result<(), Unread> {
        let catalog = self.types.catalog();
        let mut expect = Expect::new(&layout.fields).with_catalog(&catalog);
        let Err(error) = check(&mut expect) else {
            layout.checked.store(check as usize, Ordering::Relaxed);
            return Ok(());
        };
        if error.error.kind() == Wire::UnknownType || expect.types().explanation().is_some() {
            return Err(Unread::UnknownType);
        }
        Err(Unread::Failed(decode_error(error, &layout.fields, &self.sql, &catalog, None, None)))
    }

    /// A value that can't be read, of a type that may have been changed since it was asked for.
    #[cold]
    fn refused(&self, layout: &Layout, error: ColumnError, body: &[u8]) -> Unread {
        let (fields, catalog) = (&layout.fields, self.types.catalog());
        let doubtful = fields.get(error.index).map(|field| field.type_oid);
        let refused = decode_error(error, fields, &self.sql, &catalog, None, Some(body));
        if let Some(oid) = doubtful.filter(|oid| oid.is_user_defined()) {
            self.types.remove(&[oid]);
            layout.checked.store(0, Ordering::Relaxed);
        }
        Unread::Failed(refused)
    }

    /// Tells a tracer how the statement has ended.
    #[cfg(feature = "tracing")]
    pub fn ended(&mut self, result: Result<Completion>) -> Result<Completion> {
        match self.watch.poll(|| Poll::Ready(result), |completion| completion.rows) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(Error::new(ErrorKind::Usage, "the statement has not ended")),
        }
    }

    /// Tells a tracer how the statement has ended; there is none without the feature `tracing`.
    ///
    /// # Errors
    /// Those of `result`.
    #[cfg(not(feature = "tracing"))]
    #[inline]
    pub fn ended(&mut self, result: Result<Completion>) -> Result<Completion> {
        result
    }
}

#[cold]
fn broken(error: stellata_protocol::Error) -> Unread {
    Unread::Failed(Error::protocol(error))
}
