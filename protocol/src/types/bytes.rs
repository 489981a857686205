//! `bytea`, and types of the server's own that are bytes to everybody else.
//!
//! Those are the statistics of `pg_statistic_ext_data` and the summaries of BRIN indexes, which can be read so; no server
//! takes a value of them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::fixed::{bytes_in_place, fixed};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl PgType for [u8] {
    const TYPE: Type = Type { oid: Oid::BYTEA, array: Oid::BYTEA_ARRAY, name: "bytea" };

    fn accepts(oid: Oid) -> bool {
        matches!(
            oid,
            Oid::BYTEA
                | Oid::PG_NDISTINCT
                | Oid::PG_DEPENDENCIES
                | Oid::PG_MCV_LIST
                | Oid::PG_BRIN_BLOOM_SUMMARY
                | Oid::PG_BRIN_MINMAX_MULTI_SUMMARY
        )
    }
}

impl ArrayElement for [u8] {}

impl Encode for [u8] {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_slice(self);
        Ok(IsNull::No)
    }

    #[inline]
    fn encode_sized(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_len32(self.len())?;
        out.put_slice(self);
        Ok(IsNull::No)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        bytes_in_place(self, place)
    }
}

impl PgType for Vec<u8> {
    const TYPE: Type = <[u8]>::TYPE;

    fn accepts(oid: Oid) -> bool {
        <[u8]>::accepts(oid)
    }
}

impl ArrayElement for Vec<u8> {}

impl Encode for Vec<u8> {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_slice().encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_slice().encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        self.as_slice().encode_in_place(place)
    }
}

impl<const N: usize> PgType for [u8; N] {
    const TYPE: Type = <[u8]>::TYPE;
}

impl<const N: usize> ArrayElement for [u8; N] {}

impl<const N: usize> Encode for [u8; N] {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_slice().encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_slice().encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        self.as_slice().encode_in_place(place)
    }
}

impl<'a, const N: usize> Decode<'a> for [u8; N] {
    /// Reads a `bytea` of exactly `N` bytes; any other length is an error.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        fixed(raw)
    }
}

impl<'a> Decode<'a> for &'a [u8] {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        Ok(raw)
    }
}

impl<'a> Decode<'a> for Cow<'a, [u8]> {
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        Ok(Cow::Borrowed(raw))
    }
}

macro_rules! owned {
    ($($rust:ty)*) => {$(
        impl<'a> Decode<'a> for $rust {
            #[inline]
            fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
                Ok(Self::from(raw))
            }
        }
    )*};
}

owned! { Vec<u8> Box<[u8]> Arc<[u8]> }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::types::proof::{decode, hex, is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::BYTEA, "", &Vec::<u8>::new());
        is_value(Oid::BYTEA, "00ff61", &vec![0, 255, b'a']);
        is_value(Oid::BYTEA, "00ff61", &[0, 255, b'a']);
        is_value(Oid::BYTEA, "00ff", &Box::<[u8]>::from([0, 255]));
        is_value(Oid::BYTEA, "00ff", &Arc::<[u8]>::from([0, 255]));
    }

    #[test]
    fn an_array_of_another_size_is_refused() {
        is_refused::<[u8; 3]>(Oid::BYTEA, "00ff", ErrorKind::Truncated);
        is_refused::<[u8; 3]>(Oid::BYTEA, "00ff6162", ErrorKind::TrailingBytes);
    }

    #[test]
    fn borrowed_bytes_are_not_copied() {
        let raw = hex("00ff");
        assert_eq!(decode::<&[u8]>(Oid::BYTEA, &raw).unwrap().as_ptr(), raw.as_ptr());
        assert!(matches!(decode(Oid::BYTEA, &raw), Ok(Cow::<[u8]>::Borrowed([0, 255]))));
    }

    #[test]
    fn text_is_no_bytea() {
        assert!(!Vec::<u8>::accepts(Oid::TEXT));
        assert!(!Vec::<u8>::accepts(Oid(16_384)));
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value: Vec<u8>, array: [u8; 7]) {
            round_trip(&value)?;
            round_trip(&array)?;
        }
    }
}
