//! What has come unasked and waits for the caller.

use std::collections::VecDeque;

/// Things that wait for the caller, oldest first, bounded by their number and by the memory that they hold.
pub(super) struct Kept<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Kept<T> {
    /// Keeps a thing that holds so many bytes; of all that are kept the oldest go until the bounds are kept to. Returns how
    /// many went.
    pub(super) fn push(&mut self, item: T, bytes: usize, most: usize, most_bytes: usize) -> u64 {
        let mut dropped = 0_u64;
        self.items.push_back((item, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        while (self.items.len() > most || self.bytes > most_bytes) && self.pop().is_some() {
            dropped = dropped.saturating_add(1);
        }
        dropped
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps things of these sizes; tells how many went, and the sizes of those that stay.
    fn keep(sizes: &[usize], most: usize, most_bytes: usize) -> (u64, Vec<usize>) {
        let mut kept = Kept::default();
        let dropped = sizes.iter().map(|size| kept.push(*size, *size, most, most_bytes)).sum();
        let stay = std::iter::from_fn(|| kept.pop()).collect();
        assert_eq!(kept.bytes, 0);
        (dropped, stay)
    }

    #[test]
    fn the_oldest_go_first() {
        assert_eq!(keep(&[1, 2, 3], 3, 6), (0, vec![1, 2, 3]));
        assert_eq!(keep(&[1, 2, 3], 2, 6), (1, vec![2, 3]));
        assert_eq!(keep(&[1, 2, 3], 3, 5), (1, vec![2, 3]));
        assert_eq!(keep(&[1, 1, 1, 5], 9, 6), (2, vec![1, 5]));
    }

    #[test]
    fn what_is_larger_than_the_bound_goes_with_all_before_it() {
        assert_eq!(keep(&[1, 2, 7, 3], 9, 6), (3, vec![3]));
        assert_eq!(keep(&[1, 2], 0, 6), (2, vec![]));
        assert_eq!(keep(&[1, 2], 9, 0), (2, vec![]));
    }
}
