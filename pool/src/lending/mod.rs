//! Lends things in slots, without a lock: the core of the pool. It knows neither PostgreSQL nor a runtime.
//!
//! A *slot* is the right to have one thing. It is in one of four hands: on the stack of *idle* slots, with a thing in it; on
//! the stack of *vacant* ones, with none; lent; or withheld, where there are to be fewer. There are as many things as slots
//! that are neither vacant nor withheld, so that they can't be more than they may be.
//!
//! Who finds nothing idle waits in line. A thing that comes back goes to the first in line and not to the stack, so that
//! nobody is overtaken; who stops waiting passes on what was given to it in the same moment. No step waits for another
//! thread, but where a chunk of places is made: each is a compare-and-swap that is tried again when another thread was quicker.
//!
//! Two races decide whether somebody may wait for ever. Who puts a thing on the stack looks for those in line afterwards;
//! who gets in line looks at the stack afterwards; and between the two steps of each stands a fence, so that at least one
//! sees the other. The same holds of a slot that falls vacant and of who gets in line: whoever does one of [`Lending::wait`],
//! [`Lending::vacate`], [`Lending::add`] and [`Lending::end_retry`] asks [`Lending::wanted`] afterwards whether a vacancy
//! is to be filled. The models in `pool/models` run this very module through the orders of its steps, with up to so many
//! switches between threads as each of them says.
//!
//! Places are made in chunks ([`chunks`]), the first when it is first needed and each further one when more things or more
//! callers are there at once than ever before. Who comes in that moment waits until the chunk is made; nobody does after.

mod sync;
mod chunks;
mod stack;
mod queue;
mod waiter;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use chunks::Chunks;
use queue::Queue;
use stack::{MOST, Stack};
use sync::{AtomicBool, AtomicU32, AtomicU64, AtomicWaker, Ordering, Place, fence, register};
use waiter::{Found, Waiters};

/// The deadline of who waits for as long as it takes.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Slot<T> {
    /// The link of the stack that the slot is on.
    link: AtomicU32,
    place: Place<T>,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self { link: AtomicU32::new(0), place: Place::new() }
    }
}

/// Things in slots, and those who wait for them.
#[derive(Debug)]
pub(crate) struct Lending<T> {
    slots: Chunks<Slot<T>>,
    made: AtomicU32,
    idle: Stack,
    vacant: Stack,
    withheld: Stack,
    /// How many slots are to be withheld as soon as they are vacant.
    surplus: AtomicU32,
    /// How many of them are about to be vacated for that reason.
    parting: AtomicU32,
    idle_count: AtomicU32,
    line: Queue,
    waiters: Waiters,
    /// How many have got in line, and have neither taken what they were given nor gone away. It is counted before the fence
    /// of who gets in line, so that zero after another's fence means that nobody is overlooked.
    waiting: AtomicU32,
    /// When somebody looks next for those whose deadline has come. Who waits for less long than that wakes it.
    next_look: AtomicU64,
    looker: AtomicWaker,
    /// Somebody tries again and again to fill a vacancy; nobody else is to try meanwhile.
    retrying: AtomicBool,
    closed: AtomicBool,
}

/// A thing that is lent, and the slot that it goes back to. Whoever has one gives it back by [`Lending::give`] or
/// [`Lending::vacate`].
#[derive(Debug)]
#[must_use = "the slot is lost"]
pub(crate) struct Lent<T> {
    pub(crate) thing: Box<T>,
    pub(crate) slot: Vacancy,
}

/// A slot without a thing. Whoever has one fills it or gives it back by [`Lending::vacate`].
#[must_use = "the slot is lost"]
pub(crate) struct Vacancy(u32);

impl fmt::Debug for Vacancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

impl<T> Lending<T> {
    /// `slots` slots, all vacant. There are no more than 2^24.
    pub(crate) fn new(slots: u32) -> Self {
        let lending = Self {
            slots: Chunks::new(),
            made: AtomicU32::new(0),
            idle: Stack::new(),
            vacant: Stack::new(),
            withheld: Stack::new(),
            surplus: AtomicU32::new(0),
            parting: AtomicU32::new(0),
            idle_count: AtomicU32::new(0),
            line: Queue::new(),
            waiters: Waiters::new(),
            waiting: AtomicU32::new(0),
            next_look: AtomicU64::new(NEVER),
            looker: AtomicWaker::new(),
            retrying: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        lending.add(slots);
        lending
    }

    /// Takes the thing that came back last, unless somebody waits for one.
    #[inline]
    pub(crate) fn take(&self) -> Option<Lent<T>> {
        if self.waiting() == 0 || self.line.is_empty() { self.take_idle() } else { None }
    }

    /// Takes the thing that came back last, whoever waits.
    #[inline]
    pub(crate) fn take_idle(&self) -> Option<Lent<T>> {
        let (index, slot) = self.pop_idle()?;
        Some(Lent { thing: slot.place.take()?, slot: Vacancy(index) })
    }

    fn lend(&self, slot: u32) -> Option<Lent<T>> {
        let thing = self.slots.get(slot)?.place.take()?;
        Some(Lent { thing, slot: Vacancy(slot) })
    }

    /// Gives a thing back, or a new one into a vacant slot: to the first who waits, or to the idle ones.
    #[inline]
    pub(crate) fn give(&self, lent: Lent<T>) {
        let Lent { thing, slot: Vacancy(index) } = lent;
        let Some(slot) = self.slots.get(index) else { return };
        slot.place.put(thing);
        if self.waiting() == 0 {
            self.put_idle(index, slot);
            // Who got in line before this sees the slot on the stack, or is seen here.
            fence(Ordering::SeqCst);
            if self.waiting() == 0 || self.line.is_empty() {
                return;
            }
            self.offer(None);
        } else {
            self.offer(Some(index));
        }
    }

    /// Gives slots to those in line, first a slot that is in no stack, until one has been taken or nobody waits.
    fn offer(&self, mut offered: Option<u32>) {
        loop {
            let index = match offered.take() {
                Some(index) => index,
                None => match self.pop_idle() {
                    Some((index, _)) => index,
                    None => return,
                },
            };
            if self.tell_first(Some(index)) {
                return;
            }
            let Some(slot) = self.slots.get(index) else { return };
            self.put_idle(index, slot);
            // Who got in line before this sees the slot on the stack, or is seen here.
            fence(Ordering::SeqCst);
            if self.line.is_empty() {
                return;
            }
        }
    }

    #[inline]
    fn put_idle(&self, index: u32, slot: &Slot<T>) {
        // Counted before it can be taken, so that the count never falls below zero.
        self.idle_count.fetch_add(1, Ordering::Relaxed);
        self.idle.push(index, &slot.link);
    }

    #[inline]
    fn pop_idle(&self) -> Option<(u32, &Slot<T>)> {
        let idle = self.pop(&self.idle)?;
        self.idle_count.fetch_sub(1, Ordering::Relaxed);
        Some(idle)
    }

    /// Tells the first who still waits; returns whether there was one.
    fn tell_first(&self, slot: Option<u32>) -> bool {
        while let Some(ticket) = self.line.pop_if(|_| true) {
            if self.waiters.tell(ticket, slot) {
                return true;
            }
        }
        false
    }

    /// Takes a vacant slot, to fill it with a new thing.
    pub(crate) fn vacancy(&self) -> Option<Vacancy> {
        loop {
            let (index, slot) = self.pop(&self.vacant)?;
            if !self.claim_surplus() {
                return Some(Vacancy(index));
            }
            self.withheld.push(index, &slot.link);
        }
    }

    /// Takes a vacant slot, if somebody waits for one to be filled, and nobody is known to try that already.
    pub(crate) fn wanted(&self) -> Option<Vacancy> {
        // Who is in line of what is closed is about to be sent away.
        let is_wanted = !self.vacant.is_empty() && self.is_waited_for() && !self.is_closed();
        if !is_wanted || self.retrying.load(Ordering::Relaxed) {
            return None;
        }
        self.vacancy()
    }

    /// Begins to try again and again to fill a vacancy. Returns false when another does already.
    pub(crate) fn begin_retry(&self) -> bool {
        !self.retrying.swap(true, Ordering::AcqRel)
    }

    /// Lets others fill vacancies again.
    pub(crate) fn end_retry(&self) {
        // Not a store: what another has swapped in meanwhile must be the older.
        self.retrying.swap(false, Ordering::AcqRel);
        // Who got in line before this, and left it to us, is seen by us next; who does afterwards sees that we have ended.
        fence(Ordering::SeqCst);
    }

    /// Gives a slot back whose thing is gone.
    pub(crate) fn vacate(&self, slot: Vacancy) {
        let Vacancy(index) = slot;
        let Some(slot) = self.slots.get(index) else { return };
        let stack = if self.claim_surplus() { &self.withheld } else { &self.vacant };
        stack.push(index, &slot.link);
        // Who got in line before this sees the vacancy, or is seen by who asks for those in line next.
        fence(Ordering::SeqCst);
    }

    /// Gets in line until a deadline, by the clock of who calls [`Lending::send_away_late`]. It is kept where no later one
    /// stands in line before it. The place in line is taken at once, not when the future is first polled.
    pub(crate) fn wait(&self, deadline: u64) -> Wait<'_, T> {
        let ticket = self.waiters.enter(deadline).filter(|ticket| {
            let in_line = self.line.push(*ticket);
            if !in_line {
                // It was never in line, so that nobody can have given it anything.
                self.waiters.leave(*ticket);
            }
            in_line
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // What is put on the stack before this is seen below; who puts something there afterwards sees the ticket.
        fence(Ordering::SeqCst);
        if self.closed.load(Ordering::Relaxed) {
            self.turn_away();
        } else if let Some((index, _)) = self.pop_idle() {
            // It may be another's turn.
            self.offer(Some(index));
        } else if deadline < self.next_look.load(Ordering::Relaxed) {
            // Who looked before this has not seen the ticket.
            self.looker.wake();
        }
        Wait { lending: self, ticket }
    }

    /// Sends away those at the front of the line whose deadline has come, at `now`. Returns when to look again, which is
    /// `unless_sooner` at the latest; `waker` is woken when somebody gets in line who does not wait for as long.
    pub(crate) fn send_away_late(&self, now: u64, unless_sooner: u64, waker: &Waker) -> u64 {
        register(&self.looker, waker);
        let mut next = unless_sooner;
        loop {
            self.next_look.store(next, Ordering::Relaxed);
            // Who got in line before this is seen below; who does afterwards sees when the next look is.
            fence(Ordering::SeqCst);
            match self.first_deadline(now) {
                Some(deadline) if deadline < next => next = deadline,
                _ => return next,
            }
        }
    }

    /// The deadline of the first in line whose has not come.
    fn first_deadline(&self, now: u64) -> Option<u64> {
        loop {
            let mut left = None;
            let late = self.line.pop_if(|ticket| {
                left = self.waiters.deadline(ticket).filter(|deadline| *deadline > now);
                left.is_none()
            });
            let Some(ticket) = late else { return left };
            // It may just have gone away by itself.
            self.waiters.tell(ticket, None);
        }
    }

    /// Wakes who looks for those whose deadline has come.
    pub(crate) fn wake_looker(&self) {
        self.looker.wake();
    }

    /// How many wait.
    #[inline]
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many things are idle. What is on its way between two hands may be counted or not.
    pub(crate) fn idle(&self) -> u32 {
        self.idle_count.load(Ordering::Relaxed)
    }

    /// Whether somebody is in line. Tickets of those who went away may be in it when nobody is.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting() != 0 && !self.line.is_empty()
    }

    /// Lets there be `more` further slots: those withheld before, then new ones.
    pub(crate) fn add(&self, more: u32) {
        for _ in 0..more {
            if self.claim_surplus() {
                // A slot that was to be withheld may stay.
                continue;
            }
            let withheld = self.pop(&self.withheld).or_else(|| {
                let index = self.made.fetch_add(1, Ordering::Relaxed);
                let made = if index < MOST { self.slots.make(index, Slot::new) } else { None };
                if made.is_none() {
                    self.made.fetch_sub(1, Ordering::Relaxed);
                }
                Some((index, made?))
            });
            let Some((index, slot)) = withheld else { return };
            self.vacant.push(index, &slot.link);
        }
        fence(Ordering::SeqCst);
    }

    /// Lets there be `fewer` slots: vacant ones at once, the others as they are vacated.
    pub(crate) fn withhold(&self, fewer: u32) {
        for _ in 0..fewer {
            match self.pop(&self.vacant) {
                Some((index, slot)) => self.withheld.push(index, &slot.link),
                None => {
                    self.surplus.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
    }

    /// Takes one off the slots that are still to be withheld.
    fn claim_surplus(&self) -> bool {
        let fewer = |surplus: u32| surplus.checked_sub(1);
        self.surplus.load(Ordering::Relaxed) > 0
            && self.surplus.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fewer).is_ok()
    }

    /// Whether slots are to be vacated, because there are to be fewer, and more than are about to be.
    #[inline]
    pub(crate) fn has_surplus(&self) -> bool {
        let surplus = self.surplus.load(Ordering::Relaxed);
        surplus > 0 && surplus > self.parting.load(Ordering::Relaxed)
    }

    /// Takes note that a slot is about to be vacated because there are to be fewer: no second one need be for it.
    pub(crate) fn begin_parting(&self) {
        self.parting.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes note that it has been.
    pub(crate) fn end_parting(&self) {
        self.parting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sends everybody away who waits, now and later. Things can still be taken and given.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Who got in line before this is seen below; who does afterwards sees that it is closed.
        fence(Ordering::SeqCst);
        self.turn_away();
    }

    /// Whether it is closed.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Sends everybody away who waits now.
    pub(crate) fn turn_away(&self) {
        while self.tell_first(None) {}
    }

    #[inline]
    fn pop(&self, stack: &Stack) -> Option<(u32, &Slot<T>)> {
        stack.pop(|index| self.slots.get(index), |slot| &slot.link)
    }
}

/// A place in line. It resolves to a thing, or to `None` when there will be none.
///
/// When it is dropped the place in line is given up, and what had been given goes to the next.
#[derive(Debug)]
#[must_use = "the place in line is given up at once"]
pub(crate) struct Wait<'l, T> {
    lending: &'l Lending<T>,
    /// `None`: it is over.
    ticket: Option<u64>,
}

impl<T> Future for Wait<'_, T> {
    type Output = Option<Lent<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket else { return Poll::Ready(None) };
        match self.lending.waiters.look(ticket, cx.waker()) {
            Found::Nothing => Poll::Pending,
            Found::Slot(slot) => {
                self.ticket = None;
                Poll::Ready(self.lending.lend(slot))
            }
            Found::Closed => {
                self.ticket = None;
                Poll::Ready(None)
            }
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        let lending = self.lending;
        lending.waiting.fetch_sub(1, Ordering::Relaxed);
        let Some(ticket) = self.ticket.take() else { return };
        match lending.waiters.leave(ticket) {
            Some(slot) => lending.offer(Some(slot)),
            // Places given up stay in line until they are passed over; those at its front go at once.
            None => {
                while lending.line.pop_if(|first| !lending.waiters.is_waiting(first)).is_some() {}
            }
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod stress;
