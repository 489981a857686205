//! Arrays of any dimension with their lower bounds: owned ([`Array`]), and left where they were read ([`ArrayRef`]).

use core::iter::FusedIterator;
use core::marker::PhantomData;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::{ArrayElement, element_of, nested_value};
use crate::types::catalog::Types;
use crate::types::nesting::Nesting;
use crate::types::room::room;
use crate::types::{Decode, Encode, IsNull, PgType, Type, nested_type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The dimensions that the server allows at most (`MAXDIM` of its source).
const MOST_DIMENSIONS: usize = 6;
/// Bytes of an element's length.
const LENGTH: usize = 4;

/// One dimension of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dimension {
    /// How many elements it has, 1 at least.
    pub length: u32,
    /// The subscript of the first of them; 1 unless said otherwise.
    pub lower: i32,
}

impl Dimension {
    /// A dimension that begins at 1.
    #[must_use]
    pub const fn new(length: u32) -> Self {
        Self { length, lower: 1 }
    }

    /// The subscript of its last element.
    #[must_use]
    pub fn upper(self) -> i32 {
        let last = i64::from(self.lower).saturating_add(i64::from(self.length)).saturating_sub(1);
        i32::try_from(last).unwrap_or(i32::MAX)
    }
}

/// The dimensions of an array, the outermost first.
pub(super) type Dimensions = SmallVec<[Dimension; 2]>;

/// An array of up to six dimensions, each with a lower bound of its own (manual: "Arrays").
///
/// ```
/// use stellata_protocol::{Array, Dimension};
/// let board = Array::new([Dimension::new(2), Dimension::new(3)], vec![1, 2, 3, 4, 5, 6]).unwrap();
/// assert_eq!(board.get(&[2, 1]), Some(&4));
/// assert_eq!(board.get(&[3, 1]), None);
/// assert_eq!(Array::from(vec![1, 2]).dimensions(), [Dimension::new(2)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Array<T> {
    dimensions: Dimensions,
    elements: Vec<T>,
}

impl<T> Array<T> {
    /// An array of these dimensions, the outermost first, with its elements in storage order: the last subscript runs
    /// fastest. The array without elements has no dimensions.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] when the dimensions call for another number of elements, or one of them is empty;
    /// [`ErrorKind::OutOfRange`] for more than six dimensions, and for subscripts above 2 147 483 646.
    pub fn new(dimensions: impl IntoIterator<Item = Dimension>, elements: Vec<T>) -> Result<Self> {
        let dimensions: Dimensions =
            dimensions.into_iter().take(MOST_DIMENSIONS.saturating_add(1)).collect();
        if count(&dimensions)? == elements.len() {
            Ok(Self { dimensions, elements })
        } else {
            Err(Error::new(
                ErrorKind::InvalidLength,
                "the dimensions of an array call for another number of elements",
            ))
        }
    }

    /// An array without elements.
    #[must_use]
    pub fn empty() -> Self {
        Self { dimensions: Dimensions::new(), elements: Vec::new() }
    }

    /// The dimensions, the outermost first; none for the array without elements.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The elements in storage order.
    #[must_use]
    pub fn elements(&self) -> &[T] {
        &self.elements
    }

    /// The elements in storage order, to change.
    pub fn elements_mut(&mut self) -> &mut [T] {
        &mut self.elements
    }

    /// The elements in storage order, by value.
    #[must_use]
    pub fn into_elements(self) -> Vec<T> {
        self.elements
    }

    /// The element at the given subscripts, one for each dimension, as SQL counts them.
    #[must_use]
    pub fn get(&self, subscripts: &[i32]) -> Option<&T> {
        self.elements.get(place(&self.dimensions, subscripts)?)
    }

    /// The elements in storage order.
    pub fn iter(&self) -> core::slice::Iter<'_, T> {
        self.elements.iter()
    }
}

impl<T> Default for Array<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> From<Vec<T>> for Array<T> {
    /// The array of one dimension, from 1. (What no array can hold, 2 147 483 648 elements, is refused when it is
    /// written.)
    fn from(elements: Vec<T>) -> Self {
        let length = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        let dimensions = (length > 0).then(|| Dimension::new(length)).into_iter().collect();
        Self { dimensions, elements }
    }
}

impl<T> IntoIterator for Array<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.into_iter()
    }
}

impl<'s, T> IntoIterator for &'s Array<T> {
    type Item = &'s T;
    type IntoIter = core::slice::Iter<'s, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.iter()
    }
}

/// How many elements the dimensions call for.
fn count(dimensions: &[Dimension]) -> Result<usize> {
    if dimensions.is_empty() {
        return Ok(0);
    }
    if dimensions.len() > MOST_DIMENSIONS {
        return Err(Error::new(ErrorKind::OutOfRange, "an array has more than six dimensions"));
    }
    let mut count = 1_usize;
    for dimension in dimensions {
        if dimension.length == 0 {
            return Err(Error::new(ErrorKind::InvalidLength, "a dimension of an array is empty"));
        }
        // As the server has it: the subscript behind the last one must be a number too.
        let behind = i64::from(dimension.lower).saturating_add(i64::from(dimension.length));
        if i32::try_from(behind).is_err() {
            return Err(Error::new(ErrorKind::OutOfRange, "a subscript of an array is too large"));
        }
        let length = usize::try_from(dimension.length).unwrap_or(usize::MAX);
        count = count.saturating_mul(length);
    }
    Ok(count)
}

/// Where the element at these subscripts is stored.
fn place(dimensions: &[Dimension], subscripts: &[i32]) -> Option<usize> {
    if dimensions.len() != subscripts.len() || dimensions.is_empty() {
        return None;
    }
    let mut place = 0_usize;
    for (dimension, subscript) in dimensions.iter().zip(subscripts) {
        let offset = i64::from(*subscript).checked_sub(i64::from(dimension.lower))?;
        let offset = u32::try_from(offset).ok().filter(|offset| *offset < dimension.length)?;
        place = place
            .checked_mul(usize::try_from(dimension.length).ok()?)?
            .checked_add(usize::try_from(offset).ok()?)?;
    }
    Some(place)
}

/// An array's head, of which it is not known yet whether NULLs follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    flags: usize,
}

/// Appends an array's head: its dimensions and its element type.
///
/// # Errors
/// [`ErrorKind::InvalidLength`] for an empty dimension, [`ErrorKind::OutOfRange`] for subscripts that are too large.
pub(super) fn put_head(dimensions: &[Dimension], element: Oid, out: &mut Buffer) -> Result<Head> {
    count(dimensions)?;
    out.put_len32(dimensions.len())?;
    let flags = out.len();
    out.put_i32(0);
    out.put_u32(element.0);
    for dimension in dimensions {
        out.put_u32(dimension.length);
        out.put_i32(dimension.lower);
    }
    Ok(Head { flags })
}

impl Head {
    /// Notes that there is a NULL among the elements.
    pub(super) fn has_null(self, out: &mut Buffer) -> Result<()> {
        out.patch(self.flags, 1)
    }
}

/// An array's head: its dimensions, its element type, how many elements there are.
///
/// # Errors
/// Any of bytes that are no head, and [`ErrorKind::Truncated`] when there are not even the lengths of its elements.
pub(super) fn read_head(reader: &mut Reader<'_>) -> Result<(Dimensions, Oid, usize)> {
    let declared = reader.i32()?;
    let flags = reader.i32()?;
    let element = Oid(reader.u32()?);
    if !matches!(flags, 0 | 1) {
        return Err(Error::new(ErrorKind::InvalidValue, "an array has unknown flags"));
    }
    let Ok(declared) = usize::try_from(declared) else {
        return Err(Error::new(
            ErrorKind::InvalidLength,
            "an array has a negative number of dimensions",
        ));
    };
    if declared > MOST_DIMENSIONS {
        return Err(Error::new(ErrorKind::OutOfRange, "an array has more than six dimensions"));
    }
    let mut dimensions = Dimensions::new();
    for _ in 0..declared {
        let Ok(length) = u32::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "an array has a negative length"));
        };
        dimensions.push(Dimension { length, lower: reader.i32()? });
    }
    let count = count(&dimensions)?;
    // Each element has at least its length: what is declared is believed as far as there are bytes for it.
    if count > reader.len() / LENGTH {
        return Err(reader.error(
            ErrorKind::Truncated,
            "an array has fewer bytes than its number of elements needs",
        ));
    }
    Ok((dimensions, element, count))
}

impl<T: ArrayElement> PgType for Array<T> {
    const TYPE: Type = <[T]>::TYPE;

    fn accepts(oid: Oid) -> bool {
        <[T]>::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        <[T]>::fits(oid, types)
    }
}

impl<T: ArrayElement + Encode> Encode for Array<T> {
    /// Writes the array with its dimensions and lower bounds.
    ///
    /// # Errors
    /// Those of the elements.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        let element = element_of::<T>(oid);
        let head = put_head(&self.dimensions, element, out)?;
        let mut has_null = false;
        for value in &self.elements {
            has_null |= value.encode_sized(element, out)? == IsNull::Yes;
        }
        if has_null {
            head.has_null(out)?;
        }
        Ok(IsNull::No)
    }
}

impl<'a, T: ArrayElement + Decode<'a>> Decode<'a> for Array<T> {
    /// Reads an array of any dimension.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for elements that are no `T`, [`ErrorKind::UnexpectedNull`] for a NULL where `T` is no
    /// [`Option`], and any error of bytes that are no array.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let (dimensions, element, count) = read_head(&mut reader)?;
        let element_type = nested_type::<T>(oid, element)?;
        let _level = if element.is_user_defined() { Some(Nesting::enter()?) } else { None };
        let mut elements = Vec::with_capacity(room::<T>(count, &reader));
        for _ in 0..count {
            elements.push(nested_value(&mut reader, element_type)?);
        }
        reader.end()?;
        Ok(Self { dimensions, elements })
    }
}

/// An array that stays where it was read: its elements are decoded when they are asked for, and nothing is allocated.
///
/// ```
/// use stellata_protocol::{ArrayRef, Decode, Oid, Params};
/// let mut params = Params::new();
/// params.push(&["ab", "c"]).unwrap();
/// let texts = ArrayRef::<&str>::decode(Oid::TEXT_ARRAY, &params.as_slice()[4..]).unwrap();
/// assert_eq!(texts.iter().collect::<Result<Vec<_>, _>>().unwrap(), ["ab", "c"]);
/// ```
#[derive(Clone, Debug)]
pub struct ArrayRef<'a, T> {
    dimensions: Dimensions,
    element: Oid,
    count: usize,
    elements: Reader<'a>,
    marker: PhantomData<fn() -> T>,
}

impl<'a, T> ArrayRef<'a, T> {
    /// The dimensions, the outermost first; none for the array without elements.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// How many elements there are in all dimensions together.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in storage order, each read as it is reached.
    #[must_use]
    pub const fn iter(&self) -> ArrayIter<'a, T> {
        ArrayIter {
            element: self.element,
            left: self.count,
            elements: self.elements,
            marker: PhantomData,
        }
    }
}

impl<T: ArrayElement> PgType for ArrayRef<'_, T> {
    const TYPE: Type = <[T]>::TYPE;

    fn accepts(oid: Oid) -> bool {
        <[T]>::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        <[T]>::fits(oid, types)
    }
}

impl<'a, T: ArrayElement + Decode<'a>> Decode<'a> for ArrayRef<'a, T> {
    /// Reads where the elements stand; what they say is read later.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for elements that are no `T`, and any error of bytes that are no array.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let (dimensions, element, count) = read_head(&mut reader)?;
        let element = nested_type::<T>(oid, element)?;
        let elements = reader;
        for _ in 0..count {
            reader.value()?;
        }
        reader.end()?;
        Ok(Self { dimensions, element, count, elements, marker: PhantomData })
    }
}

impl<'a, T: Decode<'a>> IntoIterator for &ArrayRef<'a, T> {
    type Item = Result<T>;
    type IntoIter = ArrayIter<'a, T>;

    fn into_iter(self) -> ArrayIter<'a, T> {
        self.iter()
    }
}

/// The elements of an [`ArrayRef`].
#[derive(Clone, Debug)]
pub struct ArrayIter<'a, T> {
    element: Oid,
    left: usize,
    elements: Reader<'a>,
    marker: PhantomData<fn() -> T>,
}

impl<'a, T: Decode<'a>> Iterator for ArrayIter<'a, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        self.left = self.left.checked_sub(1)?;
        Some(nested_value(&mut self.elements, self.element))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Decode<'a>> ExactSizeIterator for ArrayIter<'a, T> {}
impl<'a, T: Decode<'a>> FusedIterator for ArrayIter<'a, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, hex, is_refused, is_value, survives};

    /// `'[0:1][5:6]={{1,2},{3,NULL}}'`.
    const SQUARE: &str = "00000002 00000001 00000017 00000002 00000000 00000002 00000005
         00000004 00000001 00000004 00000002 00000004 00000003 ffffffff";

    fn square() -> Array<Option<i32>> {
        let dimensions = [Dimension { length: 2, lower: 0 }, Dimension { length: 2, lower: 5 }];
        Array::new(dimensions, vec![Some(1), Some(2), Some(3), None]).unwrap()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::INT4_ARRAY, SQUARE, &square());
        is_value(Oid::INT4_ARRAY, "00000000 00000000 00000017", &Array::<i32>::empty());
        assert_eq!(
            encode(Oid::INT4_ARRAY, &Array::from(vec![1_i32, 2])),
            encode(Oid::INT4_ARRAY, &vec![1_i32, 2])
        );
    }

    #[test]
    fn elements_are_found_by_the_subscripts_of_sql() {
        let square = square();
        assert_eq!(square.get(&[0, 6]), Some(&Some(2)));
        assert_eq!(square.get(&[1, 5]), Some(&Some(3)));
        for outside in [&[2, 5][..], &[0, 4], &[-1, 5], &[0, 7], &[0], &[0, 5, 1], &[]] {
            assert_eq!(square.get(outside), None, "{outside:?}");
        }
        assert_eq!(square.dimensions()[1].upper(), 6);
    }

    #[test]
    fn dimensions_that_no_array_has_are_refused() {
        let one = |lower| Array::new([Dimension { length: 1, lower }], vec![0_i32]);
        assert!(one(i32::MAX - 1).is_ok());
        assert_eq!(one(i32::MAX).unwrap_err().kind(), ErrorKind::OutOfRange);
        let none = Array::<i32>::new([Dimension::new(0)], vec![]);
        assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidLength);
        let seven = Array::new([Dimension::new(1); 7], vec![0_i32]);
        assert_eq!(seven.unwrap_err().kind(), ErrorKind::OutOfRange);
        let other = Array::new([Dimension::new(2)], vec![0_i32]);
        assert_eq!(other.unwrap_err().kind(), ErrorKind::InvalidLength);
        assert!(Array::new([Dimension::new(u32::MAX); 6], vec![0_i32]).is_err());
    }

    #[test]
    fn hostile_heads_are_refused_before_anything_is_allocated() {
        let refused = [
            ("00000007 00000000 00000017", ErrorKind::OutOfRange),
            ("ffffffff 00000000 00000017", ErrorKind::InvalidLength),
            ("00000001 00000000 00000017 ffffffff 00000001", ErrorKind::InvalidLength),
            ("00000001 00000000 00000017 00000000 00000001", ErrorKind::InvalidLength),
            ("00000001 00000000 00000017 7fffffff 00000000", ErrorKind::Truncated),
            (
                "00000002 00000000 00000017 7fffffff 00000000 7fffffff 00000000",
                ErrorKind::Truncated,
            ),
            ("00000001 00000000 00000017 00000001 7fffffff", ErrorKind::OutOfRange),
            ("00000001 00000002 00000017 00000001 00000001", ErrorKind::InvalidValue),
            ("00000000 00000000 00000014", ErrorKind::WrongType),
            ("00000000 00000000 00000017 00", ErrorKind::TrailingBytes),
        ];
        for (text, kind) in refused {
            is_refused::<Array<i32>>(Oid::INT4_ARRAY, text, kind);
            let raw = hex(text);
            let found = ArrayRef::<i32>::decode(Oid::INT4_ARRAY, &raw).unwrap_err().kind();
            assert_eq!(found, kind, "{text}");
        }
    }

    #[test]
    fn an_error_in_an_element_tells_its_place() {
        let raw = hex("00000001 00000000 00000019 00000002 00000001 00000001 61 00000002 62ff");
        let error = decode::<Array<String>>(Oid::TEXT_ARRAY, &raw).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::InvalidText, 30));
    }

    #[test]
    fn borrowed_arrays_point_into_what_was_read() {
        let raw = hex("00000001 00000001 00000019 00000003 00000001 00000001 61 ffffffff 00000000");
        let texts = ArrayRef::<Option<&str>>::decode(Oid::TEXT_ARRAY, &raw).unwrap();
        assert_eq!(texts.iter().len(), 3);
        let texts: Vec<_> = texts.iter().map(Result::unwrap).collect();
        assert_eq!(texts, [Some("a"), None, Some("")]);
        assert_eq!(texts[0].unwrap().as_ptr(), raw[24..].as_ptr());
    }

    proptest! {
        #[test]
        fn every_array_comes_back(
            lengths in proptest::collection::vec((1_u32..4, -1000_i32..1000), 0..=6),
            seed: i32,
        ) {
            let dimensions: Vec<_> = lengths
                .into_iter()
                .map(|(length, lower)| Dimension { length, lower })
                .collect();
            let total = count(&dimensions).unwrap();
            let elements: Vec<_> = (0..total)
                .map(|index| (index % 3 > 0).then(|| seed.wrapping_add(index as i32)))
                .collect();
            let array = Array::new(dimensions, elements).unwrap();
            let bytes = encode(Oid::INT4_ARRAY, &array).unwrap();
            let read = decode::<Array<Option<i32>>>(Oid::INT4_ARRAY, &bytes);
            prop_assert_eq!(read.as_ref(), Ok(&array));
            let borrowed = ArrayRef::<Option<i32>>::decode(Oid::INT4_ARRAY, &bytes).unwrap();
            prop_assert_eq!(borrowed.dimensions(), array.dimensions());
            let elements: Result<Vec<_>> = borrowed.iter().collect();
            prop_assert_eq!(elements, Ok(array.into_elements()));
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>, head in 0_u8..8) {
            survives::<Array<Option<i32>>>(Oid::INT4_ARRAY, &raw)?;
            let mut likely = vec![0, 0, 0, head, 0, 0, 0, 0, 0, 0, 0, 0x17];
            likely.extend(raw);
            survives::<Array<Option<i32>>>(Oid::INT4_ARRAY, &likely)?;
        }
    }
}
