//! Prepared statements: how they are told apart, and where they are kept.

pub(crate) mod layout;
pub(crate) mod cache;

use std::borrow::Cow;

use crate::error::Error;

/// What tells one statement from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKey<'a> {
    /// The text itself.
    Sql(&'a str),
    /// A shape: bytes from which one text is made, together with the place in memory of what they speak of. A layer above
    /// uses it to find a statement without making its text.
    Shape {
        /// An address that stands for the table; never looked at, only compared.
        table: usize,
        /// The shape's bytes.
        shape: &'a [u8],
    },
}

/// A statement that can be asked for.
pub trait Statement: Sync {
    /// What tells it from others.
    fn key(&self) -> StatementKey<'_>;

    /// Its text, asked for only when the statement is not prepared yet.
    ///
    /// # Errors
    /// Whatever keeps the text from being made; nothing is sent then.
    fn sql(&self) -> Result<Cow<'_, str>, Error>;
}

impl Statement for str {
    fn key(&self) -> StatementKey<'_> {
        StatementKey::Sql(self)
    }

    fn sql(&self) -> Result<Cow<'_, str>, Error> {
        Ok(Cow::Borrowed(self))
    }
}

impl<T: Statement + ?Sized> Statement for &T {
    fn key(&self) -> StatementKey<'_> {
        (**self).key()
    }

    fn sql(&self) -> Result<Cow<'_, str>, Error> {
        (**self).sql()
    }
}
