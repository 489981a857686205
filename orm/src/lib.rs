//! stellata: models, queries and relations over a PostgreSQL stack written from the wire up.

mod model;

pub use model::column::Column;
pub use model::id::Id;
pub use model::path::Path;
pub use model::table::{
    Action, ColumnDef, ForeignKeyDef, IndexDef, RelationDef, RelationKind, Table, UniqueDef,
};
pub use model::{Key, Model, NewRow};
