//! What is asked of models: reading, inserting, changing, deleting.

pub(crate) mod load;
pub(crate) mod change;
pub(crate) mod select;
pub(crate) mod insert;
pub(crate) mod upsert;
pub(crate) mod entity;

use stellata_protocol::{ColumnError, Expect};

use crate::model::Model;

/// The columns of a statement are those of the model, and no more.
fn expect<M: Model>(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
    M::expect(columns)?;
    columns.end()
}
