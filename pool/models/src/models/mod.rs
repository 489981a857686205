//! One property a model. Each runs two or three threads, which is what the races of the module need.

mod deadlines;
mod drivers;
mod line;
mod slots;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;

use crate::lending::{Lending, Lent, NEVER, Vacancy, Wait};

/// Runs a model through all orders with so many switches between threads at places where none of them had to wait.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// A pool with all its slots vacant. Loom does not know that a chunk is whole when it is seen, so that those for waiting
/// are made before any thread is.
fn vacant(slots: u32) -> Arc<Lending<u32>> {
    let lending = Lending::new(slots);
    drop(lending.wait(NEVER));
    Arc::new(lending)
}

/// A pool with all its slots filled and idle: thing `n` in the slot `n`.
fn filled(slots: u32) -> Arc<Lending<u32>> {
    let lending = vacant(slots);
    for thing in 0..slots {
        let slot = lending.vacancy().unwrap();
        fill(&lending, slot, thing);
    }
    lending
}

fn fill(lending: &Lending<u32>, slot: Vacancy, thing: u32) {
    lending.give(Lent { thing: Box::new(thing), slot });
}

/// What a task of the pool does with a vacancy that is waited for.
fn fill_wanted(lending: &Lending<u32>, thing: u32) {
    if let Some(slot) = lending.wanted() {
        fill(lending, slot, thing);
    }
}

/// What a caller of the pool does where nothing new is ever made.
fn acquire(lending: &Lending<u32>) -> Option<Lent<u32>> {
    match lending.take() {
        Some(lent) => Some(lent),
        None => block_on(lending.wait(NEVER)),
    }
}

/// What a caller of the pool does where a vacancy is filled when somebody waits.
fn acquire_or_open(lending: &Lending<u32>, thing: u32) -> Option<Lent<u32>> {
    lending.take().or_else(|| {
        let wait = lending.wait(NEVER);
        fill_wanted(lending, thing);
        block_on(wait)
    })
}

/// Looks once, without waiting.
fn poll(wait: &mut Wait<'_, u32>) -> Poll<Option<Lent<u32>>> {
    Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
}

/// Takes a thing away for good.
fn remove(lending: &Lending<u32>, lent: Lent<u32>) {
    drop(lent.thing);
    lending.vacate(lent.slot);
}

/// Every slot is there once, with a thing of its own in it, and nobody waits.
fn all_back(lending: &Lending<u32>, slots: usize) {
    assert_eq!((lending.waiting(), lending.idle() as usize), (0, slots));
    assert!(!lending.is_waited_for());
    let mut seen = Vec::new();
    while let Some(lent) = lending.take() {
        seen.push(*lent.thing);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), slots);
}

/// How many slots are vacant.
fn vacancies(lending: &Lending<u32>) -> usize {
    let vacant: Vec<Vacancy> = std::iter::from_fn(|| lending.vacancy()).collect();
    vacant.into_iter().map(|slot| lending.vacate(slot)).count()
}
