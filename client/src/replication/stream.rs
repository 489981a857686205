//! What logical and physical streams have in common: reading, answering keepalives, reporting positions.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use stellata_protocol::Buffer;
use stellata_protocol::replication::PrimaryMessage;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::connection::Connection;
use crate::connection::duplex::{Duplex, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::replication::malformed;
use crate::replication::progress::{LEAST, Progress};

/// A replication stream.
#[derive(Debug)]
pub(super) struct Stream<'c> {
    pub(super) duplex: Duplex<'c>,
    pub(super) progress: Progress,
    status: Buffer,
    /// What the server sent can't be: nothing of it is to be believed any more.
    pub(super) broken: bool,
}

impl<'c> Stream<'c> {
    pub(super) async fn begin(
        connection: &'c mut Connection,
        command: &str,
        progress: Progress,
    ) -> Result<Self> {
        let duplex = Duplex::begin(connection, command, progress.silence_limit()).await?;
        Ok(Self { duplex, progress, status: Buffer::new(), broken: false })
    }

    /// Waits until the body of the duplex is a piece of the log; false when the server has ended its data. `between` says
    /// whether all that has come belongs to what is complete.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn next(&mut self, between: bool) -> Result<bool> {
        if self.broken {
            self.duplex.abort();
            return Err(Error::new(ErrorKind::Closed, "the stream was given up"));
        }
        loop {
            self.report()?;
            match self.duplex.step()? {
                Step::Data if self.duplex.body().first() == Some(&b'w') => return Ok(true),
                Step::Data => match PrimaryMessage::read(self.duplex.body()) {
                    Ok(PrimaryMessage::Keepalive(keepalive)) => {
                        self.progress.keepalive(&keepalive, between);
                    }
                    Ok(PrimaryMessage::XLogData(_)) => return Ok(true),
                    Err(error) => {
                        self.duplex.abort();
                        return Err(Error::protocol(error));
                    }
                },
                Step::Wait => self.wait().await?,
                Step::End => return Ok(false),
            }
        }
    }

    /// Tells the server where the stream is, if it is time, and sends as much of that as the socket takes.
    fn report(&mut self) -> Result<()> {
        let now = Instant::now();
        // What the server has not taken yet is enough for it to know that somebody is here.
        if self.progress.is_due(now) && !self.duplex.is_sending() {
            self.tell(now)?;
        }
        if self.duplex.is_sending() {
            let waker = std::task::Waker::noop();
            let _ = self.duplex.poll_send(&mut std::task::Context::from_waker(waker));
        }
        Ok(())
    }

    fn tell(&mut self, now: Instant) -> Result<()> {
        self.progress.write(now, &mut self.status);
        self.duplex.send(self.status.as_slice())
    }

    /// Waits until something has come, or there is something to tell.
    async fn wait(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.progress.has_news() && !self.duplex.is_sending() {
            self.tell(now)?;
        }
        let was_sending = self.duplex.is_sending();
        let deadline = self.progress.deadline(now, was_sending);
        let duplex = &mut self.duplex;
        let filled = poll_fn(|cx| {
            let filled = pin!(duplex.fill()).poll(cx);
            if filled.is_pending() && was_sending && !duplex.is_sending() {
                return Poll::Ready(None);
            }
            filled.map(Some)
        });
        match timeout_at(deadline, filled).await {
            Ok(Some(filled)) => {
                self.progress.hear();
                filled
            }
            // The server has taken all that it was told: there may be more to tell.
            Ok(None) => Ok(()),
            Err(_) if self.progress.miss(Instant::now()) => Ok(()),
            Err(_) => {
                self.duplex.abort();
                Err(Error::new(
                    ErrorKind::Timeout,
                    "the server has been silent for too long, though it was asked for a sign of life",
                ))
            }
        }
    }

    /// Waits for `work`, and tells the server meanwhile that somebody is here.
    pub(super) async fn tend<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            // What can't be told now shows when the stream goes on.
            let _ = self.report();
            let now = Instant::now();
            let mut due = pin!(sleep_until(self.progress.next_report().max(now + LEAST)));
            let duplex = &mut self.duplex;
            let done = poll_fn(|cx| {
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(Some(done));
                }
                let _ = duplex.poll_send(cx);
                due.as_mut().poll(cx).map(|()| None)
            })
            .await;
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Reports the positions a last time, ends the stream, and passes over what still comes of it.
    pub(super) async fn finish(&mut self) -> Result<Vec<Vec<Option<String>>>> {
        if self.broken {
            self.duplex.abort();
            return Err(malformed("the stream was given up"));
        }
        self.tell(Instant::now())?;
        self.duplex.finish().await
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if self.broken {
            self.duplex.abort();
        }
    }
}
