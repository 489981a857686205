//! Running one statement whose rows are lent.

use stellata_client::{Connection, Params, Rows};

use crate::error::Result;
use crate::executor::command::{Command, read_all, submit_with};
use crate::executor::guard::{Guard, lease, lease_now};
use crate::executor::statement::submit_between;
use crate::executor::{Lend, Source};
use crate::failure;

/// Rows of a statement, lent one after the other from the connection that runs it.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) rows: Rows<'a, Guard<'a>>,
    lender: Option<&'a dyn Lend>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(lender) = self.lender {
            lender.lend(false);
        }
    }
}

/// Holds a connection for a statement whose rows are lent; of a cluster, one to its primary.
pub(crate) async fn lend<'a>(source: Source<'a>, sql: &'a str, params: Params) -> Result<Lent<'a>> {
    let (source, settings) = match source {
        Source::Set(configured, effect) => {
            (configured.inner().with(effect), Some(configured.settings()))
        }
        source => (source, None),
    };
    let source = source.of(None)?;
    let (before, after) = settings.map(|set| source.around(set)).transpose()?.unzip();
    if let Source::Cluster(route, choice) = source
        && !choice.reads
        && let Some(writes) = route.writes
    {
        // Nobody will know where it has ended.
        drop(writes.begin());
    }
    let mut guard = match lease_now(source)? {
        Some(guard) => guard,
        None => lease(source).await?,
    };
    let (lender, mut pending): (Option<&dyn Lend>, _) = match (source, &mut guard) {
        (Source::Held(held, _), Guard::Held(_, pending)) => {
            (Some(&**held), std::mem::take(pending))
        }
        (Source::Connection(session), _) => (Some(session), Vec::new()),
        _ => (None, Vec::new()),
    };
    let (stay, is_set) = (pending.len(), before.is_some());
    pending.extend(before);
    // A statement whose columns are not known yet goes by itself, so that they are looked at before there are rows. Settings
    // that are in force for its flush alone leave no way to that.
    if !pending.is_empty() && !is_set && !guard.knows(&sql, &params) {
        let ran = run_alone(&mut guard, &std::mem::take(&mut pending)).await;
        ran.map_err(|error| failure::of_client(None, error))?;
    }
    let rows = if pending.is_empty() {
        Rows::of(guard, sql, params)
    } else {
        let after: Vec<Command> = after.flatten().into_iter().collect();
        let ticket = submit_between(&mut guard, (&pending, stay), (&sql, &params), &after).await;
        let ticket = ticket.map_err(|error| failure::of_client(None, error))?;
        Rows::answering(guard, ticket)
    };
    if let Some(lender) = lender {
        lender.lend(true);
    }
    Ok(Lent { rows, lender })
}

/// Runs what waited for a statement, without one.
async fn run_alone(
    connection: &mut Connection,
    pending: &[Command],
) -> stellata_client::Result<()> {
    let (tickets, ()) = submit_with(connection, pending, 0, |_| Ok(()))?;
    read_all(connection, pending, tickets).await?;
    connection.ready().await?;
    Ok(())
}
