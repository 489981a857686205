//! Rows into the data of a COPY FROM STDIN.

use crate::copy::SIGNATURE;
use crate::copy::piece::{CopyPiece, HEAD, LARGEST};
use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::{Encode, IsNull};
use crate::wire::buffer::Buffer;

/// Writes rows as binary COPY data, in pieces that the caller takes and sends.
///
/// A piece stands in its CopyData message already: [`BinaryCopyWriter::message`] is ready for the socket,
/// [`BinaryCopyWriter::piece`] is its content. One buffer serves all pieces; a row takes no allocation.
///
/// ```
/// use stellata_protocol::Oid;
/// use stellata_protocol::copy::BinaryCopyWriter;
///
/// let mut sent = Vec::new();
/// let mut copy = BinaryCopyWriter::new([Oid::INT4, Oid::TEXT]).unwrap();
/// for (id, name) in [(1, Some("one")), (2, None)] {
///     copy.row(&(id, name)).unwrap();
///     if copy.is_full() {
///         sent.extend_from_slice(copy.piece());
///         copy.clear();
///     }
/// }
/// copy.finish().unwrap();
/// sent.extend_from_slice(copy.piece());
/// assert!(sent.starts_with(b"PGCOPY\n") && sent.ends_with(b"\xff\xff"));
/// ```
#[derive(Debug)]
pub struct BinaryCopyWriter {
    /// Rows; perhaps a row that failed behind them.
    piece: CopyPiece,
    /// How much of the message holds: what lies behind is no whole row.
    whole: usize,
    types: Box<[Oid]>,
    /// The number of columns, as each row has it.
    count: [u8; 2],
    /// The column at which the last row failed.
    failed: Option<usize>,
    finished: bool,
}

impl BinaryCopyWriter {
    /// Begins the data of a COPY into columns of these types. [`Oid::UNSPECIFIED`] stands for a type that is not known:
    /// then any value is taken, in the form of its Rust type's own type.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above 32 767 columns.
    pub fn new(types: impl Into<Box<[Oid]>>) -> Result<Self> {
        let types = types.into();
        let Ok(count) = i16::try_from(types.len()) else {
            return Err(Error::new(ErrorKind::TooLarge, "more than 32767 columns in a COPY"));
        };
        let mut piece = CopyPiece::new();
        piece.put_slice(&SIGNATURE);
        piece.put_slice(&[0; 8]); // flags, length of the extension
        let whole = piece.out.len();
        let count = count.to_be_bytes();
        Ok(Self { piece, whole, types, count, failed: None, finished: false })
    }

    /// The types of the columns.
    #[must_use]
    pub fn types(&self) -> &[Oid] {
        &self.types
    }

    /// Appends a row.
    ///
    /// # Errors
    /// As [`BinaryCopyWriter::row_with`].
    #[inline]
    pub fn row<R: CopyRow + ?Sized>(&mut self, row: &R) -> Result<()> {
        self.row_with(|fields| row.append_to(fields))
    }

    /// Appends a row, field by field.
    ///
    /// # Errors
    /// What `write` or one of the fields returned, [`ErrorKind::ColumnCount`] when a field is missing,
    /// [`ErrorKind::TooLarge`] when more than 1 GiB waits to be taken, [`ErrorKind::Usage`] after
    /// [`BinaryCopyWriter::finish`]. Nothing is appended then, and further rows may follow.
    #[inline]
    pub fn row_with(
        &mut self,
        write: impl FnOnce(&mut CopyFields<'_>) -> Result<()>,
    ) -> Result<()> {
        self.begin()?;
        let out = &mut self.piece.out;
        out.put_slice(&self.count);
        let mut fields = CopyFields { out, types: self.types.iter(), failed: None };
        if let Err(error) = write(&mut fields).and_then(|()| fields.end()) {
            // What is left of the types tells how far it came.
            self.failed = fields
                .failed
                .map(|(_, left)| self.types.len().saturating_sub(left).saturating_sub(1));
            return Err(error);
        }
        self.accept()
    }

    /// The column at which the last row that was refused failed, counted from 0; `None` where it failed as a whole.
    #[must_use]
    pub fn failed_column(&self) -> Option<usize> {
        self.failed
    }

    /// Ends the data with its trailer. The last piece is to be sent, and CopyDone after it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] the second time.
    pub fn finish(&mut self) -> Result<()> {
        self.begin()?;
        self.piece.out.put_i16(-1);
        self.accept()?;
        self.finished = true;
        Ok(())
    }

    /// Whether enough has come together for a write to the socket: 64 KiB.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.whole >= CopyPiece::FULL
    }

    /// What was appended since the last [`BinaryCopyWriter::clear`]: the content of a CopyData message.
    #[must_use]
    pub fn piece(&self) -> &[u8] {
        self.piece.out.as_slice().get(HEAD.len()..self.whole).unwrap_or_default()
    }

    /// The same as a whole CopyData message, ready to be sent; empty when there is nothing to send.
    ///
    /// # Errors
    /// None that can occur: [`BinaryCopyWriter::row_with`] has seen to the length.
    pub fn message(&mut self) -> Result<&[u8]> {
        self.piece.out.truncate(self.whole);
        self.piece.message()
    }

    /// The same as what [`Conversation::copy_piece`](crate::Conversation::copy_piece) takes. [`BinaryCopyWriter::clear`] is
    /// to be called afterwards.
    pub fn whole_piece(&mut self) -> &mut CopyPiece {
        self.piece.out.truncate(self.whole);
        &mut self.piece
    }

    /// Forgets the piece: it was sent.
    pub fn clear(&mut self) {
        self.piece.clear();
        self.whole = HEAD.len();
    }

    /// Takes away what a row that failed has left.
    #[inline]
    fn begin(&mut self) -> Result<()> {
        if self.finished {
            return Err(Error::new(ErrorKind::Usage, "the COPY data has been finished"));
        }
        if self.piece.out.len() != self.whole {
            self.piece.out.truncate(self.whole);
        }
        Ok(())
    }

    #[inline]
    fn accept(&mut self) -> Result<()> {
        let len = self.piece.out.len();
        if len > LARGEST {
            return Err(Error::new(ErrorKind::TooLarge, "a piece of COPY data is above 1 GiB"));
        }
        self.whole = len;
        Ok(())
    }
}

/// The fields of a row that is being written.
#[derive(Debug)]
pub struct CopyFields<'w> {
    out: &'w mut Buffer,
    types: core::slice::Iter<'w, Oid>,
    /// The first error, and how many columns were left then: the row is refused even if whoever writes it passes over that.
    failed: Option<(Error, usize)>,
}

impl CopyFields<'_> {
    /// Appends the value of the next column.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is no further column, [`ErrorKind::WrongType`] when the column's type is not
    /// one that `T` is written as, or what [`Encode::encode`] returns.
    #[inline]
    pub fn push<T: Encode + ?Sized>(&mut self, value: &T) -> Result<()> {
        let done = match self.types.next() {
            Some(&oid) if oid == T::TYPE.oid || T::accepts(oid) => {
                value.encode_sized(oid, self.out).map(|_: IsNull| ())
            }
            Some(&Oid::UNSPECIFIED) => {
                value.encode_sized(T::TYPE.oid, self.out).map(|_: IsNull| ())
            }
            Some(_) => Err(wrong_type()),
            None => Err(too_many()),
        };
        if let Err(error) = done {
            self.failed.get_or_insert((error, self.types.len()));
        }
        done
    }

    /// Appends the value of the next column, which is in binary form already; `None` is NULL.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is no further column, [`ErrorKind::TooLarge`] for 2 GiB.
    pub fn push_raw(&mut self, value: Option<&[u8]>) -> Result<()> {
        let done = match (self.types.next(), value) {
            (None, _) => Err(too_many()),
            (Some(_), None) => {
                self.out.null();
                Ok(())
            }
            (Some(_), Some(value)) => self.out.value(|out| {
                out.put_slice(value);
                Ok(())
            }),
        };
        if let Err(error) = done {
            self.failed.get_or_insert((error, self.types.len()));
        }
        done
    }

    /// How many columns are to follow.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.types.len()
    }

    #[inline]
    fn end(&self) -> Result<()> {
        match self.failed {
            Some((error, _)) => Err(error),
            None if self.types.len() > 0 => {
                Err(Error::new(ErrorKind::ColumnCount, "a row has fewer values than columns"))
            }
            None => Ok(()),
        }
    }
}

#[cold]
fn too_many() -> Error {
    Error::new(ErrorKind::ColumnCount, "a row has more values than columns")
}

#[cold]
fn wrong_type() -> Error {
    Error::new(ErrorKind::WrongType, "the column has another type than the value")
}

/// Something that is written as one row of a COPY: a tuple of up to 16 values, or what a model makes of itself.
pub trait CopyRow {
    /// Appends one value for each column, in order.
    ///
    /// # Errors
    /// What [`CopyFields::push`] returns.
    fn append_to(&self, fields: &mut CopyFields<'_>) -> Result<()>;
}

impl<R: CopyRow + ?Sized> CopyRow for &R {
    #[inline]
    fn append_to(&self, fields: &mut CopyFields<'_>) -> Result<()> {
        (**self).append_to(fields)
    }
}

impl CopyRow for () {
    #[inline]
    fn append_to(&self, _: &mut CopyFields<'_>) -> Result<()> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        impl<$($name: Encode),+> CopyRow for ($($name,)+) {
            #[inline]
            #[allow(non_snake_case, reason = "a tuple's fields are named by their type parameters")]
            fn append_to(&self, fields: &mut CopyFields<'_>) -> Result<()> {
                let ($($name,)+) = self;
                $(fields.push($name)?;)+
                Ok(())
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
