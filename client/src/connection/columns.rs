//! The columns of rows: how they are looked at, and what is said when one can't be read.

use std::sync::Arc;

use stellata_protocol::{
    Catalog, ColumnError, Columns, ErrorKind as Wire, Expect, FieldDescription, Oid, Reader,
};

use crate::error::{Error, ErrorKind};

/// Looks at the columns of a statement, once.
pub(super) type Check = fn(&mut Expect<'_>) -> Result<(), ColumnError>;

/// Takes each row.
pub(super) type Sink<'s> = &'s mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send);

/// Says which column, which Rust type, which PostgreSQL type, and what is wrong; of an enum also which label. Where the row
/// itself does not hold together, the two sides no longer agree on what follows, and that is said instead.
#[cold]
pub(super) fn decode_error(
    error: ColumnError,
    fields: &[FieldDescription],
    sql: &Arc<str>,
    catalog: &Catalog,
    reason: Option<&str>,
    body: Option<&[u8]>,
) -> Error {
    if let Some(body) = body
        && let Err(broken) = Columns::check(body, fields.len())
    {
        return Error::protocol(broken);
    }
    let mut message = match fields.get(error.index) {
        Some(field) => {
            format!(
                "column {} `{}` of type {} can't be read as `{}`: {}",
                error.index + 1,
                field.name,
                type_name(field.type_oid, catalog),
                error.rust_type,
                error.error
            )
        }
        None => error.to_string(),
    };
    if let Some(reason) = reason {
        message.push_str(": ");
        message.push_str(reason);
    }
    if error.error.kind() == Wire::UnknownLabel
        && let Some(label) = body.and_then(|body| label(body, &error))
    {
        message.push_str(&format!(": `{}`", label.escape_debug()));
    }
    Error::new(ErrorKind::Decode, message).with_sql(Some(sql.clone()))
}

pub(super) fn type_name(oid: Oid, catalog: &Catalog) -> String {
    match (oid.name(), catalog.get(oid)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(known)) => format!("{}.{}", known.schema, known.name),
        (None, None) => format!("with OID {oid}"),
    }
}

/// The label of an enum that an error stands at. PostgreSQL's are 63 bytes long at most.
fn label<'b>(body: &'b [u8], error: &ColumnError) -> Option<&'b str> {
    let mut columns = Reader::new(body);
    columns.count16().ok()?;
    for _ in 0..error.index {
        columns.value().ok()?;
    }
    let value = columns.value().ok()??;
    let at = usize::try_from(error.error.offset()).ok()?;
    let label = match at.checked_sub(4) {
        // Inside of an array or a composite its length stands in front of it.
        Some(length) => Reader::new(value.get(length..)?).value().ok()??,
        None => value,
    };
    str::from_utf8(label).ok().filter(|label| label.len() <= 63)
}
