//! Conditions, and how they are joined.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, Not};

use crate::expr::fragment::Fragment;
use crate::expr::token;
use crate::model::column::Column;

/// A condition on the rows of a query rooted in the model `R`.
///
/// It is a value: kept, cloned, joined by `&` and `|`, turned round by `!`. A condition on another model's query is
/// another type. `true` and `false` are conditions too, and vanish where they decide nothing.
#[must_use]
pub struct Cond<R> {
    fragment: Fragment,
    marker: PhantomData<fn() -> R>,
}

/// What is a condition on the rows of a query rooted in `R`: a [`Cond`], a column of type `bool`, `true` and `false`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition on `{R}`",
    label = "not a condition on `{R}`"
)]
pub trait IntoCond<R>: Into<Cond<R>> {}

#[diagnostic::do_not_recommend]
impl<R, C: Into<Cond<R>>> IntoCond<R> for C {}

impl<R> Cond<R> {
    #[inline]
    pub(crate) fn new(fragment: Fragment) -> Self {
        Self { fragment, marker: PhantomData }
    }

    #[inline]
    pub(crate) fn fragment_mut(&mut self) -> &mut Fragment {
        &mut self.fragment
    }

    #[inline]
    pub(crate) fn into_fragment(self) -> Fragment {
        self.fragment
    }

    /// The condition that every row meets.
    pub fn always() -> Self {
        Self::from(true)
    }

    /// The condition that no row meets.
    pub fn never() -> Self {
        Self::from(false)
    }

    /// What it is, where it does not depend on the row.
    pub(crate) fn constant(&self) -> Option<bool> {
        match self.fragment.tokens() {
            [token::TRUE] => Some(true),
            [token::FALSE] => Some(false),
            _ => None,
        }
    }

    fn join(mut self, other: Self, token: u8, neutral: bool) -> Self {
        match (self.constant(), other.constant()) {
            (Some(value), _) if value == neutral => other,
            (_, Some(value)) if value == neutral => self,
            (Some(_), _) => self,
            (_, Some(_)) => other,
            (None, None) => {
                self.fragment.append(&other.fragment);
                self.fragment.put(token);
                self
            }
        }
    }
}

impl<R> From<bool> for Cond<R> {
    fn from(value: bool) -> Self {
        let mut fragment = Fragment::default();
        fragment.put(if value { token::TRUE } else { token::FALSE });
        Self::new(fragment)
    }
}

impl<R> From<Column<R, bool>> for Cond<R> {
    fn from(column: Column<R, bool>) -> Self {
        let mut fragment = Fragment::default();
        fragment.put_column(token::COLUMN, column.path, column.index);
        Self::new(fragment)
    }
}

impl<R, C: Into<Self>> BitAnd<C> for Cond<R> {
    type Output = Self;

    fn bitand(self, other: C) -> Self {
        self.join(other.into(), token::AND, true)
    }
}

impl<R, C: Into<Self>> BitOr<C> for Cond<R> {
    type Output = Self;

    fn bitor(self, other: C) -> Self {
        self.join(other.into(), token::OR, false)
    }
}

impl<R> Not for Cond<R> {
    type Output = Self;

    fn not(mut self) -> Self {
        match self.constant() {
            Some(value) => Self::from(!value),
            None => {
                self.fragment.put(token::NOT);
                self
            }
        }
    }
}

impl<R, C: Into<Cond<R>>> BitAnd<C> for Column<R, bool> {
    type Output = Cond<R>;

    fn bitand(self, other: C) -> Cond<R> {
        Cond::from(self) & other
    }
}

impl<R, C: Into<Cond<R>>> BitOr<C> for Column<R, bool> {
    type Output = Cond<R>;

    fn bitor(self, other: C) -> Cond<R> {
        Cond::from(self) | other
    }
}

impl<R> Not for Column<R, bool> {
    type Output = Cond<R>;

    fn not(self) -> Cond<R> {
        !Cond::from(self)
    }
}

impl<R> Clone for Cond<R> {
    fn clone(&self) -> Self {
        Self::new(self.fragment.clone())
    }
}

impl<R> fmt::Debug for Cond<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cond").finish_non_exhaustive()
    }
}
