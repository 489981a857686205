//! Values that stand for a key.

use crate::model::id::Id;

/// A value that stands for a key of type `K`: the key itself, the bare number where it is an [`Id`], and text where it is
/// a [`String`]. A key of several columns is a tuple in the order of the model's `key(..)`.
#[diagnostic::on_unimplemented(
    message = "a key of type `{K}` is wanted, and `{Self}` is none",
    label = "not a key of type `{K}`"
)]
pub trait IntoKey<K> {
    /// The key.
    fn into_key(self) -> K;
}

#[diagnostic::do_not_recommend]
impl<K> IntoKey<K> for K {
    fn into_key(self) -> K {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<M, T> IntoKey<Id<M, T>> for T {
    fn into_key(self) -> Id<M, T> {
        Id::new(self)
    }
}

#[diagnostic::do_not_recommend]
impl<K: Clone> IntoKey<K> for &K {
    fn into_key(self) -> K {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl IntoKey<String> for &str {
    fn into_key(self) -> String {
        self.to_owned()
    }
}
