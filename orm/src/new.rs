//! Rows that are to be inserted: what is set in them, and [`new!`](crate::new).

use crate::model::Model;
use crate::model::id::Id;

/// A column of a new row: given a value, or left to the database's default.
///
/// Unset is not NULL: `Set(None)` writes NULL, `Unset` writes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Field<T> {
    /// The database's default applies, or NULL where there is none.
    #[default]
    Unset,
    /// This value.
    Set(T),
}

impl<T> Field<T> {
    /// Whether a value was given.
    pub const fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// The value, where one was given.
    pub const fn get(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Unset => None,
        }
    }
}

/// A value that can be given to a column of type `T` of a new row.
///
/// A value of the column's own type fits, `&str` for a [`String`], the bare value where the column is an [`Option`], the
/// bare number where it is an [`Id`], and a [`Field`] to say [`Field::Unset`].
#[diagnostic::on_unimplemented(
    message = "a column of type `{T}` can't be given a value of type `{Self}`",
    label = "not a value for a column of type `{T}`"
)]
pub trait IntoField<T> {
    /// The value as it will be written.
    fn into_field(self) -> Field<T>;
}

#[diagnostic::do_not_recommend]
impl<T> IntoField<T> for Field<T> {
    fn into_field(self) -> Field<T> {
        self
    }
}

macro_rules! conversions {
    ($([$($generics:ident),*] $given:ty => $column:ty, |$value:ident| $converted:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($generics),*> IntoField<$column> for $given {
            #[inline]
            fn into_field(self) -> Field<$column> {
                let $value = self;
                Field::Set($converted)
            }
        }
    )*};
}

conversions! {
    [T] T => T, |value| value;
    [T] T => Option<T>, |value| Some(value);
    [M, T] T => Id<M, T>, |value| Id::new(value);
    [M, T] T => Option<Id<M, T>>, |value| Some(Id::new(value));
    [] &str => String, |value| value.to_owned();
    [] &str => Option<String>, |value| Some(value.to_owned());
    [] &String => String, |value| value.clone();
    [] &String => Option<String>, |value| Some(value.clone());
    [] &[u8] => Vec<u8>, |value| value.to_vec();
    [] &[u8] => Option<Vec<u8>>, |value| Some(value.to_vec());
}

/// A new row of a model, to be inserted: `new!(Album { title: "Malibu", artist_id: anderson.id })`.
///
/// It is written like the struct itself, with what has a default left out: `Option`s, identity columns, columns with
/// `default` or `default_sql`, and relations. A column that is missing is a compile error that names it, and so is one
/// that does not exist or gets a value of another type. Values are converted by [`IntoField`], so that `"Malibu"` fits a
/// `String` and a plain value its `Option`. As in a struct literal, `artist_id` alone stands for `artist_id: artist_id`.
///
/// ```
/// # use stellata::{Field, Id, Model, new};
/// #[derive(Model)]
/// struct Album {
///     #[model(key, identity)]
///     id: Id<Album>,
///     title: String,
///     released: Option<i32>,
/// }
///
/// let released = 2016;
/// let row = new!(Album { title: "Malibu", released });
/// assert_eq!(row.title, Field::Set("Malibu".to_owned()));
/// assert_eq!(row.id, Field::Unset);
/// ```
///
/// ```compile_fail,E0080
/// # use stellata::{Id, Model, new};
/// # #[derive(Model)]
/// # struct Album {
/// #     #[model(key, identity)]
/// #     id: Id<Album>,
/// #     title: String,
/// #     released: Option<i32>,
/// # }
/// let row = new!(Album { released: 2016 }); // missing field `title` of `Album`
/// ```
#[macro_export]
macro_rules! new {
    // A field is matched as a token, not as an identifier, since only a token keeps its place in the user's code, where
    // an error about it is shown.
    ($($model:ident)::+ { $($field:tt $(: $value:expr)?),* $(,)? }) => {{
        const _: () = $crate::__private::require::<$($model)::+>(&[$(::core::stringify!($field)),*]);
        #[allow(unused_mut, reason = "a row may have nothing but defaults")]
        let mut row = <<$($model)::+ as $crate::Model>::New as ::core::default::Default>::default();
        $($crate::__set!(row $field $($value)?);)*
        row
    }};
}

/// Sets one field of a new row: to the value given, or to the variable of the field's name.
#[doc(hidden)]
#[macro_export]
macro_rules! __set {
    ($row:ident $field:tt) => {
        $row.$field = $crate::IntoField::into_field($field)
    };
    ($row:ident $field:tt $value:expr) => {
        $row.$field = $crate::IntoField::into_field($value)
    };
}

/// Ends the compilation where a required field of `M` is not among the `given`, or one is given twice. Called by
/// [`new!`](crate::new) in a constant.
#[doc(hidden)]
#[track_caller]
pub const fn require<M: Model>(given: &[&str]) {
    let mut message = Message::new();
    let mut missing = 0;
    let mut index = 0;
    while index < M::REQUIRED.len() {
        if count(given, M::REQUIRED[index]) == 0 {
            message.put(if missing == 0 { "`" } else { "`, `" });
            message.put(M::REQUIRED[index]);
            missing += 1;
        }
        index += 1;
    }
    if missing > 0 {
        let mut whole = Message::new();
        whole.put(if missing == 1 { "missing field " } else { "missing fields " });
        whole.put(message.as_str());
        whole.put("` of `");
        whole.put(M::TABLE.model);
        whole.put("`");
        panic!("{}", whole.as_str());
    }
    index = 0;
    while index < given.len() {
        if count(given, given[index]) > 1 {
            message.put("field `");
            message.put(given[index]);
            message.put("` is given twice");
            panic!("{}", message.as_str());
        }
        index += 1;
    }
}

/// How often a name stands in a list. A raw identifier is held for the same as the plain one.
const fn count(names: &[&str], name: &str) -> usize {
    let mut found = 0;
    let mut index = 0;
    while index < names.len() {
        if equal(unraw(names[index].as_bytes()), unraw(name.as_bytes())) {
            found += 1;
        }
        index += 1;
    }
    found
}

const fn unraw(name: &[u8]) -> &[u8] {
    match name {
        [b'r', b'#', rest @ ..] => rest,
        _ => name,
    }
}

pub(crate) const fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Text put together in a constant. What does not fit is cut off between two pieces.
struct Message {
    bytes: [u8; 1024],
    len: usize,
}

impl Message {
    const fn new() -> Self {
        Self { bytes: [0; 1024], len: 0 }
    }

    const fn put(&mut self, piece: &str) {
        let piece = piece.as_bytes();
        if self.len + piece.len() > self.bytes.len() {
            return;
        }
        let mut index = 0;
        while index < piece.len() {
            self.bytes[self.len + index] = piece[index];
            index += 1;
        }
        self.len += piece.len();
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}
