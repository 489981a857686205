//! Asks the catalogue while rows wait, and hands the rows on: what [`Discovery`](super::discovery::Discovery) holds.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{Event, Format, Oid, Params, UserType};

use crate::connection::Connection;
use crate::connection::batch::{Completion, completion, gone, read_row};
use crate::connection::columns::{Check, Sink};
use crate::connection::discovery::{
    Behind, Bodies, MOST_TYPES, QUESTION, Unfit, check_columns, check_finally, read_type,
};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::Statement;
use crate::statement::cache::SlotId;

impl Connection {
    /// What is known of a type that the database numbers by itself, asking the database for it and for all that it is made
    /// of where that is not known yet. `None` for the number of a built-in type, and for one that no type has.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use stellata_client::{Oid, TypeKind};
    /// let (oid,): (u32,) = connection.query_one("select 'mood'::regtype::oid", ()).await?;
    /// if let Some(mood) = connection.user_type(Oid(oid)).await?
    ///     && let TypeKind::Enum { labels } = &mood.kind
    /// {
    ///     println!("{} is one of {labels:?}", mood.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of a statement, when the catalogue can't be read.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn user_type(&mut self, oid: Oid) -> Result<Option<Arc<UserType>>> {
        if !oid.is_user_defined() {
            return Ok(None);
        }
        if let Some(known) = self.discovery.catalog().get(oid) {
            return Ok(Some(Arc::clone(known)));
        }
        self.settle().await?;
        self.begin_batch()?;
        self.close_batch();
        self.discovery.hold(self.call, vec![oid]);
        let asked = poll_fn(|cx| self.poll_look_up(cx)).await;
        let failed = self.discovery.held.take().and_then(|held| held.failed);
        match (asked, failed) {
            (Err(error), _) | (Ok(()), Some(error)) => Err(error),
            (Ok(()), None) => Ok(self.discovery.catalog().get(oid).map(Arc::clone)),
        }
    }

    /// Asks for the types that the held rows wait for. What the server answers instead of types is kept as the reason why
    /// they stay unknown.
    pub(super) fn poll_look_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(held) = &mut self.discovery.held else { return Poll::Ready(Ok(())) };
        if !held.asked {
            held.asked = true;
            let mut params = Params::new();
            let wanted: Vec<u32> = held.wanted.iter().map(|oid| oid.0).collect();
            params.push(&wanted).map_err(Error::encode)?;
            let conversation = &mut self.driver.conversation;
            conversation.begin();
            let asked = conversation
                .parse("", QUESTION, params.types())
                .and_then(|()| conversation.bind("", &params, Format::Binary))
                .and_then(|()| conversation.execute(0))
                .and_then(|()| conversation.sync());
            asked.map_err(Error::protocol)?;
            self.counts.others += 1;
        }
        loop {
            match self.advance()? {
                None => ready!(self.driver.poll_fill(cx))?,
                Some(Event::DataRow) => {
                    let found = read_type(self.driver.conversation.body());
                    if let Some(held) = &mut self.discovery.held {
                        match found {
                            Ok(Some(found)) if held.found.len() < MOST_TYPES => {
                                held.found.push(found);
                            }
                            Ok(_) => {}
                            Err(error) => held.failed = Some(error),
                        }
                    }
                }
                Some(Event::Error) => {
                    let error = self.server_error(None);
                    if self.driver.is_closed() {
                        return Poll::Ready(Err(error));
                    }
                    if let Some(held) = &mut self.discovery.held {
                        held.failed = Some(error);
                    }
                }
                Some(Event::ReadyForQuery) => break,
                Some(_) => {}
            }
        }
        if let Some(held) = &mut self.discovery.held {
            let found = std::mem::take(&mut held.found);
            self.discovery.database.remove(&held.wanted);
            self.discovery.database.add(found);
        }
        Poll::Ready(Ok(()))
    }

    /// Hands on the rows that were held, after their types were asked for.
    #[cold]
    pub(super) fn read_held(&mut self, slot: SlotId, check: Check, sink: Sink<'_>) -> Result<()> {
        let Some(held) = &mut self.discovery.held else { return Ok(()) };
        let rows = std::mem::take(&mut held.rows);
        let failed = held.failed.take();
        if held.behind.is_empty() {
            self.discovery.held = None;
        }
        let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
        check_finally(entry, check, &self.discovery.database.catalog())
            .map_err(|error| failed.unwrap_or(error))?;
        rows.check(&entry.sql)?;
        for index in 0..rows.len() {
            let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
            read_row(rows.get(index), entry, &mut self.discovery, self.call, check, sink)?;
        }
        Ok(())
    }

    /// In a batch: reads all that comes behind the rows that are held, asks for their types, and hands them on.
    #[cold]
    pub(super) async fn resolve(
        &mut self,
        slot: SlotId,
        check: Check,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.read_behind().await?;
        poll_fn(|cx| self.poll_look_up(cx)).await?;
        self.read_held(slot, check, sink)
    }

    async fn read_behind(&mut self) -> Result<()> {
        let mut rows = Bodies::default();
        while !self.driver.conversation.is_quiet() {
            let Some(event) = self.advance()? else {
                self.driver.fill().await?;
                continue;
            };
            let body = self.driver.conversation.body();
            let behind = match event {
                Event::DataRow => {
                    rows.push(body);
                    continue;
                }
                Event::CommandComplete => {
                    let tag = Some(body.into());
                    if rows.is_empty() {
                        self.pass(event);
                    }
                    Behind::Answer { rows: std::mem::take(&mut rows), tag }
                }
                Event::EmptyQuery => Behind::Answer { rows: std::mem::take(&mut rows), tag: None },
                Event::Error => {
                    let error = self.server_error(None);
                    if self.driver.is_closed() {
                        return Err(error);
                    }
                    Behind::Failed(error)
                }
                Event::ReadyForQuery => Behind::Ready(self.status()),
                _ => continue,
            };
            if let Some(held) = &mut self.discovery.held {
                held.behind.push_back(behind);
            }
        }
        Ok(())
    }

    fn next_behind(&mut self) -> Option<Behind> {
        let held = self.discovery.held.as_mut()?;
        let next = held.behind.pop_front();
        if held.behind.is_empty() {
            self.discovery.held = None;
        }
        next
    }

    /// What [`Connection::rows`] does, where the answer has been read already.
    #[cold]
    pub(super) async fn rows_behind(
        &mut self,
        slot: SlotId,
        check: Check,
        sink: Sink<'_>,
    ) -> Result<Completion> {
        match self.next_behind() {
            Some(Behind::Answer { rows, tag }) => {
                let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
                if entry.checked != check as usize && !rows.is_empty() {
                    self.learn(slot, check).await?;
                }
                let entry = self.cache.get(slot).ok_or_else(gone)?;
                rows.check(&entry.sql)?;
                for index in 0..rows.len() {
                    let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
                    read_row(rows.get(index), entry, &mut self.discovery, self.call, check, sink)?;
                }
                match tag {
                    Some(tag) => completion(&tag),
                    None => Ok(Completion { rows: 0, rolled_back: false }),
                }
            }
            Some(Behind::Failed(error)) => {
                while let Some(behind) = self.next_behind() {
                    if matches!(behind, Behind::Ready(_)) {
                        break;
                    }
                }
                let sql = self.cache.get(slot).map(|entry| entry.sql.clone());
                Err(error.with_sql(sql))
            }
            Some(Behind::Ready(_)) | None => {
                Err(Error::new(ErrorKind::Usage, "a statement before it in the batch failed"))
            }
        }
    }

    /// Has a statement's columns known before it runs, and the types that they have: its rows are lent, and can't wait for
    /// that. Costs nothing where the columns were looked at before; a round trip to have them described, and one to ask for
    /// types. Whether they fit is told by the first row.
    ///
    /// # Errors
    /// What the server says of the statement.
    pub(super) async fn learn_ahead(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
        check: Check,
    ) -> Result<()> {
        let found = self.cache.find(statement.key(), params.types(), self.call);
        let entry = found.and_then(|slot| self.cache.get(slot));
        let slot = match (found, entry) {
            (Some(_), Some(entry)) if entry.checked == check as usize => return Ok(()),
            (Some(slot), Some(entry)) if entry.fields.is_some() => slot,
            _ => self.describe(statement, params.types()).await?,
        };
        let Some(entry) = self.cache.get_mut(slot) else { return Ok(()) };
        let catalog = self.discovery.catalog();
        if let Err(Unfit::Unknown(wanted)) = check_columns(entry, check, &catalog) {
            // What a call like this one asked, and was dropped, is given up.
            self.begin_batch()?;
            self.close_batch();
            self.discovery.hold(self.call, wanted);
            let asked = poll_fn(|cx| self.poll_look_up(cx)).await;
            self.discovery.release();
            asked?;
        }
        Ok(())
    }

    /// Holds a statement's columns against a Rust type while nothing is in flight, asking for types where need be.
    pub(super) async fn learn(&mut self, slot: SlotId, check: Check) -> Result<()> {
        let catalog = self.discovery.catalog();
        let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
        if entry.checked == check as usize {
            return Ok(());
        }
        let wanted = match check_columns(entry, check, &catalog) {
            Ok(()) => return Ok(()),
            Err(Unfit::Wrong(error)) => return Err(error),
            Err(Unfit::Unknown(wanted)) => wanted,
        };
        let behind = self.discovery.held.take().map(|held| held.behind).unwrap_or_default();
        self.discovery.hold(self.call, wanted);
        poll_fn(|cx| self.poll_look_up(cx)).await?;
        let failed = self.discovery.held.take().and_then(|held| held.failed);
        if !behind.is_empty() {
            self.discovery.hold(self.call, Vec::new());
            if let Some(held) = &mut self.discovery.held {
                held.behind = behind;
            }
        }
        let entry = self.cache.get_mut(slot).ok_or_else(gone)?;
        check_finally(entry, check, &self.discovery.catalog())
            .map_err(|error| failed.unwrap_or(error))
    }

    /// What [`Connection::ready`] does, where the batch has been read to its end already.
    #[cold]
    pub(super) fn ready_behind(&mut self) -> Result<TransactionStatus> {
        let mut failed = None;
        while let Some(behind) = self.next_behind() {
            match behind {
                Behind::Answer { .. } => {}
                Behind::Failed(error) => failed = Some(error),
                Behind::Ready(status) => {
                    #[cfg(feature = "tracing")]
                    self.note_end(failed.as_ref());
                    return match failed {
                        Some(error) => Err(error),
                        None => Ok(status),
                    };
                }
            }
        }
        Ok(self.status())
    }
}
