//! Updates and deletes of all rows of a query.

use std::marker::PhantomData;
use std::panic::Location;

use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Source, no_rows, run};
use crate::expr::fragment::Fragment;
use crate::model::Model;
use crate::query::expect;
use crate::render;
use crate::render::statement::{Kind, RETURNING};

/// What an update and a delete have in common.
#[derive(Clone)]
struct Change {
    fragment: Fragment,
    /// Whether it is said which rows.
    bounded: bool,
}

impl Change {
    fn check<M: Model>(&self, what: &str) -> Result<()> {
        if self.bounded {
            return Ok(());
        }
        let message = format!(
            "{}: {what} of all rows was not sent: give a filter, or say `.all_rows()`",
            M::TABLE.model
        );
        Err(Error::new(ErrorKind::Refused, message).with_table(M::TABLE, &[]))
    }

    fn sql<M: Model>(&self, kind: &Kind<'_>) -> Result<String> {
        self.fragment.check().map_err(Error::usage)?;
        let mut fragment = self.fragment.clone();
        kind.write(&mut fragment);
        render::sql(M::TABLE, fragment.tokens()).map_err(Error::usage)
    }

    async fn exec<M: Model>(mut self, source: Source<'_>, kind: Kind<'_>) -> Result<u64> {
        kind.write(&mut self.fragment);
        let done = run(source, M::TABLE, &self.fragment, no_rows, &mut |_| Ok(())).await?;
        Ok(done.rows)
    }

    async fn all<M: Model>(mut self, source: Source<'_>, kind: Kind<'_>) -> Result<Vec<M>> {
        kind.write(&mut self.fragment);
        let mut rows = Vec::new();
        run(source, M::TABLE, &self.fragment, expect::<M>, &mut |columns| {
            rows.push(M::from_columns(columns)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }
}

macro_rules! change {
    ($(#[$doc:meta])* $name:ident, $what:literal, $kind:ident) => {
        $(#[$doc])*
        #[must_use = "nothing is sent until it is run"]
        pub struct $name<M> {
            change: Change,
            marker: PhantomData<fn() -> M>,
        }

        impl<M: Model> $name<M> {
            pub(crate) fn new(fragment: Fragment, bounded: bool) -> Self {
                Self { change: Change { fragment, bounded }, marker: PhantomData }
            }

            /// Means all rows of the table, where the query has no filter.
            pub fn all_rows(mut self) -> Self {
                self.change.bounded = true;
                self
            }

            /// Runs it. Returns the number of rows.
            ///
            /// # Errors
            /// [`ErrorKind::Refused`], before anything is sent, when the query has no filter and
            /// [`all_rows`](Self::all_rows) was not said; what constraints say; and as
            /// [`Query::all`](crate::Query::all).
            ///
            /// # Cancel safety
            /// When the future is dropped it may happen all the same.
            #[track_caller]
            pub fn exec(
                self,
                on: &(impl Executor + ?Sized),
            ) -> impl Future<Output = Result<u64>> + Send {
                let (caller, source) = (Location::caller(), on.source());
                async move {
                    let done = async {
                        self.change.check::<M>($what)?;
                        self.change.exec::<M>(source, Kind::$kind { flags: 0 }).await
                    };
                    done.await.map_err(|error: Error| error.at(caller))
                }
            }

            /// Runs it. Returns the rows, as they are then, or as they were last.
            ///
            /// # Errors
            /// As [`exec`](Self::exec).
            ///
            /// # Cancel safety
            /// As [`exec`](Self::exec).
            #[track_caller]
            pub fn all(
                self,
                on: &(impl Executor + ?Sized),
            ) -> impl Future<Output = Result<Vec<M>>> + Send {
                let (caller, source) = (Location::caller(), on.source());
                async move {
                    let done = async {
                        self.change.check::<M>($what)?;
                        self.change.all::<M>(source, Kind::$kind { flags: RETURNING }).await
                    };
                    done.await.map_err(|error: Error| error.at(caller))
                }
            }

            /// The SQL that [`exec`](Self::exec) would send, with `$1`, `$2` for values.
            ///
            /// # Errors
            /// [`ErrorKind::Usage`] when it makes no sense.
            pub fn sql(&self) -> Result<String> {
                self.change.sql::<M>(&Kind::$kind { flags: 0 })
            }
        }

        impl<M> Clone for $name<M> {
            fn clone(&self) -> Self {
                Self { change: self.change.clone(), marker: PhantomData }
            }
        }
    };
}

change! {
    /// An update of all rows of a query. Made by [`Query::update`](crate::Query::update).
    Update, "an update", Update
}

change! {
    /// A delete of all rows of a query. Made by [`Query::delete`](crate::Query::delete).
    Delete, "a delete", Delete
}

impl<M: Model> Update<M> {
    pub(crate) fn fragment_mut(&mut self) -> &mut Fragment {
        &mut self.change.fragment
    }
}
