//! Hears what comes on connections that nobody has borrowed.
//!
//! The pool's task reads a connection that has been idle for a while, and leaves a *sentry* with its socket: a waker. Nothing
//! on the way of lending and taking back knows of it. When something comes, the runtime wakes the sentry, and the task
//! looks at the connection. Whoever borrows the connection puts a waker of its own in the sentry's place, by the first
//! read that waits; the sentry is dropped by that, which tells the task that there is something to look after again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use tokio::sync::Notify;

/// What the sentries tell the pool's task.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    /// Something has come on an idle connection.
    has_news: AtomicBool,
    stirred: Notify,
}

impl Vigil {
    /// A sentry for one connection.
    pub(crate) fn sentry(self: &Arc<Self>) -> Arc<Sentry> {
        Arc::new(Sentry { vigil: Arc::clone(self) })
    }

    /// Tells the task that there is a connection without a sentry.
    pub(crate) fn rouse(&self) {
        self.stirred.notify_one();
    }

    /// Has the task look at once.
    pub(crate) fn alarm(&self) {
        self.has_news.store(true, Ordering::Release);
        self.stirred.notify_one();
    }

    /// Waits until something has come on a connection with a sentry.
    pub(crate) async fn news(&self) {
        while !self.has_news.swap(false, Ordering::AcqRel) {
            self.stirred.notified().await;
        }
    }

    /// Waits until a connection is without a sentry. Returns whether something has come; else it is new, used again, or closed.
    pub(crate) async fn stir(&self) -> bool {
        self.stirred.notified().await;
        self.has_news.swap(false, Ordering::AcqRel)
    }
}

/// The waker that stays with an idle connection. It is there as long as the connection's socket has it.
#[derive(Debug)]
pub(crate) struct Sentry {
    vigil: Arc<Vigil>,
}

impl Wake for Sentry {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.vigil.alarm();
    }
}

impl Drop for Sentry {
    fn drop(&mut self) {
        self.vigil.stirred.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What a future comes to at once.
    fn now<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_sentry_tells_what_has_become_of_it() {
        let vigil = Arc::new(Vigil::default());
        let waker = Waker::from(vigil.sentry());
        let other = waker.clone();
        drop(waker);
        assert_eq!(now(vigil.stir()), None, "it still stands");
        drop(other);
        assert_eq!(now(vigil.stir()), Some(false), "it was replaced");
        Waker::from(vigil.sentry()).wake();
        assert_eq!(now(vigil.stir()), Some(true), "it was woken");
        Waker::from(vigil.sentry()).wake_by_ref();
        assert_eq!(now(vigil.news()), Some(()));
        drop(vigil.sentry());
        assert_eq!(now(vigil.news()), None, "that is no news");
    }
}
