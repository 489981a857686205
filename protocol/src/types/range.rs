//! Ranges over every subtype, built-in or not.
//!
//! The binary form (`range_send` of the server's source): a byte of flags, then the bounds that are there, each with its
//! length in front. No type is named in it.

use core::fmt;
use core::ops::{self, Bound};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::{ArrayElement, nested_value};
use crate::types::catalog::{TypeKind, Types};
use crate::types::numeric::Numeric;
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::or_infinity::OrInfinity;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};
use crate::types::times::timetz::TimeTz;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

use flags::{EMPTY, LOWER_INCLUDED, LOWER_UNBOUNDED, UPPER_INCLUDED, UPPER_UNBOUNDED};

/// What the first byte of a range tells.
pub(crate) mod flags {
    pub(crate) const EMPTY: u8 = 0x01;
    pub(crate) const LOWER_INCLUDED: u8 = 0x02;
    pub(crate) const UPPER_INCLUDED: u8 = 0x04;
    pub(crate) const LOWER_UNBOUNDED: u8 = 0x08;
    pub(crate) const UPPER_UNBOUNDED: u8 = 0x10;
}

/// A type that can be the bound of a range: `Range<T>` then stands for the range over its PostgreSQL type.
///
/// `i32`, `i64`, and the types that stand for `numeric`, `date`, `timestamp` and `timestamptz` have ranges that are
/// built in. A type of your own, or one whose range you made (`create type .. as range`), becomes a bound with an empty
/// `impl`; the newtype of such a range gets its name by `#[derive(PgDomain)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the bound of a PostgreSQL range",
    note = "a type of your own becomes a bound by `impl RangeElement for {Self} {{}}`"
)]
pub trait RangeElement: PgType {}

macro_rules! bounds {
    ($($rust:ty)*) => {$(impl RangeElement for $rust {})*};
}

bounds! { i16 i32 i64 f32 f64 String }
bounds! { Numeric Date Time TimeTz Timestamp TimestampTz Interval }

impl<T: RangeElement> RangeElement for OrInfinity<T> where Self: PgType {}

#[cfg(feature = "rust_decimal")]
bounds! { rust_decimal::Decimal }
#[cfg(feature = "bigdecimal")]
bounds! { bigdecimal::BigDecimal }
#[cfg(feature = "time")]
bounds! { time::Date time::Time time::PrimitiveDateTime time::OffsetDateTime }
#[cfg(feature = "jiff")]
bounds! { jiff::civil::Date jiff::civil::Time jiff::civil::DateTime jiff::Timestamp }
#[cfg(feature = "uuid")]
bounds! { uuid::Uuid }
#[cfg(feature = "chrono")]
bounds! { chrono::NaiveDate chrono::NaiveTime chrono::NaiveDateTime }

#[cfg(feature = "chrono")]
impl<Z: chrono::TimeZone> RangeElement for chrono::DateTime<Z> where Self: PgType {}

/// A range of values (manual: "Range Types").
///
/// Two ranges are equal when they are written alike: `[1,9]` and `[1,10)` hold the same whole numbers, and only the server
/// turns one into the other.
///
/// ```
/// use stellata_protocol::Range;
/// let room = Range::from(10..20);
/// assert!(room.contains(&10) && !room.contains(&20));
/// assert_eq!(room.to_string(), "[10,20)");
/// assert_eq!(Range::from(..=5).to_string(), "(,5]");
/// assert_eq!(Range::<i32>::empty().to_string(), "empty");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range<T> {
    /// The bounds; `None` for the empty range.
    bounds: Option<(Bound<T>, Bound<T>)>,
}

impl<T> Range<T> {
    /// The range between two bounds. The server refuses a lower bound above the upper one.
    #[must_use]
    pub const fn new(lower: Bound<T>, upper: Bound<T>) -> Self {
        Self { bounds: Some((lower, upper)) }
    }

    /// The range that holds nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { bounds: None }
    }

    /// Whether it is the range that holds nothing. A range like `(1,2)` is not said to be empty before the server found
    /// out.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bounds.is_none()
    }

    /// The lower bound; `None` for the empty range.
    #[must_use]
    pub fn lower(&self) -> Option<Bound<&T>> {
        self.bounds.as_ref().map(|(lower, _)| lower.as_ref())
    }

    /// The upper bound; `None` for the empty range.
    #[must_use]
    pub fn upper(&self) -> Option<Bound<&T>> {
        self.bounds.as_ref().map(|(_, upper)| upper.as_ref())
    }

    /// The bounds by value; `None` for the empty range.
    #[must_use]
    pub fn into_bounds(self) -> Option<(Bound<T>, Bound<T>)> {
        self.bounds
    }

    /// Whether it holds a value.
    #[must_use]
    pub fn contains(&self, value: &T) -> bool
    where
        T: PartialOrd,
    {
        self.bounds.as_ref().is_some_and(|bounds| {
            ops::RangeBounds::contains(&(bounds.0.as_ref(), bounds.1.as_ref()), value)
        })
    }
}

impl<T> From<ops::Range<T>> for Range<T> {
    fn from(range: ops::Range<T>) -> Self {
        Self::new(Bound::Included(range.start), Bound::Excluded(range.end))
    }
}

impl<T> From<ops::RangeInclusive<T>> for Range<T> {
    fn from(range: ops::RangeInclusive<T>) -> Self {
        let (start, end) = range.into_inner();
        Self::new(Bound::Included(start), Bound::Included(end))
    }
}

impl<T> From<ops::RangeFrom<T>> for Range<T> {
    fn from(range: ops::RangeFrom<T>) -> Self {
        Self::new(Bound::Included(range.start), Bound::Unbounded)
    }
}

impl<T> From<ops::RangeTo<T>> for Range<T> {
    fn from(range: ops::RangeTo<T>) -> Self {
        Self::new(Bound::Unbounded, Bound::Excluded(range.end))
    }
}

impl<T> From<ops::RangeToInclusive<T>> for Range<T> {
    fn from(range: ops::RangeToInclusive<T>) -> Self {
        Self::new(Bound::Unbounded, Bound::Included(range.end))
    }
}

impl<T> From<ops::RangeFull> for Range<T> {
    fn from(_: ops::RangeFull) -> Self {
        Self::new(Bound::Unbounded, Bound::Unbounded)
    }
}

impl<T> TryFrom<Range<T>> for ops::Range<T> {
    type Error = Range<T>;

    /// A range `[a,b)`, which is how the server gives back ranges of whole numbers and days; any other comes back as it is.
    fn try_from(range: Range<T>) -> Result<Self, Range<T>> {
        match range.bounds {
            Some((Bound::Included(start), Bound::Excluded(end))) => Ok(start..end),
            bounds => Err(Range { bounds }),
        }
    }
}

/// As the server prints it, where the values print as it prints them.
impl<T: fmt::Display> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((lower, upper)) = &self.bounds else { return f.write_str("empty") };
        match lower {
            Bound::Included(value) => write!(f, "[{}", Quoted(value))?,
            Bound::Excluded(value) => write!(f, "({}", Quoted(value))?,
            Bound::Unbounded => f.write_str("(")?,
        }
        match upper {
            Bound::Included(value) => write!(f, ",{}]", Quoted(value)),
            Bound::Excluded(value) => write!(f, ",{})", Quoted(value)),
            Bound::Unbounded => f.write_str(",)"),
        }
    }
}

/// A bound, in quotes where the server puts it in quotes (`range_bound_escape` of its source).
struct Quoted<'v, T>(&'v T);

impl<T: fmt::Display> fmt::Display for Quoted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let special = |letter: char| {
            matches!(letter, '"' | '\\' | '(' | ')' | '[' | ']' | ',' | '\u{b}')
                || letter.is_ascii_whitespace()
        };
        if !text.is_empty() && !text.contains(special) {
            return f.write_str(&text);
        }
        f.write_str("\"")?;
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                write!(f, "{letter}")?;
            }
            write!(f, "{letter}")?;
        }
        f.write_str("\"")
    }
}

/// The built-in range over a type, the one over ranges of it, and their names.
pub(crate) const fn range_over(subtype: Oid) -> Type {
    let (oid, array, name) = match subtype {
        Oid::INT4 => (Oid::INT4RANGE, Oid::INT4RANGE_ARRAY, "int4range"),
        Oid::INT8 => (Oid::INT8RANGE, Oid::INT8RANGE_ARRAY, "int8range"),
        Oid::NUMERIC => (Oid::NUMRANGE, Oid::NUMRANGE_ARRAY, "numrange"),
        Oid::DATE => (Oid::DATERANGE, Oid::DATERANGE_ARRAY, "daterange"),
        Oid::TIMESTAMP => (Oid::TSRANGE, Oid::TSRANGE_ARRAY, "tsrange"),
        Oid::TIMESTAMPTZ => (Oid::TSTZRANGE, Oid::TSTZRANGE_ARRAY, "tstzrange"),
        // Each database names and numbers its own.
        _ => (Oid::UNSPECIFIED, Oid::UNSPECIFIED, "anyrange"),
    };
    Type { oid, array, name }
}

/// The type of the bounds of a built-in range.
pub(crate) const fn subtype(range: Oid) -> Option<Oid> {
    match range {
        Oid::INT4RANGE => Some(Oid::INT4),
        Oid::INT8RANGE => Some(Oid::INT8),
        Oid::NUMRANGE => Some(Oid::NUMERIC),
        Oid::DATERANGE => Some(Oid::DATE),
        Oid::TSRANGE => Some(Oid::TIMESTAMP),
        Oid::TSTZRANGE => Some(Oid::TIMESTAMPTZ),
        _ => None,
    }
}

impl<T: RangeElement> PgType for Range<T> {
    const TYPE: Type = range_over(T::TYPE.oid);

    /// The value does not tell what it is a range over. So of the types that the database numbers by itself only those
    /// are read that [`PgType::fits`] was asked for.
    fn accepts(oid: Oid) -> bool {
        match subtype(oid) {
            Some(subtype) => T::accepts(subtype),
            None => oid.is_user_defined(),
        }
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        if let Some(subtype) = subtype(oid) {
            return T::fits(subtype, types);
        }
        match types.get(oid)?.kind {
            TypeKind::Range { subtype } => {
                types.nested::<Self>(oid, |types| T::fits(subtype, types))
            }
            _ => types.domain::<Self>(oid),
        }
    }
}

impl<T: RangeElement> ArrayElement for Range<T> {}

impl<T: RangeElement + Encode> Encode for Range<T> {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        let subtype = subtype(oid).unwrap_or(T::TYPE.oid);
        let Some((lower, upper)) = &self.bounds else {
            out.put_u8(EMPTY);
            return Ok(IsNull::No);
        };
        let lower_flag = match lower {
            Bound::Included(_) => LOWER_INCLUDED,
            Bound::Excluded(_) => 0,
            Bound::Unbounded => LOWER_UNBOUNDED,
        };
        let upper_flag = match upper {
            Bound::Included(_) => UPPER_INCLUDED,
            Bound::Excluded(_) => 0,
            Bound::Unbounded => UPPER_UNBOUNDED,
        };
        out.put_u8(lower_flag | upper_flag);
        for bound in [lower, upper] {
            if let Bound::Included(value) | Bound::Excluded(value) = bound
                && value.encode_sized(subtype, out)? == IsNull::Yes
            {
                return Err(Error::new(ErrorKind::InvalidValue, "a bound of a range is NULL"));
            }
        }
        Ok(IsNull::No)
    }
}

impl<'a, T: RangeElement + Decode<'a>> Decode<'a> for Range<T> {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let subtype = match subtype(oid) {
            Some(subtype) if T::accepts(subtype) => subtype,
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::WrongType,
                    "the range has bounds of another type",
                ));
            }
            None => T::TYPE.oid,
        };
        let mut reader = Reader::new(raw);
        let flags = reader.u8()?;
        if flags == EMPTY {
            reader.end()?;
            return Ok(Self::empty());
        }
        let mut bound = |unbounded: u8, included: u8| -> Result<Bound<T>> {
            match (flags & unbounded > 0, flags & included > 0) {
                (true, true) => Err(unknown_flags()),
                (true, false) => Ok(Bound::Unbounded),
                (false, true) => nested_value(&mut reader, subtype).map(Bound::Included),
                (false, false) => nested_value(&mut reader, subtype).map(Bound::Excluded),
            }
        };
        if flags & !(LOWER_INCLUDED | UPPER_INCLUDED | LOWER_UNBOUNDED | UPPER_UNBOUNDED) > 0 {
            return Err(unknown_flags());
        }
        let lower = bound(LOWER_UNBOUNDED, LOWER_INCLUDED)?;
        let upper = bound(UPPER_UNBOUNDED, UPPER_INCLUDED)?;
        reader.end()?;
        Ok(Self::new(lower, upper))
    }
}

#[cold]
fn unknown_flags() -> Error {
    Error::new(ErrorKind::InvalidValue, "a range has unknown flags")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(Oid::INT4RANGE, "02 00000004 00000001 00000004 0000000a", &Range::from(1..10));
        is_value(Oid::INT4RANGE, "06 00000004 00000001 00000004 0000000a", &Range::from(1..=10));
        is_value(Oid::INT4RANGE, "01", &Range::<i32>::empty());
        is_value(Oid::INT4RANGE, "18", &Range::<i32>::from(..));
        is_value(Oid::INT8RANGE, "12 00000008 0000000000000001", &Range::from(1_i64..));
        is_value(Oid::INT4RANGE, "08 00000004 00000001", &Range::from(..1));
        is_value(Oid::INT4RANGE, "0c 00000004 00000001", &Range::from(..=1));
        let open = Range::new(Bound::Excluded(1), Bound::Unbounded);
        is_value(Oid::INT4RANGE, "10 00000004 00000001", &open);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("0100", ErrorKind::TrailingBytes),
            ("03", ErrorKind::InvalidValue),
            ("0a", ErrorKind::InvalidValue),
            ("1c", ErrorKind::InvalidValue),
            ("20", ErrorKind::InvalidValue),
            ("80", ErrorKind::InvalidValue),
            ("1800", ErrorKind::TrailingBytes),
            ("02 00000004 00000001", ErrorKind::Truncated),
            ("12 ffffffff", ErrorKind::UnexpectedNull),
            ("12 00000002 0001", ErrorKind::Truncated),
            ("12 7fffffff 0001", ErrorKind::Truncated),
        ] {
            is_refused::<Range<i32>>(Oid::INT4RANGE, text, kind);
        }
        assert!(!Range::<i32>::accepts(Oid::INT8RANGE));
        assert!(!Range::<i32>::accepts(Oid::INT4));
    }

    #[test]
    fn bounds_are_quoted_as_the_server_does() {
        let text = |lower: &str| Range::from(lower.to_owned()..).to_string();
        assert_eq!(text("a"), "[a,)");
        assert_eq!(text(""), "[\"\",)");
        assert_eq!(text("a b"), "[\"a b\",)");
        assert_eq!(text("a\"\\"), "[\"a\"\"\\\\\",)");
    }

    #[test]
    fn ranges_become_those_of_rust_and_back() {
        assert_eq!(ops::Range::try_from(Range::from(1..2)), Ok(1..2));
        assert_eq!(ops::Range::try_from(Range::from(1..=2)), Err(Range::from(1..=2)));
        assert!(ops::Range::<i32>::try_from(Range::empty()).is_err());
    }

    fn bound(kind: u8, value: i64) -> Bound<i64> {
        match kind % 3 {
            0 => Bound::Included(value),
            1 => Bound::Excluded(value),
            _ => Bound::Unbounded,
        }
    }

    proptest! {
        #[test]
        fn every_range_comes_back(kinds: (u8, u8), lower: i64, upper: i64) {
            round_trip(&Range::new(bound(kinds.0, lower), bound(kinds.1, upper)))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            survives::<Range<i32>>(Oid::INT4RANGE, &raw)?;
            survives::<Range<i32>>(Oid(20_000), &raw)?;
        }
    }
}
