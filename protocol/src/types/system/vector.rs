//! [`Int2Vector`] and [`OidVector`]: lists in system catalogues.
//!
//! Their binary form is that of an array of one dimension without NULLs whose lower bound is 0.

use core::fmt;
use core::ops::Deref;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::room::room;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Numbers of columns in a system catalogue, such as `pg_index.indkey`: `int2vector`.
///
/// The empty one can be read but not written: the server does not take it in binary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Int2Vector(pub Vec<i16>);

/// Object identifiers in a system catalogue, such as `pg_proc.proargtypes`: `oidvector`.
///
/// The empty one can be read but not written: the server does not take it in binary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OidVector(pub Vec<Oid>);

macro_rules! vectors {
    ($($rust:ident, $element:ty, $element_oid:ident, $oid:ident, $array:ident, $name:literal;)*) => {$(
        impl Deref for $rust {
            type Target = [$element];

            fn deref(&self) -> &[$element] {
                &self.0
            }
        }

        impl FromIterator<$element> for $rust {
            fn from_iter<I: IntoIterator<Item = $element>>(elements: I) -> Self {
                Self(elements.into_iter().collect())
            }
        }

        impl fmt::Display for $rust {
            /// Prints the elements with blanks between them, as the server does.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut blank = "";
                for element in &self.0 {
                    write!(f, "{blank}{element}")?;
                    blank = " ";
                }
                Ok(())
            }
        }

        impl PgType for $rust {
            const TYPE: Type = Type { oid: Oid::$oid, array: Oid::$array, name: $name };
        }

        impl ArrayElement for $rust {}

        impl Encode for $rust {
            /// Writes the elements.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`] when there are none.
            fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
                put_head(self.0.len(), Oid::$element_oid, out)?;
                for element in &self.0 {
                    let _never_null = element.encode_sized(Oid::$element_oid, out)?;
                }
                Ok(IsNull::No)
            }
        }

        impl<'a> Decode<'a> for $rust {
            fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
                let mut reader = Reader::new(raw);
                let count = head(&mut reader, Oid::$element_oid)?;
                let mut elements = Vec::with_capacity(room::<$element>(count, &reader));
                for _ in 0..count {
                    let Some(raw) = reader.value()? else {
                        return Err(reader.error(ErrorKind::InvalidValue, "a vector holds a NULL"));
                    };
                    elements.push(<$element>::decode(Oid::$element_oid, raw)?);
                }
                reader.end()?;
                Ok(Self(elements))
            }
        }
    )*};
}

vectors! {
    Int2Vector, i16, INT2, INT2VECTOR, INT2VECTOR_ARRAY, "int2vector";
    OidVector, Oid, OID, OIDVECTOR, OIDVECTOR_ARRAY, "oidvector";
}

fn put_head(count: usize, element: Oid, out: &mut Buffer) -> Result<()> {
    if count == 0 {
        return Err(Error::new(
            ErrorKind::OutOfRange,
            "PostgreSQL does not take an empty vector in binary",
        ));
    }
    out.put_i32(1);
    out.put_i32(0);
    out.put_u32(element.0);
    out.put_len32(count)?;
    out.put_i32(0);
    Ok(())
}

/// Reads what stands before the elements; returns how many there are, for which there are bytes.
fn head(reader: &mut Reader<'_>, element: Oid) -> Result<usize> {
    let (dimensions, flags) = (reader.i32()?, reader.i32()?);
    if !matches!((dimensions, flags), (0 | 1, 0)) {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "a vector has more than one dimension, or NULLs",
        ));
    }
    if reader.u32()? != element.0 {
        return Err(Error::new(ErrorKind::WrongType, "a vector has elements of another type"));
    }
    if dimensions == 0 {
        return Ok(0);
    }
    let at = *reader;
    let Ok(count) = usize::try_from(reader.i32()?) else {
        return Err(at.error(ErrorKind::InvalidLength, "a vector has a negative length"));
    };
    if reader.i32()? != 0 {
        return Err(at.error(ErrorKind::InvalidValue, "a vector has a lower bound other than 0"));
    }
    // Each element has at least its length: what is declared is believed as far as there are bytes for it.
    if count > reader.len() / LENGTH {
        return Err(at.error(
            ErrorKind::Truncated,
            "a vector has fewer bytes than its number of elements needs",
        ));
    }
    Ok(count)
}

/// Bytes of an element's length.
const LENGTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, hex, is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(
            Oid::INT2VECTOR,
            "00000001 00000000 00000015 00000002 00000000 00000002 0001 00000002 fffe",
            &Int2Vector(vec![1, -2]),
        );
        is_value(
            Oid::OIDVECTOR,
            "00000001 00000000 0000001a 00000001 00000000 00000004 00000017",
            &OidVector(vec![Oid::INT4]),
        );
        assert_eq!(Int2Vector(vec![1, -2]).to_string(), "1 -2");
    }

    #[test]
    fn the_empty_vector_is_read_and_not_written() {
        for text in ["00000001 00000000 00000015 00000000 00000000", "00000000 00000000 00000015"] {
            assert_eq!(decode(Oid::INT2VECTOR, &hex(text)), Ok(Int2Vector::default()));
        }
        let found = encode(Oid::INT2VECTOR, &Int2Vector::default()).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::OutOfRange));
    }

    #[test]
    fn bytes_that_are_no_vector_are_refused() {
        let element = "00000002 0001";
        for (text, kind) in [
            (String::new(), ErrorKind::Truncated),
            ("00000001 00000000 00000015 00000001".to_owned(), ErrorKind::Truncated),
            (
                format!("00000002 00000000 00000015 00000001 00000000 {element}"),
                ErrorKind::InvalidValue,
            ),
            (
                format!("ffffffff 00000000 00000015 00000001 00000000 {element}"),
                ErrorKind::InvalidValue,
            ),
            (
                format!("00000001 00000001 00000015 00000001 00000000 {element}"),
                ErrorKind::InvalidValue,
            ),
            (
                format!("00000001 00000000 0000001a 00000001 00000000 {element}"),
                ErrorKind::WrongType,
            ),
            (
                format!("00000001 00000000 00000015 ffffffff 00000000 {element}"),
                ErrorKind::InvalidLength,
            ),
            (
                format!("00000001 00000000 00000015 00000001 00000001 {element}"),
                ErrorKind::InvalidValue,
            ),
            (
                format!("00000001 00000000 00000015 00000002 00000000 {element}"),
                ErrorKind::Truncated,
            ),
            (
                format!("00000001 00000000 00000015 7fffffff 00000000 {element}"),
                ErrorKind::Truncated,
            ),
            (
                "00000001 00000000 00000015 00000001 00000000 ffffffff".to_owned(),
                ErrorKind::InvalidValue,
            ),
            (
                "00000001 00000000 00000015 00000001 00000000 00000001 00".to_owned(),
                ErrorKind::Truncated,
            ),
            (
                "00000001 00000000 00000015 00000001 00000000 fffffffe".to_owned(),
                ErrorKind::InvalidLength,
            ),
            (
                format!("00000001 00000000 00000015 00000001 00000000 {element} 00"),
                ErrorKind::TrailingBytes,
            ),
            ("00000000 00000000 00000015 00".to_owned(), ErrorKind::TrailingBytes),
        ] {
            is_refused::<Int2Vector>(Oid::INT2VECTOR, &text, kind);
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            numbers in prop::collection::vec(any::<i16>(), 1..20),
            oids in prop::collection::vec(any::<u32>().prop_map(Oid), 1..20),
        ) {
            round_trip(&Int2Vector(numbers))?;
            round_trip(&OidVector(oids))?;
        }

        #[test]
        fn hostile_bytes_are_survived(count in 1..4_i32, any: Vec<u8>, zero in 0..2_i32) {
            survives::<OidVector>(Oid::OIDVECTOR, &any)?;
            let mut raw = Vec::new();
            for field in [1, zero, 26, count, 0, 4] {
                raw.extend(field.to_be_bytes());
            }
            raw.extend(&any);
            survives::<OidVector>(Oid::OIDVECTOR, &raw)?;
        }
    }
}
