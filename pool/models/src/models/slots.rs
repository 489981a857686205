//! Slots that fall vacant, are filled, added and withheld.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::{
    acquire_or_open, all_back, check, fill, fill_wanted, filled, remove, vacancies, vacant,
};
use crate::lending::{Lending, NEVER};

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
fn fewer_slots_and_more_at_once_leave_as_many_as_before() {
    check(3, || {
        let lending = filled(2);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            if other.has_surplus() {
                // No second one is taken away for it, and the slot is nobody else's until it is vacated.
                other.begin_parting();
                assert!(!other.has_surplus());
                remove(&other, lent);
                other.end_parting();
            } else {
                other.give(lent);
            }
        });
        lending.withhold(1);
        lending.add(1);
        let filled = lending.vacancy().map(|slot| fill(&lending, slot, 2)).is_some();
        thread.join().unwrap();
        assert!(!lending.has_surplus());
        assert_eq!(lending.idle() as usize + vacancies(&lending), 2, "{filled}");
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
        let (one, _lost) = (lending.vacancy().unwrap(), lending.vacancy().unwrap());
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
            let wait = waiter.wait(NEVER);
            fill_wanted(&waiter, 2);
            let lent = block_on(wait).unwrap();
            waiter.give(lent);
        });
        lending.end_retry();
        // The other slot is lost, so that all hangs on the first.
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
        let wait = lending.wait(NEVER);
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
