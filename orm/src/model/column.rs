//! Column handles.

use std::fmt;
use std::marker::PhantomData;

use stellata_protocol::Oid;

use crate::model::path::Path;

/// A column of type `T`, seen from a query rooted in the model `R`.
///
/// It is `Copy`, and deliberately neither `PartialEq` nor `PartialOrd`: conditions are made by its methods.
pub struct Column<R, T> {
    pub(crate) path: Path,
    pub(crate) index: u16,
    /// The type of parameters that are held against it.
    pub(crate) oid: Oid,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Column<R, T> {
    /// The column at `index` of the table at the end of `path`, whose parameters are of the type `oid`
    /// ([`ColumnDef::oid`](crate::ColumnDef::oid)). Called by derived code.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(path: Path, index: u16, oid: Oid) -> Self {
        Self { path, index, oid, marker: PhantomData }
    }
}

impl<R, T> Clone for Column<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Column<R, T> {}

impl<R, T> fmt::Debug for Column<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Column").field("path", &self.path).field("index", &self.index).finish()
    }
}
