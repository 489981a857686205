//! The types of the crate `geo-types` with coordinates of `f64`.
//!
//! A `geo_types::Line` has two ends: it is an `lseg`. A `LineString` is an open `path`. The ring of a `Polygon` repeats
//! its first point at its end, a `polygon` does not; a `polygon` has no holes.

use geo_types::{Coord, Line, LineString, Point, Polygon, Rect};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::geometry::{area, chain, line, point};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// A type that is written and read as one of our own.
macro_rules! geo {
    ($($geo:ty, $own:ty;)*) => {$(
        impl PgType for $geo {
            const TYPE: Type = <$own>::TYPE;
        }

        impl ArrayElement for $geo {}

        impl Encode for $geo {
            fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                <$own>::of(self)?.encode(oid, out)
            }
        }

        impl<'a> Decode<'a> for $geo {
            fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
                <$own>::decode(oid, raw)?.to()
            }
        }
    )*};
}

geo! {
    Coord<f64>, point::Point;
    Point<f64>, point::Point;
    Line<f64>, line::Segment;
    Rect<f64>, area::Rectangle;
    LineString<f64>, chain::Path;
    Polygon<f64>, chain::Polygon;
}

/// One of our own types and one of the crate's, as far as each can hold the other.
trait Like<Geo>: Sized {
    fn of(geo: &Geo) -> Result<Self>;

    fn to(self) -> Result<Geo>;
}

impl Like<Coord<f64>> for point::Point {
    fn of(geo: &Coord<f64>) -> Result<Self> {
        Ok(own(*geo))
    }

    fn to(self) -> Result<Coord<f64>> {
        Ok(coord(self))
    }
}

impl Like<Point<f64>> for point::Point {
    fn of(geo: &Point<f64>) -> Result<Self> {
        Ok(own(geo.0))
    }

    fn to(self) -> Result<Point<f64>> {
        Ok(Point(coord(self)))
    }
}

impl Like<Line<f64>> for line::Segment {
    fn of(geo: &Line<f64>) -> Result<Self> {
        Ok(Self::new(own(geo.start), own(geo.end)))
    }

    fn to(self) -> Result<Line<f64>> {
        Ok(Line::new(coord(self.start), coord(self.end)))
    }
}

impl Like<Rect<f64>> for area::Rectangle {
    fn of(geo: &Rect<f64>) -> Result<Self> {
        Ok(Self::new(own(geo.max()), own(geo.min())))
    }

    fn to(self) -> Result<Rect<f64>> {
        // The higher corner first: `Rect::new` changes the places of sides that are equal, or that are not numbers.
        Ok(Rect::new(coord(self.high()), coord(self.low())))
    }
}

impl Like<LineString<f64>> for chain::Path {
    fn of(geo: &LineString<f64>) -> Result<Self> {
        Ok(Self { is_closed: false, points: geo.0.iter().copied().map(own).collect() })
    }

    fn to(self) -> Result<LineString<f64>> {
        if self.is_closed {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "the path is closed, which a LineString can't hold",
            ));
        }
        Ok(LineString(self.points.into_iter().map(coord).collect()))
    }
}

impl Like<Polygon<f64>> for chain::Polygon {
    fn of(geo: &Polygon<f64>) -> Result<Self> {
        if !geo.interiors().is_empty() {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "the polygon has holes, which PostgreSQL's can't hold",
            ));
        }
        let ring = match geo.exterior().0.as_slice() {
            [first, between @ .., last] if is_same(first, last) => (Some(first), between),
            ring => (None, ring),
        };
        Ok(Self { points: ring.0.into_iter().chain(ring.1).copied().map(own).collect() })
    }

    fn to(self) -> Result<Polygon<f64>> {
        let mut ring: Vec<_> = self.points.into_iter().map(coord).collect();
        // Repeated even where the last corner is the first already, so that it is not lost when this is written. A ring
        // that begins with a NaN is never closed to `Polygon::new`, which repeats the point by itself.
        if let Some(&first) = ring.first()
            && !first.x.is_nan()
            && !first.y.is_nan()
        {
            ring.push(first);
        }
        Ok(Polygon::new(LineString(ring), Vec::new()))
    }
}

fn own(Coord { x, y }: Coord<f64>) -> point::Point {
    point::Point { x, y }
}

fn coord(point::Point { x, y }: point::Point) -> Coord<f64> {
    Coord { x, y }
}

/// Whether both are equal, or are so to the last bit: then a NaN is the same as itself.
fn is_same(one: &Coord<f64>, other: &Coord<f64>) -> bool {
    let bits = |coord: &Coord<f64>| (coord.x.to_bits(), coord.y.to_bits());
    one == other || bits(one) == bits(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::{line_string, polygon};
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip, survives};

    const ZERO: &str = "0000000000000000";
    const ONE: &str = "3ff0000000000000";
    const TWO: &str = "4000000000000000";

    #[test]
    fn known_bytes() {
        is_value(Oid::POINT, &[ONE, TWO].concat(), &Point::new(1.0, 2.0));
        is_value(Oid::POINT, &[ONE, TWO].concat(), &Coord { x: 1.0, y: 2.0 });
        let (start, end) = (Coord { x: 0.0, y: 2.0 }, Coord { x: 1.0, y: 1.0 });
        is_value(Oid::LSEG, &[ZERO, TWO, ONE, ONE].concat(), &Line::new(start, end));
        is_value(Oid::BOX, &[ONE, TWO, ZERO, ONE].concat(), &Rect::new(start, end));
        let open = line_string![(x: 0.0, y: 2.0), (x: 1.0, y: 1.0)];
        is_value(Oid::PATH, &["0000000002", ZERO, TWO, ONE, ONE].concat(), &open);
        let area = polygon![(x: 0.0, y: 0.0), (x: 2.0, y: 0.0), (x: 1.0, y: 1.0)];
        let corners = ["00000003", ZERO, ZERO, TWO, ZERO, ONE, ONE].concat();
        is_value(Oid::POLYGON, &corners, &area);
    }

    #[test]
    fn what_one_side_can_not_hold_is_refused() {
        let closed = ["0100000002", ZERO, TWO, ONE, ONE].concat();
        is_refused::<LineString<f64>>(Oid::PATH, &closed, ErrorKind::OutOfRange);
        let kind = Err(ErrorKind::OutOfRange);
        let empty = LineString::<f64>(Vec::new());
        assert_eq!(encode(Oid::PATH, &empty).map_err(|error| error.kind()), kind);
        let nothing = Polygon::new(empty, Vec::new());
        assert_eq!(encode(Oid::POLYGON, &nothing).map_err(|error| error.kind()), kind);
        let hole = polygon!(
            exterior: [(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0)],
            interiors: [[(x: 2.0, y: 1.0), (x: 3.0, y: 1.0), (x: 3.0, y: 2.0)]],
        );
        assert_eq!(encode(Oid::POLYGON, &hole).map_err(|error| error.kind()), kind);
    }

    #[test]
    fn every_ring_comes_back_as_it_was() {
        let nan = "7ff8000000000000";
        for corners in [
            ["00000001", ONE, TWO].concat(),
            ["00000002", ONE, TWO, ONE, TWO].concat(),
            ["00000003", ONE, TWO, ZERO, ZERO, ONE, TWO].concat(),
            ["00000002", nan, TWO, ONE, TWO].concat(),
            ["00000001", nan, nan].concat(),
        ] {
            let raw = crate::types::proof::hex(&corners);
            let read: Polygon<f64> = decode(Oid::POLYGON, &raw).unwrap();
            assert_eq!(encode(Oid::POLYGON, &read), Ok(raw));
        }
    }

    #[test]
    fn equal_sides_and_nans_of_a_rectangle_come_back_as_they_were() {
        let (minus, nan, other) = ("8000000000000000", "7ff8000000000000", "fff8000000000001");
        for [high, low] in [[ZERO, minus], [minus, ZERO], [nan, other], [other, nan], [nan, ONE]] {
            let raw = crate::types::proof::hex(&[high, high, low, low].concat());
            let read: Rect<f64> = decode(Oid::BOX, &raw).unwrap();
            assert_eq!(encode(Oid::BOX, &read), Ok(raw));
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            a: (f64, f64),
            b: (f64, f64),
            line in prop::collection::vec(any::<(f64, f64)>(), 1..20),
        ) {
            round_trip(&Point::from(a))?;
            round_trip(&Coord::from(a))?;
            round_trip(&Line::new(a, b))?;
            round_trip(&Rect::new(a, b))?;
            let line = LineString::from(line);
            round_trip(&line)?;
            // A ring of one point can't be told from one that repeats it.
            if line.0.len() > 1 {
                round_trip(&Polygon::new(line, Vec::new()))?;
            }
        }

        #[test]
        fn hostile_bytes_are_survived(count in -1..4_i32, any: Vec<u8>) {
            let raw = [&count.to_be_bytes(), &any[..]].concat();
            survives::<Polygon<f64>>(Oid::POLYGON, &raw)?;
            survives::<LineString<f64>>(Oid::PATH, &[&[0], &raw[..]].concat())?;
            survives::<Rect<f64>>(Oid::BOX, &any)?;
        }
    }
}
