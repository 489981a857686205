//! Values of any type as the bytes they are, for types that no Rust type stands for.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// A value of any type: its number and its binary form, where they were read.
///
/// What the number means, a connection tells (`Connection::user_type`).
///
/// ```
/// use stellata_protocol::{Decode, Oid, Raw};
/// let raw = Raw::decode(Oid::INT4, &[0, 0, 0, 7]).unwrap();
/// assert_eq!((raw.oid, raw.bytes), (Oid::INT4, &[0, 0, 0, 7][..]));
/// assert_eq!(raw.get::<i32>(), Ok(7));
/// assert!(raw.get::<String>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Raw<'a> {
    /// The type.
    pub oid: Oid,
    /// The value in the type's binary form.
    pub bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Reads the value as a Rust type that stands for its type.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for another type; what [`Decode::decode`] returns.
    pub fn get<T: Decode<'a>>(&self) -> Result<T> {
        if T::accepts(self.oid) {
            T::decode(self.oid, self.bytes)
        } else {
            Err(Error::new(ErrorKind::WrongType, "the value is of another type"))
        }
    }

    /// A copy that owns its bytes.
    #[must_use]
    pub fn to_owned(&self) -> RawBuf {
        RawBuf { oid: self.oid, bytes: self.bytes.to_vec() }
    }
}

/// A value of any type: its number and its binary form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawBuf {
    /// The type.
    pub oid: Oid,
    /// The value in the type's binary form.
    pub bytes: Vec<u8>,
}

impl RawBuf {
    /// The value, borrowed.
    #[must_use]
    pub fn as_raw(&self) -> Raw<'_> {
        Raw { oid: self.oid, bytes: &self.bytes }
    }
}

const ANY: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "any" };

macro_rules! any {
    ($($rust:ty)*) => {$(
        impl PgType for $rust {
            /// No type: as a parameter its type is the one that the server infers. `Params::push_as` names one.
            const TYPE: Type = ANY;

            fn accepts(_: Oid) -> bool {
                true
            }

            fn fits(_: Oid, _: &mut Types<'_>) -> Result<()> {
                Ok(())
            }
        }

        impl ArrayElement for $rust {}

        impl Encode for $rust {
            /// Appends the bytes as they are.
            ///
            /// # Errors
            /// [`ErrorKind::WrongType`] when they are of another type than is asked for.
            fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                if oid != self.oid && oid != Oid::UNSPECIFIED && self.oid != Oid::UNSPECIFIED {
                    return Err(Error::new(ErrorKind::WrongType, "the bytes are of another type"));
                }
                out.put_slice(self.bytes.as_ref());
                Ok(IsNull::No)
            }
        }
    )*};
}

any! { Raw<'_> RawBuf }

impl<'a> Decode<'a> for Raw<'a> {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        Ok(Self { oid, bytes: raw })
    }
}

impl<'a> Decode<'a> for RawBuf {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        Ok(Self { oid, bytes: raw.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::proof::{decode, encode, is_value};

    #[test]
    fn bytes_go_through_unchanged() {
        is_value(Oid(54_321), "00ff", &RawBuf { oid: Oid(54_321), bytes: vec![0, 0xff] });
        let bytes = [1, 2];
        let raw: Raw<'_> = decode(Oid::INT4, &bytes).unwrap();
        assert_eq!(raw.bytes.as_ptr(), bytes.as_ptr());
        assert_eq!(raw.to_owned().as_raw(), raw);
        assert_eq!(encode(Oid::UNSPECIFIED, &raw), Ok(vec![1, 2]));
        assert_eq!(encode(Oid::INT8, &raw).map_err(|it| it.kind()), Err(ErrorKind::WrongType));
    }
}
