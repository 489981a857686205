//! Which relations a query loads along.

use std::marker::PhantomData;

use stellata_protocol::{ColumnError, Expect};

use crate::expr::fragment::Fragment;
use crate::model::path::Path;
use crate::model::table::Table;
use crate::relation::rows::Rows;

/// A relation that is loaded along, and what is loaded along with its rows in turn.
#[derive(Clone)]
pub(crate) struct Branch {
    /// The table that has the relation.
    pub(crate) table: &'static Table,
    /// The way from the rows that the relation is loaded for: it must be no way at all.
    pub(crate) path: Path,
    /// The relation's index in the table.
    pub(crate) relation: u8,
    /// The number by which the conditions on its rows call them.
    pub(crate) scope: u8,
    /// Conditions and sort keys.
    pub(crate) stream: Fragment,
    /// How many rows at most for each row of the parent.
    pub(crate) limit: Option<u64>,
    pub(crate) children: Vec<Branch>,
    pub(crate) rows: fn() -> Box<dyn Rows>,
    pub(crate) expect: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
}

/// A to-one relation to load along, together with relations of its own.
#[must_use]
pub struct Include<R> {
    pub(crate) branch: Branch,
    pub(crate) marker: PhantomData<fn() -> R>,
}

/// Relations to load along: what a relation's method returns, or a tuple of such.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a relation of `{R}` that can be loaded along",
    label = "not a relation of `{R}`"
)]
pub trait IntoIncludes<R> {
    /// Adds the relations to the list.
    #[doc(hidden)]
    fn add_to(self, branches: &mut Branches);
}

/// A list of relations to load along.
#[derive(Clone, Default)]
pub struct Branches(pub(crate) Vec<Branch>);

impl<R> IntoIncludes<R> for Include<R> {
    fn add_to(self, branches: &mut Branches) {
        branches.0.push(self.branch);
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        #[diagnostic::do_not_recommend]
        impl<R, $($name: IntoIncludes<R>),+> IntoIncludes<R> for ($($name,)+) {
            #[allow(non_snake_case, reason = "a tuple's fields are named by their type parameters")]
            fn add_to(self, branches: &mut Branches) {
                let ($($name,)+) = self;
                $($name.add_to(branches);)+
            }
        }
    )+};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
