//! What can go wrong on a connection.

use std::fmt;
use std::sync::Arc;

use stellata_protocol::SqlState;
use stellata_protocol::message::ServerError;

/// The result of working with a connection.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error of a connection.
///
/// `{}` gives one line with the server's own sentence; `{:#}` adds the SQL with a caret at the place that the server
/// names, its detail and its hint; `{:?}` leaves the detail out, which may hold values of rows. None holds a parameter's
/// value or a password of ours.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    server: Option<ServerError>,
    sql: Option<Arc<str>>,
    source: Option<Source>,
    /// The connection broke behind what the server said.
    broken: bool,
    /// What is known beside the error itself.
    note: Option<String>,
    /// The errors of attempts that came to this one.
    attempts: Vec<Error>,
    /// A server was reached that gives another kind of session than is wanted.
    unfit: bool,
    /// The row of a COPY that it is about, counted from 1.
    row: Option<u64>,
    /// That is a line of the caller's own data.
    is_line: bool,
}

/// The family an [`Error`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A connection string or setting that can't be used.
    Config,
    /// The server could not be reached.
    Connect,
    /// The connection could not be encrypted: the server does not do so, or its certificate is refused.
    Tls,
    /// The login failed, or the server did not prove that it knows the password.
    Authentication,
    /// Reading or writing the socket failed.
    Io,
    /// The connection is closed, by either side.
    Closed,
    /// A time limit was reached.
    Timeout,
    /// The server broke the protocol.
    Protocol,
    /// The server refused the statement: see [`Error::server`].
    Server,
    /// A parameter could not be written; nothing was sent.
    Encode,
    /// A column could not be read.
    Decode,
    /// The statement was not run, because one before it in its group failed.
    Skipped,
    /// A COMMIT was answered, and the transaction was rolled back instead, because a statement in it had failed (manual:
    /// "COMMIT"). Nothing of it was done.
    RolledBack,
    /// A COMMIT was sent, and its answer was lost: whether the transaction was committed is not known. Look before you do it
    /// again.
    OutcomeUnknown,
    /// A reader or writer of the caller's own failed, of which the source tells more. The connection is as before.
    Stream,
    /// The call does not fit: the caller's mistake.
    Usage,
}

impl Error {
    /// Makes an error of a kind.
    #[cold]
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            server: None,
            sql: None,
            source: None,
            broken: false,
            note: None,
            attempts: Vec::new(),
            unfit: false,
            row: None,
            is_line: false,
        }))
    }

    #[cold]
    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Source>,
    ) -> Self {
        let mut error = Self::new(kind, message);
        error.0.source = Some(source.into());
        error
    }

    #[cold]
    pub(crate) fn from_server(server: ServerError, sql: Option<Arc<str>>) -> Self {
        let kind = if server.sqlstate.class() == "28" {
            ErrorKind::Authentication
        } else {
            ErrorKind::Server
        };
        let mut error = Self::new(kind, String::new());
        error.0.server = Some(server);
        error.0.sql = sql;
        error
    }

    #[cold]
    pub(crate) fn protocol(error: stellata_protocol::Error) -> Self {
        let kind = match error.kind() {
            stellata_protocol::ErrorKind::Authentication => ErrorKind::Authentication,
            stellata_protocol::ErrorKind::Usage => ErrorKind::Usage,
            _ => ErrorKind::Protocol,
        };
        Self::with_source(kind, error.to_string(), error)
    }

    /// A parameter or statement that could not be written.
    #[cold]
    #[must_use]
    pub fn encode(error: stellata_protocol::Error) -> Self {
        let kind = match error.kind() {
            stellata_protocol::ErrorKind::Usage => ErrorKind::Usage,
            _ => ErrorKind::Encode,
        };
        Self::with_source(kind, error.to_string(), error)
    }

    /// What is told where the connection broke after the server had said why: its words.
    ///
    /// Whoever broke the protocol instead is not believed in what came before.
    #[cold]
    pub(crate) fn after(self, said: Option<Self>) -> Self {
        match said {
            Some(mut said) if matches!(self.0.kind, ErrorKind::Closed | ErrorKind::Io) => {
                said.0.broken = true;
                said
            }
            _ => self,
        }
    }

    /// The error of a COMMIT whose answer was lost with this one.
    #[cold]
    pub(crate) fn into_unknown(self) -> Self {
        let message = format!("whether the transaction was committed is not known: {self}");
        let (is_fatal, sql) = (self.is_fatal(), self.0.sql.clone());
        let mut error = Self::with_source(ErrorKind::OutcomeUnknown, message, self);
        error.0.broken = is_fatal;
        error.0.sql = sql;
        error
    }

    #[cold]
    pub(crate) fn with_sql(mut self, sql: Option<Arc<str>>) -> Self {
        self.0.sql = sql;
        self
    }

    /// The same for others who used the connection when it was lost.
    #[cold]
    #[must_use]
    pub fn for_others(&self) -> Self {
        let kind = if self.is_fatal() { self.0.kind } else { ErrorKind::Closed };
        let mut error = Self::new(kind, self.0.message.clone());
        error.0.server.clone_from(&self.0.server);
        error.0.broken = true;
        error
    }

    /// Says which row of a COPY it is about.
    #[cold]
    pub(crate) fn with_row(mut self, row: Option<u64>) -> Self {
        self.0.row = row;
        self
    }

    /// Says which line of the data of a COPY it is about, where nobody knows of its rows.
    #[cold]
    pub(crate) fn with_line(mut self, line: u64) -> Self {
        self.0.row = Some(line);
        self.0.is_line = true;
        self
    }

    /// A server was reached that gives another kind of session than is wanted.
    #[cold]
    pub(crate) fn unfit(message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Connect, message);
        error.0.unfit = true;
        error
    }

    pub(crate) fn is_unfit(&self) -> bool {
        self.0.unfit
    }

    /// Adds what is known beside the error itself.
    #[cold]
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.0.note = Some(note);
        self
    }

    /// The error of attempts of which none came to anything.
    #[cold]
    pub(crate) fn of_attempts(mut attempts: Vec<Self>) -> Self {
        let Some(last) = attempts.pop() else {
            return Self::new(ErrorKind::Config, "there is no host to connect to");
        };
        if attempts.is_empty() {
            return last;
        }
        let mut error = Self::new(
            last.kind(),
            format!("none of {} attempts gave a connection", attempts.len() + 1),
        );
        attempts.push(last);
        error.0.attempts = attempts;
        error
    }

    /// The errors of the single attempts, in order, where several hosts or addresses were tried.
    #[must_use]
    pub fn attempts(&self) -> &[Self] {
        &self.0.attempts
    }

    /// The family of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the server said, for [`ErrorKind::Server`] and refused logins. After several attempts, what the last said.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_ref().or_else(|| self.0.attempts.last()?.server())
    }

    /// The code of what the server said.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        self.server().map(|server| server.sqlstate)
    }

    /// The statement that failed, with `$1` for parameters: never their values.
    #[must_use]
    pub fn sql(&self) -> Option<&str> {
        self.0.sql.as_deref()
    }

    /// The row of a COPY that could not be written, read or stored, counted from 1. Of text and CSV data of the caller's own it is
    /// the line, as the server counts: a header is one too, and so is each line of a value in quotes; the message says which of
    /// the two it is.
    ///
    /// It is not known where the server names no row: of a constraint that is checked at the end, of data that ends early.
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        self.0.row
    }

    /// Whether the connection can't be used any more.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self.0.kind {
            ErrorKind::Io
            | ErrorKind::Closed
            | ErrorKind::Protocol
            | ErrorKind::Connect
            | ErrorKind::Tls => true,
            _ => self.0.broken || self.0.server.as_ref().is_some_and(ServerError::ends_session),
        }
    }

    /// Whether a prepared statement is gone or out of date at the server, so that preparing it anew may help.
    #[must_use]
    pub fn is_stale_statement(&self) -> bool {
        self.0.server.as_ref().is_some_and(|server| match server.sqlstate {
            SqlState::FEATURE_NOT_SUPPORTED => server.routine() == Some("RevalidateCachedQuery"),
            SqlState::INVALID_SQL_STATEMENT_NAME => {
                server.routine() == Some("FetchPreparedStatement")
            }
            // Only on a backend that is shared with others: no session of ours prepares a statement twice.
            SqlState::DUPLICATE_PREPARED_STATEMENT => {
                server.routine() == Some("StorePreparedStatement")
            }
            // A type that the statement was prepared with was dropped. The server never translates this message.
            code => match code.as_str() {
                "XX000" => server.message.starts_with("cache lookup failed for type"),
                "42704" => server.routine() == Some("lookup_type_cache"),
                _ => false,
            },
        })
    }

    /// Whether a column's type has no binary form, so that it has to be asked for as text.
    pub(crate) fn is_unsendable(&self) -> bool {
        self.0.server.as_ref().is_some_and(|server| {
            server.sqlstate == SqlState::UNDEFINED_FUNCTION
                && server.routine() == Some("getTypeBinaryOutputInfo")
        })
    }

    /// Whether the same statement may run when it is sent once more: it is [stale](Self::is_stale_statement), or one of its
    /// columns has no binary form, and will be asked for as text.
    #[must_use]
    pub fn can_be_healed(&self) -> bool {
        self.is_stale_statement() || self.is_unsendable()
    }

    /// Writes the statement and the server's hint; with `values` also what it says of the rows concerned.
    fn write_context(&self, f: &mut fmt::Formatter<'_>, values: bool) -> fmt::Result {
        let Some(server) = &self.0.server else {
            if let Some(sql) = &self.0.sql {
                write!(f, "\n{sql}")?;
            }
            return Ok(());
        };
        if let Some(sql) = &self.0.sql {
            match server.position() {
                Some(position) => write_caret(f, sql, position)?,
                None => write!(f, "\n{sql}")?,
            }
        }
        if let Some(detail) = server.detail().filter(|_| values) {
            write!(f, "\ndetail: {detail}")?;
        }
        if let Some(hint) = server.hint() {
            write!(f, "\nhint: {hint}")?;
        }
        if let Some(context) = server.context().filter(|_| values) {
            write!(f, "\ncontext: {context}")?;
        }
        Ok(())
    }
}

/// Writes the line of the statement that holds the character at `position` (counted from 1), and a caret below it.
fn write_caret(f: &mut fmt::Formatter<'_>, sql: &str, position: u32) -> fmt::Result {
    let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
    let (mut line_number, mut line_start) = (1, 0);
    for (index, character) in sql.chars().enumerate() {
        if index >= before {
            break;
        }
        if character == '\n' {
            line_number += 1;
            line_start = index + 1;
        }
    }
    let line = sql.lines().nth(line_number - 1).unwrap_or_default();
    let head = format!("line {line_number}: ");
    let column = before.saturating_sub(line_start);
    // Tabs stay tabs, so that the caret stands below its character whatever a tab is worth.
    let pad: String =
        line.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    write!(f, "\n{head}{line}\n{:width$}{pad}^", "", width = head.len())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.server {
            Some(server) => server.fmt(f)?,
            None => f.write_str(&self.0.message)?,
        }
        if let Some(note) = &self.0.note {
            write!(f, " ({note})")?;
        }
        if let Some(row) = self.0.row {
            let what = if self.0.is_line { "line" } else { "row" };
            write!(f, " ({what} {row} of the COPY)")?;
        }
        for (attempt, number) in self.0.attempts.iter().zip(1..) {
            let before = match (f.alternate(), number) {
                (true, _) => "\n",
                (false, 1) => ": ",
                (false, _) => "; ",
            };
            write!(f, "{before}{number}. {attempt}")?;
        }
        if f.alternate() { self.write_context(f, true) } else { Ok(()) }
    }
}

/// Without the server's detail and context: they hold values of rows, and `{:?}` is what ends up in logs.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        self.write_context(f, false)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // A protocol error's sentence is the message itself: saying it twice helps nobody.
        match &self.0.source {
            Some(source) if !source.is::<stellata_protocol::Error>() => Some(&**source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellata_protocol::Buffer;

    fn server(position: &str) -> ServerError {
        let mut out = Buffer::new();
        ServerError::write(
            &mut out,
            b'E',
            &[
                (b'V', "ERROR"),
                (b'C', "42703"),
                (b'M', "column \"nme\" does not exist"),
                (b'P', position),
            ],
        )
        .unwrap();
        ServerError::read(&out.as_slice()[5..]).unwrap()
    }

    #[test]
    fn the_caret_counts_characters_not_bytes() {
        let error = Error::from_server(server("14"), Some("select 'äöü', nme\nfrom x".into()));
        assert_eq!(
            format!("{error:#}"),
            "column \"nme\" does not exist (SQLSTATE 42703)\nline 1: select 'äöü', nme\n                     ^"
                .replace("                     ^", &format!("{}^", " ".repeat(8 + 13)))
        );
        assert_eq!(format!("{error}"), "column \"nme\" does not exist (SQLSTATE 42703)");
    }

    #[test]
    fn the_caret_finds_its_line() {
        let error = Error::from_server(server("10"), Some("select a\n\tnme".into()));
        assert!(format!("{error:#}").ends_with("line 2: \tnme\n        ^"), "{error:#}");
    }

    #[test]
    fn values_of_rows_stay_out_of_debug() {
        let mut out = Buffer::new();
        let detail = "Key (email)=(anna@example.org) already exists.";
        ServerError::write(&mut out, b'E', &[(b'M', "duplicate key"), (b'D', detail)]).unwrap();
        let server = ServerError::read(&out.as_slice()[5..]).unwrap();
        let error = Error::from_server(server, Some("insert into users".into()));
        assert!(format!("{error:#}").contains(detail));
        assert!(!format!("{error:?}").contains("anna"), "{error:?}");
        assert!(format!("{error:?}").contains("insert into users"));
    }

    #[test]
    fn a_position_past_the_end_is_no_panic() {
        let error = Error::from_server(server("4294967295"), Some("select 1".into()));
        assert!(format!("{error:#}").contains("line 1: select 1"));
    }
}
