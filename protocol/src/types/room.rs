//! How much place is made for elements before the first of them is read.

use crate::types::nesting::Nesting;
use crate::wire::reader::Reader;

/// For how many of `count` elements place is made beforehand, where `reader` holds their bytes: no more than those bytes
/// would fill. Further place is made as elements are read, so that memory follows what has come and not what is declared.
///
/// Values that lie in others begin with half the place at each level. However they are nested, all of them together begin
/// with no more than the bytes of the outermost.
#[inline]
pub(crate) fn room<T>(count: usize, reader: &Reader<'_>) -> usize {
    let bytes = reader.len().checked_shr(Nesting::depth()).unwrap_or(0);
    // What has no size takes no place.
    bytes.checked_div(size_of::<T>()).unwrap_or(count).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_place_is_made_than_bytes_are_there() {
        let reader = Reader::new(&[0; 100]);
        assert_eq!(room::<u32>(7, &reader), 7);
        assert_eq!(room::<u32>(usize::MAX, &reader), 25);
        assert_eq!(room::<[u64; 20]>(usize::MAX, &reader), 0);
        assert_eq!(room::<()>(9, &reader), 9);
    }

    #[test]
    fn values_in_each_other_begin_with_no_more_than_the_outermost() {
        let reader = Reader::new(&[0; 4096]);
        let mut levels = Vec::new();
        let mut together = 0;
        while let Ok(level) = Nesting::enter() {
            levels.push(level);
            together += room::<u8>(usize::MAX, &reader);
        }
        assert_eq!(together, 4095);
    }
}
