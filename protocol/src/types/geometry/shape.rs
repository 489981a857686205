//! What all shapes share: a shape is written and read number by number.

/// Codecs of types that have `write(&self, &mut Buffer) -> Result<()>` and `read(&mut Reader) -> Result<Self>`.
macro_rules! shapes {
    ($($rust:ty, $oid:ident, $array:ident, $name:literal;)*) => {$(
        impl crate::types::PgType for $rust {
            const TYPE: crate::types::Type = crate::types::Type { oid: crate::oid::Oid::$oid, array: crate::oid::Oid::$array, name: $name };
        }

        impl crate::types::array::ArrayElement for $rust {}

        impl crate::types::Encode for $rust {
            #[inline]
            fn encode(&self, _: crate::oid::Oid, out: &mut crate::wire::buffer::Buffer) -> crate::error::Result<crate::types::IsNull> {
                self.write(out)?;
                Ok(crate::types::IsNull::No)
            }
        }

        impl<'a> crate::types::Decode<'a> for $rust {
            #[inline]
            fn decode(_: crate::oid::Oid, raw: &'a [u8]) -> crate::error::Result<Self> {
                let mut reader = crate::wire::reader::Reader::new(raw);
                let shape = Self::read(&mut reader)?;
                reader.end()?;
                Ok(shape)
            }
        }
    )*};
}
pub(super) use shapes;
