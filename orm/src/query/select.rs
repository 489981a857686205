//! Queries that read.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use stellata_pool::Sharing;
use stellata_protocol::{Columns, Oid};

use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Source, run};
use crate::expr::assignment::IntoAssignments;
use crate::expr::condition::IntoCond;
use crate::expr::fragment::Fragment;
use crate::expr::order::IntoOrder;
use crate::expr::token;
use crate::model::Model;
use crate::model::path::Path;
use crate::query::change::{Delete, Update};
use crate::query::expect;
use crate::query::load::Graph;
use crate::relation::branch::{Branches, IntoIncludes};
use crate::render;
use crate::render::statement::{Kind, LIMIT, OFFSET};

/// A query for the rows of the model `M`.
///
/// It is a value: a method gives a new query and leaves no trace in the one it came from, which may have been cloned
/// before. Nothing is sent until one of [`all`](Self::all), [`first`](Self::first), [`one`](Self::one),
/// [`count`](Self::count) and [`exists`](Self::exists) is awaited.
///
/// ```no_run
/// # use stellata::prelude::*;
/// # #[derive(Model)]
/// # struct Album { #[model(key, identity)] id: Id<Album>, title: String, plays: i64 }
/// # async fn example(db: &Db) -> stellata::Result<()> {
/// let loud = Album::query().filter(|a| a.plays.gt(1000) | a.title.icontains("live"));
/// let first = loud.clone().order_by(|a| a.title).first(db).await?;
/// let count = loud.count(db).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a query does nothing until it is run"]
pub struct Query<M> {
    /// Conditions and sort keys.
    fragment: Fragment,
    limit: Option<u64>,
    offset: Option<u64>,
    /// Whether a condition was given.
    filtered: bool,
    includes: Branches,
    marker: PhantomData<fn() -> M>,
}

impl<M: Model> Query<M> {
    /// A query for all rows.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            fragment: Fragment::default(),
            limit: None,
            offset: None,
            filtered: false,
            includes: Branches::default(),
            marker: PhantomData,
        }
    }

    /// Only rows that meet the condition. Several filters must all be met.
    #[inline]
    pub fn filter<C: IntoCond<M>>(mut self, filter: impl FnOnce(M::Fields<M>) -> C) -> Self {
        let cond = filter(M::fields(Path::ROOT)).into();
        if cond.constant() != Some(true) {
            self.filtered = true;
            self.fragment.take(cond.into_fragment());
            self.fragment.put(token::FILTER);
        }
        self
    }

    /// [`filter`](Self::filter) by a value, where there is one.
    pub fn filter_some<V, C: IntoCond<M>>(
        self,
        value: Option<V>,
        filter: impl FnOnce(M::Fields<M>, V) -> C,
    ) -> Self {
        match value {
            Some(value) => self.filter(|fields| filter(fields, value)),
            None => self,
        }
    }

    /// Only rows that the same [`filter`](Self::filter) would leave out: those for which the condition is false, and those
    /// for which it is neither true nor false.
    pub fn exclude<C: IntoCond<M>>(mut self, exclude: impl FnOnce(M::Fields<M>) -> C) -> Self {
        let cond = exclude(M::fields(Path::ROOT)).into();
        if cond.constant() != Some(false) {
            self.filtered = true;
            self.fragment.take(cond.into_fragment());
            self.fragment.put_slice(&[token::IS_NOT_TRUE, token::FILTER]);
        }
        self
    }

    /// Puts the rows in order: by a column, by `column.desc()`, or by a tuple of such. A further key where the query was
    /// sorted before.
    pub fn order_by<O: IntoOrder<M>>(mut self, order: impl FnOnce(M::Fields<M>) -> O) -> Self {
        order(M::fields(Path::ROOT)).write(&mut self.fragment);
        self
    }

    /// Puts the rows in order by these keys alone.
    pub fn reorder<O: IntoOrder<M>>(mut self, order: impl FnOnce(M::Fields<M>) -> O) -> Self {
        self.fragment.put(token::REORDER);
        self.order_by(order)
    }

    /// At most so many rows; none for 0.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Passes over so many rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.offset = Some(rows);
        self
    }

    /// Loads relations along, in the same round trip: one, or a tuple of them.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Album {
    /// #     #[model(key, identity)] id: Id<Album>,
    /// #     title: String,
    /// #     #[model(has_many = Track::album_id)] tracks: HasMany<Track>,
    /// # }
    /// # #[derive(Model)]
    /// # struct Track {
    /// #     #[model(key, identity)] id: Id<Track>,
    /// #     title: String,
    /// #     album_id: Id<Album>,
    /// #     #[model(belongs_to = album_id)] album: BelongsTo<Album>,
    /// # }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// let albums = Album::query().include(|a| a.tracks().order_by(|t| t.title).limit(3)).all(db).await?;
    /// for track in albums[0].tracks.get()? {
    ///     println!("{}", track.title);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn include<I: IntoIncludes<M>>(mut self, include: impl FnOnce(M::Fields<M>) -> I) -> Self {
        include(M::fields(Path::ROOT)).add_to(&mut self.includes);
        self
    }

    /// All rows.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a query that makes no sense, [`ErrorKind::Decode`] when a column does not fit its field,
    /// [`ErrorKind::Connection`], [`ErrorKind::Timeout`] and [`ErrorKind::Database`].
    ///
    /// # Cancel safety
    /// When the future is dropped the query may run all the same; the connection stays usable.
    #[track_caller]
    pub fn all(
        mut self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Vec<M>>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Apart));
        async move {
            let graph = self.close();
            rows(source, &self.fragment, &graph).await.map_err(|error| error.at(caller))
        }
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn first(
        mut self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<Option<M>>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Together));
        async move {
            let first = self.at_most(1, source).await.map_err(|error| error.at(caller))?;
            Ok(first.0)
        }
    }

    /// The only row.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Multiple`] when there are several, of which two are read
    /// at most; else as [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn one(mut self, on: &(impl Executor + ?Sized)) -> impl Future<Output = Result<M>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Together));
        async move {
            let found = self.at_most(2, source).await.map_err(|error| error.at(caller))?;
            match found {
                (Some(row), false) => Ok(row),
                (Some(_), true) => Err(several::<M>().at(caller)),
                (None, _) => Err(none::<M>().at(caller)),
            }
        }
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn count(
        mut self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<u64>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Apart));
        let flags = self.bounds();
        Kind::Count { flags }.write(&mut self.fragment);
        let fragment = self.fragment;
        async move {
            let mut count = 0_i64;
            scalar(source, M::TABLE, &fragment, &mut |columns| {
                count = columns.next()?;
                Ok(())
            })
            .await
            .map_err(|error| error.at(caller))?;
            Ok(u64::try_from(count).unwrap_or_default())
        }
    }

    /// Whether there is a row.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancel safety
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn exists(
        mut self,
        on: &(impl Executor + ?Sized),
    ) -> impl Future<Output = Result<bool>> + Send {
        let (caller, source) = (Location::caller(), on.source().reading(Sharing::Together));
        let flags = self.bounds();
        Kind::Exists { flags }.write(&mut self.fragment);
        let fragment = self.fragment;
        async move {
            let mut exists = false;
            scalar(source, M::TABLE, &fragment, &mut |columns| {
                exists = columns.next()?;
                Ok(())
            })
            .await
            .map_err(|error| error.at(caller))?;
            Ok(exists)
        }
    }

    /// Gives columns new values in all rows of the query: `.update(|a| a.plays.set(a.plays + 1))`, or a tuple of such.
    pub fn update<A: IntoAssignments<M>>(self, set: impl FnOnce(M::Fields<M>) -> A) -> Update<M> {
        let assignments = set(M::fields(Path::ROOT));
        let mut update = Update::new(self.for_change(), self.filtered);
        assignments.write(update.fragment_mut());
        update
    }

    /// Deletes all rows of the query.
    pub fn delete(self) -> Delete<M> {
        Delete::new(self.for_change(), self.filtered)
    }

    /// The SQL of the query itself, as [`all`](Self::all) would send it, with `$1`, `$2` for values; without what its
    /// relations need.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a query that makes no sense.
    pub fn sql(&self) -> Result<String> {
        let mut query = self.clone();
        let flags = query.bounds();
        Kind::Select { flags, stores: &[] }.write(&mut query.fragment);
        query.fragment.check().map_err(Error::usage)?;
        render::sql(M::TABLE, query.fragment.tokens()).map_err(Error::usage)
    }

    /// The conditions, for an update or delete.
    fn for_change(&self) -> Fragment {
        let mut fragment = self.fragment.clone();
        if self.limit.is_some() || self.offset.is_some() || !self.includes.0.is_empty() {
            fragment.note(Err(stellata_protocol::Error::new(
                stellata_protocol::ErrorKind::Usage,
                "an update or delete takes no limit, no offset and no relations to load",
            )));
        }
        fragment
    }

    /// Writes limit and offset as parameters; returns the flags for them.
    fn bounds(&mut self) -> u8 {
        let mut flags = 0;
        for (bound, flag) in [(self.limit, LIMIT), (self.offset, OFFSET)] {
            if let Some(rows) = bound {
                flags |= flag;
                let rows = i64::try_from(rows).unwrap_or(i64::MAX);
                let pushed = self.fragment.params_mut().push_as(Oid::INT8, &rows);
                self.fragment.note(pushed);
            }
        }
        flags
    }

    /// Ends the statement, which is then ready to be sent; returns those of the relations that are loaded along.
    ///
    /// Called inside the future that sends it, where the query stays: moving it would cost as much as making it.
    fn close(&mut self) -> Graph {
        let flags = self.bounds();
        let (graph, stores) = if self.includes.0.is_empty() {
            (Graph::default(), Vec::new())
        } else {
            Graph::new(std::mem::take(&mut self.includes)).unwrap_or_else(|error| {
                self.fragment.note(Err(error));
                (Graph::default(), Vec::new())
            })
        };
        Kind::Select { flags, stores: &stores }.write(&mut self.fragment);
        graph
    }

    /// Reads `most` rows at most: the first of them, and whether there are more.
    async fn at_most(&mut self, most: u64, source: Source<'_>) -> Result<(Option<M>, bool)> {
        self.limit = Some(self.limit.map_or(most, |limit| limit.min(most)));
        let graph = self.close();
        if !graph.is_empty() {
            // Boxed, because it is larger than what a lookup needs.
            let mut rows = Box::pin(rows(source, &self.fragment, &graph)).await?.into_iter();
            return Ok((rows.next(), rows.next().is_some()));
        }
        let (mut found, mut more) = (None, false);
        run(source, M::TABLE, &self.fragment, expect::<M>, &mut |columns| {
            if found.is_none() {
                found = Some(M::from_columns(columns)?);
            } else {
                more = true;
            }
            Ok(())
        })
        .await?;
        Ok((found, more))
    }
}

/// The rows of a statement, with what belongs to them.
async fn rows<M: Model>(source: Source<'_>, statement: &Fragment, graph: &Graph) -> Result<Vec<M>> {
    let mut rows = Vec::new();
    if graph.is_empty() {
        run(source, M::TABLE, statement, expect::<M>, &mut |columns| {
            rows.push(M::from_columns(columns)?);
            Ok(())
        })
        .await?;
    } else {
        let loading = graph.run(source, M::TABLE, statement, expect::<M>, &mut rows);
        Box::pin(loading).await?;
    }
    Ok(rows)
}

async fn scalar(
    source: Source<'_>,
    table: &'static crate::model::table::Table,
    fragment: &Fragment,
    sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), stellata_protocol::ColumnError> + Send),
) -> Result<()> {
    run(source, table, fragment, crate::executor::no_rows, sink).await.map(drop)
}

#[cold]
fn none<M: Model>() -> Error {
    let message = format!("{}: the query found no row", M::TABLE.model);
    Error::new(ErrorKind::NotFound, message).with_table(M::TABLE, &[])
}

#[cold]
fn several<M: Model>() -> Error {
    let message = format!("{}: the query found several rows, where one was wanted", M::TABLE.model);
    Error::new(ErrorKind::Multiple, message).with_table(M::TABLE, &[])
}

impl<M> Clone for Query<M> {
    fn clone(&self) -> Self {
        Self {
            fragment: self.fragment.clone(),
            limit: self.limit,
            offset: self.offset,
            filtered: self.filtered,
            includes: self.includes.clone(),
            marker: PhantomData,
        }
    }
}

impl<M: Model> fmt::Debug for Query<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sql() {
            Ok(sql) => f.debug_tuple("Query").field(&sql).finish(),
            Err(error) => f.debug_tuple("Query").field(&error).finish(),
        }
    }
}
