//! `cube`: points and boxes of any dimension, of the extension of that name (manual: "cube").

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Set in the head of a point, which has one corner.
const POINT: u32 = 0x8000_0000;
/// The dimensions that the extension allows at most (`CUBE_MAX_DIM`).
const MOST_DIMENSIONS: usize = 100;

/// A point or a box between two corners, in up to 100 dimensions.
///
/// ```
/// use stellata_protocol::Cube;
/// assert_eq!(Cube::point(vec![1.0, 2.5]).to_string(), "(1, 2.5)");
/// let corners = Cube::between(vec![0.0, 0.0], vec![1.0, 2.0]).unwrap();
/// assert_eq!(corners.to_string(), "(0, 0),(1, 2)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cube {
    first: Vec<f64>,
    second: Option<Vec<f64>>,
}

impl Cube {
    /// A point.
    #[must_use]
    pub const fn point(coordinates: Vec<f64>) -> Self {
        Self { first: coordinates, second: None }
    }

    /// The box between two corners.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] when the corners have different dimensions.
    pub fn between(first: Vec<f64>, second: Vec<f64>) -> Result<Self> {
        if first.len() == second.len() {
            Ok(Self { first, second: Some(second) })
        } else {
            Err(Error::new(
                ErrorKind::InvalidLength,
                "the corners of a cube have different dimensions",
            ))
        }
    }

    /// The point itself, or one corner.
    #[must_use]
    pub fn first(&self) -> &[f64] {
        &self.first
    }

    /// The other corner; of a point the point itself.
    #[must_use]
    pub fn second(&self) -> &[f64] {
        self.second.as_deref().unwrap_or(&self.first)
    }

    /// Whether it is a point.
    #[must_use]
    pub const fn is_point(&self) -> bool {
        self.second.is_none()
    }
}

/// As SQL writes it.
impl fmt::Display for Cube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let corner = |f: &mut fmt::Formatter<'_>, corner: &[f64]| {
            f.write_str("(")?;
            for (index, coordinate) in corner.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                coordinate.fmt(f)?;
            }
            f.write_str(")")
        };
        corner(f, &self.first)?;
        match &self.second {
            Some(second) => {
                f.write_str(",")?;
                corner(f, second)
            }
            None => Ok(()),
        }
    }
}

impl PgType for Cube {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "cube" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.base::<Self>(oid)
    }
}

impl ArrayElement for Cube {}

impl Encode for Cube {
    /// Writes the corners.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for more than 100 dimensions.
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        let dimensions = u32::try_from(self.first.len())
            .ok()
            .filter(|_| self.first.len() <= MOST_DIMENSIONS)
            .ok_or_else(too_many)?;
        out.put_u32(if self.is_point() { dimensions | POINT } else { dimensions });
        for coordinate in self.first.iter().chain(self.second.iter().flatten()) {
            out.put_slice(&coordinate.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Cube {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let head = reader.u32()?;
        let dimensions = usize::try_from(head & !POINT).unwrap_or(usize::MAX);
        if dimensions > MOST_DIMENSIONS {
            return Err(too_many());
        }
        let mut corner = || -> Result<Vec<f64>> {
            (0..dimensions).map(|_| Ok(f64::from_be_bytes(reader.array()?))).collect()
        };
        let first = corner()?;
        let second = if head & POINT > 0 { None } else { Some(corner()?) };
        reader.end()?;
        Ok(Self { first, second })
    }
}

#[cold]
fn too_many() -> Error {
    Error::new(ErrorKind::OutOfRange, "a cube has more than 100 dimensions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, survives};

    const OID: Oid = Oid(16_500);

    #[test]
    fn known_bytes() {
        is_value(OID, "80000001 3ff0000000000000", &Cube::point(vec![1.0]));
        is_value(
            OID,
            "00000001 0000000000000000 3ff0000000000000",
            &Cube::between(vec![0.0], vec![1.0]).unwrap(),
        );
        is_value(OID, "80000000", &Cube::point(Vec::new()));
        is_refused::<Cube>(OID, "80000065", ErrorKind::OutOfRange);
        is_refused::<Cube>(OID, "ffffffff", ErrorKind::OutOfRange);
        is_refused::<Cube>(OID, "80000001 3ff0", ErrorKind::Truncated);
        is_refused::<Cube>(OID, "80000000 00", ErrorKind::TrailingBytes);
        assert!(Cube::between(vec![0.0], vec![]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>, dimensions in 0_u8..4) {
            survives::<Cube>(OID, &raw)?;
            let mut likely = vec![0, 0, 0, dimensions];
            likely.extend(raw);
            survives::<Cube>(OID, &likely)?;
        }
    }
}
