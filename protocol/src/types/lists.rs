//! Arrays of two to six dimensions as lists in lists.
//!
//! An array is the same form whatever its dimensions are, so that lists in lists are written and read level by level:
//! the innermost holds the elements, and all lists of a level have one length.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::{ArrayElement, element_of, nested_value};
use crate::types::catalog::Types;
use crate::types::dimensions::{Dimension, Dimensions, put_head, read_head};
use crate::types::nesting::Nesting;
use crate::types::room::room;
use crate::types::{Decode, Encode, IsNull, PgType, Type, nested_type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Lists in lists, `DEPTH` of them around each element, to be written.
trait WriteLists<const DEPTH: usize> {
    /// Adds how long the first list of each level is, the outermost first, down to one that has no first.
    fn measure(&self, dimensions: &mut Dimensions);

    /// Appends the elements, if every list is as long as the first of its level. Returns whether one of them is NULL.
    fn put(&self, element: Oid, dimensions: &[Dimension], out: &mut Buffer) -> Result<bool>;
}

/// Lists in lists, `DEPTH` of them around each element, to be read.
trait ReadLists<'a, const DEPTH: usize>: Default {
    /// Reads as many elements as the dimensions call for.
    fn take(reader: &mut Reader<'a>, element: Oid, dimensions: &[Dimension]) -> Result<Self>;
}

impl<T: Encode> WriteLists<1> for Vec<T> {
    fn measure(&self, dimensions: &mut Dimensions) {
        dimensions.push(length_of(self));
    }

    fn put(&self, element: Oid, dimensions: &[Dimension], out: &mut Buffer) -> Result<bool> {
        inner(self, dimensions)?;
        let mut has_null = false;
        for value in self {
            has_null |= value.encode_sized(element, out)? == IsNull::Yes;
        }
        Ok(has_null)
    }
}

impl<'a, T: Decode<'a>> ReadLists<'a, 1> for Vec<T> {
    fn take(reader: &mut Reader<'a>, element: Oid, dimensions: &[Dimension]) -> Result<Self> {
        fill(reader, dimensions, |reader, _| nested_value(reader, element))
    }
}

fn length_of<T>(list: &[T]) -> Dimension {
    Dimension::new(u32::try_from(list.len()).unwrap_or(u32::MAX))
}

/// The dimensions of what is in the list.
///
/// # Errors
/// [`ErrorKind::InvalidLength`] when the list is not as long as its level asks.
fn inner<'d, T>(list: &[T], dimensions: &'d [Dimension]) -> Result<&'d [Dimension]> {
    match dimensions.split_first() {
        Some((dimension, inner)) if *dimension == length_of(list) => Ok(inner),
        _ => Err(Error::new(
            ErrorKind::InvalidLength,
            "the lists of an array of several dimensions are not of one length",
        )),
    }
}

/// As many values as the outermost dimension calls for, each made of the others. [`read_head`] has seen that there are
/// bytes for all of them.
fn fill<'a, T>(
    reader: &mut Reader<'a>,
    dimensions: &[Dimension],
    mut make: impl FnMut(&mut Reader<'a>, &[Dimension]) -> Result<T>,
) -> Result<Vec<T>> {
    let Some((dimension, inner)) = dimensions.split_first() else { return Ok(Vec::new()) };
    let length = usize::try_from(dimension.length).unwrap_or(usize::MAX);
    let mut list = Vec::with_capacity(room::<T>(length, reader));
    for _ in 0..dimension.length {
        list.push(make(reader, inner)?);
    }
    Ok(list)
}

fn write<T: ArrayElement, const DEPTH: usize>(
    oid: Oid,
    lists: &impl WriteLists<DEPTH>,
    out: &mut Buffer,
) -> Result<IsNull> {
    let mut dimensions = Dimensions::new();
    lists.measure(&mut dimensions);
    if dimensions.first().is_some_and(|outermost| outermost.length == 0) {
        dimensions.clear();
    }
    let element = element_of::<T>(oid);
    let head = put_head(&dimensions, element, out)?;
    if !dimensions.is_empty() && lists.put(element, &dimensions, out)? {
        head.has_null(out)?;
    }
    Ok(IsNull::No)
}

fn read<'a, T: ArrayElement, L: ReadLists<'a, DEPTH>, const DEPTH: usize>(
    oid: Oid,
    raw: &'a [u8],
) -> Result<L> {
    let mut reader = Reader::new(raw);
    let (dimensions, element, _) = read_head(&mut reader)?;
    let element_type = nested_type::<T>(oid, element)?;
    let lists = if dimensions.is_empty() {
        L::default()
    } else if dimensions.len() != DEPTH {
        return Err(Error::new(ErrorKind::OutOfRange, "the array has other dimensions"));
    } else if dimensions.iter().any(|dimension| dimension.lower != 1) {
        return Err(Error::new(ErrorKind::OutOfRange, "the array has a lower bound other than 1"));
    } else {
        let _level = if element.is_user_defined() { Some(Nesting::enter()?) } else { None };
        L::take(&mut reader, element_type, &dimensions)?
    };
    reader.end()?;
    Ok(lists)
}

/// One line for each depth: lists around an element, how many, and how many are in the outermost.
macro_rules! lists {
    ($($lists:ty, $depth:literal, $inner:literal;)*) => { $(
        impl<L: WriteLists<$inner>> WriteLists<$depth> for Vec<L> {
            fn measure(&self, dimensions: &mut Dimensions) {
                dimensions.push(length_of(self));
                if let Some(first) = self.first() {
                    first.measure(dimensions);
                }
            }

            fn put(&self, element: Oid, dimensions: &[Dimension], out: &mut Buffer) -> Result<bool> {
                let dimensions = inner(self, dimensions)?;
                let mut has_null = false;
                for list in self {
                    has_null |= list.put(element, dimensions, out)?;
                }
                Ok(has_null)
            }
        }

        impl<'a, L: ReadLists<'a, $inner>> ReadLists<'a, $depth> for Vec<L> {
            fn take(reader: &mut Reader<'a>, element: Oid, dimensions: &[Dimension]) -> Result<Self> {
                fill(reader, dimensions, |reader, inner| L::take(reader, element, inner))
            }
        }

        impl<T: ArrayElement> PgType for $lists {
            const TYPE: Type = <[T]>::TYPE;

            fn accepts(oid: Oid) -> bool {
                <[T]>::accepts(oid)
            }

            fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
                <[T]>::fits(oid, types)
            }
        }

        impl<T: ArrayElement + Encode> Encode for $lists {
            /// Writes an array whose lower bounds are 1, of as many dimensions as there are lists in each other. The empty
            /// list is the empty array.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidLength`] when the lists of one level differ in their lengths, or lists with nothing in
            /// them lie in another; those of the elements.
            fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                write::<T, $depth>(oid, self, out)
            }
        }

        impl<'a, T: ArrayElement + Decode<'a>> Decode<'a> for $lists {
            /// Reads an array of no dimension, or of as many as there are lists in each other.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`] for another number of dimensions and for a lower bound other than 1;
            /// [`ErrorKind::WrongType`] for elements that are no `T`; [`ErrorKind::UnexpectedNull`] for a NULL where `T`
            /// is no [`Option`].
            fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
                read::<T, Self, $depth>(oid, raw)
            }
        }
    )* };
}

lists! {
    Vec<Vec<T>>, 2, 1;
    Vec<Vec<Vec<T>>>, 3, 2;
    Vec<Vec<Vec<Vec<T>>>>, 4, 3;
    Vec<Vec<Vec<Vec<Vec<T>>>>>, 5, 4;
    Vec<Vec<Vec<Vec<Vec<Vec<T>>>>>>, 6, 5;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::dimensions::Array;
    use crate::types::proof::{decode, encode, hex, is_refused, is_value, round_trip, survives};

    /// `'{{1,2},{3,NULL}}'`.
    const SQUARE: &str = "00000002 00000001 00000017 00000002 00000001 00000002 00000001
         00000004 00000001 00000004 00000002 00000004 00000003 ffffffff";

    #[test]
    fn known_bytes() {
        is_value(Oid::INT4_ARRAY, SQUARE, &vec![vec![Some(1), Some(2)], vec![Some(3), None]]);
        is_value(Oid::INT4_ARRAY, "00000000 00000000 00000017", &Vec::<Vec<i32>>::new());
        is_value(Oid::INT4_ARRAY, "00000000 00000000 00000017", &Vec::<Vec<Vec<i32>>>::new());
        is_value(
            Oid::TEXT_ARRAY,
            "00000003 00000000 00000019 00000001 00000001 00000002 00000001 00000001 00000001
             00000001 61 00000000",
            &vec![vec![vec!["a".to_owned()], vec![String::new()]]],
        );
        // Of bytes a list is one element.
        is_value(
            Oid::BYTEA_ARRAY,
            "00000002 00000000 00000011 00000001 00000001 00000001 00000001 00000002 ff01",
            &vec![vec![vec![0xff_u8, 1]]],
        );
        let deep = vec![vec![vec![vec![vec![vec![7_i64]]]]]];
        let same = Array::new([Dimension::new(1); 6], vec![7_i64]).unwrap();
        assert_eq!(encode(Oid::INT8_ARRAY, &deep), encode(Oid::INT8_ARRAY, &same));
    }

    #[test]
    fn the_type_is_that_of_the_array_whatever_its_dimensions() {
        assert_eq!(Vec::<Vec<i32>>::TYPE, Vec::<i32>::TYPE);
        assert_eq!(Vec::<Vec<Vec<Option<String>>>>::TYPE.name, "text[]");
        assert!(Vec::<Vec<i32>>::accepts(Oid::INT4_ARRAY));
        assert!(!Vec::<Vec<i32>>::accepts(Oid::INT8_ARRAY));
        assert_eq!(Vec::<Vec<Vec<u8>>>::TYPE.oid, Oid::BYTEA_ARRAY);
    }

    #[test]
    fn ragged_and_empty_lists_are_refused() {
        let cases =
            [vec![vec![1], vec![]], vec![vec![1], vec![2, 3]], vec![vec![]], vec![vec![], vec![]]];
        for ragged in cases {
            let error = encode(Oid::INT4_ARRAY, &ragged).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidLength, "{ragged:?}");
        }
        let deep = [
            vec![vec![vec![1], vec![2]], vec![vec![3]]],
            vec![vec![vec![1, 2]], vec![vec![3]]],
            vec![vec![], vec![vec![1]]],
            vec![vec![vec![1]], vec![]],
        ];
        for ragged in deep {
            let error = encode(Oid::INT4_ARRAY, &ragged).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidLength, "{ragged:?}");
        }
    }

    #[test]
    fn what_lists_can_not_hold_is_refused() {
        let one = "00000001 00000000 00000017 00000001 00000001 00000004 00000001";
        is_refused::<Vec<Vec<i32>>>(Oid::INT4_ARRAY, one, ErrorKind::OutOfRange);
        is_refused::<Vec<Vec<i32>>>(Oid::INT4_ARRAY, SQUARE, ErrorKind::UnexpectedNull);
        is_refused::<Vec<Vec<Vec<Option<i32>>>>>(Oid::INT4_ARRAY, SQUARE, ErrorKind::OutOfRange);
        // '[1:1][0:0]={{1}}'
        let moved =
            "00000002 00000000 00000017 00000001 00000001 00000001 00000000 00000004 00000001";
        is_refused::<Vec<Vec<i32>>>(Oid::INT4_ARRAY, moved, ErrorKind::OutOfRange);
        is_refused::<Vec<Vec<i32>>>(
            Oid::INT4_ARRAY,
            "00000002 00000000 00000014 00000001 00000001 00000001 00000001 00000004 00000001",
            ErrorKind::WrongType,
        );
        is_refused::<Vec<Vec<i32>>>(
            Oid::INT4_ARRAY,
            "00000002 00000000 00000017 00000002 00000001 00000000 00000001",
            ErrorKind::InvalidLength,
        );
        is_refused::<Vec<Vec<i32>>>(
            Oid::INT4_ARRAY,
            "00000002 00000000 00000017 7fffffff 00000000 7fffffff 00000000",
            ErrorKind::Truncated,
        );
        let long = [hex(SQUARE), vec![0]].concat();
        let error = decode::<Vec<Vec<Option<i32>>>>(Oid::INT4_ARRAY, &long).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TrailingBytes);
    }

    #[test]
    fn borrowed_elements_are_not_copied() {
        let raw = hex("00000002 00000000 00000019 00000001 00000001 00000001 00000001 00000001 61");
        let texts: Vec<Vec<&str>> = decode(Oid::TEXT_ARRAY, &raw).unwrap();
        assert_eq!(texts[0][0].as_ptr(), raw[32..].as_ptr());
    }

    proptest! {
        #[test]
        fn every_shape_comes_back(planes in 1_usize..4, rows in 1_usize..4, columns in 1_usize..4, seed: i64) {
            let value = |at: usize| (!at.is_multiple_of(3)).then(|| seed.wrapping_add(at as i64));
            let row = |from: usize| (from..from + columns).map(value).collect::<Vec<_>>();
            let plane = |from: usize| (from..from + rows).map(row).collect::<Vec<_>>();
            round_trip(&plane(0))?;
            let cube: Vec<_> = (0..planes).map(plane).collect();
            round_trip(&cube)?;
            // The same array as with its dimensions beside it.
            let dimensions = [planes, rows, columns].map(|length| Dimension::new(length as u32));
            let flat = cube.iter().flatten().flatten().copied().collect();
            let array = Array::new(dimensions, flat).unwrap();
            prop_assert_eq!(encode(Oid::INT8_ARRAY, &cube), encode(Oid::INT8_ARRAY, &array));
        }

        #[test]
        fn only_what_is_even_is_written(lists: Vec<Vec<i32>>) {
            let first = lists.first().map_or(1, Vec::len);
            let is_even = first > 0 && lists.iter().all(|list| list.len() == first);
            prop_assert_eq!(encode(Oid::INT4_ARRAY, &lists).is_ok(), is_even);
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>, lengths: [u8; 2], body: Vec<u8>) {
            survives::<Vec<Vec<Option<i32>>>>(Oid::INT4_ARRAY, &raw)?;
            let [outer, inner] = lengths.map(|length| length % 4);
            let head = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x17, 0, 0, 0, outer, 0, 0, 0, 1, 0, 0, 0, inner, 0, 0, 0, 1];
            let likely = [&head[..], &body].concat();
            survives::<Vec<Vec<Option<i32>>>>(Oid::INT4_ARRAY, &likely)?;
        }
    }
}
