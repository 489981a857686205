//! Threads that ask, wait, go away and stop being polled, all at the same time, and one that drives where nobody else does.
//! Counts only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::lanes::crew::{Added, Crew, Served, When, Work};

const THREADS: u32 = 6;
const ROUNDS: u32 = 3_000;

/// Far longer than any answer takes: who is not woken by then never will be.
const PATIENCE: Duration = Duration::from_secs(60);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The other side: how much was asked and answered, and who is to be woken when more comes.
#[derive(Default)]
struct Wire {
    asked: AtomicU64,
    answered: AtomicU64,
    reader: Mutex<Option<Waker>>,
    is_over: AtomicBool,
}

impl Wire {
    fn answer(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            let asked = self.asked.load(Ordering::Acquire);
            if self.answered.swap(asked, Ordering::AcqRel) == asked {
                thread::yield_now();
                continue;
            }
            let reader = self.reader.lock().unwrap().take();
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }
}

/// Questions by number, answered in order.
struct Questions {
    wire: Arc<Wire>,
    added: u64,
    over: u64,
    /// How many turns there were, and how many answers were read in a turn of another.
    turns: u64,
    by_others: u64,
}

impl Work for Questions {
    type Parting = u64;

    fn go_on(&mut self, cx: &mut Context<'_>, served: &mut Served<'_>) {
        self.turns += 1;
        self.wire.asked.store(self.added, Ordering::Release);
        *self.wire.reader.lock().unwrap() = Some(cx.waker().clone());
        let answered = self.wire.answered.load(Ordering::Acquire);
        // A turn has an end, as that of a socket has.
        for _ in 0..3 {
            if self.over == answered {
                return;
            }
            self.over += 1;
            self.by_others += u64::from(!served.is_driver(self.over));
            served.tell(self.over);
        }
        served.go_on_later();
    }

    fn part(&mut self) -> Option<u64> {
        (self.over.is_multiple_of(1_000) && self.over > 0).then_some(self.over)
    }
}

/// Waits for an answer by its number.
fn wait(crew: &Crew<Questions>, number: u64, waker: &Waker) {
    let mut cx = Context::from_waker(waker);
    loop {
        let (polled, _) = crew.poll(number, &mut cx, |work| (work.over >= number).then_some(()));
        match polled {
            Poll::Ready(()) => return,
            Poll::Pending => {
                let start = std::time::Instant::now();
                thread::park_timeout(PATIENCE);
                assert!(start.elapsed() < PATIENCE, "nobody has woken who waits for {number}");
            }
        }
    }
}

/// Asks again and again, in all ways. Returns how many questions were seen to their answers, and how many given up.
fn ask(crew: &Crew<Questions>, seed: u32) -> (u64, u64) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let (mut answered, mut left) = (0, 0);
    // Questions that are asked and not polled for a while.
    let mut stale = VecDeque::new();
    for round in 0..ROUNDS {
        let what = round.wrapping_mul(31).wrapping_add(seed * 7) % 16;
        let when = [When::Now, When::Soon, When::Now][what as usize % 3];
        let (added, _) = crew.add(&mut cx, |work| {
            work.added += 1;
            Ok::<_, ()>(Added { number: work.added, place: 0, when })
        });
        let number = added.unwrap().number;
        match what {
            3 | 4 => stale.push_back(number),
            5 | 6 => {
                let _ = crew.poll(number, &mut cx, |_| None::<()>);
                crew.leave(number, |_| ());
                left += 1;
            }
            7 => {
                crew.leave(number, |_| ());
                left += 1;
            }
            _ => {
                wait(crew, number, &waker);
                answered += 1;
            }
        }
        if stale.len() > 4
            && let Some(number) = stale.pop_front()
        {
            wait(crew, number, &waker);
            answered += 1;
        }
    }
    for number in stale {
        wait(crew, number, &waker);
        answered += 1;
    }
    (answered, left)
}

#[test]
fn everybody_is_served_whoever_drives_leaves_or_stands_still() {
    let wire = Arc::new(Wire::default());
    let work = Questions { wire: Arc::clone(&wire), added: 0, over: 0, turns: 0, by_others: 0 };
    let crew = Crew::new(work);
    let mut seen = (0, 0);
    thread::scope(|scope| {
        let answering = scope.spawn(|| wire.answer());
        let looking = scope.spawn(|| {
            // As the pool's task does: what is due at two looks is nobody's.
            let mut was_due = false;
            while !wire.is_over.load(Ordering::Acquire) {
                let is_due = crew.is_due();
                if is_due && was_due {
                    crew.drive();
                }
                was_due = is_due;
                thread::sleep(Duration::from_micros(500));
            }
        });
        let crew = &crew;
        let asking: Vec<_> =
            (0..THREADS).map(|seed| scope.spawn(move || ask(crew, seed))).collect();
        for asked in asking {
            let (answered, left) = asked.join().unwrap();
            seen = (seen.0 + answered, seen.1 + left);
        }
        wire.is_over.store(true, Ordering::Release);
        looking.join().unwrap();
        answering.join().unwrap();
    });
    let asked = u64::from(THREADS * ROUNDS);
    assert_eq!(seen.0 + seen.1, asked);
    let ((added, by_others, turns), _) = crew.with(|work| (work.added, work.by_others, work.turns));
    assert_eq!(added, asked);
    assert!(by_others > 0, "all read for themselves in {turns} turns");
}
