//! Connections that are opened anew when they are lost.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

/// How long to wait between attempts to connect.
///
/// The first attempt is made at once. After a failure the pause is drawn between half of and all of the first pause, after
/// the next between half of and all of twice that, and so on up to the longest: many clients of one server come back at
/// different moments. A connection that has lasted as long as the longest pause begins the count anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    patience: Option<Duration>,
}

impl Default for Backoff {
    /// From 100 ms to 10 s, giving up after 30 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            patience: Some(Duration::from_secs(30)),
        }
    }
}

impl Backoff {
    /// The defaults: from 100 ms to 10 s, giving up after 30 s.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first pause. Default: 100 ms.
    #[must_use]
    pub const fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// The longest pause. Default: 10 s.
    #[must_use]
    pub const fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// For how long to go on trying before the last failure is told; `None` for as long as it takes. Default: 30 s.
    #[must_use]
    pub const fn with_patience(mut self, patience: Option<Duration>) -> Self {
        self.patience = patience;
        self
    }

    /// The pause behind so many failures; `lot` says where it lies between half of and all of what it may be.
    fn pause(&self, failures: u32, lot: u64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let most = self.first.saturating_mul(doubled).min(self.longest);
        let half = most / 2;
        let share = u32::try_from(lot >> 32).unwrap_or(u32::MAX);
        half + half.mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Attempts and the pauses between them. What is under way lives here and not in the caller's future, so that one that is
/// dropped and made again, as in a `select!`, goes on where it was.
pub(crate) struct Redial<T> {
    backoff: Backoff,
    failures: u32,
    /// When the first of the attempts was made.
    since: Option<Instant>,
    state: State<T>,
}

enum State<T> {
    Rest,
    Pause(Pin<Box<Sleep>>),
    Attempt(Attempt<T>),
}

impl<T> Redial<T> {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0, since: None, state: State::Rest }
    }

    /// Notes that a connection is lost that was held for so long.
    pub(crate) fn lost_after(&mut self, lasted: Duration) {
        self.failures = if lasted >= self.backoff.longest { 0 } else { self.failures + 1 };
    }

    /// Goes on until an attempt succeeds, fails for a reason that will not pass, or patience is at its end. What is refused
    /// for a reason that does not pass is tried again by the next call, after a pause.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        open: impl Fn() -> Attempt<T>,
    ) -> Poll<Result<T>> {
        loop {
            match &mut self.state {
                State::Rest if self.failures == 0 => self.state = State::Attempt(open()),
                State::Rest => {
                    // Where no random numbers are to be had the pause is as long as it may be.
                    let lot = getrandom::u64().unwrap_or(u64::MAX);
                    let pause = self.backoff.pause(self.failures, lot);
                    self.state = State::Pause(Box::pin(sleep(pause)));
                }
                State::Pause(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.state = State::Attempt(open());
                }
                State::Attempt(attempt) => {
                    let since = *self.since.get_or_insert_with(Instant::now);
                    let made = ready!(attempt.as_mut().poll(cx));
                    self.state = State::Rest;
                    let error = match made {
                        Ok(made) => {
                            self.since = None;
                            return Poll::Ready(Ok(made));
                        }
                        Err(error) => error,
                    };
                    self.failures = self.failures.saturating_add(1);
                    let over = self.backoff.patience.is_some_and(|limit| since.elapsed() >= limit);
                    if over || !may_pass(&error) {
                        self.since = None;
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }
}

impl<T> fmt::Debug for Redial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redial")
            .field("backoff", &self.backoff)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// Whether what failed may succeed a little later: the server is not there, starts, stops, or has no room.
pub(crate) fn may_pass(error: &Error) -> bool {
    match error.sqlstate() {
        Some(state) => matches!(state.class(), "08" | "53" | "57"),
        None => matches!(
            error.kind(),
            ErrorKind::Connect | ErrorKind::Io | ErrorKind::Closed | ErrorKind::Timeout
        ),
    }
}

/// A connection for a task that lives long and uses no pool: it is opened when it is asked for, and opened anew when it
/// has been lost.
///
/// [`Reconnecting::get`] gives a connection that works, or the true cause why there is none. No statement is ever run twice
/// by it: one that fails because the connection breaks is the caller's to judge, who alone knows whether it may have been
/// done. What belonged to the session that was lost, such as temporary tables, settings and LISTENs, is lost with it:
/// [`Reconnecting::sessions`] tells one session from the next.
///
/// ```no_run
/// # async fn example() -> Result<(), stellata_client::Error> {
/// use stellata_client::{Config, Reconnecting};
///
/// let config = Config::parse("postgres://me@localhost/music")?;
/// let mut database = Reconnecting::new(&config);
/// loop {
///     let connection = database.get().await?;
///     connection.execute("update clock set ticks = ticks + 1", ()).await?;
///     tokio::time::sleep(std::time::Duration::from_secs(60)).await;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Reconnecting {
    config: Arc<Config>,
    redial: Redial<Connection>,
    open: Option<(Connection, Instant)>,
    sessions: u64,
    lost: Option<Error>,
}

impl Reconnecting {
    /// For sessions of this configuration. Nothing is opened yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with_backoff(config, Backoff::default())
    }

    /// As [`Reconnecting::new`], with other pauses and another patience.
    #[must_use]
    pub fn with_backoff(config: &Config, backoff: Backoff) -> Self {
        Self {
            config: Arc::new(config.clone()),
            redial: Redial::new(backoff),
            open: None,
            sessions: 0,
            lost: None,
        }
    }

    /// The connection, if it still works: what has come meanwhile is taken in, which costs no system call when nothing has.
    /// Otherwise a new one.
    ///
    /// A server that is not there, is starting or stopping, or has no room for another session (SQLSTATE classes 08, 53 and
    /// 57) is tried again, with the pauses and the patience of [`Backoff`]; any other failure is told at once.
    ///
    /// # Errors
    /// That of the last attempt, as [`Connection::connect`].
    ///
    /// # Cancel safety
    /// The attempt goes on with the next call: a `select!` in a loop gets there too.
    pub async fn get(&mut self) -> Result<&mut Connection> {
        self.check();
        if self.open.is_none() {
            let config = &self.config;
            let connection = poll_fn(|cx| self.redial.poll(cx, || connecting(config))).await?;
            self.sessions += 1;
            self.open = Some((connection, Instant::now()));
        }
        match &mut self.open {
            Some((connection, _)) => Ok(connection),
            None => Err(Error::new(ErrorKind::Closed, "there is no connection")),
        }
    }

    /// The connection, if there is one that works; nothing is opened. What ended the one before is then in
    /// [`Reconnecting::loss`].
    pub fn current(&mut self) -> Option<&mut Connection> {
        self.check();
        self.open.as_mut().map(|(connection, _)| connection)
    }

    /// How many sessions there have been. A number that has changed says that what belonged to the session is gone.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Why the session before was lost, where that was found out here rather than by a statement that failed.
    #[must_use]
    pub fn loss(&self) -> Option<&Error> {
        self.lost.as_ref()
    }

    /// Lets a connection go that does not work any more.
    fn check(&mut self) {
        let Some((connection, opened)) = &mut self.open else { return };
        let lost = if connection.is_closed() { Ok(()) } else { connection.check() };
        if lost.is_ok() && !connection.is_closed() {
            return;
        }
        self.redial.lost_after(opened.elapsed());
        self.lost = lost.err();
        self.open = None;
    }
}

fn connecting(config: &Arc<Config>) -> Attempt<Connection> {
    let config = Arc::clone(config);
    Box::pin(async move { Connection::connect(&config).await })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellata_protocol::SqlState;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_drawn_from_their_upper_half() {
        let backoff = Backoff::new()
            .with_first(Duration::from_millis(100))
            .with_longest(Duration::from_millis(1500));
        for (failures, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1500), (90, 1500)] {
            let most = Duration::from_millis(most);
            assert_eq!(backoff.pause(failures, 0), most / 2);
            let longest = backoff.pause(failures, u64::MAX);
            assert!(longest <= most && longest >= most - Duration::from_millis(1), "{longest:?}");
            let middle = backoff.pause(failures, u64::MAX / 2);
            assert!(middle > most / 2 && middle < most, "{middle:?}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_waited_for_and_a_refusal_is_not() {
        for (kind, passes) in [
            (ErrorKind::Connect, true),
            (ErrorKind::Closed, true),
            (ErrorKind::Io, true),
            (ErrorKind::Timeout, true),
            (ErrorKind::Authentication, false),
            (ErrorKind::Config, false),
            (ErrorKind::Protocol, false),
            (ErrorKind::Tls, false),
        ] {
            assert_eq!(may_pass(&Error::new(kind, "so it is")), passes, "{kind:?}");
        }
        assert_eq!(SqlState::CANNOT_CONNECT_NOW.class(), "57");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dropped_and_asked_for_again_goes_on_where_it_was() {
        let backoff = Backoff::new()
            .with_first(Duration::from_secs(4))
            .with_longest(Duration::from_secs(4))
            .with_patience(Some(Duration::from_secs(60)));
        let mut redial = Redial::new(backoff);
        let tried = std::cell::Cell::new(0);
        let open = || -> Attempt<u32> {
            tried.set(tried.get() + 1);
            let number = tried.get();
            Box::pin(async move {
                sleep(Duration::from_secs(3)).await;
                if number < 3 {
                    return Err(Error::new(ErrorKind::Connect, "nobody is there"));
                }
                Ok(number)
            })
        };
        // Each future is given up long before an attempt or a pause is over.
        let mut polls = 0;
        let made = loop {
            polls += 1;
            let once = poll_fn(|cx| redial.poll(cx, open));
            match tokio::time::timeout(Duration::from_millis(100), once).await {
                Ok(made) => break made,
                Err(_) => assert!(polls < 1000),
            }
        };
        assert_eq!(made.unwrap(), 3);
        assert!(polls > 100, "{polls}");
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_with_the_last_failure() {
        let backoff = Backoff::new().with_patience(Some(Duration::from_secs(5)));
        let mut redial = Redial::<()>::new(backoff);
        let start = Instant::now();
        let refused = || -> Attempt<()> {
            Box::pin(async { Err(Error::new(ErrorKind::Connect, "nobody is there")) })
        };
        let error = poll_fn(|cx| redial.poll(cx, refused)).await.unwrap_err();
        assert_eq!(error.to_string(), "nobody is there");
        assert!(start.elapsed() >= Duration::from_secs(5));
        assert!(start.elapsed() < Duration::from_secs(15));
    }
}
