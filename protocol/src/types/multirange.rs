//! Multiranges: a count, then each range with its length in front (`multirange_send` of the server's source).

use core::fmt;
use core::ops::Deref;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::{ArrayElement, nested_value};
use crate::types::catalog::{TypeKind, Types};
use crate::types::range::{Range, RangeElement};
use crate::types::room::room;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A list of ranges (manual: "Range Types"). The server keeps them in order, apart from each other, and leaves out the empty
/// ones; what is written here may be in any order.
///
/// ```
/// use stellata_protocol::{Multirange, Range};
/// let free = Multirange::from_iter([Range::from(1..3), Range::from(7..)]);
/// assert!(free.holds(&2) && !free.holds(&3));
/// assert_eq!(free.to_string(), "{[1,3),[7,)}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Multirange<T>(Vec<Range<T>>);

impl<T> Multirange<T> {
    /// No range.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The ranges.
    #[must_use]
    pub fn into_ranges(self) -> Vec<Range<T>> {
        self.0
    }

    /// Whether one of the ranges holds a value.
    #[must_use]
    pub fn holds(&self, value: &T) -> bool
    where
        T: PartialOrd,
    {
        self.0.iter().any(|range| range.contains(value))
    }
}

impl<T> Default for Multirange<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Multirange<T> {
    type Target = [Range<T>];

    fn deref(&self) -> &[Range<T>] {
        &self.0
    }
}

impl<T> From<Vec<Range<T>>> for Multirange<T> {
    fn from(ranges: Vec<Range<T>>) -> Self {
        Self(ranges)
    }
}

impl<T> FromIterator<Range<T>> for Multirange<T> {
    fn from_iter<I: IntoIterator<Item = Range<T>>>(ranges: I) -> Self {
        Self(ranges.into_iter().collect())
    }
}

impl<T> IntoIterator for Multirange<T> {
    type Item = Range<T>;
    type IntoIter = std::vec::IntoIter<Range<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As the server prints it, where the values print as it prints them.
impl<T: fmt::Display> fmt::Display for Multirange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            range.fmt(f)?;
        }
        f.write_str("}")
    }
}

/// The built-in multirange over a type.
const fn multirange_over(subtype: Oid) -> Type {
    let (oid, array, name) = match subtype {
        Oid::INT4 => (Oid::INT4MULTIRANGE, Oid::INT4MULTIRANGE_ARRAY, "int4multirange"),
        Oid::INT8 => (Oid::INT8MULTIRANGE, Oid::INT8MULTIRANGE_ARRAY, "int8multirange"),
        Oid::NUMERIC => (Oid::NUMMULTIRANGE, Oid::NUMMULTIRANGE_ARRAY, "nummultirange"),
        Oid::DATE => (Oid::DATEMULTIRANGE, Oid::DATEMULTIRANGE_ARRAY, "datemultirange"),
        Oid::TIMESTAMP => (Oid::TSMULTIRANGE, Oid::TSMULTIRANGE_ARRAY, "tsmultirange"),
        Oid::TIMESTAMPTZ => (Oid::TSTZMULTIRANGE, Oid::TSTZMULTIRANGE_ARRAY, "tstzmultirange"),
        _ => (Oid::UNSPECIFIED, Oid::UNSPECIFIED, "anymultirange"),
    };
    Type { oid, array, name }
}

/// The range that a built-in multirange is made of.
pub(crate) const fn range_of(multirange: Oid) -> Option<Oid> {
    match multirange {
        Oid::INT4MULTIRANGE => Some(Oid::INT4RANGE),
        Oid::INT8MULTIRANGE => Some(Oid::INT8RANGE),
        Oid::NUMMULTIRANGE => Some(Oid::NUMRANGE),
        Oid::DATEMULTIRANGE => Some(Oid::DATERANGE),
        Oid::TSMULTIRANGE => Some(Oid::TSRANGE),
        Oid::TSTZMULTIRANGE => Some(Oid::TSTZRANGE),
        _ => None,
    }
}

impl<T: RangeElement> PgType for Multirange<T> {
    const TYPE: Type = multirange_over(T::TYPE.oid);

    fn accepts(oid: Oid) -> bool {
        match range_of(oid) {
            Some(range) => Range::<T>::accepts(range),
            None => oid.is_user_defined(),
        }
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        if let Some(range) = range_of(oid) {
            return Range::<T>::fits(range, types);
        }
        match types.get(oid)?.kind {
            TypeKind::Multirange { range } => {
                types.nested::<Self>(oid, |types| Range::<T>::fits(range, types))
            }
            _ => types.domain::<Self>(oid),
        }
    }
}

impl<T: RangeElement> ArrayElement for Multirange<T> {}

impl<T: RangeElement + Encode> Encode for Multirange<T> {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        let range = range_of(oid).unwrap_or(Range::<T>::TYPE.oid);
        out.put_len32(self.0.len())?;
        for value in &self.0 {
            let _: IsNull = value.encode_sized(range, out)?;
        }
        Ok(IsNull::No)
    }
}

impl<'a, T: RangeElement + Decode<'a>> Decode<'a> for Multirange<T> {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        /// Bytes of a range's length.
        const LENGTH: usize = 4;
        let range = range_of(oid).unwrap_or(Oid::UNSPECIFIED);
        let mut reader = Reader::new(raw);
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "a multirange has a negative count"));
        };
        if count > reader.len() / LENGTH {
            return Err(
                reader.error(ErrorKind::Truncated, "a multirange has fewer bytes than ranges")
            );
        }
        let mut ranges = Vec::with_capacity(room::<Range<T>>(count, &reader));
        for _ in 0..count {
            ranges.push(nested_value::<Range<T>>(&mut reader, range)?);
        }
        reader.end()?;
        Ok(Self(ranges))
    }
}

impl<T> TryFrom<Multirange<T>> for Range<T> {
    type Error = Error;

    /// The one range of a multirange, the empty one where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for several.
    fn try_from(multirange: Multirange<T>) -> Result<Self> {
        let mut ranges = multirange.into_iter();
        match (ranges.next(), ranges.next()) {
            (None, _) => Ok(Self::empty()),
            (Some(range), None) => Ok(range),
            (Some(_), Some(_)) => {
                Err(Error::new(ErrorKind::OutOfRange, "the multirange has several ranges"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(Oid::INT4MULTIRANGE, "00000000", &Multirange::<i32>::new());
        is_value(
            Oid::INT4MULTIRANGE,
            "00000002 00000011 02 00000004 00000001 00000004 00000003
             00000009 12 00000004 00000007",
            &Multirange::from_iter([Range::from(1..3), Range::from(7..)]),
        );
    }

    #[test]
    fn what_is_no_multirange_is_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("ffffffff", ErrorKind::InvalidLength),
            ("7fffffff", ErrorKind::Truncated),
            ("00000001 ffffffff", ErrorKind::UnexpectedNull),
            ("00000001 00000001 40", ErrorKind::InvalidValue),
            ("00000000 00", ErrorKind::TrailingBytes),
        ] {
            is_refused::<Multirange<i32>>(Oid::INT4MULTIRANGE, text, kind);
        }
    }

    proptest! {
        #[test]
        fn every_multirange_comes_back(bounds: Vec<(i32, i32)>) {
            round_trip(&Multirange::from_iter(
                bounds.into_iter().map(|(lower, upper)| Range::from(lower..upper)),
            ))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            survives::<Multirange<i32>>(Oid::INT4MULTIRANGE, &raw)?;
        }
    }
}
