//! How deep values of user-defined types may lie in each other.
//!
//! A type may refer to itself (a composite that holds an array of itself), so that the depth of a value is told by its
//! bytes. Whatever they say, reading them takes a bounded part of the stack.

use core::cell::Cell;
use core::marker::PhantomData;

use crate::error::{Error, ErrorKind, Result};

/// How many composites, arrays and ranges may lie in each other. The manual's own limits end far below it.
pub(crate) const DEEPEST: u32 = 48;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// One level, left when this is dropped. It stays in its thread.
#[derive(Debug)]
pub(crate) struct Nesting(PhantomData<*const ()>);

impl Nesting {
    /// Goes one level deeper.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] below the deepest level.
    pub(crate) fn enter() -> Result<Self> {
        let depth = DEPTH.get();
        if depth >= DEEPEST {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "values lie in each other more than 48 levels deep",
            ));
        }
        DEPTH.set(depth.saturating_add(1));
        Ok(Self(PhantomData))
    }

    /// How many levels this thread is in.
    #[inline]
    pub(crate) fn depth() -> u32 {
        DEPTH.get()
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}
