//! stellata: models, queries and relations over a PostgreSQL stack written from the wire up.

mod model;

mod expr;

pub use expr::assignment::{Assignment, IntoAssignments};
pub use expr::comparison::value;
pub use expr::computed::{Expr, Number, Text};
pub use expr::condition::Cond;
pub use expr::operand::{Operand, Value};
pub use expr::order::{IntoOrder, Order};
pub use model::column::Column;
pub use model::id::Id;
pub use model::path::Path;
pub use model::table::{
    Action, ColumnDef, ForeignKeyDef, IndexDef, RelationDef, RelationKind, Table, UniqueDef,
};
pub use model::{Key, Model, NewRow};
