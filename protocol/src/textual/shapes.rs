//! The text of points and of what is made of numbers: the geometric types, `cube`, and the types of pgvector (manual:
//! "Geometric Types", "cube").

use crate::error::Result;
use crate::oid::Oid;
use crate::textual::no_such_value;
use crate::textual::scan::Scan;
use crate::types::geometry::{Circle, Line, Path, Point, Polygon, Rectangle, Segment};
use crate::types::{Cube, Encode, HalfVector, IsNull, SparseVector, Vector};
use crate::wire::buffer::Buffer;

/// What ends a number.
const ENDS: [char; 7] = [',', ')', ']', '}', '>', ':', '/'];

/// Whether this is a type whose text is read here.
pub(super) const fn is_shape(oid: Oid) -> bool {
    matches!(
        oid,
        Oid::POINT | Oid::LINE | Oid::LSEG | Oid::BOX | Oid::PATH | Oid::POLYGON | Oid::CIRCLE
    )
}

/// Appends the binary form of a shape whose text this is.
pub(super) fn parse(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let _: IsNull = match oid {
        Oid::POINT => point(&mut scan)?.encode(oid, out)?,
        Oid::LINE => {
            let [a, b, c] = numbers(&mut scan, "{", "}")?;
            Line::new(a, b, c).encode(oid, out)?
        }
        Oid::LSEG => {
            scan.expect("[")?;
            let (start, end) = pair(&mut scan)?;
            scan.expect("]")?;
            Segment::new(start, end).encode(oid, out)?
        }
        Oid::BOX => {
            let (high, low) = pair(&mut scan)?;
            Rectangle::new(high, low).encode(oid, out)?
        }
        Oid::CIRCLE => {
            scan.expect("<")?;
            let center = point(&mut scan)?;
            scan.expect(",")?;
            let radius = scan.value(&ENDS)?;
            scan.expect(">")?;
            Circle::new(center, radius).encode(oid, out)?
        }
        Oid::PATH => {
            let is_closed = scan.rest.starts_with('(');
            let points =
                if is_closed { points(&mut scan, "(", ")")? } else { points(&mut scan, "[", "]")? };
            Path { points, is_closed }.encode(oid, out)?
        }
        Oid::POLYGON => Polygon { points: points(&mut scan, "(", ")")? }.encode(oid, out)?,
        _ => return Err(no_such_value()),
    };
    scan.end()
}

fn point(scan: &mut Scan<'_>) -> Result<Point> {
    let [x, y] = numbers(scan, "(", ")")?;
    Ok(Point::new(x, y))
}

fn pair(scan: &mut Scan<'_>) -> Result<(Point, Point)> {
    let one = point(scan)?;
    scan.expect(",")?;
    Ok((one, point(scan)?))
}

fn numbers<const N: usize>(scan: &mut Scan<'_>, open: &str, close: &str) -> Result<[f64; N]> {
    let mut numbers = [0.0; N];
    let mut before = open;
    for number in &mut numbers {
        scan.expect(before)?;
        *number = scan.value(&ENDS)?;
        before = ",";
    }
    scan.expect(close)?;
    Ok(numbers)
}

fn points(scan: &mut Scan<'_>, open: &str, close: &str) -> Result<Vec<Point>> {
    scan.expect(open)?;
    let mut points = vec![point(scan)?];
    while scan.take(",") {
        points.push(point(scan)?);
    }
    scan.expect(close)?;
    Ok(points)
}

/// Numbers between brackets, perhaps none, with blanks behind the commas or without.
fn list<T: core::str::FromStr>(scan: &mut Scan<'_>, open: &str, close: &str) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    scan.expect(open)?;
    while !scan.take(close) {
        if !numbers.is_empty() {
            scan.expect(",")?;
            scan.take(" ");
        }
        numbers.push(scan.value(&ENDS)?);
    }
    Ok(numbers)
}

/// Appends the binary form of a `cube` whose text this is.
pub(super) fn parse_cube(text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let first = list(&mut scan, "(", ")")?;
    let cube = if scan.take(",") {
        Cube::between(first, list(&mut scan, "(", ")")?).map_err(|_| no_such_value())?
    } else {
        Cube::point(first)
    };
    scan.end()?;
    cube.encode(Oid::UNSPECIFIED, out).map(|_: IsNull| ())
}

/// Appends the binary form of a `vector` whose text this is.
pub(super) fn parse_vector(text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let numbers = list(&mut scan, "[", "]")?;
    scan.end()?;
    Vector(numbers).encode(Oid::UNSPECIFIED, out).map(|_: IsNull| ())
}

/// Appends the binary form of a `halfvec` whose text this is.
pub(super) fn parse_half_vector(text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let numbers: Vec<f32> = list(&mut scan, "[", "]")?;
    scan.end()?;
    HalfVector::rounded(numbers)?.encode(Oid::UNSPECIFIED, out).map(|_: IsNull| ())
}

/// Appends the binary form of a `sparsevec` whose text this is: the places count from 1 there.
pub(super) fn parse_sparse_vector(text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let mut entries = Vec::new();
    scan.expect("{")?;
    while !scan.take("}") {
        if !entries.is_empty() {
            scan.expect(",")?;
        }
        let place: u32 = scan.value(&ENDS)?;
        scan.expect(":")?;
        let place = place.checked_sub(1).ok_or_else(no_such_value)?;
        entries.push((place, scan.value(&ENDS)?));
    }
    scan.expect("/")?;
    let vector = SparseVector::new(scan.value(&ENDS)?, entries)?;
    scan.end()?;
    vector.encode(Oid::UNSPECIFIED, out).map(|_: IsNull| ())
}
