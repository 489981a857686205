//! Sort keys.

use std::fmt;
use std::marker::PhantomData;

use crate::expr::computed::Expr;
use crate::expr::fragment::Fragment;
use crate::expr::token;
use crate::model::column::Column;

/// From the greatest to the smallest.
pub(crate) const DESCENDING: u8 = 1;
/// NULL before everything else.
pub(crate) const NULLS_FIRST: u8 = 2;
/// NULL after everything else.
pub(crate) const NULLS_LAST: u8 = 4;

/// A sort key of a query rooted in the model `R`: made by `asc()` or `desc()` of a column.
///
/// PostgreSQL takes NULL as greater than every value, so it comes last going up and first going down, unless the key says
/// otherwise.
#[must_use]
pub struct Order<R> {
    key: Fragment,
    flags: u8,
    marker: PhantomData<fn() -> R>,
}

impl<R> Order<R> {
    pub(crate) fn new(key: Fragment, flags: u8) -> Self {
        Self { key, flags, marker: PhantomData }
    }

    /// Rows without a value come first.
    pub fn nulls_first(self) -> Self {
        let flags = (self.flags & DESCENDING) | NULLS_FIRST;
        Self { flags, ..self }
    }

    /// Rows without a value come last.
    pub fn nulls_last(self) -> Self {
        let flags = (self.flags & DESCENDING) | NULLS_LAST;
        Self { flags, ..self }
    }
}

impl<R> Clone for Order<R> {
    fn clone(&self) -> Self {
        Self::new(self.key.clone(), self.flags)
    }
}

impl<R> fmt::Debug for Order<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// One sort key or several: an [`Order`], a column (upwards), or a tuple of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sort key of a query for `{R}`",
    label = "not a sort key of `{R}`"
)]
pub trait IntoOrder<R> {
    /// Writes the keys in order.
    #[doc(hidden)]
    fn write(self, out: &mut Fragment);
}

impl<R> IntoOrder<R> for Order<R> {
    fn write(self, out: &mut Fragment) {
        out.take(self.key);
        out.put_slice(&[token::ORDER, self.flags]);
    }
}

impl<R, T> IntoOrder<R> for Column<R, T> {
    fn write(self, out: &mut Fragment) {
        self.asc().write(out);
    }
}

impl<R, T> IntoOrder<R> for Expr<R, T> {
    fn write(self, out: &mut Fragment) {
        self.asc().write(out);
    }
}

#[diagnostic::do_not_recommend]
impl<R, O: IntoOrder<R>> IntoOrder<R> for Vec<O> {
    fn write(self, out: &mut Fragment) {
        self.into_iter().for_each(|order| order.write(out));
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        #[diagnostic::do_not_recommend]
        impl<R, $($name: IntoOrder<R>),+> IntoOrder<R> for ($($name,)+) {
            #[allow(non_snake_case, reason = "a tuple's fields are named by their type parameters")]
            fn write(self, out: &mut Fragment) {
                let ($($name,)+) = self;
                $($name.write(out);)+
            }
        }
    )+};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
