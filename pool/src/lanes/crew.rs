//! Who drives a lane: whoever waits on it, and never one of them alone.
//!
//! The socket wakes no task but a *bell*, which wakes the two who have waited longest; whoever is polled, woken or not, drives for
//! all. A waker is taken when it is woken and comes back when its task is polled, so that one who is never polled again
//! takes up one ring of the bell and no more. Who goes away while a ring may have been meant for it rings again. Where
//! both who were woken are not polled, [`Crew::is_due`] stays true, and a task that looks after all lanes drives.
//!
//! What is driven stands behind a mutex that is held for one turn of reading and writing, never across a wait. The bell has
//! a mutex of its own, because a socket may ring it from within its own poll.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::PoisonError;
use std::task::{Context, Poll, Wake, Waker};

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// How many a ring of the bell wakes. The answers that come next are most likely theirs.
const WOKEN: usize = 2;

/// What is driven.
pub(crate) trait Work {
    /// What it gives away at its end.
    type Parting;

    /// Goes on as far as that can be done without waiting; `cx` is to be woken when more can be done. Those whose wait is
    /// over are to be told.
    fn go_on(&mut self, cx: &mut Context<'_>, served: &mut Served<'_>);

    /// What it gives away, once.
    fn part(&mut self) -> Option<Self::Parting>;
}

/// Something that is added to the work.
#[derive(Debug)]
pub(crate) struct Added {
    /// Its number, higher than those of all before.
    pub(crate) number: u64,
    /// Where its result will be.
    pub(crate) place: u32,
    pub(crate) when: When,
}

/// When something that was added is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At once.
    Now,
    /// When its task is polled next, which is soon: others may add something meanwhile, for the same write.
    Soon,
    /// With what was added before.
    WithOthers,
}

/// A result, and what the work has given away meanwhile.
pub(crate) type With<T, W> = (T, Option<<W as Work>::Parting>);

/// Work, and those who wait for it.
pub(crate) struct Crew<W> {
    work: Mutex<W>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Wakes those who wait.
struct Bell {
    /// Those who were not woken since they were polled last, in the order of their numbers.
    line: Mutex<VecDeque<(u64, Waker)>>,
    /// Somebody was told to drive, and nobody has since.
    due: AtomicBool,
}

impl<W: Work> Crew<W> {
    pub(crate) fn new(work: W) -> Self {
        let bell =
            Arc::new(Bell { line: Mutex::new(VecDeque::new()), due: AtomicBool::new(false) });
        Self { work: Mutex::new(work), waker: Waker::from(Arc::clone(&bell)), bell }
    }

    fn lock(&self) -> MutexGuard<'_, W> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the work, and changes what does not concern those who wait.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut W) -> T) -> With<T, W> {
        let mut work = self.lock();
        let seen = look(&mut work);
        let parting = work.part();
        (seen, parting)
    }

    /// Adds something for the task of `cx`, which is woken when it is served.
    pub(crate) fn add<E>(
        &self,
        cx: &mut Context<'_>,
        add: impl FnOnce(&mut W) -> Result<Added, E>,
    ) -> With<Result<Added, E>, W> {
        let mut work = self.lock();
        let added = match add(&mut work) {
            Ok(added) => added,
            Err(error) => {
                let parting = work.part();
                return (Err(error), parting);
            }
        };
        self.bell.enter(added.number, cx.waker());
        if added.when == When::Now {
            let ((), parting) = self.drive_locked(work, None, |_| ());
            return (Ok(added), parting);
        }
        if added.when == When::Soon {
            self.bell.due.store(true, Ordering::Release);
            drop(work);
            cx.waker().wake_by_ref();
        }
        (Ok(added), None)
    }

    /// Waits for what was added by this number: drives, and takes the result when it is there.
    pub(crate) fn poll<T>(
        &self,
        number: u64,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&mut W) -> Option<T>,
    ) -> With<Poll<T>, W> {
        let mut work = self.lock();
        if let Some(taken) = take(&mut work) {
            return (Poll::Ready(taken), None);
        }
        // Before driving: whoever rings the bell from then on finds it.
        self.bell.enter(number, cx.waker());
        let (taken, parting) = self.drive_locked(work, Some(number), take);
        match taken {
            Some(taken) => (Poll::Ready(taken), parting),
            None => (Poll::Pending, parting),
        }
    }

    /// Drives for those who are not polled.
    pub(crate) fn drive(&self) -> Option<W::Parting> {
        self.drive_locked(self.lock(), None, |_| ()).1
    }

    fn drive_locked<T>(
        &self,
        mut work: MutexGuard<'_, W>,
        driver: Option<u64>,
        then: impl FnOnce(&mut W) -> T,
    ) -> With<T, W> {
        // Before looking: what comes afterwards sets it again.
        self.bell.due.store(false, Ordering::Release);
        let mut served =
            Served { bell: &self.bell, driver, wakers: [const { None }; SERVED], count: 0 };
        work.go_on(&mut Context::from_waker(&self.waker), &mut served);
        let done = then(&mut work);
        let parting = work.part();
        drop(work);
        served.wake();
        (done, parting)
    }

    /// Gives up what was added by this number.
    pub(crate) fn leave(&self, number: u64, forget: impl FnOnce(&mut W)) -> Option<W::Parting> {
        let ((), parting) = self.with(forget);
        self.bell.take(number);
        if self.is_due() {
            // It may be this one who was told.
            self.bell.ring();
        }
        parting
    }

    /// Wakes all who were not woken since they were polled last.
    #[cold]
    pub(crate) fn rouse(&self) {
        self.bell.due.store(true, Ordering::Release);
        let line = std::mem::take(&mut *self.bell.line());
        line.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Whether somebody was told to drive, and nobody has since.
    pub(crate) fn is_due(&self) -> bool {
        self.bell.due.load(Ordering::Acquire)
    }
}

impl Bell {
    fn line(&self) -> MutexGuard<'_, VecDeque<(u64, Waker)>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a waker be woken from now on.
    fn enter(&self, number: u64, waker: &Waker) {
        let mut line = self.line();
        if line.back().is_none_or(|(last, _)| *last < number) {
            line.push_back((number, waker.clone()));
            return;
        }
        match line.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => {
                if let Some((_, old)) = line.get_mut(at) {
                    old.clone_from(waker);
                }
            }
            Err(at) => line.insert(at, (number, waker.clone())),
        }
    }

    /// Lets it be woken no more.
    fn take(&self, number: u64) -> Option<Waker> {
        let mut line = self.line();
        let at = line.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        line.remove(at).map(|(_, waker)| waker)
    }

    /// Wakes those who have waited longest.
    fn ring(&self) {
        self.due.store(true, Ordering::Release);
        let mut woken = [const { None }; WOKEN];
        {
            let mut line = self.line();
            woken.iter_mut().for_each(|place| *place = line.pop_front());
        }
        for (_, waker) in woken.into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// How many are woken behind the lock.
const SERVED: usize = 16;

/// Those whose wait is over: they are woken when the work is free again.
pub(crate) struct Served<'b> {
    bell: &'b Bell,
    /// Who drives, and sees for itself.
    driver: Option<u64>,
    wakers: [Option<Waker>; SERVED],
    count: usize,
}

impl Served<'_> {
    /// Whether the one of this number drives.
    pub(crate) fn is_driver(&self, number: u64) -> bool {
        self.driver == Some(number)
    }

    /// Tells the one of this number.
    pub(crate) fn tell(&mut self, number: u64) {
        let Some(waker) = self.bell.take(number) else { return };
        if self.is_driver(number) {
            return;
        }
        match self.wakers.get_mut(self.count) {
            Some(place) => {
                *place = Some(waker);
                self.count += 1;
            }
            None => waker.wake(),
        }
    }

    /// Has somebody go on where this turn ends.
    pub(crate) fn go_on_later(&mut self) {
        self.bell.ring();
    }

    fn wake(self) {
        for waker in self.wakers.into_iter().take(self.count).flatten() {
            waker.wake();
        }
    }
}
