//! The simple query protocol: several statements as one text, answers as text.

#[cfg(feature = "tracing")]
use std::{
    future::{Future, poll_fn},
    pin::pin,
};

#[cfg(feature = "tracing")]
use stellata_protocol::Params;
use stellata_protocol::message::{CommandTag, read_row_description};
use stellata_protocol::{Event, Reader};

use crate::connection::Connection;
use crate::connection::outcome::{commits, commits_each, of_commit, rolled_back};
use crate::error::{Error, ErrorKind, Result};

/// The answer to one statement of a simple query. All values are text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleResult {
    /// The names of the columns; empty for a statement that returns no rows.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// What the server says was done, such as `INSERT 0 1`; empty for an empty statement.
    pub tag: String,
}

impl Connection {
    /// Runs a text of one or more statements, separated by semicolons, and returns an answer for each.
    ///
    /// The server runs them in one transaction unless the text begins or ends one itself. There are no parameters: for
    /// values use [`Connection::query`] and [`Connection::execute`].
    ///
    /// # Errors
    /// The first statement that fails; those before it are undone with it, unless the text committed them. Of a text that
    /// commits [`ErrorKind::RolledBack`] and [`ErrorKind::OutcomeUnknown`], as of [`Connection::execute`].
    ///
    /// # Cancel safety
    /// When the future is dropped the text may run all the same; the connection stays usable.
    pub async fn simple(&mut self, sql: &str) -> Result<Vec<SimpleResult>> {
        #[cfg(feature = "tracing")]
        let results = {
            let mut watch = self.labels.watch(|| sql.to_owned(), &Params::new());
            let mut running = pin!(self.simple_results(sql));
            let rows = |results: &Vec<SimpleResult>| {
                results.iter().map(|result| result.rows.len() as u64).sum()
            };
            poll_fn(|cx| watch.poll(|| running.as_mut().poll(cx), rows)).await
        };
        #[cfg(not(feature = "tracing"))]
        let results = self.simple_results(sql).await;
        results.map_err(|error| self.refuse(error))
    }

    async fn simple_results(&mut self, sql: &str) -> Result<Vec<SimpleResult>> {
        self.settle().await?;
        self.begin_batch()?;
        self.driver.conversation.query(sql).map_err(Error::encode)?;
        self.counts.others += 1;
        self.close_batch();
        let answers = self.simple_answers(sql).await;
        answers.map_err(|error| {
            let error = self.refuse(error);
            if commits(sql) { of_commit(error) } else { error }
        })
    }

    async fn simple_answers(&mut self, sql: &str) -> Result<Vec<SimpleResult>> {
        let mut results = Vec::new();
        let mut result = SimpleResult::default();
        let mut failed: Option<Error> = None;
        loop {
            let Some(event) = self.advance()? else {
                let filled = self.driver.fill().await;
                filled.map_err(|broken| broken.after(failed.take()))?;
                continue;
            };
            let body = self.driver.conversation.body();
            match event {
                Event::RowDescription => {
                    result.columns = read_row_description(body)
                        .map_err(Error::protocol)?
                        .into_iter()
                        .map(|field| field.name.into())
                        .collect();
                    self.pass(event);
                }
                Event::DataRow => result.rows.push(text_row(body, result.columns.len())?),
                Event::CommandComplete => {
                    result.tag = CommandTag::read(body).map_err(Error::protocol)?.text.to_owned();
                    self.pass(event);
                    if result.tag == "ROLLBACK"
                        && commits_each(sql).get(results.len()) == Some(&true)
                    {
                        failed = Some(rolled_back(sql.into()));
                    }
                    results.push(std::mem::take(&mut result));
                }
                Event::EmptyQuery => results.push(std::mem::take(&mut result)),
                Event::Error => {
                    let error = self.server_error(Some(sql.into()));
                    if self.driver.is_closed() {
                        // A server that ends the session sends no ReadyForQuery.
                        return Err(error);
                    }
                    failed = Some(error);
                }
                Event::ReadyForQuery => {
                    self.pass(event);
                    return match failed {
                        Some(error) => Err(error),
                        None => Ok(results),
                    };
                }
                // What COPY TO STDOUT sends is passed over; COPY FROM STDIN has been refused.
                _ => {}
            }
        }
    }
}

pub(super) fn text_row(body: &[u8], columns: usize) -> Result<Vec<Option<String>>> {
    let mut reader = Reader::new(body);
    let read = |reader: &mut Reader<'_>| -> stellata_protocol::Result<_> {
        let mut row = Vec::new();
        for _ in 0..reader.count16()? {
            row.push(reader.value()?.map(|raw| String::from_utf8_lossy(raw).into_owned()));
        }
        reader.end()?;
        Ok(row)
    };
    let row = read(&mut reader).map_err(Error::protocol)?;
    if row.len() != columns {
        return Err(Error::new(
            ErrorKind::Protocol,
            "a row has another number of columns than its description",
        ));
    }
    Ok(row)
}
