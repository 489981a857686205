//! Those who wait until a deadline, and a task like the pool's that sends them away.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::thread;

use super::{SLOTS, Stage, THREADS, below, try_orders};
use crate::lending::NEVER;

/// A clock that moves on when nothing else is left to do before the next look.
#[derive(Default)]
struct Clock {
    now: AtomicU64,
    is_over: AtomicBool,
}

/// Sends away those who are too late, until it is over.
fn usher(stage: &Stage, clock: &Clock) {
    block_on(poll_fn(|cx| {
        loop {
            let now = clock.now.load(Ordering::SeqCst);
            match stage.lending.send_away_late(now, NEVER, cx.waker()) {
                _ if clock.is_over.load(Ordering::SeqCst) => return Poll::Ready(()),
                // Nobody waits: only who comes can wake it.
                NEVER => return Poll::Pending,
                next => clock.now.store(next, Ordering::SeqCst),
            }
        }
    }));
}

#[test]
fn nobody_waits_for_ever_and_no_thing_is_lost() {
    try_orders(2_000, || {
        let stage = Stage::filled(SLOTS);
        let clock = Arc::new(Clock::default());
        let held: Vec<_> = std::iter::from_fn(|| stage.lending.take()).collect();
        let ushering = {
            let (stage, clock) = (Arc::clone(&stage), Arc::clone(&clock));
            thread::spawn(move || usher(&stage, &clock))
        };
        let callers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (stage, clock) = (Arc::clone(&stage), Arc::clone(&clock));
                thread::spawn(move || {
                    for _ in 0..below(3) {
                        let deadline = clock.now.load(Ordering::SeqCst) + 5;
                        if let Some(lent) = block_on(stage.lending.wait(deadline)) {
                            stage.take(&lent);
                            stage.give(lent);
                        }
                    }
                })
            })
            .collect();
        // What is kept until all callers are gone can't be what ends their wait.
        let (mut kept, mut given) = (Vec::new(), below(2));
        for lent in held {
            match given.checked_sub(1) {
                Some(less) => {
                    given = less;
                    thread::yield_now();
                    stage.put(lent);
                }
                None => kept.push(lent),
            }
        }
        for caller in callers {
            caller.join().unwrap();
        }
        clock.is_over.store(true, Ordering::SeqCst);
        stage.lending.wake_looker();
        ushering.join().unwrap();
        kept.into_iter().for_each(|lent| stage.put(lent));
        stage.all_back(SLOTS as usize);
    });
}
