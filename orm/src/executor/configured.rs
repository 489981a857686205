//! Statements with settings of their own.

use stellata_client::{ColumnError, Columns, Connection, Settings, TransactionStatus};

use crate::cluster::{self, Asked, Take};
use crate::error::Result;
use crate::executor::command::{Command, read_all, submit_all, submit_with};
use crate::executor::guard::{Guard, lease};
use crate::executor::{Effect, Executor, Source, no_rows};
use crate::failure;

/// A database or a transaction, with settings of the server for each statement that runs on it. Made by
/// [`Executor::with_settings`].
///
/// It costs no round trip: the settings go ahead of the statement, or of all statements of a query with relations, in the
/// same flush. They are parameters, never SQL text, and hold for that flush alone:
///
/// - On a database the flush is a transaction of its own, with whose end the settings are gone. The next borrower of the
///   connection never sees them, nor does a pooler's next client.
/// - In a transaction a command goes behind the statement that sets them back to what they were. A statement that fails
///   fails the transaction, whose rollback takes them back too, also that to a savepoint.
///
/// A query with settings has a connection to itself: it never goes over a [lane](crate::PoolOptions::lanes). It goes to a
/// replica where it would go to one without settings.
///
/// ```no_run
/// # use stellata::prelude::*;
/// # #[derive(Model)]
/// # struct Album { #[model(key, identity)] id: Id<Album>, title: String, plays: i64 }
/// # async fn example(db: &Db) -> stellata::Result<()> {
/// use std::time::Duration;
/// use stellata::Settings;
///
/// let report = db.with_settings(Settings::new().set("work_mem", "256MB").statement_timeout(Duration::from_secs(60)));
/// let loud = Album::query().order_by(|a| a.plays.desc()).all(&report).await?;
/// let count: i64 = report.sql("select count(*) from album").one::<(i64,)>().await?.0;
/// # Ok(())
/// # }
/// ```
///
/// A setting that the server refuses is the statement's error, which names the setting; nothing of the statement is done.
/// Statements that can't run in a transaction (`vacuum`, `create database`) are not for this: the server refuses them
/// (25001), but for old minor releases, which run them without the settings.
#[derive(Clone, Debug)]
pub struct Configured<'a> {
    source: Source<'a>,
    settings: Settings,
}

impl Executor for Configured<'_> {
    fn source(&self) -> Source<'_> {
        match self.settings.is_empty() {
            true => self.source,
            false => Source::Set(self, Effect::Any),
        }
    }
}

impl<'a> Configured<'a> {
    pub(crate) fn new(source: Source<'a>, settings: Settings) -> Self {
        match source {
            // What was said later counts.
            Source::Set(outer, _) => {
                Self { source: outer.source, settings: outer.settings.clone().and(&settings) }
            }
            source => Self { source, settings },
        }
    }

    /// The same with further settings, which count where both name one.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self { source: self.source, settings: self.settings.clone().and(&settings) }
    }

    /// Where its statements run.
    pub(crate) fn inner(&self) -> Source<'a> {
        self.source
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs statements with the settings in one flush: all of them, or none. Returns how many rows they touched.
    pub(super) async fn run(
        &self,
        effect: Effect,
        asked: &[Asked<'_>],
        take: &mut dyn Take,
    ) -> Result<u64> {
        let source = self.source.with(effect).of(asked.first().and_then(|one| one.table))?;
        if let Source::Cluster(route, choice) = source {
            let (sql, params) =
                self.settings.until_end().map_err(|error| failure::of_client(None, error))?;
            let set = Asked {
                table: None,
                statement: &sql.as_str(),
                params: &params,
                check: no_rows,
                settings: Some(&self.settings),
            };
            let all: Vec<Asked<'_>> = std::iter::once(set).chain(asked.iter().copied()).collect();
            let rows = cluster::run(route, choice, &all, &mut Behind(take)).await?;
            // One of them is that of the settings.
            return Ok(rows.saturating_sub(1));
        }
        let (before, after) = source.around(&self.settings)?;
        let mut guard = lease(source).await?;
        let mut pending = match &mut guard {
            Guard::Held(_, pending) => std::mem::take(pending),
            Guard::Lent(_) => Vec::new(),
        };
        let stay = pending.len();
        pending.push(before);
        let commands = (&*pending, stay);
        let mut tries = asked.len().saturating_add(1);
        loop {
            let mut at = None;
            match run_between(&mut guard, commands, asked, after.as_ref(), &mut at, take).await {
                Ok(rows) => return Ok(rows),
                // Each try tells of one statement that a change of its tables has outdated.
                Err(error)
                    if error.can_be_healed()
                        && guard.status() == TransactionStatus::Idle
                        && !matches!(source, Source::Held(..))
                        && tries > 0
                        && take.restart() =>
                {
                    tries -= 1;
                }
                Err(error) => {
                    let table = at.and_then(|at| asked.get(at)).and_then(|one| one.table);
                    return Err(failure::of_client(table, error));
                }
            }
        }
    }
}

impl Source<'_> {
    /// What puts settings in force for a statement that runs here, and what takes them back where the end of the flush does
    /// not.
    pub(super) fn around(self, settings: &Settings) -> Result<(Command, Option<Command>)> {
        match self {
            Source::Held(_, depth) => {
                let (before, after) = Command::for_a_while(settings, depth.saturating_add(1))?;
                Ok((before, Some(after)))
            }
            // Whether a transaction is open on it is not known; no savepoint has this level.
            Source::Connection(_) => {
                let (before, after) = Command::for_a_while(settings, 0)?;
                Ok((before, Some(after)))
            }
            _ => Ok((Command::until_end(settings)?, None)),
        }
    }
}

/// Runs statements with commands ahead of them and behind them in the same flush. `at` is the statement that is answered.
/// Where they can't be sent, so many of the commands ahead stay: see [`submit_with`].
async fn run_between(
    connection: &mut Connection,
    (pending, stay): (&[Command], usize),
    asked: &[Asked<'_>],
    after: Option<&Command>,
    at: &mut Option<usize>,
    take: &mut dyn Take,
) -> stellata_client::Result<u64> {
    connection.settle().await?;
    let behind = after.map_or(&[][..], std::slice::from_ref);
    let (commands, (tickets, last)) = submit_with(connection, pending, stay, |connection| {
        let mut tickets = Vec::with_capacity(asked.len());
        for one in asked {
            tickets.push(connection.submit(one.statement, one.params)?);
        }
        Ok((tickets, submit_all(connection, behind)?))
    })?;
    read_all(connection, pending, commands).await?;
    let mut rows = 0_u64;
    for (index, (ticket, one)) in tickets.into_iter().zip(asked).enumerate() {
        *at = Some(index);
        let ran =
            connection.rows(ticket, one.check, &mut |columns| take.take(index, columns)).await?;
        rows = rows.saturating_add(ran.rows);
    }
    read_all(connection, behind, last).await?;
    connection.ready().await?;
    Ok(rows)
}

/// Takes the rows of statements behind the one that sets the settings.
struct Behind<'t>(&'t mut dyn Take);

impl Take for Behind<'_> {
    fn take(&mut self, statement: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        match statement.checked_sub(1) {
            Some(statement) => self.0.take(statement, columns),
            None => Ok(()),
        }
    }

    fn restart(&mut self) -> bool {
        self.0.restart()
    }
}
