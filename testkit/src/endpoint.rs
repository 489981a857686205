//! Where a server listens and as whom to log in there.

use crate::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

/// The place a server listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or address, reached by TCP.
    Tcp(String),
    /// The folder that holds the server's unix socket.
    Unix(PathBuf),
}

/// A server's place, with the user and the password that open it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: Host,
    port: u16,
    user: String,
    password: Option<String>,
}

impl Endpoint {
    /// A server reached by TCP, without a password.
    pub fn tcp(host: impl Into<String>, port: u16, user: impl Into<String>) -> Endpoint {
        Endpoint { host: Host::Tcp(host.into()), port, user: user.into(), password: None }
    }

    /// A server reached through the unix socket `.s.PGSQL.<port>` in `folder`, without a password.
    pub fn unix(folder: impl Into<PathBuf>, port: u16, user: impl Into<String>) -> Endpoint {
        Endpoint { host: Host::Unix(folder.into()), port, user: user.into(), password: None }
    }

    /// The same place for another user.
    pub fn with_user(&self, user: impl Into<String>, password: Option<&str>) -> Endpoint {
        Endpoint { user: user.into(), password: password.map(str::to_owned), ..self.clone() }
    }

    /// The same user at another place, reached by TCP.
    pub fn at(&self, host: impl Into<String>, port: u16) -> Endpoint {
        Endpoint { host: Host::Tcp(host.into()), port, ..self.clone() }
    }

    /// Reads a connection URL and gives its endpoint and its database, if it names one
    /// ([manual, 34.1.1.2](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)).
    /// Of the settings after `?`, `host`, `port`, `user`, `password` and `dbname` count, the
    /// others are left to the clients under test.
    ///
    /// # Errors
    /// When it is no such URL, or has a port that is none.
    pub fn parse(url: &str) -> Result<(Endpoint, Option<String>), Error> {
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or_else(|| Error::new("a server's URL begins with postgres://"))?;
        let (rest, settings) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(decode(password))),
            None => (login, None),
        };
        // An IPv6 address stands in brackets, because it has colons of its own.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (place, ""),
        };
        let mut host = decode(host.trim_start_matches('[').trim_end_matches(']'));
        let (mut port, mut user, mut password) = (port.to_owned(), decode(user), password);
        let mut database = decode(database);
        for (name, value) in settings.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = decode(value);
            match name {
                "host" => host = value,
                "port" => port = value,
                "user" => user = value,
                "password" => password = Some(value),
                "dbname" => database = value,
                _ => {}
            }
        }
        let port = match port.as_str() {
            "" => 5432,
            digits => {
                digits.parse().map_err(|_| Error::new(format!("{digits:?} is no port of TCP")))?
            }
        };
        if user.is_empty() {
            "postgres".clone_into(&mut user);
        }
        let host = match host.as_str() {
            "" => Host::Tcp("localhost".to_owned()),
            folder if folder.starts_with('/') => Host::Unix(PathBuf::from(folder)),
            _ => Host::Tcp(host),
        };
        let database = Some(database).filter(|name| !name.is_empty());
        Ok((Endpoint { host, port, user, password }, database))
    }

    /// Where the server listens.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port, which also names the unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, where one is needed.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The file of the unix socket, if that is the way to the server.
    pub fn socket(&self) -> Option<PathBuf> {
        match &self.host {
            Host::Unix(folder) => Some(folder.join(format!(".s.PGSQL.{}", self.port))),
            Host::Tcp(_) => None,
        }
    }

    /// The URL of a database there, with the password in clear.
    pub fn url(&self, database: &str) -> String {
        // A slash would end what stands before the host.
        let encode_login = |text: &str| encode(text).replace('/', "%2F");
        let mut url = format!("postgres://{}", encode_login(&self.user));
        if let Some(password) = &self.password {
            url += ":";
            url += &encode_login(password);
        }
        let (database, port) = (encode(database), self.port);
        match &self.host {
            Host::Tcp(host) if host.contains(':') => url + &format!("@[{host}]:{port}/{database}"),
            Host::Tcp(host) => url + &format!("@{}:{port}/{database}", encode(host)),
            Host::Unix(folder) => {
                let folder = encode(&folder.to_string_lossy());
                url + &format!("@/{database}?host={folder}&port={port}")
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A TCP port of 127.0.0.1 that nobody listens at; another process may be quicker to take it.
pub(crate) fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|cause| Error::while_doing("looking for a free port", cause))
}

/// Percent-encodes what has a meaning of its own in a URL; a folder's slashes stay readable.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for &byte in text.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        if let (b'%', [high, low, rest @ ..]) = (*first, rest) {
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).unwrap_or_default();
            if let Ok(byte) = u8::from_str_radix(digits, 16) {
                out.push(byte);
                bytes = rest;
                continue;
            }
        }
        out.push(*first);
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_back() {
        for (url, database) in [
            ("postgres://postgres@127.0.0.1:5432/x", "x"),
            ("postgres://a%40b:p%3Aw%2520%2F@db.example:1/with%20space", "with space"),
            ("postgres://u@[::1]:6543/x", "x"),
            ("postgres://u@/x?host=/dev/shm/a/s&port=6000", "x"),
        ] {
            let (endpoint, named) = Endpoint::parse(url).unwrap();
            assert_eq!(named.as_deref(), Some(database));
            assert_eq!(endpoint.url(database), url);
        }
    }

    #[test]
    fn what_a_url_may_leave_out() {
        let (endpoint, database) = Endpoint::parse("postgresql://").unwrap();
        assert_eq!(endpoint.url("x"), "postgres://postgres@localhost:5432/x");
        assert_eq!(database, None);
        let (endpoint, _) =
            Endpoint::parse("postgres://a:b@h/x?user=c&password=d&other=1").unwrap();
        assert_eq!((endpoint.user(), endpoint.password()), ("c", Some("d")));
        assert_eq!(
            Endpoint::parse("postgres:///x?host=/s").unwrap().0.socket().unwrap(),
            PathBuf::from("/s/.s.PGSQL.5432")
        );
    }

    #[test]
    fn what_is_no_url() {
        assert!(Endpoint::parse("mysql://x").is_err());
        assert!(Endpoint::parse("postgres://h:99999/x").is_err());
    }

    #[test]
    fn a_password_is_never_shown() {
        let (endpoint, _) = Endpoint::parse("postgres://u:secret@h/x").unwrap();
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
