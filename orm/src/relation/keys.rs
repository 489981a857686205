//! By what rows are given to the rows that they belong to.

use std::hash::{BuildHasher, Hasher, RandomState};

use stellata_protocol::{Buffer, Oid, Result};

use crate::model::Model;
use crate::model::table::Table;

/// The keys of rows, by their index.
pub(crate) enum Keys {
    /// Those of one integer column; `None` for NULL.
    Integers(Vec<Option<i64>>),
    /// Those of other columns, in wire form one behind the other.
    Bytes(Bytes),
}

/// Whether keys of these columns are [`Keys::Integers`].
pub(crate) fn are_integers(table: &Table, columns: &[u16]) -> bool {
    match columns {
        [column] => matches!(table.oid(*column), Oid::INT2 | Oid::INT4 | Oid::INT8),
        _ => false,
    }
}

impl Keys {
    /// The values of `columns` in each of `count` rows; `None` stands for a row that is not there. As integers only
    /// where [`are_integers`] said so.
    #[inline]
    pub(crate) fn of<'r, M: Model>(
        count: usize,
        rows: impl Iterator<Item = Option<&'r M>>,
        columns: &[u16],
        integers: bool,
    ) -> Result<Self> {
        match columns {
            [column] if integers => {
                let mut keys = Vec::with_capacity(count);
                let mut value = Buffer::new();
                for row in rows {
                    value.clear();
                    if let Some(row) = row {
                        row.write_column(*column, &mut value)?;
                    }
                    keys.push(integer(value.as_slice()));
                }
                Ok(Self::Integers(keys))
            }
            _ => {
                let mut keys = Bytes {
                    bytes: Buffer::new(),
                    ends: Vec::with_capacity(count),
                    parts: columns.len(),
                };
                for row in rows {
                    if let Some(row) = row {
                        let mut columns = columns.iter();
                        columns
                            .try_for_each(|&column| row.write_column(column, &mut keys.bytes))?;
                    }
                    keys.ends.push(keys.bytes.len());
                }
                Ok(Self::Bytes(keys))
            }
        }
    }
}

/// An integer in wire form, behind its length.
#[inline]
fn integer(sized: &[u8]) -> Option<i64> {
    let (_, value) = sized.split_first_chunk::<4>()?;
    match *value {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        _ => Some(i64::from_be_bytes(value.try_into().ok()?)),
    }
}

/// See [`Keys::Bytes`].
pub(crate) struct Bytes {
    bytes: Buffer,
    /// Where each row's key ends.
    ends: Vec<usize>,
    /// How many parts a key has.
    parts: usize,
}

impl Bytes {
    /// The key of a row; `None` where a part of it is NULL.
    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        let end = *self.ends.get(row)?;
        let start = match row.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let key = self.bytes.as_slice().get(start..end)?;
        let mut rest = key;
        for _ in 0..self.parts {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            rest = tail.get(usize::try_from(i32::from_be_bytes(*len)).ok()?..)?;
        }
        Some(key)
    }
}

/// Hashes keys of a few bytes: a multiplication for each eight of them, begun with a number drawn for each load, so that
/// nobody can choose keys that meet in one place.
pub(crate) struct KeyHasher(u64);

#[derive(Clone)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    pub(crate) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(self.0)
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            self.write_u64(u64::from_le_bytes(*chunk));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(last));
        }
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    #[inline]
    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
