//! A connection that is lent.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use stellata_client::Connection;

use crate::lending::Lent;
use crate::meter::Reason;
use crate::pooled::Pooled;
use crate::shared::Shared;

/// A connection that is lent from a pool, and goes back when it is dropped.
///
/// A connection that is not as it was (a transaction is open, answers are owed, a command has changed the session) is
/// cleaned at once by a task of the pool, so that no lock outlives the lease by more than that takes. What a function
/// inside a `select` does to the session can't be seen: say [`Connection::mark_changed`] after `pg_advisory_lock` or
/// `set_config`.
pub struct Lease {
    lent: Option<Lent<Pooled>>,
    shared: Arc<Shared>,
}

impl Lease {
    #[inline]
    pub(crate) fn new(lent: Lent<Pooled>, shared: Arc<Shared>) -> Self {
        Self { lent: Some(lent), shared }
    }

    /// Closes the connection instead of giving it back.
    pub fn discard(self) {
        self.end(Reason::Discarded);
    }

    /// Keeps the connection; whoever has it gives it back.
    pub(crate) fn keep(mut self) -> Option<Lent<Pooled>> {
        self.lent.take()
    }

    pub(crate) fn end(mut self, reason: Reason) {
        if let Some(lent) = self.lent.take() {
            self.shared.retire(lent, reason);
        }
    }
}

impl Deref for Lease {
    type Target = Connection;

    #[inline]
    fn deref(&self) -> &Connection {
        match &self.lent {
            Some(lent) => &lent.thing.connection,
            None => unreachable!("the connection leaves a lease only when the lease ends"),
        }
    }
}

impl DerefMut for Lease {
    #[inline]
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.lent {
            Some(lent) => &mut lent.thing.connection,
            None => unreachable!("the connection leaves a lease only when the lease ends"),
        }
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            self.shared.take_back(lent);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = self.lent.as_ref().map(|lent| &lent.thing.connection);
        f.debug_struct("Lease").field("connection", &connection).finish_non_exhaustive()
    }
}
