//! What is asked of models: reading, inserting, changing, deleting.

pub(crate) mod load;
pub(crate) mod change;
pub(crate) mod select;
pub(crate) mod insert;
pub(crate) mod upsert;
pub(crate) mod entity;

use stellata_protocol::{Buffer, ColumnError, Expect};

use crate::error::{Error, ErrorKind};
use crate::model::Model;
use crate::model::table::Table;

/// The columns of a statement are those of the model, and no more.
fn expect<M: Model>(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
    M::expect(columns)?;
    columns.end()
}

/// Where an error says no more than that a value can't be written, looks for it among those of these columns.
#[cold]
fn blame(
    table: &'static Table,
    columns: impl Iterator<Item = u16>,
    error: Error,
    mut write: impl FnMut(u16, &mut Buffer) -> stellata_protocol::Result<()>,
) -> Error {
    if error.kind() != ErrorKind::Usage || error.fields().next().is_some() {
        return error;
    }
    for column in columns {
        if let Err(fault) = write(column, &mut Buffer::new()) {
            return Error::unwritable(table, Some(column), fault);
        }
    }
    error
}
