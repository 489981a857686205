//! The one way to read bytes that a server sent.

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::nul::first_nul;

/// A cursor over bytes of a message body or of a value.
///
/// Every way to a byte checks that it is there, so that a wrong length is an [`Error`] and never a panic.
///
/// ```
/// use stellata_protocol::Reader;
/// let mut reader = Reader::new(&[0, 0, 0, 7, b'h', b'i', 0]);
/// assert_eq!(reader.i32(), Ok(7));
/// assert_eq!(reader.cstr(), Ok("hi"));
/// assert_eq!(reader.end(), Ok(()));
/// ```
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

/// Where it stands, not what it reads: that may be a user's value or a secret.
impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("unread", &self.rest.len())
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len() }
    }

    /// What is not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes are not yet read.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all is read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are read already.
    #[must_use]
    pub fn offset(&self) -> u32 {
        u32::try_from(self.total.saturating_sub(self.rest.len())).unwrap_or(u32::MAX)
    }

    /// An error at the current place.
    #[must_use]
    #[cold]
    pub fn error(&self, kind: ErrorKind, message: &'static str) -> Error {
        Error::new(kind, message).at(self.offset())
    }

    #[cold]
    fn truncated(&self) -> Error {
        self.error(ErrorKind::Truncated, "the data ends too early")
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.truncated()),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.truncated()),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when none is left.
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// An `Int16` of the manual's notation: two bytes, most significant first.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// Two bytes without sign.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// An `Int32`: four bytes, most significant first.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Four bytes without sign.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// An `Int64`: eight bytes, most significant first.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer are left.
    #[inline]
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A count that may not be negative, as an `Int16` (read without sign, as the server does for columns and
    /// parameters).
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when fewer than two bytes are left.
    #[inline]
    pub fn count16(&mut self) -> Result<usize> {
        Ok(usize::from(self.u16()?))
    }

    /// The length of a value as an `Int32`: `None` for -1 (NULL).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] for any other negative number, [`ErrorKind::Truncated`] when fewer than four bytes
    /// are left.
    #[inline]
    pub fn value_len(&mut self) -> Result<Option<usize>> {
        let at = *self;
        match self.i32()? {
            -1 => Ok(None),
            len => match usize::try_from(len) {
                Ok(len) => Ok(Some(len)),
                Err(_) => Err(at.error(ErrorKind::InvalidLength, "a value has a negative length")),
            },
        }
    }

    /// A value with its length in front: `None` for NULL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] for a negative length but -1, [`ErrorKind::Truncated`] when the value is not all
    /// there.
    #[inline]
    pub fn value(&mut self) -> Result<Option<&'a [u8]>> {
        match self.value_len()? {
            None => Ok(None),
            Some(len) => self.take(len).map(Some),
        }
    }

    /// The bytes before the next zero byte, which is read too.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when there is no zero byte.
    pub fn cstr_bytes(&mut self) -> Result<&'a [u8]> {
        let Some(len) = first_nul(self.rest) else {
            return Err(self.error(ErrorKind::Truncated, "a string has no end"));
        };
        let text = self.take(len)?;
        self.take(1)?;
        Ok(text)
    }

    /// A `String` of the manual's notation: UTF-8 text before the next zero byte, which is read too.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when there is no zero byte, [`ErrorKind::InvalidText`] when it is not UTF-8.
    pub fn cstr(&mut self) -> Result<&'a str> {
        let at = *self;
        let bytes = self.cstr_bytes()?;
        core::str::from_utf8(bytes)
            .map_err(|_| at.error(ErrorKind::InvalidText, "a string is not UTF-8"))
    }

    /// All that is left.
    #[inline]
    pub fn take_rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// Checks that all is read.
    ///
    /// # Errors
    /// [`ErrorKind::TrailingBytes`] when something is left.
    #[inline]
    pub fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(ErrorKind::TrailingBytes, "there is more data than belongs here"))
        }
    }
}
