//! COPY TO STDOUT: rows and bytes out.

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
use crate::connection::copy::Way;
use crate::copy::options::{CopyFormat, CopyOptions, Subject};
use crate::copy::outflow::{End, NOTHING, Outflow};
use crate::copy::progress::{CopyProgress, Observer, Report};
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
    pub fn copy_out(&mut self, table: &str, columns: &[&str]) -> CopyOut<'_> {
        CopyOut::new(self, Subject::table(table, columns))
    }

    /// Prepares to copy the rows of a query out. It is SQL and goes into the command as it is; parameters it can't have.
    pub fn copy_out_query(&mut self, query: &str) -> CopyOut<'_> {
        CopyOut::new(self, Subject::Query(query.to_owned()))
    }

    /// Prepares to copy by a command of the caller's own, a `copy .. to stdout` with its options. Of rows of values the types
    /// are to be told: [`CopyOut::types`].
    pub fn copy_out_sql(&mut self, command: &str) -> CopyOut<'_> {
        CopyOut::new(self, Subject::Raw(command.to_owned()))
    }
}

/// A COPY out of the server that is about to begin.
///
/// What comes is handed on before more is read, so that a slow consumer holds the server back and memory stays bounded, however
/// many rows there are. When what is made of it is dropped before its end, the rows that are still to come are passed over by
/// the connection's next use, or cut short by [`Connection::drain`].
#[derive(Debug)]
#[must_use = "nothing is copied until it is said into what"]
pub struct CopyOut<'c> {
    connection: &'c mut Connection,
    subject: Subject,
    options: CopyOptions,
    types: Option<Box<[Oid]>>,
    observer: Observer,
}

impl<'c> CopyOut<'c> {
    fn new(connection: &'c mut Connection, subject: Subject) -> Self {
        Self {
            connection,
            subject,
            options: CopyOptions::default(),
            types: None,
            observer: Observer::none(),
        }
    }

    /// Sets how the data looks. Rows of values are binary whatever is said here of their format.
    pub fn options(mut self, options: CopyOptions) -> Self {
        self.options = options;
        self
    }

    /// Tells the types of the columns, so that the server need not be asked. Where a told type is not the column's, a value may
    /// be taken for another one.
    pub fn types(mut self, types: impl Into<Box<[Oid]>>) -> Self {
        self.types = Some(types.into());
        self
    }

    /// Has a function told how far the COPY has come, after each 64 KB and at the end.
    pub fn progress(mut self, observe: impl FnMut(CopyProgress) + Send + 'static) -> Self {
        self.observer = Observer::new(observe);
        self
    }

    /// Begins to copy rows out, each of which becomes a `T`: a tuple, or a type that implements [`FromRow`].
    ///
    /// The values travel in binary. The types of the columns are asked for in a round trip before the first COPY of a table or
    /// query, and known from then on.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the server refuses the COPY, [`ErrorKind::Decode`] when a column does not fit,
    /// [`ErrorKind::Usage`] for a command of the caller's own without types.
    ///
    /// # Cancel safety
    /// When the future is dropped, the next call passes over what comes; the connection stays usable.
    pub async fn rows<T: for<'r> FromRow<'r>>(self) -> Result<CopyRows<'c, T>> {
        let (outflow, fields) = self.begin_rows().await?;
        let catalog = outflow.connection.catalog();
        let expected = T::expect(&mut Expect::new(&fields).with_catalog(&catalog));
        expected.map_err(|error| column_error(error, &fields, None))?;
        Ok(CopyRows { rows: RawRows::new(outflow, fields), row: PhantomData })
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
        mut sink: impl FnMut(&mut Columns<'_>) -> Result<(), ColumnError>,
    ) -> Result<u64> {
        let (outflow, fields) = self.begin_rows().await?;
        let mut rows = RawRows::new(outflow, fields);
        while poll_fn(|cx| rows.poll_next(cx, &mut sink)).await?.is_some() {}
        Ok(rows.outflow.report.progress.rows)
    }

    async fn begin_rows(mut self) -> Result<(Outflow<'c>, Box<[FieldDescription]>)> {
        self.options = self.options.format(CopyFormat::Binary);
        self.begin(true).await
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
        let (mut outflow, _) = self.begin(false).await?;
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
        let (outflow, _) = self.begin(false).await?;
        Ok(CopyReader { outflow })
    }

    /// Asks for the COPY and waits until it begins. Where the columns have changed since they were asked for, it asks again.
    async fn begin(self, typed: bool) -> Result<(Outflow<'c>, Box<[FieldDescription]>)> {
        let Self { connection, subject, options, types, observer } = self;
        let sql = subject.command(" to stdout", &options).map_err(Error::encode)?;
        let report = Report {
            relation: subject.relation().map(str::to_owned),
            progress: CopyProgress::default(),
            observer,
        };
        let mut again = false;
        loop {
            let described = match (typed, &types) {
                (true, None) => match subject.columns().map_err(Error::encode)? {
                    Some(sql) => Some(connection.describe_columns(&sql).await?),
                    None => return Err(untold()),
                },
                _ => None,
            };
            if let Some(described) = &described {
                // What the database numbers by itself has to be known before the first row comes.
                for field in &described.fields {
                    connection.user_type(field.type_oid).await?;
                }
            }
            let mut copying = connection.start_copy(Way::Out, &sql, described.as_ref())?;
            match poll_fn(|cx| connection.poll_copy_start(cx, &mut copying)).await {
                Ok(()) => {
                    let fields = match described {
                        Some(described) => described.fields,
                        None => types.iter().flatten().map(|&oid| nameless(oid)).collect(),
                    };
                    return Ok((Outflow::new(connection, copying, report), fields));
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

/// Rows of binary data, whatever becomes of them.
#[derive(Debug)]
struct RawRows<'c> {
    outflow: Outflow<'c>,
    reader: BinaryCopyReader,
    fields: Box<[FieldDescription]>,
}

impl<'c> RawRows<'c> {
    fn new(outflow: Outflow<'c>, fields: Box<[FieldDescription]>) -> Self {
        let types: Box<[Oid]> = fields.iter().map(|field| field.type_oid).collect();
        Self { outflow, reader: BinaryCopyReader::new(types), fields }
    }

    fn poll_next<R>(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut impl FnMut(&mut Columns<'_>) -> Result<R, ColumnError>,
    ) -> Poll<Result<Option<R>>> {
        loop {
            if let Some(row) = self.read(read).inspect_err(|_| self.outflow.end = End::Told)? {
                return Poll::Ready(Ok(Some(row)));
            }
            let is_told = matches!(self.outflow.end, End::Told);
            if !ready!(self.outflow.poll_data(cx))? {
                if !is_told {
                    self.reader.end().map_err(Error::protocol)?;
                }
                return Poll::Ready(Ok(None));
            }
        }
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
        let row = match self.reader.row(&mut rest).map_err(Error::protocol)? {
            None => None,
            Some(mut columns) => {
                let row = read(&mut columns)
                    .map_err(|error| column_error(error, &self.fields, Some(number)))?;
                columns.end().map_err(Error::protocol)?;
                Some(row)
            }
        };
        self.outflow.at = body.len().saturating_sub(rest.len());
        if row.is_some() {
            self.outflow.report.progress.rows = number;
        }
        Ok(row)
    }
}

/// Rows that a COPY gives, one by one.
///
/// Dropped before its end, the rows that are still to come are passed over by the connection's next use.
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

    /// The next row, for those who poll: of it, a `futures` stream is made by `poll_fn(|cx| rows.poll_next(cx).map(..))`.
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
/// Dropped before its end, what is still to come is passed over by the connection's next use.
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

#[cold]
fn unwritable(error: io::Error) -> Error {
    let message = format!("what was copied could not be written: {error}");
    Error::with_source(ErrorKind::Stream, message, error)
}

#[cold]
fn untold() -> Error {
    Error::new(
        ErrorKind::Usage,
        "the types of the columns of a COPY of the caller's own are not known: they are to be told by `types`",
    )
}
