//! Data on its way in.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use stellata_protocol::copy::CopyPiece;
use tokio::task::yield_now;

use crate::connection::Connection;
use crate::connection::copy::{CHANGED, Copying, Described, Way};
use crate::copy::place::{Lines, Made};
use crate::copy::progress::Report;
use crate::error::{Error, Result};

/// Data on its way in. Dropped before its end, it makes the COPY fail: the server is told so at once where the socket takes it,
/// else with the next use of the connection.
#[derive(Debug)]
pub(super) struct Inflow<'c> {
    connection: &'c mut Connection,
    copying: Copying,
    pub(super) report: Report,
    stage: Stage,
    /// Of rows: whether they are sent in binary.
    is_binary: Option<bool>,
    /// How many pieces were sent since others could run.
    pieces: u8,
}

/// So many pieces are sent at most before others run: a socket that always takes what is sent makes nobody wait, and the runtime
/// sees what has come only in between.
const PIECES: u8 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Data may follow.
    Open,
    /// The end of the data was handed over.
    Ending,
    /// The answer was read.
    Done,
}

impl<'c> Inflow<'c> {
    pub(super) fn start(
        connection: &'c mut Connection,
        sql: &str,
        described: Option<&Described>,
        report: Report,
    ) -> Result<Self> {
        let copying = connection.start_copy(Way::In, sql, described)?;
        Ok(Self { connection, copying, report, stage: Stage::Open, is_binary: None, pieces: 0 })
    }

    /// Says that rows are sent, in binary or as lines behind a header of so many lines.
    pub(super) fn of_rows(&mut self, is_binary: bool, header: u64) {
        self.is_binary = Some(is_binary);
        self.report.lines = if is_binary { Lines::Rows } else { Lines::Made(Made::behind(header)) };
    }

    /// Adds where the error lies, and what may have led to it.
    #[cold]
    fn place(&self, error: Error) -> Error {
        let error = self.report.place(error);
        let note = match (self.is_binary, self.copying.is_binary()) {
            (Some(true), Some(false)) => {
                "the command takes text, and the rows came in binary: write `(format binary)` into it, or say by `options` \
                 in which form it takes them"
            }
            (Some(false), Some(true)) => {
                "the command takes binary data, and the rows came as text: write the format of the `options` into it"
            }
            _ => return error,
        };
        error.with_note(note.to_owned())
    }

    /// Waits for room and hands a piece over. Where the COPY is over already, this is its error.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut CopyPiece,
    ) -> Poll<Result<()>> {
        if self.pieces >= PIECES {
            self.pieces = 0;
            // Polled once, it has this task polled again after the others.
            ready!(pin!(yield_now()).poll(cx));
        }
        if self.stage == Stage::Open
            && ready!(self.connection.poll_copy_room(cx, &mut self.copying))?
        {
            self.pieces += 1;
            self.report.progress.bytes += count(piece);
            self.connection.send_copy(piece)?;
            self.report.tell();
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(ready!(self.poll_refused(cx))))
    }

    /// Hands the last piece over, and with it the end of the data; there is no need to wait for room. Then it reads the answer:
    /// how many rows it came to.
    pub(super) fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        piece: &mut CopyPiece,
    ) -> Poll<Result<u64>> {
        if self.stage == Stage::Open {
            if self.copying.is_unsure()
                && !ready!(self.connection.poll_copy_room(cx, &mut self.copying))?
            {
                return Poll::Ready(Err(ready!(self.poll_refused(cx))));
            }
            self.report.progress.bytes += count(piece);
            self.connection.send_copy(piece)?;
            self.end(None)?;
        }
        let done = ready!(self.connection.poll_copy_end(cx, &mut self.copying));
        self.stage = Stage::Done;
        match done {
            Ok(rows) => {
                self.report.progress.rows = rows;
                self.report.tell();
                Poll::Ready(Ok(rows))
            }
            Err(error) => Poll::Ready(Err(self.place(error))),
        }
    }

    /// Makes the COPY fail and reads the answer; what the server says of it is passed over.
    ///
    /// # Errors
    /// What breaks the connection, and that the columns are not those that were asked for.
    pub(super) async fn fail(&mut self, reason: &str) -> Result<()> {
        if self.stage == Stage::Open {
            self.end(Some(reason))?;
        }
        let done = poll_fn(|cx| self.connection.poll_copy_end(cx, &mut self.copying)).await;
        self.stage = Stage::Done;
        match done {
            Err(error)
                if error.is_fatal() || error.is_stale_statement() || self.copying.has_changed() =>
            {
                Err(self.place(error))
            }
            _ => Ok(()),
        }
    }

    /// Takes in what has come while there is no data to send; ready with the error of a COPY that is over.
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Err(broken) = ready!(self.connection.poll_copy_news(cx, &mut self.copying)) {
            return Poll::Ready(broken);
        }
        self.poll_refused(cx)
    }

    /// The error of a COPY that is over before its data is.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if self.stage == Stage::Open {
            let failure = self.copying.has_changed().then_some(CHANGED);
            if let Err(error) = self.end(failure) {
                return Poll::Ready(error);
            }
        }
        let done = ready!(self.connection.poll_copy_end(cx, &mut self.copying));
        self.stage = Stage::Done;
        let error = done.err().unwrap_or_else(|| self.copying.over());
        Poll::Ready(self.place(error))
    }

    fn end(&mut self, failure: Option<&str>) -> Result<()> {
        self.stage = Stage::Ending;
        self.connection.end_copy(failure)
    }
}

fn count(piece: &CopyPiece) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

impl Drop for Inflow<'_> {
    fn drop(&mut self) {
        if self.stage == Stage::Open && !self.connection.is_closed() {
            // What the socket does not take now goes out with the next use.
            let _ = self.connection.end_copy(Some(GIVEN_UP));
            self.connection.send_at_once();
        }
    }
}

const GIVEN_UP: &str = "the client gave the COPY up before all its data was sent";
