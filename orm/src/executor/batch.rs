//! Running several statements in one flush.

use stellata_client::{ColumnError, Columns, Connection, TransactionStatus};

use crate::cluster::{self, Asked, Take};
use crate::error::{Error, Result};
use crate::executor::command::{Command, read_all, submit_with};
use crate::executor::guard::{Guard, lease};
use crate::executor::statement::Shaped;
use crate::executor::{Check, Source};
use crate::expr::fragment::Fragment;
use crate::failure;
use crate::model::table::Table;

/// One statement of a batch.
pub(crate) struct Item<'p> {
    pub(crate) table: &'static Table,
    pub(crate) fragment: &'p Fragment,
    pub(crate) check: Check,
}

/// Takes the rows of a batch.
pub(crate) trait Collect: Send {
    /// Takes a row of the statement with this number.
    fn row(&mut self, statement: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError>;

    /// Forgets all rows: the batch is run once more.
    fn restart(&mut self);
}

/// Runs several statements in one flush with one Sync: all of them happen, or none. Returns how many rows they touched.
pub(crate) async fn run_batch(
    source: Source<'_>,
    items: &[Item<'_>],
    rows: &mut dyn Collect,
) -> Result<u64> {
    for item in items {
        item.fragment.check().map_err(|error| Error::unwritable(item.table, None, error))?;
    }
    let source = source.of(items.first().map(|item| item.table))?;
    if matches!(source, Source::Cluster(..) | Source::Set(..)) {
        return Box::pin(run_batch_where_it_belongs(source, items, rows)).await;
    }
    let mut guard = lease(source).await?;
    let pending = match &mut guard {
        Guard::Held(_, pending) => std::mem::take(pending),
        Guard::Lent(_) => Vec::new(),
    };
    let mut tries = items.len();
    loop {
        let mut at = 0;
        match run_batch_once(&mut guard, &pending, items, &mut at, rows).await {
            Ok(count) => return Ok(count),
            // Each try tells of one statement that a change of its tables has outdated.
            Err(error)
                if error.is_stale_statement()
                    && guard.status() == TransactionStatus::Idle
                    && !matches!(source, Source::Held(..))
                    && tries > 0 =>
            {
                tries -= 1;
                rows.restart();
            }
            Err(error) => {
                return Err(failure::of_client(items.get(at).map(|item| item.table), error));
            }
        }
    }
}

/// Runs a batch on the server of a cluster that it is for, or with settings.
async fn run_batch_where_it_belongs(
    source: Source<'_>,
    items: &[Item<'_>],
    rows: &mut dyn Collect,
) -> Result<u64> {
    let statements: Vec<Shaped<'_>> =
        items.iter().map(|item| Shaped { table: item.table, fragment: item.fragment }).collect();
    let asked: Vec<Asked<'_>> = items
        .iter()
        .zip(&statements)
        .map(|(item, statement)| Asked {
            table: Some(item.table),
            statement,
            params: item.fragment.params(),
            check: item.check,
            settings: None,
        })
        .collect();
    match source {
        Source::Cluster(route, choice) => {
            cluster::run(route, choice, &asked, &mut Kept(rows)).await
        }
        Source::Set(configured, effect) => configured.run(effect, &asked, &mut Kept(rows)).await,
        // Who asks has looked.
        _ => Ok(0),
    }
}

/// Keeps rows until all are there.
struct Kept<'r>(&'r mut dyn Collect);

impl Take for Kept<'_> {
    fn take(&mut self, statement: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        self.0.row(statement, columns)
    }

    fn restart(&mut self) -> bool {
        self.0.restart();
        true
    }
}

async fn run_batch_once(
    connection: &mut Connection,
    pending: &[Command],
    items: &[Item<'_>],
    at: &mut usize,
    rows: &mut dyn Collect,
) -> stellata_client::Result<u64> {
    connection.settle().await?;
    let (commands, tickets) = submit_with(connection, pending, pending.len(), |connection| {
        let submit = |item: &Item<'_>| {
            let statement = Shaped { table: item.table, fragment: item.fragment };
            connection.submit(&statement, item.fragment.params())
        };
        items.iter().map(submit).collect::<stellata_client::Result<Vec<_>>>()
    })?;
    read_all(connection, pending, commands).await?;
    let mut count = 0_u64;
    for (index, (ticket, item)) in tickets.into_iter().zip(items).enumerate() {
        *at = index;
        let completion =
            connection.rows(ticket, item.check, &mut |columns| rows.row(index, columns)).await?;
        count = count.saturating_add(completion.rows);
    }
    connection.ready().await?;
    Ok(count)
}
