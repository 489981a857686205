//! What has many points: [`Path`] and [`Polygon`].

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::types::geometry::point::Point;
use crate::types::geometry::shape::shapes;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Points with straight lines between them: `path`.
///
/// The server has no path without points; such a path is neither written nor read.
///
/// ```
/// use stellata_protocol::types::geometry::{Path, Point};
/// let mut path = Path { is_closed: false, points: vec![Point::new(0.0, 0.0), Point::new(1.0, 2.0)] };
/// assert_eq!(path.to_string(), "[(0,0),(1,2)]");
/// path.is_closed = true;
/// assert_eq!(path.to_string(), "((0,0),(1,2))");
/// ```
#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
pub struct Path {
    /// Whether a line leads from the last point to the first.
    pub is_closed: bool,
    /// The points, at least one.
    pub points: Vec<Point>,
}

impl Path {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let is_closed = match reader.u8()? {
            0 => false,
            1 => true,
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidValue,
                    "a path is neither open nor closed",
                ));
            }
        };
        Ok(Self { is_closed, points: points(reader)? })
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u8(u8::from(self.is_closed));
        put_points(&self.points, out)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.is_closed { ("(", ")") } else { ("[", "]") };
        f.write_str(open)?;
        print(&self.points, f)?;
        f.write_str(close)
    }
}

/// An area that straight lines surround: `polygon`.
///
/// The last line leads from the last corner to the first. The server has no polygon without corners; such a polygon is
/// neither written nor read.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
pub struct Polygon {
    /// The corners, at least one.
    pub points: Vec<Point>,
}

impl Polygon {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { points: points(reader)? })
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        put_points(&self.points, out)
    }
}

impl fmt::Display for Polygon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        print(&self.points, f)?;
        f.write_str(")")
    }
}

shapes! {
    Path, PATH, PATH_ARRAY, "path";
    Polygon, POLYGON, POLYGON_ARRAY, "polygon";
}

fn points(reader: &mut Reader<'_>) -> Result<Vec<Point>> {
    let at = *reader;
    let count = match usize::try_from(reader.i32()?) {
        Ok(count @ 1..) => count,
        _ => return Err(at.error(ErrorKind::InvalidLength, "a path or polygon has no points")),
    };
    // What is declared is believed as far as there are bytes for it.
    if count > reader.len() / POINT {
        return Err(at.error(
            ErrorKind::Truncated,
            "a path or polygon has fewer bytes than its number of points needs",
        ));
    }
    (0..count).map(|_| Point::read(reader)).collect()
}

fn put_points(points: &[Point], out: &mut Buffer) -> Result<()> {
    if points.is_empty() {
        return Err(Error::new(
            ErrorKind::OutOfRange,
            "PostgreSQL has no path or polygon without points",
        ));
    }
    out.put_len32(points.len())?;
    points.iter().try_for_each(|point| point.write(out))
}

fn print(points: &[Point], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut comma = "";
    for point in points {
        write!(f, "{comma}{point}")?;
        comma = ",";
    }
    Ok(())
}

/// Bytes of a point.
const POINT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::oid::Oid;
    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        let points = vec![Point::new(1.0, 2.0)];
        let bytes = "00000001 3ff0000000000000 4000000000000000";
        is_value(
            Oid::PATH,
            &format!("00{bytes}"),
            &Path { is_closed: false, points: points.clone() },
        );
        is_value(
            Oid::PATH,
            &format!("01{bytes}"),
            &Path { is_closed: true, points: points.clone() },
        );
        is_value(Oid::POLYGON, bytes, &Polygon { points });
    }

    #[test]
    fn bytes_that_are_no_shape_are_refused() {
        let point = "3ff0000000000000 4000000000000000";
        for (text, kind) in [
            (String::new(), ErrorKind::Truncated),
            ("000000".to_owned(), ErrorKind::Truncated),
            ("00000000".to_owned(), ErrorKind::InvalidLength),
            (format!("00000000 {point}"), ErrorKind::InvalidLength),
            (format!("ffffffff {point}"), ErrorKind::InvalidLength),
            (format!("80000000 {point}"), ErrorKind::InvalidLength),
            ("00000001".to_owned(), ErrorKind::Truncated),
            (format!("00000001 {}", &point[..31]), ErrorKind::Truncated),
            (format!("00000002 {point}"), ErrorKind::Truncated),
            (format!("7fffffff {point}"), ErrorKind::Truncated),
            (format!("10000001 {point}"), ErrorKind::Truncated),
            (format!("00000001 {point} 00"), ErrorKind::TrailingBytes),
            (format!("00000001 {point} {point}"), ErrorKind::TrailingBytes),
        ] {
            is_refused::<Polygon>(Oid::POLYGON, &text, kind);
            is_refused::<Path>(Oid::PATH, &format!("00{text}"), kind);
        }
        is_refused::<Path>(Oid::PATH, "", ErrorKind::Truncated);
        is_refused::<Path>(Oid::PATH, &format!("02 00000001 {point}"), ErrorKind::InvalidValue);
    }

    #[test]
    fn what_the_server_refuses_is_not_written() {
        let kind = Err(ErrorKind::OutOfRange);
        assert_eq!(encode(Oid::PATH, &Path::default()).map_err(|error| error.kind()), kind);
        assert_eq!(encode(Oid::POLYGON, &Polygon::default()).map_err(|error| error.kind()), kind);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            is_closed: bool,
            points in prop::collection::vec(any::<(f64, f64)>().prop_map(Point::from), 1..20),
        ) {
            round_trip(&Path { is_closed, points: points.clone() })?;
            round_trip(&Polygon { points })?;
        }

        #[test]
        fn hostile_bytes_are_survived(closed in 0..3_u8, count in -1..4_i32, any: Vec<u8>) {
            let polygon = [&count.to_be_bytes(), &any[..]].concat();
            survives::<Polygon>(Oid::POLYGON, &any)?;
            survives::<Polygon>(Oid::POLYGON, &polygon)?;
            survives::<Path>(Oid::PATH, &[&[closed], &polygon[..]].concat())?;
        }
    }
}
