//! The log itself as a stream of bytes (manual: "Streaming Replication Protocol", `START_REPLICATION`).

use stellata_protocol::replication::{Lsn, PrimaryMessage, Timestamp};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::replication::command::{PhysicalOptions, cell, number, position};
use crate::replication::malformed;
use crate::replication::progress::Progress;
use crate::replication::stream::Stream;

/// A piece of the log, as it stands on the server's disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WalData<'a> {
    /// Where it begins. It goes on where the piece before it ended.
    pub position: Lsn,
    /// Where the server's log ended when it sent this.
    pub log_end: Lsn,
    /// The server's clock when it sent this.
    pub sent_at: Timestamp,
    /// The bytes, up to 128 KiB.
    pub bytes: &'a [u8],
}

impl WalData<'_> {
    /// Where it ends: what to confirm once it is safe.
    #[must_use]
    pub fn end(&self) -> Lsn {
        let length = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        Lsn(self.position.0.saturating_add(length))
    }
}

/// Without the bytes: they hold rows.
impl std::fmt::Debug for WalData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WalData from {} to {}", self.position, self.end())
    }
}

/// Where the log goes on, behind the end of a timeline that is not the server's own any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextTimeline {
    /// The timeline.
    pub timeline: u32,
    /// The position at which it begins.
    pub start: Lsn,
}

/// The server's log from a position on.
///
/// As a [`LogicalStream`](super::LogicalStream) it is driven by who polls it. Dropped, it is ended.
#[derive(Debug)]
pub struct PhysicalStream<'c> {
    stream: Stream<'c>,
}

impl<'c> PhysicalStream<'c> {
    pub(super) async fn start(
        connection: &'c mut Connection,
        options: &PhysicalOptions,
    ) -> Result<Self> {
        let command = options.command()?;
        let progress = Progress::new(options.interval, options.silence, false);
        Ok(Self { stream: Stream::begin(connection, &command, progress).await? })
    }

    /// Waits for the next piece. It lies in the connection's read buffer until the stream is used again. `None` at the end of
    /// the timeline: [`PhysicalStream::finish`] tells the next one.
    ///
    /// # Errors
    /// As [`LogicalStream::next`](super::LogicalStream::next).
    ///
    /// # Cancel safety
    /// No piece is lost.
    pub async fn next(&mut self) -> Result<Option<WalData<'_>>> {
        if !self.stream.next(true).await? {
            return Ok(None);
        }
        let Stream { duplex, progress, broken, .. } = &mut self.stream;
        *broken = true;
        let PrimaryMessage::XLogData(data) =
            PrimaryMessage::read(duplex.body()).map_err(Error::protocol)?
        else {
            return Err(malformed("a message of a stream is no piece of the log"));
        };
        *broken = false;
        let piece = WalData {
            position: data.start,
            log_end: data.end,
            sent_at: data.sent_at,
            bytes: data.data,
        };
        progress.receive(piece.end());
        Ok(Some(piece))
    }

    /// Says that everything before `position` is safe: the slot, if there is one, lets go of it, and a transaction that waits
    /// for a standby goes on. The server hears of it when the stream is polled next.
    pub fn confirm(&mut self, position: Lsn) {
        self.stream.progress.confirm(position);
    }

    /// The position before which everything is confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Lsn {
        self.stream.progress.confirmed()
    }

    /// Waits for `work`, and reports positions meanwhile: as [`LogicalStream::tend`](super::LogicalStream::tend).
    ///
    /// # Cancel safety
    /// That of `work`; the stream loses nothing.
    pub async fn tend<F: Future>(&mut self, work: F) -> F::Output {
        self.stream.tend(work).await
    }

    /// Reports what is confirmed, and ends the stream. The connection can be used again. Where the timeline has come to its
    /// end, that is, where [`PhysicalStream::next`] has returned `None`, the next one is told.
    ///
    /// # Errors
    /// As [`PhysicalStream::next`].
    ///
    /// # Cancel safety
    /// When the future is dropped the connection's next command passes over what still comes.
    pub async fn finish(mut self) -> Result<Option<NextTimeline>> {
        let rows = self.stream.finish().await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(NextTimeline { timeline: number(cell(row, 0)?)?, start: position(cell(row, 1)?)? }))
    }
}
