//! Where the rows of a relation are put.

use std::any::Any;

/// A field that holds the rows of a relation.
pub trait Slot {
    /// Takes the rows at `picks` out of `rows`, a set of rows of the related model whose type the field knows. Where they
    /// are `shared`, other rows may take the same.
    #[doc(hidden)]
    fn fill(&mut self, rows: &mut dyn Any, picks: &[u32], shared: bool);
}
