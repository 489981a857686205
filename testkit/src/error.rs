//! What went wrong, in words for whoever reads a failed test.

use std::fmt;

/// A failure of the testkit: of a server, a folder, a command or a statement.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
    code: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error { message: message.into(), code: None }
    }

    /// The server's own error: its SQLSTATE and its words.
    pub(crate) fn from_server(code: String, message: String) -> Error {
        Error { message, code: Some(code) }
    }

    /// Says what was being done when `cause` happened.
    pub(crate) fn while_doing(what: impl fmt::Display, cause: impl fmt::Display) -> Error {
        Error::new(format!("{what}: {cause}"))
    }

    /// The five characters of the SQLSTATE when the server itself refused, see
    /// [the manual's appendix A](https://www.postgresql.org/docs/current/errcodes-appendix.html).
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} (SQLSTATE {code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

// A test that unwraps prints Debug; the sentence serves better than the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
