//! Upserts: a new row, or a change of the one that has its key.

use std::panic::Location;

use stellata_protocol::{ColumnError, Columns, Expect};

use crate::error::{Error, Result};
use crate::executor::{Executor, run};
use crate::expr::assignment::IntoAssignments;
use crate::expr::fragment::Fragment;
use crate::model::path::Path;
use crate::model::unique::UniqueKey;
use crate::model::{Model, NewRow};
use crate::query::{expect, insert};
use crate::render;
use crate::render::statement::{Conflict, key_bytes};

/// A row that is to be inserted or, where one with its key is there, to change that one. Made by
/// [`Entity::upsert`](crate::Entity::upsert); say [`on`](Self::on) which key.
#[must_use = "nothing is sent until it is run"]
#[derive(Clone, Debug)]
pub struct Upsert<M: Model> {
    new: M::New,
}

/// An upsert whose key is known: say what happens to the row that is there.
#[must_use = "nothing is sent until it is run"]
#[derive(Clone, Debug)]
pub struct UpsertOn<M: Model> {
    new: M::New,
    key: UniqueKey<M>,
}

/// An upsert that changes the row that is there.
#[must_use = "nothing is sent until it is run"]
#[derive(Clone, Debug)]
pub struct UpsertUpdate<M: Model> {
    new: M::New,
    key: UniqueKey<M>,
    /// The assignments; `None` for all columns of the new row.
    set: Option<Fragment>,
}

/// An upsert that leaves the row that is there alone.
#[must_use = "nothing is sent until it is run"]
#[derive(Clone, Debug)]
pub struct InsertMissing<M: Model> {
    new: M::New,
    key: UniqueKey<M>,
}

/// What became of an upsert.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upserted<M> {
    /// The row as it is now.
    pub row: M,
    /// Whether it is new.
    pub inserted: bool,
}

impl<M: Model> Upsert<M> {
    pub(crate) fn new(new: M::New) -> Self {
        Self { new }
    }

    /// The unique key by which the row that is there is told: `.on(|k| k.email)`. Only keys that the model declares can
    /// be named; one of several columns has their names joined by `_`.
    pub fn on(self, key: impl FnOnce(M::Unique) -> UniqueKey<M>) -> UpsertOn<M> {
        UpsertOn { new: self.new, key: key(M::Unique::default()) }
    }
}

impl<M: Model> UpsertOn<M> {
    /// Gives columns of the row that is there new values. The second handle stands for the row that could not be
    /// inserted: `.update(|v, new| v.hits.set(v.hits + new.hits))`.
    pub fn update<A: IntoAssignments<M>>(
        self,
        set: impl FnOnce(M::Fields<M>, M::Fields<M>) -> A,
    ) -> UpsertUpdate<M> {
        let mut fragment = Fragment::default();
        set(M::fields(Path::ROOT), M::fields(Path::EXCLUDED)).write(&mut fragment);
        UpsertUpdate { new: self.new, key: self.key, set: Some(fragment) }
    }

    /// Gives all columns of the row that is there the values that the new row sets.
    pub fn update_all(self) -> UpsertUpdate<M> {
        UpsertUpdate { new: self.new, key: self.key, set: None }
    }

    /// Leaves the row that is there as it is.
    pub fn do_nothing(self) -> InsertMissing<M> {
        InsertMissing { new: self.new, key: self.key }
    }
}

/// The model's columns, and whether the row is new.
fn expect_upserted<M: Model>(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
    M::expect(columns)?;
    columns.column::<bool>()?;
    columns.end()
}

impl<M: Model> UpsertUpdate<M> {
    /// Inserts or changes the row; returns it, and which of the two it was.
    ///
    /// # Errors
    /// What other constraints say, and as [`Query::all`](crate::Query::all).
    ///
    /// # Cancel safety
    /// When the future is dropped it may happen all the same.
    #[track_caller]
    pub fn one(
        self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Upserted<M>>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let statement = self.statement();
        async move {
            let done = async {
                let mut found = None;
                run(source, M::TABLE, &statement, expect_upserted::<M>, &mut |columns| {
                    let row = M::from_columns(columns)?;
                    found = Some(Upserted { row, inserted: columns.next()? });
                    Ok(())
                })
                .await?;
                found.ok_or_else(|| Error::not_found(M::TABLE))
            };
            done.await.map_err(|error| insert::blame(&self.new, error).at(caller))
        }
    }

    fn statement(&self) -> Fragment {
        let key = key_bytes(self.key.columns);
        let (mut statement, conflict) = match &self.set {
            Some(set) => (set.clone(), Conflict::Update { key: &key }),
            None => (Fragment::default(), Conflict::UpdateAll { key: &key }),
        };
        insert::one(&self.new, &mut statement, conflict);
        statement
    }

    /// The SQL that [`one`](Self::one) would send, with `$1`, `$2` for values.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when it makes no sense.
    pub fn sql(&self) -> Result<String> {
        let statement = self.statement();
        statement.check().map_err(Error::usage)?;
        render::sql(M::TABLE, statement.tokens()).map_err(Error::usage)
    }
}

impl<M: Model> InsertMissing<M> {
    /// Inserts the row unless one with its key is there; returns it if it was inserted.
    ///
    /// # Errors
    /// What other constraints say, and as [`Query::all`](crate::Query::all).
    ///
    /// # Cancel safety
    /// When the future is dropped it may happen all the same.
    #[track_caller]
    pub fn one(
        self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Option<M>>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let key = key_bytes(self.key.columns);
        let mut statement = Fragment::default();
        insert::one(&self.new, &mut statement, Conflict::Nothing { key: &key });
        async move {
            let done = async {
                let mut found = None;
                run(source, M::TABLE, &statement, expect::<M>, &mut |columns| {
                    found = Some(M::from_columns(columns)?);
                    Ok(())
                })
                .await?;
                Ok(found)
            };
            done.await.map_err(|error| insert::blame(&self.new, error).at(caller))
        }
    }
}

/// Inserts a row that was made by [`new!`](crate::new).
pub trait Insert: NewRow {
    /// Inserts the row; returns it with what the database filled in.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Artist { #[model(key, identity)] id: Id<Artist>, name: String }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// let artist = new!(Artist { name: "Anderson .Paak" }).insert(db).await?;
    /// println!("{}", artist.id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What constraints say, by kind, model and field; and as [`Query::all`](crate::Query::all).
    ///
    /// # Cancel safety
    /// When the future is dropped it may be inserted all the same.
    #[track_caller]
    fn insert(
        self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Self::Model>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        async move {
            // Made inside the future, where it stays: moving it would cost as much as making it.
            let mut statement = Fragment::default();
            insert::one(&self, &mut statement, Conflict::Fail);
            let mut found = None;
            let (table, check) = (Self::Model::TABLE, expect::<Self::Model>);
            let mut sink = |columns: &mut Columns<'_>| {
                found = Some(Self::Model::from_columns(columns)?);
                Ok(())
            };
            match run(source, table, &statement, check, &mut sink).await {
                Ok(_) => found.ok_or_else(|| Error::not_found(table).at(caller)),
                Err(error) => Err(insert::blame(&self, error).at(caller)),
            }
        }
    }
}

impl<N: NewRow> Insert for N {}
