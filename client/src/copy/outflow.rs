//! Data on its way out.

use std::task::{Context, Poll};

use stellata_protocol::copy::CopyPiece;

use crate::connection::Connection;
use crate::connection::copy::Copying;
use crate::copy::progress::Report;
use crate::error::{Error, Result};

/// Data on its way out.
#[derive(Debug)]
pub(super) struct Outflow<'c> {
    pub(super) connection: &'c mut Connection,
    copying: Copying,
    pub(super) report: Report,
    /// How much of the newest message has been used.
    pub(super) at: usize,
    pub(super) end: End,
}

/// The newest message holds no data, or none that was not used.
pub(super) const NOTHING: usize = usize::MAX;

/// What has come of a COPY.
#[derive(Debug)]
pub(super) enum End {
    /// There may be more.
    Ahead,
    /// It failed, which nobody has been told yet.
    Failed(Error),
    /// All is told.
    Told,
}

impl<'c> Outflow<'c> {
    /// Of a COPY that has begun, and of whose data nothing has come.
    pub(super) fn new(connection: &'c mut Connection, copying: Copying, report: Report) -> Self {
        Self { connection, copying, report, at: NOTHING, end: End::Ahead }
    }

    /// What has come and was not used.
    pub(super) fn unused(&self) -> &[u8] {
        self.connection.copy_body().get(self.at..).unwrap_or_default()
    }

    /// Waits for the next message of data, which gives up what is there; false at the end of a COPY that went well.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        match std::mem::replace(&mut self.end, End::Told) {
            End::Ahead => {}
            End::Failed(error) => return Poll::Ready(Err(error)),
            End::Told => return Poll::Ready(Ok(false)),
        }
        match self.connection.poll_copy_data(cx, &mut self.copying) {
            Poll::Pending => {
                self.end = End::Ahead;
                Poll::Pending
            }
            Poll::Ready(Ok(true)) => {
                self.end = End::Ahead;
                self.at = 0;
                self.count(self.unused().len());
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Ok(false)) => {
                self.at = NOTHING;
                Poll::Ready(match self.copying.outcome() {
                    Ok(rows) => {
                        self.report.progress.rows = rows;
                        self.report.tell();
                        Ok(false)
                    }
                    Err(error) => Err(self.report.place(error)),
                })
            }
            Poll::Ready(Err(broken)) => {
                self.at = NOTHING;
                Poll::Ready(Err(broken))
            }
        }
    }

    #[inline]
    pub(super) fn count(&mut self, count: usize) {
        let before = self.report.progress.bytes;
        let now = before.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.report.progress.bytes = now;
        let full = u64::try_from(CopyPiece::FULL).unwrap_or(u64::MAX);
        if before / full != now / full {
            self.report.tell();
        }
    }

    /// Gathers what is there, up to about 64 KB; false when nothing follows.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Vec<u8>,
    ) -> Poll<Result<bool>> {
        loop {
            chunk.extend_from_slice(self.unused());
            self.at = NOTHING;
            if chunk.len() >= CopyPiece::FULL {
                return Poll::Ready(Ok(true));
            }
            match self.poll_data(cx) {
                Poll::Pending if chunk.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Ok(true)),
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }
}
