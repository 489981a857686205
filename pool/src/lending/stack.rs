//! A stack of indices: last in, first out.

use super::sync::{AtomicU32, AtomicU64, Ordering};

/// Bits of an index; the others count the changes of a head, so that a head that was seen is never taken for one that has
/// come to look the same (the ABA problem): it would take 2^40 changes while one thread stands still.
const INDEX_BITS: u32 = 24;
const INDEX: u64 = (1 << INDEX_BITS) - 1;

/// The largest number of indices.
pub(super) const MOST: u32 = (1 << INDEX_BITS) - 1;

/// A stack of indices, whose links lie with what the indices stand for. An index is in one stack at most.
#[derive(Debug)]
pub(super) struct Stack {
    /// The count of changes, and the topmost index plus one; 0 where there is none.
    head: AtomicU64,
}

impl Stack {
    pub(super) fn new() -> Self {
        Self { head: AtomicU64::new(0) }
    }

    /// Puts an index on top, which the caller owns.
    #[inline]
    pub(super) fn push<'l>(&self, index: u32, link: impl Fn(u32) -> Option<&'l AtomicU32>) {
        let Some(own) = link(index) else { return };
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            own.store(low(head), Ordering::Relaxed);
            let new = changed(head, index.wrapping_add(1));
            // Releases the link, and whatever the owner did with what the index stands for.
            match self.head.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => head = seen,
            }
        }
    }

    /// Takes the topmost index, which the caller then owns. It is the one whose link was asked for last.
    #[inline]
    pub(super) fn pop<'l>(
        &self,
        mut link: impl FnMut(u32) -> Option<&'l AtomicU32>,
    ) -> Option<u32> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let index = low(head).checked_sub(1)?;
            // It may be another's link by now; then the head has changed too, and this is tried again.
            let next = link(index)?.load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                changed(head, next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(index),
                Err(seen) => head = seen,
            }
        }
    }
}

/// The topmost index plus one.
#[inline]
fn low(head: u64) -> u32 {
    (head & INDEX) as u32
}

/// The head after one more change.
#[inline]
fn changed(head: u64, low: u32) -> u64 {
    (head | INDEX).wrapping_add(1) | u64::from(low)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::{Stack, changed, low};
    use crate::lending::sync::{AtomicU32, Ordering};

    #[test]
    fn the_last_in_is_the_first_out() {
        let links: Vec<AtomicU32> = (0..4).map(AtomicU32::new).collect();
        let link = |index: u32| links.get(index as usize);
        let stack = Stack::new();
        assert_eq!(stack.pop(link), None);
        for index in [2, 0, 3] {
            stack.push(index, link);
        }
        assert_eq!([stack.pop(link), stack.pop(link)], [Some(3), Some(0)]);
        stack.push(1, link);
        assert_eq!([stack.pop(link), stack.pop(link), stack.pop(link)], [Some(1), Some(2), None]);
    }

    #[test]
    fn a_head_that_looks_the_same_is_another() {
        let links = [AtomicU32::new(0), AtomicU32::new(0)];
        let link = |index: u32| links.get(index as usize);
        let stack = Stack::new();
        stack.push(0, link);
        let before = stack.head.load(Ordering::Relaxed);
        let index = stack.pop(link).unwrap();
        stack.push(index, link);
        let after = stack.head.load(Ordering::Relaxed);
        assert_eq!(low(before), low(after));
        assert_ne!(before, after);
        assert_eq!(changed(u64::MAX, 5), 5, "the count of changes begins anew");
    }
}
