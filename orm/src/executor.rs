//! What runs a statement: a pool that lends a connection for it, or a connection that is held.

mod command;
mod configured;

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use stellata_client::{
    ColumnError, Columns, Completion, Connection, Expect, Params, Settings, Statement,
    StatementKey, Ticket, TransactionStatus,
};
use stellata_pool::{Lease, Pool, SharedError, Sharing};

use crate::cluster::{self, Asked, Choice, Once, Route, Take, Writes};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::command::{read_all, submit_all};
use crate::expr::fragment::Fragment;
use crate::failure;
use crate::model::table::Table;
use crate::render;

pub(crate) use command::Command;
pub use configured::Configured;

pub(crate) mod sealed {
    /// Keeps the executors to those of this crate.
    pub trait Sealed {}

    impl<E: Sealed + ?Sized> Sealed for &E {}
}

impl sealed::Sealed for Configured<'_> {}

/// What queries run on: a [`Db`](crate::Db) or a [`Transaction`](crate::Transaction).
///
/// It is passed by shared reference, also as `&dyn Executor`, so that a function which takes one can be called from
/// inside a transaction and from outside:
///
/// ```
/// # use stellata::prelude::*;
/// # #[derive(Model)]
/// # struct Album { #[model(key, identity)] id: Id<Album>, plays: i64 }
/// async fn popular(on: &impl Executor) -> stellata::Result<Vec<Album>> {
///     Album::query().filter(|a| a.plays.gt(1000)).all(on).await
/// }
/// ```
pub trait Executor: sealed::Sealed + Sync {
    /// Where the connection comes from.
    #[doc(hidden)]
    fn source(&self) -> Source<'_>;

    /// The same, with settings of the server for each statement, or each transaction, that runs on it.
    fn with_settings(&self, settings: Settings) -> Configured<'_> {
        Configured::new(self.source(), settings)
    }
}

impl<E: Executor + ?Sized> Executor for &E {
    fn source(&self) -> Source<'_> {
        (**self).source()
    }
}

/// Where the connection of a statement comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Lent for the statement.
    #[doc(hidden)]
    Pool(&'a Pool),
    /// The same, where reads may share one.
    #[doc(hidden)]
    Lanes(&'a Pool),
    /// One that others use at the same time.
    #[doc(hidden)]
    Lane(&'a Pool, Sharing),
    /// That of an open transaction, at the given depth of savepoints.
    #[doc(hidden)]
    Held(&'a Arc<Held>, u32),
    /// Lent by a server of a cluster.
    #[doc(hidden)]
    Cluster(Route<'a>, Choice),
    /// That of the database of the statement's model.
    #[doc(hidden)]
    Named(&'a dyn Named, Effect),
    /// One of those, for what has settings of its own.
    #[doc(hidden)]
    Set(&'a Configured<'a>, Effect),
}

/// What is known of what a statement does.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Nothing.
    Any,
    /// It only reads.
    Read,
    /// It only reads, and leaves nothing behind in the session, so that it may share one with others.
    Shareable(Sharing),
}

/// Several databases, each with a name.
pub trait Named: Debug + Sync {
    /// The number of a model's database, or of the default one.
    ///
    /// # Errors
    /// Where there is none of the name that the model says.
    fn number(&self, table: Option<&'static Table>) -> Result<usize>;

    /// The database with this number.
    fn numbered(&self, number: usize) -> Source<'_>;
}

impl<'a> Source<'a> {
    /// The same for a read that leaves nothing behind in the session.
    #[inline]
    #[must_use]
    pub(crate) fn reading(self, sharing: Sharing) -> Self {
        self.with(Effect::Shareable(sharing))
    }

    /// The same for a statement of which this is known.
    #[inline]
    #[must_use]
    pub(crate) fn with(self, effect: Effect) -> Self {
        match (self, effect) {
            (Self::Lanes(pool), Effect::Shareable(sharing)) => Self::Lane(pool, sharing),
            (Self::Cluster(route, choice), Effect::Read | Effect::Shareable(_)) => {
                Self::Cluster(route, Choice { reads: true, ..choice })
            }
            (Self::Named(named, _), effect) => Self::Named(named, effect),
            (Self::Set(configured, _), effect) => Self::Set(configured, effect),
            (other, _) => other,
        }
    }

    /// Where a statement on `table` runs.
    #[inline]
    fn of(self, table: Option<&'static Table>) -> Result<Self> {
        match self {
            Self::Named(named, effect) => Ok(named.numbered(named.number(table)?).with(effect)),
            found => Ok(found),
        }
    }

    /// Checks that rows of all these tables can be read in one batch.
    pub(crate) fn has_all(self, tables: impl Iterator<Item = &'static Table>) -> Result<()> {
        let named = match self {
            Self::Named(named, _) => named,
            Self::Set(configured, _) => return configured.inner().has_all(tables),
            _ => return Ok(()),
        };
        let mut first = None;
        for table in tables {
            let number = named.number(Some(table))?;
            let (root, there) = *first.get_or_insert((table, number));
            if number != there {
                let message = format!(
                    "{} can't be loaded along with {}, which is in another database",
                    table.model, root.model
                );
                return Err(Error::new(ErrorKind::Usage, message).with_table(table, &[]));
            }
        }
        Ok(())
    }
}

/// The connection of an open transaction.
#[derive(Debug)]
pub struct Held {
    connection: tokio::sync::Mutex<Lease>,
    control: Mutex<Control>,
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
    /// Whether rows are lent, so that the connection is not free before they are dropped.
    is_lent: bool,
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

    fn control(&self) -> std::sync::MutexGuard<'_, Control> {
        // Nothing that could panic runs under the lock.
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the transaction at `depth` is the innermost, and that no rows of it are lent.
    pub(crate) fn check(&self, depth: u32) -> Result<()> {
        let control = self.control();
        let message = if control.depth != depth {
            "the transaction was used while a transaction inside it is open"
        } else if control.is_lent {
            "the transaction was used while rows of it are lent"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Transaction, message))
    }

    /// Says whether rows are lent.
    fn lend(&self, is_lent: bool) {
        self.control().is_lent = is_lent;
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
        let pending = {
            let mut control = self.control();
            control.depth = 0;
            if !control.begun {
                return Ok(None);
            }
            std::mem::take(&mut control.pending)
        };
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
            connection.begin_batch()?;
            let tickets = submit_all(connection, &commands)?;
            // Behind the commit, which ends the transaction without a Sync.
            let place = match writes {
                Some(_) => Some(connection.submit(&cluster::PLACE, &none)?),
                None => None,
            };
            connection.sync()?;
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

/// A connection for one statement or batch, and the commands that go ahead of it.
#[derive(Debug)]
pub(crate) enum Guard<'a> {
    Lent(Lease),
    Held(tokio::sync::MutexGuard<'a, Lease>, Vec<Command>),
}

impl Deref for Guard<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Lent(lease) => lease,
            Self::Held(lease, _) => lease,
        }
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Lent(lease) => lease,
            Self::Held(lease, _) => lease,
        }
    }
}

/// A connection from the source, where one is there at once.
#[inline]
fn lease_now(source: Source<'_>) -> Result<Option<Guard<'_>>> {
    match source {
        Source::Pool(pool) | Source::Lanes(pool) | Source::Lane(pool, _) => {
            Ok(pool.try_acquire().map(Guard::Lent))
        }
        Source::Held(held, depth) => {
            let Ok(lease) = held.connection.try_lock() else { return Ok(None) };
            held.check(depth)?;
            Ok(Some(Guard::Held(lease, held.control().take_pending())))
        }
        Source::Cluster(..) | Source::Named(..) | Source::Set(..) => Ok(None),
    }
}

/// A connection from the source, as soon as one is there.
async fn lease(source: Source<'_>) -> Result<Guard<'_>> {
    match source {
        Source::Pool(pool) | Source::Lanes(pool) | Source::Lane(pool, _) => {
            match pool.acquire().await {
                Ok(lease) => Ok(Guard::Lent(lease)),
                Err(error) => Err(failure::of_pool(error)),
            }
        }
        Source::Held(held, depth) => {
            held.check(depth)?;
            let lease = held.connection.lock().await;
            // Asked again: a transaction may have been opened inside while this one waited.
            held.check(depth)?;
            Ok(Guard::Held(lease, held.control().take_pending()))
        }
        Source::Cluster(route, _) => match route.cluster.acquire().await {
            Ok(lease) => Ok(Guard::Lent(lease)),
            Err(error) => Err(failure::of_pool(error)),
        },
        Source::Named(..) => Box::pin(lease(source.of(None)?)).await,
        Source::Set(configured, effect) => Box::pin(lease(configured.inner().with(effect))).await,
    }
}

impl Control {
    /// The commands that the next statement takes along. They are put into the connection's buffer before anything is
    /// awaited, so that they leave even if the statement's future is dropped.
    fn take_pending(&mut self) -> Vec<Command> {
        self.begun = true;
        std::mem::take(&mut self.pending)
    }
}

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
    table: &'static Table,
    fragment: &'p Fragment,
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

/// Looks at the columns of a statement, once.
pub(crate) type Check = fn(&mut Expect<'_>) -> Result<(), ColumnError>;

/// Takes each row of a statement.
pub(crate) type Sink<'s> = &'s mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send);

/// A statement whose rows nobody asked for.
pub(crate) fn no_rows(_: &mut Expect<'_>) -> Result<(), ColumnError> {
    Ok(())
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
        Err(error) => return Err(Error::usage(error)),
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

/// Rows of a statement, lent one after the other from the connection that runs it.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) rows: stellata_client::Rows<'a, Guard<'a>>,
    held: Option<&'a Held>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.held {
            held.lend(false);
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
    let (held, mut pending) = match (source, &mut guard) {
        (Source::Held(held, _), Guard::Held(_, pending)) => {
            (Some(&**held), std::mem::take(pending))
        }
        _ => (None, Vec::new()),
    };
    pending.extend(before);
    let rows = if pending.is_empty() {
        stellata_client::Rows::of(guard, sql, params)
    } else {
        let after: Vec<Command> = after.flatten().into_iter().collect();
        let ticket = submit_between(&mut guard, &pending, (&sql, &params), &after).await;
        let ticket = ticket.map_err(|error| failure::of_client(None, error))?;
        stellata_client::Rows::answering(guard, ticket)
    };
    if let Some(held) = held {
        held.lend(true);
    }
    Ok(Lent { rows, held })
}

/// Sends one statement with commands ahead of it and behind it in the same flush, and reads the answers of the first.
async fn submit_between(
    connection: &mut Connection,
    pending: &[Command],
    (statement, params): (&dyn Statement, &Params),
    behind: &[Command],
) -> stellata_client::Result<Ticket> {
    connection.begin_batch()?;
    let commands = submit_all(connection, pending)?;
    let ticket = connection.submit(statement, params)?;
    submit_all(connection, behind)?;
    connection.sync()?;
    read_all(connection, pending, commands).await?;
    Ok(ticket)
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
    let ticket = submit_between(connection, pending, (statement, params), &[]).await?;
    let completion = connection.rows(ticket, check, sink).await?;
    connection.ready().await?;
    Ok(completion)
}

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
        item.fragment.check().map_err(Error::usage)?;
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
                    && matches!(guard, Guard::Lent(_))
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
    connection.begin_batch()?;
    let commands = submit_all(connection, pending)?;
    let mut tickets = Vec::with_capacity(items.len());
    for item in items {
        let statement = Shaped { table: item.table, fragment: item.fragment };
        tickets.push(connection.submit(&statement, item.fragment.params())?);
    }
    connection.sync()?;
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
