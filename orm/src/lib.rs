//! stellata: models, queries and relations over a PostgreSQL stack written from the wire up.

mod model;

mod expr;

mod new;

mod error;

mod relation;

mod identifier;

mod render;

mod schema;

#[doc(hidden)]
pub mod __private;

pub use error::{Error, ErrorKind, Result};
pub use expr::assignment::{Assignment, IntoAssignments};
pub use expr::comparison::value;
pub use expr::computed::{Expr, Number, Text};
pub use expr::condition::Cond;
pub use expr::operand::{Operand, Value};
pub use expr::order::{IntoOrder, Order};
pub use model::column::Column;
pub use model::id::Id;
pub use model::path::Path;
pub use model::slot::Slot;
pub use model::table::{
    Action, ColumnDef, ForeignKeyDef, IndexDef, RelationDef, RelationKind, Table, UniqueDef,
};
pub use model::unique::UniqueKey;
pub use model::{Key, Model, NewRow};
pub use new::{Field, IntoField};
pub use relation::branch::{Branches, Include, IntoIncludes};
pub use relation::field::{BelongsTo, HasMany, HasOne};
pub use relation::handle::{Many, One};
pub use schema::{Schema, SchemaError};
pub use stellata_derive::Model;
