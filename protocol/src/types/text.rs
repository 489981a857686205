//! `text` and the types that look like it.
//!
//! Text is read from `text`, `varchar`, `char(n)`, `name`, `refcursor`, from literals of no known type, and from those
//! types of a database's own whose binary form is their text: enums, `citext`, and domains over text. The bytes are checked:
//! what is not UTF-8 is an error, and for those other types a NUL too.
//!
//! A `char(n)` comes with the blanks at its end, and a `name` of more than 63 bytes is refused by the server.
//! `pg_node_tree` is read, but no server takes a value of it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::{TypeKind, Types};
use crate::types::fixed::bytes_in_place;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::nul::{holds_nul, zero_in};

impl PgType for str {
    const TYPE: Type = Type { oid: Oid::TEXT, array: Oid::TEXT_ARRAY, name: "text" };

    fn accepts(oid: Oid) -> bool {
        matches!(
            oid,
            Oid::TEXT
                | Oid::VARCHAR
                | Oid::BPCHAR
                | Oid::NAME
                | Oid::REFCURSOR
                | Oid::UNKNOWN
                | Oid::PG_NODE_TREE
        ) || oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        if !oid.is_user_defined() {
            return if Self::accepts(oid) { Ok(()) } else { types.domain::<Self>(oid) };
        }
        match types.get(oid)?.kind {
            TypeKind::Enum { .. } | TypeKind::Base { is_text: true } => Ok(()),
            _ => types.domain::<Self>(oid),
        }
    }
}

impl ArrayElement for str {}

impl Encode for str {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_slice(without_nul(self.as_bytes())?);
        Ok(IsNull::No)
    }

    #[inline(always)]
    fn encode_sized(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        put_sized(self.as_bytes(), out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        put_in_place(self.as_bytes(), place)
    }
}

impl<'a> Decode<'a> for &'a str {
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        if oid.is_user_defined() && holds_nul(raw) {
            return Err(not_text());
        }
        core::str::from_utf8(raw).map_err(not_utf8)
    }
}

impl PgType for String {
    const TYPE: Type = str::TYPE;

    fn accepts(oid: Oid) -> bool {
        str::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        str::fits(oid, types)
    }
}

impl ArrayElement for String {}

impl Encode for String {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_str().encode(oid, out)
    }

    #[inline(always)]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_str().encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        self.as_str().encode_in_place(place)
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        <&str>::decode(oid, raw).map(Cow::Borrowed)
    }
}

macro_rules! owned {
    ($($rust:ty)*) => {$(
        impl<'a> Decode<'a> for $rust {
            #[inline]
            fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
                <&str>::decode(oid, raw).map(Self::from)
            }
        }
    )*};
}

owned! { String Box<str> Arc<str> }

/// Appends text with its length in front. Most texts are short: their bytes are looked at and copied as two words, the first and
/// the last ones, which may overlap.
#[inline]
fn put_sized(text: &[u8], out: &mut Buffer) -> Result<IsNull> {
    let len = text.len();
    let bits = u32::try_from(len).unwrap_or(u32::MAX).wrapping_mul(8);
    if len > 16 {
        return put_long(text, out);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let second = last.unbounded_shr(128_u32.wrapping_sub(bits));
        if zero_in(first) | zero_in(last) == 0 && out.put_short(len, first, second) {
            return Ok(IsNull::No);
        }
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        let (first, last) = (u64::from(first), u64::from(last));
        let both = first | last.unbounded_shr(64_u32.wrapping_sub(bits)) << 32;
        if zero_in(first | last << 32) == 0 && out.put_short(len, both, 0) {
            return Ok(IsNull::No);
        }
    }
    put_long(text, out)
}

/// Apart, so that the way of a short text needs no stack.
#[inline(never)]
fn put_long(text: &[u8], out: &mut Buffer) -> Result<IsNull> {
    out.put_value(without_nul(text)?)?;
    Ok(IsNull::No)
}

/// Writes text with its length in front to the beginning of `place`. Most texts are short: of them the first and the last word are
/// written, which may overlap.
#[inline(always)]
fn put_in_place(text: &[u8], place: &mut [u8]) -> Option<usize> {
    let len = text.len();
    if len > LONGEST || place.len() < SHORT {
        return long_in_place(text, place);
    }
    let (length, body) = place.split_first_chunk_mut()?;
    let body: &mut [u8; LONGEST] = body.first_chunk_mut()?;
    // A length below 256 fits in the last of its four bytes.
    let [low, ..] = len.to_le_bytes();
    *length = u32::from(low).to_be_bytes();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let both = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        if zero_in(both.0) | zero_in(both.1) != 0 {
            return None;
        }
        *body.first_chunk_mut()? = *first;
        *body.get_mut(len.wrapping_sub(first.len())..)?.first_chunk_mut()? = *last;
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let both = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        if zero_in(u64::from(both.0) | u64::from(both.1) << 32) != 0 {
            return None;
        }
        *body.first_chunk_mut()? = *first;
        *body.get_mut(len.wrapping_sub(first.len())..)?.first_chunk_mut()? = *last;
    } else {
        for (byte, place) in text.iter().zip(body) {
            if *byte == 0 {
                return None;
            }
            *place = *byte;
        }
    }
    Some(len.wrapping_add(4))
}

/// Apart, so that the way of a short text is short.
#[inline(never)]
fn long_in_place(text: &[u8], place: &mut [u8]) -> Option<usize> {
    if holds_nul(text) { None } else { bytes_in_place(text, place) }
}

/// The longest text that is written as two words.
const LONGEST: usize = 16;
/// The same with its length.
const SHORT: usize = 4 + LONGEST;

#[inline]
fn without_nul(text: &[u8]) -> Result<&[u8]> {
    if holds_nul(text) { Err(nul()) } else { Ok(text) }
}

#[cold]
fn nul() -> Error {
    Error::new(ErrorKind::InvalidText, "text holds a NUL, which PostgreSQL can't store")
}

#[cold]
fn not_text() -> Error {
    Error::new(ErrorKind::InvalidText, "a value of a user-defined type is not text: it holds a NUL")
}

#[cold]
fn not_utf8(error: core::str::Utf8Error) -> Error {
    Error::new(ErrorKind::InvalidText, "text is not UTF-8")
        .at(u32::try_from(error.valid_up_to()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, hex, is_refused, is_value, round_trip, survives};
    use crate::wire::reader::Reader;

    const ENUM: Oid = Oid(16_390);

    #[test]
    fn known_bytes() {
        is_value(Oid::TEXT, "", &String::new());
        is_value(Oid::TEXT, "61c3a9f09f9880", &String::from("aé😀"));
        // char(4): the padding is part of the value, as the server sends it.
        is_value(Oid::BPCHAR, "61622020", &String::from("ab  "));
        is_value(Oid::VARCHAR, "6162", &Box::<str>::from("ab"));
        is_value(Oid::NAME, "6162", &Arc::<str>::from("ab"));
        is_value(Oid::UNKNOWN, "6162", &String::from("ab"));
        is_value(ENUM, "736164", &String::from("sad"));
    }

    #[test]
    fn borrowed_text_is_not_copied() {
        let raw = hex("6162");
        let text: &str = decode(Oid::TEXT, &raw).unwrap();
        assert_eq!(text.as_ptr(), raw.as_ptr());
        assert!(matches!(decode(Oid::TEXT, &raw), Ok(Cow::<str>::Borrowed("ab"))));
    }

    #[test]
    fn other_types_are_not_accepted() {
        for oid in [Oid::INT4, Oid::BYTEA, Oid::JSON, Oid::XML, Oid::TEXT_ARRAY, Oid::UNSPECIFIED] {
            assert!(!String::accepts(oid), "{oid}");
        }
        assert!(!String::accepts(Oid(16_383)));
        assert!(String::accepts(Oid(16_384)));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        is_refused::<String>(Oid::TEXT, "61ff", ErrorKind::InvalidText);
        is_refused::<String>(Oid::TEXT, "eda080", ErrorKind::InvalidText);
        is_refused::<String>(Oid::TEXT, "c0af", ErrorKind::InvalidText);
        let error = decode::<&str>(Oid::TEXT, &[b'a', b'b', 0xff]).unwrap_err();
        assert_eq!(error.offset(), 2);
        // hstore: a count, then lengths and texts.
        is_refused::<String>(ENUM, "0000000100000001610000000162", ErrorKind::InvalidText);
    }

    #[test]
    fn a_nul_is_not_written() {
        let refused = Err(ErrorKind::InvalidText);
        assert_eq!(encode(Oid::TEXT, "a\0b").map_err(|error| error.kind()), refused);
        assert_eq!(encode(ENUM, &String::from("\0")).map_err(|error| error.kind()), refused);
    }

    #[test]
    fn texts_of_every_length_are_written_the_same_everywhere() {
        let letters: String = ('a'..='z').collect();
        for len in 0..=20 {
            let text = &letters[..len];
            for place in [0, 4, 24, 200] {
                let mut out = Buffer::with_capacity(place);
                assert_eq!(text.encode_sized(Oid::TEXT, &mut out), Ok(IsNull::No));
                assert_eq!(Reader::new(out.as_slice()).value(), Ok(Some(text.as_bytes())));
                for at in 0..len {
                    let holed = format!("{}\0{}", &text[..at], &text[at + 1..]);
                    let refused = holed.as_str().encode_sized(Oid::TEXT, &mut out);
                    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InvalidText));
                }
                assert_eq!(out.len(), 4 + len, "nothing is appended then");
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "[^\0]*") {
            round_trip(&text)?;
            round_trip(&text.clone().into_boxed_str())?;
            round_trip(&Arc::<str>::from(text.as_str()))?;
            round_trip(&Some(text))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            let known = decode::<&str>(Oid::TEXT, &raw);
            prop_assert_eq!(known.ok(), std::str::from_utf8(&raw).ok());
            survives::<String>(ENUM, &raw)?;
        }
    }
}
