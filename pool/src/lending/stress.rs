//! Threads that lend, give back, leave, break and resize all at the same time. Counts only; `cargo xtask rel R19 --long` also
//! runs it under the thread sanitizer.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::lending::{Lending, Lent, NEVER};

const SLOTS: u32 = 3;
const THREADS: u32 = 6;
const ROUNDS: u32 = 4_000;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a thing, or looks for it once and goes away.
fn wait(lending: &Lending<u32>, stays: bool, thing: u32, waker: &Waker) -> Option<Lent<u32>> {
    let mut wait = pin!(lending.wait(NEVER));
    fill_wanted(lending, thing);
    loop {
        match wait.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(lent) => return lent,
            Poll::Pending if !stays => return None,
            Poll::Pending => thread::park(),
        }
    }
}

fn fill_wanted(lending: &Lending<u32>, thing: u32) {
    if let Some(slot) = lending.wanted() {
        lending.give(Lent { thing: Box::new(thing), slot });
    }
}

#[test]
fn nothing_is_lost_or_lent_twice_whatever_many_do() {
    let lending = Arc::new(Lending::new(SLOTS));
    // The places for waiting are made before any thread is: the sanitizer does not see that who comes second to make them
    // waits for the first.
    drop(lending.wait(NEVER));
    let lent_now = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (lending, lent_now) = (Arc::clone(&lending), Arc::clone(&lent_now));
            thread::spawn(move || {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let mut served = 0;
                for round in 0..ROUNDS {
                    let what = (round.wrapping_mul(31).wrapping_add(number * 7)) % 16;
                    let lent = lending.take().or_else(|| wait(&lending, what > 3, number, &waker));
                    let Some(lent) = lent else { continue };
                    served += 1;
                    assert!(lent_now.fetch_add(1, Ordering::SeqCst) < SLOTS, "lent too often");
                    if what % 4 == 1 {
                        thread::yield_now();
                    }
                    lent_now.fetch_sub(1, Ordering::SeqCst);
                    match what {
                        5 => {
                            lending.vacate(lent.slot);
                            fill_wanted(&lending, number);
                        }
                        6 => {
                            lending.withhold(1);
                            lending.give(lent);
                            lending.add(1);
                            fill_wanted(&lending, number);
                        }
                        _ => lending.give(lent),
                    }
                }
                // Freed when all threads have ended: the sanitizer does not know the fence that makes it right before.
                (waker, served)
            })
        })
        .collect();
    let (wakers, served): (Vec<Waker>, Vec<u32>) =
        threads.into_iter().map(|thread| thread.join().unwrap()).unzip();
    // All but those who look once and go away, who find something more often than not.
    assert!(served.iter().all(|times| *times >= ROUNDS / 4 * 3), "{served:?}");
    assert_eq!(lending.waiting(), 0);
    let idle = lending.idle();
    let things = std::iter::from_fn(|| lending.take_idle()).count();
    let vacant = std::iter::from_fn(|| lending.vacancy()).count();
    assert_eq!(things, idle as usize);
    assert_eq!(things + vacant, SLOTS as usize, "{things} things, {vacant} vacancies");
    assert!(!lending.has_surplus());
    drop(wakers);
}
