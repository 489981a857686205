//! One connection and its verbs.

mod driver;
mod limit;
mod login;
mod attempt;
mod columns;
mod discovery;
mod batch;
mod resolve;
mod query;
mod lending;
mod simple;
mod open;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::Event;
use stellata_protocol::message::{Notification, ServerError, TransactionStatus};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::connection::discovery::Discovery;
use crate::connection::driver::Driver;
use crate::error::{Error, ErrorKind, Result};
use crate::statement::cache::Cache;
#[cfg(doc)]
use crate::tls::SslMode;

pub use batch::{Completion, Ticket};
pub use lending::Rows;
pub use simple::SimpleResult;

/// A session with a server.
///
/// It is used by one caller at a time (`&mut`), whose task does all reading and writing. A future of it may be dropped at
/// any await: the answers that are still owed are passed over by the next call.
#[derive(Debug)]
pub struct Connection {
    driver: Driver,
    cache: Cache,
    /// The statements of which a Parse is in flight, oldest first.
    parsing: VecDeque<batch::Parsing>,
    /// What is known of the types that the database numbers by itself.
    discovery: Discovery,
    /// Statements that the server is to forget with the next flush.
    forgotten: Vec<Box<str>>,
    /// The number of the call that is being put together or answered.
    call: u64,
    /// Requests were added that no Sync has ended yet.
    open: bool,
    /// Raw statements may have changed the session in ways that a client can't see.
    changed: bool,
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
        open::connect(config).await
    }

    /// Logs in over a stream that is connected to a server already: a tunnel, a proxy, a pipe in memory.
    ///
    /// Host and port of the configuration are not used, except that the server's certificate must be for that host where
    /// that is asked for, and that a unix socket there says that the way to the server is private: nothing is encrypted
    /// and a password may be sent as it is. There is one stream and so one attempt: under [`SslMode::Prefer`] a handshake
    /// that fails is an error, under [`SslMode::Allow`] TLS is never asked for.
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
    /// As [`Connection::connect`], but for reaching the server; [`ErrorKind::Io`] when the stream fails.
    ///
    /// # Cancel safety
    /// When the future is dropped the stream is dropped.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        config: &Config,
    ) -> Result<Self> {
        open::over(stream, config).await
    }

    /// `server` tells the server from others whose types have other numbers.
    fn new(driver: Driver, config: &Config, server: &str) -> Self {
        Self {
            driver,
            cache: Cache::new(config.statement_cache()),
            parsing: VecDeque::new(),
            discovery: Discovery::new(config.types(server)),
            forgotten: Vec::new(),
            call: 0,
            open: false,
            changed: false,
        }
    }

    /// Says goodbye to the server and closes the connection.
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed without the goodbye.
    pub async fn close(mut self) {
        self.driver.close().await;
    }

    /// The transaction status that the server reported last. It is the truth only when [`Connection::is_quiet`].
    #[inline]
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.driver.conversation.status()
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
        self.driver.is_alive()
    }

    /// Whether commands ran since [`Connection::mark_clean`] that may have left something in the session: a setting, a
    /// temporary table, LISTEN. Reading, writing and transactions are not among them; what a function does inside a
    /// `select` (`set_config`, `pg_advisory_lock`) can't be seen: say [`Connection::mark_changed`].
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

    /// How much memory the read and write buffers hold, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.driver.conversation.buffered()
    }

    /// Reads and passes over all that is still owed by calls whose futures were dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when it takes longer than `limit`, or what breaks the connection.
    ///
    /// # Cancel safety
    /// It can be called again.
    pub async fn drain(&mut self, limit: Duration) -> Result<()> {
        if self.is_quiet() {
            return Ok(());
        }
        if self.open {
            self.sync()?;
        }
        self.driver.conversation.abandon();
        let drained = tokio::time::timeout(limit, async {
            while !self.driver.conversation.is_quiet() {
                if self.advance()?.is_none() && !self.driver.conversation.is_quiet() {
                    self.driver.fill().await?;
                }
            }
            Ok(())
        })
        .await;
        drained.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("draining took longer than {limit:?}")))
        })
    }

    /// The next event that answers the call in progress. Answers to calls that were given up are passed over; what they
    /// tell about statements is noted.
    #[inline(always)]
    fn advance(&mut self) -> Result<Option<Event>> {
        while let Some(answer) = self.driver.advance()? {
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
        }
        Ok(None)
    }

    /// A command other than the everyday ones may leave something behind in the session; some take the prepared
    /// statements away.
    #[inline]
    fn note_command(&mut self) {
        const OTHERS: [&[u8]; 6] =
            [b"BEGIN", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"RELEASE", b"MERGE"];
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
    fn server_error(&self, sql: Option<Arc<str>>) -> Error {
        match self.driver.conversation.server_error() {
            Ok(error) => Error::from_server(error, sql),
            Err(error) => Error::protocol(error),
        }
    }
}
