//! From what the client or the pool reports to an error that speaks of models.

use stellata_client::{ErrorKind as Client, ServerError, SqlState};
use stellata_pool::Cause;

use crate::error::{Error, ErrorKind};
use crate::model::table::{RelationKind, Table};
use crate::schema::names;

/// The error of a statement on `table`.
#[cold]
pub(crate) fn of_client(table: Option<&'static Table>, error: stellata_client::Error) -> Error {
    described(table, &error).with_source(error)
}

/// The error of asking for a connection.
#[cold]
pub(crate) fn of_pool(error: stellata_pool::Error) -> Error {
    match error {
        stellata_pool::Error::Connect(error) => described(None, &error).with_source(error),
        // It was waited for, but what kept it away is what matters.
        stellata_pool::Error::Timeout { cause: Cause::Failed(_), .. } => {
            Error::new(ErrorKind::Connection, error.to_string()).with_source(error)
        }
        stellata_pool::Error::Timeout { .. } => {
            Error::new(ErrorKind::Timeout, error.to_string()).with_source(error)
        }
        other => Error::new(ErrorKind::Connection, other.to_string()).with_source(other),
    }
}

impl From<stellata_client::Error> for Error {
    fn from(error: stellata_client::Error) -> Self {
        of_client(None, error)
    }
}

impl From<stellata_pool::Error> for Error {
    fn from(error: stellata_pool::Error) -> Self {
        of_pool(error)
    }
}

fn described(table: Option<&'static Table>, error: &stellata_client::Error) -> Error {
    if let Some(server) = error.server() {
        return of_server(table, server, error).with_server(server, error.sql());
    }
    let kind = match error.kind() {
        Client::Timeout => ErrorKind::Timeout,
        Client::Encode | Client::Usage | Client::Config => ErrorKind::Usage,
        Client::Decode => ErrorKind::Decode,
        Client::Skipped => ErrorKind::Transaction,
        Client::RolledBack => ErrorKind::RolledBack,
        Client::OutcomeUnknown => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::Connection,
    };
    let message = match table {
        Some(table) if kind == ErrorKind::Decode => format!("{}: {error}", table.model),
        _ => error.to_string(),
    };
    let failed = Error::new(kind, message);
    match table {
        Some(table) => failed.with_table(table, &[]),
        None => failed,
    }
}

fn of_server(
    table: Option<&'static Table>,
    server: &ServerError,
    error: &stellata_client::Error,
) -> Error {
    let said = error.to_string();
    let kind = match server.sqlstate {
        SqlState::UNIQUE_VIOLATION => ErrorKind::Unique,
        SqlState::FOREIGN_KEY_VIOLATION | SqlState::RESTRICT_VIOLATION => ErrorKind::ForeignKey,
        SqlState::NOT_NULL_VIOLATION => ErrorKind::NotNull,
        SqlState::CHECK_VIOLATION => ErrorKind::Check,
        SqlState::EXCLUSION_VIOLATION => ErrorKind::Exclusion,
        SqlState::SERIALIZATION_FAILURE | SqlState::DEADLOCK_DETECTED => ErrorKind::Serialization,
        SqlState::IN_FAILED_SQL_TRANSACTION => ErrorKind::Transaction,
        SqlState::QUERY_CANCELED => ErrorKind::Timeout,
        _ if server.ends_session() || server.sqlstate.class() == "08" => ErrorKind::Connection,
        _ => ErrorKind::Database,
    };
    let Some(table) = table else {
        return Error::new(kind, said);
    };
    let Some((owner, columns)) = concerned(table, server) else {
        return Error::new(kind, said).with_table(table, &[]);
    };
    let fields: Vec<&str> = columns
        .iter()
        .filter_map(|&column| owner.columns.get(usize::from(column)))
        .map(|column| column.field)
        .collect();
    let (model, fields) = (owner.model, fields.join(", "));
    let message = match kind {
        ErrorKind::Unique => format!("{model}: a row with this {fields} is there already: {said}"),
        ErrorKind::NotNull => format!("{model}.{fields} must have a value: {said}"),
        ErrorKind::ForeignKey => match end(table, owner, &columns, server, error.sql()) {
            Some(End::Target) => {
                format!("{}: rows of {model} still refer to it by {fields}: {said}", table.model)
            }
            Some(End::Source) => {
                format!("{model}.{fields} refers to a row that is not there: {said}")
            }
            None => format!(
                "{model}.{fields} would refer to a row that is not there, \
                 or rows that still refer to it would: {said}"
            ),
        },
        _ => format!("{model}.{fields}: {said}"),
    };
    Error::new(kind, message).with_table(owner, &columns)
}

/// An end of a foreign key.
enum End {
    /// The rows that refer.
    Source,
    /// The rows that are referred to.
    Target,
}

/// At which end of a foreign key of `owner` a statement on `table` failed, where that can be told: what the server says in words
/// depends on its language.
fn end(
    table: &'static Table,
    owner: &'static Table,
    columns: &[u16],
    server: &ServerError,
    sql: Option<&str>,
) -> Option<End> {
    if server.sqlstate == SqlState::RESTRICT_VIOLATION || !std::ptr::eq(owner, table) {
        return Some(End::Target);
    }
    let refers_to_itself = table.relations.iter().any(|relation| {
        relation.kind == RelationKind::BelongsTo
            && (relation.columns)() == columns
            && std::ptr::eq((relation.target)(), table)
    });
    let verb = sql.and_then(|sql| sql.split_whitespace().next()).unwrap_or_default();
    match (refers_to_itself, verb) {
        (false, _) | (true, "insert") => Some(End::Source),
        (true, "delete") => Some(End::Target),
        // An update may have changed either end.
        _ => None,
    }
}

/// The columns that an error of the server is about: those of a constraint, or the one it names. They may belong to a
/// table that refers to the statement's.
fn concerned(table: &'static Table, server: &ServerError) -> Option<(&'static Table, Vec<u16>)> {
    let related = table.relations.iter().map(|relation| (relation.target)());
    std::iter::once(table)
        .chain(related)
        .filter(|table| server.table().is_none_or(|name| name == table.name))
        .find_map(|table| Some((table, columns(table, server)?)))
}

fn columns(table: &'static Table, server: &ServerError) -> Option<Vec<u16>> {
    let Some(name) = server.constraint() else {
        let named = server.column()?;
        let index = table.columns.iter().position(|column| column.name == named)?;
        return Some(vec![u16::try_from(index).ok()?]);
    };
    if name == names::primary_key(table) {
        return Some(table.key.to_vec());
    }
    let unique = table.uniques.iter().find(|unique| names::unique(table, unique) == name);
    if let Some(unique) = unique {
        return Some(unique.columns.to_vec());
    }
    table
        .relations
        .iter()
        .filter(|relation| relation.kind == RelationKind::BelongsTo)
        .map(|relation| (relation.columns)())
        .find(|columns| names::foreign_key(table, columns) == name)
        .map(<[u16]>::to_vec)
}
