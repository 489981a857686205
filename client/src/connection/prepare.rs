//! Preparing statements ahead of their use.

use stellata_protocol::{Oid, Params};

use crate::connection::Connection;
use crate::connection::batch::{Parsing, prepare};
use crate::error::{Error, Result};
use crate::statement::Statement;
use crate::statement::cache::{Prepared, SlotId};

impl Connection {
    /// Prepares statements before they are used, all in one round trip. A statement is told by its text and by the types of
    /// its parameters, which are those that [`Connection::query`] would send.
    ///
    /// Nothing has to be prepared ahead: a statement's first use prepares it in the same round trip. It saves the server's
    /// time at the first use, and tells early of a statement that can't run.
    ///
    /// Behind a pooler that lends its connections by transaction nothing is kept, and nothing is asked.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use stellata_client::Oid;
    /// connection
    ///     .prepare([("select title from albums where id = $1", &[Oid::INT8][..])])
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Server`](crate::ErrorKind::Server) for the first statement that can't be prepared; those behind it are
    /// not.
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn prepare<'s>(
        &mut self,
        statements: impl IntoIterator<Item = (&'s str, &'s [Oid])>,
    ) -> Result<()> {
        let statements: Vec<_> = statements.into_iter().collect();
        let watch = self.trace(|| told(&statements), &Params::new());
        watch.over(self.prepare_all(&statements), |()| 0).await
    }

    /// Whether the columns that a statement returns are known: it has run on this connection, or was prepared on it.
    #[must_use]
    pub fn knows(&mut self, statement: &dyn Statement, params: &Params) -> bool {
        let found = self.cache.find(statement.key(), params.types(), self.call);
        found.and_then(|slot| self.cache.get(slot)).is_some_and(|entry| entry.fields.is_some())
    }

    async fn prepare_all(&mut self, statements: &[(&str, &[Oid])]) -> Result<()> {
        self.settle().await?;
        self.begin_batch()?;
        if !self.cache.is_unnamed() {
            for (sql, types) in statements {
                self.prepare_one(sql, types)?;
            }
        }
        self.sync()?;
        self.ready().await?;
        Ok(())
    }

    /// Has the server prepare and describe a statement, in a round trip.
    ///
    /// # Errors
    /// What the server says of it.
    pub(super) async fn describe(
        &mut self,
        statement: &dyn Statement,
        types: &[Oid],
    ) -> Result<SlotId> {
        self.begin_batch()?;
        let slot = self.prepare_one(statement, types)?;
        self.sync()?;
        let sql = self.cache.get(slot).map(|entry| entry.sql.clone());
        if let Err(error) = self.ready().await {
            self.note_failure(slot, &error);
            return Err(error.with_sql(sql));
        }
        if !self.cache.is_unnamed() {
            // Its text was sent for the statement that is run by the name.
            self.counts.parsed += 1;
        }
        Ok(slot)
    }

    fn prepare_one(&mut self, statement: &dyn Statement, types: &[Oid]) -> Result<SlotId> {
        if !self.forgotten.is_empty() {
            // The server still has by this name what it is to forget.
            self.close_forgotten()?;
        }
        let slot = match self.cache.find(statement.key(), types, self.call) {
            Some(slot) => slot,
            None => self.add(statement, types)?,
        };
        let Some(entry) = self.cache.get_mut(slot) else { return Ok(slot) };
        if !entry.is_prepared() && entry.prepared != Prepared::Asked(self.call) {
            prepare(&mut self.driver.conversation, entry, types)
                .map_err(|error| Error::encode(error).with_sql(Some(entry.sql.clone())))?;
            entry.prepared = Prepared::Asked(self.call);
            self.parsing.push_back(Parsing { slot, call: self.call });
        }
        Ok(slot)
    }
}

/// What tracers are told: the statements, each with the word that a session would write before it.
fn told(statements: &[(&str, &[Oid])]) -> String {
    let texts: Vec<String> = statements.iter().map(|(sql, _)| format!("prepare {sql}")).collect();
    texts.join("; ")
}
