//! [`Point`]: two coordinates.

use core::fmt;

use crate::error::Result;
use crate::types::geometry::shape::shapes;
use crate::types::shortest::shortest;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A point on a plane: `point`.
///
/// ```
/// use stellata_protocol::types::geometry::Point;
/// assert_eq!(Point::new(1.0, -0.25).to_string(), "(1,-0.25)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Point {
    /// The coordinate to the right.
    pub x: f64,
    /// The coordinate upwards.
    pub y: f64,
}

impl Point {
    /// A point by its coordinates.
    #[must_use]
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { x: number(reader)?, y: number(reader)? })
    }

    #[inline]
    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        put_number(self.x, out);
        put_number(self.y, out);
        Ok(())
    }
}

impl From<(f64, f64)> for Point {
    fn from((x, y): (f64, f64)) -> Self {
        Self { x, y }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        shortest(f, self.x)?;
        f.write_str(",")?;
        shortest(f, self.y)?;
        f.write_str(")")
    }
}

shapes! {
    Point, POINT, POINT_ARRAY, "point";
}

/// A `float8`.
#[inline]
pub(super) fn number(reader: &mut Reader<'_>) -> Result<f64> {
    Ok(f64::from_be_bytes(reader.array()?))
}

/// Appends a `float8`.
#[inline]
pub(super) fn put_number(value: f64, out: &mut Buffer) {
    out.put_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::POINT, "3ff0000000000000 4000000000000000", &Point::new(1.0, 2.0));
        is_value(
            Oid::POINT,
            "fff0000000000000 0000000000000001",
            &Point::new(f64::NEG_INFINITY, 5e-324),
        );
        is_refused::<Point>(Oid::POINT, "", ErrorKind::Truncated);
        is_refused::<Point>(Oid::POINT, "3ff0000000000000 40000000000000", ErrorKind::Truncated);
        is_refused::<Point>(
            Oid::POINT,
            "3ff0000000000000 4000000000000000 00",
            ErrorKind::TrailingBytes,
        );
    }

    proptest! {
        #[test]
        fn every_bit_comes_back(x: u64, y: u64) {
            let raw = [x.to_be_bytes(), y.to_be_bytes()].concat();
            let point: Point = decode(Oid::POINT, &raw).unwrap();
            prop_assert_eq!(encode(Oid::POINT, &point), Ok(raw));
            if !point.x.is_nan() && !point.y.is_nan() {
                round_trip(&point)?;
            }
        }
    }
}
