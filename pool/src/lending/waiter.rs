//! Those who wait: each a word that is changed by compare-and-swap, and a waker.

use std::task::Waker;

use super::chunks::Chunks;
use super::stack::{MOST, Stack};
use super::sync::{AtomicU32, AtomicU64, AtomicWaker, Ordering, forget, register};

/// Nobody waits here.
const FREE: u64 = 0;
/// Somebody waits.
const WAITING: u64 = 1;
/// Somebody has been given a slot, and has not taken it yet.
const GIVEN: u64 = 2;
/// Somebody has been told that there will be nothing.
const CLOSED: u64 = 3;

#[derive(Debug)]
struct Waiter {
    /// Which use of this place it is (32 bits), a slot (30 bits), and the state (2 bits).
    word: AtomicU64,
    /// Until when it waits, by whatever clock the callers go.
    deadline: AtomicU64,
    waker: AtomicWaker,
    /// The link of the stack of unused places.
    unused: AtomicU32,
}

/// What a waiter finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Slot(u32),
    Closed,
}

/// The places of those who wait. A ticket names one use of one place: what is done with an old ticket has no effect.
#[derive(Debug)]
pub(super) struct Waiters {
    places: Chunks<Waiter>,
    made: AtomicU32,
    unused: Stack,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self { places: Chunks::new(), made: AtomicU32::new(0), unused: Stack::new() }
    }

    /// Begins to wait, until a deadline. `None` when more wait than can be counted.
    pub(super) fn enter(&self, deadline: u64) -> Option<u64> {
        let unused = self.unused.pop(|index| self.places.get(index), |waiter| &waiter.unused);
        let (index, waiter) = match unused {
            Some(unused) => unused,
            None => {
                let index = self.made.fetch_add(1, Ordering::Relaxed);
                if index >= MOST {
                    self.made.fetch_sub(1, Ordering::Relaxed);
                    return None;
                }
                (index, self.places.make(index, Waiter::new)?)
            }
        };
        let (usage, _, _) = split(waiter.word.load(Ordering::Relaxed));
        // Released, so that who reads it with an old ticket in hand sees next that the place is another's.
        waiter.deadline.store(deadline, Ordering::Release);
        waiter.word.store(join(usage, 0, WAITING), Ordering::Release);
        Some(u64::from(usage) << 32 | u64::from(index))
    }

    /// Until when the holder of the ticket waits; `None` when it waits no more.
    pub(super) fn deadline(&self, ticket: u64) -> Option<u64> {
        let (_, index) = parts(ticket);
        let deadline = self.places.get(index)?.deadline.load(Ordering::Acquire);
        self.is_waiting(ticket).then_some(deadline)
    }

    /// Whether the holder of the ticket still waits.
    pub(super) fn is_waiting(&self, ticket: u64) -> bool {
        let (usage, index) = parts(ticket);
        self.places
            .get(index)
            .is_some_and(|waiter| waiter.word.load(Ordering::Acquire) == join(usage, 0, WAITING))
    }

    /// Gives a slot to the holder of the ticket, or tells that there will be none. Returns whether it still waited.
    pub(super) fn tell(&self, ticket: u64, slot: Option<u32>) -> bool {
        let (usage, index) = parts(ticket);
        let Some(waiter) = self.places.get(index) else { return false };
        let told = slot.map_or(join(usage, 0, CLOSED), |slot| join(usage, slot, GIVEN));
        let waiting = join(usage, 0, WAITING);
        // Releases what stands in the slot.
        let done = waiter.word.compare_exchange(waiting, told, Ordering::AcqRel, Ordering::Acquire);
        if done.is_ok() {
            waiter.waker.wake();
        }
        done.is_ok()
    }

    /// Looks for what the holder of the ticket was given. What it finds ends the waiting, and the ticket with it; until
    /// then `waker` is woken when there is something.
    pub(super) fn look(&self, ticket: u64, waker: &Waker) -> Found {
        let (_, index) = parts(ticket);
        let Some(waiter) = self.places.get(index) else { return Found::Closed };
        // Most who look have been woken: a waker is left only where there is nothing yet.
        let found = self.found(index, waiter);
        if found != Found::Nothing {
            return found;
        }
        // Before the second look, so that nothing can come between the two unnoticed.
        register(&waiter.waker, waker);
        self.found(index, waiter)
    }

    #[inline]
    fn found(&self, index: u32, waiter: &Waiter) -> Found {
        let (usage, slot, state) = split(waiter.word.load(Ordering::Acquire));
        let found = match state {
            GIVEN => Found::Slot(slot),
            CLOSED => Found::Closed,
            _ => return Found::Nothing,
        };
        self.free(index, waiter, usage);
        found
    }

    /// Stops waiting. Returns the slot that had been given already: the caller has to pass it on.
    pub(super) fn leave(&self, ticket: u64) -> Option<u32> {
        let (usage, index) = parts(ticket);
        let waiter = self.places.get(index)?;
        let waiting = join(usage, 0, WAITING);
        // A use that is over: the place may be anybody's from here on, and the ticket nobody's.
        let left = join(usage.wrapping_add(1), 0, FREE);
        match waiter.word.compare_exchange(waiting, left, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.reuse(index, waiter);
                None
            }
            Err(word) => {
                let (_, slot, state) = split(word);
                self.free(index, waiter, usage);
                (state == GIVEN).then_some(slot)
            }
        }
    }

    #[inline]
    fn free(&self, index: u32, waiter: &Waiter, usage: u32) {
        waiter.word.store(join(usage.wrapping_add(1), 0, FREE), Ordering::Release);
        self.reuse(index, waiter);
    }

    /// Lets another use the place. Nobody is to be woken by it any more: a waker keeps its task in memory.
    fn reuse(&self, index: u32, waiter: &Waiter) {
        forget(&waiter.waker);
        self.unused.push(index, &waiter.unused);
    }
}

impl Waiter {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(join(0, 0, FREE)),
            deadline: AtomicU64::new(0),
            waker: AtomicWaker::new(),
            unused: AtomicU32::new(0),
        }
    }
}

#[inline]
fn join(usage: u32, slot: u32, state: u64) -> u64 {
    u64::from(usage) << 32 | u64::from(slot) << 2 | state
}

#[inline]
fn split(word: u64) -> (u32, u32, u64) {
    ((word >> 32) as u32, (word as u32) >> 2, word & 3)
}

/// The use and the place that a ticket names.
#[inline]
fn parts(ticket: u64) -> (u32, u32) {
    ((ticket >> 32) as u32, ticket as u32)
}
