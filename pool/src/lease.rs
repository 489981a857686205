//! A connection that is lent.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use stellata_client::Connection;

use crate::shared::{Shared, is_clean};

/// A connection that is lent from a pool, and goes back when it is dropped.
///
/// A connection that is not as it was (a transaction is open, answers are owed, a command has changed the session) is
/// cleaned at once by a task of the pool, so that no lock outlives the lease by more than that takes.
pub struct Lease {
    connection: Option<Box<Connection>>,
    shared: Arc<Shared>,
}

impl Lease {
    pub(crate) fn new(connection: Box<Connection>, shared: Arc<Shared>) -> Self {
        Self { connection: Some(connection), shared }
    }

    /// Closes the connection instead of giving it back.
    pub fn discard(mut self) {
        self.connection = None;
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("the connection leaves a lease only when the lease ends"),
        }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("the connection leaves a lease only when the lease ends"),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(connection) if is_clean(&connection) => self.shared.put_back(Some(connection)),
            Some(connection) if !connection.is_closed() => {
                // Outside a runtime nothing can be awaited: the connection is closed, and the server cleans up.
                let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                    self.shared.put_back(None);
                    return;
                };
                let shared = Arc::clone(&self.shared);
                let returning = Returning(Some(Arc::clone(&self.shared)));
                runtime.spawn(async move {
                    let cleaned = shared.clean(connection).await;
                    returning.finish(cleaned);
                });
            }
            _ => self.shared.put_back(None),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Gives the permit back also when the cleaning task is dropped with its runtime.
struct Returning(Option<Arc<Shared>>);

impl Returning {
    fn finish(mut self, connection: Option<Box<Connection>>) {
        if let Some(shared) = self.0.take() {
            shared.put_back(connection);
        }
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.put_back(None);
        }
    }
}
