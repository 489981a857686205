//! Portals: rows of one statement fetched in portions, with other statements between them (manual, "Extended Query").

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{
    Columns, ErrorKind as Wire, Event, Expect, FieldDescription, FromRow, IntoParams, Oid, Params,
};

use crate::connection::Connection;
use crate::connection::batch::{Parsing, prepare};
use crate::connection::columns::{Check, decode_error};
use crate::connection::query::collect;
use crate::error::{Error, ErrorKind, Result};
use crate::statement::StatementKey;
use crate::statement::cache::Prepared;

/// A statement at the server that gives its rows in portions: see [`Connection::portal`].
#[derive(Debug)]
pub struct Portal {
    sql: std::sync::Arc<str>,
    params: Params,
    /// Its name at the server, once it is there.
    name: Option<Box<str>>,
    fields: Box<[FieldDescription]>,
    types: Box<[Oid]>,
    is_done: bool,
}

/// The bodies of the rows of one portion.
#[derive(Default)]
struct Portion {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    is_last: bool,
}

impl Portion {
    fn rows(&self) -> u64 {
        u64::try_from(self.ends.len()).unwrap_or(u64::MAX)
    }
}

impl Connection {
    /// A statement whose rows are fetched in portions, inside the transaction that is open. Between two portions the
    /// connection is free for other statements. The portal ends with the transaction.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// connection.execute("begin", ()).await?;
    /// let mut portal = connection.portal("select id from albums", ())?;
    /// while !portal.is_done() {
    ///     for (id,) in portal.fetch::<(i64,)>(connection, 500).await? {
    ///         connection.execute("update albums set seen = true where id = $1", (id,)).await?;
    ///     }
    /// }
    /// connection.execute("commit", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when a parameter can't be written. Nothing is sent before the first portion is fetched.
    pub fn portal(&self, sql: &str, params: impl IntoParams) -> Result<Portal> {
        Ok(Portal {
            sql: sql.into(),
            params: collect(params)?,
            name: None,
            fields: Box::default(),
            types: Box::default(),
            is_done: false,
        })
    }

    /// Adds what opens a portal to the flush.
    fn bind_portal(&mut self, portal: &str, sql: &str, params: &Params) -> Result<()> {
        let types = params.types();
        let slot = match self.cache.find(StatementKey::Sql(sql), types, self.call) {
            Some(slot) => slot,
            None => self.add(&sql, types)?,
        };
        let Some(entry) = self.cache.get_mut(slot) else { return Ok(()) };
        let conversation = &mut self.driver.conversation;
        let mut asked = Ok(());
        if !entry.is_prepared() || entry.doubted {
            asked = prepare(conversation, entry, types);
            self.counts.parsed += 1;
            entry.prepared = Prepared::Asked(self.call);
            self.parsing.push_back(Parsing { slot, call: self.call });
        }
        let all = [stellata_protocol::Format::Binary];
        let formats = entry.formats.as_deref().unwrap_or(&all);
        self.counts.bound += 1;
        asked
            .and_then(|()| conversation.bind_formats(portal, &entry.name, params, formats))
            .map_err(|error| Error::encode(error).with_sql(Some(entry.sql.clone())))
    }

    /// Reads the answer to a fetch, to the end of its flush.
    async fn read_portion(&mut self, sql: &std::sync::Arc<str>) -> Result<Portion> {
        let mut portion = Portion::default();
        let mut failed = None;
        loop {
            let Some(event) = self.advance()? else {
                self.driver.fill().await?;
                continue;
            };
            match event {
                Event::DataRow => {
                    portion.bytes.extend_from_slice(self.driver.conversation.body());
                    portion.ends.push(portion.bytes.len());
                }
                Event::CommandComplete | Event::EmptyQuery => portion.is_last = true,
                Event::Error => {
                    let error = self.server_error(Some(sql.clone()));
                    if self.driver.is_closed() {
                        return Err(error);
                    }
                    failed = Some(error);
                }
                Event::ReadyForQuery => return failed.map_or(Ok(portion), Err),
                _ => {}
            }
        }
    }
}

impl Portal {
    /// Whether the last row has been fetched.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Fetches the next rows, `most` at most (0: all that are left), in one round trip. The first call opens the portal in
    /// the same trip.
    ///
    /// # Errors
    /// As [`Connection::query`]; [`ErrorKind::Usage`] where no transaction is open. A portal whose transaction is over is
    /// gone: SQLSTATE 34000.
    ///
    /// # Cancel safety
    /// When the future is dropped the portion is lost: it is passed over.
    pub async fn fetch<T>(&mut self, connection: &mut Connection, most: u32) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        if self.is_done {
            return Ok(Vec::new());
        }
        if connection.is_quiet() && connection.status() == TransactionStatus::Idle {
            return Err(Error::new(
                ErrorKind::Usage,
                "a portal lives inside a transaction, and none is open",
            ));
        }
        let watch = connection.trace(|| self.sql.to_string(), &self.params);
        let fetching = self.fetch_portion(connection, most);
        let (portion, is_first) = watch.over(fetching, |(portion, _)| portion.rows()).await?;
        if is_first {
            let key = StatementKey::Sql(&self.sql);
            let slot = connection.cache.find(key, self.params.types(), connection.call);
            if let Some(entry) = slot.and_then(|slot| connection.cache.get(slot)) {
                self.fields = entry.fields.clone().unwrap_or_default();
                self.types = entry.column_types.clone();
            }
            if self.fields.is_empty() {
                // It is no query, and may have left something in the session.
                connection.mark_changed();
            }
        }
        if !portion.ends.is_empty() {
            self.check(connection, <T as FromRow<'_>>::expect).await?;
        }
        self.read(connection, &portion)
    }

    /// Asks for a portion and waits for it; says whether it was the first.
    async fn fetch_portion(
        &mut self,
        connection: &mut Connection,
        most: u32,
    ) -> Result<(Portion, bool)> {
        connection.settle().await?;
        connection.begin_batch()?;
        let is_first = self.name.is_none();
        if is_first {
            let name = format!("p_{}", connection.call);
            connection.bind_portal(&name, &self.sql, &self.params)?;
            self.name = Some(name.into());
        }
        let name = self.name.as_deref().unwrap_or_default();
        connection.driver.conversation.execute_portal(name, most).map_err(Error::protocol)?;
        connection.sync()?;
        let portion = connection.read_portion(&self.sql).await?;
        self.is_done = portion.is_last;
        Ok((portion, is_first))
    }

    /// Has the server forget the portal before its transaction ends; the word of it rides with the connection's next
    /// request.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the connection can't be used any more.
    pub fn close(self, connection: &mut Connection) -> Result<()> {
        let Some(name) = self.name else { return Ok(()) };
        let is_first = connection.is_quiet();
        connection.begin_ahead()?;
        connection.driver.conversation.close_portal(&name).map_err(Error::protocol)?;
        if is_first {
            connection.ride();
        }
        Ok(())
    }

    /// Holds the columns against a Rust type, asking for types that are not known.
    async fn check(&self, connection: &mut Connection, check: Check) -> Result<()> {
        let catalog = connection.discovery.catalog();
        let mut expect = Expect::new(&self.fields).with_catalog(&catalog);
        let error = match check(&mut expect) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error.error.kind() != Wire::UnknownType {
            return Err(decode_error(error, &self.fields, &self.sql, &catalog, None, None));
        }
        for field in &self.fields {
            connection.user_type(field.type_oid).await?;
        }
        let catalog = connection.discovery.catalog();
        check(&mut Expect::new(&self.fields).with_catalog(&catalog))
            .map_err(|error| decode_error(error, &self.fields, &self.sql, &catalog, None, None))
    }

    fn read<T>(&self, connection: &Connection, portion: &Portion) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let mut rows = Vec::with_capacity(portion.ends.len());
        let mut start = 0;
        for &end in &portion.ends {
            let body = portion.bytes.get(start..end).unwrap_or_default();
            let mut columns = Columns::new(body, &self.types).map_err(Error::protocol)?;
            rows.push(T::from_row(&mut columns).map_err(|error| {
                let catalog = connection.discovery.catalog();
                decode_error(error, &self.fields, &self.sql, &catalog, None, Some(body))
            })?);
            columns.end().map_err(Error::protocol)?;
            start = end;
        }
        Ok(rows)
    }
}
