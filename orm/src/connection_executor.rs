//! Queries on a connection that somebody holds.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use stellata_client::Connection;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Hold, Lend, Source, sealed};

/// A connection that somebody holds, as something that queries run on: for what is of one session, such as an advisory lock, a
/// temporary table, a setting or a LISTEN.
///
/// It takes a connection by itself, one that a pool has lent, and what holds one, such as an advisory lock.
///
/// ```no_run
/// # use stellata::prelude::*;
/// # #[derive(Model)]
/// # struct Account { #[model(key, identity)] id: Id<Account>, balance: i64 }
/// # async fn example(db: &Db) -> stellata::Result<()> {
/// use std::time::Duration;
/// use stellata::ConnectionExecutor;
/// use stellata::client::{LockKey, LockMode};
///
/// let mut lease = db.pool().acquire().await?;
/// let key = LockKey::named("interest");
/// let mut lock = lease.lock(key, LockMode::Exclusive, Duration::from_secs(10)).await?;
///
/// // On the connection that holds the lock.
/// let held = ConnectionExecutor::on(&mut lock);
/// Account::query().update(|a| a.balance.set(a.balance + 1)).all_rows().exec(&held).await?;
///
/// lock.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// Statements run one after the other, in the transaction that is open on the connection, or each in its own. A transaction is
/// begun and ended by SQL here (`held.sql("begin").exec()`); for one that is rolled back by itself, and that reaches its
/// connection all the same, see [`Db::transaction`](crate::Db::transaction) and
/// [`Transaction::connection`](crate::Transaction::connection).
pub struct ConnectionExecutor<'c> {
    connection: Mutex<&'c mut Connection>,
    /// Whether rows are lent, so that the connection is not free before they are dropped.
    is_lent: AtomicBool,
}

impl<'c> ConnectionExecutor<'c> {
    /// Queries run on this connection. Afterwards, when this is dropped, the connection is what it was before, with
    /// what they did to it.
    pub fn on(connection: &'c mut Connection) -> Self {
        Self { connection: Mutex::new(connection), is_lent: AtomicBool::new(false) }
    }

    /// The connection itself, between two queries.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection.get_mut()
    }

    fn check(&self) -> Result<()> {
        match self.is_lent.load(Ordering::Relaxed) {
            true => Err(Error::new(
                ErrorKind::Usage,
                "the connection was used while rows of it are lent",
            )),
            false => Ok(()),
        }
    }
}

impl sealed::Sealed for ConnectionExecutor<'_> {}

impl Executor for ConnectionExecutor<'_> {
    fn source(&self) -> Source<'_> {
        Source::Connection(self)
    }
}

impl Lend for ConnectionExecutor<'_> {
    fn lend(&self, is_lent: bool) {
        self.is_lent.store(is_lent, Ordering::Relaxed);
    }
}

impl Hold for ConnectionExecutor<'_> {
    fn now(&self) -> Result<Option<MappedMutexGuard<'_, Connection>>> {
        let Ok(guard) = self.connection.try_lock() else { return Ok(None) };
        self.check()?;
        Ok(Some(MutexGuard::map(guard, |connection| &mut **connection)))
    }

    fn wait(&self) -> Waiting<'_> {
        Box::pin(async {
            self.check()?;
            let guard = self.connection.lock().await;
            Ok(MutexGuard::map(guard, |connection| &mut **connection))
        })
    }
}

type Waiting<'a> =
    Pin<Box<dyn Future<Output = Result<MappedMutexGuard<'a, Connection>>> + Send + 'a>>;

impl fmt::Debug for ConnectionExecutor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionExecutor").finish_non_exhaustive()
    }
}
