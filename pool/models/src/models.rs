//! One property a model. Each runs two or three threads, which is what the races of the module need.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::thread;

use crate::lending::{Lending, Lent, Vacancy, Wait};

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
    drop(lending.wait());
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
        None => block_on(lending.wait()),
    }
}

/// What a caller of the pool does where a vacancy is filled when somebody waits.
fn acquire_or_open(lending: &Lending<u32>, thing: u32) -> Option<Lent<u32>> {
    lending.take().or_else(|| {
        let wait = lending.wait();
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
        std::mem::forget(lent.slot);
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

#[test]
fn two_never_have_one_thing() {
    check(3, || {
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

#[test]
fn a_slot_that_went_and_came_back_is_not_mistaken_for_itself() {
    check(3, || {
        let lending = filled(2);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || other.take());
        let (first, second) = (lending.take(), lending.take());
        if let Some(first) = first {
            lending.give(first);
        }
        // What the other has is neither idle nor here, however the top of the stack looked to it.
        let third = lending.take();
        let others = thread.join().unwrap();
        let last = lending.take();
        let mut seen: Vec<u32> =
            [second, third, others, last].iter().flatten().map(|lent| *lent.thing).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn a_thing_that_comes_back_finds_who_gets_in_line() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = block_on(other.wait()).unwrap();
            other.give(lent);
        });
        lending.give(lent);
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn what_was_given_to_one_who_leaves_is_not_lost() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let mut wait = other.wait();
            if let Poll::Ready(lent) = poll(&mut wait) {
                other.give(lent.unwrap());
            }
        });
        lending.give(lent);
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn the_second_is_served_when_the_first_leaves() {
    check(1, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let first = lending.wait();
        let (waiter, giver) = (Arc::clone(&lending), Arc::clone(&lending));
        let second = thread::spawn(move || {
            let lent = block_on(waiter.wait()).unwrap();
            waiter.give(lent);
        });
        let giving = thread::spawn(move || giver.give(lent));
        drop(first);
        second.join().unwrap();
        giving.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn the_first_in_line_is_served_first() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let (mut first, mut second) = (lending.wait(), lending.wait());
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || other.give(lent));
        assert!(lending.take().is_none(), "who comes later overtakes nobody");
        assert!(poll(&mut second).is_pending());
        thread.join().unwrap();
        let Poll::Ready(Some(lent)) = poll(&mut first) else { panic!("the first waits on") };
        assert!(poll(&mut second).is_pending());
        lending.give(lent);
        let Poll::Ready(Some(lent)) = poll(&mut second) else { panic!("the second waits on") };
        lending.give(lent);
        drop((first, second));
        all_back(&lending, 1);
    });
}

#[test]
fn two_that_come_back_serve_two_that_wait() {
    check(3, || {
        let lending = filled(2);
        let (one, two) = (lending.take().unwrap(), lending.take().unwrap());
        let (mut first, mut second) = (lending.wait(), lending.wait());
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || other.give(one));
        lending.give(two);
        thread.join().unwrap();
        for wait in [&mut first, &mut second] {
            let Poll::Ready(Some(lent)) = poll(wait) else { panic!("there were two for two") };
            lending.give(lent);
        }
        drop((first, second));
        all_back(&lending, 2);
    });
}

#[test]
fn two_waiters_find_two_idle_things() {
    check(1, || {
        let lending = filled(2);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = block_on(other.wait()).unwrap();
            std::mem::forget(lent.slot);
        });
        let lent = block_on(lending.wait()).unwrap();
        thread.join().unwrap();
        lending.give(lent);
        all_back(&lending, 1);
    });
}

#[test]
fn a_place_in_line_that_is_used_again_is_served_once() {
    check(2, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || other.give(lent));
        drop(lending.wait());
        // It has the place of the one before, whose ticket may just be in the giver's hand.
        let lent = block_on(lending.wait()).unwrap();
        thread.join().unwrap();
        assert!(lending.take().is_none());
        lending.give(lent);
        all_back(&lending, 1);
    });
}

#[test]
fn a_waker_that_comes_late_costs_nobody_the_thing() {
    check(2, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let (one, two) = (Arc::clone(&lending), Arc::clone(&lending));
        let giving = thread::spawn(move || one.give(lent));
        let waiting = thread::spawn(move || {
            // Twice by the same place: the wake for the first may hit the second.
            for _ in 0..2 {
                let lent = block_on(two.wait()).unwrap();
                two.give(lent);
            }
        });
        giving.join().unwrap();
        waiting.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn closing_ends_all_waiting() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            assert!(block_on(other.wait()).is_none());
        });
        lending.close();
        thread.join().unwrap();
        assert!(block_on(lending.wait()).is_none());
        lending.give(lent);
        all_back(&lending, 1);
    });
}

#[test]
fn nothing_stays_idle_in_what_is_closed() {
    fn remove_idle(lending: &Lending<u32>) {
        while let Some(lent) = lending.take_idle() {
            remove(lending, lent);
        }
    }
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            other.give(lent);
            if other.is_closed() {
                remove_idle(&other);
            }
        });
        lending.close();
        remove_idle(&lending);
        thread.join().unwrap();
        assert_eq!((lending.idle(), vacancies(&lending)), (0, 1));
    });
}

#[test]
fn a_thing_that_breaks_is_replaced_for_who_waits() {
    check(3, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = acquire_or_open(&other, 1).unwrap();
            other.give(lent);
        });
        remove(&lending, lent);
        fill_wanted(&lending, 2);
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn what_grows_old_is_taken_from_no_one() {
    check(3, || {
        let lending = filled(1);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = acquire_or_open(&other, 1).unwrap();
            other.give(lent);
        });
        if let Some(lent) = lending.take_idle() {
            remove(&lending, lent);
            fill_wanted(&lending, 2);
        }
        thread.join().unwrap();
        assert_eq!(lending.idle() as usize + vacancies(&lending), 1);
    });
}

#[test]
fn what_was_looked_at_and_is_good_serves_who_came_meanwhile() {
    check(3, || {
        let lending = filled(1);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = acquire(&other).unwrap();
            other.give(lent);
        });
        if let Some(lent) = lending.take_idle() {
            lending.give(lent);
        }
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn fewer_slots_are_reached_while_things_come_back() {
    fn settle(lending: &Lending<u32>) {
        while lending.has_surplus() {
            let Some(lent) = lending.take_idle() else { return };
            remove(lending, lent);
        }
    }
    check(3, || {
        let lending = filled(2);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            if other.has_surplus() {
                remove(&other, lent);
            } else {
                other.give(lent);
                settle(&other);
            }
        });
        lending.withhold(1);
        settle(&lending);
        thread.join().unwrap();
        settle(&lending);
        assert_eq!(lending.idle() as usize + vacancies(&lending), 1);
    });
}

#[test]
fn fewer_slots_and_a_vacancy_leave_no_slot_over() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || remove(&other, lent));
        lending.withhold(1);
        thread.join().unwrap();
        assert_eq!(vacancies(&lending), 0);
        lending.add(1);
        assert_eq!(vacancies(&lending), 1);
    });
}

#[test]
fn a_further_slot_is_filled_for_who_waits() {
    check(3, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = acquire_or_open(&other, 1).unwrap();
            other.give(lent);
        });
        lending.add(1);
        fill_wanted(&lending, 2);
        thread.join().unwrap();
        lending.give(lent);
        all_back(&lending, 2);
    });
}

#[test]
fn there_are_never_more_vacancies_than_slots() {
    check(4, || {
        let lending = vacant(1);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let slot = other.vacancy();
            let had = slot.is_some();
            if let Some(slot) = slot {
                assert!(other.vacancy().is_none());
                other.vacate(slot);
            }
            had
        });
        let slot = lending.vacancy();
        let had = slot.is_some();
        if let Some(slot) = slot {
            assert!(lending.vacancy().is_none());
            lending.vacate(slot);
        }
        assert!(thread.join().unwrap() | had);
        assert_eq!(vacancies(&lending), 1);
    });
}

#[test]
fn who_stops_trying_leaves_nobody_behind() {
    check(3, || {
        let lending = vacant(1);
        let slot = lending.vacancy().unwrap();
        assert!(lending.begin_retry());
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = acquire_or_open(&other, 1).unwrap();
            other.give(lent);
        });
        // It is not waited for, as it seems.
        lending.end_retry();
        lending.vacate(slot);
        fill_wanted(&lending, 2);
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn who_leaves_trying_to_another_leaves_nobody_behind() {
    check(2, || {
        let lending = vacant(2);
        let (one, two) = (lending.vacancy().unwrap(), lending.vacancy().unwrap());
        assert!(lending.begin_retry());
        let (leaver, waiter) = (Arc::clone(&lending), Arc::clone(&lending));
        let leaving = thread::spawn(move || {
            let begun = leaver.begin_retry();
            if begun {
                leaver.end_retry();
            }
            leaver.vacate(one);
            fill_wanted(&leaver, 1);
        });
        let waiting = thread::spawn(move || {
            let wait = waiter.wait();
            fill_wanted(&waiter, 2);
            let lent = block_on(wait).unwrap();
            waiter.give(lent);
        });
        lending.end_retry();
        // The other slot is lost, so that all hangs on the first.
        std::mem::forget(two);
        fill_wanted(&lending, 3);
        leaving.join().unwrap();
        waiting.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn one_at_a_time_tries_again() {
    check(4, || {
        let lending = vacant(1);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || other.begin_retry());
        let begun = lending.begin_retry();
        assert!(begun ^ thread.join().unwrap());
        let wait = lending.wait();
        assert!(lending.wanted().is_none(), "who tries again does it for all");
        lending.end_retry();
        assert!(lending.wanted().is_some());
        drop(wait);
        assert!(lending.begin_retry());
    });
}

#[test]
fn who_comes_while_others_are_turned_away_is_not_forgotten() {
    check(3, || {
        let lending = vacant(1);
        let slot = lending.vacancy().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            if let Some(lent) = acquire_or_open(&other, 1) {
                other.give(lent);
            }
        });
        lending.turn_away();
        lending.vacate(slot);
        fill_wanted(&lending, 2);
        thread.join().unwrap();
        assert_eq!(lending.idle() as usize + vacancies(&lending), 1);
    });
}

#[test]
fn the_count_of_idle_things_is_never_wrong_by_more_than_what_moves() {
    check(4, || {
        let lending = filled(1);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            if let Some(lent) = other.take() {
                other.give(lent);
            }
        });
        assert!(lending.idle() <= 1);
        if let Some(lent) = lending.take() {
            lending.give(lent);
        }
        assert!(lending.idle() <= 2);
        thread.join().unwrap();
        all_back(&lending, 1);
    });
}
