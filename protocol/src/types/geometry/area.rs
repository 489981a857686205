//! What has an inside and always the same number of bytes: [`Rectangle`] and [`Circle`].

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::types::geometry::point::{Point, number, put_number};
use crate::types::geometry::shape::shapes;
use crate::types::shortest::shortest;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A rectangle whose sides are parallel to the axes: what PostgreSQL calls `box`.
///
/// ```
/// use stellata_protocol::types::geometry::{Point, Rectangle};
/// let rectangle = Rectangle::new(Point::new(0.0, 5.0), Point::new(3.0, 1.0));
/// assert_eq!(rectangle.high(), Point::new(3.0, 5.0));
/// assert_eq!(rectangle.to_string(), "(3,5),(0,1)");
/// ```
#[doc(alias = "box")]
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rectangle {
    high: Point,
    low: Point,
}

impl Rectangle {
    /// A rectangle by two opposite corners. As in the server, a `NaN` is higher than all other numbers.
    #[must_use]
    pub fn new(one: Point, other: Point) -> Self {
        let (high_x, low_x) = ordered(one.x, other.x);
        let (high_y, low_y) = ordered(one.y, other.y);
        Self { high: Point::new(high_x, high_y), low: Point::new(low_x, low_y) }
    }

    /// The upper right corner.
    #[must_use]
    pub const fn high(&self) -> Point {
        self.high
    }

    /// The lower left corner.
    #[must_use]
    pub const fn low(&self) -> Point {
        self.low
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self::new(Point::read(reader)?, Point::read(reader)?))
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        self.high.write(out)?;
        self.low.write(out)
    }
}

/// The higher number first; equal ones stay.
fn ordered(one: f64, other: f64) -> (f64, f64) {
    let is_lower = one < other || other.is_nan() && !one.is_nan();
    if is_lower { (other, one) } else { (one, other) }
}

impl fmt::Display for Rectangle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.high, self.low)
    }
}

/// A circle: `circle`. One with a negative radius is neither written nor read.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Circle {
    /// The point in its middle.
    pub center: Point,
    /// How far all its points are from there; not below zero.
    pub radius: f64,
}

impl Circle {
    /// A circle by its middle and its radius.
    #[must_use]
    pub const fn new(center: Point, radius: f64) -> Self {
        Self { center, radius }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let circle = Self { center: Point::read(reader)?, radius: number(reader)? };
        if circle.radius < 0.0 {
            return Err(Error::new(ErrorKind::InvalidValue, NEGATIVE));
        }
        Ok(circle)
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        if self.radius < 0.0 {
            return Err(Error::new(ErrorKind::OutOfRange, NEGATIVE));
        }
        self.center.write(out)?;
        put_number(self.radius, out);
        Ok(())
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{},", self.center)?;
        shortest(f, self.radius)?;
        f.write_str(">")
    }
}

shapes! {
    Rectangle, BOX, BOX_ARRAY, "box";
    Circle, CIRCLE, CIRCLE_ARRAY, "circle";
}

const NEGATIVE: &str = "a circle has a negative radius";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::oid::Oid;
    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(
            Oid::BOX,
            "4008000000000000 4010000000000000 3ff0000000000000 4000000000000000",
            &Rectangle::new(Point::new(1.0, 4.0), Point::new(3.0, 2.0)),
        );
        let circle = "3ff0000000000000 4000000000000000 4008000000000000";
        is_value(Oid::CIRCLE, circle, &Circle::new(Point::new(1.0, 2.0), 3.0));
        is_refused::<Rectangle>(Oid::BOX, circle, ErrorKind::Truncated);
        is_refused::<Circle>(Oid::CIRCLE, &circle[..40], ErrorKind::Truncated);
        is_refused::<Circle>(Oid::CIRCLE, &format!("{circle}00"), ErrorKind::TrailingBytes);
        is_refused::<Rectangle>(Oid::BOX, &circle.repeat(2), ErrorKind::TrailingBytes);
    }

    #[test]
    fn corners_are_ordered_as_the_server_does() {
        let nan = Rectangle::new(Point::new(1.0, f64::NAN), Point::new(f64::NAN, 2.0));
        assert_eq!(nan.to_string(), "(NaN,NaN),(1,2)");
        let zeros = Rectangle::new(Point::new(-0.0, 0.0), Point::new(0.0, -0.0));
        assert_eq!(zeros.to_string(), "(-0,0),(0,-0)");
    }

    #[test]
    fn a_radius_is_not_negative() {
        is_refused::<Circle>(
            Oid::CIRCLE,
            "3ff0000000000000 4000000000000000 8000000000000001",
            ErrorKind::InvalidValue,
        );
        let circle = |radius| encode(Oid::CIRCLE, &Circle::new(Point::default(), radius));
        assert_eq!(circle(-1.0).map_err(|error| error.kind()), Err(ErrorKind::OutOfRange));
        assert!(circle(-0.0).is_ok() && circle(f64::NAN).is_ok());
    }

    proptest! {
        #[test]
        fn every_value_comes_back(a: f64, b: f64, c: f64, d: f64) {
            round_trip(&Rectangle::new(Point::new(a, b), Point::new(c, d)))?;
            round_trip(&Circle::new(Point::new(a, b), c.abs()))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw in prop::collection::vec(any::<u8>(), 20..40)) {
            survives::<Rectangle>(Oid::BOX, &raw)?;
            survives::<Circle>(Oid::CIRCLE, &raw)?;
        }
    }
}
