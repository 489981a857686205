//! One connection and its verbs.

mod driver;
mod limit;
mod suspicion;
mod login;
mod attempt;
mod cancel;
mod columns;
mod counts;
mod discovery;
mod withdraw;
mod batch;
mod outcome;
mod resolve;
mod query;
mod lane;
mod lending;
#[cfg(feature = "stream")]
mod stream;
mod simple;
mod drain;
mod set;
mod row;
mod options;
mod pipeline;
mod prepare;
mod portal;
pub(crate) mod copy;
mod idle;
pub(crate) mod duplex;
mod open;
#[cfg(feature = "tracing")]
mod watched;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::message::{Notification, ServerError, TransactionStatus};
use stellata_protocol::{Event, Params, SqlState};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::config::endpoint::Server;
use crate::connection::cancel::Origin;
use crate::connection::counts::Counts;
use crate::connection::discovery::Discovery;
use crate::connection::drain::{Ahead, Cancelling, Leaving};
use crate::connection::driver::Driver;
use crate::connection::suspicion::is_suspected;
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::Hooks;
use crate::statement::cache::{Cache, SlotId};
#[cfg(doc)]
use crate::tls::SslMode;
#[cfg(feature = "tracing")]
use crate::trace::{Labels, Watch, Watched};
#[cfg(not(feature = "tracing"))]
use crate::untraced::Watch;

pub use batch::{Completion, Ticket};
pub use cancel::CancelHandle;
pub use counts::StatementCounts;
pub use lane::{Lane, LaneEvent, LaneTicket, Unread};
pub use lending::Rows;
pub use options::{LimitedRows, Plan, QueryOptions, With};
pub use pipeline::{Answers, Batch};
pub use portal::Portal;
pub use row::{ColumnIndex, Row};
pub use simple::SimpleResult;
#[cfg(feature = "stream")]
pub use stream::RowStream;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A session with a server.
///
/// It is used by one caller at a time (`&mut`), whose task does all reading and writing. A future of it may be dropped at
/// any await: the next call reads away what is still owed, and cancels it at the server where that is much or takes long
/// (1 MiB or a second; within a transaction, which a cancellation fails, 64 MiB or ten seconds). Only then it sends its own.
#[derive(Debug)]
pub struct Connection {
    driver: Driver,
    /// How what runs is cancelled.
    cancel: CancelHandle,
    /// What ran when its limit was over is being cancelled. [`Connection::open`] is true then, so that the next call sees
    /// it.
    cancelling: Option<Cancelling>,
    /// What was given up is being brought to its end: how far that has come.
    leaving: Option<Leaving>,
    /// Requests were put together that are not to be written before what was given up has ended.
    ahead: Option<Ahead>,
    /// There may be a cancellation or something given up that requests which were put together have to wait for.
    held_up: bool,
    /// The call whose requests are answered at once, so that the next one's go behind them.
    riding: Option<u64>,
    /// What was given up within a transaction was cancelled, and nobody has been told.
    cancelled_within: bool,
    cache: Cache,
    counts: Counts,
    /// The statements of which a Parse is in flight, oldest first.
    parsing: VecDeque<batch::Parsing>,
    /// What is known of the types that the database numbers by itself.
    discovery: Discovery,
    /// Statements that the server is to forget with the next flush.
    forgotten: Vec<Box<str>>,
    /// The number of the call that is being put together or answered.
    call: u64,
    /// The number of the newest group of a batch that has several; not above [`Connection::call`] where there is but one.
    group: u64,
    /// Requests were added that no Sync has ended yet.
    open: bool,
    /// They are a batch of which no answer was asked for: nothing of it has been written. [`Connection::open`] is true then.
    unsent: bool,
    /// What tracers are told of every statement.
    #[cfg(feature = "tracing")]
    labels: Labels,
    /// What tracers are to be told of the batch.
    #[cfg(feature = "tracing")]
    watched: Watched,
    /// What is called of what nobody has asked for.
    hooks: Hooks,
    /// Raw statements may have changed the session in ways that a client can't see.
    changed: bool,
    /// Of the answer that is passed over, columns or rows have come.
    passed_rows: bool,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// The hosts of the configuration are tried in turn, and all addresses of each, until one gives the session that is
    /// wanted. As with libpq, the search goes on when a server can't be reached, takes longer than the limit, is gone
    /// before the login is done, can't serve now (57P03) or gives a session of another kind; a server that refuses the
    /// login or breaks the protocol ends it.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] when the server can't be reached, [`ErrorKind::Tls`] when the connection has to be encrypted
    /// and can't be, [`ErrorKind::Authentication`] when the login is refused or the server does not prove that it knows
    /// the password, [`ErrorKind::Timeout`] after the limit of the configuration, [`ErrorKind::Server`] for what else the
    /// server says (no such database, too many connections). Where there were several attempts, all are in the message
    /// and in [`Error::attempts`]; the kind is that of the last.
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed.
    pub async fn connect(config: &Config) -> Result<Self> {
        // On the heap, so that whoever holds this future holds little.
        #[cfg(feature = "tracing")]
        let connecting = Box::pin(watched::connect(config));
        #[cfg(not(feature = "tracing"))]
        let mut failures = Vec::new();
        #[cfg(not(feature = "tracing"))]
        let connecting = Box::pin(open::connect(config, &mut failures));
        Ok(*connecting.await?)
    }

    /// Logs in over a stream that is connected to a server already: a tunnel, a proxy, a pipe in memory.
    ///
    /// Host and port of the configuration are not used, except that the server's certificate must be for that host where
    /// that is asked for, and that a unix socket there says that the way to the server is private: nothing is encrypted
    /// and a password may be sent as it is. There is one stream and so one attempt: under [`SslMode::Prefer`] a handshake
    /// that fails is an error, under [`SslMode::Allow`] TLS is never asked for. A session of another kind than
    /// [`Config::with_target_session_attrs`] wants is an error too; a preference is as good as none.
    ///
    /// Whoever opens the stream sees to it himself: [`Config::with_require_peer`], for nobody tells here who serves it, and
    /// what is set on sockets, [`Config::with_keepalive`] and [`Config::with_tcp_user_timeout`], and Nagle's delay, which is
    /// best turned off.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use stellata_client::{Config, Connection};
    ///
    /// let config = Config::parse("postgres://me:secret@db.internal/music")?;
    /// let tunnel = tokio::net::TcpStream::connect("gateway.example:7432").await?;
    /// // ... whatever the gateway wants to hear first
    /// let connection = Connection::over(tunnel, &config).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::connect`], but for reaching the server; [`ErrorKind::Connect`] for a session of another kind than is
    /// wanted, [`ErrorKind::Io`] when the stream fails.
    ///
    /// # Cancel safety
    /// When the future is dropped the stream is dropped.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        config: &Config,
    ) -> Result<Self> {
        Ok(*open::over(stream, config).await?)
    }

    fn new(driver: Box<Driver>, origin: Option<Origin>, config: &Config) -> Box<Self> {
        let mut cache = Cache::new(config.statement_cache());
        let key = driver.conversation.backend_key();
        match config.transaction_pooler() {
            Some(true) => {
                // The empty name can always be sent.
                let _ = cache.make_unnamed();
            }
            Some(false) => cache.trust_names(),
            None if is_suspected(key) => cache.doubt_names(),
            None => {}
        }
        let server = match &origin {
            Some(origin) => origin.address().server(),
            None => Server { endpoint: Arc::clone(config.endpoint()), address: None },
        };
        #[cfg(feature = "tracing")]
        let labels = Labels::new(&server.endpoint, config);
        let cancel = CancelHandle::new(
            key.cloned(),
            origin,
            #[cfg(feature = "tracing")]
            &labels,
        );
        Box::new(Self {
            driver: *driver,
            cancel,
            cancelling: None,
            leaving: None,
            ahead: None,
            held_up: false,
            riding: None,
            cancelled_within: false,
            cache,
            counts: Counts::default(),
            #[cfg(feature = "tracing")]
            labels,
            #[cfg(feature = "tracing")]
            watched: Watched::default(),
            hooks: config.hooks().clone(),
            parsing: VecDeque::new(),
            discovery: Discovery::new(config.types(server)),
            forgotten: Vec::new(),
            call: 0,
            group: 0,
            open: false,
            unsent: false,
            changed: false,
            passed_rows: false,
        })
    }

    /// Says goodbye to the server and closes the connection. Where the network takes no word for a second, the socket is
    /// closed without it.
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed without the goodbye.
    pub async fn close(mut self) {
        if self.unsent {
            self.withdraw();
        }
        let _ = tokio::time::timeout(GOODBYE, self.driver.close()).await;
    }

    /// The transaction status that the server reported last. It is the truth only when [`Connection::is_quiet`].
    #[inline]
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.driver.conversation.status()
    }

    fn is_idle(&self) -> bool {
        self.status() == TransactionStatus::Idle
    }

    /// Begins another group of the batch: its failures and those of the groups before stay apart.
    fn begin_group(&mut self) {
        self.group = self.driver.conversation.begin();
        self.open = true;
    }

    /// Ends a group of a batch that has not left yet.
    fn end_group(&mut self) -> Result<()> {
        self.driver.conversation.sync().map_err(Error::protocol)
    }

    /// Whether answers of the call in progress were read ahead, and wait.
    fn has_held(&self) -> bool {
        self.discovery.holds(self.call)
    }

    /// Whether nothing is in flight: all that was asked has been answered and read.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.open && self.driver.conversation.is_quiet()
    }

    /// Whether all that goes to the server and comes from it is encrypted by TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.driver.is_encrypted()
    }

    /// Whether the connection can't be used any more.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.driver.is_closed()
    }

    /// Takes in what has come while nobody asked, and tells whether the connection can still be used. It never waits and
    /// costs no system call when nothing has come.
    ///
    /// Call it on a connection that has been idle, before it is used.
    pub fn is_alive(&mut self) -> bool {
        let is_alive = self.driver.is_alive();
        if !self.hooks.is_empty() && self.driver.conversation.has_news() {
            self.tell_news();
        }
        is_alive
    }

    /// Whether commands ran since [`Connection::mark_clean`] that may have left something in the session: a setting, a
    /// temporary table, LISTEN. They are told by their tags: reading, writing and transactions are not among them. What a
    /// function does inside of those (`set_config`, `pg_advisory_lock`) can't be seen: say [`Connection::mark_changed`].
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Says that the session is as it was when it was opened.
    pub fn mark_clean(&mut self) {
        self.changed = false;
    }

    /// Says that something may be left in the session, so that the pool cleans it before it lends it again.
    pub fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// A setting that the server reports, such as `server_version` or `TimeZone`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.driver.conversation.parameter(name)
    }

    /// The process that serves this session.
    #[must_use]
    pub fn process_id(&self) -> Option<i32> {
        self.driver.conversation.backend_key().map(|key| key.process_id)
    }

    /// Begins to watch what goes another way than other statements. Tracers are told this text, and these parameters where
    /// they may be.
    #[cfg(feature = "tracing")]
    fn trace(&self, sql: impl FnOnce() -> String, params: &Params) -> Watch {
        self.labels.watch(sql, params)
    }

    /// Nobody is told.
    #[cfg(not(feature = "tracing"))]
    fn trace(&self, _: impl FnOnce() -> String, _: &Params) -> Watch {
        Watch
    }

    /// What cancels what this session runs, from elsewhere.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Takes the oldest notice that the server sent (`raise notice`, warnings). The newest 256 are kept.
    pub fn pop_notice(&mut self) -> Option<ServerError> {
        self.driver.conversation.pop_notice()
    }

    /// Takes the oldest notification of a channel that the session listens on. The newest 8192 are kept.
    pub fn pop_notification(&mut self) -> Option<Notification> {
        self.driver.conversation.pop_notification()
    }

    /// How many statements are prepared and kept for reuse.
    #[must_use]
    pub fn cached_statements(&self) -> usize {
        self.cache.len()
    }

    /// How many statements were sent so far.
    #[inline]
    #[must_use]
    pub fn statements(&self) -> StatementCounts {
        self.counts.read()
    }

    /// How much memory the read and write buffers hold, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.driver.conversation.buffered()
    }

    /// The next event that answers the call in progress. Answers to calls that were given up are passed over; what they
    /// tell about statements is noted.
    #[inline(always)]
    fn advance(&mut self) -> Result<Option<Event>> {
        loop {
            let answer = self.driver.advance()?;
            if !self.hooks.is_empty() && self.driver.conversation.has_news() {
                self.tell_news();
            }
            let Some(answer) = answer else { return Ok(None) };
            match answer.event {
                Event::DataRow | Event::BindComplete => {}
                Event::CommandComplete => self.note_command(),
                event => {
                    let noted = self.note_statement(event, answer.request);
                    noted.map_err(|error| self.refuse(error))?;
                }
            }
            if !answer.abandoned {
                return Ok(Some(answer.event));
            }
            self.pass(answer.event);
        }
    }

    /// Passes over a part of an answer that nobody wants.
    #[cold]
    fn pass(&mut self, event: Event) {
        match event {
            Event::RowDescription | Event::DataRow => self.passed_rows = true,
            Event::CommandComplete => {
                self.changed |= !std::mem::take(&mut self.passed_rows) && self.ends_as_select();
            }
            Event::Error | Event::ReadyForQuery => self.passed_rows = false,
            _ => {}
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.pass(self.driver.conversation.body().len());
        }
    }

    /// Whether the newest message is the end of a `select`, by its tag. `create table as` and `select into` have the same,
    /// and are told by it that they return no rows.
    fn ends_as_select(&self) -> bool {
        self.driver.conversation.body().starts_with(b"SELECT")
    }

    /// Looks at the end of a statement: what ends as a `select` and has no columns may have made a temporary table.
    #[cold]
    fn note_selected(&mut self, slot: SlotId) {
        let fields = self.cache.get(slot).and_then(|entry| entry.fields.as_deref());
        if fields.is_none_or(<[_]>::is_empty) && self.ends_as_select() {
            self.changed = true;
        }
    }

    /// Hands notices and changes of settings to the functions that the configuration names for them.
    #[cold]
    fn tell_news(&mut self) {
        let Self { hooks, driver, .. } = self;
        if let Some(on_notice) = &hooks.notice {
            while let Some(notice) = driver.conversation.pop_notice() {
                on_notice(&notice);
            }
        }
        if let Some(on_parameter) = &hooks.parameter {
            while let Some((name, value)) = driver.conversation.pop_parameter_change() {
                on_parameter(&name, value);
            }
        }
    }

    /// A command other than the everyday ones may leave something behind in the session; some take the prepared
    /// statements away.
    #[inline]
    fn note_command(&mut self) {
        const OTHERS: [&[u8]; 7] =
            [b"BEGIN", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"RELEASE", b"MERGE", b"COPY"];
        let body = self.driver.conversation.body();
        if matches!(body.first_chunk(), Some(b"SELECT" | b"INSERT" | b"UPDATE" | b"DELETE"))
            || OTHERS.iter().any(|tag| body.starts_with(tag))
        {
            return;
        }
        self.changed = true;
        if body.starts_with(b"DISCARD ALL") || body.starts_with(b"DEALLOCATE") {
            self.cache.clear_prepared();
        }
    }

    /// Closes the connection when the server broke the protocol: what else it says can't be believed.
    #[cold]
    fn refuse(&mut self, error: Error) -> Error {
        if error.kind() == ErrorKind::Protocol {
            self.driver.abort();
        }
        error
    }

    #[cold]
    fn server_error(&mut self, sql: Option<Arc<str>>) -> Error {
        let error = match self.driver.conversation.server_error() {
            Ok(error) => Error::from_server(error, sql),
            Err(error) => return Error::protocol(error),
        };
        // Any other error is of another transaction.
        let is_told = std::mem::take(&mut self.cancelled_within)
            && error.sqlstate() == Some(SqlState::IN_FAILED_SQL_TRANSACTION);
        if is_told { error.with_note(CANCELLED_WITHIN.to_owned()) } else { error }
    }
}

const CANCELLED_WITHIN: &str =
    "a call that was dropped within the transaction did not end soon, and was cancelled";
