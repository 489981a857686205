//! The depth of the closure that is being run, so that nested scopes are told apart.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<u8> = const { Cell::new(0) };
}

/// Sets the depth back when the closure ends, by a panic too.
struct Restore(u8);

impl Drop for Restore {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}

/// The number of the scope that a relation used here would open.
pub(crate) fn next() -> u8 {
    DEPTH.get().saturating_add(1)
}

/// Runs a closure one level deeper.
pub(crate) fn enter<T>(run: impl FnOnce() -> T) -> T {
    let restore = Restore(DEPTH.get());
    DEPTH.set(restore.0.saturating_add(1));
    let value = run();
    drop(restore);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_the_depth_as_it_was() {
        let caught = std::panic::catch_unwind(|| {
            enter(|| enter(|| std::panic::resume_unwind(Box::new(()))))
        });
        assert!(caught.is_err());
        assert_eq!(next(), 1);
        assert_eq!(enter(next), 2);
    }
}
