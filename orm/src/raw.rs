//! SQL by hand.

use std::borrow::Cow;
use std::panic::Location;

use stellata_client::{Statement, StatementKey};
use stellata_pool::Sharing;
use stellata_protocol::{Encode, FromRow, Params};

use crate::connection_executor::ConnectionExecutor;
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{
    Ask, Configured, Effect, Executor, Lent, Source, lend, no_rows, run_statement,
};
use crate::failure;
use crate::model::table::Table;
use crate::read_your_writes::ReadYourWrites;
use crate::transaction::Transaction;

/// A statement in SQL, with `$1`, `$2`.. for values. Made by [`Db::sql`] and [`Transaction::sql`].
///
/// Rows are read into tuples, or into a model whose columns stand in the order of its fields.
///
/// ```no_run
/// # use stellata::prelude::*;
/// # async fn example(db: &Db) -> stellata::Result<()> {
/// let busy: Vec<(String, i64)> = db
///     .sql("select origin, count(*) from flight where hour > $1 group by 1 order by 2 desc")
///     .bind(12_i64)
///     .all()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is run"]
#[derive(Debug)]
pub struct Sql<'a> {
    source: Source<'a>,
    text: &'a str,
    params: Params,
    fault: Option<stellata_protocol::Error>,
    caller: &'static Location<'static>,
}

/// The statement as connections see it.
struct Text<'s>(&'s Sql<'s>);

impl Statement for Text<'_> {
    fn key(&self) -> StatementKey<'_> {
        self.0.text.key()
    }

    fn sql(&self) -> Result<Cow<'_, str>, stellata_client::Error> {
        self.0.text.sql()
    }
}

impl Ask for Text<'_> {
    fn table(&self) -> Option<&'static Table> {
        None
    }

    fn params(&self) -> stellata_protocol::Result<&Params> {
        self.0.fault.map_or(Ok(&self.0.params), Err)
    }
}

impl Db {
    /// A statement in SQL.
    #[track_caller]
    pub fn sql<'a>(&'a self, text: &'a str) -> Sql<'a> {
        Sql::new(self.source(), text)
    }
}

impl Transaction {
    /// A statement in SQL.
    #[track_caller]
    pub fn sql<'a>(&'a self, text: &'a str) -> Sql<'a> {
        Sql::new(self.source(), text)
    }
}

impl ConnectionExecutor<'_> {
    /// A statement in SQL.
    #[track_caller]
    pub fn sql<'a>(&'a self, text: &'a str) -> Sql<'a> {
        Sql::new(self.source(), text)
    }
}

impl ReadYourWrites {
    /// A statement in SQL.
    #[track_caller]
    pub fn sql<'a>(&'a self, text: &'a str) -> Sql<'a> {
        Sql::new(self.source(), text)
    }
}

impl Configured<'_> {
    /// A statement in SQL, with these settings.
    #[track_caller]
    pub fn sql<'a>(&'a self, text: &'a str) -> Sql<'a> {
        Sql::new(Executor::source(self), text)
    }
}

impl<'a> Sql<'a> {
    #[track_caller]
    fn new(source: Source<'a>, text: &'a str) -> Self {
        Self { source, text, params: Params::new(), fault: None, caller: Location::caller() }
    }

    /// Says that the statement does nothing but read, so that a replica of a cluster may run it. One that writes is refused
    /// there. Without this, SQL by hand runs on the primary.
    pub fn read_only(mut self) -> Self {
        self.source = self.source.with(Effect::Read);
        self
    }

    /// Gives the next of `$1`, `$2`.. a value, in the PostgreSQL type of its Rust type.
    pub fn bind<T: Encode>(mut self, value: T) -> Self {
        if let Err(error) = self.params.push(&value) {
            self.fault.get_or_insert(error);
        }
        self
    }

    /// Lets the statement share a connection with others, where the pool has [lanes](stellata_pool::PoolOptions::lanes);
    /// it is [`read_only`](Self::read_only) then, too.
    ///
    /// It must be a read that leaves nothing behind in the session: no transaction, no setting, no temporary table, no lock
    /// that outlives it. Where its answer is large, it may run twice. In a transaction this changes nothing.
    pub fn shared(mut self) -> Self {
        self.source = self.source.reading(Sharing::Apart);
        self
    }

    /// All rows.
    ///
    /// # Errors
    /// [`ErrorKind::Database`] with a mark at the place that the server names, [`ErrorKind::Decode`] when the columns are
    /// not those of `T`, [`ErrorKind::Usage`] for a value that can't be written, and what constraints and the connection
    /// say.
    ///
    /// # Cancel safety
    /// When the future is dropped the statement may run all the same; the connection stays usable.
    pub async fn all<T: for<'r> FromRow<'r> + Send>(self) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.read(|row| rows.push(row)).await?;
        Ok(rows)
    }

    /// The first row, if there is one. The others are passed over.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    pub async fn first<T: for<'r> FromRow<'r> + Send>(self) -> Result<Option<T>> {
        let mut first = None;
        self.read(|row| {
            first.get_or_insert(row);
        })
        .await?;
        Ok(first)
    }

    /// The only row.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Multiple`], and as [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    pub async fn one<T: for<'r> FromRow<'r> + Send>(self) -> Result<T> {
        let caller = self.caller;
        let (mut only, mut more) = (None, false);
        self.read(|row| {
            more |= only.is_some();
            only.get_or_insert(row);
        })
        .await?;
        match (only, more) {
            (Some(row), false) => Ok(row),
            (Some(_), true) => Err(Error::new(
                ErrorKind::Multiple,
                "the statement returned several rows, where one was wanted",
            )
            .at(caller)),
            (None, _) => {
                Err(Error::new(ErrorKind::NotFound, "the statement returned no row").at(caller))
            }
        }
    }

    /// Holds a connection for the statement, whose rows are then lent one after the other: they may borrow from the read
    /// buffer, and memory does not grow with their number.
    ///
    /// In a transaction nothing else may run until they are dropped.
    ///
    /// # Errors
    /// As [`all`](Self::all); what the server says comes with the first row.
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    pub async fn lend(self) -> Result<Rows<'a>> {
        let caller = self.caller;
        if let Some(error) = self.fault {
            return Err(Error::usage(error).at(caller));
        }
        match lend(self.source, self.text, self.params).await {
            Ok(lent) => Ok(Rows { lent, caller }),
            Err(error) => Err(error.at(caller)),
        }
    }

    /// Runs the statement; returns how many rows it wrote or read.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    pub async fn exec(self) -> Result<u64> {
        let caller = self.caller;
        let done = self.run(no_rows, &mut |_| Ok(())).await;
        done.map_err(|error| error.at(caller))
    }

    async fn read<T: for<'r> FromRow<'r>>(self, mut take: impl FnMut(T) + Send) -> Result<()> {
        let caller = self.caller;
        let done = self
            .run(T::expect, &mut |columns| {
                take(T::from_row(columns)?);
                Ok(())
            })
            .await;
        done.map(drop).map_err(|error| error.at(caller))
    }

    async fn run(
        self,
        check: crate::executor::Check,
        sink: crate::executor::Sink<'_>,
    ) -> Result<u64> {
        let done = run_statement(self.source, Text(&self), check, sink).await?;
        Ok(done.rows)
    }
}

/// Rows that are lent one after the other. Made by [`Sql::lend`].
///
/// ```no_run
/// # use stellata::prelude::*;
/// # async fn example(db: &Db) -> stellata::Result<()> {
/// let mut rows = db.sql("select title, cover from album").lend().await?;
/// while let Some((title, cover)) = rows.next::<(&str, &[u8])>().await? {
///     println!("{title}: {} bytes", cover.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// Dropped before the last row, it leaves the rest to whoever uses the connection next.
#[derive(Debug)]
pub struct Rows<'a> {
    lent: Lent<'a>,
    caller: &'static Location<'static>,
}

impl Rows<'_> {
    /// The next row as a `T` that may borrow from the read buffer, until the one behind it is asked for: a tuple, or a type
    /// that implements [`FromRow`]. `None` behind the last one.
    ///
    /// # Errors
    /// As [`Sql::all`].
    ///
    /// # Cancel safety
    /// It can be called again: no row is lost.
    pub async fn next<'r, T: FromRow<'r>>(&'r mut self) -> Result<Option<T>> {
        let caller = self.caller;
        let next = self.lent.rows.next::<T>().await;
        next.map_err(|error| failure::of_client(None, error).at(caller))
    }
}
