//! Those who wait until a deadline, and the one who looks for those whose deadline has come.

use std::sync::Arc;
// Not loom's: it is no step of what is modelled, and read when all threads have ended.
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};

use loom::future::block_on;
use loom::thread;

use super::{all_back, check, filled, poll};
use crate::lending::NEVER;

#[derive(Default)]
struct Rung(AtomicBool);

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_gets_in_line_is_seen_by_who_looks_or_wakes_it() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let rung = Arc::new(Rung::default());
        let waker = Waker::from(Arc::clone(&rung));
        // As it stands while nobody waits.
        assert_eq!(lending.send_away_late(0, NEVER, &waker), NEVER);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || other.send_away_late(1, NEVER, &waker));
        let wait = lending.wait(5);
        let next = thread.join().unwrap();
        assert!(next == 5 || rung.0.load(Ordering::Relaxed), "the next look is at {next}");
        drop(wait);
        lending.give(lent);
        all_back(&lending, 1);
    });
}

#[test]
fn only_who_waits_for_less_long_than_the_next_look_wakes_it() {
    check(2, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let rung = Arc::new(Rung::default());
        let waker = Waker::from(Arc::clone(&rung));
        assert_eq!(lending.send_away_late(0, 5, &waker), 5);
        drop((lending.wait(5), lending.wait(6)));
        assert!(!rung.0.load(Ordering::Relaxed));
        drop(lending.wait(4));
        assert!(rung.0.load(Ordering::Relaxed));
        lending.give(lent);
        all_back(&lending, 1);
    });
}

#[test]
fn what_comes_back_when_the_deadline_does_is_not_lost() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let wait = lending.wait(5);
        let (giver, looker) = (Arc::clone(&lending), Arc::clone(&lending));
        let giving = thread::spawn(move || giver.give(lent));
        let looking = thread::spawn(move || looker.send_away_late(5, NEVER, Waker::noop()));
        // Either of the two ends the wait.
        if let Some(lent) = block_on(wait) {
            lending.give(lent);
        }
        giving.join().unwrap();
        looking.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn the_second_is_served_when_the_first_is_too_late() {
    check(3, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let (mut first, second) = (lending.wait(5), lending.wait(9));
        let (giver, looker) = (Arc::clone(&lending), Arc::clone(&lending));
        let giving = thread::spawn(move || giver.give(lent));
        let looking = thread::spawn(move || looker.send_away_late(5, NEVER, Waker::noop()));
        giving.join().unwrap();
        let next = looking.join().unwrap();
        // Who came first was given it, or sent away, and the other has it then.
        let Poll::Ready(firsts) = poll(&mut first) else { panic!("the first waits on") };
        if let Some(lent) = firsts {
            assert_eq!(lending.send_away_late(6, NEVER, Waker::noop()), 9);
            lending.give(lent);
        } else {
            assert!(next == 9 || next == NEVER);
        }
        lending.give(block_on(second).unwrap());
        drop(first);
        all_back(&lending, 1);
    });
}

#[test]
fn who_is_too_late_takes_nobody_along_who_has_its_place_afterwards() {
    check(3, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let early = lending.wait(5);
        let looker = Arc::clone(&lending);
        let looking = thread::spawn(move || looker.send_away_late(5, NEVER, Waker::noop()));
        drop(early);
        // In the place of the one before, whose ticket may just be in the looker's hand.
        let mut wait = lending.wait(9);
        looking.join().unwrap();
        assert!(poll(&mut wait).is_pending(), "its deadline has not come");
        lending.give(lent);
        lending.give(block_on(wait).unwrap());
        all_back(&lending, 1);
    });
}

#[test]
fn two_who_look_send_each_away_once() {
    check(3, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let (mut first, mut second, mut third) =
            (lending.wait(5), lending.wait(5), lending.wait(6));
        let other = Arc::clone(&lending);
        let looking = thread::spawn(move || other.send_away_late(5, NEVER, Waker::noop()));
        lending.send_away_late(5, NEVER, Waker::noop());
        looking.join().unwrap();
        assert!(matches!(poll(&mut first), Poll::Ready(None)));
        assert!(matches!(poll(&mut second), Poll::Ready(None)));
        assert!(poll(&mut third).is_pending());
        lending.give(lent);
        lending.give(block_on(third).unwrap());
        drop((first, second));
        all_back(&lending, 1);
    });
}
