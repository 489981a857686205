//! Where the server is, and as whom to log in.

mod defaults;
pub(crate) mod account;
mod environment;
pub(crate) mod endpoint;
pub(crate) mod routing;
pub(crate) mod protocol_version;
pub(crate) mod socket_options;
#[cfg(feature = "tracing")]
pub(crate) mod trace_options;
pub(crate) mod provider;
mod builder;
mod words;
mod keyword;
mod url;
mod service;
mod passfile;
mod places;
mod encryption;
mod read;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::Limits;
use stellata_protocol::auth::{DEFAULT_MAX_ITERATIONS, RequireAuth};
use zeroize::Zeroizing;

use crate::config::endpoint::Server;
use crate::config::passfile::PasswordFile;
use crate::config::socket_options::SocketSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::Hooks;
use crate::tls::TlsSettings;
use crate::token::TokenProvider;
use crate::types::{DatabaseTypes, TypeCache};

pub use endpoint::{Endpoint, Host};
pub use environment::{Environment, Process};
pub use protocol_version::ProtocolVersion;
pub use provider::PasswordRequest;
pub use routing::{LoadBalanceHosts, TargetSessionAttrs};
pub use socket_options::{Keepalive, PhaseLimits};
#[cfg(feature = "tracing")]
pub use trace_options::TraceOptions;

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
/// | [`with_transaction_pooler`](Self::with_transaction_pooler) | | | suspected by the number of the session's process |
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
    first: Arc<Endpoint>,
    /// The hosts behind the first, in order.
    others: Vec<Arc<Endpoint>>,
    user: String,
    password: Option<Zeroizing<Vec<u8>>>,
    password_file: Option<Arc<PasswordFile>>,
    provider: Option<provider::PasswordProvider>,
    database: Option<String>,
    settings: Vec<(String, String)>,
    options: String,
    replication: Option<String>,
    sockets: Arc<SocketSettings>,
    phase_limits: PhaseLimits,
    target_session_attrs: TargetSessionAttrs,
    load_balance_hosts: LoadBalanceHosts,
    require_auth: RequireAuth,
    max_scram_iterations: u32,
    token_provider: Option<TokenProvider>,
    protocol_versions: (ProtocolVersion, ProtocolVersion),
    cleartext_password: bool,
    statement_cache: usize,
    limits: Limits,
    types: TypeCache<Server>,
    transaction_pooler: Option<bool>,
    hooks: Hooks,
    #[cfg(feature = "tracing")]
    tracing: TraceOptions,
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
            first: Arc::new(first),
            others: Vec::new(),
            user: user.to_owned(),
            password: None,
            password_file: None,
            provider: None,
            database: None,
            settings: Vec::new(),
            options: String::new(),
            replication: None,
            sockets: Arc::default(),
            phase_limits: PhaseLimits::new(),
            target_session_attrs: TargetSessionAttrs::Any,
            load_balance_hosts: LoadBalanceHosts::Disable,
            require_auth: RequireAuth::ANY,
            max_scram_iterations: DEFAULT_MAX_ITERATIONS,
            token_provider: None,
            protocol_versions: (ProtocolVersion::V3_0, ProtocolVersion::V3_0),
            cleartext_password: false,
            statement_cache: defaults::STATEMENT_CACHE,
            limits: Limits::default(),
            types: TypeCache::default(),
            transaction_pooler: None,
            hooks: Hooks::default(),
            #[cfg(feature = "tracing")]
            tracing: TraceOptions::new(),
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
    /// counts most. These files are read now, once; which line of the password file fits is asked at each login, so that a
    /// user, a database or a place that is set afterwards has its own password.
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

    /// The places to connect to, in the order in which they are tried.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.places().map(|endpoint| &**endpoint)
    }

    /// As [`Config::endpoints`], to be shared.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.first
    }

    /// Where the server is: the first place.
    #[must_use]
    pub fn host(&self) -> &Host {
        self.first.host()
    }

    /// The port of the first place.
    #[must_use]
    pub fn port(&self) -> u16 {
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
    pub fn connect_timeout(&self) -> Duration {
        self.sockets.connect_timeout
    }

    /// The probes of idle TCP connections.
    #[must_use]
    pub fn keepalive(&self) -> Option<Keepalive> {
        self.sockets.keepalive
    }

    /// How long sent bytes may stay unacknowledged.
    #[must_use]
    pub fn tcp_user_timeout(&self) -> Option<Duration> {
        self.sockets.tcp_user_timeout
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
        self.sockets.require_peer.as_deref()
    }

    /// Which ways of logging in are taken.
    #[must_use]
    pub const fn require_auth(&self) -> RequireAuth {
        self.require_auth
    }

    /// The oldest and the newest version of the protocol.
    #[must_use]
    pub const fn protocol_versions(&self) -> (ProtocolVersion, ProtocolVersion) {
        self.protocol_versions
    }

    /// What is asked of encryption.
    #[must_use]
    pub fn tls(&self) -> &TlsSettings {
        &self.sockets.tls
    }

    /// A later value of a setting takes the place of the earlier one; names are not case-sensitive.
    fn set(&mut self, name: &str, value: &str) {
        match self.settings.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => value.clone_into(known),
            None => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The password for a place, where none has to be asked for.
    pub(crate) fn password(&self, endpoint: &Endpoint) -> Option<Zeroizing<Vec<u8>>> {
        if let Some(password) = &self.password {
            return Some(password.clone());
        }
        let database = self.database().unwrap_or(&self.user);
        self.password_file.as_ref()?.password(endpoint, database, &self.user)
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
        let file = self.password_file.as_ref()?;
        let path = file.path().display();
        match file.refused() {
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

    /// What a connection needs that does not log in.
    pub(crate) const fn sockets(&self) -> &Arc<SocketSettings> {
        &self.sockets
    }

    /// Whether a pooler lends by transaction, where it was said.
    pub(crate) const fn transaction_pooler(&self) -> Option<bool> {
        self.transaction_pooler
    }

    #[cfg(feature = "tracing")]
    pub(crate) const fn tracing(&self) -> TraceOptions {
        self.tracing
    }

    pub(crate) const fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// What is known of the types of the database at this server; all clones of this configuration share it.
    pub(crate) fn types(&self, server: Server) -> Arc<DatabaseTypes> {
        self.types.of(server, self.database().unwrap_or(&self.user))
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
            .field("tls", &self.tls().mode())
            .finish_non_exhaustive()
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(all(test, unix))]
mod tests;
