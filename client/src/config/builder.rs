//! Putting a configuration together, setting by setting.

use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::Limits;
use stellata_protocol::auth::{BearerToken, RequireAuth};
use stellata_protocol::message::ServerError;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::config::endpoint::Endpoint;
use crate::config::protocol_version::ProtocolVersion;
use crate::config::provider::{PasswordProvider, PasswordRequest};
use crate::config::routing::{LoadBalanceHosts, TargetSessionAttrs};
use crate::config::socket_options::{Keepalive, PhaseLimits};
#[cfg(feature = "tracing")]
use crate::config::trace_options::TraceOptions;
use crate::tls::TlsSettings;
use crate::token::{Refusal, TokenProvider, TokenRequest};

impl Config {
    /// Adds a place to connect to, which is tried after those before it.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.others.push(Arc::new(endpoint));
        self
    }

    /// Makes this the only place to connect to, in place of all that were named.
    ///
    /// ```
    /// use stellata_client::Config;
    ///
    /// let all = Config::parse("postgres://anna@db1.example,db2.example/music")?;
    /// let each: Vec<Config> =
    ///     all.endpoints().map(|place| all.clone().with_only_endpoint(place.clone())).collect();
    /// assert_eq!(each[1].endpoints().count(), 1);
    /// # Ok::<(), stellata_client::Error>(())
    /// ```
    #[must_use]
    pub fn with_only_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.first = Arc::new(endpoint);
        self.others.clear();
        self
    }

    /// Sets the port, of all places.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        for endpoint in std::iter::once(&mut self.first).chain(&mut self.others) {
            Arc::make_mut(endpoint).set_port(port);
        }
        self
    }

    /// Sets as whom to log in.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Sets the password. It stands in no `Debug`, error or log, and is overwritten when it is dropped.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(Zeroizing::new(password.as_bytes().to_vec()));
        self
    }

    /// Sets who is asked for the password, once for each attempt to log in at a server that wants one: for passwords that
    /// change, such as the tokens of a cloud's databases. It counts more than any other password.
    ///
    /// What it returns is treated as any password: a token that the server wants in clear text needs TLS or
    /// [`Config::with_cleartext_password`]. Its error is the error of the attempt, and no further host is tried; time spent
    /// in it counts against the limit of the login. A server that wants no password, or wants it in a way that is refused,
    /// leaves it unasked.
    ///
    /// ```
    /// use stellata_client::Config;
    ///
    /// async fn token(host: String) -> Result<String, std::io::Error> {
    ///     // ... ask whoever hands out tokens
    ///     Ok(format!("token for {host}"))
    /// }
    ///
    /// let config = Config::new("db.example", "anna")
    ///     .with_password_provider(|request| token(request.endpoint.host().to_string()));
    /// ```
    #[must_use]
    pub fn with_password_provider<F, A, E>(mut self, provider: F) -> Self
    where
        F: Fn(PasswordRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.provider = Some(PasswordProvider::new(provider));
        self
    }

    /// Sets the database; without it the server takes the one with the user's name.
    #[must_use]
    pub fn with_database(mut self, database: &str) -> Self {
        self.database = Some(database.to_owned());
        self
    }

    /// Sets a setting of the session, such as `application_name`, `search_path` or `statement_timeout`, which is told to
    /// the server when the session begins. The value needs no quotes. It counts more than what [`Config::with_options`] says.
    ///
    /// A pooler may refuse settings that it does not know; it may know them as [`Config::with_option`].
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets the command-line options of the session at the server, such as `-c geqo=off -c work_mem=64MB`, as they are.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        options.clone_into(&mut self.options);
        self
    }

    /// Adds `-c name=value` to the command-line options of the session, with backslashes before spaces and backslashes of
    /// the value.
    ///
    /// ```
    /// # use stellata_client::Config;
    /// let config = Config::new("db.example", "anna").with_option("application_name", r"my \o/ app");
    /// assert_eq!(config.options(), r"-c application_name=my\ \\o/\ app");
    /// ```
    #[must_use]
    pub fn with_option(mut self, name: &str, value: &str) -> Self {
        if !self.options.is_empty() {
            self.options.push(' ');
        }
        self.options.push_str("-c ");
        for c in name.chars().chain(['=']).chain(value.chars()) {
            // What the server takes for a space between options.
            if matches!(c, ' ' | '\\' | '\t'..='\r') {
                self.options.push('\\');
            }
            self.options.push(c);
        }
        self
    }

    /// Asks for a session that streams the changes of the server: `true` for its files, `database` for those of one
    /// database (manual, "Streaming Replication Protocol").
    #[must_use]
    pub fn with_replication(mut self, replication: &str) -> Self {
        self.replication = Some(replication.to_owned());
        self
    }

    /// Sets how long an attempt at one address may take, the login included; with several hosts or addresses, each has
    /// as long. Default: 15 s. [`Duration::MAX`] is no limit.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        Arc::make_mut(&mut self.sockets).connect_timeout = limit;
        self
    }

    /// Sets how long the parts of an attempt may take. Default: no limits of their own.
    #[must_use]
    pub const fn with_phase_limits(mut self, limits: PhaseLimits) -> Self {
        self.phase_limits = limits;
        self
    }

    /// Sets the probes of idle TCP connections; `None` sends none. Default: probes with the system's times.
    #[must_use]
    pub fn with_keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        Arc::make_mut(&mut self.sockets).keepalive = keepalive;
        self
    }

    /// Sets how long sent bytes may stay unacknowledged before a TCP connection is given up (Linux, RFC 5482; elsewhere
    /// nothing happens). Default, and `None`: the system's.
    #[must_use]
    pub fn with_tcp_user_timeout(mut self, limit: Option<Duration>) -> Self {
        Arc::make_mut(&mut self.sockets).tcp_user_timeout = limit;
        self
    }

    /// Sets what kind of session is wanted. Default: [`TargetSessionAttrs::Any`].
    #[must_use]
    pub const fn with_target_session_attrs(mut self, wanted: TargetSessionAttrs) -> Self {
        self.target_session_attrs = wanted;
        self
    }

    /// Sets in what order hosts are tried. Default: [`LoadBalanceHosts::Disable`], as they are given.
    #[must_use]
    pub const fn with_load_balance_hosts(mut self, order: LoadBalanceHosts) -> Self {
        self.load_balance_hosts = order;
        self
    }

    /// Sets as whom the server must run that is reached over a unix socket: the name of an account of this machine's own
    /// list. Anybody may put a socket into a folder that all may write to. Other connections are not looked at.
    #[must_use]
    pub fn with_require_peer(mut self, account: &str) -> Self {
        Arc::make_mut(&mut self.sockets).require_peer = Some(account.to_owned());
        self
    }

    /// Sets which ways of logging in are taken when the server asks for them. Default: all that are spoken. What is not
    /// taken is refused before anything is sent in answer.
    #[must_use]
    pub const fn with_require_auth(mut self, methods: RequireAuth) -> Self {
        self.require_auth = methods;
        self
    }

    /// Sets the oldest and the newest version of the protocol. Default: 3.0 alone. A server that does not speak the newest
    /// comes down to what it speaks, and is refused where that is older than the oldest.
    #[must_use]
    pub const fn with_protocol_versions(
        mut self,
        oldest: ProtocolVersion,
        newest: ProtocolVersion,
    ) -> Self {
        self.protocol_versions = (oldest, newest);
        self
    }

    /// Whether the password, or an OAuth token, may be sent as it is over TCP when the server asks so. Off unless said:
    /// anybody on the way could read it. Over a unix socket, and over TLS with [`SslMode::VerifyFull`](crate::SslMode::VerifyFull), it is
    /// always allowed.
    #[must_use]
    pub const fn with_cleartext_password(mut self, allow: bool) -> Self {
        self.cleartext_password = allow;
        self
    }

    /// Sets how many iterations of SCRAM a server may ask for. Default: 1 000 000, which takes a tenth of a second to half
    /// a second on a thread for blocking work; PostgreSQL asks for 4 096 unless told otherwise.
    #[must_use]
    pub const fn with_max_scram_iterations(mut self, iterations: u32) -> Self {
        self.max_scram_iterations = iterations;
        self
    }

    /// Sets what fetches an OAuth token when a server asks for one (`oauth` in the `pg_hba.conf` of PostgreSQL 18; RFC
    /// 7628). Without it such a server is refused.
    ///
    /// It is asked once for a token that is at hand. Where it returns `None`, the server is asked who gives tokens, and the
    /// provider is asked again with the answer, the [challenge](TokenRequest::challenge); then a second connection is
    /// opened to log in with the token. The time it takes counts towards the limit of connecting. A token is sent over
    /// a unix socket and TLS with `verify-full` alone, unless [`with_cleartext_password`](Self::with_cleartext_password)
    /// says otherwise.
    ///
    /// ```
    /// use stellata_client::{BearerToken, Config};
    ///
    /// async fn fetch(from: String) -> Result<String, std::io::Error> {
    ///     // ... ask there
    ///     Ok(format!("a.token.from.{}", from.len()))
    /// }
    ///
    /// let config = Config::new("db.example", "anna").with_token_provider(|request| async move {
    ///     let Some(challenge) = request.challenge else { return Ok(None) };
    ///     match challenge.openid_configuration() {
    ///         Some(place @ "https://id.example/.well-known/openid-configuration") => {
    ///             let token = fetch(place.to_owned()).await.map_err(|error| error.to_string())?;
    ///             Ok(BearerToken::new(token).ok())
    ///         }
    ///         place => Err(format!("{place:?} is not where our tokens come from")),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn with_token_provider<F, A, E>(mut self, provider: F) -> Self
    where
        F: Fn(TokenRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<BearerToken>, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        self.token_provider = Some(TokenProvider::new(provider));
        self
    }

    /// Sets how many prepared statements are kept for reuse. Default: 256; 1 at least.
    #[must_use]
    pub const fn with_statement_cache(mut self, statements: usize) -> Self {
        self.statement_cache = statements;
        self
    }

    /// Says whether a pooler stands before the server that lends its connections by transaction, such as PgBouncer in that
    /// mode, and does not keep track of prepared statements (PgBouncer does by `max_prepared_statements`, from 1.21 on).
    ///
    /// No statement gets a name then: each is prepared anew in the same round trip that runs it. Unless `false` is said, the
    /// same happens by itself from the moment on when names turn out to be others', or to be gone where a pooler is suspected.
    ///
    /// Default: not said. A pooler is then suspected, at no cost, where the number of the session's process is none that a
    /// system gives out, as those that PgBouncer makes up (999 of 1000). Nothing else that it reports tells it from the
    /// server, nor the mode it works in. So names stay, but what can't be run again by itself, in a transaction or in a
    /// batch, relies on none: it is prepared anew in its own flush, whatever is there by its name. That costs the server
    /// time, no round trip; `false` says that a suspicion would be wrong. Where nothing is said nor suspected, the first
    /// statement in a transaction whose name turns out to be gone fails, and a pooler is suspected from then on.
    #[must_use]
    pub const fn with_transaction_pooler(mut self, is_there: bool) -> Self {
        self.transaction_pooler = Some(is_there);
        self
    }

    /// Sets what is called for every notice (`raise notice`, warnings), in the task that reads it. It must not block.
    /// [`Connection::pop_notice`](crate::Connection::pop_notice) has none of them then.
    #[must_use]
    pub fn with_on_notice(
        mut self,
        on_notice: impl Fn(&ServerError) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.notice = Some(Arc::new(on_notice));
        self
    }

    /// Sets what is called when a setting that the server reports has changed since the login: with its name and the value
    /// that it has now. It must not block.
    #[must_use]
    pub fn with_on_parameter(
        mut self,
        on_parameter: impl Fn(&str, &str) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.parameter = Some(Arc::new(on_parameter));
        self
    }

    /// Sets what tracers are told beside the text of statements.
    ///
    /// Told by spans of the level INFO, with the names that OpenTelemetry has for them:
    ///
    /// | span | of | beside `db.system.name`, `db.namespace`, `server.address` and `server.port` |
    /// |---|---|---|
    /// | `connect` | [`Connection::connect`](crate::Connection::connect) | `network.peer.address`, `network.peer.port`, `tls.established`, `stellata.connect.attempts` (with the one that came to a connection) |
    /// | `query` | a statement; a COPY, from its start to its end; a portion of a portal; what [`Connection::prepare`](crate::Connection::prepare) asks; the start of a stream of replication | `db.operation.name` (its first word), `db.query.text`, `db.response.returned_rows`; `db.query.parameters` where asked for |
    /// | `batch` | several statements that left together, each with its own span inside | `db.operation.batch.size` |
    /// | `cancel` | [`CancelHandle::cancel`](crate::CancelHandle::cancel), also where a limit or the pool calls it | |
    ///
    /// What failed has `error.type`: the SQLSTATE, which is `db.response.status_code` too, or the [kind](crate::ErrorKind)
    /// of the error. A statement of a batch that was not run, because one before it failed, has no span. The span of a
    /// batch ends with its last answer. Attempts to connect that failed are told by events of the level DEBUG.
    #[cfg(feature = "tracing")]
    #[must_use]
    pub const fn with_tracing(mut self, options: TraceOptions) -> Self {
        self.tracing = options;
        self
    }

    /// Sets how much the server may make the client hold.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what is asked of encryption. Default: [`SslMode::Prefer`](crate::SslMode::Prefer).
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        Arc::make_mut(&mut self.sockets).tls = tls;
        self
    }
}
