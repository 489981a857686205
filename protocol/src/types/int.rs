//! `int2`, `int4`, `int8`, `oid` and `"char"`.

use crate::error::Result;
use crate::oid::Oid;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

macro_rules! integers {
    ($($rust:ty, $oid:ident, $array:ident, $name:literal;)*) => {$(
        impl PgType for $rust {
            const TYPE: Type = Type { oid: Oid::$oid, array: Oid::$array, name: $name };
        }

        impl Encode for $rust {
            #[inline]
            fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
                out.put_slice(&self.to_be_bytes());
                Ok(IsNull::No)
            }
        }

        impl<'a> Decode<'a> for $rust {
            #[inline]
            fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
                let mut reader = Reader::new(raw);
                let value = Self::from_be_bytes(reader.array()?);
                reader.end()?;
                Ok(value)
            }
        }
    )*};
}

integers! {
    i8, CHAR, CHAR_ARRAY, "\"char\"";
    i16, INT2, INT2_ARRAY, "int2";
    i32, INT4, INT4_ARRAY, "int4";
    i64, INT8, INT8_ARRAY, "int8";
    u32, OID, OID_ARRAY, "oid";
}
