//! What is straight: [`Line`] without ends, [`Segment`] with two.

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::types::geometry::point::{Point, number, put_number};
use crate::types::geometry::shape::shapes;
use crate::types::shortest::shortest;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A line without ends: `line`. It has all points for which `a`x + `b`y + `c` = 0.
///
/// Not both `a` and `b` may be zero; the server takes what is not above a millionth for zero. Such a line is neither
/// written nor read.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Line {
    /// The factor of x.
    pub a: f64,
    /// The factor of y.
    pub b: f64,
    /// What is added.
    pub c: f64,
}

impl Line {
    /// A line by its equation.
    #[must_use]
    pub const fn new(a: f64, b: f64, c: f64) -> Self {
        Self { a, b, c }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let line = Self { a: number(reader)?, b: number(reader)?, c: number(reader)? };
        if line.is_none() {
            return Err(Error::new(ErrorKind::InvalidValue, NO_LINE));
        }
        Ok(line)
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        if self.is_none() {
            return Err(Error::new(ErrorKind::OutOfRange, NO_LINE));
        }
        [self.a, self.b, self.c].into_iter().for_each(|factor| put_number(factor, out));
        Ok(())
    }

    /// Whether every point or none would be on it.
    fn is_none(&self) -> bool {
        self.a.abs() <= ZERO && self.b.abs() <= ZERO
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        shortest(f, self.a)?;
        f.write_str(",")?;
        shortest(f, self.b)?;
        f.write_str(",")?;
        shortest(f, self.c)?;
        f.write_str("}")
    }
}

/// A line from one point to another: `lseg`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Segment {
    /// Where it begins.
    pub start: Point,
    /// Where it ends.
    pub end: Point,
}

impl Segment {
    /// A segment by its ends.
    #[must_use]
    pub const fn new(start: Point, end: Point) -> Self {
        Self { start, end }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { start: Point::read(reader)?, end: Point::read(reader)? })
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        self.start.write(out)?;
        self.end.write(out)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{},{}]", self.start, self.end)
    }
}

shapes! {
    Line, LINE, LINE_ARRAY, "line";
    Segment, LSEG, LSEG_ARRAY, "lseg";
}

/// What the server takes for zero (`EPSILON` of its source).
const ZERO: f64 = 1e-6;
const NO_LINE: &str = "a line has no direction: both of its factors are zero";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::oid::Oid;
    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        let line = "3ff0000000000000 4000000000000000 4008000000000000";
        is_value(Oid::LINE, line, &Line::new(1.0, 2.0, 3.0));
        is_value(
            Oid::LSEG,
            "3ff0000000000000 4000000000000000 4008000000000000 4010000000000000",
            &Segment::new(Point::new(1.0, 2.0), Point::new(3.0, 4.0)),
        );
        is_refused::<Segment>(Oid::LSEG, line, ErrorKind::Truncated);
        is_refused::<Line>(Oid::LINE, &line[..40], ErrorKind::Truncated);
        is_refused::<Line>(Oid::LINE, &format!("{line}00"), ErrorKind::TrailingBytes);
        is_refused::<Segment>(Oid::LSEG, &line.repeat(2), ErrorKind::TrailingBytes);
    }

    #[test]
    fn a_line_has_a_direction() {
        is_refused::<Line>(
            Oid::LINE,
            "0000000000000000 8000000000000000 4008000000000000",
            ErrorKind::InvalidValue,
        );
        for line in [Line::new(0.0, -0.0, 1.0), Line::new(1e-6, -1e-6, 1.0)] {
            let found = encode(Oid::LINE, &line).map_err(|error| error.kind());
            assert_eq!(found, Err(ErrorKind::OutOfRange), "{line}");
        }
        assert!(encode(Oid::LINE, &Line::new(0.0, 1.1e-6, 0.0)).is_ok());
        assert!(encode(Oid::LINE, &Line::new(0.0, f64::NAN, 0.0)).is_ok());
    }

    proptest! {
        #[test]
        fn every_value_comes_back(a in 1e-5..1e9, b: f64, c: f64) {
            round_trip(&Line::new(a, b, c))?;
            round_trip(&Segment::new(Point::new(a, b), Point::new(c, a)))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw in prop::collection::vec(any::<u8>(), 20..40)) {
            survives::<Line>(Oid::LINE, &raw)?;
            survives::<Segment>(Oid::LSEG, &raw)?;
        }
    }
}
