//! What is said of a COPY before it begins, whichever way it goes.

use stellata_protocol::{Catalog, FieldDescription, Oid};

use crate::connection::Connection;
use crate::connection::copy::Described;
use crate::copy::lines::{Forms, LineWriter};
use crate::copy::options::{CopyFormat, CopyOptions, Subject};
use crate::copy::place::Lines;
use crate::copy::progress::{CopyProgress, Observer, Report};
use crate::error::{Error, ErrorKind, Result};

/// A COPY that is about to begin.
#[derive(Debug)]
pub(super) struct Request<'c> {
    pub(super) connection: &'c mut Connection,
    pub(super) subject: Subject,
    pub(super) options: CopyOptions,
    pub(super) types: Option<Box<[Oid]>>,
    pub(super) observer: Observer,
}

/// The columns of a COPY of values.
#[derive(Debug)]
pub(super) struct Columns {
    /// Where the server was asked for them.
    pub(super) described: Option<Described>,
    pub(super) types: Box<[Oid]>,
    /// How the values look as text; `None` for binary data.
    pub(super) forms: Option<Forms>,
}

impl<'c> Request<'c> {
    pub(super) fn new(connection: &'c mut Connection, subject: Subject) -> Self {
        let (options, types, observer) = (CopyOptions::default(), None, Observer::none());
        Self { connection, subject, options, types, observer }
    }

    /// Says that values are copied: in binary, unless another form is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for text in another encoding than that of Rust's.
    pub(super) fn of_values(&mut self) -> Result<()> {
        self.options = std::mem::take(&mut self.options).or_format(CopyFormat::Binary);
        self.options.check_encoding()
    }

    /// Begins lines with the names of the columns. Returns how many lines these are.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where nobody has told them.
    pub(super) fn header(
        &self,
        described: Option<&Described>,
        lines: &mut LineWriter,
    ) -> Result<u64> {
        let asked = described.into_iter().flat_map(|described| &described.fields);
        let asked = asked.map(|field| &*field.name);
        let named = self.subject.names().iter().map(String::as_str);
        let names: Vec<&str> = if described.is_some() { asked.collect() } else { named.collect() };
        if names.is_empty() {
            let message = "the header names columns that nobody has named";
            return Err(Error::new(ErrorKind::Usage, message));
        }
        lines.header(names).map_err(Error::encode)
    }

    /// The command.
    pub(super) fn command(&self, direction: &str) -> Result<String> {
        self.subject.command(direction, &self.options).map_err(Error::encode)
    }

    /// What becomes of the request once the COPY has begun.
    pub(super) fn into_report(self) -> (&'c mut Connection, Report) {
        let relation = self.subject.relation().map(str::to_owned);
        let is_raw = matches!(self.subject, Subject::Raw(_));
        let is_binary = !is_raw && self.options.data_format() == CopyFormat::Binary;
        let lines = if is_binary { Lines::Rows } else { Lines::Own };
        let progress = CopyProgress::default();
        (self.connection, Report { relation, lines, progress, observer: self.observer })
    }

    /// Asks for the columns, where they are not told.
    ///
    /// # Errors
    /// Those of asking; [`ErrorKind::Usage`] where nobody can tell them, and for a type that has no text.
    pub(super) async fn columns(&mut self) -> Result<Columns> {
        let connection = &mut *self.connection;
        connection.settle().await?;
        let described = match (&self.types, self.subject.columns().map_err(Error::encode)?) {
            (Some(_), _) => None,
            (None, Some(sql)) => Some(connection.describe_columns(&sql).await?),
            (None, None) => return Err(untold()),
        };
        let types = match (&self.types, &described) {
            (Some(types), _) => types.clone(),
            (None, Some(described)) => described.types(),
            (None, None) => return Err(untold()),
        };
        let forms = match self.options.data_format() {
            CopyFormat::Binary => None,
            CopyFormat::Text | CopyFormat::Csv => {
                for &oid in &types {
                    connection.user_type(oid).await?;
                }
                let found = Forms::new(types.clone(), connection.catalog());
                let fields = described.as_ref().map(|described| &*described.fields);
                Some(found.map_err(|(column, error)| {
                    let catalog = connection.catalog();
                    textless(column, &types, fields.unwrap_or_default(), &catalog, error)
                })?)
            }
        };
        Ok(Columns { described, types, forms })
    }
}

/// What can be said of a COPY before it begins, the same of both ways.
macro_rules! settings {
    () => {
        /// Sets how the data looks. Where they say no format, rows of values are binary, and all else is text.
        pub fn options(mut self, options: CopyOptions) -> Self {
            self.request.options = options;
            self
        }

        /// Tells the types of the columns, so that the server need not be asked. A value of another type is refused; where a
        /// told type is not the column's, a value may be taken for another one.
        pub fn types(mut self, types: impl Into<Box<[Oid]>>) -> Self {
            self.request.types = Some(types.into());
            self
        }

        /// Has a function told how far the COPY has come, after each 64 KB and at the end.
        pub fn progress(mut self, observe: impl FnMut(CopyProgress) + Send + 'static) -> Self {
            self.request.observer = Observer::new(observe);
            self
        }
    };
}
pub(super) use settings;

#[cold]
fn untold() -> Error {
    Error::new(
        ErrorKind::Usage,
        "the types of the columns of a COPY of the caller's own are not known: they are to be told by `types`",
    )
}

#[cold]
fn textless(
    column: usize,
    types: &[Oid],
    fields: &[FieldDescription],
    catalog: &Catalog,
    error: stellata_protocol::Error,
) -> Error {
    let oid = types.get(column).copied().unwrap_or(Oid::UNSPECIFIED);
    let name = fields.get(column).map(|field| format!(" `{}`", field.name)).unwrap_or_default();
    let of_type = match (oid.name(), catalog.get(oid)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(known)) => format!("{}.{}", known.schema, known.name),
        (None, None) => format!("with OID {oid}"),
    };
    let message = format!(
        "column {}{name} is of type {of_type}, which can't be copied as text from and to values: {}; copy it in \
         binary, or as bytes",
        column + 1,
        error.message()
    );
    Error::new(ErrorKind::Usage, message)
}
