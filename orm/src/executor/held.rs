//! The connection of an open transaction, and where the transaction stands.

use std::sync::{Mutex, MutexGuard, PoisonError};

use stellata_client::{Completion, Connection, Params, Settings, TransactionStatus};
use stellata_pool::Lease;

use crate::cluster::{self, Writes};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::Lend;
use crate::executor::command::{Command, read_all, submit_with};
use crate::failure;

/// The connection of an open transaction.
#[derive(Debug)]
pub struct Held {
    pub(super) connection: tokio::sync::Mutex<Lease>,
    control: Mutex<Control>,
}

/// What is said of a transaction that SQL by hand has ended.
const OVER: &str =
    "the transaction was ended by SQL, not by its closure: what it did is not undone by an error";

/// Whether no transaction is open any more, as far as that is known.
fn is_over(connection: &Connection) -> bool {
    connection.is_quiet()
        && !connection.is_closed()
        && connection.status() == TransactionStatus::Idle
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

/// Where a transaction stands.
#[derive(Debug, Default)]
struct Control {
    /// How many transactions are open inside one another. Only the innermost may be used.
    depth: u32,
    /// Commands that ride along with the next statement.
    pending: Vec<Command>,
    /// Whether BEGIN has left.
    begun: bool,
    /// Whether rows are lent, or the connection itself, so that it is not free before they are dropped.
    is_lent: bool,
    /// Whether SQL by hand has ended it.
    is_over: bool,
}

impl Held {
    /// Holds a connection for a transaction that begins with its first statement.
    pub(crate) fn new(lease: Lease, settings: Option<&Settings>) -> Result<Self> {
        let mut pending = vec![Command::plain("begin")];
        if let Some(settings) = settings {
            pending.push(Command::until_end(settings)?);
        }
        let control = Control { depth: 1, pending, ..Control::default() };
        Ok(Self { connection: tokio::sync::Mutex::new(lease), control: Mutex::new(control) })
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        // Nothing that could panic runs under the lock.
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The commands that the next statement takes along. They are put into the connection's buffer before anything is
    /// awaited, and stay there if the statement can't be sent, so that they leave even if its future is dropped.
    pub(super) fn take_pending(&self) -> Vec<Command> {
        let mut control = self.control();
        control.begun = true;
        std::mem::take(&mut control.pending)
    }

    /// Checks that the transaction at `depth` is the innermost, and that no rows of it are lent.
    pub(crate) fn check(&self, depth: u32) -> Result<()> {
        let control = self.control();
        let message = if control.depth != depth {
            "the transaction was used while a transaction inside it is open"
        } else if control.is_lent {
            "the transaction was used while rows of it, or its connection, are lent"
        } else if control.is_over {
            OVER
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Transaction, message))
    }

    /// Lends the connection of the transaction at `depth`, on which everything that was to ride along is done.
    pub(crate) async fn lend_connection(
        &self,
        depth: u32,
    ) -> Result<tokio::sync::MutexGuard<'_, Lease>> {
        self.check(depth)?;
        let mut lease = self.connection.lock().await;
        // Asked again: a transaction may have been opened inside while this one waited.
        self.check(depth)?;
        let pending = self.take_pending();
        if !pending.is_empty() {
            let connection: &mut Connection = &mut lease;
            let begun = async {
                connection.settle().await?;
                let (tickets, ()) = submit_with(connection, &pending, 0, |_| Ok(()))?;
                read_all(connection, &pending, tickets).await?;
                connection.ready().await
            };
            begun.await.map_err(|error| failure::of_client(None, error))?;
        }
        self.lend(true);
        Ok(lease)
    }

    /// Takes the connection back. Where the server says that no transaction is open, it has been ended by hand.
    pub(crate) fn take_back(&self, connection: &Connection) {
        let mut control = self.control();
        control.is_lent = false;
        control.is_over |= is_over(connection);
    }

    /// Opens a savepoint inside the transaction at `depth`; returns its own depth, and what takes its settings back.
    pub(crate) fn push(
        &self,
        depth: u32,
        settings: Option<&Settings>,
    ) -> Result<(u32, Option<Command>)> {
        self.check(depth)?;
        let inner = depth.saturating_add(1);
        let set = settings.map(|settings| Command::for_a_while(settings, inner)).transpose()?;
        let (before, after) = set.unzip();
        let mut control = self.control();
        control.depth = inner;
        control.pending.push(Command::plain(format!("savepoint s{inner}")));
        control.pending.extend(before);
        Ok((inner, after))
    }

    /// Ends the savepoint at `depth`, and those inside it. The commands ride along with the next statement: where it is
    /// kept, `last` goes ahead of its end.
    pub(crate) fn pop(&self, depth: u32, keep: bool, last: Option<Command>) {
        let mut control = self.control();
        if control.depth < depth {
            return;
        }
        control.depth = depth.saturating_sub(1);
        let begin = format!("savepoint s{depth}");
        if let Some(at) = control.pending.iter().position(|command| command.text() == begin) {
            // It was never sent, so neither was anything inside it.
            control.pending.truncate(at);
            return;
        }
        if keep {
            control.pending.extend(last);
        } else {
            control.pending.push(Command::plain(format!("rollback to savepoint s{depth}")));
        }
        control.pending.push(Command::plain(format!("release savepoint s{depth}")));
    }

    /// Whether the connection can't be used any more.
    pub(crate) async fn is_lost(&self) -> bool {
        self.connection.lock().await.is_closed()
    }

    /// Ends the transaction; `None` where the server never took part in it.
    ///
    /// Where `writes` is given, the place in the log that a commit reaches up to is asked for in the same flush.
    pub(crate) async fn end(
        &self,
        end: End,
        writes: Option<&Writes>,
    ) -> Result<Option<Completion>> {
        let mut lease = self.connection.lock().await;
        let (pending, is_over) = {
            let mut control = self.control();
            control.depth = 0;
            if !control.begun {
                return Ok(None);
            }
            (std::mem::take(&mut control.pending), control.is_over || is_over(&lease))
        };
        if is_over && end == End::Commit {
            return Err(Error::new(ErrorKind::Transaction, OVER));
        }
        // What is pending inside makes no difference to a rollback.
        let (pending, command) = match end {
            End::Commit => (pending, "commit"),
            End::Rollback => (Vec::new(), "rollback"),
        };
        let mut commands = pending;
        commands.push(Command::plain(command));
        let none = Params::new();
        let connection: &mut Connection = &mut lease;
        let ended = async {
            connection.settle().await?;
            // Behind the commit, which ends the transaction without a Sync.
            let place = |connection: &mut Connection| match writes {
                Some(_) => connection.submit(&cluster::PLACE, &none).map(Some),
                None => Ok(None),
            };
            let (tickets, place) = submit_with(connection, &commands, 0, place)?;
            let writing = writes.map(Writes::begin);
            let completion = match read_all(connection, &commands, tickets).await {
                Ok(completion) => completion,
                Err(error) => {
                    cluster::settle(writing, &error);
                    return Err(error);
                }
            };
            if let (Some(writing), Some(place)) = (writing, place) {
                cluster::read_place(connection, place, writing).await;
            }
            connection.ready().await?;
            Ok(completion)
        };
        match ended.await {
            Ok(completion) => Ok(Some(completion)),
            Err(error) => Err(failure::of_client(None, error)),
        }
    }
}

impl Lend for Held {
    fn lend(&self, is_lent: bool) {
        self.control().is_lent = is_lent;
    }
}
