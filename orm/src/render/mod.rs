//! From a statement's shape to SQL text. Runs only when a connection does not know the shape yet.

pub(crate) mod statement;
mod tree;
mod name;
mod expression;
mod select;
mod write;

use stellata_protocol::Result;

use crate::model::table::Table;
use crate::render::statement::Kind;

/// The SQL text of a statement on `table`.
///
/// # Errors
/// What the query asks for makes no sense.
pub(crate) fn sql(table: &'static Table, shape: &[u8]) -> Result<String> {
    let statement = tree::parse(shape)?;
    match statement.kind {
        Kind::Select { flags, stores } => select::rows(table, &statement, flags, stores),
        Kind::Count { flags } => select::count(table, &statement, flags),
        Kind::Exists { flags } => select::exists(table, &statement, flags),
        Kind::Get => select::get(table),
        Kind::Child { relation, slot, scope, flags, stores } => {
            select::child(table, &statement, relation, slot, scope, flags, stores)
        }
        Kind::Insert { flags, mask, conflict } => {
            write::insert(table, &statement, flags, mask, conflict)
        }
        Kind::Unnest { flags, mask } => write::unnest(table, flags, mask),
        Kind::Values { flags, width, masks } => write::values(table, flags, width, masks),
        Kind::Update { flags } => write::update(table, &statement, flags),
        Kind::Save => write::save(table),
        Kind::Delete { flags } => write::delete(table, &statement, flags),
    }
}
