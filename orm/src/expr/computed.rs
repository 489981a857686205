//! Values that the server computes from columns.

use std::fmt;
use std::marker::PhantomData;

use stellata_protocol::Oid;

use crate::expr::fragment::Fragment;
use crate::expr::token;
use crate::model::column::Column;

/// A value of type `T` that is computed from the columns of a query rooted in the model `R`.
///
/// It is compared, sorted by and assigned like a column.
#[must_use]
pub struct Expr<R, T> {
    fragment: Fragment,
    /// The type of parameters that are held against it.
    oid: Oid,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Expr<R, T> {
    #[inline]
    pub(crate) fn new(fragment: Fragment, oid: Oid) -> Self {
        Self { fragment, oid, marker: PhantomData }
    }

    #[inline]
    pub(crate) fn into_fragment(self) -> Fragment {
        self.fragment
    }

    /// The tokens so far, and the type of what is to be held against them.
    #[inline]
    pub(crate) fn begin(self) -> (Fragment, Oid) {
        (self.fragment, self.oid)
    }

    /// As [`begin`](Self::begin), in a fragment that is still empty.
    #[inline]
    pub(crate) fn begin_in(self, fragment: &mut Fragment) -> Oid {
        *fragment = self.fragment;
        self.oid
    }
}

impl<R, T> Column<R, T> {
    /// The tokens so far, and the type of what is to be held against them.
    #[inline]
    pub(crate) fn begin(self) -> (Fragment, Oid) {
        let mut fragment = Fragment::default();
        let oid = self.begin_in(&mut fragment);
        (fragment, oid)
    }

    /// As [`begin`](Self::begin), in a fragment that is still empty.
    #[inline]
    pub(crate) fn begin_in(self, fragment: &mut Fragment) -> Oid {
        fragment.put_column(token::COLUMN, self.path, self.index);
        self.oid
    }
}

impl<R, T> Clone for Expr<R, T> {
    fn clone(&self) -> Self {
        Self::new(self.fragment.clone(), self.oid)
    }
}

impl<R, T> fmt::Debug for Expr<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expr").finish_non_exhaustive()
    }
}

/// Types that `+ - * /` work on: the numbers.
#[diagnostic::on_unimplemented(message = "columns of type `{Self}` can't be calculated with")]
pub trait Number {}

/// Types whose values are text: [`String`], and [`Option`] of it.
#[diagnostic::on_unimplemented(message = "a column of type `{Self}` is not text")]
pub trait Text {}

macro_rules! mark {
    ($marker:ident: $($type:ty)*) => {$(impl $marker for $type {})*};
}

mark!(Number: i16 i32 i64 f32 f64);
#[cfg(feature = "rust_decimal")]
mark!(Number: rust_decimal::Decimal);
mark!(Text: String);
impl<T: Number> Number for Option<T> {}
impl<T: Text> Text for Option<T> {}
