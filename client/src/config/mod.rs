//! Where the server is, and as whom to log in.

mod defaults;
pub(crate) mod account;
mod environment;
pub(crate) mod endpoint;
pub(crate) mod routing;
mod socket_options;
pub(crate) mod provider;
mod words;
mod keyword;
mod url;
mod service;
mod passfile;
mod read;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use stellata_protocol::Limits;
use stellata_protocol::auth::{BearerToken, DEFAULT_MAX_ITERATIONS, RequireAuth};
use stellata_protocol::message::PROTOCOL_3_0;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::tls::TlsSettings;
use crate::token::{Refusal, TokenProvider, TokenRequest};

pub use endpoint::{Endpoint, Host};
pub use environment::{Environment, Process};
pub use provider::PasswordRequest;
pub use routing::{LoadBalanceHosts, TargetSessionAttrs};
pub use socket_options::{Keepalive, PhaseLimits};

/// What a connection needs: where the server is, as whom to log in, and how.
///
/// It is read from a connection string with [`Config::parse`], from the environment with [`Config::from_env`], or put
/// together from [`Config::new`] on. What is read is read as libpq reads it; each setting, its default and its word:
///
/// | set with | libpq's word | variable | default |
/// |---|---|---|---|
/// | [`Config::new`], [`with_endpoint`](Self::with_endpoint) | `host` | `PGHOST` | the unix socket of a server of this machine, in `/var/run/postgresql` or `/tmp`; where there is none, `localhost` |
/// | [`Endpoint::with_address`] | `hostaddr` | `PGHOSTADDR` | the host is looked up |
/// | [`with_port`](Self::with_port) | `port` | `PGPORT` | 5432 |
/// | [`Config::new`], [`with_user`](Self::with_user) | `user` | `PGUSER` | the account that runs the program |
/// | [`with_database`](Self::with_database) | `dbname` | `PGDATABASE` | the database with the user's name |
/// | [`with_password`](Self::with_password) | `password` | `PGPASSWORD` | from the password file |
/// | | `passfile` | `PGPASSFILE` | `~/.pgpass` |
/// | [`with_password_provider`](Self::with_password_provider) | | | none |
/// | | `service` | `PGSERVICE`, `PGSERVICEFILE`, `PGSYSCONFDIR` | none; `~/.pg_service.conf`, `/etc/postgresql-common` |
/// | [`with_target_session_attrs`](Self::with_target_session_attrs) | `target_session_attrs` | `PGTARGETSESSIONATTRS` | `any` |
/// | [`with_load_balance_hosts`](Self::with_load_balance_hosts) | `load_balance_hosts` | `PGLOADBALANCEHOSTS` | `disable` |
/// | [`with_connect_timeout`](Self::with_connect_timeout) | `connect_timeout` | `PGCONNECT_TIMEOUT` | 15 s for each address; `0` is no limit (libpq: no limit) |
/// | [`with_phase_limits`](Self::with_phase_limits) | | | none of their own |
/// | [`with_keepalive`](Self::with_keepalive) | `keepalives`, `keepalives_idle`, `keepalives_interval`, `keepalives_count` | | on, with the system's times |
/// | [`with_tcp_user_timeout`](Self::with_tcp_user_timeout) | `tcp_user_timeout` | | the system's |
/// | [`with_require_peer`](Self::with_require_peer) | `requirepeer` | `PGREQUIREPEER` | anybody |
/// | [`with_setting`](Self::with_setting) | `application_name`, `fallback_application_name` | `PGAPPNAME` | none |
/// | [`with_setting`](Self::with_setting) | | `PGTZ`, `PGDATESTYLE`, `PGGEQO` | the server's |
/// | [`with_options`](Self::with_options), [`with_option`](Self::with_option) | `options` | `PGOPTIONS` | none |
/// | [`with_replication`](Self::with_replication) | `replication` | | no |
/// | [`with_tls`](Self::with_tls) | `sslmode` | `PGSSLMODE`, `PGREQUIRESSL` | `prefer`; with `sslrootcert=system`, `verify-full` |
/// | [`TlsSettings::with_negotiation`] | `sslnegotiation` | `PGSSLNEGOTIATION` | `postgres` |
/// | [`TlsSettings::with_roots`] | `sslrootcert` | `PGSSLROOTCERT` | `~/.postgresql/root.crt` |
/// | [`TlsSettings::with_client_certificate`] | `sslcert`, `sslkey` | `PGSSLCERT`, `PGSSLKEY` | `~/.postgresql/postgresql.crt`, `.key` |
/// | [`TlsSettings::with_client_certificate_mode`] | `sslcertmode` | `PGSSLCERTMODE` | `allow` |
/// | [`TlsSettings::with_crl`], [`with_crl_folder`](TlsSettings::with_crl_folder) | `sslcrl`, `sslcrldir` | `PGSSLCRL`, `PGSSLCRLDIR` | `~/.postgresql/root.crl` |
/// | [`TlsSettings::with_sni`] | `sslsni` | `PGSSLSNI` | `1` |
/// | [`TlsSettings::with_versions`] | `ssl_min_protocol_version`, `ssl_max_protocol_version` | `PGSSLMINPROTOCOLVERSION`, `PGSSLMAXPROTOCOLVERSION` | `TLSv1.2` to `TLSv1.3` |
/// | [`TlsSettings::with_channel_binding`] | `channel_binding` | `PGCHANNELBINDING` | `prefer` |
/// | [`with_require_auth`](Self::with_require_auth) | `require_auth` | `PGREQUIREAUTH` | any |
/// | [`with_max_scram_iterations`](Self::with_max_scram_iterations) | | | 1 000 000 |
/// | [`with_token_provider`](Self::with_token_provider) | | | none |
/// | [`with_protocol_versions`](Self::with_protocol_versions) | `min_protocol_version`, `max_protocol_version` | `PGMINPROTOCOLVERSION`, `PGMAXPROTOCOLVERSION` | `3.0` |
/// | [`with_cleartext_password`](Self::with_cleartext_password) | | | only over a unix socket or `verify-full` |
/// | [`with_statement_cache`](Self::with_statement_cache) | | | 256 |
/// | [`with_limits`](Self::with_limits) | | | [`Limits::default`] |
///
/// Read and without effect: `client_encoding` (text is UTF-8 here, whatever the database holds), `sslcompression`,
/// `sslpassword` (encrypted keys are refused), `krbsrvname`, `gsslib`, `gssdelegation`, and `oauth_...` (tokens come from a provider). Refused, because
/// they ask for what is not to be had: `gssencmode=require`, `sslkeylogfile`, `scram_client_key`, `scram_server_key`. A
/// word that libpq does not know is an error that names it and the words near it.
///
/// ```
/// use stellata_client::{Config, Host};
/// let config = Config::parse("postgres://anna:secret@db.example:5433/music?application_name=radio")?;
/// assert_eq!(config.host(), &Host::Tcp("db.example".into()));
/// assert_eq!(config.port(), 5433);
/// assert_eq!(config.user(), "anna");
/// assert_eq!(config.database(), Some("music"));
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), stellata_client::Error>(())
/// ```
#[derive(Clone)]
pub struct Config {
    first: Endpoint,
    /// The hosts behind the first, in order.
    others: Vec<Endpoint>,
    user: String,
    password: Option<Zeroizing<Vec<u8>>>,
    file_passwords: Option<FilePasswords>,
    provider: Option<provider::PasswordProvider>,
    database: Option<String>,
    settings: Vec<(String, String)>,
    options: String,
    replication: Option<String>,
    connect_timeout: Duration,
    phase_limits: PhaseLimits,
    keepalive: Option<Keepalive>,
    tcp_user_timeout: Option<Duration>,
    target_session_attrs: TargetSessionAttrs,
    load_balance_hosts: LoadBalanceHosts,
    require_peer: Option<String>,
    require_auth: RequireAuth,
    max_scram_iterations: u32,
    token_provider: Option<TokenProvider>,
    protocol_versions: (u32, u32),
    cleartext_password: bool,
    statement_cache: usize,
    limits: Limits,
    tls: TlsSettings,
}

/// What the password file gave.
#[derive(Clone)]
struct FilePasswords {
    found: Vec<(Endpoint, Zeroizing<Vec<u8>>)>,
    path: PathBuf,
    /// Why the file is not used.
    refused: Option<&'static str>,
}

impl Config {
    /// A login as `user` at `host`: a host name, an address, the folder of a unix socket (it begins with `/`) or the name
    /// of an abstract one (it begins with `@`).
    ///
    /// Nothing is taken from the environment and no file is read; all else is as the table above says.
    #[must_use]
    pub fn new(host: &str, user: &str) -> Self {
        Self::at(Endpoint::new(host, defaults::PORT), user)
    }

    fn at(first: Endpoint, user: &str) -> Self {
        Self {
            first,
            others: Vec::new(),
            user: user.to_owned(),
            password: None,
            file_passwords: None,
            provider: None,
            database: None,
            settings: Vec::new(),
            options: String::new(),
            replication: None,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            phase_limits: PhaseLimits::new(),
            keepalive: Some(Keepalive::new()),
            tcp_user_timeout: None,
            target_session_attrs: TargetSessionAttrs::Any,
            load_balance_hosts: LoadBalanceHosts::Disable,
            require_peer: None,
            require_auth: RequireAuth::ANY,
            max_scram_iterations: DEFAULT_MAX_ITERATIONS,
            token_provider: None,
            protocol_versions: (PROTOCOL_3_0, PROTOCOL_3_0),
            cleartext_password: false,
            statement_cache: defaults::STATEMENT_CACHE,
            limits: Limits::default(),
            tls: TlsSettings::default(),
        }
    }

    /// Reads a connection string, as libpq does (manual, "Connection Strings"): a URL, or words and values.
    ///
    /// ```
    /// use stellata_client::Config;
    ///
    /// let url = Config::parse("postgres://anna:p%40ss@db1,db2:5433/music?target_session_attrs=read-write")?;
    /// let words = Config::parse(
    ///     "host=db1,db2 port=5432,5433 user=anna password='p@ss' dbname=music target_session_attrs=read-write",
    /// )?;
    /// assert!(url.endpoints().eq(words.endpoints()));
    /// # Ok::<(), stellata_client::Error>(())
    /// ```
    ///
    /// What it does not say is taken from the service file, where a service is asked for; then from the environment
    /// (`PGHOST` and so on), the password from the password file; then it is as the table above says. So what it says
    /// counts most. These files are read now, once.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the part that can't be used. No secret is part of the message.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with(text, &Process)
    }

    /// As [`Config::parse`], with an environment that is handed in.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse_with(text: &str, environment: &impl Environment) -> Result<Self> {
        read::config(read::words(text)?, environment)
    }

    /// What the environment says: as [`Config::parse`] of an empty text.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn from_env() -> Result<Self> {
        Self::parse("")
    }

    /// Reads pairs of libpq's words and values, as its `PQconnectdbParams` does: a later pair counts more than an earlier
    /// one, an empty value says nothing, and the first `dbname` may itself be a connection string, whose words count as
    /// if they stood in its place. What is not said comes from where [`Config::parse`] takes it.
    ///
    /// ```
    /// use stellata_client::Config;
    ///
    /// let config = Config::from_pairs([
    ///     ("dbname", "postgres://anna@db.example/music"),
    ///     ("port", "5433"),
    /// ])?;
    /// assert_eq!((config.user(), config.port()), ("anna", 5433));
    /// # Ok::<(), stellata_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn from_pairs<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Self> {
        Self::from_pairs_with(pairs, &Process)
    }

    /// As [`Config::from_pairs`], with an environment that is handed in.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn from_pairs_with<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        environment: &impl Environment,
    ) -> Result<Self> {
        read::config(read::pairs(pairs)?, environment)
    }

    /// Adds a place to connect to, which is tried after those before it.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.others.push(endpoint);
        self
    }

    /// Sets the port, of all places.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.first.set_port(port);
        for endpoint in &mut self.others {
            endpoint.set_port(port);
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

    /// Sets who is asked for the password, once for each attempt to log in: for passwords that change, such as the
    /// tokens of a cloud's databases. It counts more than any other password.
    ///
    /// What it returns is treated as any password: a token that the server wants in clear text needs TLS or
    /// [`Config::with_cleartext_password`]. Its error is the error of the attempt, and no further host is tried; time spent
    /// in it counts against the limit of the login. It is asked whether or not the server then wants a password.
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
        self.provider = Some(provider::PasswordProvider::new(provider));
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
    pub const fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
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
    pub const fn with_keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        self.keepalive = keepalive;
        self
    }

    /// Sets how long sent bytes may stay unacknowledged before a TCP connection is given up (Linux, RFC 5482; elsewhere
    /// nothing happens). Default, and `None`: the system's.
    #[must_use]
    pub const fn with_tcp_user_timeout(mut self, limit: Option<Duration>) -> Self {
        self.tcp_user_timeout = limit;
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
        self.require_peer = Some(account.to_owned());
        self
    }

    /// Sets which ways of logging in are taken when the server asks for them. Default: all that are spoken. What is not
    /// taken is refused before anything is sent in answer.
    #[must_use]
    pub const fn with_require_auth(mut self, methods: RequireAuth) -> Self {
        self.require_auth = methods;
        self
    }

    /// Sets the oldest and the newest version of the protocol: `0x0003_0000` for 3.0, `0x0003_0002` for 3.2. Default: 3.0
    /// alone. A server that does not speak the newest comes down to what it speaks.
    #[must_use]
    pub const fn with_protocol_versions(mut self, oldest: u32, newest: u32) -> Self {
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

    /// Sets how much the server may make the client hold.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what is asked of encryption. Default: [`SslMode::Prefer`](crate::SslMode::Prefer).
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// The places to connect to, in the order in which they are tried.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.first
    }

    /// Where the server is: the first place.
    #[must_use]
    pub const fn host(&self) -> &Host {
        self.first.host()
    }

    /// The port of the first place.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.first.port()
    }

    /// As whom to log in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database, where one is named.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The settings that are told to the server when the session begins, but for [`Config::options`].
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The command-line options of the session at the server.
    #[must_use]
    pub fn options(&self) -> &str {
        &self.options
    }

    /// How long an attempt at one address may take; [`Duration::MAX`] is no limit.
    #[must_use]
    pub const fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The probes of idle TCP connections.
    #[must_use]
    pub const fn keepalive(&self) -> Option<Keepalive> {
        self.keepalive
    }

    /// How long sent bytes may stay unacknowledged.
    #[must_use]
    pub const fn tcp_user_timeout(&self) -> Option<Duration> {
        self.tcp_user_timeout
    }

    /// What kind of session is wanted.
    #[must_use]
    pub const fn target_session_attrs(&self) -> TargetSessionAttrs {
        self.target_session_attrs
    }

    /// In what order hosts are tried.
    #[must_use]
    pub const fn load_balance_hosts(&self) -> LoadBalanceHosts {
        self.load_balance_hosts
    }

    /// As whom a server must run that is reached over a unix socket.
    #[must_use]
    pub fn require_peer(&self) -> Option<&str> {
        self.require_peer.as_deref()
    }

    /// Which ways of logging in are taken.
    #[must_use]
    pub const fn require_auth(&self) -> RequireAuth {
        self.require_auth
    }

    /// The oldest and the newest version of the protocol.
    #[must_use]
    pub const fn protocol_versions(&self) -> (u32, u32) {
        self.protocol_versions
    }

    /// What is asked of encryption.
    #[must_use]
    pub const fn tls(&self) -> &TlsSettings {
        &self.tls
    }

    /// A later value of a setting takes the place of the earlier one; names are not case-sensitive.
    fn set(&mut self, name: &str, value: &str) {
        match self.settings.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => value.clone_into(known),
            None => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The password for a place, where none has to be asked for.
    pub(crate) fn password(&self, endpoint: &Endpoint) -> Option<&[u8]> {
        let from_file = || {
            let found = self.file_passwords.as_ref()?.found.iter();
            found.clone().find(|(place, _)| place == endpoint).map(|(_, password)| password)
        };
        self.password.as_ref().or_else(from_file).map(|password| password.as_slice())
    }

    /// Whom to ask for the password.
    pub(crate) fn provider(&self) -> Option<&provider::PasswordProvider> {
        self.provider.as_ref()
    }

    /// What is to be said of the password file when a login fails for want of the right password.
    pub(crate) fn password_remark(&self, endpoint: &Endpoint) -> Option<String> {
        if self.password.is_some() || self.provider.is_some() {
            return None;
        }
        let file = self.file_passwords.as_ref()?;
        let path = file.path.display();
        match file.refused {
            Some(reason) => Some(format!("the password file {path} is not used: it {reason}")),
            None if self.password(endpoint).is_some() => {
                Some(format!("the password is from the file {path}"))
            }
            None => None,
        }
    }

    pub(crate) fn replication(&self) -> Option<&str> {
        self.replication.as_deref()
    }

    pub(crate) const fn phase_limits(&self) -> PhaseLimits {
        self.phase_limits
    }

    pub(crate) const fn max_scram_iterations(&self) -> u32 {
        self.max_scram_iterations
    }

    pub(crate) const fn token_provider(&self) -> Option<&TokenProvider> {
        self.token_provider.as_ref()
    }

    pub(crate) const fn allows_cleartext(&self) -> bool {
        self.cleartext_password
    }

    pub(crate) const fn statement_cache(&self) -> usize {
        self.statement_cache
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }
}

/// Where and as whom, without anything that may be a secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<String> = self.endpoints().map(ToString::to_string).collect();
        f.debug_struct("Config")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("tls", &self.tls.mode())
            .finish_non_exhaustive()
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests;
