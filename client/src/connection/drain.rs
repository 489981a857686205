//! Bringing a connection back to rest: what is still owed is read away, or cancelled.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

impl Connection {
    /// Brings the connection to rest after calls whose futures were dropped, within `limit`.
    ///
    /// For half of it, what is still owed is read and passed over. What then still runs is cancelled at the server, over a
    /// connection of its own: when that has ended, and a Sync was answered, no cancellation is under way that could hit a
    /// later statement. What does not come to rest by that is closed.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when the limit is over, and whatever else broke the connection or kept it from being
    /// cancelled; it is closed then.
    ///
    /// # Cancel safety
    /// It can be called again.
    pub async fn drain(&mut self, limit: Duration) -> Result<()> {
        if self.is_quiet() {
            return Ok(());
        }
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the connection is closed"));
        }
        let start = Instant::now();
        if self.cancelling.is_none() {
            if self.open && self.leaving.is_none() {
                self.end_open()?;
            }
            self.driver.conversation.abandon();
            // Without a way to cancel there is but one thing to wait for.
            let patience = if self.cancel.has_origin() { limit / 2 } else { limit };
            if let Ok(done) = tokio::time::timeout(patience, self.pass_over()).await {
                return done;
            }
            self.start_cancelling();
        }
        let rest = limit.saturating_sub(start.elapsed());
        match tokio::time::timeout(rest, self.finish_cancelling()).await {
            Ok(done) => done,
            Err(_) => {
                self.driver.abort();
                Err(Error::new(ErrorKind::Timeout, format!("draining took longer than {limit:?}")))
            }
        }
    }

    /// Reads and passes over all that is owed.
    async fn pass_over(&mut self) -> Result<()> {
        if self.leaving.is_some() {
            poll_fn(|cx| self.poll_leave(cx)).await
        } else {
            poll_fn(|cx| self.poll_pass_over(cx)).await
        }
    }

    fn poll_pass_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.driver.conversation.is_quiet() {
            if self.advance()?.is_none() && !self.driver.conversation.is_quiet() {
                ready!(self.driver.poll_fill(cx))?;
            }
        }
        if self.is_closed() {
            // Its goodbye answered a call that was given up.
            return Poll::Ready(Err(Error::new(
                ErrorKind::Closed,
                "the server has ended the session",
            )));
        }
        Poll::Ready(Ok(()))
    }

    /// Begins to cancel what runs, beside all else. Until [`Connection::finish_cancelling`] is through, no call can begin.
    ///
    /// A task of its own does it: a request that is half sent must not be forgotten because the caller's future is
    /// dropped, or it hits a later statement unseen. For the same reason one that is under way is never replaced by another:
    /// what was asked behind it has not been sent.
    pub(super) fn start_cancelling(&mut self) {
        self.leaving = None;
        if self.cancelling.is_some() {
            return;
        }
        let handle = self.cancel_handle();
        self.cancelling = Some(tokio::spawn(async move { handle.cancel().await }));
        self.open = true;
    }

    /// Waits for the end of the cancellation, then for that of all that is owed, and of a Sync behind it.
    ///
    /// # Cancel safety
    /// It can be called again.
    pub(super) async fn finish_cancelling(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_finish_cancelling(cx)).await
    }

    /// As [`Connection::finish_cancelling`], where there is a cancellation at all, or a COPY that was dropped.
    pub(crate) async fn settled(&mut self) -> Result<()> {
        if self.cancelling.is_some() {
            self.finish_cancelling().await
        } else if self.leaving.is_some() {
            poll_fn(|cx| self.poll_leave(cx)).await
        } else {
            Ok(())
        }
    }

    /// Waits for the end of a cancellation over which [`Connection::begin_ahead`] has put requests together.
    #[cold]
    pub(super) fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(cancelling) = &mut self.cancelling {
            let ended = ready!(Pin::new(cancelling).poll(cx));
            self.cancelling = None;
            self.note_cancelled(ended)?;
        }
        Poll::Ready(Ok(()))
    }

    #[cold]
    pub(super) fn poll_finish_cancelling(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.unsent {
            self.withdraw();
        }
        if let Some(cancelling) = &mut self.cancelling {
            let ended = Pin::new(cancelling).poll(cx);
            if ended.is_ready() {
                self.cancelling = None;
            }
            // The server may have much to say before it comes to where it looks for cancellations.
            if let Poll::Ready(Err(error)) = self.poll_pass_over(cx) {
                return Poll::Ready(Err(error));
            }
            self.note_cancelled(ready!(ended))?;
            self.sync()?;
            self.driver.conversation.abandon();
        }
        self.poll_pass_over(cx)
    }

    /// Notes that a COPY out runs: a next call that comes before its end cancels it, unless little of it is left.
    ///
    /// Within a transaction, which a cancellation fails, little is more.
    pub(super) fn may_leave(&mut self) {
        if self.cancel.has_origin() {
            let is_within = !self.is_idle();
            let (left, wait) = if is_within {
                (BEFORE_FAILING, WAIT_BEFORE_FAILING)
            } else {
                (WORTH_READING, WORTH_WAITING)
            };
            self.leaving = Some(Leaving { is_within, left, wait, patience: None });
            self.open = true;
        }
    }

    /// Notes that it has come to its end.
    pub(super) fn has_left(&mut self) {
        if self.leaving.take().is_some() {
            self.open = false;
        }
    }

    /// Brings a COPY that was dropped to its end: by reading what is left of it, by cancelling it where that is much.
    ///
    /// # Cancel safety
    /// It can be called again.
    #[cold]
    pub(super) fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.leaving.is_some() {
            self.driver.conversation.abandon();
            // What is passed over is not told.
            while self.advance()?.is_some() {}
            if self.driver.conversation.is_quiet() {
                self.has_left();
                return Poll::Ready(Ok(()));
            }
            let filled = self.driver.poll_fill(cx)?;
            if let Some(leaving) = &mut self.leaving
                && leaving.is_over(cx)
            {
                self.copy_cancelled = leaving.is_within;
                self.start_cancelling();
            } else {
                ready!(filled);
            }
        }
        self.poll_finish_cancelling(cx)
    }
}

/// What is left of a COPY that was dropped, before it is cancelled.
#[derive(Debug)]
pub(super) struct Leaving {
    /// It runs within a transaction.
    is_within: bool,
    /// So many bytes may still be read.
    left: usize,
    /// For so long they are waited for.
    wait: Duration,
    /// The end of that time; `None` before the first look.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Leaving {
    /// Counts what was passed over.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let wait = self.wait;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(wait)));
        self.left == 0 || patience.as_mut().poll(cx).is_ready()
    }
}

/// The rest of a COPY, in bytes of data, that is read rather than cancelled: a cancellation takes a connection of its own.
const WORTH_READING: usize = 1 << 20;
/// How long it is waited for.
const WORTH_WAITING: Duration = Duration::from_secs(1);
/// The same within a transaction, which has much to lose.
const BEFORE_FAILING: usize = 64 << 20;
/// How long that is waited for.
const WAIT_BEFORE_FAILING: Duration = Duration::from_secs(10);
