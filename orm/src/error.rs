//! What can go wrong between a model and its table.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;
use stellata_client::{ServerError, SqlState};

use crate::model::Model;
use crate::model::column::Column;
use crate::model::path::Path;
use crate::model::table::Table;

/// Why an operation on models failed.
///
/// It is one word wide. [`kind`](Self::kind) tells the family, [`model`](Self::model) and [`fields`](Self::fields) what
/// it is about, and its text everything else: the SQL with a mark at the place that the server named, and the line of the
/// program that asked. It never holds the value of a parameter.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Box<str>,
    table: Option<&'static Table>,
    columns: SmallVec<[u16; 4]>,
    sql: Option<Box<str>>,
    /// Where the server found the fault, as a count of letters from 1.
    position: Option<u32>,
    server: Option<Box<ServerError>>,
    caller: Option<&'static Location<'static>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The family an [`Error`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such row.
    NotFound,
    /// Several rows where exactly one was asked for.
    Multiple,
    /// A row with the same unique key is there (SQLSTATE 23505).
    Unique,
    /// A row that another points to is missing, or is still pointed to (23503).
    ForeignKey,
    /// A column that may not be NULL would be (23502).
    NotNull,
    /// A check of the table failed (23514).
    Check,
    /// An exclusion constraint failed (23P01).
    Exclusion,
    /// A relation was read that no query had loaded.
    NotLoaded,
    /// A statement that was not sent, because it would do what was hardly meant: an update or delete of all rows.
    Refused,
    /// A query, or a model, that makes no sense, or a value that its column's type can't hold.
    Usage,
    /// The transaction can't be used now: it failed, or a savepoint inside it is open.
    Transaction,
    /// The server rolled back where a commit was asked for.
    RolledBack,
    /// The answer to a commit was lost: it may have happened or not.
    OutcomeUnknown,
    /// Two transactions stood in each other's way; running it again may help (40001, 40P01).
    Serialization,
    /// A value that came back can't be read into its field.
    Decode,
    /// The connection broke, or none was to be had.
    Connection,
    /// A limit of time ran out.
    Timeout,
    /// The server refused the statement for any other reason; see [`Error::sqlstate`].
    Database,
}

/// The result of an operation on models.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Box<str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            table: None,
            columns: SmallVec::new(),
            sql: None,
            position: None,
            server: None,
            caller: None,
            source: None,
        }))
    }

    /// A mistake in a query or model, or a value that can't be written.
    #[cold]
    pub(crate) fn usage(error: stellata_protocol::Error) -> Self {
        Self::new(ErrorKind::Usage, error.message()).with_source(error)
    }

    /// A value that can't be written: of a row, where its column is known, or of a condition.
    #[cold]
    pub(crate) fn unwritable(
        table: &'static Table,
        column: Option<u16>,
        error: stellata_protocol::Error,
    ) -> Self {
        let field = column.and_then(|column| table.columns.get(usize::from(column)));
        let message = match field {
            Some(field) => format!("{}.{}: {}", table.model, field.field, error.message()),
            None => format!("{}: {}", table.model, error.message()),
        };
        Self::new(ErrorKind::Usage, message).with_table(table, column.as_slice()).with_source(error)
    }

    #[cold]
    pub(crate) fn not_found(table: &'static Table) -> Self {
        let keys: Vec<&str> = table
            .key
            .iter()
            .filter_map(|&index| table.columns.get(usize::from(index)))
            .map(|column| column.field)
            .collect();
        let message = if keys.is_empty() {
            format!("{}: no such row", table.model)
        } else {
            format!("{}: no row with this {}", table.model, keys.join(", "))
        };
        Self::new(ErrorKind::NotFound, message).with_table(table, table.key)
    }

    #[cold]
    pub(crate) fn not_loaded(site: Option<(&'static Table, u8)>) -> Self {
        let Some((table, index)) = site else {
            return Self::new(ErrorKind::NotLoaded, "a relation that no query has loaded was read");
        };
        let name = table.relations.get(usize::from(index)).map_or("?", |relation| relation.name);
        let message = format!(
            "{model}.{name} was not loaded: name it in the query, `{model}::query().include(|x| x.{name}())`",
            model = table.model
        );
        Self::new(ErrorKind::NotLoaded, message).with_table(table, &[])
    }

    #[must_use]
    pub(crate) fn with_table(mut self, table: &'static Table, columns: &[u16]) -> Self {
        self.0.table = Some(table);
        self.0.columns = SmallVec::from_slice(columns);
        self
    }

    #[must_use]
    #[cfg(test)]
    fn with_sql(mut self, sql: &str, position: Option<u32>) -> Self {
        self.0.sql = Some(sql.into());
        self.0.position = position;
        self
    }

    #[must_use]
    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the server said, and of which statement.
    #[must_use]
    pub(crate) fn with_server(mut self, server: &ServerError, sql: Option<&str>) -> Self {
        self.0.sql = sql.map(Box::from);
        self.0.position = server.position();
        self.0.server = Some(Box::new(server.clone()));
        self
    }

    /// The line of the user's program, unless one is known already.
    #[must_use]
    pub(crate) fn at(mut self, caller: &'static Location<'static>) -> Self {
        self.0.caller.get_or_insert(caller);
        self
    }

    /// The family of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the model that it is about, where one is.
    #[must_use]
    pub fn model(&self) -> Option<&'static str> {
        self.0.table.map(|table| table.model)
    }

    /// The fields that it is about: those of the constraint that failed.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        let table = self.0.table;
        self.0.columns.iter().filter_map(move |&index| {
            table?.columns.get(usize::from(index)).map(|column| column.field)
        })
    }

    /// Whether it is about this field of the model `M`.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct User { #[model(key, identity)] id: Id<User>, #[model(unique)] email: String }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// match new!(User { email: "a@b.c" }).insert(db).await {
    ///     Ok(user) => println!("{}", user.id),
    ///     Err(error) if error.is::<User, _>(|u| u.email) => println!("this address is taken"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is<M: Model, T>(&self, field: impl FnOnce(M::Fields<M>) -> Column<M, T>) -> bool {
        let column = field(M::fields(Path::ROOT));
        self.0.table.is_some_and(|table| std::ptr::eq(table, M::TABLE))
            && column.path == Path::ROOT
            && self.0.columns.contains(&column.index)
    }

    /// The server's code for what went wrong, where it was the server that refused.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        self.0.server.as_ref().map(|server| server.sqlstate)
    }

    /// All that the server said. Its detail may hold values of the row that it is about.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_deref()
    }

    /// The line of the program that ran the statement.
    #[must_use]
    pub fn caller(&self) -> Option<&'static Location<'static>> {
        self.0.caller
    }

    /// The statement's SQL, where the server had something to say about it.
    #[must_use]
    pub fn sql(&self) -> Option<&str> {
        self.0.sql.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(sql) = &self.0.sql {
            mark(f, sql, self.0.position)?;
        }
        if let Some(hint) = self.0.server.as_ref().and_then(|server| server.hint()) {
            write!(f, "\n  hint: {hint}")?;
        }
        match self.0.caller {
            Some(caller) => write!(f, "\n  at {caller}"),
            None => Ok(()),
        }
    }
}

/// Writes the line of `sql` that holds the letter at `position`, with a mark below it.
fn mark(f: &mut fmt::Formatter<'_>, sql: &str, position: Option<u32>) -> fmt::Result {
    /// How many letters of a long line are shown before and after the mark.
    const AROUND: usize = 60;
    let Some(index) = position.and_then(|position| usize::try_from(position).ok()?.checked_sub(1))
    else {
        return write!(f, "\n  in {sql}");
    };
    let mut start = 0;
    for line in sql.split('\n') {
        let letters = line.chars().count();
        if index <= start + letters {
            let column = index - start;
            let first = column.saturating_sub(AROUND);
            let shown: String = line.chars().skip(first).take(2 * AROUND).collect();
            let ahead = if first > 0 { "..." } else { "" };
            // Tabs stay tabs, so that the mark stands below its letter whatever a tab is worth.
            let tab_or_blank = |letter| if letter == '\t' { '\t' } else { ' ' };
            let blank: String = shown.chars().take(column - first).map(tab_or_blank).collect();
            let before = " ".repeat(ahead.len());
            return write!(f, "\n  {ahead}{shown}\n  {before}{blank}^");
        }
        start += letters + 1;
    }
    write!(f, "\n  in {sql}")
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| {
            let source: &(dyn StdError + 'static) = source;
            source
        })
    }
}

impl From<stellata_protocol::Error> for Error {
    fn from(error: stellata_protocol::Error) -> Self {
        Self::usage(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_letter_that_the_server_named() {
        let error = Error::new(ErrorKind::Database, "column \"nmae\" does not exist")
            .with_sql("select é,\n  nmae from t", Some(13));
        assert_eq!(error.to_string(), "column \"nmae\" does not exist\n    nmae from t\n    ^");
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides() {
        let sql = format!("{}x{}", "a".repeat(100), "b".repeat(100));
        let text = Error::new(ErrorKind::Database, "m").with_sql(&sql, Some(101)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][at..=at], "x");
        assert!(lines[1].len() < 130);
    }

    #[test]
    fn the_mark_stands_below_its_letter_behind_tabs_too() {
        let error = Error::new(ErrorKind::Database, "m").with_sql("select\t\ta, nmae", Some(12));
        assert_eq!(error.to_string(), "m\n  select\t\ta, nmae\n        \t\t   ^");
    }

    #[test]
    fn a_position_past_the_end_is_survived() {
        let error = Error::new(ErrorKind::Database, "m").with_sql("select", Some(4_000_000_000));
        assert_eq!(error.to_string(), "m\n  in select");
        let error = Error::new(ErrorKind::Database, "m").with_sql("select", Some(0));
        assert_eq!(error.to_string(), "m\n  in select");
    }

    #[test]
    fn it_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
