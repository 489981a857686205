//! Rows whose columns are not known until run time.

use std::future::poll_fn;
use std::sync::Arc;

use stellata_protocol::{
    Catalog, ColumnError, Columns, Decode, Error as WireError, ErrorKind as Wire, Expect,
    FieldDescription, IntoParams, Oid,
};

use tokio::time::{Instant, timeout_at};

use crate::connection::Connection;
use crate::connection::batch::gone;
use crate::connection::columns::{decode_error, type_name};
use crate::connection::query::{Run, collect};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::cache::SlotId;

/// A row of any columns: see [`Connection::query_rows`].
#[derive(Clone, Debug)]
pub struct Row {
    shape: Arc<Shape>,
    bytes: Box<[u8]>,
    /// Where the values lie; `None` is NULL.
    values: Box<[Option<(usize, usize)>]>,
}

/// What all rows of a statement have in common.
#[derive(Debug)]
struct Shape {
    fields: Box<[FieldDescription]>,
    sql: Arc<str>,
    catalog: Arc<Catalog>,
}

/// What tells a column: its place, counted from 0, or its name.
pub trait ColumnIndex {
    /// The place of the column.
    fn place(&self, columns: &[FieldDescription]) -> Option<usize>;
}

impl ColumnIndex for usize {
    fn place(&self, columns: &[FieldDescription]) -> Option<usize> {
        columns.get(*self).map(|_| *self)
    }
}

/// The first column of that name.
impl ColumnIndex for &str {
    fn place(&self, columns: &[FieldDescription]) -> Option<usize> {
        columns.iter().position(|column| *column.name == **self)
    }
}

impl Connection {
    /// Runs a statement of which it is not known what columns it returns.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// for row in connection.query_rows("select * from albums", ()).await? {
    ///     for column in row.columns() {
    ///         println!("{} is a {}", column.name, row.type_name(&*column.name).unwrap_or_default());
    ///     }
    ///     let title: &str = row.get("title")?;
    ///     let released: Option<i32> = row.get(2)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Columns of types that the server can't send in binary (`aclitem`) come as `text`. That takes a second round trip the
    /// first time, which a statement of a [`Batch`](crate::Batch) does not get: it fails once.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// As [`Connection::query`].
    pub async fn query_rows(&mut self, sql: &str, params: impl IntoParams) -> Result<Vec<Row>> {
        let params = collect(params)?;
        let mut taken = Vec::new();
        let slot = {
            let mut sink = |columns: &mut Columns<'_>| {
                taken.push(take(columns)?);
                Ok(())
            };
            let mut run = Run::new(sql, &params, |_| Ok(()), &mut sink);
            poll_fn(|cx| self.poll_run(cx, &mut run)).await?;
            run.slot().ok_or_else(gone)?
        };
        self.rows_of(slot, taken, None).await
    }

    /// Rows that can be read by name. What their types are is asked for until the deadline.
    pub(super) async fn rows_of(
        &mut self,
        slot: SlotId,
        taken: Vec<Taken>,
        deadline: Option<Instant>,
    ) -> Result<Vec<Row>> {
        let entry = self.cache.get(slot).ok_or_else(gone)?;
        let (fields, sql) = (entry.fields.clone().unwrap_or_default(), entry.sql.clone());
        if !taken.is_empty() {
            for field in &fields {
                // A type that can't be asked for now is an error for who reads it.
                let asked = self.user_type(field.type_oid);
                match deadline {
                    None => drop(asked.await),
                    Some(deadline) => drop(timeout_at(deadline, asked).await),
                }
            }
        }
        let shape = Arc::new(Shape { fields, sql, catalog: self.discovery.catalog() });
        let rows = taken.into_iter().map(|(bytes, values)| Row {
            shape: Arc::clone(&shape),
            bytes: bytes.into(),
            values: values.into(),
        });
        Ok(rows.collect())
    }
}

/// Bytes, and where the values lie in them.
pub(super) type Taken = (Vec<u8>, Vec<Option<(usize, usize)>>);

pub(super) fn take(columns: &mut Columns<'_>) -> Result<Taken, ColumnError> {
    let (mut bytes, mut values) = (Vec::new(), Vec::with_capacity(columns.remaining()));
    while columns.remaining() > 0 {
        let value = columns.skip().map_err(|error| ColumnError {
            index: values.len(),
            rust_type: "Row",
            error,
        })?;
        values.push(value.map(|raw| {
            let start = bytes.len();
            bytes.extend_from_slice(raw);
            (start, bytes.len())
        }));
    }
    Ok((bytes, values))
}

impl Row {
    /// The columns, in the order of the statement: names, types, and where they come from.
    #[must_use]
    pub fn columns(&self) -> &[FieldDescription] {
        &self.shape.fields
    }

    /// How many columns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What the type of a column is called; `None` when there is no such column.
    #[must_use]
    pub fn type_name(&self, column: impl ColumnIndex) -> Option<String> {
        let field = self.shape.fields.get(self.place(&column)?)?;
        Some(type_name(field.type_oid, &self.shape.catalog))
    }

    /// The value of a column, told by its name or its place, as a `T` that may borrow from the row.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is no such column, [`ErrorKind::Decode`] when it can't be read as a `T`.
    pub fn get<'r, T: Decode<'r>>(&'r self, column: impl ColumnIndex) -> Result<T> {
        let Some(index) = self.place(&column) else {
            return Err(Error::new(ErrorKind::Usage, "the row has no such column"));
        };
        self.read(index).map_err(|error| {
            let error = ColumnError { index, ..error };
            let Shape { fields, sql, catalog } = &*self.shape;
            decode_error(error, fields, sql, catalog, None, None)
        })
    }

    /// Whether a column is NULL; `None` when there is no such column.
    #[must_use]
    pub fn is_null(&self, column: impl ColumnIndex) -> Option<bool> {
        self.values.get(self.place(&column)?).map(Option::is_none)
    }

    fn place(&self, column: &impl ColumnIndex) -> Option<usize> {
        column.place(&self.shape.fields)
    }

    fn read<'r, T: Decode<'r>>(&'r self, index: usize) -> Result<T, ColumnError> {
        let failed = |error| ColumnError { index, rust_type: std::any::type_name::<T>(), error };
        let Some(field) = self.shape.fields.get(index..=index) else {
            return Err(failed(WireError::new(Wire::ColumnCount, "the row has no such column")));
        };
        Expect::new(field).with_catalog(&self.shape.catalog).column::<T>()?;
        let oid = field.first().map_or(Oid::UNSPECIFIED, |field| field.type_oid);
        let value = self.values.get(index).copied().flatten();
        match value {
            Some((start, end)) => {
                T::decode(oid, self.bytes.get(start..end).unwrap_or_default()).map_err(failed)
            }
            None => T::decode_null().map_err(failed),
        }
    }
}
