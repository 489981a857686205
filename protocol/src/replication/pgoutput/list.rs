//! Several things of one kind in a message.

use core::fmt;
use core::marker::PhantomData;

use crate::error::Result;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// What a [`List`] holds: the columns of a relation, the values of a row, the relations of a truncation.
///
/// Nothing outside this crate implements it.
pub trait Item<'a>: Sized + sealed::Sealed {
    /// Reads one, as a list has it.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of malformed bytes.
    fn read(reader: &mut Reader<'a>) -> Result<Self>;

    /// Writes one, as a list has it.
    ///
    /// # Errors
    /// What the format can't hold.
    fn write(&self, out: &mut Buffer) -> Result<()>;
}

/// Keeps [`Item`] to this crate.
pub(super) mod sealed {
    /// What is in a list.
    pub trait Sealed {}
}

/// Several things of one kind in a message, all of them checked, and read in place each time they are asked for.
pub struct List<'a, T> {
    count: usize,
    /// `count` items, which have been read once.
    bytes: &'a [u8],
    item: PhantomData<fn() -> T>,
}

impl<'a, T: Item<'a>> List<'a, T> {
    /// Writes items into `out` and lends them from there, to make a message of them.
    ///
    /// # Errors
    /// What the format can't hold: 2 GiB in a value, a NUL in a name.
    pub fn new(items: &[T], out: &'a mut Buffer) -> Result<Self> {
        out.clear();
        for item in items {
            item.write(out)?;
        }
        Ok(Self { count: items.len(), bytes: out.as_slice(), item: PhantomData })
    }

    /// Reads so many items. Nothing is allocated by the count.
    pub(super) fn read(reader: &mut Reader<'a>, count: usize) -> Result<Self> {
        let start = reader.rest();
        for _ in 0..count {
            T::read(reader)?;
        }
        let bytes = start.get(..start.len().saturating_sub(reader.len())).unwrap_or_default();
        Ok(Self { count, bytes, item: PhantomData })
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        out.put_slice(self.bytes);
    }

    /// The items in order.
    #[must_use]
    pub fn iter(&self) -> Items<'a, T> {
        Items { left: self.count, reader: Reader::new(self.bytes), item: PhantomData }
    }
}

impl<T> List<'_, T> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        // Each item has one form only.
        self.count == other.count && self.bytes == other.bytes
    }
}

impl<T> Eq for List<'_, T> {}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Item<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

/// The items of a [`List`].
#[derive(Clone, Debug)]
pub struct Items<'a, T> {
    left: usize,
    reader: Reader<'a>,
    item: PhantomData<fn() -> T>,
}

impl<'a, T: Item<'a>> Iterator for Items<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        // The list was made of items that could be read or were written: there is no error here.
        T::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Item<'a>> ExactSizeIterator for Items<'a, T> {}
