//! The derive macros of stellata. Users meet them as `stellata::Model`, `PgEnum`, `PgComposite` and `PgDomain`.
//!
//! That of models works in three steps, one module each: `input` and `attr` read the struct, `check` finds what it means and all that
//! is wrong with it, `expand` writes data and straight-line code. Behaviour lives in `stellata`, not here.

mod names;
mod problems;
mod sql_type;

mod attr;

mod field_type;

mod input;

mod check;

mod expand;

mod user_type;

#[cfg(test)]
mod golden;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::problems::Problems;

/// Makes a struct a model: its values are the rows of a table.
///
/// ```
/// use stellata::{BelongsTo, HasMany, Id, Model, new};
///
/// #[derive(Model)]
/// #[model(table = "albums", unique(artist_id, title))]
/// pub struct Album {
///     #[model(key, identity)]
///     pub id: Id<Album>,
///     pub title: String,
///     pub released: Option<i32>,
///     #[model(default_sql = "0")]
///     pub plays: i64,
///     pub artist_id: Id<Artist>,
///     #[model(belongs_to = artist_id, on_delete = cascade)]
///     pub artist: BelongsTo<Artist>,
/// }
///
/// #[derive(Model)]
/// #[model(table = "artists")]
/// pub struct Artist {
///     #[model(key, identity)]
///     pub id: Id<Artist>,
///     #[model(unique)]
///     pub name: String,
///     #[model(has_many = Album::artist_id, order = (released.desc(), title))]
///     pub albums: HasMany<Album>,
/// }
///
/// let row = new!(Album { title: "Malibu", artist_id: 7, released: 2016 });
/// assert!(row.title.is_set() && !row.plays.is_set());
/// ```
///
/// Every field is a column, except those of the types `BelongsTo`, `HasOne` and `HasMany`, which are relations. A column
/// can be NULL exactly when its field is an `Option`. Beside the struct stand `AlbumFields`, what a query can name;
/// `AlbumUnique`, its unique keys; and `NewAlbum`, a row to be inserted. Their fields are as visible as those of the struct.
///
/// # On the struct
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `table = "name"`, `table = "schema.name"` | the table | the struct's name in snake_case |
/// | `schema = "name"` | its schema; dots in the table's name are then part of it | the first of the search path |
/// | `database = "name"` | its database, where the program has several (`Databases`) | the first of them |
/// | `key(a, b)` | a primary key of several columns | one field is marked `key` |
/// | `unique(a, b)`, `unique(a, b, name = "..")` | a unique key; may be repeated | |
/// | `index(a, b)`, `index(a, b, name = "..")` | an index; may be repeated | |
///
/// # On a column
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `key` | the primary key | |
/// | `identity` | the server numbers the rows; a value may still be given | |
/// | `column = "name"` | the column's name | the field's name |
/// | `sql_type = "numeric(10,2)"` | its type in the database | the Rust type's own |
/// | `default_sql = "now()"` | a default in the database, read back after an insert | |
/// | `default = expression` | a default that runs in the program for every new row | |
/// | `unique`, `index` | a unique key or an index over this column alone | |
///
/// # On a relation
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `belongs_to = artist_id`, `belongs_to = (a, b)` | this struct's columns hold the other's key | |
/// | `has_many = Album::artist_id`, `has_many = (Album::a, Album::b)` | the other model's columns hold this one's key | |
/// | `has_one = ..` | the same, for at most one row | |
/// | `references = name`, `references = (a, b)` | the columns that the key points to | the primary key |
/// | `order = title`, `order = (released.desc(), title)` | the order of the rows that are loaded | none |
/// | `on_delete = ..`, `on_update = ..` | `cascade`, `restrict`, `set_null`, `set_default` or `no_action` | `no_action` |
/// | `no_constraint` | no foreign key in the database: rows may point to what is not there | a foreign key |
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(input.into()).into()
}

/// Makes an enum stand for an enum of the database: its variants are the labels.
///
/// ```
/// use stellata::{PgEnum, PgType};
///
/// #[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
/// #[pg(name = "mood", schema = "app", rename_all = "kebab-case")]
/// enum Mood {
///     Sad,
///     VeryHappy,
///     #[pg(rename = "so so")]
///     Mixed,
/// }
///
/// assert_eq!(Mood::TYPE.name, r#""app"."mood""#);
/// ```
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `name = "mood"` | the type's name | the enum's name in snake_case |
/// | `schema = "app"` | its schema | any, and in `create table` the first of the search path |
/// | `rename_all = ".."` | how labels are written: `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case`, `camelCase`, `PascalCase`, `lowercase`, `UPPERCASE`, `verbatim` | `snake_case` |
/// | `rename = ".."`, on a variant | its label | by the rule |
///
/// Reading a label that no variant has is an error that names the label and the type.
#[proc_macro_derive(PgEnum, attributes(pg))]
pub fn derive_enum(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive_user_type(input.into(), user_type::enumeration).into()
}

/// Makes a struct stand for a composite type of the database: its fields are the attributes, in the same order.
///
/// ```
/// use stellata::{PgComposite, PgType};
///
/// #[derive(PgComposite, Debug, Clone, PartialEq)]
/// struct Address {
///     street: String,
///     #[pg(rename = "zip", sql_type = "varchar(5)")]
///     zip_code: Option<String>,
///     lines: Vec<String>,
/// }
///
/// assert_eq!(Address::TYPE.name, r#""address""#);
/// ```
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `name = "address"` | the type's name | the struct's name in snake_case |
/// | `schema = "app"` | its schema | any, and in `create table` the first of the search path |
/// | `rename_all = ".."` | how attributes are written, as for `PgEnum` | `verbatim` |
/// | `rename = ".."`, on a field | the attribute's name | by the rule |
/// | `sql_type = "varchar(5)"`, on a field | the attribute's type, where it is not the Rust type's own | the Rust type's own |
///
/// An attribute can be NULL where its field is an `Option`. Names, order and types are held against the database once per
/// statement. Composites may hold arrays, ranges and other composites.
#[proc_macro_derive(PgComposite, attributes(pg))]
pub fn derive_composite(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive_user_type(input.into(), user_type::composite).into()
}

/// Makes a struct around one value stand for a type of its own name: a domain over the value's type, or a range that you
/// made. `#[pg(transparent)]` makes it stand for the value's own type instead.
///
/// ```
/// use stellata::{PgDomain, PgType, types::Range};
///
/// #[derive(PgDomain, Debug, Clone, PartialEq)]
/// #[pg(name = "email", check = "value ~ '@'")]
/// struct Email(String);
///
/// #[derive(PgDomain)]
/// #[pg(name = "floatrange")]
/// struct FloatRange(Range<f64>);
///
/// #[derive(PgDomain)]
/// #[pg(transparent)]
/// struct Celsius(f64);
///
/// assert_eq!(Email::TYPE.name, r#""email""#);
/// assert_eq!(Celsius::TYPE, f64::TYPE);
/// ```
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `name = "email"` | the type's name | the struct's name in snake_case |
/// | `schema = "app"` | its schema | any, and in `create table` the first of the search path |
/// | `check = "value ~ '@'"` | what `create domain` checks | nothing |
/// | `transparent` | no type of its own | a type of its own |
#[proc_macro_derive(PgDomain, attributes(pg))]
pub fn derive_domain(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive_user_type(input.into(), user_type::domain).into()
}

fn derive_user_type(
    input: TokenStream,
    expand: fn(&DeriveInput, &mut Problems) -> TokenStream,
) -> TokenStream {
    let mut problems = Problems::default();
    let code = match syn::parse2(input) {
        Ok(parsed) => expand(&parsed, &mut problems),
        Err(error) => {
            problems.push(error);
            TokenStream::new()
        }
    };
    let mut out = problems.into_tokens();
    out.extend(code);
    out
}

fn derive(input: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let parsed = syn::parse2::<DeriveInput>(input);
    let read = parsed.map(|parsed| input::read(parsed, &mut problems));
    let code = match &read {
        Ok(Some(input)) => {
            let model = check::check(input, &mut problems);
            expand::expand(&model, problems.is_empty())
        }
        Ok(None) => TokenStream::new(),
        Err(error) => {
            problems.push(error.clone());
            TokenStream::new()
        }
    };
    let mut out = problems.into_tokens();
    out.extend(code);
    out
}
