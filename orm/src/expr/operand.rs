//! What a column can be compared with.

use stellata_protocol::{Buffer, Encode, IsNull, Oid, Result};

use crate::expr::computed::Expr;
use crate::expr::fragment::Fragment;
use crate::expr::token;
use crate::model::column::Column;
use crate::model::id::Id;

/// What stands on the other side of a comparison with a column of type `T` in a query rooted in `R`: a value, another
/// column of that query, or something computed from one.
///
/// A value of the column's own type fits, a reference to one, `&str` for a [`String`], the bare value where the column is
/// an [`Option`], and the bare number where it is an [`Id`].
#[diagnostic::on_unimplemented(
    message = "a column of type `{T}` can't be compared with `{Self}`",
    label = "not a value for a column of type `{T}`"
)]
pub trait Operand<R, T> {
    /// Writes the operand. Returns false, and writes nothing, for a `None`.
    #[doc(hidden)]
    fn write(self, oid: Oid, out: &mut Fragment) -> bool;
}

/// What `set(..)` can give a column of type `T` in a query rooted in `R`: whatever an [`Operand`] is.
#[diagnostic::on_unimplemented(
    message = "a column of type `{T}` does not take `{Self}`",
    label = "not a value for a column of type `{T}`"
)]
pub trait NewValue<R, T>: Operand<R, T> {}

#[diagnostic::do_not_recommend]
impl<R, T, V: Operand<R, T>> NewValue<R, T> for V {}

/// A value that can stand in a list for a column of type `T`.
#[diagnostic::on_unimplemented(
    message = "a list for a column of type `{T}` can't hold `{Self}`",
    label = "not a value for a column of type `{T}`"
)]
pub trait Value<T> {
    /// Appends the value in binary form.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns.
    #[doc(hidden)]
    fn encode_value(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull>;
}

macro_rules! values {
    ($([$($generics:tt)*] $value:ty => $column:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<R, $($generics)*> Operand<R, $column> for $value {
            #[inline]
            fn write(self, oid: Oid, out: &mut Fragment) -> bool {
                out.value(oid, &self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<$($generics)*> Value<$column> for $value {
            #[inline]
            fn encode_value(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                Encode::encode(self, oid, out)
            }
        }
    )*};
}

values! {
    [T: Encode] T => T;
    [T: Encode] &T => T;
    [T: Encode] T => Option<T>;
    [T: Encode] &T => Option<T>;
    [M, T: Encode] T => Id<M, T>;
    [M, T: Encode] T => Option<Id<M, T>>;
    [] &str => String;
    [] &str => Option<String>;
    [] &[u8] => Vec<u8>;
    [] &[u8] => Option<Vec<u8>>;
}

macro_rules! columns {
    ($([$($generics:tt)*] $of:ty => $column:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<R, $($generics)*> Operand<R, $column> for Column<R, $of> {
            #[inline]
            fn write(self, _: Oid, out: &mut Fragment) -> bool {
                out.put_column(token::COLUMN, self.path, self.index);
                true
            }
        }

        #[diagnostic::do_not_recommend]
        impl<R, $($generics)*> Operand<R, $column> for Expr<R, $of> {
            fn write(self, _: Oid, out: &mut Fragment) -> bool {
                out.take(self.into_fragment());
                true
            }
        }
    )*};
}

columns! {
    [T] T => T;
    [T] T => Option<T>;
    [T] Option<T> => T;
}
