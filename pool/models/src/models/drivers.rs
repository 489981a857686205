//! Those who wait on a lane, and what wakes them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::check;
use crate::crew::{Added, Crew, Served, When, Work};

/// A wire: how much was asked, how much was answered, and who is to be woken when more comes.
struct Wire {
    asked: AtomicU64,
    answered: AtomicU64,
    reader: Mutex<Option<Waker>>,
}

impl Wire {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            reader: Mutex::new(None),
        })
    }

    /// What the other side does: answers all that was asked so far.
    fn answer(&self) {
        let asked = self.asked.load(Ordering::Acquire);
        self.answered.store(asked, Ordering::Release);
        let reader = self.reader.lock().unwrap().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Questions by number, answered in order.
struct Questions {
    wire: Arc<Wire>,
    added: u64,
    over: u64,
}

impl Work for Questions {
    type Parting = ();

    fn go_on(&mut self, cx: &mut Context<'_>, served: &mut Served<'_>) {
        self.wire.asked.store(self.added, Ordering::Release);
        // As a socket does: who is to be woken is noted before the last look.
        *self.wire.reader.lock().unwrap() = Some(cx.waker().clone());
        let answered = self.wire.answered.load(Ordering::Acquire);
        while self.over < answered {
            self.over += 1;
            served.tell(self.over);
        }
    }

    fn part(&mut self) -> Option<()> {
        None
    }
}

fn crew(wire: &Arc<Wire>) -> Arc<Crew<Questions>> {
    Arc::new(Crew::new(Questions { wire: Arc::clone(wire), added: 0, over: 0 }))
}

fn add(crew: &Crew<Questions>, cx: &mut Context<'_>, when: When) -> u64 {
    let (added, _) = crew.add(cx, |work| {
        work.added += 1;
        Ok::<_, ()>(Added { number: work.added, place: 0, when })
    });
    added.unwrap().number
}

fn poll(crew: &Crew<Questions>, number: u64, cx: &mut Context<'_>) -> Poll<()> {
    crew.poll(number, cx, |work| (work.over >= number).then_some(())).0
}

/// Asks, and waits for the answer.
fn ask(crew: &Crew<Questions>, when: When) {
    let mut number = None;
    block_on(poll_fn(|cx| match number {
        None => {
            number = Some(add(crew, cx, when));
            Poll::Pending
        }
        Some(number) => poll(crew, number, cx),
    }));
}

fn unwoken() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The other side answers once: what has been asked by then.
fn answering(wire: &Arc<Wire>) -> thread::JoinHandle<()> {
    let wire = Arc::clone(wire);
    thread::spawn(move || wire.answer())
}

#[test]
fn an_answer_finds_who_waits_for_it() {
    check(4, || {
        let wire = Wire::new();
        let crew = crew(&wire);
        let number = add(&crew, &mut unwoken(), When::Now);
        let other = answering(&wire);
        block_on(poll_fn(|cx| poll(&crew, number, cx)));
        other.join().unwrap();
    });
}

#[test]
fn two_who_wait_are_both_served_whoever_drives() {
    check(3, || {
        let wire = Wire::new();
        let crew = crew(&wire);
        let (first, second) =
            (add(&crew, &mut unwoken(), When::Now), add(&crew, &mut unwoken(), When::Now));
        let waiting = thread::spawn({
            let crew = Arc::clone(&crew);
            move || block_on(poll_fn(|cx| poll(&crew, first, cx)))
        });
        let other = answering(&wire);
        block_on(poll_fn(|cx| poll(&crew, second, cx)));
        waiting.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn one_who_is_never_polled_again_keeps_no_other_from_its_answer() {
    check(4, || {
        let wire = Wire::new();
        let crew = crew(&wire);
        let stale = add(&crew, &mut unwoken(), When::Now);
        let number = add(&crew, &mut unwoken(), When::Now);
        let other = answering(&wire);
        // It drives once, and is the first to be woken; nothing comes of that.
        let _ = poll(&crew, stale, &mut unwoken());
        block_on(poll_fn(|cx| poll(&crew, number, cx)));
        other.join().unwrap();
    });
}

#[test]
fn those_who_go_away_after_they_were_woken_pass_it_on() {
    check(3, || {
        let wire = Wire::new();
        let crew = crew(&wire);
        // As many as a ring of the bell wakes, and one who stays.
        let gone = [(); 2].map(|()| add(&crew, &mut unwoken(), When::Now));
        let number = add(&crew, &mut unwoken(), When::Now);
        let leaving = thread::spawn({
            let crew = Arc::clone(&crew);
            move || gone.map(|number| crew.leave(number, |_| ()))
        });
        let other = answering(&wire);
        block_on(poll_fn(|cx| poll(&crew, number, cx)));
        leaving.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn what_is_added_for_the_next_write_is_written() {
    check(3, || {
        let wire = Wire::new();
        let crew = crew(&wire);
        let asking = thread::spawn({
            let crew = Arc::clone(&crew);
            move || ask(&crew, When::Soon)
        });
        // Answers until the question has come, and is answered.
        while wire.answered.load(Ordering::Acquire) == 0 {
            wire.answer();
            thread::yield_now();
        }
        asking.join().unwrap();
    });
}

#[test]
fn who_drives_for_those_who_are_not_polled_is_told_that_they_are_due() {
    check(3, || {
        let wire = Wire::new();
        let crew = crew(&wire);
        let stale = [(); 2].map(|()| add(&crew, &mut unwoken(), When::Now));
        let other = answering(&wire);
        other.join().unwrap();
        // Both were woken for nothing, or had their answers before they could be.
        let is_over = |work: &mut Questions| work.over >= stale[1];
        assert!(crew.is_due() || crew.with(is_over).0);
        crew.drive();
        assert!(crew.with(is_over).0 && !crew.is_due());
    });
}
