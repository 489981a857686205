//! The fields of a model that hold related rows.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::model::Model;
use crate::model::slot::Slot;
use crate::model::table::Table;
use crate::relation::rows::Children;

/// The relation that a field stands for, so that an error can name it.
type Site = Option<(&'static Table, u8)>;

#[derive(Clone)]
enum State<T> {
    NotLoaded(Site),
    Loaded(T),
}

impl<T> State<T> {
    fn get(&self) -> Result<&T> {
        match self {
            Self::Loaded(value) => Ok(value),
            Self::NotLoaded(site) => Err(Error::not_loaded(*site)),
        }
    }

    fn debug(
        &self,
        f: &mut fmt::Formatter<'_>,
        show: impl FnOnce(&T) -> &dyn fmt::Debug,
    ) -> fmt::Result {
        match self {
            Self::Loaded(value) => show(value).fmt(f),
            Self::NotLoaded(_) => f.write_str("not loaded"),
        }
    }
}

fn missing<M: Model>() -> Error {
    let message = format!("{}: the related row is missing", M::TABLE.model);
    Error::new(ErrorKind::NotFound, message).with_table(M::TABLE, &[])
}

/// The row whose key this row holds.
///
/// Loaded by `.include(..)` of a query; rows that point to the same one share it.
pub struct BelongsTo<M> {
    state: State<Option<Arc<M>>>,
}

/// The one row that holds this row's key, if any does.
///
/// Loaded by `.include(..)` of a query.
pub struct HasOne<M> {
    state: State<Option<Arc<M>>>,
}

/// The rows that hold this row's key.
///
/// Loaded by `.include(..)` of a query. Where the relation goes by columns that are no key of this row, so that others
/// may have the same rows, they share them.
pub struct HasMany<M> {
    state: State<List<M>>,
}

/// The rows of a relation to many.
#[derive(Clone)]
enum List<M> {
    Own(Vec<M>),
    Shared(Arc<Vec<M>>),
}

impl<M> List<M> {
    fn as_slice(&self) -> &[M] {
        match self {
            Self::Own(rows) => rows,
            Self::Shared(rows) => rows,
        }
    }
}

impl<M: fmt::Debug> fmt::Debug for List<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

macro_rules! field {
    ($field:ident, $view:expr) => {
        impl<M> $field<M> {
            /// A field that is not loaded, of the relation at `relation` in `table`. Called by derived code.
            #[doc(hidden)]
            #[must_use]
            pub const fn not_loaded(table: &'static Table, relation: u8) -> Self {
                Self { state: State::NotLoaded(Some((table, relation))) }
            }

            /// Whether a query has loaded it.
            #[must_use]
            pub const fn is_loaded(&self) -> bool {
                matches!(self.state, State::Loaded(_))
            }

            /// Whether no query has loaded it: for serde's `skip_serializing_if`, so that what was not loaded is left
            /// out.
            #[must_use]
            pub const fn is_not_loaded(&self) -> bool {
                !self.is_loaded()
            }
        }

        /// Loaded rows as they are; a relation that is not loaded as nothing at all (`null` in JSON).
        #[cfg(feature = "serde_json")]
        impl<M: serde::Serialize> serde::Serialize for $field<M> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match &self.state {
                    State::Loaded(rows) => ($view)(rows).serialize(serializer),
                    State::NotLoaded(_) => serializer.serialize_unit(),
                }
            }
        }

        impl<M> Default for $field<M> {
            fn default() -> Self {
                Self { state: State::NotLoaded(None) }
            }
        }

        impl<M: fmt::Debug> fmt::Debug for $field<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.state.debug(f, |value| value)
            }
        }
    };
}

field!(BelongsTo, Option::as_deref);
field!(HasOne, Option::as_deref);
field!(HasMany, List::as_slice);

impl<M: Model> BelongsTo<M> {
    /// The related row, which is there.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`], and [`ErrorKind::NotFound`] where this row holds no key or the row that it names is
    /// gone; see [`find`](Self::find).
    pub fn get(&self) -> Result<&M> {
        self.find()?.ok_or_else(missing::<M>)
    }

    /// The related row, or `None` where this row holds no key or the row that it names is gone.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`].
    pub fn find(&self) -> Result<Option<&M>> {
        self.state.get().map(Option::as_deref)
    }
}

impl<M: Model> HasOne<M> {
    /// The related row, which is there.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`], and [`ErrorKind::NotFound`] where there is none; see [`find`](Self::find).
    pub fn get(&self) -> Result<&M> {
        self.find()?.ok_or_else(missing::<M>)
    }

    /// The related row, or `None`.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`].
    pub fn find(&self) -> Result<Option<&M>> {
        self.state.get().map(Option::as_deref)
    }
}

impl<M> HasMany<M> {
    /// The related rows.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`].
    pub fn get(&self) -> Result<&[M]> {
        self.state.get().map(List::as_slice)
    }

    /// The related rows, taken out: afterwards the field is not loaded.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`]; [`ErrorKind::Usage`] while another row has the same rows.
    pub fn take(&mut self) -> Result<Vec<M>> {
        match std::mem::replace(&mut self.state, State::NotLoaded(None)) {
            State::Loaded(List::Own(rows)) => Ok(rows),
            State::Loaded(List::Shared(rows)) => Arc::try_unwrap(rows).map_err(|rows| {
                self.state = State::Loaded(List::Shared(rows));
                Error::new(
                    ErrorKind::Usage,
                    "these rows are another row's, too: read them by `get()`",
                )
            }),
            State::NotLoaded(site) => {
                self.state = State::NotLoaded(site);
                Err(Error::not_loaded(site))
            }
        }
    }
}

impl<M> Clone for BelongsTo<M> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<M> Clone for HasOne<M> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<M: Clone> Clone for HasMany<M> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<M: Model> Slot for BelongsTo<M> {
    fn fill(&mut self, rows: &mut dyn Any, picks: &[u32], _: bool) {
        if let Some(children) = rows.downcast_mut::<Children<M>>() {
            self.state = State::Loaded(picks.first().and_then(|&pick| children.share(pick)));
        }
    }
}

impl<M: Model> Slot for HasOne<M> {
    fn fill(&mut self, rows: &mut dyn Any, picks: &[u32], _: bool) {
        if let Some(children) = rows.downcast_mut::<Children<M>>() {
            self.state = State::Loaded(picks.first().and_then(|&pick| children.share(pick)));
        }
    }
}

impl<M: Model> Slot for HasMany<M> {
    fn fill(&mut self, rows: &mut dyn Any, picks: &[u32], shared: bool) {
        if let Some(children) = rows.downcast_mut::<Children<M>>() {
            self.state = State::Loaded(match shared {
                false => List::Own(children.take_all(picks)),
                true => List::Shared(children.share_all(picks)),
            });
        }
    }
}
