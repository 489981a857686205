//! Advisory locks: locks on numbers and names that the application gives a meaning (manual: "Advisory Locks").

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sha2::{Digest, Sha256};
use stellata_protocol::Params;
use stellata_protocol::message::TransactionStatus;
use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

/// What an advisory lock is on. Within a database, equal keys are one lock; a number and a pair of numbers are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockKey(Form);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    One(i64),
    Two(i32, i32),
}

impl LockKey {
    /// The key of a name: the first eight bytes of its SHA-256, as a number. Of a billion names, the chance that any two share a
    /// key is about 3 %.
    ///
    /// In SQL: `('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 16))::bit(64)::bigint`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut number = [0; 8];
        for (place, byte) in number.iter_mut().zip(Sha256::digest(name)) {
            *place = byte;
        }
        Self(Form::One(i64::from_be_bytes(number)))
    }
}

impl From<i64> for LockKey {
    fn from(key: i64) -> Self {
        Self(Form::One(key))
    }
}

impl From<(i32, i32)> for LockKey {
    fn from((first, second): (i32, i32)) -> Self {
        Self(Form::Two(first, second))
    }
}

/// Who may hold an advisory lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// One session alone.
    Exclusive,
    /// Any number of sessions, while none holds it exclusively.
    Shared,
}

/// The function that does something to a lock.
#[derive(Clone, Copy)]
enum Verb {
    Try,
    TryInTransaction,
    Unlock,
}

fn sql(verb: Verb, key: LockKey, mode: LockMode) -> &'static str {
    use Form::{One, Two};
    use LockMode::{Exclusive, Shared};
    use Verb::{Try, TryInTransaction, Unlock};
    match (verb, key.0, mode) {
        (Try, One(_), Exclusive) => "select pg_catalog.pg_try_advisory_lock($1)",
        (Try, One(_), Shared) => "select pg_catalog.pg_try_advisory_lock_shared($1)",
        (Try, Two(..), Exclusive) => "select pg_catalog.pg_try_advisory_lock($1, $2)",
        (Try, Two(..), Shared) => "select pg_catalog.pg_try_advisory_lock_shared($1, $2)",
        (TryInTransaction, One(_), Exclusive) => "select pg_catalog.pg_try_advisory_xact_lock($1)",
        (TryInTransaction, One(_), Shared) => {
            "select pg_catalog.pg_try_advisory_xact_lock_shared($1)"
        }
        (TryInTransaction, Two(..), Exclusive) => {
            "select pg_catalog.pg_try_advisory_xact_lock($1, $2)"
        }
        (TryInTransaction, Two(..), Shared) => {
            "select pg_catalog.pg_try_advisory_xact_lock_shared($1, $2)"
        }
        (Unlock, One(_), Exclusive) => "select pg_catalog.pg_advisory_unlock($1)",
        (Unlock, One(_), Shared) => "select pg_catalog.pg_advisory_unlock_shared($1)",
        (Unlock, Two(..), Exclusive) => "select pg_catalog.pg_advisory_unlock($1, $2)",
        (Unlock, Two(..), Shared) => "select pg_catalog.pg_advisory_unlock_shared($1, $2)",
    }
}

fn params(key: LockKey) -> Result<Params> {
    let mut params = Params::new();
    let pushed = match key.0 {
        Form::One(key) => params.push(&key),
        Form::Two(first, second) => params.push(&first).and_then(|()| params.push(&second)),
    };
    pushed.map_err(Error::encode)?;
    Ok(params)
}

/// How long is waited before a lock is tried again, at first and at most.
const FIRST: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(250);

/// How long the answer to a question may take beyond the limit.
const GRACE: Duration = Duration::from_millis(50);

impl Connection {
    /// Tries to take an advisory lock for the session; `None` where another session holds it.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use stellata_client::{LockKey, LockMode};
    ///
    /// if let Some(mut lock) = connection.try_lock(LockKey::named("nightly report"), LockMode::Exclusive).await? {
    ///     lock.execute("insert into reports default values", ()).await?;
    ///     lock.release().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped and the server gave the lock all the same, it is given back as by [`AdvisoryLock`]'s drop.
    pub async fn try_lock(
        &mut self,
        key: impl Into<LockKey>,
        mode: LockMode,
    ) -> Result<Option<AdvisoryLock<'_>>> {
        // The guard is there before the question: whoever drops the future gives back what it may get.
        let mut lock = AdvisoryLock {
            connection: self,
            key: key.into(),
            mode,
            held: false,
            asked_after: None,
        };
        if lock.try_once().await? { Ok(Some(lock)) } else { Ok(None) }
    }

    /// Takes an advisory lock for the session, waiting for it for `limit` at most.
    ///
    /// It asks again and again, at first after 5 ms, then less often, up to every 250 ms. The server's own waiting
    /// (`pg_advisory_lock`) is never used: a call that waits there can't be given up without a cancel request, and may get
    /// the lock after nobody wants it. The price is that waiters are served in no order.
    ///
    /// A question that is under way when the limit is over has 50 ms more to be answered. [`Duration::ZERO`] asks once, and
    /// waits for that answer as [`Connection::try_lock`] does.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when the limit is over; else as [`Connection::query`].
    ///
    /// # Cancel safety
    /// As [`Connection::try_lock`].
    pub async fn lock(
        &mut self,
        key: impl Into<LockKey>,
        mode: LockMode,
        limit: Duration,
    ) -> Result<AdvisoryLock<'_>> {
        let mut lock = AdvisoryLock {
            connection: self,
            key: key.into(),
            mode,
            held: false,
            asked_after: None,
        };
        let mut patience = Patience::new(limit);
        while !patience.ask(lock.try_once()).await? {
            patience.wait().await?;
        }
        Ok(lock)
    }

    /// Tries to take an advisory lock that the transaction holds to its end; false where another session holds it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] outside a transaction, where nothing would be held; else as [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped the transaction may have the lock.
    pub async fn try_transaction_lock(
        &mut self,
        key: impl Into<LockKey>,
        mode: LockMode,
    ) -> Result<bool> {
        let key = key.into();
        let params = params(key)?;
        let (got,): (bool,) =
            self.query_one(sql(Verb::TryInTransaction, key, mode), &params).await?;
        if self.status() == TransactionStatus::Idle {
            return Err(Error::new(
                ErrorKind::Usage,
                "a lock of a transaction was asked for outside of one: nothing is locked",
            ));
        }
        Ok(got)
    }

    /// Takes an advisory lock that the transaction holds to its end, waiting for it for `limit` at most, as
    /// [`Connection::lock`] waits.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when the limit is over; else as [`Connection::try_transaction_lock`].
    ///
    /// # Cancel safety
    /// When the future is dropped the transaction may have the lock.
    pub async fn transaction_lock(
        &mut self,
        key: impl Into<LockKey>,
        mode: LockMode,
        limit: Duration,
    ) -> Result<()> {
        let key = key.into();
        let mut patience = Patience::new(limit);
        while !patience.ask(self.try_transaction_lock(key, mode)).await? {
            patience.wait().await?;
        }
        Ok(())
    }
}

/// The pauses between two tries.
struct Patience {
    end: Option<Instant>,
    limit: Duration,
    pause: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { end: Instant::now().checked_add(limit), limit, pause: FIRST }
    }

    /// Waits for the answer to a question, which a silent network never brings.
    async fn ask(&self, question: impl Future<Output = Result<bool>>) -> Result<bool> {
        let end = self.end.and_then(|end| end.checked_add(GRACE));
        let Some(end) = end.filter(|_| !self.limit.is_zero()) else { return question.await };
        timeout_at(end, question).await.unwrap_or_else(|_| {
            let limit = self.limit;
            let message = format!(
                "the server did not say within {limit:?} whether it gives the advisory lock"
            );
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    async fn wait(&mut self) -> Result<()> {
        let now = Instant::now();
        let left = self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
        if left.is_zero() {
            let limit = self.limit;
            let message =
                format!("another session held the advisory lock for longer than {limit:?}");
            return Err(Error::new(ErrorKind::Timeout, message));
        }
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = self.pause.saturating_mul(2).min(MOST);
        Ok(())
    }
}

/// An advisory lock that the session holds. It gives the connection while it does.
///
/// Dropped, it is given back at once, without waiting for the server's answer, which the connection's next use passes over.
/// Only where the socket takes nothing at that moment, or something dropped before is still being cancelled, is it given back
/// with the next use. To know when another can have it, say [`AdvisoryLock::release`]. Within a transaction that has failed the
/// server does nothing for it: it is held until the transaction is over and the session is cleaned or closed.
#[derive(Debug)]
pub struct AdvisoryLock<'c> {
    connection: &'c mut Connection,
    key: LockKey,
    mode: LockMode,
    held: bool,
    /// The server is asked for it: the newest call before that.
    asked_after: Option<u64>,
}

impl AdvisoryLock<'_> {
    /// Gives the lock back.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the session did not hold it any more (`discard all`, `pg_advisory_unlock_all`); else as
    /// [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped the lock is given back all the same, as when the guard is dropped.
    pub async fn release(mut self) -> Result<()> {
        let params = params(self.key)?;
        let unlock = sql(Verb::Unlock, self.key, self.mode);
        // Up to here it is the drop that gives the lock back.
        self.connection.settle().await?;
        self.held = false;
        let asked = self.connection.query_one::<(bool,)>(unlock, &params);
        if asked.await?.0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Usage, "the session did not hold the advisory lock any more"))
    }

    async fn try_once(&mut self) -> Result<bool> {
        let params = params(self.key)?;
        self.held = true;
        self.asked_after = Some(self.connection.newest_call());
        let asked =
            self.connection.query_one::<(bool,)>(sql(Verb::Try, self.key, self.mode), &params);
        let got = asked.await;
        self.asked_after = None;
        self.held = matches!(got, Ok((true,)));
        got.map(|(held,)| held)
    }

    /// Puts the unlocking together, and sends it where that can be done without waiting.
    fn give_back(&mut self) -> Result<()> {
        let params = params(self.key)?;
        // Whether the server gives the lock it says at once.
        let is_asked = self.asked_after.is_some_and(|call| call != self.connection.newest_call());
        if is_asked {
            self.connection.ride();
        }
        let is_first = is_asked || self.connection.is_quiet();
        self.connection.begin_ahead()?;
        self.connection.submit(&sql(Verb::Unlock, self.key, self.mode), &params)?;
        self.connection.sync()?;
        if is_first {
            self.connection.ride();
            self.connection.send_at_once();
        }
        Ok(())
    }
}

impl Drop for AdvisoryLock<'_> {
    fn drop(&mut self) {
        if self.held && !self.connection.is_closed() {
            // A transaction that has failed, or is about to, refuses it: then the pool's cleaning does it.
            let is_sure =
                self.connection.is_quiet() && self.connection.status() != TransactionStatus::Failed;
            if self.give_back().is_err() || !is_sure {
                self.connection.mark_changed();
            }
        }
    }
}

impl Deref for AdvisoryLock<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for AdvisoryLock<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_number_that_its_sha_256_begins_with() {
        // echo -n abc | sha256sum
        let number = i64::from_be_bytes(0xba78_16bf_8f01_cfea_u64.to_be_bytes());
        assert_eq!(LockKey::named("abc"), LockKey::from(number));
        assert_ne!(LockKey::from(1), LockKey::from((0, 1)));
    }
}
