//! A tiny synchronous session for the testkit's own statements.
//!
//! It is written against the manual alone and shares nothing with the client under test, so that
//! a fault there can't hide itself, and it blocks, so that a `Drop` may use it. It speaks the
//! simple query protocol and the passwords of the test roles, without TLS
//! ([manual, 55.2](https://www.postgresql.org/docs/current/protocol-flow.html)).

mod login;

use crate::endpoint::{Endpoint, Host};
use crate::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The rows of all statements of one text, every value as the server prints it.
pub type Rows = Vec<Vec<Option<String>>>;

/// How long one read or write may wait for the server before the session fails, unless
/// [`Session::connect_within`] was told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One logged-in session.
pub struct Session {
    stream: Stream,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and logs in, waiting at most [`PATIENCE`] for each answer.
    ///
    /// # Errors
    /// When nobody listens there, the server refuses ([`Error::code`] tells why), or it stays
    /// silent for longer.
    pub fn connect(endpoint: &Endpoint, database: &str) -> Result<Session, Error> {
        Session::connect_within(endpoint, database, PATIENCE)
    }

    /// As [`Session::connect`], where each read and write waits for at most `patience`.
    ///
    /// # Errors
    /// The same.
    pub fn connect_within(
        endpoint: &Endpoint,
        database: &str,
        patience: Duration,
    ) -> Result<Session, Error> {
        let stream = Stream::open(endpoint, patience)
            .map_err(|cause| Error::while_doing(format!("connecting to {endpoint:?}"), cause))?;
        let mut session = Session { stream };
        let mut startup = Vec::new();
        startup.extend_from_slice(&196_608_i32.to_be_bytes());
        for text in ["user", endpoint.user(), "database", database, "client_encoding", "UTF8", ""] {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        session.stream.send(None, &startup)?;
        session.log_in(endpoint)?;
        Ok(session)
    }

    /// Runs the statements of `sql` and gives the rows of all of them.
    ///
    /// # Errors
    /// The server's first error, after which the session can still be used; or that the
    /// connection was lost.
    pub fn run(&mut self, sql: &str) -> Result<Rows, Error> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.stream.send(Some(b'Q'), &body)?;
        let mut rows = Rows::new();
        let mut failure = None;
        loop {
            match self.stream.receive()? {
                (b'D', body) => rows.push(read_row(&body)?),
                (b'E', body) => failure = failure.or(Some(read_error(&body))),
                (b'Z', _) => break,
                _ => {}
            }
        }
        failure.map_or(Ok(rows), Err)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The server notices the closed socket as well; this only spares its log a line.
        let _ = self.stream.send(Some(b'X'), &[]);
    }
}

/// Runs `sql` in a session of its own.
///
/// # Errors
/// As [`Session::connect`] and [`Session::run`].
pub fn run(endpoint: &Endpoint, database: &str, sql: &str) -> Result<Rows, Error> {
    Session::connect(endpoint, database)?.run(sql)
}

/// Writes a name as a quoted identifier
/// ([manual, 4.1.1](https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS)).
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text as a quoted literal; valid while `standard_conforming_strings` is on, as it is
/// by default.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

trait Socket: Read + Write + Send {}
impl<S: Read + Write + Send> Socket for S {}

struct Stream {
    socket: Box<dyn Socket>,
}

impl Stream {
    fn open(endpoint: &Endpoint, patience: Duration) -> io::Result<Stream> {
        let socket: Box<dyn Socket> = match (endpoint.host(), endpoint.socket()) {
            (Host::Tcp(host), _) => {
                let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
                let connected =
                    (host.as_str(), endpoint.port()).to_socket_addrs()?.find_map(|address| {
                        TcpStream::connect_timeout(&address, patience)
                            .map_err(|cause| last = cause)
                            .ok()
                    });
                let socket = connected.ok_or(last)?;
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))?;
                Box::new(socket)
            }
            (Host::Unix(_), path) => {
                let socket = UnixStream::connect(path.unwrap_or_default())?;
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))?;
                Box::new(socket)
            }
        };
        Ok(Stream { socket })
    }

    fn send(&mut self, tag: Option<u8>, body: &[u8]) -> Result<(), Error> {
        let length = i32::try_from(body.len() + 4)
            .map_err(|_| Error::new("a message of more than 2 GiB can't be sent"))?;
        let mut message = Vec::with_capacity(body.len() + 5);
        message.extend(tag);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        self.socket.write_all(&message).map_err(|cause| Error::while_doing("sending", cause))
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>), Error> {
        let lost = |cause| Error::while_doing("waiting for the server's answer", cause);
        let mut head = [0; 5];
        self.socket.read_exact(&mut head).map_err(lost)?;
        let [tag, length @ ..] = head;
        let length = u64::from(u32::from_be_bytes(length)).saturating_sub(4);
        let mut body = Vec::new();
        // `take` lets memory grow with what arrives, not with what is announced.
        (&mut self.socket).take(length).read_to_end(&mut body).map_err(lost)?;
        if (body.len() as u64) < length {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok((tag, body))
    }
}

fn read_row(body: &[u8]) -> Result<Vec<Option<String>>, Error> {
    let cut_short = || Error::new("a DataRow ended before its last value");
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(cut_short)?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
        rest = after;
        row.push(match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length).ok_or_else(cut_short)?;
                rest = after;
                Some(String::from_utf8_lossy(value).into_owned())
            }
            Err(_) => None,
        });
    }
    Ok(row)
}

/// Takes the SQLSTATE and the sentence out of an ErrorResponse
/// ([manual, 55.8](https://www.postgresql.org/docs/current/protocol-error-fields.html)).
fn read_error(body: &[u8]) -> Error {
    let field = |wanted: u8| {
        body.split(|&byte| byte == 0)
            .find_map(|field| field.strip_prefix(&[wanted]))
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    };
    Error::from_server(field(b'C'), field(b'M'))
}
