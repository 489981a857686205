//! Data both ways: what a command of the replication protocol begins (manual: "COPY Operations").

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use stellata_protocol::{Event, Params};

use crate::connection::Connection;
use crate::connection::simple::text_row;
use crate::error::{Error, ErrorKind, Result};

/// A connection on which data goes both ways. Dropped, it says that it has no more data; what the server still sends is
/// passed over by the connection's next call.
#[derive(Debug)]
pub(crate) struct Duplex<'c> {
    connection: &'c mut Connection,
    /// How long the server may say nothing while its answer to a command is waited for.
    silence: Duration,
    /// The server has no more data, or has refused to go on.
    ended: bool,
}

/// What there is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Data has come: [`Duplex::body`].
    Data,
    /// More bytes have to come: [`Duplex::fill`].
    Wait,
    /// The server has ended its data.
    End,
}

impl<'c> Duplex<'c> {
    /// Runs the command, and waits until data may go both ways.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable: the stream is ended where it begins after all.
    pub(crate) async fn begin(
        connection: &'c mut Connection,
        command: &str,
        silence: Duration,
    ) -> Result<Self> {
        let watch = connection.trace(|| command.to_owned(), &Params::new());
        watch.over(Self::ask(connection, command, silence), |_| 0).await
    }

    async fn ask(connection: &'c mut Connection, command: &str, silence: Duration) -> Result<Self> {
        connection.settle().await?;
        connection.begin_batch()?;
        connection.driver.conversation.query_copy(command).map_err(Error::encode)?;
        connection.close_batch();
        let mut duplex = Self { connection, silence, ended: false };
        loop {
            match duplex.advance()? {
                None => duplex.fill_in_time().await?,
                Some(Event::CopyBoth) => return Ok(duplex),
                Some(Event::Error) => {
                    let command: Arc<str> = command.into();
                    return Err(duplex.connection.server_error(Some(command)));
                }
                Some(Event::ReadyForQuery) => {
                    let message = "the command has ended without a stream";
                    return Err(Error::new(ErrorKind::Usage, message));
                }
                Some(_) => {}
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Event>> {
        self.connection.advance().map_err(|error| self.connection.refuse(error))
    }

    /// Goes on to the next data, if all of it has come.
    pub(crate) fn step(&mut self) -> Result<Step> {
        while !self.ended {
            match self.advance()? {
                None => return Ok(Step::Wait),
                Some(Event::CopyData) => return Ok(Step::Data),
                Some(Event::Error) => {
                    self.ended = true;
                    return Err(self.connection.server_error(None));
                }
                Some(Event::CopyDone) => self.ended = true,
                Some(Event::ReadyForQuery) => {
                    self.ended = true;
                    return Err(Error::new(
                        ErrorKind::Usage,
                        "the server has ended the stream before it began: connect anew for another stream",
                    ));
                }
                // A server that shuts down completes the command first, and then closes.
                Some(_) => {}
            }
        }
        Ok(Step::End)
    }

    /// The data that has come. It stays until the next call of another function.
    pub(crate) fn body(&self) -> &[u8] {
        self.connection.driver.conversation.body()
    }

    /// Adds data to what is to be sent. It leaves with the next [`Duplex::fill`] or [`Duplex::poll_send`].
    pub(crate) fn send(&mut self, data: &[u8]) -> Result<()> {
        let sent = self.connection.driver.conversation.copy_data(data);
        sent.map(drop).map_err(Error::encode)
    }

    /// Whether something is to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        !self.connection.driver.conversation.output().is_empty()
    }

    /// Sends what is to be sent, without reading. A failure shows up at the next [`Duplex::fill`].
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.driver.poll_send(cx)
    }

    /// Sends what is to be sent and waits until more bytes have come.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        self.connection.driver.fill().await
    }

    /// As [`Duplex::fill`], giving the connection up where nothing comes.
    async fn fill_in_time(&mut self) -> Result<()> {
        let silence = self.silence;
        if let Ok(filled) = tokio::time::timeout(silence, self.fill()).await {
            return filled;
        }
        self.abort();
        let message = format!("the server has been silent for longer than {silence:?}");
        Err(Error::new(ErrorKind::Timeout, message))
    }

    /// Gives the connection up: what its server says can't be believed.
    pub(crate) fn abort(&mut self) {
        self.connection.driver.abort();
    }

    /// Ends the data of both sides, and returns the rows that the server may have sent behind it.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub(crate) async fn finish(&mut self) -> Result<Vec<Vec<Option<String>>>> {
        self.connection.driver.conversation.copy_done().map_err(Error::encode)?;
        let mut rows = Vec::new();
        let mut columns = 0;
        loop {
            match self.advance()? {
                None => self.fill_in_time().await?,
                Some(Event::RowDescription) => {
                    let body = self.body();
                    let fields = stellata_protocol::message::read_row_description(body);
                    columns = fields.map_err(Error::protocol)?.len();
                }
                Some(Event::DataRow) => rows.push(text_row(self.body(), columns)?),
                Some(Event::Error) => return Err(self.connection.server_error(None)),
                Some(Event::ReadyForQuery) => return Ok(rows),
                Some(_) => {}
            }
        }
    }
}

impl Drop for Duplex<'_> {
    fn drop(&mut self) {
        // It fails only where there is nothing to end.
        let _ = self.connection.driver.conversation.copy_done();
    }
}
