//! Many callers at the same time, of whom some go away, while connections break and the pool is resized and closed.

use std::sync::Arc;

use shuttle::thread;

use super::{SLOTS, Stage, THREADS, below, try_orders};
use crate::lending::NEVER;

/// How often each caller wants something.
const ROUNDS: u32 = 3;

/// What callers do: most give back what they had, some lose it, some don't wait for it.
fn call(stage: &Stage) {
    for _ in 0..ROUNDS {
        let lent = match below(4) {
            0 => stage.acquire_or_leave(below(3)),
            _ => stage.acquire(),
        };
        let Some(lent) = lent else { continue };
        if below(2) == 0 {
            thread::yield_now();
        }
        match below(5) {
            0 => stage.lose(lent),
            _ => stage.give(lent),
        }
    }
}

/// Lets callers do what they do, and this thread something else meanwhile.
fn while_all_call(stage: &Arc<Stage>, meanwhile: impl FnOnce(&Stage)) {
    let callers: Vec<_> = (0..THREADS)
        .map(|_| {
            let stage = Arc::clone(stage);
            thread::spawn(move || call(&stage))
        })
        .collect();
    meanwhile(stage);
    for caller in callers {
        caller.join().unwrap();
    }
}

#[test]
fn every_caller_is_served_and_every_slot_comes_back() {
    try_orders(2_000, || {
        let stage = Stage::filled(SLOTS);
        while_all_call(&stage, |_| {});
        stage.all_back(SLOTS as usize);
    });
}

#[test]
fn vacancies_are_filled_for_those_who_wait() {
    try_orders(2_000, || {
        let stage = Stage::vacant(SLOTS, SLOTS as usize);
        while_all_call(&stage, |_| {});
        stage.all_back(SLOTS as usize);
    });
}

#[test]
fn slots_that_are_withheld_and_added_are_neither_lost_nor_doubled() {
    try_orders(2_000, || {
        let stage = Stage::vacant(SLOTS, SLOTS as usize + 2);
        while_all_call(&stage, |stage| {
            for (fewer, more) in [(2, 1), (1, 3), (2, 1)] {
                stage.lending.withhold(fewer);
                stage.shed();
                thread::yield_now();
                stage.lending.add(more);
                for _ in 0..more {
                    stage.fill_wanted();
                }
            }
        });
        stage.shed();
        stage.all_back(SLOTS as usize);
    });
}

#[test]
fn closing_ends_all_waiting_and_keeps_no_thing() {
    try_orders(2_000, || {
        let stage = Stage::filled(SLOTS);
        while_all_call(&stage, |stage| {
            for _ in 0..below(6) {
                thread::yield_now();
            }
            stage.lending.close();
            stage.shed();
        });
        assert!(stage.acquire().is_none());
        assert_eq!(stage.lending.idle(), 0);
        stage.all_back(SLOTS as usize);
    });
}

#[test]
fn who_looks_through_idle_things_takes_none_away() {
    try_orders(1_000, || {
        let stage = Stage::filled(SLOTS);
        while_all_call(&stage, |stage| {
            for _ in 0..3 {
                // As the pool looks for those that are too old.
                let taken: Vec<_> = std::iter::from_fn(|| stage.lending.take_idle()).collect();
                for lent in taken {
                    stage.put(lent);
                }
                thread::yield_now();
            }
        });
        stage.all_back(SLOTS as usize);
    });
}

#[test]
fn one_who_tries_again_and_again_serves_all_who_wait() {
    try_orders(2_000, || {
        let stage = Stage::vacant(SLOTS, SLOTS as usize);
        let callers: Vec<_> = (0..THREADS)
            .map(|_| {
                let stage = Arc::clone(&stage);
                thread::spawn(move || {
                    let wait = stage.lending.wait(NEVER);
                    open(&stage);
                    if let Some(lent) = shuttle::future::block_on(wait) {
                        stage.take(&lent);
                        stage.give(lent);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        stage.all_back(SLOTS as usize);
    });
}

/// As the pool opens a connection: what fails is tried again by one, for all.
fn open(stage: &Stage) {
    let Some(slot) = stage.lending.wanted() else { return };
    let mut retrying = false;
    while below(2) == 0 {
        retrying = retrying || stage.lending.begin_retry();
        if !retrying || !stage.lending.is_waited_for() {
            stage.lending.vacate(slot);
            if retrying {
                stage.lending.end_retry();
            }
            // Who came in the last moment relied on this one.
            return open(stage);
        }
        thread::yield_now();
    }
    if retrying {
        stage.lending.end_retry();
    }
    stage.fill(slot);
    // Those who left it to this one.
    open(stage);
}
