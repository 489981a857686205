//! What can go wrong with bytes. Data only: comparable, copyable, without allocation.

use core::fmt;

/// A fault in bytes that were read, or in values that were to be written.
///
/// It is [`Copy`] and compares by value, so that a test or a fuzz target can state the error that it expects.
/// It never holds a value of the user's or a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    kind: ErrorKind,
    message: &'static str,
    offset: u32,
}

/// The family an [`Error`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes end before the thing that was to be read.
    Truncated,
    /// Bytes are left over after the thing that was read.
    TrailingBytes,
    /// A length or count is negative, or does not agree with the bytes that carry it.
    InvalidLength,
    /// Text that is not UTF-8, or that holds a NUL where none may stand.
    InvalidText,
    /// A value that the format does not know.
    InvalidValue,
    /// A value that the Rust type, or the PostgreSQL type, can't hold.
    OutOfRange,
    /// SQL NULL where the Rust type has no place for it.
    UnexpectedNull,
    /// A PostgreSQL type that the Rust type does not stand for.
    WrongType,
    /// A type that the database numbers by itself, and of which its catalogue has not been asked yet.
    UnknownType,
    /// A label of an enum that the Rust type does not have. The error's offset is where the label begins.
    UnknownLabel,
    /// A row with another number of columns than expected.
    ColumnCount,
    /// Something larger than the protocol or a limit allows.
    TooLarge,
    /// A message that may not come at this place of the conversation.
    UnexpectedMessage,
    /// A login that the server did not prove, or asked for in a way that is not allowed.
    Authentication,
    /// A call that does not fit the state of the conversation: the caller's mistake.
    Usage,
}

impl Error {
    /// Makes an error whose place is not known (offset 0).
    #[must_use]
    pub const fn new(kind: ErrorKind, message: &'static str) -> Self {
        Self { kind, message, offset: 0 }
    }

    /// The same error at another offset, in bytes from the start of what was read.
    #[must_use]
    pub const fn at(self, offset: u32) -> Self {
        Self { offset, ..self }
    }

    /// The same error of a value that begins `bytes` further on.
    #[must_use]
    #[cold]
    pub(crate) const fn shifted(self, bytes: u32) -> Self {
        Self { offset: self.offset.saturating_add(bytes), ..self }
    }

    /// The family of the error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, in one sentence without a full stop.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// Where it happened, in bytes from the start of the message body or value that was read.
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)?;
        if self.offset > 0 {
            write!(f, " (at byte {})", self.offset)?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

/// The result of reading or writing bytes.
pub type Result<T, E = Error> = core::result::Result<T, E>;
