//! Things that come back, and those who wait for them.

use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;

use super::{acquire, all_back, check, filled, poll};
use crate::lending::NEVER;

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
    check(5, || {
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
        assert_eq!((seen.as_slice(), lending.idle()), ([0, 1].as_slice(), 0));
    });
}

#[test]
fn a_thing_that_comes_back_finds_who_gets_in_line() {
    check(4, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = block_on(other.wait(NEVER)).unwrap();
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
            let mut wait = other.wait(NEVER);
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
    check(2, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let first = lending.wait(NEVER);
        let (waiter, giver) = (Arc::clone(&lending), Arc::clone(&lending));
        let second = thread::spawn(move || {
            let lent = block_on(waiter.wait(NEVER)).unwrap();
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
        let (mut first, mut second) = (lending.wait(NEVER), lending.wait(NEVER));
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
        let (mut first, mut second) = (lending.wait(NEVER), lending.wait(NEVER));
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
    check(2, || {
        let lending = filled(2);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            drop(block_on(other.wait(NEVER)).unwrap().thing);
        });
        let lent = block_on(lending.wait(NEVER)).unwrap();
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
        drop(lending.wait(NEVER));
        // It has the place of the one before, whose ticket may just be in the giver's hand.
        let lent = block_on(lending.wait(NEVER)).unwrap();
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
                let lent = block_on(two.wait(NEVER)).unwrap();
                two.give(lent);
            }
        });
        giving.join().unwrap();
        waiting.join().unwrap();
        all_back(&lending, 1);
    });
}

#[test]
fn who_gets_in_line_while_it_moves_on_is_in_it() {
    check(2, || {
        let lending = filled(1);
        let lent = lending.take().unwrap();
        let mut first = lending.wait(NEVER);
        let other = Arc::clone(&lending);
        let thread = thread::spawn(move || {
            let lent = block_on(other.wait(NEVER)).unwrap();
            other.give(lent);
        });
        // The node that the line leaves behind is used again at once.
        lending.give(lent);
        let second = lending.wait(NEVER);
        let Poll::Ready(Some(lent)) = poll(&mut first) else { panic!("the first waits on") };
        lending.give(lent);
        lending.give(block_on(second).unwrap());
        thread.join().unwrap();
        drop(first);
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
            assert!(block_on(other.wait(NEVER)).is_none());
        });
        lending.close();
        thread.join().unwrap();
        assert!(block_on(lending.wait(NEVER)).is_none());
        lending.give(lent);
        all_back(&lending, 1);
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
