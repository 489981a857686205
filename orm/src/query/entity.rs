//! What every model can do, and every row of one.

use std::panic::Location;

use stellata_pool::Sharing;

use crate::error::{Error, Result};
use crate::executor::{Executor, Source, no_rows, run};
use crate::expr::assignment::IntoAssignments;
use crate::expr::fragment::Fragment;
use crate::model::key::IntoKey;
use crate::model::path::Path;
use crate::model::{Key, Model};
use crate::query::expect;
use crate::query::insert::InsertMany;
use crate::query::select::Query;
use crate::query::upsert::Upsert;
use crate::render::statement::{BY_KEY, Kind, RETURNING};

/// The methods of models: implemented for all of them, and brought in by `use stellata::prelude::*`.
pub trait Entity: Model {
    /// A query for the rows of the model.
    #[inline]
    fn query() -> Query<Self> {
        Query::new()
    }

    /// The row with this key.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none; else as [`Query::all`].
    ///
    /// # Cancel safety
    /// When the future is dropped the query may run all the same; the connection stays usable.
    #[track_caller]
    fn get(
        key: impl IntoKey<Self::Key>,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Self>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Together));
        let key = key.into_key();
        async move {
            // Made inside the future, where it stays: moving it would cost as much as making it.
            let statement = by_key::<Self>(&key);
            let found = fetch(source, &statement).await.map_err(|error| error.at(caller))?;
            found.ok_or_else(|| Error::not_found(Self::TABLE).at(caller))
        }
    }

    /// The row with this key, if there is one.
    ///
    /// # Errors
    /// As [`Query::all`].
    ///
    /// # Cancel safety
    /// As [`get`](Self::get).
    #[track_caller]
    fn find(
        key: impl IntoKey<Self::Key>,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Option<Self>>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Together));
        let key = key.into_key();
        async move {
            let statement = by_key::<Self>(&key);
            fetch(source, &statement).await.map_err(|error| error.at(caller))
        }
    }

    /// New rows, to be inserted together.
    fn insert_many(rows: impl IntoIterator<Item = Self::New>) -> InsertMany<Self> {
        InsertMany::new(rows.into_iter().collect())
    }

    /// A row to be inserted, or to change the one that has its key.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Visit {
    /// #     #[model(key, identity)] id: Id<Visit>,
    /// #     #[model(unique)] email: String,
    /// #     hits: i64,
    /// # }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// let visit = Visit::upsert(new!(Visit { email: "a@b.c", hits: 1 }))
    ///     .on(|key| key.email)
    ///     .update(|v, new| v.hits.set(v.hits + new.hits))
    ///     .one(db)
    ///     .await?;
    /// println!("{} {}", visit.inserted, visit.row.hits);
    /// # Ok(())
    /// # }
    /// ```
    fn upsert(new: Self::New) -> Upsert<Self> {
        Upsert::new(new)
    }

    /// Writes all columns but the key to the row with this key, and takes over what the database made of them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the row is gone; what constraints say; and as
    /// [`Query::all`]. `self` is unchanged then.
    ///
    /// # Cancel safety
    /// When the future is dropped the row may be written all the same; `self` is unchanged then.
    #[track_caller]
    fn save(&mut self, on: &(impl Executor + ?Sized)) -> impl Future<Output = Result<()>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let statement = save(self);
        async move {
            let saved = refresh(self, source, &statement).await;
            saved.map_err(|error| blame(self, error).at(caller))
        }
    }

    /// Gives some columns of this row new values, in the database and here: `.update(|a| a.title.set("x"), &db)`.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    ///
    /// # Cancel safety
    /// As [`save`](Self::save).
    #[track_caller]
    fn update<A: IntoAssignments<Self>>(
        &mut self,
        set: impl FnOnce(Self::Fields<Self>) -> A,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<()>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let mut fragment = Fragment::default();
        set(Self::fields(Path::ROOT)).write(&mut fragment);
        let statement = with_key(self, fragment, &Kind::Update { flags: BY_KEY | RETURNING });
        async move { refresh(self, source, &statement).await.map_err(|error| error.at(caller)) }
    }

    /// Reads this row anew. Its relations are not loaded afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the row is gone; else as [`Query::all`]. `self` is
    /// unchanged then.
    ///
    /// # Cancel safety
    /// As [`get`](Self::get).
    #[track_caller]
    fn reload(&mut self, on: &(impl Executor + ?Sized)) -> impl Future<Output = Result<()>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Together));
        let statement = by_key::<Self>(&self.key());
        async move { refresh(self, source, &statement).await.map_err(|error| error.at(caller)) }
    }

    /// Deletes this row.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is gone already,
    /// [`ErrorKind::ForeignKey`](crate::ErrorKind::ForeignKey) while others refer to it; else as [`Query::all`].
    ///
    /// # Cancel safety
    /// When the future is dropped the row may be deleted all the same.
    #[track_caller]
    fn delete(&self, on: &(impl Executor + ?Sized)) -> impl Future<Output = Result<()>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let statement = with_key(self, Fragment::default(), &Kind::Delete { flags: BY_KEY });
        async move { delete::<Self>(source, &statement).await.map_err(|error| error.at(caller)) }
    }
}

impl<M: Model> Entity for M {}

/// The statement that reads the row with a key.
#[inline]
fn by_key<M: Model>(key: &M::Key) -> Fragment {
    let mut fragment = Fragment::default();
    let pushed = key.push(fragment.params_mut());
    fragment.note(pushed);
    Kind::Get.write(&mut fragment);
    fragment
}

/// A statement on this row by its key.
fn with_key<M: Model>(row: &M, mut fragment: Fragment, kind: &Kind<'_>) -> Fragment {
    let pushed = row.key().push(fragment.params_mut());
    fragment.note(pushed);
    kind.write(&mut fragment);
    fragment
}

/// The statement that writes all columns of a row but its key.
fn save<M: Model>(row: &M) -> Fragment {
    let mut fragment = Fragment::default();
    for column in (0_u16..).take(M::TABLE.columns.len()) {
        if !M::TABLE.key.contains(&column) {
            let pushed = fragment
                .params_mut()
                .push_sized(M::TABLE.oid(column), |out| row.write_column(column, out));
            fragment.note(pushed);
        }
    }
    with_key(row, fragment, &Kind::Save)
}

/// Names the column of a row whose value can't be written, where that is what an error tells.
#[cold]
fn blame<M: Model>(row: &M, error: Error) -> Error {
    let columns = (0_u16..).take(M::TABLE.columns.len());
    super::blame(M::TABLE, columns, error, |column, out| row.write_column(column, out))
}

async fn fetch<M: Model>(source: Source<'_>, statement: &Fragment) -> Result<Option<M>> {
    let mut found = None;
    run(source, M::TABLE, statement, expect::<M>, &mut |columns| {
        found = Some(M::from_columns(columns)?);
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn refresh<M: Model>(row: &mut M, source: Source<'_>, statement: &Fragment) -> Result<()> {
    *row = fetch(source, statement).await?.ok_or_else(|| Error::not_found(M::TABLE))?;
    Ok(())
}

async fn delete<M: Model>(source: Source<'_>, statement: &Fragment) -> Result<()> {
    let done = run(source, M::TABLE, statement, no_rows, &mut |_| Ok(())).await?;
    match done.rows {
        0 => Err(Error::not_found(M::TABLE)),
        _ => Ok(()),
    }
}
