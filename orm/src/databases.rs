//! Several databases, each with a name.

use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Effect, Executor, Named, Source, sealed};
use crate::model::Model;
use crate::model::table::Table;

/// Several databases, each with a name: what an application keeps and hands to its queries when it has more than one.
///
/// A query on it runs on the database that its model names, `#[model(database = "archive")]`, or on the first one where
/// the model names none. [`on`](Self::on) gives one of them for a query, whatever its model says. A [`Db`] or a transaction
/// that is handed to a query decides alone: the name of the model counts here only.
///
/// ```no_run
/// use stellata::Databases;
/// use stellata::prelude::*;
///
/// #[derive(Model)]
/// struct Order {
///     #[model(key, identity)]
///     id: Id<Order>,
///     total: i64,
/// }
///
/// #[derive(Model)]
/// #[model(database = "archive")]
/// struct OldOrder {
///     #[model(key)]
///     id: i64,
///     total: i64,
/// }
///
/// # async fn example() -> stellata::Result<()> {
/// let databases = Databases::new("main", Db::connect("postgres://localhost/shop").await?)
///     .with("archive", Db::connect("postgres://db9.example/shop_archive").await?);
///
/// let orders = Order::query().all(&databases).await?;                       // main
/// let old = OldOrder::query().all(&databases).await?;                       // archive
/// let moved = Order::query().all(databases.on("archive")?).await?;          // archive, this once
/// databases.of::<OldOrder>()?.transaction(async |tx| OldOrder::get(7, tx).await).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Databases {
    /// The first one is the default.
    named: Vec<(Box<str>, Db)>,
}

impl Databases {
    /// One database with its name: that of the models that name none.
    #[must_use]
    pub fn new(name: &str, db: Db) -> Self {
        Self { named: vec![(name.into(), db)] }
    }

    /// Adds a database. One that has the same name already is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, db: Db) -> Self {
        match self.named.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, known)) => *known = db,
            None => self.named.push((name.into(), db)),
        }
        self
    }

    /// The database with this name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the names that there are, when it is none of them.
    pub fn on(&self, name: &str) -> Result<&Db> {
        self.named
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, db)| db)
            .ok_or_else(|| Error::new(ErrorKind::Usage, self.without(name)))
    }

    /// The database of a model: the one it names, else the first.
    ///
    /// # Errors
    /// As [`on`](Self::on).
    pub fn of<M: Model>(&self) -> Result<&Db> {
        Ok(self.at(self.number(Some(M::TABLE))?))
    }

    /// The names and the databases, the default first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Db)> {
        self.named.iter().map(|(name, db)| (&**name, db))
    }

    fn at(&self, number: usize) -> &Db {
        match self.named.get(number) {
            Some((_, db)) => db,
            None => unreachable!("numbers are those of the databases that there are"),
        }
    }

    #[cold]
    fn without(&self, name: &str) -> String {
        let known: Vec<String> = self.named.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("no database is called `{name}`; there is {}", known.join(", "))
    }
}

impl sealed::Sealed for Databases {}

impl Executor for Databases {
    fn source(&self) -> Source<'_> {
        Source::Named(self, Effect::Any)
    }
}

impl Named for Databases {
    fn number(&self, table: Option<&'static Table>) -> Result<usize> {
        let Some((table, name)) = table.and_then(|table| Some((table, table.database?))) else {
            return Ok(0);
        };
        self.named.iter().position(|(known, _)| **known == *name).ok_or_else(|| {
            let message = format!("{}: {}", table.model, self.without(name));
            Error::new(ErrorKind::Usage, message).with_table(table, &[])
        })
    }

    fn numbered(&self, number: usize) -> Source<'_> {
        self.at(number).source()
    }
}
