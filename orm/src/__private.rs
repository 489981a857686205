//! What derived code names. No part of the public API: it may change with every version.

pub use std::string::String;

pub use stellata_protocol::{
    ArrayElement, Buffer, ColumnError, Columns, CompositeReader, CompositeWriter, Decode, Encode,
    Expect, FromRow, IsNull, Oid, Params, PgType, Type, Types,
};

use stellata_protocol::{Error, ErrorKind};

pub use crate::model::column::Column;
pub use crate::model::path::Path;
pub use crate::model::slot::Slot;
pub use crate::model::table::{
    Action, ColumnDef, ForeignKeyDef, IndexDef, RelationDef, RelationKind, Table, UniqueDef,
};
pub use crate::model::{Key, Model, NewRow};
pub use crate::new::require;
use crate::new::{Field, equal};
pub use crate::relation::field::{BelongsTo, HasMany, HasOne};
pub use crate::relation::handle::{Many, One};
pub use crate::schema::user_type::{UserDefined, create_composite, create_domain, create_enum};

/// What reading columns returns.
pub type Read<T> = Result<T, ColumnError>;

/// What is found by the index of a relation.
pub type Found<'s> = Option<&'s mut dyn Slot>;

/// What writing a value returns.
pub type Written = stellata_protocol::Result<()>;

/// What encoding a value returns.
pub type Encoded = stellata_protocol::Result<IsNull>;

/// What decoding a value returns.
pub type Decoded<T> = stellata_protocol::Result<T>;

/// The error of a label that no variant of an enum has.
///
/// # Errors
/// Always.
#[cold]
pub fn unknown_label<T>(message: &'static str) -> Decoded<T> {
    Err(Error::new(ErrorKind::UnknownLabel, message))
}

/// The type in whose form the value inside a type of its own name is written and read.
#[must_use]
pub fn inner_type<T: PgType>(oid: Oid) -> Oid {
    if oid != Oid::UNSPECIFIED && T::accepts(oid) { oid } else { T::TYPE.oid }
}

/// A type that a column can have. All derived code goes through it, always by the field's type, so that a type that is
/// none is reported once.
#[diagnostic::on_unimplemented(
    message = "a column can't be of type `{Self}`",
    label = "PostgreSQL has no type for this",
    note = "types of other crates are features of stellata; a type of your own implements `PgType`, `Encode` and `Decode`"
)]
pub trait Cell: Sized {
    /// A column of this type, still without a name.
    const COLUMN: ColumnDef;

    /// Checks that the next column can be read.
    ///
    /// # Errors
    /// When it can't.
    fn expect(columns: &mut Expect<'_>) -> Read<()>;

    /// Reads the next column.
    ///
    /// # Errors
    /// When it is not such a value.
    fn read(columns: &mut Columns<'_>) -> Read<Self>;

    /// Appends the value of a column of `table` as a parameter.
    ///
    /// # Errors
    /// When the column's type can't hold it.
    fn push(&self, table: &Table, column: usize, out: &mut Params) -> Written;

    /// Appends the value of a column of `table` with its length in front.
    ///
    /// # Errors
    /// When the column's type can't hold it.
    fn write(&self, table: &Table, column: usize, out: &mut Buffer) -> Written;

    /// Appends the value that each of the rows has in one field, in the binary form of `oid` and with its length in front.
    ///
    /// # Errors
    /// When the column's type can't hold it, or no value was given.
    fn put<R>(
        rows: &[R],
        field: impl Fn(&R) -> &Field<Self>,
        oid: Oid,
        out: &mut Buffer,
    ) -> Written;
}

#[diagnostic::do_not_recommend]
impl<T: Encode + for<'a> Decode<'a>> Cell for T {
    const COLUMN: ColumnDef = ColumnDef {
        field: "",
        name: "",
        sql_type: T::TYPE.name,
        oid: T::TYPE.oid,
        nullable: T::NULLABLE,
        default_sql: None,
        identity: false,
    };

    #[inline]
    fn expect(columns: &mut Expect<'_>) -> Read<()> {
        columns.column::<T>()
    }

    #[inline]
    fn read(columns: &mut Columns<'_>) -> Read<Self> {
        columns.next()
    }

    #[inline]
    fn push(&self, table: &Table, column: usize, out: &mut Params) -> Written {
        match table.columns.get(column) {
            Some(column) => out.push_as(column.oid, self),
            None => no_column(),
        }
    }

    #[inline]
    fn write(&self, table: &Table, column: usize, out: &mut Buffer) -> Written {
        match table.columns.get(column) {
            Some(column) => self.encode_sized(column.oid, out).map(|_| ()),
            None => no_column(),
        }
    }

    #[inline(always)]
    fn put<R>(
        rows: &[R],
        field: impl Fn(&R) -> &Field<Self>,
        oid: Oid,
        out: &mut Buffer,
    ) -> Written {
        let [row] = rows else { return put_each(rows, field, oid, out) };
        let Field::Set(value) = field(row) else { return no_value() };
        value.encode_sized(oid, out).map(|_| ())
    }
}

/// Apart, so that one row, the most frequent number, pays for no loop.
#[inline(never)]
fn put_each<R, T: Encode>(
    rows: &[R],
    field: impl Fn(&R) -> &Field<T>,
    oid: Oid,
    out: &mut Buffer,
) -> Written {
    for row in rows {
        let Field::Set(value) = field(row) else { return no_value() };
        let _: IsNull = value.encode_sized(oid, out)?;
    }
    Ok(())
}

/// A type that an attribute of a composite can have. What `PgComposite` derives goes through it, always by the field's type,
/// so that a type that is none is reported once.
#[diagnostic::on_unimplemented(
    message = "an attribute can't be of type `{Self}`",
    label = "PostgreSQL has no type for this",
    note = "types of other crates are features of stellata; a type of your own implements `PgType`, `Encode` and `Decode`"
)]
pub trait Part: Sized {
    /// The type's name in `create type`.
    const NAME: &'static str;

    /// The type in whose form the attribute is written.
    const OID: Oid;

    /// Whether an attribute of the type `oid` can be read.
    ///
    /// # Errors
    /// When it can't.
    fn fits(oid: Oid, types: &mut Types<'_>) -> Written;

    /// Appends the attribute in the form of `oid`.
    ///
    /// # Errors
    /// When the type can't hold it.
    fn write(&self, oid: Oid, out: &mut CompositeWriter<'_>) -> Written;

    /// Reads the next attribute.
    ///
    /// # Errors
    /// When it is not such a value.
    fn read(attributes: &mut CompositeReader<'_>) -> Decoded<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Encode + for<'a> Decode<'a>> Part for T {
    const NAME: &'static str = T::TYPE.name;
    const OID: Oid = T::TYPE.oid;

    fn fits(oid: Oid, types: &mut Types<'_>) -> Written {
        <T as PgType>::fits(oid, types)
    }

    fn write(&self, oid: Oid, out: &mut CompositeWriter<'_>) -> Written {
        out.attribute_as(oid, self)
    }

    fn read(attributes: &mut CompositeReader<'_>) -> Decoded<Self> {
        attributes.next()
    }
}

impl ColumnDef {
    /// The same column for a field, and under the field's name.
    #[doc(hidden)]
    #[must_use]
    pub const fn field(self, field: &'static str) -> Self {
        Self { field, name: field, ..self }
    }

    /// The same column under another name.
    #[doc(hidden)]
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same column with another type in the database.
    #[doc(hidden)]
    #[must_use]
    pub const fn sql_type(self, sql_type: &'static str, oid: Oid) -> Self {
        Self { sql_type, oid, ..self }
    }

    /// The same column with a default in the database.
    #[doc(hidden)]
    #[must_use]
    pub const fn default_sql(self, default_sql: &'static str) -> Self {
        Self { default_sql: Some(default_sql), ..self }
    }

    /// The same column, numbered by the server.
    #[doc(hidden)]
    #[must_use]
    pub const fn identity(self) -> Self {
        Self { identity: true, ..self }
    }
}

/// A unique key over these columns.
#[must_use]
pub const fn unique(columns: &'static [u16]) -> UniqueDef {
    UniqueDef { name: None, columns }
}

impl UniqueDef {
    /// The same key under another name.
    #[doc(hidden)]
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }
}

/// An index over these columns.
#[must_use]
pub const fn index(columns: &'static [u16]) -> IndexDef {
    IndexDef { name: None, columns }
}

impl IndexDef {
    /// The same index under another name.
    #[doc(hidden)]
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }
}

/// The foreign key of a belongs-to.
#[must_use]
#[allow(
    clippy::unnecessary_wraps,
    reason = "a relation without a foreign key has `None` in its place"
)]
pub const fn foreign_key(on_delete: Action, on_update: Action) -> Option<ForeignKeyDef> {
    Some(ForeignKeyDef { on_delete, on_update })
}

/// The table of `M`, as a function that a table can hold.
#[must_use]
pub fn table<M: Model>() -> &'static Table {
    M::TABLE
}

/// The column of the key of `M`, for a column of the type `C` that refers to it.
#[must_use]
pub fn key<C: KeyPart<M::Key>, M: Model>() -> &'static [u16] {
    M::TABLE.key
}

/// The columns of the key of `M`, for columns of the types `C` that refer to it.
#[must_use]
pub fn keys<C: KeyParts<M::Key>, M: Model>() -> &'static [u16] {
    M::TABLE.key
}

/// The handles of `M`, to name its columns.
#[must_use]
pub fn fields<M: Model>() -> M::Fields<M> {
    M::fields(Path::default())
}

/// Holds when a column of type `C` can refer to `other`.
pub const fn refers<C, T: HeldBy<C>>(_other: Column<impl Sized, T>) {}

/// Holds when `other` can refer to a column of type `C`.
pub const fn referred<C, T: KeyPart<C>>(_other: Column<impl Sized, T>) {}

/// The index of the column of a field. The field's existence was checked where this stands.
#[must_use]
pub const fn index_of<M: Model>(field: &str) -> u16 {
    let columns = M::TABLE.columns;
    let mut index = 0;
    while index < columns.len() {
        if equal(columns[index].field.as_bytes(), field.as_bytes()) {
            return index as u16;
        }
        index += 1;
    }
    panic!("the model has no such column")
}

/// This bit, where the field was given a value.
#[inline(always)]
#[must_use]
pub const fn bit<T>(field: &Field<T>, bit: u32) -> u64 {
    (field.is_set() as u64) << bit
}

#[cold]
fn no_value() -> Written {
    Err(Error::new(ErrorKind::Usage, "the column has no value"))
}

/// The error of an index that is no column's.
///
/// # Errors
/// Always.
pub fn no_column() -> Written {
    Err(Error::new(ErrorKind::Usage, "the table has no such column"))
}

/// Columns of these types, in a tuple, hold a key of type `K`.
#[diagnostic::on_unimplemented(
    message = "a key of type `{K}` can't be held by columns of the types `{Self}`",
    label = "these columns don't fit the other model's key"
)]
pub trait KeyParts<K> {}

/// A column of this type holds a key, or part of a key, of type `K`.
#[diagnostic::on_unimplemented(
    message = "a key of type `{K}` can't be held by a column of type `{Self}`",
    label = "this column does not fit the key"
)]
pub trait KeyPart<K> {}

/// A key of this type can be held by a column of type `C`.
#[diagnostic::on_unimplemented(
    message = "a key of type `{Self}` can't be held by a column of type `{C}`",
    label = "this key does not fit the column"
)]
pub trait HeldBy<C> {}

#[diagnostic::do_not_recommend]
impl<K, C: KeyPart<K>> HeldBy<C> for K {}

#[diagnostic::do_not_recommend]
impl<T> KeyPart<T> for T {}

#[diagnostic::do_not_recommend]
impl<T> KeyPart<T> for Option<T> {}

macro_rules! composite {
    ($(($($part:ident $key:ident)+))+) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($part: KeyPart<$key>, $key),+> KeyParts<($($key,)+)> for ($($part,)+) {}
    )+};
}

composite! {
    (A KA B KB)
    (A KA B KB C KC)
    (A KA B KB C KC D KD)
    (A KA B KB C KC D KD E KE)
    (A KA B KB C KC D KD E KE F KF)
    (A KA B KB C KC D KD E KE F KF G KG)
    (A KA B KB C KC D KD E KE F KF G KG H KH)
}
