//! The last token of a statement: its kind, and what is special about it.
//!
//! Written by the builders, read back by the renderer when a connection does not know the statement yet.

use smallvec::SmallVec;
use stellata_protocol::{Error, ErrorKind, Result};

use crate::expr::fragment::Fragment;
use crate::expr::token::STATEMENT;

const SELECT: u8 = 1;
const COUNT: u8 = 2;
const EXISTS: u8 = 3;
const GET: u8 = 4;
const CHILD: u8 = 5;
const INSERT: u8 = 6;
const UNNEST: u8 = 7;
const VALUES: u8 = 8;
const UPDATE: u8 = 9;
const SAVE: u8 = 10;
const DELETE: u8 = 11;

/// The rows are limited, by the parameter behind those of the clauses.
pub(crate) const LIMIT: u8 = 1;
/// Rows are passed over, as many as the parameter after that says.
pub(crate) const OFFSET: u8 = 2;
/// The row is named by its key, whose parts are the last parameters.
pub(crate) const BY_KEY: u8 = 4;
/// Rows come back.
pub(crate) const RETURNING: u8 = 8;

/// The keys that a statement hands over to those that load its relations: pairs of the relation's index and the slot.
pub(crate) type Stores<'s> = &'s [u8];

/// Which columns are set, a bit for each, the lowest first.
pub(crate) type Mask<'s> = &'s [u8];

/// What kind of statement it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind<'s> {
    /// The rows that meet the filters.
    Select { flags: u8, stores: Stores<'s> },
    /// How many rows a select with these flags would return.
    Count { flags: u8 },
    /// Whether a select with these flags would return a row.
    Exists { flags: u8 },
    /// The row with a key.
    Get,
    /// The rows of a relation, for the keys in a slot. `scope` is the number by which conditions call them.
    Child { relation: u8, slot: u8, scope: u8, flags: u8, stores: Stores<'s> },
    /// One new row.
    Insert { flags: u8, mask: Mask<'s>, conflict: Conflict<'s> },
    /// Many new rows from an array for each column.
    Unnest { flags: u8, mask: Mask<'s> },
    /// Many new rows, a mask for each.
    Values { flags: u8, width: usize, masks: &'s [u8] },
    /// New values for columns of the rows that meet the filters, or of the row with a key.
    Update { flags: u8 },
    /// New values for all columns but the key, of the row with that key.
    Save,
    /// The rows that meet the filters, or the row with a key, are deleted.
    Delete { flags: u8 },
}

/// What happens when a row with the same unique key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict<'s> {
    /// It is an error.
    Fail,
    /// Nothing is inserted. The columns of the key, two bytes each; none for any key.
    Nothing { key: &'s [u8] },
    /// The row that is there gets the values of the new one.
    UpdateAll { key: &'s [u8] },
    /// The row that is there gets the values that the clauses assign.
    Update { key: &'s [u8] },
}

/// The length of a list. Lists come from tables and queries, never from the other side; a longer one than this counts is
/// cut, and told apart by its length.
fn length(list: &[u8]) -> [u8; 2] {
    u16::try_from(list.len()).unwrap_or(u16::MAX).to_be_bytes()
}

fn put_list(out: &mut Fragment, list: &[u8]) {
    out.put_slice(&length(list));
    out.put_slice(list);
}

impl Kind<'_> {
    /// Ends a statement.
    // Inlined where the kind is known: a statement of every day would pay for the ten others.
    #[inline(always)]
    pub(crate) fn write(&self, out: &mut Fragment) {
        match *self {
            Self::Select { flags, stores } => {
                let [a, b] = length(stores);
                out.put_slice(&[STATEMENT, SELECT, flags, a, b]);
                if !stores.is_empty() {
                    out.put_slice(stores);
                }
            }
            Self::Count { flags } => out.put_slice(&[STATEMENT, COUNT, flags]),
            Self::Exists { flags } => out.put_slice(&[STATEMENT, EXISTS, flags]),
            Self::Get => out.put_slice(&[STATEMENT, GET]),
            Self::Child { relation, slot, scope, flags, stores } => {
                out.put_slice(&[STATEMENT, CHILD, relation, slot, scope, flags]);
                put_list(out, stores);
            }
            Self::Insert { flags, mask, conflict } => {
                let (action, key) = match conflict {
                    Conflict::Fail => (0, &[] as &[u8]),
                    Conflict::Nothing { key } => (1, key),
                    Conflict::UpdateAll { key } => (2, key),
                    Conflict::Update { key } => (3, key),
                };
                let ([a, b], [c, d]) = (length(mask), length(key));
                if let Ok(&[e, f, g, h, i, j, k, l]) = <&[u8; 8]>::try_from(mask) {
                    // The mask of a table of every day, in one piece with the head.
                    out.put_slice(&[
                        STATEMENT, INSERT, flags, action, a, b, c, d, e, f, g, h, i, j, k, l,
                    ]);
                } else {
                    out.put_slice(&[STATEMENT, INSERT, flags, action, a, b, c, d]);
                    out.put_slice(mask);
                }
                if !key.is_empty() {
                    out.put_slice(key);
                }
            }
            Self::Unnest { flags, mask } => {
                out.put_slice(&[STATEMENT, UNNEST, flags]);
                put_list(out, mask);
            }
            Self::Values { flags, width, masks } => {
                let [a, b] = u16::try_from(width).unwrap_or(u16::MAX).to_be_bytes();
                out.put_slice(&[STATEMENT, VALUES, flags, a, b]);
                out.put_slice(masks);
            }
            Self::Update { flags } => out.put_slice(&[STATEMENT, UPDATE, flags]),
            Self::Save => out.put_slice(&[STATEMENT, SAVE]),
            Self::Delete { flags } => out.put_slice(&[STATEMENT, DELETE, flags]),
        }
    }
}

/// Reads what stands behind the [`STATEMENT`] token.
pub(crate) fn read(bytes: &[u8]) -> Result<Kind<'_>> {
    parse(bytes).ok_or_else(malformed)
}

#[cold]
pub(crate) fn malformed() -> Error {
    Error::new(ErrorKind::Usage, "a statement was put together wrongly")
}

fn take_list<'s>(bytes: &mut &'s [u8]) -> Option<&'s [u8]> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (list, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    *bytes = rest;
    Some(list)
}

fn parse(bytes: &[u8]) -> Option<Kind<'_>> {
    let (&kind, mut rest) = bytes.split_first()?;
    let parsed = match kind {
        SELECT => {
            let (&flags, tail) = rest.split_first()?;
            rest = tail;
            Kind::Select { flags, stores: take_list(&mut rest)? }
        }
        CHILD => {
            let (&[relation, slot, scope, flags], tail) = rest.split_first_chunk::<4>()?;
            rest = tail;
            Kind::Child { relation, slot, scope, flags, stores: take_list(&mut rest)? }
        }
        INSERT => {
            let (&[flags, action, a, b, c, d], tail) = rest.split_first_chunk::<6>()?;
            let (mask, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([a, b])))?;
            let (key, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
            rest = tail;
            let conflict = match action {
                0 => Conflict::Fail,
                1 => Conflict::Nothing { key },
                2 => Conflict::UpdateAll { key },
                _ => Conflict::Update { key },
            };
            Kind::Insert { flags, mask, conflict }
        }
        UNNEST => {
            let (&flags, tail) = rest.split_first()?;
            rest = tail;
            Kind::Unnest { flags, mask: take_list(&mut rest)? }
        }
        VALUES => {
            let (&[flags, a, b], masks) = rest.split_first_chunk::<3>()?;
            return Some(Kind::Values {
                flags,
                width: usize::from(u16::from_be_bytes([a, b])),
                masks,
            });
        }
        GET | SAVE => {
            if kind == GET {
                Kind::Get
            } else {
                Kind::Save
            }
        }
        _ => {
            let (&flags, tail) = rest.split_first()?;
            rest = tail;
            match kind {
                COUNT => Kind::Count { flags },
                EXISTS => Kind::Exists { flags },
                UPDATE => Kind::Update { flags },
                DELETE => Kind::Delete { flags },
                _ => return None,
            }
        }
    };
    rest.is_empty().then_some(parsed)
}

/// The set columns of a mask, in order.
pub(crate) fn columns_of(mask: Mask<'_>) -> impl Iterator<Item = u16> {
    (0_u16..)
        .step_by(8)
        .zip(mask)
        .flat_map(|(first, &byte)| Bits(u64::from(byte)).map(move |bit| first.saturating_add(bit)))
}

/// The places of the bits that are set, from the lowest up.
pub(crate) struct Bits(pub(crate) u64);

impl Iterator for Bits {
    type Item = u16;

    #[inline]
    fn next(&mut self) -> Option<u16> {
        let bit = u16::try_from(self.0.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
        self.0 &= self.0.wrapping_sub(1);
        Some(bit)
    }
}

/// The columns of a key, two bytes each.
pub(crate) fn key_bytes(columns: &[u16]) -> SmallVec<[u8; 8]> {
    columns.iter().flat_map(|column| column.to_be_bytes()).collect()
}

/// The columns behind [`key_bytes`].
pub(crate) fn key_columns(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_as_it_was_written() {
        let kinds = [
            Kind::Select { flags: LIMIT | OFFSET, stores: &[0, 1, 2, 3] },
            Kind::Count { flags: 0 },
            Kind::Exists { flags: LIMIT },
            Kind::Get,
            Kind::Child { relation: 1, slot: 2, scope: 3, flags: LIMIT, stores: &[] },
            Kind::Insert { flags: RETURNING, mask: &[5], conflict: Conflict::Fail },
            Kind::Insert { flags: 0, mask: &[5, 1], conflict: Conflict::Nothing { key: &[] } },
            Kind::Insert { flags: 0, mask: &[], conflict: Conflict::UpdateAll { key: &[0, 1] } },
            Kind::Insert { flags: 0, mask: &[5], conflict: Conflict::Update { key: &[0, 1] } },
            Kind::Unnest { flags: RETURNING, mask: &[255, 1] },
            Kind::Values { flags: 0, width: 2, masks: &[1, 2, 3, 4] },
            Kind::Update { flags: BY_KEY },
            Kind::Save,
            Kind::Delete { flags: 0 },
        ];
        for kind in kinds {
            let mut out = Fragment::default();
            kind.write(&mut out);
            assert_eq!(read(&out.tokens()[1..]).as_ref(), Ok(&kind));
        }
        assert!(read(&[SELECT]).is_err());
        assert!(read(&[GET, 0]).is_err());
        assert!(read(&[200, 0]).is_err());
    }

    #[test]
    fn a_mask_tells_its_columns() {
        assert!(columns_of(&[0b1001, 0b10, 0, 0x80]).eq([0, 3, 9, 31]));
        assert!(Bits(1 | 1 << 63).eq([0, 63]) && Bits(0).next().is_none());
        assert!(key_columns(&key_bytes(&[7, 300])).eq([7, 300]));
    }
}
