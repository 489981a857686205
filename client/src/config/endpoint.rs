//! The places where a server may listen.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::defaults;
use crate::platform::UNIX_SOCKETS;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Host {
    /// A host name or address, reached by TCP.
    Tcp(String),
    /// The folder of a unix socket.
    Unix(PathBuf),
    /// The name of a unix socket that stands in no file system (Linux), without the `@` that libpq writes before it.
    Abstract(String),
}

impl Host {
    /// Reads a host as libpq does: what begins with `/` is the folder of a unix socket, what begins with `@` the name of
    /// an abstract one, all else a host name or an address.
    #[must_use]
    pub fn new(host: &str) -> Self {
        if let Some(name) = host.strip_prefix('@') {
            Self::Abstract(name.to_owned())
        } else if host.starts_with('/') || is_drive(host) {
            Self::Unix(host.into())
        } else {
            Self::Tcp(host.to_owned())
        }
    }

    /// The socket folder of this machine that has a server's socket, or `localhost` by TCP where there is none.
    pub(crate) fn of_this_machine(port: u16) -> Self {
        for folder in defaults::SOCKET_FOLDERS.map(PathBuf::from) {
            if UNIX_SOCKETS && folder.join(socket_file(port)).exists() {
                return Self::Unix(folder);
            }
        }
        Self::Tcp(defaults::HOST.to_owned())
    }

    /// Whether it is a unix socket, where nobody can listen to what is said.
    #[must_use]
    pub const fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Abstract(_))
    }
}

/// Whether a path begins with a drive, as on Windows.
fn is_drive(host: &str) -> bool {
    cfg!(windows)
        && matches!(host.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

/// The name of a server's unix socket in its folder.
pub(crate) fn socket_file(port: u16) -> String {
    format!(".s.PGSQL.{port}")
}

/// As libpq writes it: an abstract socket begins with `@`.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => f.write_str(host),
            Self::Unix(folder) => folder.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

/// A place where a server may listen: a host, its address where that is known, and a port.
///
/// ```
/// use stellata_client::{Config, Endpoint};
///
/// let config = Config::new("db1.example", "anna").with_endpoint(Endpoint::new("db2.example", 5433));
/// let hosts: Vec<String> = config.endpoints().map(ToString::to_string).collect();
/// assert_eq!(hosts, ["db1.example:5432", "db2.example:5433"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: Host,
    address: Option<IpAddr>,
    port: u16,
}

/// A server, as others are told from it: by what it is called and, of those that are called the same, by the address. One
/// address alone does not tell: behind it somebody may choose the server by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Server {
    pub(crate) endpoint: Arc<Endpoint>,
    /// `None` of a unix socket, and of a stream that the caller has opened.
    pub(crate) address: Option<SocketAddr>,
}

impl Endpoint {
    /// A host, read as [`Host::new`] reads it, and a port. The port also names the file of a unix socket.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self::at(Host::new(host), port)
    }

    /// A host and a port.
    #[must_use]
    pub const fn at(host: Host, port: u16) -> Self {
        Self { host, address: None, port }
    }

    /// Says at what address the host is reached, so that its name is not looked up: libpq's `hostaddr`. The name is still
    /// what a certificate must be for.
    #[must_use]
    pub const fn with_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    pub(crate) const fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The address, where it is given beside the name.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// `host:port`, or the file of a unix socket.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Host::Tcp(host) => write!(f, "{host}:{}", self.port),
            Host::Unix(folder) => folder.join(socket_file(self.port)).display().fmt(f),
            Host::Abstract(name) => write!(f, "@{name}/{}", socket_file(self.port)),
        }
    }
}
