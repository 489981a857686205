//! COPY as the connection sees it: a statement that data follows, or that is answered by data.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use stellata_protocol::copy::CopyPiece;
use stellata_protocol::message::CommandTag;
use stellata_protocol::{Catalog, Event, FieldDescription, Format, Oid, Params};

use crate::connection::Connection;
use crate::connection::batch::{Parsing, gone, prepare};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::StatementKey;
use crate::statement::cache::{Prepared, Slot, SlotId};
#[cfg(feature = "tracing")]
use crate::trace::Watch;
#[cfg(not(feature = "tracing"))]
use crate::untraced::Watch;

/// Which way the data of a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    In,
    /// From the server.
    Out,
}

/// The columns of a table or query, from a statement that the server has described.
#[derive(Debug)]
pub(crate) struct Described {
    slot: SlotId,
    pub(crate) fields: Box<[FieldDescription]>,
}

/// A COPY that runs, and what has come of it.
#[derive(Debug)]
pub(crate) struct Copying {
    way: Way,
    sql: Arc<str>,
    /// The server took it for a COPY of this way.
    began: bool,
    /// Whether the data of a COPY in is to be binary, as the server says.
    is_binary: Option<bool>,
    /// The server has said how many rows it came to.
    rows: Option<u64>,
    /// The statement has ended, whatever it was.
    ended: bool,
    /// ReadyForQuery has come.
    ready: bool,
    failed: Option<Error>,
    /// The statement by which its columns were told.
    slot: Option<SlotId>,
    columns: Told,
    /// What tracers are told of it.
    watch: Watch,
}

/// How far it is to be believed what was told of the columns.
#[derive(Debug)]
enum Told {
    /// Where they are others, the server refuses the COPY.
    Sure,
    /// They were told by a backend that may be another now: they are asked for anew in front of the COPY, and are to be these.
    Unsure(Box<[FieldDescription]>),
    /// They are others.
    Wrong,
}

impl Connection {
    /// Asks for the columns of a statement that is never run. The first time costs a round trip; the answer is kept as long
    /// as the statement is.
    pub(crate) async fn describe_columns(&mut self, sql: &str) -> Result<Described> {
        if let Some(slot) = self.cache.find(StatementKey::Sql(sql), &[], self.call)
            && let Some(entry) = self.cache.get(slot)
            && (entry.is_prepared() || is_unsure(entry))
            && let Some(fields) = &entry.fields
        {
            return Ok(Described { slot, fields: fields.clone() });
        }
        let watch = self.trace(|| format!("prepare {sql}"), &Params::new());
        watch.over(self.ask_columns_anyhow(sql), |_| 0).await
    }

    /// Asks twice where the first time shows that names of statements are of no use.
    async fn ask_columns_anyhow(&mut self, sql: &str) -> Result<Described> {
        match self.ask_columns(sql).await {
            Err(error) if error.is_stale_statement() && !self.is_closed() && self.is_idle() => {
                self.ask_columns(sql).await
            }
            asked => asked,
        }
    }

    async fn ask_columns(&mut self, sql: &str) -> Result<Described> {
        self.settle().await?;
        self.begin_batch()?;
        self.close_forgotten()?;
        let slot = match self.cache.find(StatementKey::Sql(sql), &[], self.call) {
            Some(slot) => slot,
            None => self.add(&sql, &[])?,
        };
        let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
        prepare(&mut self.driver.conversation, entry, &[])
            .map_err(|error| Error::encode(error).with_sql(Some(sql.into())))?;
        entry.prepared = Prepared::Asked(self.call);
        self.parsing.push_back(Parsing { slot, call: self.call });
        self.sync()?;
        if let Err(error) = self.ready().await {
            self.note_failure(slot, &error);
            return Err(error.with_sql(Some(sql.into())));
        }
        if let Some(entry) = self.cache.get(slot)
            && let Some(fields) = &entry.fields
        {
            return Ok(Described { slot, fields: fields.clone() });
        }
        Err(Error::new(ErrorKind::Protocol, "the server does not describe a statement"))
    }

    /// The types that the database is known to number by itself.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.discovery.catalog()
    }

    /// Asks for a COPY; nothing is written to the socket yet.
    ///
    /// Where its columns were `described`, that is asked again in the same series: when they have changed, the server
    /// refuses it, and the COPY behind it with it, before any data is taken for another type. Where the statement may not be
    /// there any more, or be another's, it is prepared anew in that series, and the answer is held against what is known
    /// before any data goes out: see [`Copying::has_changed`].
    pub(crate) fn start_copy(
        &mut self,
        way: Way,
        sql: &str,
        described: Option<&Described>,
    ) -> Result<Copying> {
        self.begin_ahead()?;
        let asked = self.ask_copy(way, sql, described);
        let columns = asked.map_err(|error| Error::encode(error).with_sql(Some(sql.into())))?;
        self.counts.others += 1;
        if way == Way::Out {
            self.sync()?;
        }
        Ok(Copying {
            way,
            sql: sql.into(),
            began: false,
            is_binary: None,
            rows: None,
            ended: false,
            ready: false,
            failed: None,
            slot: described.map(|described| described.slot),
            columns,
            watch: self.trace(|| sql.to_owned(), &Params::new()),
        })
    }

    fn ask_copy(
        &mut self,
        way: Way,
        sql: &str,
        described: Option<&Described>,
    ) -> stellata_protocol::Result<Told> {
        let conversation = &mut self.driver.conversation;
        let mut told = Told::Sure;
        if let Some(described) = described
            && let Some(entry) = self.cache.get_mut(described.slot)
        {
            if is_unsure(entry) {
                prepare(conversation, entry, &[])?;
                entry.prepared = Prepared::Asked(self.call);
                self.counts.parsed += 1;
                told = Told::Unsure(described.fields.clone());
            } else {
                conversation.describe_statement(&entry.name)?;
            }
            self.parsing.push_back(Parsing { slot: described.slot, call: self.call });
        }
        conversation.parse("", sql, &[])?;
        conversation.bind("", &Params::new(), Format::Text)?;
        match way {
            Way::In => conversation.execute_copy_in()?,
            Way::Out => conversation.execute(0)?,
        }
        Ok(told)
    }

    /// Waits until the next piece may be handed over: all before it has been written, and what the data looks like is known for
    /// sure. False when the COPY is over already, because it failed or was none, or is to be ended.
    pub(crate) fn poll_copy_room(
        &mut self,
        cx: &mut Context<'_>,
        copying: &mut Copying,
    ) -> Poll<Result<bool>> {
        if self.held_up {
            ready!(self.poll_held_up(cx))?;
        }
        loop {
            // Notices and an early error are read while the data goes out: a server that can't send stops reading.
            while let Some(event) = self.advance()? {
                self.note_copy(event, copying)?;
            }
            if copying.ended || copying.failed.is_some() || copying.has_changed() {
                return Poll::Ready(Ok(false));
            }
            if copying.is_unsure() {
                ready!(self.driver.poll_fill(cx))?;
                continue;
            }
            if !ready!(self.driver.poll_exchange(cx))? {
                return Poll::Ready(Ok(true));
            }
        }
    }

    /// Takes in what has come of a COPY whose data is not there yet. It never ends while all goes well.
    pub(crate) fn poll_copy_news(
        &mut self,
        cx: &mut Context<'_>,
        copying: &mut Copying,
    ) -> Poll<Result<()>> {
        loop {
            if !ready!(self.poll_copy_room(cx, copying))? {
                return Poll::Ready(Ok(()));
            }
            ready!(self.driver.poll_fill(cx))?;
        }
    }

    /// Sends what has been put together as far as the socket takes it now, where nobody can wait for more: a drop. What is left
    /// goes out with the next use.
    ///
    /// Not while it stands behind something that was given up, which may be being cancelled; nor outside of a runtime, which a
    /// stream of the caller's own may need.
    #[cold]
    pub(crate) fn send_at_once(&mut self) {
        let is_held_up = self.cancelling.is_some() || self.ahead.is_some();
        let is_free = !is_held_up && self.leaving.is_none() && !self.is_closed();
        if is_free && tokio::runtime::Handle::try_current().is_ok() {
            // A failure is told by the next use.
            let _ = self.driver.poll_send(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Hands a piece of data over and empties it.
    pub(crate) fn send_copy(&mut self, piece: &mut CopyPiece) -> Result<()> {
        self.driver.conversation.copy_piece(piece).map_err(Error::encode)?;
        Ok(())
    }

    /// Ends the data: all is there, or the COPY is to fail for a reason.
    pub(crate) fn end_copy(&mut self, failure: Option<&str>) -> Result<()> {
        if self.is_closed() {
            // Why it is so is told by who reads the answer.
            return Ok(());
        }
        let conversation = &mut self.driver.conversation;
        let ended = match failure {
            None => conversation.copy_done(),
            Some(reason) => conversation.copy_fail(reason),
        };
        match ended {
            Ok(_) => self.sync(),
            // The statement was no COPY, and has ended.
            Err(error) if error.kind() == stellata_protocol::ErrorKind::Usage => self.sync(),
            Err(error) => Err(Error::protocol(error)),
        }
    }

    /// Asks for a COPY out and waits until its data begins. Whoever drops it leaves the rest to the next call, which cancels it
    /// where that is worth it.
    pub(crate) async fn begin_copy_out(
        &mut self,
        sql: &str,
        described: Option<&Described>,
    ) -> Result<Copying> {
        self.settle().await?;
        let mut copying = self.start_copy(Way::Out, sql, described)?;
        poll_fn(|cx| self.poll_copy_start(cx, &mut copying)).await?;
        Ok(copying)
    }

    /// Waits until the server begins to send data.
    fn poll_copy_start(&mut self, cx: &mut Context<'_>, copying: &mut Copying) -> Poll<Result<()>> {
        loop {
            if copying.began {
                return Poll::Ready(Ok(()));
            }
            if copying.ready || (copying.failed.is_some() && self.driver.is_closed()) {
                return Poll::Ready(copying.outcome().map(drop));
            }
            match self.advance()? {
                Some(event) => self.note_copy(event, copying)?,
                None => {
                    let filled = ready!(self.driver.poll_fill(cx));
                    filled.map_err(|broken| copying.broke(broken))?;
                }
            }
        }
    }

    /// Waits for the next piece of data that the server sends: [`Connection::copy_body`]. False at the end.
    pub(crate) fn poll_copy_data(
        &mut self,
        cx: &mut Context<'_>,
        copying: &mut Copying,
    ) -> Poll<Result<bool>> {
        if self.held_up {
            ready!(self.poll_held_up(cx))?;
            // The last Sync was put together before.
            self.close_batch();
        }
        loop {
            if copying.ready || (copying.failed.is_some() && self.driver.is_closed()) {
                return Poll::Ready(Ok(false));
            }
            match self.advance()? {
                Some(Event::CopyData) => return Poll::Ready(Ok(true)),
                Some(event) => self.note_copy(event, copying)?,
                None => {
                    let filled = ready!(self.driver.poll_fill(cx));
                    filled.map_err(|broken| copying.broke(broken))?;
                }
            }
        }
    }

    /// The next piece of data, if all of it has come: what [`Connection::poll_copy_data`] waits for, in fewer steps.
    #[inline]
    pub(crate) fn next_copy_data(&mut self) -> Option<&[u8]> {
        self.driver.conversation.next_copy_data()
    }

    /// The data that came last.
    pub(crate) fn copy_body(&self) -> &[u8] {
        self.driver.conversation.body()
    }

    /// Reads to the end of a COPY; returns how many rows it came to.
    pub(crate) fn poll_copy_end(
        &mut self,
        cx: &mut Context<'_>,
        copying: &mut Copying,
    ) -> Poll<Result<u64>> {
        while ready!(self.poll_copy_data(cx, copying))? {}
        Poll::Ready(copying.outcome())
    }

    /// Notes what an answer says of a COPY.
    fn note_copy(&mut self, event: Event, copying: &mut Copying) -> Result<()> {
        match event {
            Event::CopyIn => {
                copying.began = true;
                copying.is_binary = self.driver.conversation.body().first().map(|form| *form == 1);
            }
            Event::CopyOut => copying.began = copying.way == Way::Out,
            Event::CommandComplete => {
                let body = self.driver.conversation.body();
                copying.rows = Some(CommandTag::count(body).map_err(Error::protocol)?);
                copying.ended = true;
            }
            Event::EmptyQuery | Event::PortalSuspended => copying.ended = true,
            Event::ReadyForQuery => copying.ready = true,
            Event::RowDescription | Event::NoData => self.note_columns(copying),
            Event::Error if copying.failed.is_none() => {
                let error = self.server_error(Some(Arc::clone(&copying.sql)));
                if let Some(slot) = copying.slot.filter(|_| error.is_stale_statement()) {
                    self.note_failure(slot, &error);
                }
                copying.failed = Some(error);
            }
            _ => {}
        }
        Ok(())
    }

    /// Holds the columns, as the server has just told them, against those that the data is made for.
    #[cold]
    fn note_columns(&mut self, copying: &mut Copying) {
        if let Told::Unsure(known) = &copying.columns {
            let entry = copying.slot.and_then(|slot| self.cache.get(slot));
            let now = entry.and_then(|entry| entry.fields.as_deref()).unwrap_or_default();
            let kind = |field: &FieldDescription| (field.type_oid, field.name.clone());
            let is_same = known.iter().map(kind).eq(now.iter().map(kind));
            copying.columns = if is_same { Told::Sure } else { Told::Wrong };
        }
    }
}

impl Described {
    /// The types of the columns.
    pub(crate) fn types(&self) -> Box<[Oid]> {
        self.fields.iter().map(|field| field.type_oid).collect()
    }
}

/// Whether what the server has by the statement's name may be gone, or another's, once the next request is served.
fn is_unsure(entry: &Slot) -> bool {
    entry.doubted || entry.name.is_empty()
}

impl Copying {
    /// Whether no data may go out yet.
    pub(crate) fn is_unsure(&self) -> bool {
        matches!(self.columns, Told::Unsure(_))
    }

    /// Whether the columns have turned out to be others than those that the data is made for: the COPY is to be given up.
    pub(crate) fn has_changed(&self) -> bool {
        matches!(self.columns, Told::Wrong)
    }

    /// What is told then.
    #[cold]
    pub(crate) fn changed(&self) -> Error {
        let kind = if self.way == Way::In { ErrorKind::Encode } else { ErrorKind::Decode };
        let error = Error::new(kind, CHANGED);
        error.with_sql(Some(Arc::clone(&self.sql)))
    }

    /// What is told of a COPY that has failed, after its error was told.
    #[cold]
    pub(crate) fn over(&self) -> Error {
        Error::new(ErrorKind::Usage, "the COPY is over").with_sql(Some(Arc::clone(&self.sql)))
    }

    /// The error of a connection that broke under it.
    #[cold]
    fn broke(&mut self, broken: Error) -> Error {
        let error = broken.after(self.failed.take());
        self.watch.end(Err(&error));
        error
    }

    /// Whether the server takes binary data, where it has said so.
    pub(crate) fn is_binary(&self) -> Option<bool> {
        self.is_binary
    }

    /// What it came to.
    pub(crate) fn outcome(&mut self) -> Result<u64> {
        let outcome = self.take_outcome();
        self.watch.end(outcome.as_ref().map(|rows| *rows));
        outcome
    }

    fn take_outcome(&mut self) -> Result<u64> {
        // That it was given up for it, the server has said too.
        if self.has_changed() && self.failed.as_ref().is_none_or(|error| !error.is_fatal()) {
            return Err(self.changed());
        }
        match (self.failed.take(), self.began, self.rows) {
            (Some(error), ..) => Err(error),
            (None, true, Some(rows)) => Ok(rows),
            _ if !self.ended => Err(self.over()),
            _ => {
                let wanted = match self.way {
                    Way::In => "the statement is no COPY FROM STDIN",
                    Way::Out => "the statement is no COPY TO STDOUT",
                };
                Err(Error::new(ErrorKind::Usage, wanted).with_sql(Some(Arc::clone(&self.sql))))
            }
        }
    }
}

/// What is told where the columns turn out to be others.
pub(crate) const CHANGED: &str =
    "the columns have changed since they were asked for: the next COPY asks anew";
