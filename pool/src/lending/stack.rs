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

    /// Whether there is no index.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        low(self.head.load(Ordering::Relaxed)) == 0
    }

    /// Puts an index on top, which the caller owns, and with it the link.
    #[inline]
    pub(super) fn push(&self, index: u32, own: &AtomicU32) {
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

    /// Takes the topmost index, which the caller then owns, and what it stands for.
    #[inline]
    pub(super) fn pop<'l, L: 'l>(
        &self,
        linked: impl Fn(u32) -> Option<&'l L>,
        link: impl Fn(&'l L) -> &'l AtomicU32,
    ) -> Option<(u32, &'l L)> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let index = low(head).checked_sub(1)?;
            let top = linked(index)?;
            // It may be another's link by now; then the head has changed too, and this is tried again.
            let next = link(top).load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                changed(head, next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some((index, top)),
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

    /// Links, and a way to put an index on a stack and to take one.
    struct Links(Vec<AtomicU32>);

    impl Links {
        fn new(count: u32) -> Self {
            Self((0..count).map(AtomicU32::new).collect())
        }

        fn push(&self, stack: &Stack, index: u32) {
            stack.push(index, &self.0[index as usize]);
        }

        fn pop(&self, stack: &Stack) -> Option<u32> {
            let (index, link) = stack.pop(|index| self.0.get(index as usize), |link| link)?;
            assert!(std::ptr::eq(link, &self.0[index as usize]));
            Some(index)
        }
    }

    #[test]
    fn the_last_in_is_the_first_out() {
        let (links, stack) = (Links::new(4), Stack::new());
        assert!(links.pop(&stack).is_none() && stack.is_empty());
        [2, 0, 3].into_iter().for_each(|index| links.push(&stack, index));
        assert!(!stack.is_empty());
        assert_eq!([links.pop(&stack), links.pop(&stack)], [Some(3), Some(0)]);
        links.push(&stack, 1);
        assert_eq!([(); 3].map(|()| links.pop(&stack)), [Some(1), Some(2), None]);
        assert!(stack.is_empty());
    }

    #[test]
    fn a_head_that_looks_the_same_is_another() {
        let (links, stack) = (Links::new(2), Stack::new());
        links.push(&stack, 0);
        let before = stack.head.load(Ordering::Relaxed);
        let index = links.pop(&stack).unwrap();
        links.push(&stack, index);
        let after = stack.head.load(Ordering::Relaxed);
        assert_eq!(low(before), low(after));
        assert_ne!(before, after);
        assert_eq!(changed(u64::MAX, 5), 5, "the count of changes begins anew");
    }
}
