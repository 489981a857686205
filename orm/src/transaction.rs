//! Transactions and savepoints as closures.

use std::sync::Arc;

use stellata_pool::Pool;

use crate::cluster::{Route, Writes};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{End, Executor, Held, Source, sealed};
use crate::failure;

/// An open transaction, or a savepoint inside one.
///
/// Queries run on it as on a [`Db`](crate::Db). It ends with the closure that it was given to.
#[derive(Debug)]
pub struct Transaction {
    held: Arc<Held>,
    depth: u32,
}

impl sealed::Sealed for Transaction {}

impl Executor for Transaction {
    fn source(&self) -> Source<'_> {
        Source::Held(&self.held, self.depth)
    }
}

impl Transaction {
    /// Runs a closure inside a savepoint. When it returns an error, panics, or its future is dropped, what it did is
    /// undone, and this transaction goes on as if it had not been. While it is open this transaction can't be used.
    ///
    /// Neither setting the savepoint nor ending it costs a round trip: the commands ride along with the next statement.
    ///
    /// # Errors
    /// What the closure returns; [`ErrorKind::Transaction`] when another savepoint of this transaction is open.
    ///
    /// # Cancel safety
    /// When the future is dropped the savepoint is rolled back before the next statement.
    pub async fn transaction<T, E>(
        &self,
        run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        let depth = self.held.push(self.depth)?;
        let mut open = Open { held: &self.held, depth, keep: false };
        let inner = Self { held: Arc::clone(&self.held), depth };
        let result = run(&inner).await;
        open.keep = result.is_ok();
        drop(open);
        result
    }
}

/// A savepoint that is open. Dropped, it is ended.
struct Open<'a> {
    held: &'a Held,
    depth: u32,
    keep: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.held.pop(self.depth, self.keep);
    }
}

/// Runs a closure inside a transaction on a connection of the pool, which may be that of a cluster's primary.
pub(crate) async fn begin<T, E>(
    pool: &Pool,
    route: Option<Route<'_>>,
    run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<Error>,
{
    let lease = pool.acquire().await.map_err(failure::of_pool)?;
    let held = Arc::new(Held::new(lease));
    let transaction = Transaction { held: Arc::clone(&held), depth: 1 };
    match run(&transaction).await {
        Ok(value) => {
            let committed = commit(&held, route.and_then(|route| route.writes)).await;
            look_around(&held, route).await;
            committed?;
            Ok(value)
        }
        Err(error) => {
            // The closure's error is what matters. Where the rollback fails, the pool ends the connection.
            let _ = held.end(End::Rollback, None).await;
            look_around(&held, route).await;
            Err(error)
        }
    }
}

/// Has the cluster looked at where the connection was lost.
async fn look_around(held: &Held, route: Option<Route<'_>>) {
    if let Some(route) = route
        && held.is_lost().await
    {
        route.cluster.recheck();
    }
}

/// Whether an error leaves open what the server did.
fn is_lost(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connection => true,
        ErrorKind::Timeout => error.server().is_none(),
        _ => false,
    }
}

async fn commit(held: &Held, writes: Option<&Writes>) -> Result<()> {
    match held.end(End::Commit, writes).await {
        Ok(Some(completion)) if completion.rolled_back => Err(Error::new(
            ErrorKind::RolledBack,
            "the transaction was rolled back instead of committed, because a statement in it had failed",
        )),
        Ok(_) => Ok(()),
        Err(error) if is_lost(&error) => {
            let message =
                format!("the connection was lost before the answer to commit came: {error}");
            Err(Error::new(ErrorKind::OutcomeUnknown, message).with_source(error))
        }
        Err(error) => Err(error),
    }
}
