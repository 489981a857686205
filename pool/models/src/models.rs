//! One property a model. Each runs two or three threads, which is what the races of the module need.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use crate::lending::{Lending, Lent};

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A pool with all its slots filled and idle: thing `n` in the slot `n`.
fn filled(slots: u32) -> Arc<Lending<u32>> {
    let lending = Arc::new(Lending::new(slots));
    for thing in 0..slots {
        let slot = lending.vacancy().unwrap();
        lending.give(Lent { thing: Box::new(thing), slot });
    }
    lending
}

fn acquire(lending: &Lending<u32>) -> Option<Lent<u32>> {
    match lending.take() {
        Some(lent) => Some(lent),
        None => block_on(lending.wait()),
    }
}

/// Every slot is there once, with its thing in it, and nobody waits.
fn all_back(lending: &Lending<u32>, slots: usize) {
    let mut seen = Vec::new();
    while let Some(lent) = lending.take() {
        seen.push(*lent.thing);
        std::mem::forget(lent.slot);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), slots);
    assert_eq!((lending.waiting(), lending.idle()), (0, 0));
    assert!(!lending.is_waited_for());
}

#[test]
fn two_never_have_one_thing() {
    check(|| {
        let lending = filled(1);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = acquire(&other).unwrap();
            other.give(lent);
        });
        let lent = acquire(&lending).unwrap();
        lending.give(lent);
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}
