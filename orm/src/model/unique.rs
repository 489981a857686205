//! Handles of unique keys.

use std::fmt;
use std::marker::PhantomData;

/// A unique key of the model `M`: what an upsert can be decided by.
pub struct UniqueKey<M> {
    pub(crate) columns: &'static [u16],
    marker: PhantomData<fn() -> M>,
}

impl<M> UniqueKey<M> {
    /// The key over these columns, as indices into [`Table::columns`](crate::Table::columns). Called by derived code.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(columns: &'static [u16]) -> Self {
        Self { columns, marker: PhantomData }
    }
}

impl<M> Clone for UniqueKey<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for UniqueKey<M> {}

impl<M> fmt::Debug for UniqueKey<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueKey").field("columns", &self.columns).finish()
    }
}
