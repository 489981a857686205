//! The primitives that the module stands on: the standard library's; loom's or shuttle's where they try its steps in other
//! orders.

use std::fmt;
use std::task::Waker;

#[cfg(not(any(loom, shuttle)))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

#[cfg(not(loom))]
pub(super) use atomic_waker::AtomicWaker;
#[cfg(loom)]
pub(super) use loom::future::AtomicWaker;
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(shuttle)]
pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// Lets `waker` be woken from now on.
#[inline]
pub(super) fn register(cell: &AtomicWaker, waker: &Waker) {
    #[cfg(not(loom))]
    cell.register(waker);
    #[cfg(loom)]
    cell.register_by_ref(waker);
}

/// Lets nobody be woken any more.
#[inline]
pub(super) fn forget(cell: &AtomicWaker) {
    #[cfg(not(loom))]
    drop(cell.take());
    #[cfg(loom)]
    drop(cell.take_waker());
}

/// A place for one boxed value, whose owner may change between threads. Whoever owns the place's index owns the place.
#[cfg(not(loom))]
pub(super) struct Place<T>(crossbeam_utils::atomic::AtomicCell<Option<Box<T>>>);

#[cfg(not(loom))]
impl<T> Place<T> {
    pub(super) fn new() -> Self {
        // A box is as large as a pointer, so that this is one atomic word and never a lock.
        const { assert!(crossbeam_utils::atomic::AtomicCell::<Option<Box<T>>>::is_lock_free()) };
        Self(crossbeam_utils::atomic::AtomicCell::new(None))
    }

    /// Puts a value in; returns what was there.
    #[inline]
    pub(super) fn put(&self, value: Box<T>) -> Option<Box<T>> {
        self.0.swap(Some(value))
    }

    #[inline]
    pub(super) fn take(&self) -> Option<Box<T>> {
        self.0.take()
    }
}

/// In a model a mutex stands for the atomic word: it orders no more than the word does, and is never waited for, since
/// only an index's owner uses it.
#[cfg(loom)]
pub(super) struct Place<T>(loom::sync::Mutex<Option<Box<T>>>);

#[cfg(loom)]
impl<T> Place<T> {
    pub(super) fn new() -> Self {
        Self(loom::sync::Mutex::new(None))
    }

    pub(super) fn put(&self, value: Box<T>) -> Option<Box<T>> {
        self.0.try_lock().expect("two own one place").replace(value)
    }

    pub(super) fn take(&self) -> Option<Box<T>> {
        self.0.try_lock().expect("two own one place").take()
    }
}

impl<T> fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}
