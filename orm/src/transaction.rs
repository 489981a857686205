//! Transactions and savepoints as closures.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use stellata_client::{Connection, Settings};
use stellata_pool::{Lease, Pool};
use tokio::sync::MutexGuard;

use crate::cluster::{Route, Writes};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Command, Configured, End, Executor, Held, Source, sealed};
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
        savepoint(&self.held, self.depth, None, run).await
    }

    /// The connection of the transaction, for what only a connection can do: COPY, batches, advisory locks, cursors. What is
    /// done on it is done in the transaction, and undone with it.
    ///
    /// Until it is dropped the transaction itself can't be used; a [`ConnectionExecutor`](crate::ConnectionExecutor) on it can. What runs on it may set
    /// savepoints of its own and must end them. It must not end the transaction (`commit`, `rollback`, `prepare transaction`):
    /// where it does, all that follows on the transaction, and its commit, are an [`ErrorKind::Transaction`].
    ///
    /// It costs a round trip where no statement has run in the transaction yet, so that BEGIN has nothing to ride along with.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Import { #[model(key, identity)] id: Id<Import>, file: String }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// db.transaction(async |tx| {
    ///     let import = new!(Import { file: "tracks.csv" }).insert(tx).await?;
    ///     let mut connection = tx.connection().await?;
    ///     let tracks = [(import.id, "Drunk"), (import.id, "Malibu")];
    ///     connection.copy_in("track", &["import_id", "title"]).rows(tracks).await?;
    ///     Ok(())
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Transaction`] while a savepoint of it is open or rows of it are lent; what BEGIN and the settings that ride
    /// along with it say.
    ///
    /// # Cancel safety
    /// When the future is dropped the transaction stays usable.
    pub async fn connection(&self) -> Result<TransactionConnection<'_>> {
        let lease = self.held.lend_connection(self.depth).await?;
        Ok(TransactionConnection { lease, held: &self.held })
    }
}

/// The connection of a transaction, until this is dropped. Made by [`Transaction::connection`].
#[derive(Debug)]
pub struct TransactionConnection<'a> {
    lease: MutexGuard<'a, Lease>,
    held: &'a Held,
}

impl Deref for TransactionConnection<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.lease
    }
}

impl DerefMut for TransactionConnection<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.lease
    }
}

impl Drop for TransactionConnection<'_> {
    fn drop(&mut self) {
        self.held.take_back(&self.lease);
    }
}

impl Configured<'_> {
    /// Runs a closure inside a transaction, as [`Db::transaction`](crate::Db::transaction) does, that has these settings; of a
    /// transaction, inside a savepoint, as [`Transaction::transaction`] does.
    ///
    /// The settings ride along with BEGIN, and so with the first statement, and are gone with the transaction's end. Those of
    /// a savepoint are set back at its end.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Account { #[model(key, identity)] id: Id<Account>, balance: i64 }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// use std::time::Duration;
    /// use stellata::Settings;
    ///
    /// let settings = Settings::new().lock_timeout(Duration::from_millis(200)).set("app.user", "anna");
    /// db.with_settings(settings)
    ///     .transaction(async |tx| {
    ///         Account::query().filter(|a| a.id.eq(1)).update(|a| a.balance.set(a.balance - 10)).exec(tx).await
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Db::transaction`](crate::Db::transaction). A setting that the server refuses is the error of the first statement,
    /// and names the setting. [`ErrorKind::Usage`] on several databases: a transaction runs on one.
    ///
    /// # Cancel safety
    /// As [`Db::transaction`](crate::Db::transaction).
    pub async fn transaction<T, E>(
        &self,
        run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        let settings = Some(self.settings()).filter(|settings| !settings.is_empty());
        match self.inner() {
            Source::Held(held, depth) => savepoint(held, depth, settings, run).await,
            Source::Cluster(route, _) => {
                begin(route.cluster.primary(), Some(route), settings, run).await
            }
            Source::Pool(pool) | Source::Lanes(pool) | Source::Lane(pool, _) => {
                begin(pool, None, settings, run).await
            }
            Source::Connection(_) => Err(Error::new(
                ErrorKind::Usage,
                "a transaction on a session is begun by SQL: `session.sql(\"begin\")`",
            )
            .into()),
            Source::Named(..) | Source::Set(..) => Err(Error::new(
                ErrorKind::Usage,
                "a transaction runs on one database: choose it by `Databases::on`",
            )
            .into()),
        }
    }
}

/// Runs a closure inside a savepoint of the transaction at `depth`.
async fn savepoint<T, E>(
    held: &Arc<Held>,
    depth: u32,
    settings: Option<&Settings>,
    run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<Error>,
{
    let (depth, last) = held.push(depth, settings)?;
    let mut open = Open { held, depth, keep: false, last };
    let inner = Transaction { held: Arc::clone(held), depth };
    let result = run(&inner).await;
    open.keep = result.is_ok();
    drop(open);
    result
}

/// A savepoint that is open. Dropped, it is ended.
struct Open<'a> {
    held: &'a Held,
    depth: u32,
    keep: bool,
    /// What takes its settings back.
    last: Option<Command>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.held.pop(self.depth, self.keep, self.last.take());
    }
}

/// Runs a closure inside a transaction on a connection of the pool, which may be that of a cluster's primary.
pub(crate) async fn begin<T, E>(
    pool: &Pool,
    route: Option<Route<'_>>,
    settings: Option<&Settings>,
    run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<Error>,
{
    let lease = pool.acquire().await.map_err(failure::of_pool)?;
    let held = Arc::new(Held::new(lease, settings)?);
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
