//! Notifications as a stream (manual: "LISTEN", "NOTIFY").

mod session;
#[cfg(feature = "stream")]
mod stream;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use stellata_protocol::message::Notification;
use tokio::time::{Instant, Sleep, sleep};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::listen::session::{Session, Work, check_channel};
use crate::reconnect::{Backoff, Redial};

/// How a [`Listener`] deals with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    backoff: Backoff,
    probe_after: Duration,
    probe_limit: Duration,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            backoff: Backoff::new().with_patience(None),
            probe_after: Duration::from_secs(30),
            probe_limit: Duration::from_secs(10),
        }
    }
}

impl ListenerOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long to wait between attempts to connect. Default: from 100 ms to 10 s, for as long as it takes.
    #[must_use]
    pub const fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// After how long a silence the server is asked whether it is there, and how long it has to answer: what finds out a
    /// network that has gone without a word. As long it has to answer when it is told to listen. Default: after 30 s, 10 s to
    /// answer. [`Duration::MAX`] never asks.
    #[must_use]
    pub const fn with_probes(mut self, after: Duration, limit: Duration) -> Self {
        self.probe_after = after;
        self.probe_limit = limit;
        self
    }
}

/// What a [`Listener`] has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenEvent {
    /// A notification of a channel that is listened on: channel, payload, and the process that sent it.
    Notification(Notification),
    /// The connection is lost, and why. Nothing is heard until [`ListenEvent::Reconnected`].
    Disconnected(Error),
    /// There is a connection again and all channels are listened on. What was sent since
    /// [`ListenEvent::Disconnected`], or shortly before it, may have been missed: read anew what the notifications stand for.
    Reconnected,
    /// So many notifications came in one go that the oldest were dropped; this many. Read anew what they stand for.
    Dropped(u64),
}

impl ListenEvent {
    /// Whether notifications may have been missed up to here, so that what they stand for is to be read anew.
    #[must_use]
    pub const fn is_gap(&self) -> bool {
        matches!(self, Self::Reconnected | Self::Dropped(_))
    }
}

/// Listens on channels, by a connection of its own that is opened anew when it is lost.
///
/// ```no_run
/// # async fn example() -> Result<(), stellata_client::Error> {
/// use stellata_client::{Config, ListenEvent, Listener};
///
/// let config = Config::parse("postgres://me@localhost/shop")?;
/// let mut listener = Listener::connect(&config).await?;
/// listener.listen("orders").await?;
/// loop {
///     match listener.next().await? {
///         ListenEvent::Notification(order) => println!("order {}", order.payload),
///         event if event.is_gap() => println!("look at all orders again"),
///         event => println!("{event:?}"),
///     }
/// }
/// # }
/// ```
///
/// # Back-pressure
/// The socket is read when [`Listener::next`] is polled, and only once all that had been read before is taken. A listener
/// that is not polled lets its server keep what is to be sent: the server then can't forget notifications that other
/// sessions have long had (`pg_notification_queue_usage()`; its queue holds 8 GB, and when it is full every NOTIFY fails).
/// The client keeps 16 384 notifications at most, or what [`Limits::notifications`](crate::Limits::notifications) says
/// where that is more. Only what comes while [`Listener::listen`] waits for its answer can be too many:
/// [`ListenEvent::Dropped`] tells how many were lost then.
///
/// A pooler that lends a server connection for a transaction passes no notifications on: connect to the server itself.
pub struct Listener {
    config: Arc<Config>,
    options: ListenerOptions,
    wanted: BTreeSet<String>,
    redial: Redial<Session>,
    state: State,
    /// What is to be told before anything else.
    told: VecDeque<ListenEvent>,
    /// Until when the session may be silent.
    silence: Pin<Box<Sleep>>,
    opened: Instant,
}

enum State {
    /// The connection is lost, and another is being made.
    Lost,
    Open(Box<Session>),
    /// Something is asked of the server. It lives here and not in the caller's future, so that it goes on when that is
    /// dropped.
    Working(Work),
}

impl Listener {
    /// Connects. There is nothing to listen on yet.
    ///
    /// # Errors
    /// As [`Connection::connect`](crate::Connection::connect): the first attempt is not repeated.
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed.
    pub async fn connect(config: &Config) -> Result<Self> {
        Self::connect_with(config, ListenerOptions::default()).await
    }

    /// Connects, with other options.
    ///
    /// # Errors
    /// As [`Listener::connect`].
    ///
    /// # Cancel safety
    /// As [`Listener::connect`].
    pub async fn connect_with(config: &Config, options: ListenerOptions) -> Result<Self> {
        let config = Arc::new(session::config(config));
        let session =
            Session::open(Arc::clone(&config), BTreeSet::new(), options.probe_limit).await?;
        Ok(Self {
            config,
            options,
            wanted: BTreeSet::new(),
            redial: Redial::new(options.backoff),
            state: State::Open(Box::new(session)),
            told: VecDeque::new(),
            silence: Box::pin(sleep(options.probe_after)),
            opened: Instant::now(),
        })
    }

    /// Listens on a channel from here on. The name is taken as it is: `Orders`, `my channel` and `select` are names like any
    /// other, and `listen Orders` of SQL is the channel `orders`.
    ///
    /// When it returns, every notification that is sent from then on is told. Where the connection is lost meanwhile it waits
    /// for the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] for an empty name, a NUL in it, or more than 63 bytes, which the
    /// server would cut off;
    /// [`ErrorKind::Server`] where the server can't listen, being a standby: the channel is not
    /// listened on then. As [`Listener::next`] when there is no connection: the channel is listened on with the next one.
    ///
    /// # Cancel safety
    /// When the future is dropped the next call of the listener sees to it that the channel is listened on.
    pub async fn listen(&mut self, channel: &str) -> Result<()> {
        check_channel(channel)?;
        self.wanted.insert(channel.to_owned());
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// Listens on a channel no more. When it returns, no notification of it is told any more.
    ///
    /// # Errors
    /// As [`Listener::next`] when there is no connection.
    ///
    /// # Cancel safety
    /// When the future is dropped no notification of the channel is told all the same.
    pub async fn unlisten(&mut self, channel: &str) -> Result<()> {
        self.wanted.remove(channel);
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// The channels that are listened on.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(String::as_str)
    }

    /// Waits for the next notification, or for the news that some may have been missed.
    ///
    /// A connection that is lost is told by [`ListenEvent::Disconnected`] at the moment when the server ends it or the
    /// network breaks; the next calls open another, with the pauses of [`Backoff`].
    ///
    /// # Errors
    /// That of the last attempt to connect, when it was refused for a reason that will not pass by itself (a password, a
    /// database that is gone), or when the patience of the options is at its end. The next call tries again, after a pause.
    ///
    /// # Cancel safety
    /// No notification is lost, and an attempt to connect goes on with the next call.
    pub async fn next(&mut self) -> Result<ListenEvent> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Listener::next`], by hand.
    ///
    /// # Errors
    /// As [`Listener::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<ListenEvent>> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Poll::Ready(Ok(event));
            }
            if let State::Open(session) = &mut self.state
                && let Some(event) = session.take(&self.wanted)
            {
                self.be_patient();
                return Poll::Ready(Ok(event));
            }
            let ready = self.poll_ready(cx)?;
            if !self.told.is_empty() {
                continue;
            }
            ready!(ready);
            let State::Open(session) = &mut self.state else { continue };
            match session.poll_read(cx) {
                Poll::Ready(Ok(())) => self.be_patient(),
                Poll::Ready(Err(error)) => self.lose(error),
                Poll::Pending => {
                    ready!(self.silence.as_mut().poll(cx));
                    let limit = self.options.probe_limit;
                    self.work(|session| session.probe(limit));
                }
            }
        }
    }

    /// Goes on until there is a connection that listens on all channels.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            match &mut self.state {
                State::Lost => {
                    let (config, wanted) = (&self.config, &self.wanted);
                    let limit = self.options.probe_limit;
                    let open = || -> Pin<Box<dyn Future<Output = Result<Session>> + Send>> {
                        Box::pin(Session::open(Arc::clone(config), wanted.clone(), limit))
                    };
                    let session = ready!(self.redial.poll(cx, open))?;
                    self.state = State::Open(Box::new(session));
                    self.opened = Instant::now();
                    self.told.push_back(ListenEvent::Reconnected);
                    self.be_patient();
                }
                State::Open(session) if session.listens_on(&self.wanted) => {
                    return Poll::Ready(Ok(()));
                }
                State::Open(_) => {
                    let (wanted, limit) = (self.wanted.clone(), self.options.probe_limit);
                    self.work(|session| session.adjust(wanted, limit));
                }
                State::Working(work) => {
                    let (session, outcome) = ready!(work.as_mut().poll(cx));
                    let refused: BTreeSet<String> =
                        self.wanted.difference(session.channels()).cloned().collect();
                    self.state = State::Open(Box::new(session));
                    match outcome {
                        Ok(()) => self.be_patient(),
                        Err(error) if error.is_fatal() || error.kind() == ErrorKind::Timeout => {
                            self.lose(error);
                        }
                        Err(error) => {
                            self.wanted.retain(|channel| !refused.contains(channel));
                            return Poll::Ready(Err(error));
                        }
                    }
                }
            }
        }
    }

    /// Begins a work on the session.
    fn work(&mut self, begin: impl FnOnce(Session) -> Work) {
        self.state = match std::mem::replace(&mut self.state, State::Lost) {
            State::Open(session) => State::Working(begin(*session)),
            other => other,
        };
    }

    /// Lets the session go. What it has heard is told first.
    fn lose(&mut self, error: Error) {
        if let State::Open(mut session) = std::mem::replace(&mut self.state, State::Lost) {
            while let Some(event) = session.take(&self.wanted) {
                self.told.push_back(event);
            }
        }
        self.told.push_back(ListenEvent::Disconnected(error));
        self.redial.lost_after(self.opened.elapsed());
    }

    /// Something has come: the silence begins anew.
    fn be_patient(&mut self) {
        let now = Instant::now();
        // What is too far away to be named will not come.
        if let Some(until) = now.checked_add(self.options.probe_after) {
            self.silence.as_mut().reset(until);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Lost => "lost",
            State::Open(_) => "open",
            State::Working(_) => "working",
        };
        f.debug_struct("Listener")
            .field("channels", &self.wanted)
            .field("options", &self.options)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
