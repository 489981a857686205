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

/// Runs a closure inside the scope of this number.
pub(crate) fn enter<T>(scope: u8, run: impl FnOnce() -> T) -> T {
    let restore = Restore(DEPTH.get());
    DEPTH.set(scope);
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
            enter(1, || enter(2, || std::panic::resume_unwind(Box::new(()))))
        });
        assert!(caught.is_err());
        assert_eq!(next(), 1);
        assert_eq!(enter(1, next), 2);
    }
}
