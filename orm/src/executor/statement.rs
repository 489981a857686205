//! Running one statement.

use std::borrow::Cow;
use std::pin::Pin;

use stellata_client::{Completion, Connection, Params, Statement, StatementKey, Ticket};
use stellata_pool::SharedError;

use crate::cluster::{self, Asked, Once};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::command::{Command, read_all, submit_all, submit_with};
use crate::executor::guard::{Guard, lease, lease_now};
use crate::executor::{Check, Sink, Source};
use crate::expr::fragment::Fragment;
use crate::failure;
use crate::model::table::Table;
use crate::render;

/// A statement and what it is run with.
pub(crate) trait Ask: Statement + Send {
    /// The table of the model that it is about, if it is about one.
    fn table(&self) -> Option<&'static Table>;

    /// Its parameters.
    ///
    /// # Errors
    /// Where the statement could not be put together.
    fn params(&self) -> stellata_protocol::Result<&Params>;
}

impl<A: Ask + ?Sized> Ask for &A {
    fn table(&self) -> Option<&'static Table> {
        (**self).table()
    }

    fn params(&self) -> stellata_protocol::Result<&Params> {
        (**self).params()
    }
}

/// A statement made from a shape.
pub(crate) struct Shaped<'p> {
    pub(super) table: &'static Table,
    pub(super) fragment: &'p Fragment,
}

impl Ask for Shaped<'_> {
    #[inline]
    fn table(&self) -> Option<&'static Table> {
        Some(self.table)
    }

    #[inline]
    fn params(&self) -> stellata_protocol::Result<&Params> {
        self.fragment.check().map(|()| self.fragment.params())
    }
}

impl Statement for Shaped<'_> {
    fn key(&self) -> StatementKey<'_> {
        let table = std::ptr::from_ref(self.table).addr();
        StatementKey::Shape { table, shape: self.fragment.tokens() }
    }

    fn sql(&self) -> Result<Cow<'_, str>, stellata_client::Error> {
        match render::sql(self.table, self.fragment.tokens()) {
            Ok(sql) => Ok(Cow::Owned(sql)),
            Err(error) => Err(stellata_client::Error::encode(error)),
        }
    }
}

/// Runs one statement of a model.
pub(crate) fn run<'r>(
    source: Source<'r>,
    table: &'static Table,
    fragment: &'r Fragment,
    check: Check,
    sink: Sink<'r>,
) -> impl Future<Output = Result<Completion>> + Send {
    // No future of its own: every layer costs as much as a comparison of the statement's shape.
    run_statement(source, Shaped { table, fragment }, check, sink)
}

/// Runs one statement, unless it could not be put together.
pub(crate) async fn run_statement(
    source: Source<'_>,
    statement: impl Ask,
    check: Check,
    sink: Sink<'_>,
) -> Result<Completion> {
    let params = match statement.params() {
        Ok(params) => params,
        Err(error) => return Err(unwritable(statement.table(), error)),
    };
    // The everyday way, with nothing in it that the others need.
    if let Source::Pool(pool) = source
        && let Some(mut lease) = pool.try_acquire()
    {
        let ran = lease.run(&statement, params, check, sink).await;
        return ran.map_err(|error| failure::of_client(statement.table(), error));
    }
    if matches!(source, Source::Cluster(..) | Source::Named(..) | Source::Set(..)) {
        return run_where_it_belongs(source, &statement, params, check, sink).await;
    }
    if let Source::Lane(pool, sharing) = source {
        let ran = pool.run_shared(&statement, params, sharing, check, sink).await;
        return ran.map_err(|error| of_shared(statement.table(), error));
    }
    let mut guard = match lease_now(source)? {
        Some(guard) => guard,
        // Boxed: the future of a statement need not be as large as that of waiting.
        None => Box::pin(lease(source)).await?,
    };
    let ran = match &mut guard {
        Guard::Held(lease, pending) if !pending.is_empty() => {
            let pending = std::mem::take(pending);
            Box::pin(run_after(lease, &pending, &statement, params, check, sink)).await
        }
        guard => guard.run(&statement, params, check, sink).await,
    };
    ran.map_err(|error| failure::of_client(statement.table(), error))
}

#[cold]
fn unwritable(table: Option<&'static Table>, error: stellata_protocol::Error) -> Error {
    match table {
        Some(table) => Error::unwritable(table, None, error),
        None => Error::usage(error),
    }
}

/// Runs one statement on the database of its model, or the server of a cluster that it is for.
#[cold]
fn run_where_it_belongs<'r>(
    source: Source<'r>,
    statement: &'r dyn Ask,
    params: &'r Params,
    check: Check,
    sink: Sink<'r>,
) -> Pin<Box<dyn Future<Output = Result<Completion>> + Send + 'r>> {
    Box::pin(async move {
        let table = statement.table();
        match source.of(table)? {
            Source::Cluster(route, choice) => {
                let asked = Asked { table, statement, params, check, settings: None };
                cluster::run_one(route, choice, asked, sink).await
            }
            Source::Set(configured, effect) => {
                let asked = [Asked { table, statement, params, check, settings: None }];
                let rows = configured.run(effect, &asked, &mut Once::new(sink)).await?;
                Ok(Completion { rows, rolled_back: false })
            }
            found => run_statement(found, statement, check, sink).await,
        }
    })
}

#[cold]
fn of_shared(table: Option<&'static Table>, error: SharedError) -> Error {
    match error {
        SharedError::Pool(error) => failure::of_pool(error),
        SharedError::Statement(error) => failure::of_client(table, error),
        other => Error::new(ErrorKind::Connection, other.to_string()).with_source(other),
    }
}

/// Runs one statement with commands ahead of it in the same flush.
async fn run_after(
    connection: &mut Connection,
    pending: &[Command],
    statement: &dyn Statement,
    params: &Params,
    check: Check,
    sink: Sink<'_>,
) -> stellata_client::Result<Completion> {
    let commands = (pending, pending.len());
    let ticket = submit_between(connection, commands, (statement, params), &[]).await?;
    let completion = connection.rows(ticket, check, sink).await?;
    connection.ready().await?;
    Ok(completion)
}

/// Sends one statement with commands ahead of it and behind it in the same flush, and reads the answers of the first. Where
/// it can't be sent, so many of the commands ahead stay: see [`submit_with`].
pub(super) async fn submit_between(
    connection: &mut Connection,
    (pending, stay): (&[Command], usize),
    (statement, params): (&dyn Statement, &Params),
    behind: &[Command],
) -> stellata_client::Result<Ticket> {
    connection.settle().await?;
    let (commands, ticket) = submit_with(connection, pending, stay, |connection| {
        let ticket = connection.submit(statement, params)?;
        submit_all(connection, behind)?;
        Ok(ticket)
    })?;
    read_all(connection, pending, commands).await?;
    Ok(ticket)
}
