//! COPY FROM STDIN: rows and bytes in.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use stellata_protocol::copy::{BinaryCopyWriter, CopyPiece, CopyRow};
use stellata_protocol::{ErrorKind as Wire, FieldDescription, Oid};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::connection::copy::Described;
use crate::copy::inflow::Inflow;
use crate::copy::line;
use crate::copy::lines::LineWriter;
use crate::copy::options::{CopyFormat, CopyOptions, Subject};
use crate::copy::place::Lines;
use crate::copy::progress::{CopyProgress, Observer};
use crate::copy::request::{Request, settings};
use crate::copy::table::CopyTable;
use crate::error::{Error, ErrorKind, Result};

impl Connection {
    /// Prepares to copy rows into a table: [`CopyIn`] says from what.
    ///
    /// The table is named as `"table"` or `"schema.table"`, each name as it is, without quotes: it is split at dots and quoted
    /// here; [`CopyTable`] says how to name one that has a dot in its name. No columns are all columns but the generated ones; for
    /// rows of values, name them where there are such.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// let tracks = [(1, "Intro"), (2, "Outro")];
    /// let copied = connection.copy_in("music.tracks", &["position", "title"]).rows(tracks).await?;
    /// assert_eq!(copied, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn copy_in(&mut self, table: impl Into<CopyTable>, columns: &[&str]) -> CopyIn<'_> {
        CopyIn { request: Request::new(self, Subject::table(table.into(), columns)) }
    }

    /// Prepares to copy by a command of the caller's own, a `copy .. from stdin` with its options. Of rows of values the types
    /// are to be told: [`CopyIn::types`].
    pub fn copy_in_sql(&mut self, command: &str) -> CopyIn<'_> {
        CopyIn { request: Request::new(self, Subject::Raw(command.to_owned())) }
    }
}

/// A COPY into a table that is about to begin.
///
/// Whatever feeds it, the data goes out in pieces of 64 KB, of which no more than a few are ever held, and the connection is
/// read while it is written, so that notices and an early error never stand in the way. Where anything fails, the server stores
/// nothing: a COPY is one statement.
#[derive(Debug)]
#[must_use = "nothing is copied until rows or bytes are given"]
pub struct CopyIn<'c> {
    request: Request<'c>,
}

impl<'c> CopyIn<'c> {
    settings!();

    /// Copies rows of values: tuples, or what implements [`CopyRow`]. Returns how many the server stored.
    ///
    /// The values travel in the types of the columns, in binary; or as lines of text or CSV where the options say so, for the
    /// types that [`textual`](stellata_protocol::textual) knows. Of a table, the types are asked for in a round trip before
    /// the first COPY, and known from then on; the COPY itself takes one. Behind a transaction pooler, told or suspected, it takes
    /// two: rows are sent once the backend that serves the COPY has said that the columns are still those.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] naming row and column; [`ErrorKind::Server`] with the row where the server names one:
    /// [`Error::row`]. The connection stays usable, and nothing is stored.
    ///
    /// # Cancel safety
    /// When the future is dropped the COPY fails, and nothing is stored, unless all rows were taken already: then it may be done
    /// all the same. The connection stays usable.
    pub async fn rows<R: CopyRow>(self, rows: impl IntoIterator<Item = R>) -> Result<u64> {
        let mut writer = self.row_writer().await?;
        let mut rows = rows.into_iter();
        loop {
            match writer.fill(&mut rows) {
                Ok(true) => poll_fn(|cx| writer.poll_send(cx)).await?,
                Ok(false) => return writer.finish().await,
                Err(error) => return Err(writer.refused(error).await),
            }
        }
    }

    /// Copies rows as they come: of a channel `next` is `|cx| receiver.poll_recv(cx)`; for a `futures` stream there is
    /// `CopyIn::from_stream`. While no row is there, the connection is read, so that an error of the server ends the waiting at
    /// once.
    ///
    /// # Errors
    /// As [`CopyIn::rows`].
    ///
    /// # Cancel safety
    /// As [`CopyIn::rows`]. Rows that were taken from the stream are lost.
    pub async fn stream<R: CopyRow>(
        self,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<R>>,
    ) -> Result<u64> {
        let mut writer = self.row_writer().await?;
        loop {
            let row = poll_fn(|cx| match next(cx) {
                Poll::Ready(row) => Poll::Ready(Ok(row)),
                Poll::Pending => writer.inflow.poll_watch(cx).map(Err),
            });
            let Some(row) = row.await? else { break };
            if let Err(error) = writer.add(&row) {
                return Err(writer.refused(error).await);
            }
            if writer.is_full() {
                poll_fn(|cx| writer.poll_send(cx)).await?;
            }
        }
        writer.finish().await
    }

    /// Begins to copy rows of values that are given one by one.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the types of the columns can't be told, [`ErrorKind::Usage`] for a command of the caller's
    /// own without types.
    ///
    /// # Cancel safety
    /// When the future is dropped nothing is copied; the connection stays usable.
    pub async fn row_writer(mut self) -> Result<CopyRowWriter<'c>> {
        self.request.of_values()?;
        let columns = self.request.columns().await?;
        let mut rows = BinaryCopyWriter::new(columns.types).map_err(Error::encode)?;
        let described = columns.described;
        let mut header = 0;
        let lines = match columns.forms {
            None => None,
            Some(forms) => {
                // Rows are lines before they are sent: of the binary data there is no head.
                rows.clear();
                let mut lines = LineWriter::new(self.request.options.clone(), forms);
                if self.request.options.has_header() {
                    header = self.request.header(described.as_ref(), &mut lines)?;
                }
                Some(lines)
            }
        };
        let is_binary = lines.is_none();
        let mut inflow = self.start(described.as_ref())?;
        inflow.of_rows(is_binary, header);
        let fields = described.map(|described| described.fields).unwrap_or_default();
        Ok(CopyRowWriter { inflow, rows, lines, fields })
    }

    fn start(self, described: Option<&Described>) -> Result<Inflow<'c>> {
        let sql = self.request.command(" from stdin")?;
        let (connection, report) = self.request.into_report();
        Inflow::start(connection, &sql, described, report)
    }

    /// Copies what a reader gives, to its end: data in the form that the options say. Returns how many rows the server stored.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] with the line of the data, or of binary data the row, where the server names one: [`Error::row`];
    /// [`ErrorKind::Stream`] with the error of the reader as its source. The connection stays usable, and nothing is stored.
    ///
    /// # Cancel safety
    /// As [`CopyIn::rows`]. What was read is lost.
    pub async fn read_from(self, mut reader: impl AsyncRead + Unpin) -> Result<u64> {
        self.request.connection.settle().await?;
        let mut writer = self.writer()?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = poll_fn(|cx| {
                let mut buffer = ReadBuf::new(&mut chunk);
                match Pin::new(&mut reader).poll_read(cx, &mut buffer) {
                    Poll::Ready(read) => Poll::Ready(Ok(read.map(|()| buffer.filled().len()))),
                    Poll::Pending => writer.inflow.poll_watch(cx).map(Err),
                }
            });
            match read.await? {
                Ok(0) => break,
                Ok(count) => writer.write(chunk.get(..count).unwrap_or_default()).await?,
                Err(error) => {
                    writer.inflow.fail("the data could not be read").await?;
                    let message = format!("the data for the COPY could not be read: {error}");
                    return Err(Error::with_source(ErrorKind::Stream, message, error));
                }
            }
        }
        writer.finish().await
    }

    /// Begins to copy data that is given bit by bit, in the form that the options say.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] for a name or option with a NUL, [`ErrorKind::Closed`] when the connection can't be used.
    pub fn writer(self) -> Result<CopyWriter<'c>> {
        let options = self.request.options.clone();
        let inflow = self.start(None)?;
        Ok(CopyWriter { inflow, piece: CopyPiece::new(), options, failed: false })
    }
}

/// How much is read at once.
const CHUNK: usize = 32 * 1024;

/// A COPY that takes rows of values, one by one.
///
/// When it is dropped before [`CopyRowWriter::finish`], the COPY fails, and nothing is stored. The server is told at once where the
/// socket takes it, else with the connection's next use.
#[derive(Debug)]
pub struct CopyRowWriter<'c> {
    inflow: Inflow<'c>,
    rows: BinaryCopyWriter,
    /// What makes lines of the rows, where they are not sent in binary.
    lines: Option<LineWriter>,
    /// The columns, where they were asked for.
    fields: Box<[FieldDescription]>,
}

impl CopyRowWriter<'_> {
    /// Adds a row. Where enough has come together before it, that is sent first.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] for a row that can't be written: it is left out, and further rows may follow. Any other error
    /// ends the COPY.
    ///
    /// # Cancel safety
    /// It waits only before it adds the row: when the future is dropped while it waits, the row is not added, all rows before it
    /// are, and it may be written again.
    pub async fn write<R: CopyRow + ?Sized>(&mut self, row: &R) -> Result<()> {
        if self.is_full() {
            poll_fn(|cx| self.poll_send(cx)).await?;
        }
        self.add(row)
    }

    /// Ends the COPY; returns how many rows the server stored.
    ///
    /// # Errors
    /// As [`CopyIn::rows`].
    ///
    /// # Cancel safety
    /// When the future is dropped after it was polled, the COPY may be done all the same.
    pub async fn finish(mut self) -> Result<u64> {
        let Self { inflow, rows, lines, .. } = &mut self;
        let piece = match lines {
            Some(lines) => &mut lines.piece,
            None => {
                rows.finish().map_err(Error::encode)?;
                rows.whole_piece()
            }
        };
        poll_fn(|cx| inflow.poll_finish(cx, piece)).await
    }

    /// Makes the COPY fail, and waits until it has: nothing is stored.
    ///
    /// # Errors
    /// What breaks the connection.
    ///
    /// # Cancel safety
    /// As dropping the writer.
    pub async fn abort(mut self) -> Result<()> {
        self.inflow.fail("the program gave the COPY up").await
    }

    /// Adds rows until enough has come together; false when there are no more. Nothing here waits, so that rows pass in few
    /// instructions.
    fn fill<R: CopyRow>(&mut self, rows: &mut impl Iterator<Item = R>) -> Result<bool> {
        for row in rows {
            self.add(&row)?;
            if self.is_full() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline(always)]
    fn add<R: CopyRow + ?Sized>(&mut self, row: &R) -> Result<()> {
        let added = self.rows.row(row);
        if added.is_ok() && self.lines.is_none() {
            self.inflow.report.progress.rows += 1;
            return Ok(());
        }
        self.add_line(added)
    }

    /// Makes a line of a row that was written in binary, or an error of one that was not.
    #[inline(never)]
    fn add_line(&mut self, added: stellata_protocol::Result<()>) -> Result<()> {
        let mut added = added.map(|()| 1);
        if let Some(lines) = &mut self.lines {
            added = added.and_then(|_| lines.append(self.rows.piece()));
            self.rows.clear();
        }
        match added {
            Ok(lines) => {
                self.inflow.report.progress.rows += 1;
                if let Lines::Made(made) = &mut self.inflow.report.lines {
                    made.add(lines);
                }
                Ok(())
            }
            Err(error) => Err(self.encode_error(error)),
        }
    }

    #[inline]
    fn is_full(&self) -> bool {
        match &self.lines {
            None => self.rows.is_full(),
            Some(lines) => lines.piece.is_full(),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(lines) = &mut self.lines {
            return self.inflow.poll_send(cx, &mut lines.piece);
        }
        let sent = ready!(self.inflow.poll_send(cx, self.rows.whole_piece()));
        self.rows.clear();
        Poll::Ready(sent)
    }

    /// Says which row and which column.
    #[cold]
    fn encode_error(&self, error: stellata_protocol::Error) -> Error {
        let row = self.inflow.report.progress.rows.saturating_add(1);
        let of_line = self.lines.as_ref().and_then(|lines| lines.failed);
        let types = self.rows.types();
        let kind = error.kind();
        let message = match of_line.or(self.rows.failed_column()) {
            // Not one that is inside a value.
            column
                if kind == Wire::ColumnCount
                    && column.is_none_or(|column| column >= types.len()) =>
            {
                let names = self.fields.iter().map(|field| format!("`{}`", field.name));
                let mut names = names.collect::<Vec<_>>().join(", ");
                if !names.is_empty() {
                    names = format!(": {names}");
                }
                format!("{error}, of which the COPY has {}{names}", types.len())
            }
            None => error.to_string(),
            Some(column) => {
                let name = self.fields.get(column).map(|field| format!(" `{}`", field.name));
                let oid = types.get(column).copied().unwrap_or(Oid::UNSPECIFIED);
                let of_type = oid.name().map(|name| format!(" of type {name}"));
                let from = self.rows.failed_type().filter(|_| kind == Wire::WrongType);
                let from = from.map(|rust| format!(" from `{rust}`")).unwrap_or_default();
                format!(
                    "column {}{}{} can't be written{from}: {error}",
                    column + 1,
                    name.unwrap_or_default(),
                    of_type.unwrap_or_default(),
                )
            }
        };
        Error::new(ErrorKind::Encode, message).with_row(Some(row))
    }

    /// Ends a COPY of which a row can't be written.
    #[cold]
    async fn refused(&mut self, error: Error) -> Error {
        match self.inflow.fail("a row can't be written").await {
            Ok(()) => error,
            Err(broken) => broken,
        }
    }
}

/// A COPY that takes bytes, in the form that its options say.
///
/// It is an [`AsyncWrite`] too; flushing that hands everything to the socket, shutting it down does no more. When it is dropped
/// before [`CopyWriter::finish`], the COPY fails, and nothing is stored. The server is told at once where the socket takes it, else
/// with the connection's next use.
#[derive(Debug)]
pub struct CopyWriter<'c> {
    inflow: Inflow<'c>,
    piece: CopyPiece,
    options: CopyOptions,
    /// Half a line may stand in the piece.
    failed: bool,
}

impl CopyWriter<'_> {
    /// Adds bytes of the data, which may be cut anywhere.
    ///
    /// # Errors
    /// As [`CopyIn::read_from`]; the COPY is over then.
    ///
    /// # Cancel safety
    /// When the future is dropped, a part of the bytes may have been added: the COPY should be given up.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = poll_fn(|cx| self.poll_add(cx, rest)).await?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Adds a row of texts as a line of text or CSV, with the delimiter, the quotes and the NULL of the options. Where enough has
    /// come together before it, that is sent first.
    ///
    /// # Errors
    /// As [`CopyWriter::write`]; [`ErrorKind::Encode`] for what no line can hold, and for binary data: the COPY can't be finished
    /// then. [`ErrorKind::Usage`] where the options name another encoding than UTF-8, which these texts are in.
    ///
    /// # Cancel safety
    /// It waits only before it adds the row: when the future is dropped while it waits, the row is not added, all rows before it
    /// are, and it may be written again.
    pub async fn row<'f>(
        &mut self,
        fields: impl IntoIterator<Item = Option<&'f str>>,
    ) -> Result<()> {
        self.check()?;
        self.options.check_encoding()?;
        if self.piece.is_full() {
            poll_fn(|cx| self.inflow.poll_send(cx, &mut self.piece)).await?;
        }
        let added = if self.options.data_format() == CopyFormat::Binary {
            Err(stellata_protocol::Error::new(
                stellata_protocol::ErrorKind::Usage,
                "binary data has no lines",
            ))
        } else {
            line::append(&mut self.piece, fields, self.options.marks())
        };
        let row = self.inflow.report.progress.rows.saturating_add(1);
        if let Err(error) = added {
            self.failed = true;
            return Err(Error::encode(error).with_row(Some(row)));
        }
        self.inflow.report.progress.rows = row;
        Ok(())
    }

    /// Ends the COPY; returns how many rows the server stored.
    ///
    /// # Errors
    /// As [`CopyIn::read_from`].
    ///
    /// # Cancel safety
    /// When the future is dropped after it was polled, the COPY may be done all the same.
    pub async fn finish(mut self) -> Result<u64> {
        self.check()?;
        poll_fn(|cx| self.inflow.poll_finish(cx, &mut self.piece)).await
    }

    /// Makes the COPY fail, and waits until it has: nothing is stored.
    ///
    /// # Errors
    /// What breaks the connection.
    ///
    /// # Cancel safety
    /// As dropping the writer.
    pub async fn abort(mut self) -> Result<()> {
        self.inflow.fail("the program gave the COPY up").await
    }

    fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::new(ErrorKind::Usage, "a row before could not be written"));
        }
        Ok(())
    }

    /// Adds as many bytes as a piece holds, once there is room for it.
    fn poll_add(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.check()?;
        if self.piece.is_full() {
            ready!(self.inflow.poll_send(cx, &mut self.piece))?;
        }
        let count = bytes.len().min(CopyPiece::FULL);
        self.piece.put_slice(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check()?;
        if !self.piece.is_empty() {
            ready!(self.inflow.poll_send(cx, &mut self.piece))?;
        }
        // Sending nothing waits until all before is written.
        self.inflow.poll_send(cx, &mut self.piece)
    }
}

impl AsyncWrite for CopyWriter<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_add(cx, bytes).map_err(io::Error::other)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_push(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
