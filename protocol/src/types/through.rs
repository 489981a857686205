//! Types that are written and read through another Rust type, one that holds all of the PostgreSQL type.

/// Makes codecs of the conversions: `TryFrom` both ways, which say what is refused.
macro_rules! through {
    ($($rust:ty as $whole:ty;)*) => {$(
        impl crate::types::PgType for $rust {
            const TYPE: crate::types::Type = <$whole as crate::types::PgType>::TYPE;
        }

        impl crate::types::array::ArrayElement for $rust {}

        impl crate::types::Encode for $rust {
            /// # Errors
            /// Those of the conversion to the type that it is written as.
            #[inline]
            fn encode(&self, oid: crate::oid::Oid, out: &mut crate::wire::buffer::Buffer) -> crate::error::Result<crate::types::IsNull> {
                <$whole>::try_from(*self)?.encode(oid, out)
            }

            #[inline]
            fn encode_sized(&self, oid: crate::oid::Oid, out: &mut crate::wire::buffer::Buffer) -> crate::error::Result<crate::types::IsNull> {
                <$whole>::try_from(*self)?.encode_sized(oid, out)
            }
        }

        impl<'a> crate::types::Decode<'a> for $rust {
            /// # Errors
            /// Those of the type that it is read as, and those of the conversion from it.
            #[inline]
            fn decode(oid: crate::oid::Oid, raw: &'a [u8]) -> crate::error::Result<Self> {
                <$whole as crate::types::Decode>::decode(oid, raw)?.try_into()
            }
        }
    )*};
}
pub(super) use through;
