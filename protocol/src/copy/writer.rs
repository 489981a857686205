//! Rows into the data of a COPY FROM STDIN.

use core::any::type_name;
use core::fmt;

use crate::copy::SIGNATURE;
use crate::copy::piece::{CopyPiece, LARGEST};
use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::{Encode, IsNull};

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
    /// Where short values are written, one behind the other.
    stage: Stage,
    /// The types of the columns, those that look alike to those who write them as one.
    alike: Box<[Oid]>,
    /// The number of columns, as each row has it.
    count: [u8; 2],
    rest: Rest,
}

/// What a row needs that does not stay on the stage.
#[derive(Debug)]
struct Rest {
    piece: CopyPiece,
    types: Box<[Oid]>,
    /// How much of the stage is whole rows; [`BEGUN`] where part of a row, or of one that failed, went to the piece.
    staged: usize,
    /// How much of the piece is whole rows where `staged` says that not all of it is.
    whole: usize,
    full: bool,
    finished: bool,
    /// What was wrong with the last row that was refused, where it was one of its values.
    failed: Option<Failed>,
}

/// A value that could not be written.
#[derive(Clone, Copy, Debug)]
struct Failed {
    error: Error,
    column: usize,
    rust_type: &'static str,
}

/// Rows on their way to the piece: a place whose size the compiler knows, and which stays near the processor, so that a short
/// value is written in a few instructions. The rest is a copy of a few KB now and then.
struct Stage(Box<[u8; STAGE]>);

/// The bytes of a number of columns.
const COUNT: usize = 2;
/// The bytes of a stage.
const STAGE: usize = 4096;
/// The bytes of a short value with its length: a `uuid` and all that is smaller.
const SHORT: usize = 4 + 16;
/// Stands for no place on the stage.
const BEGUN: usize = usize::MAX;

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
        let alike = types.iter().map(|&oid| alike(oid)).collect();
        let rest =
            Rest { piece, types, staged: 0, whole: 0, full: false, finished: false, failed: None };
        Ok(Self { stage: Stage(Box::new([0; STAGE])), alike, count: count.to_be_bytes(), rest })
    }

    /// The types of the columns.
    #[must_use]
    pub fn types(&self) -> &[Oid] {
        &self.rest.types
    }

    /// Appends a row.
    ///
    /// # Errors
    /// As [`BinaryCopyWriter::row_with`].
    #[inline(always)]
    pub fn row<R: CopyRow + ?Sized>(&mut self, row: &R) -> Result<()> {
        // Not by `row_with`: a closure is not sure to be compiled into whoever calls it.
        let mut fields = self.begin()?;
        let done = row.append_to(&mut fields);
        fields.end(done)
    }

    /// Appends a row, field by field.
    ///
    /// # Errors
    /// What `write` or one of the fields returned, [`ErrorKind::ColumnCount`] when a field is missing,
    /// [`ErrorKind::TooLarge`] when more than 1 GiB waits to be taken, [`ErrorKind::Usage`] after
    /// [`BinaryCopyWriter::finish`]. Nothing is appended then, and further rows may follow.
    #[inline(always)]
    pub fn row_with(
        &mut self,
        write: impl FnOnce(&mut CopyFields<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut fields = self.begin()?;
        let done = write(&mut fields);
        fields.end(done)
    }

    #[inline(always)]
    fn begin(&mut self) -> Result<CopyFields<'_>> {
        let Self { stage, alike, count, rest } = self;
        let stage = &mut *stage.0;
        let mut at = rest.staged;
        if at > STAGE.wrapping_sub(COUNT) {
            at = rest.begin(stage)?;
        }
        if let Some(place) = stage.get_mut(at..).and_then(|place| place.first_chunk_mut()) {
            *place = *count;
        }
        Ok(CopyFields { stage, at: at.wrapping_add(COUNT), alike, rest })
    }

    /// The column at which the last row that was refused failed, counted from 0; `None` where it failed as a whole.
    #[must_use]
    pub fn failed_column(&self) -> Option<usize> {
        self.rest.failed.map(|failed| failed.column)
    }

    /// The Rust type of the value at which the last row that was refused failed.
    #[must_use]
    pub fn failed_type(&self) -> Option<&'static str> {
        self.rest.failed.map(|failed| failed.rust_type)
    }

    /// Ends the data with its trailer. The last piece is to be sent, and CopyDone after it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] the second time.
    pub fn finish(&mut self) -> Result<()> {
        self.rest.begin(&self.stage.0)?;
        self.rest.piece.put_slice(&(-1_i16).to_be_bytes());
        self.rest.whole = self.rest.piece.len();
        self.rest.staged = BEGUN;
        self.rest.finished = true;
        Ok(())
    }

    /// Whether enough has come together for a write to the socket: 64 KiB, and up to 4 KiB more.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rest.full
    }

    /// What was appended since the last [`BinaryCopyWriter::clear`]: the content of a CopyData message.
    #[must_use]
    pub fn piece(&mut self) -> &[u8] {
        self.whole_piece().content()
    }

    /// The same as a whole CopyData message, ready to be sent; empty when there is nothing to send.
    ///
    /// # Errors
    /// None that can occur: [`BinaryCopyWriter::row_with`] has seen to the length.
    pub fn message(&mut self) -> Result<&[u8]> {
        self.whole_piece().message()
    }

    /// The same as what [`Conversation::copy_piece`](crate::Conversation::copy_piece) takes. [`BinaryCopyWriter::clear`] is
    /// to be called afterwards.
    pub fn whole_piece(&mut self) -> &mut CopyPiece {
        self.rest.settle(&self.stage.0);
        &mut self.rest.piece
    }

    /// Forgets the piece: it was sent.
    pub fn clear(&mut self) {
        self.rest.piece.clear();
        self.rest.full = false;
        self.rest.whole = 0;
        self.rest.staged = if self.rest.finished { BEGUN } else { 0 };
    }
}

impl Rest {
    /// Has all whole rows in the piece, and nothing but these.
    fn settle(&mut self, stage: &[u8; STAGE]) {
        if self.staged == BEGUN {
            self.piece.truncate(self.whole);
        } else {
            self.piece.put_slice(stage.get(..self.staged).unwrap_or_default());
            self.full = self.piece.is_full();
        }
        self.staged = if self.finished { BEGUN } else { 0 };
    }

    /// Makes place for a row on the stage, where there is none; returns where.
    #[cold]
    fn begin(&mut self, stage: &[u8; STAGE]) -> Result<usize> {
        if self.finished {
            return Err(Error::new(ErrorKind::Usage, "the COPY data has been finished"));
        }
        self.settle(stage);
        Ok(0)
    }

    /// Moves to the piece what stands before `at` on the stage, the end of which is part of a row.
    fn leave(&mut self, stage: &[u8; STAGE], at: usize) -> Result<()> {
        if self.staged != BEGUN {
            self.whole = self.piece.len().saturating_add(self.staged);
            self.staged = BEGUN;
        }
        self.piece.put_slice(stage.get(..at).unwrap_or_default());
        self.full = self.piece.is_full();
        // What follows from the stage is far below the difference.
        if self.piece.len() > LARGEST.saturating_sub(STAGE.saturating_mul(2)) {
            return Err(Error::new(ErrorKind::TooLarge, "a piece of COPY data is above 1 GiB"));
        }
        Ok(())
    }

    /// Writes a value for which the stage has no place, or that is not written there; returns where on the stage the next one
    /// goes. `left` is the number of columns that are left, this one among them.
    #[inline(never)]
    fn push<T: Encode + ?Sized>(
        &mut self,
        stage: &mut [u8; STAGE],
        at: usize,
        left: usize,
        value: &T,
    ) -> (usize, Result<()>) {
        self.place(at, left, type_name::<T>(), |rest, oid| {
            let own = match oid {
                Oid::UNSPECIFIED => T::TYPE.oid,
                oid if oid == T::TYPE.oid || T::accepts(oid) => oid,
                _ => return Err(wrong_type()),
            };
            rest.leave(stage, at)?;
            if own == T::TYPE.oid
                && let Some(count) = value.encode_in_place(stage)
            {
                return Ok(count);
            }
            let _: IsNull = value.encode_sized(own, &mut rest.piece.out)?;
            rest.leave(stage, 0).map(|()| 0)
        })
    }

    /// As [`Rest::push`], of a value that is in binary form already.
    fn push_raw(
        &mut self,
        stage: &[u8; STAGE],
        at: usize,
        left: usize,
        value: Option<&[u8]>,
    ) -> (usize, Result<()>) {
        self.place(at, left, "[u8]", |rest, _| {
            rest.leave(stage, at)?;
            match value {
                None => rest.piece.out.null(),
                Some(value) => rest.piece.out.put_value(value)?,
            }
            rest.leave(stage, 0).map(|()| 0)
        })
    }

    /// Has the value of a column written, and keeps what goes wrong with it.
    #[inline(always)]
    fn place(
        &mut self,
        at: usize,
        left: usize,
        rust_type: &'static str,
        write: impl FnOnce(&mut Self, Oid) -> Result<usize>,
    ) -> (usize, Result<()>) {
        if at == BEGUN
            && let Some(failed) = self.failed
        {
            return (BEGUN, Err(failed.error));
        }
        let column = self.types.len().wrapping_sub(left);
        let written = match self.types.get(column) {
            Some(&oid) => write(self, oid),
            None => Err(too_many()),
        };
        match written {
            Ok(at) => (at, Ok(())),
            Err(error) => {
                self.failed = Some(Failed { error, column, rust_type });
                (BEGUN, Err(error))
            }
        }
    }

    /// The error of a row, of which nothing stays.
    #[cold]
    fn refuse(&mut self, error: Option<Error>, at: usize) -> Error {
        if self.staged == BEGUN {
            self.piece.truncate(self.whole);
            self.staged = 0;
        }
        if at != BEGUN {
            self.failed = None;
        }
        // Whoever writes the row may have passed over an error, or returned one of their own.
        error.or(self.failed.map(|failed| failed.error)).unwrap_or_else(too_few)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// The fields of a row that is being written.
pub struct CopyFields<'w> {
    stage: &'w mut [u8; STAGE],
    /// Where on the stage the next value goes; [`BEGUN`] once the row is refused, even if whoever writes it passes over that.
    at: usize,
    /// The types of the columns that are left.
    alike: &'w [Oid],
    rest: &'w mut Rest,
}

impl CopyFields<'_> {
    /// Appends the value of the next column.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is no further column, [`ErrorKind::WrongType`] when the column's type is not
    /// one that `T` is written as, or what [`Encode::encode`] returns.
    #[inline(always)]
    pub fn push<T: Encode + ?Sized>(&mut self, value: &T) -> Result<()> {
        if let [oid, left @ ..] = self.alike
            && *oid == T::TYPE.oid
            // With so much place, a short value need not ask whether there is enough of it.
            && self.at <= STAGE.wrapping_sub(SHORT)
            && let Some(place) = self.stage.get_mut(self.at..)
            && let Some(count) = value.encode_in_place(place)
        {
            self.alike = left;
            self.at = self.at.wrapping_add(count);
            return Ok(());
        }
        // By value: what is referred to by nobody else can stay in registers.
        let (at, done) = self.rest.push(self.stage, self.at, self.alike.len(), value);
        self.go_on(at);
        done
    }

    /// Appends the value of the next column, which is in binary form already; `None` is NULL.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is no further column, [`ErrorKind::TooLarge`] for 2 GiB.
    pub fn push_raw(&mut self, value: Option<&[u8]>) -> Result<()> {
        let (at, done) = self.rest.push_raw(self.stage, self.at, self.alike.len(), value);
        self.go_on(at);
        done
    }

    #[inline(always)]
    fn go_on(&mut self, at: usize) {
        self.at = at;
        self.alike = self.alike.get(1..).unwrap_or_default();
    }

    #[inline(always)]
    fn end(self, done: Result<()>) -> Result<()> {
        if done.is_ok() && self.alike.is_empty() && self.at != BEGUN {
            self.rest.staged = self.at;
            return Ok(());
        }
        Err(self.rest.refuse(done.err(), self.at))
    }

    /// How many columns are to follow.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.alike.len()
    }
}

impl fmt::Debug for CopyFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyFields").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}

/// The type that a type is to those who write it, or the type itself: these are all texts to whom the first is one.
const fn alike(oid: Oid) -> Oid {
    match oid {
        Oid::VARCHAR | Oid::BPCHAR | Oid::NAME => Oid::TEXT,
        oid => oid,
    }
}

#[cold]
fn too_few() -> Error {
    Error::new(ErrorKind::ColumnCount, "a row has fewer values than columns")
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
    #[inline(always)]
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
            #[inline(always)]
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
