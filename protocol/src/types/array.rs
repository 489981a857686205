//! Arrays of one dimension.
//!
//! The binary form (`array_send` of the server's source): the number of dimensions, whether there are NULLs, the
//! element type; for each dimension its length and lower bound; then the elements, each with its length in front.

use core::marker::PhantomData;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::catalog::{TypeKind, Types};
use crate::types::nesting::Nesting;
use crate::types::room::room;
use crate::types::{Decode, Encode, IsNull, PgType, Type, nested_type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A type that can be the element of an array: `Vec<T>` then stands for the array over its PostgreSQL type.
///
/// Every type of this crate is one but `u8` and the arrays themselves: `Vec<u8>` is `bytea`, and PostgreSQL has no arrays of
/// arrays, only arrays of several dimensions, for which `Vec<Vec<T>>` stands. A type of your own becomes one with an empty
/// `impl`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the element of a PostgreSQL array",
    note = "a type of your own becomes an element by `impl ArrayElement for {Self} {{}}`"
)]
pub trait ArrayElement: PgType {}

impl<T: ArrayElement> ArrayElement for Option<T> {}
impl<T: ArrayElement + ?Sized> ArrayElement for &T {}

impl<T: ArrayElement> PgType for [T] {
    const TYPE: Type =
        Type { oid: T::TYPE.array, array: Oid::UNSPECIFIED, name: ArrayName::<T>::TEXT };

    /// Built-in arrays are known by the type of their elements. Of a type that the database numbers by itself only the
    /// value tells whether it is an array, and over what; so it is accepted where `T` accepts such types.
    fn accepts(oid: Oid) -> bool {
        match oid.element() {
            Some(element) => T::accepts(element),
            None => oid.is_user_defined() && T::accepts(oid),
        }
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        if let Some(element) = oid.element() {
            return T::fits(element, types);
        }
        match types.get(oid)?.kind {
            TypeKind::Array { element } => {
                types.nested::<Self>(oid, |types| T::fits(element, types))
            }
            _ => types.domain::<Self>(oid),
        }
    }
}

impl<T: ArrayElement> PgType for Vec<T> {
    const TYPE: Type = <[T]>::TYPE;

    fn accepts(oid: Oid) -> bool {
        <[T]>::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        <[T]>::fits(oid, types)
    }
}

impl<T: ArrayElement, const N: usize> PgType for [T; N] {
    const TYPE: Type = <[T]>::TYPE;

    fn accepts(oid: Oid) -> bool {
        <[T]>::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        <[T]>::fits(oid, types)
    }
}

impl<T: ArrayElement + Encode> Encode for [T] {
    /// Writes an array whose lower bound is 1.
    ///
    /// # Errors
    /// Those of the elements.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        put(element_of::<T>(oid), self.iter(), out)?;
        Ok(IsNull::No)
    }
}

impl<T: ArrayElement + Encode> Encode for Vec<T> {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_slice().encode(oid, out)
    }
}

impl<T: ArrayElement + Encode, const N: usize> Encode for [T; N] {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_slice().encode(oid, out)
    }
}

impl<'a, T: ArrayElement + Decode<'a>> Decode<'a> for Vec<T> {
    /// Reads an array of no or one dimension.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for more dimensions and for a lower bound other than 1, neither of which a `Vec` can
    /// hold; [`ErrorKind::WrongType`] for elements that are no `T`; [`ErrorKind::UnexpectedNull`] for a NULL where `T`
    /// is no [`Option`].
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let dimensions = reader.i32()?;
        let flags = reader.i32()?;
        let element = Oid(reader.u32()?);
        if !matches!(flags, 0 | 1) {
            return Err(Error::new(ErrorKind::InvalidValue, "an array has unknown flags"));
        }
        let element_type = nested_type::<T>(oid, element)?;
        match dimensions {
            0 => {
                reader.end()?;
                return Ok(Self::new());
            }
            1 => {}
            ..0 => {
                return Err(Error::new(
                    ErrorKind::InvalidLength,
                    "an array has a negative number of dimensions",
                ));
            }
            2.. => {
                return Err(Error::new(
                    ErrorKind::OutOfRange,
                    "the array has more than one dimension",
                ));
            }
        }
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "an array has a negative length"));
        };
        if reader.i32()? != 1 {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "the array has a lower bound other than 1",
            ));
        }
        // Each element has at least its length: what is declared is believed as far as there are bytes for it.
        if count > reader.len() / LENGTH {
            return Err(reader.error(
                ErrorKind::Truncated,
                "an array has fewer bytes than its number of elements needs",
            ));
        }
        // Elements that may hold arrays themselves could be nested without end.
        let _level = if element.is_user_defined() { Some(Nesting::enter()?) } else { None };
        let mut values = Self::with_capacity(room::<T>(count, &reader));
        for _ in 0..count {
            values.push(nested_value(&mut reader, element_type)?);
        }
        reader.end()?;
        Ok(values)
    }
}

/// The next value of `reader`, with its length in front. An error in it tells its place in the whole.
#[inline]
pub(crate) fn nested_value<'a, T: Decode<'a>>(reader: &mut Reader<'a>, oid: Oid) -> Result<T> {
    match reader.value()? {
        Some(raw) => T::decode(oid, raw).map_err(|error| {
            let length = u32::try_from(raw.len()).unwrap_or(u32::MAX);
            error.shifted(reader.offset().saturating_sub(length))
        }),
        None => T::decode_null().map_err(|error| error.shifted(reader.offset())),
    }
}

/// The type in whose form the elements of an array of the type `oid` are written.
///
/// Elements that the database numbers by itself are written with the number 0. The server (14 and later, `array_recv` of
/// its source) compares the number with its own only where both are built-in types, so that this can't pass for an array
/// over a built-in type.
pub(crate) fn element_of<T: PgType + ?Sized>(oid: Oid) -> Oid {
    oid.element().unwrap_or(T::TYPE.oid)
}

/// Appends an array of one dimension, whose lower bound is 1.
///
/// # Errors
/// Those of the elements, and [`ErrorKind::TooLarge`] for more than the protocol counts.
#[inline]
pub(super) fn put<T: Encode>(
    element: Oid,
    values: impl Iterator<Item = T>,
    out: &mut Buffer,
) -> Result<()> {
    let head = Head::put(element, out);
    // A guess at what the values take, so that the buffer grows once or twice and not for ever.
    out.reserve(values.size_hint().0.min(MOST_GUESSED).saturating_mul(USUAL));
    let (mut count, mut has_null) = (0_usize, false);
    for value in values {
        has_null |= value.encode_sized(element, out)? == IsNull::Yes;
        count = count.wrapping_add(1);
    }
    head.finish(count, has_null, out)
}

/// Where the head of an array begins, whose count and flag are filled in when all elements are there.
#[derive(Clone, Copy, Debug)]
struct Head {
    start: usize,
}

impl Head {
    fn put(element: Oid, out: &mut Buffer) -> Self {
        let start = out.len();
        out.put_i32(1);
        out.put_i32(0);
        out.put_u32(element.0);
        out.put_i32(0);
        out.put_i32(1);
        Self { start }
    }

    fn finish(self, count: usize, has_null: bool, out: &mut Buffer) -> Result<()> {
        if count == 0 {
            // The form of an empty array has no dimension, and so neither length nor bound.
            out.truncate(self.start.saturating_add(FLAGS_AT.saturating_add(8)));
            return out.patch(self.start, 0);
        }
        out.patch(self.start.saturating_add(COUNT_AT), count)?;
        out.patch(self.start.saturating_add(FLAGS_AT), usize::from(has_null))
    }
}

/// The SQL name of the array over `T`, made by the compiler.
struct ArrayName<T: ?Sized>(PhantomData<T>);

impl<T: PgType + ?Sized> ArrayName<T> {
    const BYTES: &[u8; NAME] = &{
        let name = T::TYPE.name.as_bytes();
        let mut bytes = [0; NAME];
        let (head, rest) = bytes.split_at_mut(name.len());
        head.copy_from_slice(name);
        rest.split_at_mut(SUFFIX.len()).0.copy_from_slice(SUFFIX.as_bytes());
        bytes
    };

    const TEXT: &'static str = {
        let (text, _) = Self::BYTES.split_at(T::TYPE.name.len().saturating_add(SUFFIX.len()));
        match core::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => T::TYPE.name,
        }
    };
}

const SUFFIX: &str = "[]";
/// Place for a schema and a type of 63 bytes each, every byte a quote that is doubled; a longer name does not compile.
const NAME: usize = 260;
const FLAGS_AT: usize = 4;
const COUNT_AT: usize = 12;
/// Bytes of an element's length.
const LENGTH: usize = 4;
/// Bytes of an element of eight bytes with its length.
const USUAL: usize = 12;
/// For how many elements at most place is made beforehand.
const MOST_GUESSED: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::params::Params;
    use crate::types::proof::{decode, encode, hex, is_refused, is_value, round_trip, survives};

    const ONE_TWO: &str =
        "00000001 00000000 00000017 00000002 00000001 00000004 00000001 00000004 00000002";

    /// A type of a user's: an enum whose number each database gives.
    #[derive(Debug, PartialEq)]
    struct Mood(String);

    impl PgType for Mood {
        const TYPE: Type =
            Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "\"app\".\"mood\"" };

        fn accepts(oid: Oid) -> bool {
            oid.is_user_defined()
        }
    }

    impl ArrayElement for Mood {}

    impl Encode for Mood {
        fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
            self.0.encode(oid, out)
        }
    }

    impl<'a> Decode<'a> for Mood {
        fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
            String::decode(oid, raw).map(Mood)
        }
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::INT4_ARRAY, "00000000 00000000 00000017", &Vec::<i32>::new());
        is_value(Oid::INT4_ARRAY, ONE_TWO, &vec![1_i32, 2]);
        is_value(Oid::INT4_ARRAY, ONE_TWO, &vec![Some(1_i32), Some(2)]);
        is_value(
            Oid::INT4_ARRAY,
            "00000001 00000001 00000017 00000002 00000001 00000004 00000001 ffffffff",
            &vec![Some(1_i32), None],
        );
        is_value(
            Oid::TEXT_ARRAY,
            "00000001 00000001 00000019 00000004 00000001
             00000001 61 00000000 ffffffff 00000002 c3a9",
            &["a", "", "\0", "é"].map(|text| (text != "\0").then(|| text.to_owned())).to_vec(),
        );
        is_value(
            Oid::BYTEA_ARRAY,
            "00000001 00000000 00000011 00000002 00000001 00000001 00 00000002 ff01",
            &vec![vec![0_u8], vec![0xff, 1]],
        );
        is_value(
            Oid::BOOL_ARRAY,
            "00000001 00000000 00000010 00000002 00000001 00000001 01 00000001 00",
            &vec![true, false],
        );
    }

    #[test]
    fn slices_and_arrays_are_written_alike() {
        let expected = Ok(hex(ONE_TWO));
        assert_eq!(encode(Oid::INT4_ARRAY, &[1_i32, 2]), expected);
        assert_eq!(encode(Oid::INT4_ARRAY, &[1_i32, 2][..]), expected);
        assert_eq!(encode(Oid::INT4_ARRAY, &&[&1_i32, &2][..]), expected);
        assert_eq!(encode(Oid::UNSPECIFIED, &vec![1_i32, 2]), expected);
    }

    #[test]
    fn names_and_numbers_follow_the_element() {
        assert_eq!(Vec::<i32>::TYPE.oid, Oid::INT4_ARRAY);
        assert_eq!(Vec::<i32>::TYPE.name, "int4[]");
        assert_eq!(<[Option<&str>]>::TYPE.name, "text[]");
        assert_eq!(Vec::<i8>::TYPE.name, "\"char\"[]");
        assert_eq!(Vec::<Vec<u8>>::TYPE.name, "bytea[]");
        assert_eq!(Vec::<Mood>::TYPE.name, "\"app\".\"mood\"[]");
        assert!(Vec::<String>::accepts(Oid::VARCHAR_ARRAY));
        assert!(!Vec::<String>::accepts(Oid::TEXT));
        assert!(!Vec::<String>::accepts(Oid::INT4_ARRAY));
        assert!(!Vec::<i32>::accepts(Oid(16_400)));
        assert!(Vec::<Mood>::accepts(Oid(16_400)));
    }

    #[test]
    fn elements_are_read_as_the_type_that_the_array_names() {
        let raw = hex("00000001 00000000 00000413 00000001 00000001 00000001 61");
        assert_eq!(decode::<Vec<&str>>(Oid::VARCHAR_ARRAY, &raw), Ok(vec!["a"]));
        is_refused::<Vec<i32>>(
            Oid::INT4_ARRAY,
            "00000001 00000000 00000014 00000001 00000001 00000004 00000001",
            ErrorKind::WrongType,
        );
    }

    #[test]
    fn borrowed_elements_are_not_copied() {
        let raw = hex("00000001 00000000 00000019 00000001 00000001 00000001 61");
        let texts: Vec<&str> = decode(Oid::TEXT_ARRAY, &raw).unwrap();
        assert_eq!(texts[0].as_ptr(), raw[24..].as_ptr());
    }

    #[test]
    fn what_a_vec_can_not_hold_is_refused() {
        let cases = [
            // '[0:1]={1,2}'
            (
                "00000001 00000000 00000017 00000002 00000000 00000004 00000001 00000004 00000002",
                ErrorKind::OutOfRange,
            ),
            // '{{1},{2}}'
            (
                "00000002 00000000 00000017 00000002 00000001 00000001 00000001
                 00000004 00000001 00000004 00000002",
                ErrorKind::OutOfRange,
            ),
            // '{1,NULL}'
            (
                "00000001 00000001 00000017 00000002 00000001 00000004 00000001 ffffffff",
                ErrorKind::UnexpectedNull,
            ),
        ];
        for (text, kind) in cases {
            is_refused::<Vec<i32>>(Oid::INT4_ARRAY, text, kind);
        }
    }

    #[test]
    fn bytes_that_are_no_array_are_refused() {
        let cases = [
            ("", ErrorKind::Truncated),
            ("00000000 00000000", ErrorKind::Truncated),
            ("00000000 00000000 00000017 00", ErrorKind::TrailingBytes),
            ("ffffffff 00000000 00000017", ErrorKind::InvalidLength),
            ("7fffffff 00000000 00000017", ErrorKind::OutOfRange),
            ("00000001 00000002 00000017 00000000 00000001", ErrorKind::InvalidValue),
            ("00000001 00000000 00000017 ffffffff 00000001", ErrorKind::InvalidLength),
            ("00000001 00000000 00000017 7fffffff 00000001", ErrorKind::Truncated),
            ("00000001 00000000 00000017 00000002 00000001 ffffffff", ErrorKind::Truncated),
            ("00000001 00000000 00000017 00000001 00000001 fffffffe", ErrorKind::InvalidLength),
            ("00000001 00000000 00000017 00000001 00000001 00000004 0000", ErrorKind::Truncated),
            ("00000001 00000000 00000017 00000001 00000001 00000000", ErrorKind::Truncated),
            (
                "00000001 00000000 00000017 00000001 00000001 00000004 00000001 00",
                ErrorKind::TrailingBytes,
            ),
        ];
        for (text, kind) in cases {
            is_refused::<Vec<i32>>(Oid::INT4_ARRAY, text, kind);
        }
    }

    #[test]
    fn a_failed_element_fails_the_array() {
        let values = ["a", "\0"];
        let encoded = encode(Oid::TEXT_ARRAY, &values);
        assert_eq!(encoded.map_err(|error| error.kind()), Err(ErrorKind::InvalidText));
        let mut params = Params::new();
        let pushed = params.push_array(Oid::TEXT_ARRAY, Oid::TEXT, values);
        assert_eq!(pushed.map_err(|error| error.kind()), Err(ErrorKind::InvalidText));
        assert_eq!((params.len(), params.as_slice()), (0, &[][..]));
    }

    #[test]
    fn elements_that_the_database_numbers_are_written_with_the_number_0() {
        let moods = [Mood("sad".into())];
        for oid in [Oid::UNSPECIFIED, Oid(16_400)] {
            let raw = hex("00000001 00000000 00000000 00000001 00000001 00000003 736164");
            assert_eq!(encode(oid, &moods), Ok(raw));
        }
        // The array over a type whose form is text.
        assert_eq!(encode(Oid(16_400), &["text"]), encode(Oid::TEXT_ARRAY, &["text"]));
        let raw = pushed(Oid(16_400), Oid(16_399), &moods);
        assert_eq!(raw, hex("00000001 00000000 0000400f 00000001 00000001 00000003 736164"));
        assert_eq!(decode::<Vec<Mood>>(Oid(16_400), &raw), Ok(moods.into()));
    }

    fn pushed<T: Encode>(array: Oid, element: Oid, values: &[T]) -> Vec<u8> {
        let mut params = Params::new();
        params.push(&7_i32).unwrap();
        params.push_array(array, element, values).unwrap();
        assert_eq!(params.types(), [Oid::INT4, array]);
        let mut reader = Reader::new(params.as_slice());
        assert_eq!(reader.value(), Ok(Some(&[0, 0, 0, 7][..])));
        let value = reader.value().unwrap().unwrap().to_vec();
        assert_eq!(reader.end(), Ok(()));
        value
    }

    proptest! {
        #[test]
        fn every_array_comes_back(
            numbers: Vec<Option<i64>>,
            texts in proptest::collection::vec("[^\0]{0,40}", 0..20),
            bytes: Vec<Vec<u8>>,
        ) {
            round_trip(&numbers)?;
            round_trip(&texts)?;
            round_trip(&bytes)?;
        }

        #[test]
        fn what_is_pushed_is_what_the_vec_writes(values: Vec<Option<i64>>) {
            let written = pushed(Oid::INT8_ARRAY, Oid::INT8, &values);
            prop_assert_eq!(written, encode(Oid::INT8_ARRAY, &values).unwrap());
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>, body: Vec<u8>, count in -2..9_i32) {
            survives::<Vec<i32>>(Oid::INT4_ARRAY, &raw)?;
            // Past the head, which random bytes hardly ever get right.
            let mut array = hex("00000001 00000000 00000019");
            array.extend(count.to_be_bytes());
            array.extend(1_i32.to_be_bytes());
            array.extend(body);
            survives::<Vec<Option<String>>>(Oid::TEXT_ARRAY, &array)?;
        }

        #[test]
        fn one_changed_byte_is_survived(
            values: Vec<Option<i32>>,
            at: proptest::sample::Index,
            byte: u8,
        ) {
            let mut raw = encode(Oid::INT4_ARRAY, &values).unwrap();
            let at = at.index(raw.len());
            raw[at] = byte;
            survives::<Vec<Option<i32>>>(Oid::INT4_ARRAY, &raw)?;
        }
    }
}
