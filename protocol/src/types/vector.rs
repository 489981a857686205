//! `vector` and `sparsevec` of the extension pgvector.

use std::fmt;
use std::ops::Deref;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::shortest::shortest;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The dimensions that pgvector allows a `vector` at most.
const MOST_DIMENSIONS: usize = 16_000;

/// A value of pgvector's `vector`: up to 16 000 numbers of single precision.
///
/// ```
/// use stellata_protocol::Vector;
/// let embedding = Vector(vec![0.5, -1.0, 2.0]);
/// assert_eq!(embedding.len(), 3);
/// assert_eq!(embedding.to_string(), "[0.5,-1,2]");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vector(pub Vec<f32>);

impl Deref for Vector {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl<T: Into<Vec<f32>>> From<T> for Vector {
    fn from(numbers: T) -> Self {
        Self(numbers.into())
    }
}

/// As SQL writes it.
impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, number) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            shortest(f, *number)?;
        }
        f.write_str("]")
    }
}

impl PgType for Vector {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "vector" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.base::<Self>(oid)
    }
}

impl ArrayElement for Vector {}

impl Encode for Vector {
    /// Writes the number of dimensions, two bytes that are not used, and the numbers.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for more than 16 000 dimensions.
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        if self.0.len() > MOST_DIMENSIONS {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "a vector has more than 16000 dimensions",
            ));
        }
        out.put_count16(self.0.len(), "a vector has too many dimensions")?;
        out.put_u16(0);
        for number in &self.0 {
            out.put_slice(&number.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Vector {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let count = reader.count16()?;
        if reader.u16()? != 0 {
            return Err(reader.error(ErrorKind::InvalidValue, "this form of vector is not known"));
        }
        let numbers = numbers(&mut reader, count)?;
        reader.end()?;
        Ok(Self(numbers))
    }
}

fn numbers(reader: &mut Reader<'_>, count: usize) -> Result<Vec<f32>> {
    if count > reader.len() / 4 {
        return Err(reader.error(ErrorKind::Truncated, "a vector has fewer bytes than numbers"));
    }
    (0..count).map(|_| Ok(f32::from_be_bytes(reader.array()?))).collect()
}

/// A value of pgvector's `sparsevec`: a vector of which only the numbers other than 0 are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseVector {
    dimensions: u32,
    entries: Vec<(u32, f32)>,
}

impl SparseVector {
    /// A vector with these numbers at these places, counted from 0, in rising order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for a place that is there twice, out of order, or not below `dimensions`;
    /// [`ErrorKind::OutOfRange`] for more than 2 147 483 647 dimensions.
    pub fn new(dimensions: u32, entries: Vec<(u32, f32)>) -> Result<Self> {
        if i32::try_from(dimensions).is_err() {
            return Err(Error::new(ErrorKind::OutOfRange, "a sparsevec has too many dimensions"));
        }
        let rises = entries.is_sorted_by(|(left, _), (right, _)| left < right);
        if rises && entries.last().is_none_or(|(last, _)| *last < dimensions) {
            Ok(Self { dimensions, entries })
        } else {
            Err(Error::new(ErrorKind::InvalidValue, "the places of a sparsevec are not in order"))
        }
    }

    /// How many dimensions it has.
    #[must_use]
    pub const fn dimensions(&self) -> u32 {
        self.dimensions
    }

    /// The numbers other than 0 with their places, counted from 0.
    #[must_use]
    pub fn entries(&self) -> &[(u32, f32)] {
        &self.entries
    }
}

/// As SQL writes it, which counts the places from 1.
impl fmt::Display for SparseVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (place, number)) in self.entries.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}:", place.saturating_add(1))?;
            shortest(f, *number)?;
        }
        write!(f, "}}/{}", self.dimensions)
    }
}

impl PgType for SparseVector {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "sparsevec" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.base::<Self>(oid)
    }
}

impl ArrayElement for SparseVector {}

impl Encode for SparseVector {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_u32(self.dimensions);
        out.put_len32(self.entries.len())?;
        out.put_i32(0);
        for (place, _) in &self.entries {
            out.put_u32(*place);
        }
        for (_, number) in &self.entries {
            out.put_slice(&number.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for SparseVector {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let dimensions = reader.u32()?;
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "a sparsevec has a negative count"));
        };
        if reader.i32()? != 0 {
            return Err(
                reader.error(ErrorKind::InvalidValue, "this form of sparsevec is not known")
            );
        }
        if count > reader.len() / 8 {
            return Err(
                reader.error(ErrorKind::Truncated, "a sparsevec has fewer bytes than numbers")
            );
        }
        let places = (0..count).map(|_| reader.u32()).collect::<Result<Vec<_>>>()?;
        let numbers = numbers(&mut reader, count)?;
        reader.end()?;
        Self::new(dimensions, places.into_iter().zip(numbers).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, survives};

    const OID: Oid = Oid(16_500);

    /// The bytes that pgvector 0.8 sends for `'[1,-2.5]'` and `'{1:1,3:2}/5'`.
    #[test]
    fn known_bytes() {
        is_value(OID, "0002 0000 3f800000 c0200000", &Vector(vec![1.0, -2.5]));
        is_value(
            OID,
            "00000005 00000002 00000000 00000000 00000002 3f800000 40000000",
            &SparseVector::new(5, vec![(0, 1.0), (2, 2.0)]).unwrap(),
        );
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("0001 0001 3f800000", ErrorKind::InvalidValue),
            ("0002 0000 3f800000", ErrorKind::Truncated),
            ("ffff 0000", ErrorKind::Truncated),
            ("0000 0000 00", ErrorKind::TrailingBytes),
        ] {
            is_refused::<Vector>(OID, text, kind);
        }
        for (text, kind) in [
            ("00000005 ffffffff 00000000", ErrorKind::InvalidLength),
            ("00000005 7fffffff 00000000", ErrorKind::Truncated),
            ("00000001 00000001 00000000 00000001 3f800000", ErrorKind::InvalidValue),
            ("80000000 00000000 00000000", ErrorKind::OutOfRange),
        ] {
            is_refused::<SparseVector>(OID, text, kind);
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            survives::<Vector>(OID, &raw)?;
            survives::<SparseVector>(OID, &raw)?;
        }
    }
}
