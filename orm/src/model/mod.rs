//! What a model is: a struct, the table that holds its rows, and the handles by which a query names its columns.

pub(crate) mod id;
pub(crate) mod key;
pub(crate) mod path;
pub(crate) mod column;
pub(crate) mod slot;
pub(crate) mod table;
pub(crate) mod unique;

use stellata_protocol::{Buffer, ColumnError, Columns, Expect, Oid, Params};

use crate::model::path::Path;
use crate::model::slot::Slot;
use crate::model::table::Table;

/// A struct whose values are the rows of a table. Derived by `#[derive(Model)]`.
pub trait Model: Sized + Send + Sync + 'static {
    /// The table: names, types, keys, relations. One address per model, so that it serves as the model's identity.
    const TABLE: &'static Table;

    /// The names of fields that a new row must be given: no default, no identity, not nullable.
    const REQUIRED: &'static [&'static str];

    /// The handle struct: a [`Column`](column::Column) per column, a method per relation. `R` is the model that the query
    /// is rooted in, so that a column of another query's model does not compile.
    type Fields<R>: Copy;

    /// The handle struct of the unique keys, for upserts: a field per key, nothing else.
    type Unique: Copy + Default;

    /// What a new row is made of: each field set or left to its default. Made by [`new!`](crate::new).
    type New: NewRow<Model = Self>;

    /// The type of the primary key: the field's own type, or a tuple of them for a key of several columns.
    type Key: Key<Self>;

    /// The handles of this model's columns as seen along `path`.
    fn fields<R>(path: Path) -> Self::Fields<R>;

    /// This row's primary key.
    fn key(&self) -> Self::Key;

    /// Checks that the next columns of a statement, in the order of [`Table::columns`], are of types that the fields can
    /// be read from. Done once per statement; what stands behind them is not looked at.
    ///
    /// # Errors
    /// The first column that does not fit.
    fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError>;

    /// Reads a row from columns that stand in the order of [`Table::columns`]. Relations come back not loaded.
    ///
    /// # Errors
    /// The first column that can't be read.
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, ColumnError>;

    /// Appends the value of one column, by its index in [`Table::columns`], in the binary form of the column's type and
    /// with its length in front.
    ///
    /// # Errors
    /// When PostgreSQL's type can't hold the value, or `column` is not the index of a column.
    fn write_column(&self, column: u16, out: &mut Buffer) -> stellata_protocol::Result<()>;

    /// The field that holds the rows of a relation, by its index in [`Table::relations`].
    fn relation_mut(&mut self, relation: u8) -> Option<&mut dyn Slot>;
}

/// The values of a row that is to be inserted. Derived together with [`Model`].
pub trait NewRow: Default + Send + Sync {
    /// The model that the row becomes.
    type Model: Model<New = Self>;

    /// Which columns were given a value; in the others the database's default applies. A bit for each of 64 columns, the
    /// lowest first; those from the column `64 * word` on.
    fn mask(&self, word: usize) -> u64;

    /// Appends the value that each of the rows has in one column, in the binary form of `oid` and with its length in front.
    ///
    /// # Errors
    /// When PostgreSQL's type can't hold a value, or the column is not set in one of the rows.
    fn write_column(
        rows: &[Self],
        column: u16,
        oid: Oid,
        out: &mut Buffer,
    ) -> stellata_protocol::Result<()>;
}

/// A value that names one row: the primary key's own type, or a tuple.
pub trait Key<M>: Clone + Send + Sync {
    /// Appends the key's parts in the order of [`Table::key`].
    ///
    /// # Errors
    /// When PostgreSQL's type can't hold a part.
    fn push(&self, params: &mut Params) -> stellata_protocol::Result<()>;
}
