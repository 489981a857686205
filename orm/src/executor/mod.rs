//! What runs a statement: a pool that lends a connection for it, or a connection that is held.

mod command;
mod held;
mod guard;
mod configured;
mod statement;
mod lent;
mod batch;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use stellata_client::{ColumnError, Columns, Connection, Expect, Settings};
use stellata_pool::{Pool, Sharing};
use tokio::sync::MappedMutexGuard;

use crate::cluster::{Choice, Route};
use crate::error::{Error, ErrorKind, Result};
use crate::model::table::Table;

pub(crate) use batch::{Collect, Item, run_batch};
pub(crate) use command::Command;
pub use configured::Configured;
pub(crate) use held::End;
pub use held::Held;
pub(crate) use lent::{Lent, lend};
pub(crate) use statement::{Ask, run, run_statement};

pub(crate) mod sealed {
    /// Keeps the executors to those of this crate.
    pub trait Sealed {}

    impl<E: Sealed + ?Sized> Sealed for &E {}
}

impl sealed::Sealed for Configured<'_> {}

/// What queries run on: a [`Db`](crate::Db), a [`Transaction`](crate::Transaction), or a connection that somebody holds, as a
/// [`ConnectionExecutor`](crate::ConnectionExecutor).
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
    /// One that somebody holds.
    #[doc(hidden)]
    Connection(&'a dyn Hold),
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

/// What can't be used while rows of it are lent.
pub trait Lend: Debug + Sync {
    /// Says whether rows are lent.
    fn lend(&self, is_lent: bool);
}

/// A connection that somebody holds, and that queries take turns at.
pub trait Hold: Lend {
    /// The connection, where it is free.
    ///
    /// # Errors
    /// Where it is not to be waited for.
    fn now(&self) -> Result<Option<MappedMutexGuard<'_, Connection>>>;

    /// The connection, as soon as it is free.
    fn wait(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<MappedMutexGuard<'_, Connection>>> + Send + '_>>;
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

/// Looks at the columns of a statement, once.
pub(crate) type Check = fn(&mut Expect<'_>) -> Result<(), ColumnError>;

/// Takes each row of a statement.
pub(crate) type Sink<'s> = &'s mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send);

/// A statement whose rows nobody asked for.
pub(crate) fn no_rows(_: &mut Expect<'_>) -> Result<(), ColumnError> {
    Ok(())
}
