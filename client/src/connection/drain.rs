//! Bringing a connection back to rest: what is still owed is read away, or cancelled.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::connection::Connection;
use crate::connection::cancel::CancelHandle;
use crate::error::{Error, ErrorKind, Result};

impl Connection {
    /// Brings the connection to rest after calls whose futures were dropped, within `limit`.
    ///
    /// What is still owed is read and passed over, for half of the limit at most. What then still runs, or is much, is
    /// cancelled at the server, over a connection of its own: when that has ended, and a Sync was answered, no cancellation
    /// is under way that could hit a later statement. What does not come to rest by that is closed.
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
        self.riding = None;
        if self.cancelling.is_none() {
            // Without a way to cancel there is but one thing to wait for.
            let patience = if self.cancel.has_origin() { limit / 2 } else { limit };
            if let Ok(done) = tokio::time::timeout(patience, self.settle()).await {
                return done.and_then(|()| self.still_there());
            }
            self.start_cancelling();
        }
        let rest = limit.saturating_sub(start.elapsed());
        match tokio::time::timeout(rest, self.settle()).await {
            Ok(done) => done.and_then(|()| self.still_there()),
            Err(_) => {
                self.driver.abort();
                Err(Error::new(ErrorKind::Timeout, format!("draining took longer than {limit:?}")))
            }
        }
    }

    /// Brings to its end what was asked before and given up, so that what is asked next has the connection for itself. All
    /// calls that wait begin with it; it is for who puts a [`Connection::begin_batch`] together.
    ///
    /// What is owed is read and passed over: up to 1 MiB of it, for up to a second. Where that is not enough it is cancelled
    /// at the server, over a connection of its own, again and again until nothing of it runs. Within a transaction, which a
    /// cancellation fails, it is up to 64 MiB and ten seconds. What does not end though it is cancelled, for half a minute,
    /// is closed. Where nothing is owed it costs nothing.
    ///
    /// # Errors
    /// Whatever broke the connection or kept it from being cancelled; it is closed then.
    ///
    /// # Cancel safety
    /// It can be called again.
    #[inline]
    pub async fn settle(&mut self) -> Result<()> {
        if !self.open && !self.driver.conversation.is_owing() {
            return Ok(());
        }
        poll_fn(|cx| self.poll_settle(cx)).await
    }

    /// As [`Connection::settle`], where something may be owed.
    #[cold]
    pub(super) fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_closed() {
            // Why it is so is told by who asks next.
            return Poll::Ready(Ok(()));
        }
        if self.unsent {
            self.withdraw();
        }
        if self.ahead.is_some() {
            // What was put together behind it was given up too.
            ready!(self.poll_held_up(cx))?;
        }
        if self.cancelling.is_none() {
            if self.is_riding() {
                return Poll::Ready(Ok(()));
            }
            if self.open {
                if self.driver.conversation.is_quiet() {
                    self.open = false;
                    return Poll::Ready(Ok(()));
                }
                // A batch was left half put together.
                self.sync()?;
            }
        }
        self.driver.conversation.abandon();
        self.poll_leave(cx)
    }

    /// Reads all that is owed, cancelling it where it is much.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.cancelling.is_some() {
                ready!(self.poll_cancelling(cx))?;
            }
            self.begin_leaving();
            // What is passed over is not told.
            while self.advance()?.is_some() {}
            if self.driver.conversation.is_quiet() {
                self.leaving = None;
                self.held_up = false;
                return Poll::Ready(self.still_there());
            }
            let filled = self.driver.poll_fill(cx)?;
            if self.has_waited(cx)? {
                self.start_cancelling();
            } else {
                ready!(filled);
            }
        }
    }

    /// Waits for the end of a cancellation, and asks for a Sync behind it.
    fn poll_cancelling(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(cancelling) = &mut self.cancelling else { return Poll::Ready(Ok(())) };
        let ended = Pin::new(cancelling).poll(cx);
        if ended.is_ready() {
            self.cancelling = None;
        }
        // The server may have much to say before it comes to where it looks for cancellations.
        match self.poll_pass_over(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => self.cancelled_enough(),
            Poll::Pending => {}
        }
        self.note_cancelled(ready!(ended))?;
        self.wait_again();
        self.sync()?;
        self.driver.conversation.abandon();
        Poll::Ready(Ok(()))
    }

    fn poll_pass_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.driver.conversation.is_quiet() {
            if self.advance()?.is_none() && !self.driver.conversation.is_quiet() {
                ready!(self.driver.poll_fill(cx))?;
            }
        }
        Poll::Ready(self.still_there())
    }

    /// Fails where the server's goodbye answered a call that was given up.
    fn still_there(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the server has ended the session"));
        }
        Ok(())
    }

    /// Begins to cancel what runs, beside all else. Until it has ended, and a Sync behind it, no call can begin.
    ///
    /// A task of its own does it: a request that is half sent must not be forgotten because the caller's future is
    /// dropped, or it hits a later statement unseen. For the same reason one that is under way is never replaced by another:
    /// what was asked behind it has not been sent.
    pub(super) fn start_cancelling(&mut self) {
        if self.cancelling.is_some() {
            return;
        }
        let groups = self.driver.conversation.ready_due();
        self.cancelling = Some(Cancelling::start(self.cancel_handle(), groups));
        self.open = true;
        self.held_up = true;
    }

    /// Gives up what runs, and waits for the end of its cancellation as long as there is time. What is not through by then
    /// is left to the next call.
    pub(super) async fn settle_by(&mut self, deadline: Instant) {
        self.driver.conversation.abandon();
        match tokio::time::timeout_at(deadline, self.settle()).await {
            Ok(Err(_)) => self.driver.abort(),
            Err(_) if !self.is_quiet() && self.ahead.is_none() => self.start_cancelling(),
            Ok(Ok(())) | Err(_) => {}
        }
    }

    /// Keeps what is put together from here on from being written before what was asked up to here has ended.
    #[cold]
    pub(super) fn hold_back(&mut self) -> Result<()> {
        let conversation = &mut self.driver.conversation;
        if self.open {
            // A batch may have been left half put together.
            conversation.sync().map_err(Error::protocol)?;
        }
        if self.ahead.is_none() {
            conversation.abandon();
            let unsent = conversation.output().len();
            let call = conversation.begin();
            // What is late of a cancellation hits this.
            conversation.sync().map_err(Error::protocol)?;
            self.ahead = Some(Ahead { unsent, call });
        }
        self.held_up = true;
        Ok(())
    }

    /// Takes the call back that was put together last, where it has not been written because it is held back. False where
    /// it may have been.
    pub(super) fn take_back(&mut self) -> bool {
        self.ahead.is_some() && self.withdraw()
    }

    /// Waits until that may be written which was put together over something that was given up: until that has ended, and
    /// the cancellation of it.
    #[cold]
    pub(super) fn poll_held_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if let Some(cancelling) = &mut self.cancelling
                && let Poll::Ready(ended) = Pin::new(cancelling).poll(cx)
            {
                self.cancelling = None;
                self.note_cancelled(ended)?;
                self.wait_again();
            }
            if let Some(behind) = self.ahead.as_ref().map(|ahead| ahead.call) {
                self.begin_leaving();
                let is_before = |owed: Option<u64>| owed.is_some_and(|call| call < behind);
                while is_before(self.driver.conversation.answering()) && self.advance()?.is_some() {
                }
                if is_before(self.driver.conversation.answering()) {
                    let Some(ahead) = &mut self.ahead else { continue };
                    let filled = self.driver.poll_fill_first(cx, &mut ahead.unsent)?;
                    if self.cancelling.is_none() && self.has_waited(cx)? {
                        self.start_cancelling();
                    } else {
                        ready!(filled);
                    }
                    continue;
                }
                self.cancelled_enough();
            }
            if self.cancelling.is_some() {
                return Poll::Pending;
            }
            self.ahead = None;
            self.leaving = None;
            self.held_up = false;
            return Poll::Ready(Ok(()));
        }
    }

    /// Takes in what has come of what was given up, as far as that needs no patience. False where not all of it has.
    pub(super) fn pass_by(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        if self.unsent {
            self.withdraw();
        }
        if self.ahead.is_some() {
            return Ok(false);
        }
        if self.open && self.cancelling.is_none() {
            self.sync()?;
        }
        self.driver.conversation.abandon();
        self.begin_leaving();
        loop {
            while self.advance()?.is_some() {}
            if self.driver.conversation.is_quiet() {
                return Ok(self.cancelling.is_none());
            }
            let is_much =
                self.leaving.as_ref().is_some_and(|leaving| leaving.passed >= WORTH_READING);
            if is_much && self.cancel.has_origin() {
                return Ok(false);
            }
            match self.driver.poll_fill(cx) {
                Poll::Ready(filled) => filled?,
                Poll::Pending => return Ok(false),
            }
        }
    }

    /// Says that what was asked last is answered at once, and all before it: the next requests need not wait for that. What is
    /// being cancelled they have to wait for all the same.
    pub(crate) fn ride(&mut self) {
        if self.cancelling.is_none() && self.ahead.is_none() {
            self.riding = Some(self.call);
        }
    }

    /// The number of the newest call.
    pub(crate) fn newest_call(&self) -> u64 {
        self.call
    }

    /// Whether all that is owed is answered at once.
    #[cold]
    pub(super) fn is_riding(&self) -> bool {
        self.riding == Some(self.call)
    }

    fn begin_leaving(&mut self) {
        let call = self.call;
        if self.leaving.as_ref().is_none_or(|leaving| leaving.call != call) {
            self.leaving = Some(Leaving::of(call));
        }
    }

    /// Whether what is given up is to be cancelled now: it is much, or takes long.
    fn has_waited(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let is_within = !self.is_idle();
        let Some(leaving) = self.leaving.as_mut().filter(|_| self.cancel.has_origin()) else {
            return Ok(false);
        };
        if !leaving.is_over(is_within, cx) {
            return Ok(false);
        }
        if leaving.pause.is_none() {
            self.cancelled_within = is_within;
        } else if leaving.pause > Some(LAST_PAUSE) {
            self.driver.abort();
            let message = "what was given up does not end though it was cancelled";
            return Err(Error::new(ErrorKind::Closed, message));
        }
        Ok(true)
    }

    /// A cancellation has ended. Another follows where something still runs after a while: what it hit may have been but
    /// one of several statements, or was about to end by itself.
    fn wait_again(&mut self) {
        let due = self.driver.conversation.ready_due();
        let before = self.leaving.take().filter(|leaving| leaving.due == due);
        let pause = before.and_then(|leaving| leaving.pause).map_or(FIRST_PAUSE, |pause| pause * 2);
        self.leaving = Some(Leaving { due, pause: Some(pause), ..Leaving::of(self.call) });
    }

    fn cancelled_enough(&self) {
        if let Some(cancelling) = &self.cancelling {
            cancelling.is_enough.store(true, Ordering::Relaxed);
        }
    }
}

/// What was given up, on its way to its end.
#[derive(Debug)]
pub(super) struct Leaving {
    /// The newest call when it was given up.
    call: u64,
    /// So many bytes of data were passed over.
    passed: usize,
    start: Instant,
    /// The end of the time it has, and how long that is; `None` before the first look.
    patience: Option<(Duration, Pin<Box<Sleep>>)>,
    /// It was cancelled, and has so long before it is cancelled again.
    pause: Option<Duration>,
    /// How many ReadyForQuery were due then.
    due: usize,
}

impl Leaving {
    fn of(call: u64) -> Self {
        Self { call, passed: 0, start: Instant::now(), patience: None, pause: None, due: 0 }
    }

    /// Counts what was passed over.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.passed = self.passed.saturating_add(bytes);
    }

    /// Within a transaction, which a cancellation fails, it has longer.
    fn is_over(&mut self, is_within: bool, cx: &mut Context<'_>) -> bool {
        let (most, wait) = match self.pause {
            Some(pause) => (usize::MAX, pause),
            None if is_within => (BEFORE_FAILING, WAIT_BEFORE_FAILING),
            None => (WORTH_READING, WORTH_WAITING),
        };
        if self.patience.as_ref().is_none_or(|(has, _)| *has != wait) {
            self.patience = Some((wait, Box::pin(sleep_until(self.start + wait))));
        }
        let is_late =
            self.patience.as_mut().is_some_and(|(_, end)| end.as_mut().poll(cx).is_ready());
        self.passed >= most || is_late
    }
}

/// What is held back until something that was given up has ended.
#[derive(Debug)]
pub(super) struct Ahead {
    /// How many bytes before it are not written yet.
    unsent: usize,
    /// The call of the Sync that it begins with.
    call: u64,
}

/// A cancellation that is under way, in a task of its own.
#[derive(Debug)]
pub(super) struct Cancelling {
    task: JoinHandle<Result<()>>,
    /// Nothing runs any more.
    is_enough: Arc<AtomicBool>,
}

impl Cancelling {
    /// Cancels what runs, and then what is left of so many groups of requests, which run one after the other: nobody may
    /// be there to read the answers to those that were cancelled.
    fn start(handle: CancelHandle, groups: usize) -> Self {
        let is_enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_enough);
        let task = tokio::spawn(async move {
            handle.cancel().await?;
            for _ in 1..groups.min(MOST_AT_ONCE) {
                sleep(FIRST_PAUSE).await;
                if told.load(Ordering::Relaxed) {
                    break;
                }
                handle.cancel().await?;
            }
            Ok(())
        });
        Self { task, is_enough }
    }
}

impl Future for Cancelling {
    type Output = std::result::Result<Result<()>, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

/// So many bytes of what was given up are read rather than cancelled: a cancellation takes a connection of its own.
const WORTH_READING: usize = 1 << 20;
/// How long they are waited for.
const WORTH_WAITING: Duration = Duration::from_secs(1);
/// The same within a transaction, which has much to lose.
const BEFORE_FAILING: usize = 64 << 20;
/// How long that is waited for.
const WAIT_BEFORE_FAILING: Duration = Duration::from_secs(10);
/// How long what was cancelled has to end before it is cancelled again; each time twice as long, while nothing ends.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// What does not end in this time, after all those before it, never will.
const LAST_PAUSE: Duration = Duration::from_secs(16);
/// How many groups of requests are cancelled while nobody reads.
const MOST_AT_ONCE: usize = 64;
