//! Running statements on a server of a cluster.

use stellata_client::replication::Lsn;
use stellata_client::{
    ColumnError, Columns, Completion, Connection, ErrorKind, Expect, FromRow, Params, Settings,
    SqlState, Statement, Ticket,
};
use stellata_pool::Cluster;

use super::writes::{Writes, Writing};
use super::{Choice, Route};
use crate::error::Result;
use crate::failure;
use crate::model::table::Table;

/// Asks a replica whether it has what was written up to a place.
const HAS: &str = "select coalesce(pg_catalog.pg_last_wal_replay_lsn() >= $1, false)";
/// Asks the primary up to where there is something.
pub(crate) const PLACE: &str = "select pg_catalog.pg_current_wal_insert_lsn()";

/// A statement.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) table: Option<&'static Table>,
    pub(crate) statement: &'a dyn Statement,
    pub(crate) params: &'a Params,
    pub(crate) check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
    /// What it sets, where that is all it is for.
    pub(crate) settings: Option<&'a Settings>,
}

/// Takes the rows of statements.
pub(crate) trait Take: Send {
    /// Takes a row of the statement with this number.
    fn take(&mut self, statement: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError>;

    /// Forgets all rows, because the statements are run once more. Returns false where rows have been handed on already.
    fn restart(&mut self) -> bool;
}

/// Runs statements in one flush, all of them or none. Returns how many rows they touched.
pub(crate) async fn run(
    route: Route<'_>,
    choice: Choice,
    asked: &[Asked<'_>],
    take: &mut dyn Take,
) -> Result<u64> {
    if choice.reads && choice.spreads {
        read(route, asked, take).await
    } else {
        // What only reads leaves nothing that a replica must have.
        let writes = route.writes.filter(|_| !choice.reads);
        write(Route { writes, ..route }, asked, take).await
    }
}

/// Runs one statement, whose rows are handed on as they come.
pub(crate) async fn run_one(
    route: Route<'_>,
    choice: Choice,
    asked: Asked<'_>,
    sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
) -> Result<Completion> {
    let rows = run(route, choice, &[asked], &mut Once::new(sink)).await?;
    Ok(Completion { rows, rolled_back: false })
}

/// Hands rows on, so that none can be taken back.
pub(crate) struct Once<'s> {
    sink: &'s mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    has_taken: bool,
}

impl<'s> Once<'s> {
    pub(crate) fn new(
        sink: &'s mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> Self {
        Self { sink, has_taken: false }
    }
}

impl Take for Once<'_> {
    fn take(&mut self, _: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        self.has_taken = true;
        (self.sink)(columns)
    }

    fn restart(&mut self) -> bool {
        !self.has_taken
    }
}

/// Reads from a replica, or from the primary where none has what is wanted.
async fn read(route: Route<'_>, asked: &[Asked<'_>], take: &mut dyn Take) -> Result<u64> {
    let wanted = route.writes.map_or(Lsn::INVALID, Writes::place);
    let mut from_primary = route.writes.is_some_and(Writes::are_nowhere);
    let mut tries = asked.len() + 1;
    loop {
        let lent = match from_primary {
            true => route.cluster.acquire().await,
            false => route.cluster.acquire_reading().await,
        };
        let mut lease = lent.map_err(failure::of_pool)?;
        // Where the server does not say (a pooler in between), it is asked as if it were one.
        let is_replica = !from_primary && lease.parameter("in_hot_standby") != Some("off");
        let place = (is_replica && wanted.is_valid()).then_some(wanted);
        let mut at = 0;
        match ask(&mut lease, place, asked, &mut at, take).await {
            Ok(Some(rows)) => return Ok(rows),
            Ok(None) => from_primary = true,
            Err(error) if is_replica && is_replicas_own(&error) && take.restart() => {
                note(route.cluster, &error);
                from_primary = true;
            }
            Err(error) if error.is_stale_statement() && tries > 0 && take.restart() => tries -= 1,
            Err(error) => return Err(failed(route, asked, at, error)),
        }
    }
}

/// Runs statements on the primary.
async fn write(route: Route<'_>, asked: &[Asked<'_>], take: &mut dyn Take) -> Result<u64> {
    let mut lease = route.cluster.acquire().await.map_err(failure::of_pool)?;
    let mut tries = asked.len() + 1;
    loop {
        let mut at = 0;
        let done = match route.writes {
            Some(writes) => tell(&mut lease, writes, asked, &mut at, take).await.map(Some),
            None => ask(&mut lease, None, asked, &mut at, take).await,
        };
        match done {
            Ok(rows) => return Ok(rows.unwrap_or_default()),
            Err(error) if error.is_stale_statement() && tries > 0 && take.restart() => tries -= 1,
            Err(error) => return Err(failed(route, asked, at, error)),
        }
    }
}

/// Runs statements, on a replica only if it has what was written up to `place`; `None` where it has not.
async fn ask(
    connection: &mut Connection,
    place: Option<Lsn>,
    asked: &[Asked<'_>],
    at: &mut usize,
    take: &mut dyn Take,
) -> stellata_client::Result<Option<u64>> {
    if let ([only], None) = (asked, place) {
        let mut sink = |columns: &mut Columns<'_>| take.take(0, columns);
        let ran = connection.run(only.statement, only.params, only.check, &mut sink).await?;
        return Ok(Some(ran.rows));
    }
    let mut batch = connection.batch()?;
    if let Some(place) = place {
        // In a group of its own: one snapshot for both could be older than the answer.
        batch.add(HAS, (place,))?.sync()?;
    }
    for one in asked {
        batch.add_statement(one.statement, one.params)?;
    }
    let mut answers = batch.send()?;
    if place.is_some() {
        let (has,): (bool,) = answers.one().await?;
        if !has {
            // The rows have been sent; they are passed over.
            let _ = answers.end().await;
            return Ok(None);
        }
    }
    let mut rows = 0_u64;
    for (index, one) in asked.iter().enumerate() {
        *at = index;
        let ran = answers.next(one.check, &mut |columns| take.take(index, columns)).await?;
        rows = rows.saturating_add(ran.rows);
    }
    Ok(Some(rows))
}

/// Runs statements and takes note of the place in the log that they reach up to.
async fn tell(
    connection: &mut Connection,
    writes: &Writes,
    asked: &[Asked<'_>],
    at: &mut usize,
    take: &mut dyn Take,
) -> stellata_client::Result<u64> {
    let mut batch = connection.batch()?;
    for one in asked {
        batch.add_statement(one.statement, one.params)?;
    }
    // A group of its own, behind the commit of the first.
    batch.sync()?.add(PLACE, ())?;
    let mut answers = batch.send()?;
    // Nothing is written before the first answer is asked for.
    let writing = writes.begin();
    let mut rows = 0_u64;
    for (index, one) in asked.iter().enumerate() {
        *at = index;
        match answers.next(one.check, &mut |columns| take.take(index, columns)).await {
            Ok(ran) => rows = rows.saturating_add(ran.rows),
            Err(error) => {
                settle(Some(writing), &error);
                let _ = answers.end().await;
                return Err(error);
            }
        }
    }
    // It is written, whatever becomes of the answer to this.
    if let Ok((place,)) = answers.one::<(Lsn,)>().await {
        writing.end_at(place);
    }
    Ok(rows)
}

/// Takes note of a write that failed: where the server says so, it was not done; else it may have been all the same.
#[cold]
pub(crate) fn settle(writing: Option<Writing<'_>>, error: &stellata_client::Error) {
    if let Some(writing) = writing
        && error.server().is_some()
        && !error.is_fatal()
    {
        writing.give_up();
    }
}

/// Takes note of the place that a commit reaches up to.
pub(crate) async fn read_place(connection: &mut Connection, place: Ticket, writing: Writing<'_>) {
    let mut found = Lsn::INVALID;
    let mut sink = |columns: &mut Columns<'_>| {
        found = columns.next()?;
        Ok(())
    };
    // The commit stands, whatever becomes of the answer to this.
    if connection.rows(place, <(Lsn,)>::expect, &mut sink).await.is_ok() {
        writing.end_at(found);
    }
}

/// Whether a read failed for a reason that another server need not have: the connection is lost, or the replica had to
/// remove what was being read (manual: "Handling Query Conflicts").
fn is_replicas_own(error: &stellata_client::Error) -> bool {
    error.is_fatal() && error.kind() != ErrorKind::Protocol
        || matches!(
            error.sqlstate(),
            Some(SqlState::SERIALIZATION_FAILURE | SqlState::DEADLOCK_DETECTED)
        )
}

/// Has the cluster looked at where an error says that a server may be another thing than it was.
#[cold]
fn note(cluster: &Cluster, error: &stellata_client::Error) {
    if error.is_fatal() || error.sqlstate() == Some(SqlState::READ_ONLY_SQL_TRANSACTION) {
        cluster.recheck();
    }
}

#[cold]
fn failed(
    route: Route<'_>,
    asked: &[Asked<'_>],
    at: usize,
    error: stellata_client::Error,
) -> crate::error::Error {
    note(route.cluster, &error);
    let one = asked.get(at);
    let error = match one.and_then(|one| one.settings) {
        Some(settings) => settings.refused(error),
        None => error,
    };
    failure::of_client(one.and_then(|one| one.table), error)
}
