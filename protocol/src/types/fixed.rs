//! Values that always have the same size.

use crate::error::{Error, ErrorKind, Result};
use crate::types::IsNull;
use crate::wire::buffer::Buffer;

/// All of `raw`, which must have exactly `N` bytes.
///
/// # Errors
/// [`ErrorKind::Truncated`] for fewer bytes, [`ErrorKind::TrailingBytes`] for more.
#[inline]
pub(crate) fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N]> {
    match <[u8; N]>::try_from(raw) {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(wrong_size::<N>(raw)),
    }
}

/// Appends the value, without its length.
#[inline]
pub(crate) fn put<const N: usize>(value: [u8; N], out: &mut Buffer) -> IsNull {
    out.put_slice(&value);
    IsNull::No
}

/// Appends the value with its length in front, both at once.
#[inline]
pub(crate) fn put_sized<const N: usize>(value: [u8; N], out: &mut Buffer) -> IsNull {
    const { assert!(N <= LARGEST) };
    let mut bytes = [0; LENGTH + LARGEST];
    // A length below 256 fits in the last of its four bytes. All of this is decided by the compiler.
    if let [_, _, _, length, place @ ..] = &mut bytes
        && let Some(place) = place.first_chunk_mut()
    {
        [.., *length] = N.to_be_bytes();
        *place = value;
    }
    out.put_slice(bytes.get(..LENGTH.saturating_add(N)).unwrap_or(&bytes));
    IsNull::No
}

/// Writes the value with its length in front to the beginning of `place`, if there is place for it; returns how many bytes it took.
#[inline(always)]
pub(crate) fn put_in_place<const N: usize>(value: [u8; N], place: &mut [u8]) -> Option<usize> {
    const { assert!(N <= LARGEST) };
    let size = LENGTH.saturating_add(N);
    // Asked for both at once: the compiler then knows the answers to the questions below.
    if place.len() < size {
        return None;
    }
    let (length, place) = place.split_first_chunk_mut()?;
    let [.., low] = N.to_be_bytes();
    *length = [0, 0, 0, low];
    *place.first_chunk_mut()? = value;
    Some(size)
}

/// Writes bytes with their length in front to the beginning of `place`, as [`put_in_place`] writes those of a known size.
#[inline]
pub(crate) fn bytes_in_place(value: &[u8], place: &mut [u8]) -> Option<usize> {
    let (length, place) = place.split_first_chunk_mut()?;
    place.get_mut(..value.len())?.copy_from_slice(value);
    *length = i32::try_from(value.len()).ok()?.to_be_bytes();
    value.len().checked_add(LENGTH)
}

/// Writes a NULL to the beginning of `place`, as [`put_in_place`] writes a value.
#[inline(always)]
pub(crate) fn null_in_place(place: &mut [u8]) -> Option<usize> {
    *place.first_chunk_mut()? = NULL;
    Some(NULL.len())
}

#[cold]
fn wrong_size<const N: usize>(raw: &[u8]) -> Error {
    let at = u32::try_from(raw.len().min(N)).unwrap_or(u32::MAX);
    if raw.len() < N {
        Error::new(ErrorKind::Truncated, "the value has fewer bytes than its type").at(at)
    } else {
        Error::new(ErrorKind::TrailingBytes, "the value has more bytes than its type").at(at)
    }
}

/// The length that stands for NULL.
const NULL: [u8; LENGTH] = [0xff; LENGTH];
/// Bytes of a length.
const LENGTH: usize = 4;
/// Bytes of the largest value of fixed size, a `uuid`.
const LARGEST: usize = 16;

/// Writes a type by its bytes, which are always as many: `Type, |value| bytes`, where the bytes may end in an error.
macro_rules! encode_fixed {
    ($(#[$doc:meta])* $rust:ty, |$value:ident| $bytes:expr) => {
        impl crate::types::Encode for $rust {
            $(#[$doc])*
            #[inline]
            fn encode(&self, _: crate::oid::Oid, out: &mut crate::wire::buffer::Buffer) -> crate::error::Result<crate::types::IsNull> {
                let $value = self;
                Ok(crate::types::fixed::put($bytes, out))
            }

            #[inline]
            fn encode_sized(&self, _: crate::oid::Oid, out: &mut crate::wire::buffer::Buffer) -> crate::error::Result<crate::types::IsNull> {
                let $value = self;
                Ok(crate::types::fixed::put_sized($bytes, out))
            }

            #[inline(always)]
            fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
                let $value = self;
                let bytes = || -> crate::error::Result<_> { Ok($bytes) };
                crate::types::fixed::put_in_place(bytes().ok()?, place)
            }
        }
    };
}
pub(crate) use encode_fixed;

/// Types whose binary form is their own bytes, most significant first.
macro_rules! big_endian {
    ($($rust:ty, $oid:ident, $array:ident, $name:literal;)*) => {$(
        impl crate::types::PgType for $rust {
            const TYPE: crate::types::Type = crate::types::Type { oid: crate::oid::Oid::$oid, array: crate::oid::Oid::$array, name: $name };
        }

        impl crate::types::array::ArrayElement for $rust {}

        crate::types::fixed::encode_fixed! { $rust, |value| value.to_be_bytes() }

        impl<'a> crate::types::Decode<'a> for $rust {
            #[inline]
            fn decode(_: crate::oid::Oid, raw: &'a [u8]) -> crate::error::Result<Self> {
                Ok(Self::from_be_bytes(crate::types::fixed::fixed(raw)?))
            }
        }
    )*};
}
pub(super) use big_endian;
