//! What a COPY copies, and how: the text of the command (manual: "COPY").

use std::fmt::Write as _;

use stellata_protocol::{Result, quote};

use crate::copy::table::CopyTable;
use crate::error::ErrorKind;

/// The form of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    /// Lines of columns, divided by tabs; a backslash escapes.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// The binary forms of the types.
    Binary,
}

/// What the first line of text or CSV data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyHeader {
    /// The names of the columns, to be passed over on the way in.
    Names,
    /// The names of the columns, which must be those of the table, on the way in (server 15 and later).
    Match,
}

/// How the data of a COPY looks. What is not said is as the server has it by default.
///
/// Every value is quoted by the one function that quotes. What does not fit together (a delimiter for binary data, a quote
/// that is no single byte) is refused by the server.
///
/// ```
/// use stellata_client::{CopyHeader, CopyOptions};
///
/// let options = CopyOptions::csv().header(CopyHeader::Names).delimiter(';').null("NULL");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    format: Option<CopyFormat>,
    delimiter: Option<char>,
    null: Option<String>,
    default: Option<String>,
    header: Option<CopyHeader>,
    quote: Option<char>,
    escape: Option<char>,
    force_quote: Option<Columns>,
    force_not_null: Option<Columns>,
    force_null: Option<Columns>,
    encoding: Option<String>,
    on_error: Option<String>,
    freeze: bool,
    condition: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Columns {
    All,
    Some(Vec<String>),
}

impl CopyOptions {
    /// The server's defaults: text; but rows of values are binary where no format is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines of columns, divided by tabs.
    #[must_use]
    pub fn text() -> Self {
        Self::new().format(CopyFormat::Text)
    }

    /// Comma-separated values.
    #[must_use]
    pub fn csv() -> Self {
        Self::new().format(CopyFormat::Csv)
    }

    /// The binary forms of the types.
    #[must_use]
    pub fn binary() -> Self {
        Self::new().format(CopyFormat::Binary)
    }

    /// Sets the form of the data.
    #[must_use]
    pub fn format(mut self, format: CopyFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets what stands between two columns: one byte. Default: a tab in text, a comma in CSV.
    #[must_use]
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// Sets what stands for NULL. Default: `\N` in text, nothing without quotes in CSV.
    #[must_use]
    pub fn null(mut self, null: impl Into<String>) -> Self {
        self.null = Some(null.into());
        self
    }

    /// Sets what stands for the column's default on the way in (server 16 and later). Default: nothing does.
    #[must_use]
    pub fn default_marker(mut self, marker: impl Into<String>) -> Self {
        self.default = Some(marker.into());
        self
    }

    /// Says that the first line is a header. Default: it is a row.
    #[must_use]
    pub fn header(mut self, header: CopyHeader) -> Self {
        self.header = Some(header);
        self
    }

    /// Sets the quote of CSV: one byte. Default: `"`.
    #[must_use]
    pub fn quote(mut self, quote: char) -> Self {
        self.quote = Some(quote);
        self
    }

    /// Sets what stands before a quote within quotes, in CSV: one byte. Default: the quote itself.
    #[must_use]
    pub fn escape(mut self, escape: char) -> Self {
        self.escape = Some(escape);
        self
    }

    /// Has all values quoted that are not NULL, on the way out in CSV.
    #[must_use]
    pub fn force_quote_all(mut self) -> Self {
        self.force_quote = Some(Columns::All);
        self
    }

    /// Has the values of these columns quoted that are not NULL, on the way out in CSV.
    #[must_use]
    pub fn force_quote(mut self, columns: &[&str]) -> Self {
        self.force_quote = Some(Columns::of(columns));
        self
    }

    /// Has no value of these columns taken for NULL, on the way in of CSV.
    #[must_use]
    pub fn force_not_null(mut self, columns: &[&str]) -> Self {
        self.force_not_null = Some(Columns::of(columns));
        self
    }

    /// Has also quoted values of these columns taken for NULL, on the way in of CSV.
    #[must_use]
    pub fn force_null(mut self, columns: &[&str]) -> Self {
        self.force_null = Some(Columns::of(columns));
        self
    }

    /// Sets the encoding of text and CSV data by the server's name of it, such as `LATIN1`. Default: UTF-8, that of the
    /// session.
    #[must_use]
    pub fn encoding(mut self, encoding: impl Into<String>) -> Self {
        self.encoding = Some(encoding.into());
        self
    }

    /// Sets what the server does about a value that it can't read: `stop`, or `ignore` to pass over the row (server 17 and
    /// later). Default: `stop`.
    #[must_use]
    pub fn on_error(mut self, action: impl Into<String>) -> Self {
        self.on_error = Some(action.into());
        self
    }

    /// Stores rows frozen, on the way into a table that the same transaction has made or emptied.
    #[must_use]
    pub fn freeze(mut self) -> Self {
        self.freeze = true;
        self
    }

    /// Has only rows stored for which a condition holds, on the way in. It is SQL and goes into the command as it is: never
    /// put into it what you have not written.
    #[must_use]
    pub fn filter_sql(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    pub(super) fn data_format(&self) -> CopyFormat {
        self.format.unwrap_or_default()
    }

    /// Sets the form of the data where none is set.
    pub(super) fn or_format(mut self, format: CopyFormat) -> Self {
        self.format.get_or_insert(format);
        self
    }

    pub(super) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Refuses what the server would not read as the text that it is here.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an encoding other than UTF-8.
    pub(super) fn check_encoding(&self) -> crate::error::Result<()> {
        match &self.encoding {
            Some(name) if !matches!(&*name.to_ascii_lowercase(), "utf8" | "utf-8" | "unicode") => {
                let message = format!(
                    "values are text in UTF-8, and the options say {name}: copy bytes for that"
                );
                Err(crate::error::Error::new(ErrorKind::Usage, message))
            }
            _ => Ok(()),
        }
    }

    /// What lines of this form are written with: delimiter, NULL, quote, escape.
    pub(super) fn marks(&self) -> Marks<'_> {
        let csv = self.data_format() == CopyFormat::Csv;
        let quote = self.quote.unwrap_or('"');
        Marks {
            delimiter: self.delimiter.unwrap_or(if csv { ',' } else { '\t' }),
            null: self.null.as_deref().unwrap_or(if csv { "" } else { "\\N" }),
            default: self.default.as_deref(),
            quote: csv.then_some((quote, self.escape.unwrap_or(quote))),
        }
    }

    fn append_to(&self, sql: &mut String) -> Result<()> {
        let format = match self.data_format() {
            CopyFormat::Text => "text",
            CopyFormat::Csv => "csv",
            CopyFormat::Binary => "binary",
        };
        let mut list = vec![quote::option("format", format)?];
        let header = self.header.map(|header| match header {
            CopyHeader::Names => "true",
            CopyHeader::Match => "match",
        });
        let character = |value: Option<char>| value.map(String::from);
        for (name, value) in [
            ("delimiter", character(self.delimiter).as_deref()),
            ("null", self.null.as_deref()),
            ("default", self.default.as_deref()),
            ("header", header),
            ("quote", character(self.quote).as_deref()),
            ("escape", character(self.escape).as_deref()),
            ("encoding", self.encoding.as_deref()),
            ("on_error", self.on_error.as_deref()),
            ("freeze", self.freeze.then_some("true")),
        ] {
            if let Some(value) = value {
                list.push(quote::option(name, value)?);
            }
        }
        for (name, columns) in [
            ("force_quote", &self.force_quote),
            ("force_not_null", &self.force_not_null),
            ("force_null", &self.force_null),
        ] {
            match columns {
                None => {}
                Some(Columns::All) => list.push(quote::identifier(name)? + " *"),
                Some(Columns::Some(columns)) => {
                    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                    list.push(quote::column_option(name, &columns)?);
                }
            }
        }
        // Writing to a string does not fail.
        let _ = write!(sql, " with ({})", list.join(", "));
        if let Some(condition) = &self.condition {
            let _ = write!(sql, " where {condition}");
        }
        Ok(())
    }
}

impl Columns {
    fn of(columns: &[&str]) -> Self {
        Self::Some(columns.iter().map(|&column| column.to_owned()).collect())
    }
}

/// What lines are written with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'o> {
    pub(super) delimiter: char,
    pub(super) null: &'o str,
    /// What stands for the column's default, where something does.
    pub(super) default: Option<&'o str>,
    /// Quote and escape of CSV.
    pub(super) quote: Option<(char, char)>,
}

/// What is copied.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// A table, by the parts of its name, and its columns; none for all of them.
    Table(Vec<String>, Vec<String>),
    /// A query.
    Query(String),
    /// A whole command.
    Raw(String),
}

impl Subject {
    pub(super) fn table(table: CopyTable, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self::Table(table.into_parts(), columns)
    }

    /// The command.
    pub(super) fn command(&self, direction: &str, options: &CopyOptions) -> Result<String> {
        let mut sql = String::from("copy ");
        match self {
            Self::Raw(command) => return Ok(command.clone()),
            Self::Query(query) => {
                // A comment at the end of the query must not swallow the bracket.
                let _ = write!(sql, "({query}\n)");
            }
            Self::Table(name, columns) => {
                sql.push_str(&list(name, ".")?);
                if !columns.is_empty() {
                    let _ = write!(sql, " ({})", list(columns, ", ")?);
                }
            }
        }
        sql.push_str(direction);
        options.append_to(&mut sql)?;
        Ok(sql)
    }

    /// The columns of a table that are named.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Table(_, columns) => columns,
            _ => &[],
        }
    }

    /// A query with the columns that are copied; `None` where they can't be told.
    pub(super) fn columns(&self) -> Result<Option<String>> {
        match self {
            Self::Raw(_) => Ok(None),
            Self::Query(query) => Ok(Some(query.clone())),
            Self::Table(name, columns) => {
                let columns =
                    if columns.is_empty() { "*".to_owned() } else { list(columns, ", ")? };
                Ok(Some(format!("select {columns} from {}", list(name, ".")?)))
            }
        }
    }

    /// The table's own name, by which the server speaks of it.
    pub(super) fn relation(&self) -> Option<&str> {
        match self {
            Self::Table(name, _) => name.last().map(String::as_str),
            _ => None,
        }
    }
}

/// Names, each of them quoted.
fn list(names: &[String], between: &str) -> Result<String> {
    let quoted = names.iter().map(|name| quote::identifier(name)).collect::<Result<Vec<_>>>()?;
    Ok(quoted.join(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_value_is_quoted() {
        let options = CopyOptions::csv()
            .header(CopyHeader::Match)
            .delimiter(';')
            .null("it's")
            .force_null(&["a\"b"])
            .force_quote_all()
            .encoding("LATIN1")
            .freeze()
            .filter_sql("n > 3");
        let subject = Subject::table("music.Tracks".into(), &["id", "it\"le"]);
        assert_eq!(
            subject.command(" from stdin", &options).as_deref(),
            Ok(
                "copy \"music\".\"Tracks\" (\"id\", \"it\"\"le\") from stdin with (\"format\" 'csv', \
                \"delimiter\" ';', \"null\" 'it''s', \"header\" 'match', \"encoding\" 'LATIN1', \
                \"freeze\" 'true', \"force_quote\" *, \"force_null\" (\"a\"\"b\")) where n > 3"
            )
        );
        assert_eq!(
            subject.columns().unwrap().as_deref(),
            Some("select \"id\", \"it\"\"le\" from \"music\".\"Tracks\"")
        );
        assert_eq!(subject.relation(), Some("Tracks"));
    }

    #[test]
    fn a_table_without_columns_and_a_query() {
        let table = Subject::table("t".into(), &[]);
        assert_eq!(
            table.command(" to stdout", &CopyOptions::binary()).as_deref(),
            Ok("copy \"t\" to stdout with (\"format\" 'binary')")
        );
        assert_eq!(table.columns().unwrap().as_deref(), Some("select * from \"t\""));
        let query = Subject::Query("select 1 -- one".to_owned());
        assert_eq!(
            query.command(" to stdout", &CopyOptions::text()).as_deref(),
            Ok("copy (select 1 -- one\n) to stdout with (\"format\" 'text')")
        );
        let pair = Subject::table(("music.old", "v1.2").into(), &[]);
        assert_eq!(
            pair.columns().unwrap().as_deref(),
            Some("select * from \"music.old\".\"v1.2\"")
        );
        let named = Subject::table(CopyTable::named("v1.2"), &[]);
        assert_eq!(named.columns().unwrap().as_deref(), Some("select * from \"v1.2\""));
        assert_eq!((pair.relation(), named.relation()), (Some("v1.2"), Some("v1.2")));
        assert!(Subject::table("".into(), &[]).command("", &CopyOptions::text()).is_err());
        assert!(Subject::table("a\0".into(), &[]).command("", &CopyOptions::text()).is_err());
    }
}
