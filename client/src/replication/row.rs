//! Tables and their rows, as a logical stream tells them.

use std::fmt;

use stellata_protocol::replication::pgoutput::{self, ReplicaIdentity, Tuple, TupleValue};
use stellata_protocol::{Decode, Oid, PgType};

use crate::error::{Error, ErrorKind, Result};
use crate::replication::malformed;

/// A table, as it is where the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its OID on the sending server.
    pub oid: Oid,
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What is told of old rows.
    pub replica_identity: ReplicaIdentity,
    /// The columns that are published, in the order of the rows' values.
    pub columns: Box<[RelationColumn]>,
}

/// A column of a [`Relation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub type_oid: Oid,
    /// The type modifier, such as the length of a `varchar(n)`; -1 for none.
    pub type_modifier: i32,
    /// Whether it belongs to the replica identity.
    pub is_key: bool,
}

impl Relation {
    pub(super) fn of(relation: &pgoutput::Relation<'_>) -> Self {
        let column = |column: pgoutput::RelationColumn<'_>| RelationColumn {
            name: column.name.into(),
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
            is_key: column.is_key,
        };
        Self {
            oid: relation.oid,
            // The empty schema of a message is the one whose tables every name finds.
            schema: if relation.schema.is_empty() { "pg_catalog" } else { relation.schema }.into(),
            name: relation.name.into(),
            replica_identity: relation.replica_identity,
            columns: relation.columns.iter().map(column).collect(),
        }
    }
}

/// Schema and name, as they are.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A row of a table. It lies in the connection's read buffer; nothing is copied that is not asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    relation: &'a Relation,
    values: Tuple<'a>,
}

impl<'a> Row<'a> {
    pub(super) fn new(relation: &'a Relation, values: Tuple<'a>) -> Result<Self> {
        if relation.columns.len() != values.len() {
            return Err(malformed("a row has another number of values than its table has columns"));
        }
        Ok(Self { relation, values })
    }

    /// The table.
    #[must_use]
    pub fn relation(&self) -> &'a Relation {
        self.relation
    }

    /// Reads a column. NULL is for an [`Option`].
    ///
    /// ```no_run
    /// # fn example(row: stellata_client::replication::Row<'_>) -> Result<(), stellata_client::Error> {
    /// let id: i64 = row.get("id")?;
    /// let title = row.get::<Option<&str>>("title")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when there is no such column, when the Rust type does not fit, and for a large value that has
    /// not changed and was not sent again: see [`Row::sent`].
    pub fn get<T: Decode<'a>>(&self, column: &str) -> Result<T> {
        let (column, value) = self.find(column)?;
        match self.decode(column, value)? {
            Some(value) => Ok(value),
            None => {
                Err(self.refuse::<T>(column, "the value has not changed and was not sent again"))
            }
        }
    }

    /// Reads a column, if it was sent: `None` stands for a large value (TOAST) of an updated row that has not changed, and is
    /// not sent again unless the table's replica identity is FULL. It is not NULL, and a copy of the row keeps what it has.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn sent<T: Decode<'a>>(&self, column: &str) -> Result<Option<T>> {
        let (column, value) = self.find(column)?;
        self.decode(column, value)
    }

    /// Columns and their values as they were sent, in order.
    pub fn values(&self) -> impl Iterator<Item = (&'a RelationColumn, TupleValue<'a>)> {
        self.relation.columns.iter().zip(self.values.iter())
    }

    fn find(&self, name: &str) -> Result<(&'a RelationColumn, TupleValue<'a>)> {
        self.values().find(|(column, _)| &*column.name == name).ok_or_else(|| {
            let message = format!("the table {} has no published column `{name}`", self.relation);
            Error::new(ErrorKind::Decode, message)
        })
    }

    fn decode<T: Decode<'a>>(
        &self,
        column: &'a RelationColumn,
        value: TupleValue<'a>,
    ) -> Result<Option<T>> {
        let decoded = match value {
            TupleValue::Unchanged => return Ok(None),
            TupleValue::Null => T::decode_null(),
            TupleValue::Binary(raw) if T::accepts(column.type_oid) => {
                T::decode(column.type_oid, raw)
            }
            TupleValue::Binary(_) => return Err(self.refuse::<T>(column, "it has another type")),
            // A text is read from the text of any type.
            TupleValue::Text(raw) if T::accepts(Oid::TEXT) => T::decode(Oid::TEXT, raw),
            TupleValue::Text(_) => {
                return Err(
                    self.refuse::<T>(column, "it came as text, which only texts are read from")
                );
            }
        };
        decoded.map(Some).map_err(|error| self.refuse::<T>(column, &error.to_string()))
    }

    #[cold]
    fn refuse<T: PgType>(&self, column: &RelationColumn, why: &str) -> Error {
        let oid = column.type_oid;
        let type_name = oid.name().map_or_else(|| format!("with OID {oid}"), str::to_owned);
        Error::new(
            ErrorKind::Decode,
            format!(
                "column `{}` of {}, of type {type_name}, can't be read as `{}`: {why}",
                column.name,
                self.relation,
                std::any::type_name::<T>(),
            ),
        )
    }
}

/// Without the values: `{:?}` is what ends up in logs.
impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row of {}", self.relation)
    }
}
