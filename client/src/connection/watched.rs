//! Statements of batches as tracers are told of them.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;

use stellata_protocol::Params;

use crate::config::Config;
use crate::connection::batch::{Completion, Ticket};
use crate::connection::columns::{Check, Sink};
use crate::connection::{Connection, open};
use crate::error::{Error, Result};
use crate::statement::Statement;
use crate::trace::Labels;

/// Connects, watched.
pub(super) async fn connect(config: &Config) -> Result<Box<Connection>> {
    let opening = Labels::new(config.endpoint(), config).watch_opening();
    let mut failures = Vec::new();
    let connected = {
        let mut connecting = pin!(open::connect(config, &mut failures));
        poll_fn(|cx| opening.poll(|| connecting.as_mut().poll(cx))).await
    };
    match &connected {
        Ok(connection) => {
            let peer = connection.cancel.peer();
            connection.labels.end_opening(&opening, peer, connection.is_encrypted(), &failures);
        }
        Err(error) => opening.fail(error),
    }
    connected
}

impl Connection {
    /// Notes a statement of the batch that is being put together.
    pub(super) fn note_asked(&mut self, statement: &dyn Statement, params: &Params) {
        let sql = || statement.sql().map(Cow::into_owned).unwrap_or_default();
        self.watched.add(&self.labels, sql, params, self.call.max(self.group));
    }

    /// Notes the end of a group of a batch.
    pub(super) fn note_end(&mut self, failed: Option<&Error>) {
        self.watched.end(failed);
    }

    /// [`Connection::rows`], watched.
    pub(super) async fn watch_rows(
        &mut self,
        ticket: Ticket,
        check: Check,
        sink: Sink<'_>,
    ) -> Result<Completion> {
        let Some((mut watch, group)) = self.watched.next(&self.labels) else {
            return self.read_answer(ticket, check, sink).await;
        };
        let answered = {
            let mut reading = pin!(self.read_answer(ticket, check, sink));
            poll_fn(|cx| watch.poll(|| reading.as_mut().poll(cx), |completion| completion.rows))
                .await
        };
        if let Err(error) = &answered {
            self.watched.fail(error, group);
        }
        answered
    }
}
