//! The derive macro of stellata. Users meet it as `stellata::Model`.
//!
//! It works in three steps, one module each: `input` and `attr` read the struct, `check` finds what it means and all that
//! is wrong with it, `expand` writes data and straight-line code. Behaviour lives in `stellata`, not here.

mod names;
mod problems;
mod sql_type;

mod attr;

mod field_type;

mod input;

mod check;

mod expand;

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
