//! Where the server is, and as whom to log in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use stellata_protocol::Limits;
use stellata_protocol::auth::{BearerToken, DEFAULT_MAX_ITERATIONS, RequireAuth};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::token::{Refusal, TokenProvider, TokenRequest};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or address, reached by TCP.
    Tcp(String),
    /// The folder of a unix socket.
    Unix(PathBuf),
}

/// What a connection needs: where the server is, and as whom to log in.
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
    host: Host,
    port: u16,
    user: String,
    password: Option<Zeroizing<String>>,
    database: Option<String>,
    settings: Vec<(String, String)>,
    connect_timeout: Duration,
    cleartext_password: bool,
    require_auth: RequireAuth,
    max_scram_iterations: u32,
    token_provider: Option<TokenProvider>,
    statement_cache: usize,
    limits: Limits,
}

impl Config {
    /// A login as `user` at `host`, a host name, an address, or the folder of a unix socket (it begins with `/`).
    ///
    /// Defaults: port 5432, the database with the user's name, 15 s to connect, 256 cached statements.
    #[must_use]
    pub fn new(host: &str, user: &str) -> Self {
        Self {
            host: parse_host(host),
            port: 5432,
            user: user.to_owned(),
            password: None,
            database: None,
            settings: Vec::new(),
            connect_timeout: Duration::from_secs(15),
            cleartext_password: false,
            require_auth: RequireAuth::ANY,
            max_scram_iterations: DEFAULT_MAX_ITERATIONS,
            token_provider: None,
            statement_cache: 256,
            limits: Limits::default(),
        }
    }

    /// Reads a URL: `postgres://user:password@host:port/database?name=value&...`, each part optional and
    /// percent-encoded where it needs to be.
    ///
    /// Names after the `?`: `host` (also the folder of a unix socket), `port`, `user`, `password`, `dbname`,
    /// `connect_timeout` (whole seconds, 0 for none), `application_name`, `options`, `sslmode` (`disable`, `allow` or
    /// `prefer`: this version does not speak TLS).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the part that can't be used; the password is not part of the message.
    pub fn parse(url: &str) -> Result<Self> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| invalid("a connection string begins with postgres://"))?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, query),
            None => (rest, ""),
        };
        let (authority, database) = match rest.split_once('/') {
            Some((authority, database)) => (authority, database),
            None => (rest, ""),
        };
        let mut config = Self::new("localhost", "");
        let address = match authority.rsplit_once('@') {
            Some((login, address)) => {
                let (user, password) = match login.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (login, None),
                };
                config.user = decode(user, "the user")?;
                if let Some(password) = password {
                    config.password = Some(Zeroizing::new(decode(password, "the password")?));
                }
                address
            }
            None => authority,
        };
        let (host, port) = split_port(address)?;
        if !host.is_empty() {
            config.host = parse_host(&decode(host, "the host")?);
        }
        if let Some(port) = port.filter(|port| !port.is_empty()) {
            config.port = parse_port(port)?;
        }
        if !database.is_empty() {
            config.database = Some(decode(database, "the database")?);
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| invalid(format!("the setting `{pair}` has no value")))?;
            let value = Zeroizing::new(decode(value, name)?);
            config.set(name, &value)?;
        }
        if config.user.is_empty() {
            config.user = std::env::var("USER")
                .map_err(|_| invalid("the connection string names no user"))?;
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "host" => self.host = parse_host(value),
            "port" => self.port = parse_port(value)?,
            "user" => value.clone_into(&mut self.user),
            "password" => self.password = Some(Zeroizing::new(value.to_owned())),
            "dbname" => self.database = Some(value.to_owned()),
            "connect_timeout" => {
                let seconds: u64 = value.parse().map_err(|_| {
                    invalid(format!("connect_timeout is a number of seconds, not `{value}`"))
                })?;
                self.connect_timeout =
                    if seconds == 0 { Duration::MAX } else { Duration::from_secs(seconds) };
            }
            "application_name" | "options" => {
                self.settings.push((name.to_owned(), value.to_owned()));
            }
            "sslmode" => match value {
                "disable" | "allow" | "prefer" => {}
                _ => {
                    return Err(invalid(format!(
                        "sslmode={value} asks for TLS, which this version does not speak"
                    )));
                }
            },
            _ => return Err(invalid(format!("the setting `{name}` is not known"))),
        }
        Ok(())
    }

    /// Sets the port.
    #[must_use]
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the password. It stands in no `Debug`, error or log, and is overwritten when it is dropped.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(Zeroizing::new(password.to_owned()));
        self
    }

    /// Sets the database; without it the server takes the one with the user's name.
    #[must_use]
    pub fn with_database(mut self, database: &str) -> Self {
        self.database = Some(database.to_owned());
        self
    }

    /// Adds a setting of the session, such as `application_name` or `statement_timeout`.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets how long connecting may take in all, the login included. Default: 15 s.
    #[must_use]
    pub const fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Whether the password, or an OAuth token, may be sent as it is over TCP when the server asks so. Off unless said:
    /// anybody on the way could read it. Over a unix socket it is always allowed.
    #[must_use]
    pub const fn with_cleartext_password(mut self, allow: bool) -> Self {
        self.cleartext_password = allow;
        self
    }

    /// Sets which ways to log in are taken when the server asks for them: libpq's `require_auth`. Default: all that are
    /// spoken. What is not taken is refused before anything is sent in answer.
    #[must_use]
    pub const fn with_require_auth(mut self, methods: RequireAuth) -> Self {
        self.require_auth = methods;
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
    /// TLS and unix sockets alone, unless [`with_cleartext_password`](Self::with_cleartext_password) says otherwise.
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

    /// Where the server is.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
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

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.as_str())
    }

    pub(crate) fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    pub(crate) const fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    pub(crate) fn allows_cleartext(&self) -> bool {
        self.cleartext_password || matches!(self.host, Host::Unix(_))
    }

    pub(crate) const fn require_auth(&self) -> RequireAuth {
        self.require_auth
    }

    pub(crate) const fn max_scram_iterations(&self) -> u32 {
        self.max_scram_iterations
    }

    pub(crate) const fn token_provider(&self) -> Option<&TokenProvider> {
        self.token_provider.as_ref()
    }

    pub(crate) const fn statement_cache(&self) -> usize {
        self.statement_cache
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

fn parse_host(host: &str) -> Host {
    if host.starts_with('/') { Host::Unix(host.into()) } else { Host::Tcp(host.to_owned()) }
}

fn parse_port(port: &str) -> Result<u16> {
    match port.parse() {
        Ok(0) | Err(_) => Err(invalid(format!("a port lies between 1 and 65535, unlike `{port}`"))),
        Ok(port) => Ok(port),
    }
}

/// Parts `host:port`, where the host may be an IPv6 address in brackets.
fn split_port(address: &str) -> Result<(&str, Option<&str>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| invalid("an IPv6 address has no closing bracket"))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(invalid("something stands between the address and the port")),
        };
    }
    match address.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(invalid("an IPv6 address stands in brackets; several hosts are not supported yet"))
        }
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((address, None)),
    }
}

fn decode(text: &str, what: &str) -> Result<String> {
    let wrong = || invalid(format!("{what} holds a % that two hexadecimal digits do not follow"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(wrong());
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err(invalid(format!("{what} holds a NUL"))),
        Ok(text) => Ok(text),
        Err(_) => Err(invalid(format!("{what} is not UTF-8"))),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_optional_and_percent_encoded() {
        let config = Config::parse("postgresql://a%40b:p%2Fw%3A@[::1]:7000/my%20db").unwrap();
        assert_eq!(config.user(), "a@b");
        assert_eq!(config.password(), Some("p/w:"));
        assert_eq!(config.host(), &Host::Tcp("::1".into()));
        assert_eq!(config.port(), 7000);
        assert_eq!(config.database(), Some("my db"));

        let config = Config::parse("postgres://me@/x?host=/run/pg&port=5433").unwrap();
        assert_eq!(config.host(), &Host::Unix("/run/pg".into()));
        assert_eq!(config.port(), 5433);
    }

    #[test]
    fn what_can_not_be_used_is_named() {
        for (url, part) in [
            ("mysql://x", "postgres://"),
            ("postgres://me@host:0/x", "port"),
            ("postgres://me@host:70000/x", "port"),
            ("postgres://me@host/x?colour=red", "`colour`"),
            ("postgres://me@host/x?sslmode=verify-full", "verify-full"),
            ("postgres://me@host/%zz", "the database"),
            ("postgres://me@host/%00", "NUL"),
            ("postgres://me@[::1/x", "bracket"),
            ("postgres://me@a:1,b:2/x", "several hosts"),
            ("postgres://me@host/x?connect_timeout=soon", "connect_timeout"),
        ] {
            let error = Config::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_never_shows() {
        let config = Config::new("host", "me").with_password("hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = Config::parse("postgres://me:hunter2%@host/x").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
