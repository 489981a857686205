//! A stream of committed changes (manual: "Logical Streaming Replication Protocol").

use stellata_protocol::replication::pgoutput::{self, PgOutput};
use stellata_protocol::replication::{Lsn, PrimaryMessage};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::replication::command::LogicalOptions;
use crate::replication::event::{Event, LogicalMessage};
use crate::replication::malformed;
use crate::replication::progress::Progress;
use crate::replication::relations::Relations;
use crate::replication::stream::Stream;

/// The changes that publications tell, in the order of the transactions' commits.
///
/// Whatever is not confirmed comes again with the next stream of the slot: see [the module](super). Dropped, the stream is
/// ended, and what still comes of it is passed over by the connection's next command.
#[derive(Debug)]
pub struct LogicalStream<'c> {
    stream: Stream<'c>,
    decoder: PgOutput,
    relations: Relations,
}

impl<'c> LogicalStream<'c> {
    pub(super) async fn start(
        connection: &'c mut Connection,
        options: &LogicalOptions,
    ) -> Result<Self> {
        let command = options.command()?;
        let progress = Progress::new(options.interval, options.silence, true);
        let stream = Stream::begin(connection, &command, progress).await?;
        Ok(Self { stream, decoder: options.decoder(), relations: Relations::default() })
    }

    /// Waits for the next message. It lies in the connection's read buffer until the stream is used again. `None` when the
    /// server has ended the stream: [`LogicalStream::finish`] it.
    ///
    /// While it waits, and each time it is called, the server's keepalives are answered, and positions are reported when the
    /// interval of the options is over, when the server asks, and when there is a confirmation and nothing else to do.
    ///
    /// # Errors
    /// What the server says, or what breaks the connection; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) when it is
    /// silent for longer than the limit of the options; [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) for bytes that
    /// are no message, after which the connection is closed.
    ///
    /// # Cancel safety
    /// No message is lost.
    pub async fn next(&mut self) -> Result<Option<LogicalMessage<'_>>> {
        if !self.stream.next(!self.decoder.is_inside()).await? {
            return Ok(None);
        }
        let Self { stream, decoder, relations } = self;
        let Stream { duplex, progress, broken, .. } = stream;
        // Until the message is read to its end.
        *broken = true;
        let PrimaryMessage::XLogData(data) =
            PrimaryMessage::read(duplex.body()).map_err(Error::protocol)?
        else {
            return Err(malformed("a message of a stream is no piece of the log"));
        };
        let event = decoder.decode(data.data).map_err(Error::protocol)?;
        progress.receive(data.start);
        note(&event, progress, relations)?;
        let event = Event::of(event, relations)?;
        *broken = false;
        Ok(Some(LogicalMessage { position: data.start, sent_at: data.sent_at, event }))
    }

    /// Says that everything before `position` is safe: the server forgets it, and never sends it again. The position is the
    /// `end_lsn` of a commit or a prepare, or the `lsn` of a message that belongs to no transaction. The server hears of it
    /// when the stream is polled next.
    pub fn confirm(&mut self, position: Lsn) {
        self.stream.progress.confirm(position);
    }

    /// The position before which everything is confirmed. It also moves where nothing concerns this stream.
    #[must_use]
    pub fn confirmed(&self) -> Lsn {
        self.stream.progress.confirmed()
    }

    /// The position up to which the server has sent all that there is.
    #[must_use]
    pub fn received(&self) -> Lsn {
        self.stream.progress.received()
    }

    /// The tables that the stream has told so far.
    #[must_use]
    pub fn relations(&self) -> &Relations {
        &self.relations
    }

    /// Waits for `work`, and reports positions meanwhile, so that the server does not take a slow consumer for a dead one.
    /// Nothing is read.
    ///
    /// ```no_run
    /// # use stellata_client::replication::{Event, LogicalStream};
    /// # async fn store(id: i64) {}
    /// # async fn example(stream: &mut LogicalStream<'_>) -> Result<(), stellata_client::Error> {
    /// while let Some(message) = stream.next().await? {
    ///     if let Event::Insert(insert) = message.event {
    ///         let id = insert.new.get("id")?;
    ///         stream.tend(store(id)).await;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// That of `work`; the stream loses nothing.
    pub async fn tend<F: Future>(&mut self, work: F) -> F::Output {
        self.stream.tend(work).await
    }

    /// Reports what is confirmed, and ends the stream. The connection can be used again, but for a second logical stream.
    ///
    /// What the server still sends of a transaction is read and passed over. It comes again with the next stream.
    ///
    /// # Errors
    /// As [`LogicalStream::next`].
    ///
    /// # Cancel safety
    /// When the future is dropped the connection's next command passes over what still comes.
    pub async fn finish(mut self) -> Result<()> {
        self.stream.finish().await.map(drop)
    }
}

/// Notes what an event tells about tables, and up to where it can be confirmed.
fn note(
    event: &pgoutput::Event<'_>,
    progress: &mut Progress,
    relations: &mut Relations,
) -> Result<()> {
    match event {
        pgoutput::Event::Relation(relation) => relations.note(relation)?,
        pgoutput::Event::StreamStart(start) => relations.begin_part(start.xid),
        pgoutput::Event::StreamStop => relations.end_part(),
        pgoutput::Event::Commit(commit) => progress.deliver(commit.end_lsn),
        pgoutput::Event::StreamCommit(stream) => {
            relations.end(stream.xid, true);
            progress.deliver(stream.commit.end_lsn);
        }
        pgoutput::Event::StreamAbort(abort) if abort.xid == abort.subxid => {
            relations.end(abort.xid, false);
        }
        pgoutput::Event::StreamPrepare(prepared) => {
            relations.end(prepared.xid, false);
            progress.deliver(prepared.end_lsn);
        }
        pgoutput::Event::Prepare(prepared) | pgoutput::Event::CommitPrepared(prepared) => {
            progress.deliver(prepared.end_lsn);
        }
        pgoutput::Event::RollbackPrepared(rollback) => progress.deliver(rollback.end_lsn),
        pgoutput::Event::Message(message) if !message.is_transactional => {
            progress.deliver(message.lsn);
        }
        _ => {}
    }
    Ok(())
}
