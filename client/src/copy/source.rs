//! COPY TO STDOUT: rows and bytes out.

use std::any::type_name;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use stellata_protocol::copy::BinaryCopyReader;
use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{ColumnError, Columns, Expect, FieldDescription, Format, FromRow, Oid};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::copy::lines::LineReader;
use crate::copy::options::{CopyOptions, Subject};
use crate::copy::outflow::{End, NOTHING, Outflow};
use crate::copy::progress::{CopyProgress, Observer};
use crate::copy::request::{self, Request, settings};
use crate::copy::table::CopyTable;
use crate::error::{Error, ErrorKind, Result};

impl Connection {
    /// Prepares to copy the rows of a table out: [`CopyOut`] says into what. Table and columns are named as for
    /// [`Connection::copy_in`].
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// let mut rows = connection.copy_out("music.tracks", &["position", "title"]).rows::<(i32, String)>().await?;
    /// while let Some((position, title)) = rows.next().await? {
    ///     println!("{position}. {title}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn copy_out(&mut self, table: impl Into<CopyTable>, columns: &[&str]) -> CopyOut<'_> {
        CopyOut { request: Request::new(self, Subject::table(table.into(), columns)) }
    }

    /// Prepares to copy the rows of a query out. It is SQL and goes into the command as it is; parameters it can't have.
    pub fn copy_out_query(&mut self, query: &str) -> CopyOut<'_> {
        CopyOut { request: Request::new(self, Subject::Query(query.to_owned())) }
    }

    /// Prepares to copy by a command of the caller's own, a `copy .. to stdout` with its options. Of rows of values the types
    /// are to be told: [`CopyOut::types`].
    pub fn copy_out_sql(&mut self, command: &str) -> CopyOut<'_> {
        CopyOut { request: Request::new(self, Subject::Raw(command.to_owned())) }
    }
}

/// A COPY out of the server that is about to begin.
///
/// What comes is handed on before more is read, so that a slow consumer holds the server back and memory stays bounded, however
/// many rows there are.
///
/// When what is made of it is dropped before its end, the connection's next use reads a little more of it, 1 MiB or for a second
/// at most, and then has the server cancel it. Within a transaction, which a cancellation fails, it reads 64 MiB or for ten seconds
/// first; where there is more, the transaction has failed then, and the server's error for its next statement says why. Calls that
/// can't wait, [`Connection::batch`] and [`CopyIn::writer`](crate::CopyIn::writer), read it to its end.
#[derive(Debug)]
#[must_use = "nothing is copied until it is said into what"]
pub struct CopyOut<'c> {
    request: Request<'c>,
}

impl<'c> CopyOut<'c> {
    settings!();

    /// Begins to copy rows out, each of which becomes a `T`: a tuple, or a type that implements [`FromRow`].
    ///
    /// The values travel in binary; or as lines of text or CSV where the options say so, for the types that
    /// [`textual`](stellata_protocol::textual) knows. The types of the columns are asked for in a round trip before the first
    /// COPY of a table or query, and known from then on.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the server refuses the COPY, [`ErrorKind::Decode`] when a column does not fit,
    /// [`ErrorKind::Usage`] for a command of the caller's own without types.
    ///
    /// # Cancel safety
    /// When the future is dropped, the next call passes over what comes, or cancels it; the connection stays usable.
    pub async fn rows<T: for<'r> FromRow<'r>>(self) -> Result<CopyRows<'c, T>> {
        let rows = self.begin_rows().await?;
        let catalog = rows.outflow.connection.catalog();
        let expected = T::expect(&mut Expect::new(&rows.fields).with_catalog(&catalog));
        expected.map_err(|error| column_error(error, &rows.fields, None))?;
        Ok(CopyRows { rows, row: PhantomData })
    }

    /// Copies rows out and hands each to `sink`, borrowed from the read buffer. Returns how many there were.
    ///
    /// # Errors
    /// As [`CopyOut::rows`]. Columns are checked as they are read.
    ///
    /// # Cancel safety
    /// As [`CopyOut::rows`].
    pub async fn each(
        self,
        mut sink: impl FnMut(&mut Columns<'_, true>) -> Result<(), ColumnError>,
    ) -> Result<u64> {
        let mut rows = self.begin_rows().await?;
        let mut checked = |columns: &mut Columns<'_>| columns.checked(&mut sink);
        poll_fn(|cx| {
            loop {
                match rows.poll_next(cx, &mut checked) {
                    Poll::Ready(Ok(Some(()))) => {}
                    end => return end,
                }
            }
        })
        .await?;
        Ok(rows.outflow.report.progress.rows)
    }

    /// Copies data out to a writer, in the form that the options say, and flushes it. Returns how many rows there were.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the server refuses the COPY or gives it up, [`ErrorKind::Stream`] with the error of the
    /// writer as its source.
    ///
    /// # Cancel safety
    /// As [`CopyOut::rows`].
    pub async fn write_to(self, mut writer: impl AsyncWrite + Unpin) -> Result<u64> {
        let mut outflow = self.begin_bytes().await?;
        let mut chunk = Vec::new();
        loop {
            let more = poll_fn(|cx| outflow.poll_chunk(cx, &mut chunk)).await?;
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                match poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, rest)).await {
                    Ok(0) => return Err(unwritable(io::ErrorKind::WriteZero.into())),
                    Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                    Err(error) => return Err(unwritable(error)),
                }
            }
            chunk.clear();
            if !more {
                break;
            }
        }
        poll_fn(|cx| Pin::new(&mut writer).poll_flush(cx)).await.map_err(unwritable)?;
        Ok(outflow.report.progress.rows)
    }

    /// Begins to copy data out, in the form that the options say.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the server refuses the COPY.
    ///
    /// # Cancel safety
    /// As [`CopyOut::rows`].
    pub async fn reader(self) -> Result<CopyReader<'c>> {
        Ok(CopyReader { outflow: self.begin_bytes().await? })
    }

    async fn begin_bytes(self) -> Result<Outflow<'c>> {
        let sql = self.request.command(" to stdout")?;
        let (connection, report) = self.request.into_report();
        let copying = connection.begin_copy_out(&sql, None).await?;
        Ok(Outflow::new(connection, copying, report))
    }

    /// Asks for the COPY and waits until it begins. Where the columns have changed since they were asked for, it asks again.
    async fn begin_rows(mut self) -> Result<RawRows<'c>> {
        self.request.of_values()?;
        let sql = self.request.command(" to stdout")?;
        let mut again = false;
        loop {
            let columns = self.request.columns().await?;
            let connection = &mut *self.request.connection;
            if let Some(described) = &columns.described {
                // What the database numbers by itself has to be known before the first row comes.
                for field in &described.fields {
                    connection.user_type(field.type_oid).await?;
                }
            }
            match connection.begin_copy_out(&sql, columns.described.as_ref()).await {
                // What comes is passed over, or cancelled, before it asks again.
                Ok(copying) if copying.has_changed() && !again => again = true,
                Ok(copying) if copying.has_changed() => return Err(copying.changed()),
                Ok(copying) => {
                    let options = self.request.options.clone();
                    let (connection, report) = self.request.into_report();
                    return Ok(RawRows::new(
                        Outflow::new(connection, copying, report),
                        columns,
                        options,
                    ));
                }
                Err(error)
                    if !again
                        && error.is_stale_statement()
                        && !connection.is_closed()
                        && connection.status() == TransactionStatus::Idle =>
                {
                    again = true;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Rows, whatever becomes of them.
#[derive(Debug)]
struct RawRows<'c> {
    outflow: Outflow<'c>,
    form: Form,
    fields: Box<[FieldDescription]>,
}

/// What the rows are read from.
#[derive(Debug)]
enum Form {
    Binary(BinaryCopyReader),
    Lines(Box<LineReader>),
}

impl<'c> RawRows<'c> {
    fn new(outflow: Outflow<'c>, columns: request::Columns, options: CopyOptions) -> Self {
        let request::Columns { described, types, forms } = columns;
        let fields = match described {
            Some(described) => described.fields,
            None => types.iter().map(|&oid| nameless(oid)).collect(),
        };
        let form = match forms {
            None => Form::Binary(BinaryCopyReader::new(types)),
            Some(forms) => Form::Lines(Box::new(LineReader::new(options, forms))),
        };
        Self { outflow, form, fields }
    }

    fn poll_next<R>(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut impl FnMut(&mut Columns<'_>) -> Result<R, ColumnError>,
    ) -> Poll<Result<Option<R>>> {
        loop {
            if let Some(row) = self.read_whole(read)? {
                return Poll::Ready(Ok(Some(row)));
            }
            if let Some(row) = self.read(read).inspect_err(|_| self.outflow.end = End::Told)? {
                return Poll::Ready(Ok(Some(row)));
            }
            let is_told = matches!(self.outflow.end, End::Told);
            if !ready!(self.outflow.poll_data(cx))? {
                if !is_told {
                    self.form.end().map_err(Error::protocol)?;
                }
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Reads the next message of data where that is one row, as servers send them.
    #[inline]
    fn read_whole<R>(
        &mut self,
        read: &mut impl FnMut(&mut Columns<'_>) -> Result<R, ColumnError>,
    ) -> Result<Option<R>> {
        let Self { outflow, form: Form::Binary(reader), fields } = self else { return Ok(None) };
        if outflow.at != NOTHING || !matches!(outflow.end, End::Ahead) {
            return Ok(None);
        }
        let Some(body) = outflow.connection.next_copy_data() else { return Ok(None) };
        let length = body.len();
        // What is no such row is left to `read`.
        let row = match reader.whole_row(body) {
            None => Ok(None),
            Some(mut columns) => {
                let number = outflow.report.progress.rows.saturating_add(1);
                match read(&mut columns) {
                    Ok(row) => {
                        outflow.report.progress.rows = number;
                        columns.end().map(|()| Some(row)).map_err(Error::protocol)
                    }
                    Err(error) => Err(column_error(error, fields, Some(number))),
                }
            }
        };
        outflow.at = if matches!(row, Ok(None)) { 0 } else { NOTHING };
        outflow.count(length);
        row.inspect_err(|_| outflow.end = End::Told)
    }

    /// Reads a row of what has come.
    fn read<R>(
        &mut self,
        read: &mut impl FnMut(&mut Columns<'_>) -> Result<R, ColumnError>,
    ) -> Result<Option<R>> {
        if matches!(self.outflow.end, End::Told) {
            return Ok(None);
        }
        let body = self.outflow.connection.copy_body();
        let Some(mut rest) = body.get(self.outflow.at..).filter(|rest| !rest.is_empty()) else {
            return Ok(None);
        };
        let number = self.outflow.report.progress.rows.saturating_add(1);
        let columns = match &mut self.form {
            Form::Binary(reader) => reader.row(&mut rest).map_err(Error::protocol)?,
            Form::Lines(lines) => match lines.read(&mut rest) {
                Ok(true) => Some(lines.columns().map_err(Error::protocol)?),
                Ok(false) => None,
                Err(error) => return Err(line_error(error, lines.failed, &self.fields, number)),
            },
        };
        let row = match columns {
            None => None,
            Some(mut columns) => {
                let row = read(&mut columns)
                    .map_err(|error| column_error(error, &self.fields, Some(number)))?;
                columns.end().map_err(Error::protocol)?;
                Some(row)
            }
        };
        self.outflow.at =
            if rest.is_empty() { NOTHING } else { body.len().saturating_sub(rest.len()) };
        if row.is_some() {
            self.outflow.report.progress.rows = number;
        }
        Ok(row)
    }
}

impl Form {
    /// Checks that the data has come to its end.
    fn end(&self) -> stellata_protocol::Result<()> {
        match self {
            Self::Binary(reader) => reader.end(),
            Self::Lines(lines) => lines.end(),
        }
    }
}

/// Rows that a COPY gives, one by one.
///
/// Dropped before its end, the rest is left as [`CopyOut`] says.
pub struct CopyRows<'c, T> {
    rows: RawRows<'c>,
    row: PhantomData<fn() -> T>,
}

impl<T: for<'r> FromRow<'r>> CopyRows<'_, T> {
    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] naming row and column, [`ErrorKind::Server`] when the server gives the COPY up. Nothing follows
    /// then.
    ///
    /// # Cancel safety
    /// No row is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<T>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next row, for those who poll. With the feature `stream` the rows are a `futures` stream too.
    ///
    /// # Errors
    /// As [`CopyRows::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        self.rows.poll_next(cx, &mut |columns| T::from_row(columns))
    }
}

impl<T> fmt::Debug for CopyRows<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CopyRows").field(&self.rows).finish()
    }
}

/// The data of a COPY, piece by piece, or as an [`AsyncRead`].
///
/// Dropped before its end, the rest is left as [`CopyOut`] says.
#[derive(Debug)]
pub struct CopyReader<'c> {
    outflow: Outflow<'c>,
}

impl CopyReader<'_> {
    /// The next piece of the data, borrowed from the read buffer; `None` at the end. Servers send a row at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the server gives the COPY up.
    ///
    /// # Cancel safety
    /// No piece is lost when the future is dropped.
    pub async fn piece(&mut self) -> Result<Option<&[u8]>> {
        loop {
            if !poll_fn(|cx| self.outflow.poll_data(cx)).await? {
                return Ok(None);
            }
            if !self.outflow.unused().is_empty() {
                // What is handed out is used.
                let body = self.outflow.connection.copy_body();
                self.outflow.at = NOTHING;
                return Ok(Some(body));
            }
        }
    }

    /// How many rows there were, once the end was reached.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.outflow.report.progress.rows
    }
}

impl AsyncRead for CopyReader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outflow = &mut self.get_mut().outflow;
        let before = into.filled().len();
        while into.remaining() > 0 {
            let unused = outflow.unused();
            let count = unused.len().min(into.remaining());
            if let Some(bytes) = unused.get(..count).filter(|bytes| !bytes.is_empty()) {
                into.put_slice(bytes);
                outflow.at = outflow.at.saturating_add(count);
                continue;
            }
            let has_some = into.filled().len() > before;
            match outflow.poll_data(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Pending if !has_some => return Poll::Pending,
                Poll::Ready(Err(error)) if !has_some => {
                    return Poll::Ready(Err(io::Error::other(error)));
                }
                Poll::Ready(Err(error)) => {
                    outflow.end = End::Failed(error);
                    break;
                }
                Poll::Pending | Poll::Ready(Ok(false)) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A column of which no more is known than its type.
fn nameless(type_oid: Oid) -> FieldDescription {
    FieldDescription {
        name: "".into(),
        table_oid: Oid::UNSPECIFIED,
        column_number: 0,
        type_oid,
        type_size: -1,
        type_modifier: -1,
        format: Format::Binary,
    }
}

/// Says which row, which column, which types, and what is wrong.
#[cold]
fn column_error(error: ColumnError, fields: &[FieldDescription], row: Option<u64>) -> Error {
    // Not one that is inside a value.
    let is_about_all = error.index >= fields.len() || error.rust_type == type_name::<()>();
    if is_about_all && error.error.kind() == stellata_protocol::ErrorKind::ColumnCount {
        let names = fields.iter().filter(|field| !field.name.is_empty());
        let mut names =
            names.map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
        if !names.is_empty() {
            names = format!(": {names}");
        }
        let message = format!(
            "the type of a row has another number of fields than the COPY has columns, which are {}{names}",
            fields.len()
        );
        return Error::new(ErrorKind::Decode, message).with_row(row);
    }
    let field = fields.get(error.index);
    let name = field.filter(|field| !field.name.is_empty());
    let name = name.map(|field| format!(" `{}`", field.name)).unwrap_or_default();
    let of_type = field.and_then(|field| field.type_oid.name());
    let of_type = of_type.map(|name| format!(" of type {name}")).unwrap_or_default();
    let message = format!(
        "column {}{name}{of_type} can't be read as `{}`: {}",
        error.index + 1,
        error.rust_type,
        error.error
    );
    Error::new(ErrorKind::Decode, message).with_row(row)
}

/// Says which row, which column, and what is wrong with its text.
#[cold]
fn line_error(
    error: stellata_protocol::Error,
    column: Option<usize>,
    fields: &[FieldDescription],
    row: u64,
) -> Error {
    let message = match column {
        None => format!("a line can't be read: {error}"),
        Some(column) => {
            let field = fields.get(column).filter(|field| !field.name.is_empty());
            let name = field.map(|field| format!(" `{}`", field.name)).unwrap_or_default();
            format!("column {}{name} can't be read from its text: {error}", column + 1)
        }
    };
    Error::new(ErrorKind::Decode, message).with_row(Some(row))
}

#[cold]
fn unwritable(error: io::Error) -> Error {
    let message = format!("what was copied could not be written: {error}");
    Error::with_source(ErrorKind::Stream, message, error)
}
