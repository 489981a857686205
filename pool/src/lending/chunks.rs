//! An array that grows and never moves.

use std::sync::OnceLock;

/// How many elements the first chunk has; each further one has twice as many as the one before.
const FIRST: u32 = 64;

/// How many chunks there may be: room for all indices of 24 bits.
const CHUNKS: usize = 19;

/// Elements in chunks. A chunk is made when it is first needed, and stays where it is: a reference to an element holds as
/// long as the array.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T> Chunks<T> {
    pub(super) fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// The element at `index`, if it was made.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (chunk, offset) = locate(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// The element at `index`, made together with its neighbours where it is not there yet; `None` for an index that is too
    /// large.
    pub(super) fn make(&self, index: u32, new: impl Fn() -> T) -> Option<&T> {
        let (chunk, offset) = locate(index);
        let chunk_len = usize::try_from(FIRST).ok()?.checked_shl(u32::try_from(chunk).ok()?)?;
        let place = self.chunks.get(chunk)?;
        place.get_or_init(|| (0..chunk_len).map(|_| new()).collect()).get(offset)
    }
}

/// In which chunk an element lies, and where there.
#[inline]
fn locate(index: u32) -> (usize, usize) {
    if index < FIRST {
        // Most often, and in fewer steps.
        return (0, index as usize);
    }
    let chunk = (index / FIRST).saturating_add(1).ilog2();
    let before = FIRST.wrapping_mul((1_u32 << chunk).wrapping_sub(1));
    (chunk as usize, index.wrapping_sub(before) as usize)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::{CHUNKS, Chunks, FIRST, locate};

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut next = (0, 0);
        for index in 0..100_000 {
            let (chunk, offset) = locate(index);
            assert_eq!((chunk, offset), next, "{index}");
            let last = offset + 1 == (FIRST as usize) << chunk;
            next = if last { (chunk + 1, 0) } else { (chunk, offset + 1) };
        }
        let (chunk, _) = locate((1 << 24) - 1);
        assert!(chunk < CHUNKS);
    }

    #[test]
    fn an_element_stays_where_it_is() {
        let chunks = Chunks::new();
        assert!(chunks.get(0).is_none());
        let first = std::ptr::from_ref(chunks.make(3, || 7).unwrap());
        chunks.make(5_000, || 8).unwrap();
        assert_eq!(std::ptr::from_ref(chunks.get(3).unwrap()), first);
        assert_eq!((chunks.get(3), chunks.get(5_000), chunks.get(200)), (Some(&7), Some(&8), None));
        assert!(chunks.make(1 << 25, || 0).is_none());
    }
}
