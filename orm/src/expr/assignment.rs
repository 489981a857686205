//! New values for columns.

use std::fmt;
use std::marker::PhantomData;

use crate::expr::fragment::Fragment;
use crate::expr::token;
use crate::model::column::Column;

/// A new value for a column, made by its `set(..)`.
#[must_use]
pub struct Assignment<R> {
    fragment: Fragment,
    marker: PhantomData<fn() -> R>,
}

impl<R> Assignment<R> {
    pub(crate) fn new<T>(column: Column<R, T>, mut value: Fragment) -> Self {
        value.put_column(token::ASSIGN, column.path, column.index);
        Self { fragment: value, marker: PhantomData }
    }
}

impl<R> Clone for Assignment<R> {
    fn clone(&self) -> Self {
        Self { fragment: self.fragment.clone(), marker: PhantomData }
    }
}

impl<R> fmt::Debug for Assignment<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment").finish_non_exhaustive()
    }
}

/// One assignment or several: an [`Assignment`], a tuple or a [`Vec`] of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which columns of `{R}` get which values",
    label = "no assignment to columns of `{R}`",
    note = "an assignment is made by `.set(value)` of a column; several stand in a tuple"
)]
pub trait IntoAssignments<R> {
    /// Writes the assignments in order.
    #[doc(hidden)]
    fn write(self, out: &mut Fragment);
}

impl<R> IntoAssignments<R> for Assignment<R> {
    fn write(self, out: &mut Fragment) {
        out.take(self.fragment);
    }
}

#[diagnostic::do_not_recommend]
impl<R, A: IntoAssignments<R>> IntoAssignments<R> for Vec<A> {
    fn write(self, out: &mut Fragment) {
        self.into_iter().for_each(|assignment| assignment.write(out));
    }
}

#[diagnostic::do_not_recommend]
impl<R, A: IntoAssignments<R>> IntoAssignments<R> for Option<A> {
    fn write(self, out: &mut Fragment) {
        if let Some(assignment) = self {
            assignment.write(out);
        }
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        #[diagnostic::do_not_recommend]
        impl<R, $($name: IntoAssignments<R>),+> IntoAssignments<R> for ($($name,)+) {
            #[allow(non_snake_case, reason = "a tuple's fields are named by their type parameters")]
            fn write(self, out: &mut Fragment) {
                let ($($name,)+) = self;
                $($name.write(out);)+
            }
        }
    )+};
}

tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}
