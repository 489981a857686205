//! One scenario a test: threads that do what the pool's callers and tasks do, in orders that are drawn.

mod crowd;
mod deadlines;
mod line;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use crate::lending::{Lending, Lent, NEVER, Vacancy, Wait};

/// How many threads there are, and how many slots.
const THREADS: u32 = 8;
const SLOTS: u32 = 3;

/// Runs a scenario in `schedules` drawn orders, twenty times as many where `STELLATA_LONG` is set: half of them with a
/// switch between threads at each step by chance, half with few switches at places that are drawn (Burckhardt and others,
/// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010).
fn try_orders(schedules: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let long = std::env::var_os("STELLATA_LONG").is_some();
    let half = schedules / 2 * if long { 20 } else { 1 };
    // Drawn from the clock where there is time for many; else the same each time.
    let seed = if long { std::process::id().into() } else { 1 };
    let scenario = Arc::new(scenario);
    let mut config = Config::new();
    config.silence_warnings = true;
    let by_chance = Arc::clone(&scenario);
    let scheduler = RandomScheduler::new_from_seed(seed, half);
    Runner::new(scheduler, config.clone()).run(move || by_chance());
    let scheduler = PctScheduler::new_from_seed(seed, 5, half);
    Runner::new(scheduler, config).run(move || scenario());
    println!("{} schedules, the seed is {seed}", half * 2);
}

/// A number below a limit, which belongs to the schedule.
fn below(limit: u32) -> u32 {
    thread_rng().gen_range(0..limit)
}

/// A pool's core, and the things that are out: no two of its callers have the same.
struct Stage {
    lending: Lending<u32>,
    out: Mutex<BTreeSet<u32>>,
    /// The number of the next thing.
    next: Mutex<u32>,
    /// The most slots that there may be at any time.
    most: usize,
}

impl Stage {
    /// With all slots vacant.
    fn vacant(slots: u32, most: usize) -> Arc<Self> {
        let (out, next) = (Mutex::new(BTreeSet::new()), Mutex::new(0));
        Arc::new(Self { lending: Lending::new(slots), out, next, most })
    }

    /// With a thing in each slot.
    fn filled(slots: u32) -> Arc<Self> {
        let stage = Self::vacant(slots, slots as usize);
        while let Some(slot) = stage.lending.vacancy() {
            stage.fill(slot);
        }
        stage
    }

    /// Puts a new thing into a vacant slot.
    fn fill(&self, slot: Vacancy) {
        let thing = {
            let mut next = self.next.lock().unwrap();
            *next += 1;
            *next
        };
        self.put(Lent { thing: Box::new(thing), slot });
    }

    /// What the pool does behind whatever may have left a vacancy that somebody waits for.
    fn fill_wanted(&self) {
        if let Some(slot) = self.lending.wanted() {
            self.fill(slot);
        }
    }

    /// Notes that a thing is out.
    fn take(&self, lent: &Lent<u32>) {
        let mut out = self.out.lock().unwrap();
        assert!(out.insert(*lent.thing), "two have the thing {}", lent.thing);
        assert!(out.len() <= self.most, "{} things are out", out.len());
    }

    fn note_return(&self, lent: &Lent<u32>) {
        assert!(self.out.lock().unwrap().remove(&lent.thing));
    }

    /// A caller gives a thing back.
    fn give(&self, lent: Lent<u32>) {
        self.note_return(&lent);
        self.put(lent);
    }

    /// As the pool takes a connection in: it is closed where there are to be fewer, or none.
    fn put(&self, lent: Lent<u32>) {
        if self.lending.has_surplus() || self.lending.is_closed() {
            return self.end(lent);
        }
        self.lending.give(lent);
        self.shed();
    }

    /// As the pool ends a connection that is lent.
    fn lose(&self, lent: Lent<u32>) {
        self.note_return(&lent);
        self.end(lent);
    }

    fn end(&self, lent: Lent<u32>) {
        drop(lent.thing);
        self.lending.vacate(lent.slot);
        self.fill_wanted();
    }

    /// As the pool closes idle connections that are too many.
    fn shed(&self) {
        while self.lending.has_surplus() || self.lending.is_closed() {
            let Some(lent) = self.lending.take_idle() else { return };
            self.end(lent);
        }
    }

    /// As the pool does behind each place in line: what one who goes away was given, or had in its hand to give it to
    /// another, may be idle now.
    fn pass_on(&self) {
        self.shed();
    }

    /// A caller that waits for as long as it takes. `None` when the pool is closed.
    fn acquire(&self) -> Option<Lent<u32>> {
        let lent = self.lending.take().or_else(|| {
            let wait = self.lending.wait(NEVER);
            self.fill_wanted();
            let lent = block_on(wait);
            self.pass_on();
            lent
        })?;
        self.take(&lent);
        Some(lent)
    }

    /// A caller that looks so many times, and then goes away.
    fn acquire_or_leave(&self, looks: u32) -> Option<Lent<u32>> {
        let lent = self.lending.take().or_else(|| {
            let mut wait = self.lending.wait(NEVER);
            self.fill_wanted();
            for _ in 0..looks {
                if let Poll::Ready(lent) = poll(&mut wait) {
                    self.pass_on();
                    return lent;
                }
                shuttle::thread::yield_now();
            }
            drop(wait);
            self.pass_on();
            None
        })?;
        self.take(&lent);
        Some(lent)
    }

    /// Nobody waits, nothing is out, and there are so many slots, each once.
    fn all_back(&self, slots: usize) {
        assert_eq!(self.lending.waiting(), 0, "nobody waits");
        assert!(!self.lending.is_waited_for());
        assert!(self.out.lock().unwrap().is_empty());
        assert!(!self.lending.has_surplus());
        let idle = self.lending.idle() as usize;
        let things: BTreeSet<u32> =
            std::iter::from_fn(|| self.lending.take_idle()).map(|lent| *lent.thing).collect();
        assert_eq!(things.len(), idle, "as many as were counted, each once");
        let vacant = std::iter::from_fn(|| self.lending.vacancy()).count();
        assert_eq!(idle + vacant, slots, "{idle} idle, {vacant} vacant");
    }
}

/// Looks once, without waiting.
fn poll(wait: &mut Wait<'_, u32>) -> Poll<Option<Lent<u32>>> {
    Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
}
