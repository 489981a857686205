//! Rows: what is expected of their columns once per statement, and how each is read from left to right.

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::message::row::FieldDescription;
use crate::oid::Oid;
use crate::types::catalog::{Catalog, Types};
use crate::types::{Decode, PgType};
use crate::wire::reader::Reader;

/// A cursor over the columns of one DataRow in binary form.
///
/// Nothing is copied: a column of type `&str` or `&[u8]` points into the connection's read buffer.
///
/// The columns of a statement are held against the Rust types once, by [`Expect`]; where that was not done, a cursor that is
/// `CHECKED` asks at each column.
#[derive(Debug)]
pub struct Columns<'r, const CHECKED: bool = false> {
    reader: Reader<'r>,
    types: &'r [Oid],
    index: usize,
}

impl<'r> Columns<'r> {
    /// Starts at the first column of a DataRow's body.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when the row has another number of columns than there are `types`.
    #[inline]
    pub fn new(body: &'r [u8], types: &'r [Oid]) -> Result<Self> {
        let mut reader = Reader::new(body);
        if reader.count16()? != types.len() {
            return Err(Error::new(
                ErrorKind::ColumnCount,
                "a row has another number of columns than its description",
            ));
        }
        Ok(Self { reader, types, index: 0 })
    }

    /// Whether a DataRow holds together: as many values as `columns`, each as long as it says, and nothing behind them. It is
    /// to be asked when a column can't be read, which nothing else tells apart: of a row that does not, no server that keeps
    /// the protocol is the sender, and the connection is to be closed.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] for another number of values, and any error of a malformed body.
    #[cold]
    pub fn check(body: &'r [u8], columns: usize) -> Result<()> {
        let mut reader = Reader::new(body);
        if reader.count16()? != columns {
            return Err(Error::new(
                ErrorKind::ColumnCount,
                "a row has another number of columns than its description",
            ));
        }
        for _ in 0..columns {
            reader.value()?;
        }
        reader.end()
    }

    /// Hands the columns that are left to `read`, as a cursor that asks of each whether its type fits.
    ///
    /// # Errors
    /// What `read` returns.
    #[inline]
    pub fn checked<T>(
        &mut self,
        read: impl FnOnce(&mut Columns<'r, true>) -> Result<T, ColumnError>,
    ) -> Result<T, ColumnError> {
        let mut checked = Columns { reader: self.reader, types: self.types, index: self.index };
        let done = read(&mut checked);
        (self.reader, self.index) = (checked.reader, checked.index);
        done
    }
}

impl<'r, const CHECKED: bool> Columns<'r, CHECKED> {
    /// Reads the next column.
    ///
    /// # Errors
    /// A [`ColumnError`] that tells the column, the Rust type and what is wrong.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "each call may have another type")]
    pub fn next<T: Decode<'r>>(&mut self) -> Result<T, ColumnError> {
        let index = self.index;
        match self.read() {
            Ok(value) => Ok(value),
            Err(error) => Err(ColumnError::new::<T>(index, error)),
        }
    }

    #[inline]
    fn read<T: Decode<'r>>(&mut self) -> Result<T> {
        let Some(&oid) = self.types.get(self.index) else {
            return Err(Error::new(ErrorKind::ColumnCount, "the row has no further column"));
        };
        // Nearly always it is the type's own, which is told by one comparison.
        if CHECKED && oid != T::TYPE.oid {
            accept_other::<T>(oid)?;
        }
        self.index = self.index.wrapping_add(1);
        match self.reader.value()? {
            Some(raw) => T::decode(oid, raw),
            None => T::decode_null(),
        }
    }

    /// Passes over the next column; returns its bytes, `None` for NULL.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is none, or an error of its length.
    pub fn skip(&mut self) -> Result<Option<&'r [u8]>> {
        if self.index >= self.types.len() {
            return Err(Error::new(ErrorKind::ColumnCount, "the row has no further column"));
        }
        self.index = self.index.wrapping_add(1);
        self.reader.value()
    }

    /// Checks that the row ends with its last column, if all columns have been read.
    ///
    /// # Errors
    /// [`ErrorKind::TrailingBytes`] when something stands behind it.
    #[inline]
    pub fn end(&self) -> Result<()> {
        if self.reader.is_empty() || self.index < self.types.len() {
            Ok(())
        } else {
            self.reader.end()
        }
    }

    /// How many columns are not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.types.len().saturating_sub(self.index)
    }
}

/// Whether a type reads columns of a type that is not its own.
#[cold]
#[inline(never)]
fn accept_other<T: PgType>(oid: Oid) -> Result<()> {
    if T::accepts(oid) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::WrongType, "the column has another type"))
    }
}

/// A column that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnError {
    /// Which column, counted from 0.
    pub index: usize,
    /// The Rust type it was to become.
    pub rust_type: &'static str,
    /// What is wrong with it.
    pub error: Error,
}

impl ColumnError {
    #[cold]
    fn new<T>(index: usize, error: Error) -> Self {
        Self { index, rust_type: core::any::type_name::<T>(), error }
    }
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {} as `{}`: {}", self.index.saturating_add(1), self.rust_type, self.error)
    }
}

impl core::error::Error for ColumnError {}

/// The columns that a statement returns, held against what a Rust type expects. Done once per statement.
#[derive(Debug)]
pub struct Expect<'d> {
    fields: &'d [FieldDescription],
    index: usize,
    types: Types<'d>,
}

impl<'d> Expect<'d> {
    /// Starts at the first column.
    #[must_use]
    pub fn new(fields: &'d [FieldDescription]) -> Self {
        Self { fields, index: 0, types: Types::default() }
    }

    /// The same columns in a database of which `catalog` is known. Without it no type that a database numbers by itself is
    /// known.
    #[must_use]
    pub fn with_catalog(self, catalog: &'d Catalog) -> Self {
        Self { types: Types::new(catalog), ..self }
    }

    /// What was asked of the catalogue, and why a column did not fit, where that can be told in words.
    #[must_use]
    pub fn types(&self) -> &Types<'d> {
        &self.types
    }

    /// The next column must be there and of a type that `T` reads.
    ///
    /// # Errors
    /// A [`ColumnError`] with [`ErrorKind::WrongType`] or [`ErrorKind::ColumnCount`], or with [`ErrorKind::UnknownType`]
    /// where the catalogue has to be asked first.
    pub fn column<T: PgType>(&mut self) -> Result<(), ColumnError> {
        let index = self.index;
        let Some(field) = self.fields.get(index) else {
            return Err(ColumnError::new::<T>(
                index,
                Error::new(ErrorKind::ColumnCount, "the statement returns fewer columns"),
            ));
        };
        self.index = self.index.saturating_add(1);
        let fits = if field.type_oid.is_user_defined() {
            T::fits(field.type_oid, &mut self.types)
        } else if T::accepts(field.type_oid) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::WrongType, "the column has another type"))
        };
        fits.map_err(|error| ColumnError::new::<T>(index, error))
    }

    /// There must be no further column.
    ///
    /// # Errors
    /// A [`ColumnError`] with [`ErrorKind::ColumnCount`].
    pub fn end(&self) -> Result<(), ColumnError> {
        if self.index == self.fields.len() {
            Ok(())
        } else {
            Err(ColumnError::new::<()>(
                self.index,
                Error::new(ErrorKind::ColumnCount, "the statement returns more columns"),
            ))
        }
    }
}

/// A type that a whole row is read into.
pub trait FromRow<'r>: Sized {
    /// Checks the columns of a statement, once, before its first row is read.
    ///
    /// # Errors
    /// The first column that does not fit.
    fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError>;

    /// Reads a row whose columns have been checked.
    ///
    /// # Errors
    /// The first column whose value can't be read.
    fn from_row(columns: &mut Columns<'r>) -> Result<Self, ColumnError>;
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        impl<'r, $($name: Decode<'r>),+> FromRow<'r> for ($($name,)+) {
            fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
                $(columns.column::<$name>()?;)+
                columns.end()
            }

            #[inline]
            fn from_row(columns: &mut Columns<'r>) -> Result<Self, ColumnError> {
                Ok(($(columns.next::<$name>()?,)+))
            }
        }
    )+};
}

tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
    (A B C D E F G H I J K L M) (A B C D E F G H I J K L M N) (A B C D E F G H I J K L M N O)
    (A B C D E F G H I J K L M N O P)
}
