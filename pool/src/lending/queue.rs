//! A queue of tickets: first in, first out.
//!
//! The queue of Michael and Scott ("Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms",
//! 1996), with indices that carry a count of changes in the place of pointers: a node can be used again at once, and needs
//! nobody to free it.

use super::chunks::Chunks;
use super::stack::{MOST, Stack};
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// The index of no node.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    ticket: AtomicU64,
    /// The next node and the count of changes of this link.
    next: AtomicU64,
    /// The link of the stack of unused nodes.
    unused: AtomicU32,
}

/// Tickets in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue {
    nodes: Chunks<Node>,
    made: AtomicU32,
    unused: Stack,
    /// The node before the first ticket's, with a count of changes.
    head: AtomicU64,
    /// The last node, or one before it.
    tail: AtomicU64,
}

impl Queue {
    pub(super) fn new() -> Self {
        let queue = Self {
            nodes: Chunks::new(),
            made: AtomicU32::new(1),
            unused: Stack::new(),
            head: AtomicU64::new(join(0, 0)),
            tail: AtomicU64::new(join(0, 0)),
        };
        queue.nodes.make(0, Node::new);
        queue
    }

    /// Puts a ticket at the end. Returns false when there are more tickets than can be counted.
    pub(super) fn push(&self, ticket: u64) -> bool {
        let Some((index, node)) = self.node() else { return false };
        // Released, so that who reads them with an old head in hand sees next that the head has moved.
        node.ticket.store(ticket, Ordering::Release);
        let (count, _) = split(node.next.load(Ordering::Relaxed));
        node.next.store(join(count.wrapping_add(1), NONE), Ordering::Release);
        loop {
            let tail = self.tail.load(Ordering::Acquire);
            let Some(last) = self.nodes.get(split(tail).1) else { return false };
            let next = last.next.load(Ordering::Acquire);
            if tail != self.tail.load(Ordering::Acquire) {
                continue;
            }
            let (count, behind) = split(next);
            if behind != NONE {
                self.advance(&self.tail, tail, behind);
                continue;
            }
            let linked = join(count.wrapping_add(1), index);
            // Releases the ticket.
            if last.next.compare_exchange(next, linked, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                self.advance(&self.tail, tail, index);
                return true;
            }
        }
    }

    /// Takes the first ticket, if `wanted` says so of it.
    pub(super) fn pop_if(&self, mut wanted: impl FnMut(u64) -> bool) -> Option<u64> {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let (_, before) = split(head);
            let node_before = self.nodes.get(before)?;
            let (_, first) = split(node_before.next.load(Ordering::Acquire));
            if head != self.head.load(Ordering::Acquire) {
                continue;
            }
            if first == NONE {
                return None;
            }
            if before == split(tail).1 {
                // The tail must never fall behind the head.
                self.advance(&self.tail, tail, first);
                continue;
            }
            // Read before the node is taken: afterwards it may be another's. If it is already, the head has changed too.
            let ticket = self.nodes.get(first)?.ticket.load(Ordering::Acquire);
            if head != self.head.load(Ordering::Acquire) {
                continue;
            }
            if !wanted(ticket) {
                return None;
            }
            if self.advance(&self.head, head, first) {
                self.unused.push(before, &node_before.unused);
                return Some(ticket);
            }
        }
    }

    /// Whether there is no ticket.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let Some(node) = self.nodes.get(split(head).1) else { return true };
            let next = node.next.load(Ordering::Acquire);
            if head == self.head.load(Ordering::Acquire) {
                return split(next).1 == NONE;
            }
        }
    }

    fn advance(&self, end: &AtomicU64, seen: u64, to: u32) -> bool {
        let new = join(split(seen).0.wrapping_add(1), to);
        end.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// A node that is nobody's.
    fn node(&self) -> Option<(u32, &Node)> {
        let unused = self.unused.pop(|index| self.nodes.get(index), |node| &node.unused);
        if unused.is_some() {
            return unused;
        }
        let index = self.made.fetch_add(1, Ordering::Relaxed);
        if index >= MOST {
            self.made.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some((index, self.nodes.make(index, Node::new)?))
    }
}

impl Node {
    fn new() -> Self {
        Self {
            ticket: AtomicU64::new(0),
            next: AtomicU64::new(join(0, NONE)),
            unused: AtomicU32::new(0),
        }
    }
}

#[inline]
fn join(count: u32, index: u32) -> u64 {
    u64::from(count) << 32 | u64::from(index)
}

#[inline]
fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::Queue;
    use crate::lending::sync::Ordering;

    #[test]
    fn the_first_in_is_the_first_out_and_nodes_are_used_again() {
        let queue = Queue::new();
        assert!(queue.is_empty() && queue.pop_if(|_| true).is_none());
        for round in 0..1_000_u64 {
            assert!(queue.push(round) && queue.push(round + 1));
            assert!(!queue.is_empty());
            assert_eq!(queue.pop_if(|ticket| ticket > round), None, "the first only");
            assert_eq!(queue.pop_if(|_| true), Some(round));
            assert_eq!(queue.pop_if(|_| true), Some(round + 1));
            assert!(queue.is_empty());
        }
        assert!(queue.made.load(Ordering::Relaxed) <= 3);
    }
}
