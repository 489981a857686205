//! Values behind a pointer are written as what they point at.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::{Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

macro_rules! pointers {
    ($($pointer:ident)*) => {$(
        impl<T: PgType + ?Sized> PgType for $pointer<T> {
            const TYPE: Type = T::TYPE;
            const NULLABLE: bool = T::NULLABLE;

            fn accepts(oid: Oid) -> bool {
                T::accepts(oid)
            }

            fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
                T::fits(oid, types)
            }
        }

        impl<T: ArrayElement + ?Sized> ArrayElement for $pointer<T> {}

        impl<T: Encode + ?Sized> Encode for $pointer<T> {
            #[inline]
            fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                (**self).encode(oid, out)
            }

            #[inline]
            fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                (**self).encode_sized(oid, out)
            }

            #[inline(always)]
            fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
                (**self).encode_in_place(place)
            }
        }
    )*};
}

pointers! { Box Arc }

impl<T: PgType + ToOwned + ?Sized> PgType for Cow<'_, T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = T::NULLABLE;

    fn accepts(oid: Oid) -> bool {
        T::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        T::fits(oid, types)
    }
}

impl<T: ArrayElement + ToOwned + ?Sized> ArrayElement for Cow<'_, T> {}

impl<T: Encode + ToOwned + ?Sized> Encode for Cow<'_, T> {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        (**self).encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        (**self).encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        (**self).encode_in_place(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::proof::encode;

    #[test]
    fn the_pointer_leaves_no_trace() {
        assert_eq!(encode(Oid::INT4, &Box::new(7_i32)), encode(Oid::INT4, &7_i32));
        assert_eq!(encode(Oid::TEXT, &Arc::<str>::from("a")), encode(Oid::TEXT, "a"));
        assert_eq!(encode(Oid::TEXT, &Cow::Borrowed("a")), encode(Oid::TEXT, "a"));
        assert_eq!(<Box<Option<i32>>>::TYPE, i32::TYPE);
        const { assert!(<Box<Option<i32>>>::NULLABLE) };
    }
}
