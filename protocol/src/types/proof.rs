//! What the tests of all codecs share: known bytes, round trips, hostile bytes.

use core::fmt::Debug;

use proptest::prelude::*;

use crate::error::{ErrorKind, Result};
use crate::oid::Oid;
use crate::types::{Decode, Encode, IsNull};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Bytes from their hexadecimal digits; blanks may stand between them.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| u8::try_from(character.to_digit(16).unwrap()).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits");
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

/// The value in `raw`, as a row would give it.
pub(crate) fn decode<'a, T: Decode<'a>>(oid: Oid, raw: &'a [u8]) -> Result<T> {
    assert!(T::accepts(oid), "{} does not accept {oid}", core::any::type_name::<T>());
    T::decode(oid, raw)
}

/// The bytes of a value that is not NULL.
pub(crate) fn encode<T: Encode + ?Sized>(oid: Oid, value: &T) -> Result<Vec<u8>> {
    let mut out = Buffer::new();
    let done = value.encode(oid, &mut out);
    let mut sized = Buffer::new();
    assert_eq!(value.encode_sized(oid, &mut sized), done, "with and without its length");
    if done.is_err() {
        assert!(sized.is_empty(), "a value that failed left bytes");
    }
    if oid == T::TYPE.oid {
        in_place(value, done.is_ok().then_some(sized.as_slice()));
    }
    assert_eq!(done?, IsNull::No);
    assert_eq!(Reader::new(sized.as_slice()).value(), Ok(Some(out.as_slice())));
    Ok(out.as_slice().to_vec())
}

/// What is written to a place of any size is what is appended, or nothing.
fn in_place<T: Encode + ?Sized>(value: &T, appended: Option<&[u8]>) {
    let longest = appended.map_or(40, <[u8]>::len);
    for size in [longest + 40, longest, longest.saturating_sub(1), longest / 2, 3, 0] {
        let mut place = vec![0xa5; size];
        if let Some(count) = value.encode_in_place(&mut place) {
            assert_eq!(place.get(..count), appended, "in a place of {size} bytes");
        }
    }
}

/// `text` is the one form of `value`, both ways.
#[track_caller]
pub(crate) fn is_value<T>(oid: Oid, text: &str, value: &T)
where
    T: Encode + for<'a> Decode<'a> + PartialEq + Debug,
{
    let bytes = hex(text);
    assert_eq!(decode::<T>(oid, &bytes).as_ref(), Ok(value), "reading {text}");
    assert_eq!(encode(oid, value), Ok(bytes), "writing {value:?}");
}

/// `text` is refused.
#[track_caller]
pub(crate) fn is_refused<T: for<'a> Decode<'a> + Debug>(oid: Oid, text: &str, kind: ErrorKind) {
    let found = decode::<T>(oid, &hex(text)).map_err(|error| error.kind());
    match found {
        Err(found) => assert_eq!(found, kind, "reading {text}"),
        Ok(value) => panic!("{text} was read as {value:?}"),
    }
}

/// What is written of `value` is read back as the same value, and no shorter or longer form of it is taken for it.
pub(crate) fn round_trip<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Encode + for<'a> Decode<'a> + PartialEq + Debug,
{
    let oid = T::TYPE.oid;
    let bytes = encode(oid, value).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let read = decode::<T>(oid, &bytes);
    prop_assert_eq!(read.as_ref(), Ok(value));
    Ok(())
}

/// Reading hostile bytes as a `T` ends in a value or an error, never in a panic; a value that was read can be written.
pub(crate) fn survives<T>(oid: Oid, raw: &[u8]) -> Result<(), TestCaseError>
where
    T: Encode + for<'a> Decode<'a> + Debug,
{
    if let Ok(value) = decode::<T>(oid, raw) {
        let written = encode(oid, &value);
        prop_assert!(written.is_ok(), "{:?} was read and can't be written: {:?}", value, written);
    }
    Ok(())
}
