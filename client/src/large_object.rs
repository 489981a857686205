//! Large objects: values of up to 4 TB that are read and written in parts (manual: "Large Objects").

mod stream;

use std::io::SeekFrom;

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{ColumnError, Columns, Expect, IntoParams, Oid, Params};
#[cfg(doc)]
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite};

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

pub use stream::LargeObjectStream;

/// What a large object is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LargeObjectMode {
    /// Reading, of the state when it was opened.
    Read,
    /// Reading and writing.
    ReadWrite,
}

impl LargeObjectMode {
    /// `INV_READ` and `INV_WRITE` of the server.
    fn flags(self) -> i32 {
        match self {
            Self::Read => 0x4_0000,
            Self::ReadWrite => 0x6_0000,
        }
    }
}

/// The most that is read or written by one statement, in bytes.
const CHUNK: usize = 256 * 1024;

const OPEN: &str = "select pg_catalog.lo_open($1, $2)";
const READ: &str = "select pg_catalog.loread($1, $2)";
const WRITE: &str = "select pg_catalog.lowrite($1, $2)";
const SEEK: &str = "select pg_catalog.lo_lseek64($1, $2, $3)";
const TRUNCATE: &str = "select pg_catalog.lo_truncate64($1, $2)";
const CLOSE: &str = "select pg_catalog.lo_close($1)";

impl Connection {
    /// Makes an empty large object; returns the number by which it is found.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped the object may be made all the same.
    pub async fn create_large_object(&mut self) -> Result<Oid> {
        let (oid,) = self.query_one("select pg_catalog.lo_create(0)", ()).await?;
        Ok(oid)
    }

    /// Makes an empty large object of a number.
    ///
    /// # Errors
    /// As [`Connection::query`]: the number may be taken.
    ///
    /// # Cancel safety
    /// When the future is dropped the object may be made all the same.
    pub async fn create_large_object_as(&mut self, oid: Oid) -> Result<()> {
        let (_,): (Oid,) = self.query_one("select pg_catalog.lo_create($1)", (oid,)).await?;
        Ok(())
    }

    /// Deletes a large object.
    ///
    /// # Errors
    /// As [`Connection::query`]: there may be none of this number.
    ///
    /// # Cancel safety
    /// When the future is dropped the object may be deleted all the same.
    pub async fn unlink_large_object(&mut self, oid: Oid) -> Result<()> {
        let (_,): (i32,) = self.query_one("select pg_catalog.lo_unlink($1)", (oid,)).await?;
        Ok(())
    }

    /// Opens a large object, within a transaction, to whose end it stays open.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// use stellata_client::LargeObjectMode;
    ///
    /// connection.execute("begin", ()).await?;
    /// let oid = connection.create_large_object().await?;
    /// let mut object = connection.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
    /// object.write_all(b"much data").await?;
    /// object.close().await?;
    /// connection.execute("commit", ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] outside a transaction; else as [`Connection::query`]: there may be no object of this number.
    ///
    /// # Cancel safety
    /// When the future is dropped the object stays open to the end of the transaction, which does no harm.
    pub async fn open_large_object(
        &mut self,
        oid: Oid,
        mode: LargeObjectMode,
    ) -> Result<LargeObject<'_>> {
        let (descriptor,) = self.query_one(OPEN, (oid, mode.flags())).await?;
        if self.status() == TransactionStatus::Idle {
            return Err(Error::new(
                ErrorKind::Usage,
                "a large object is open to the end of its transaction, and there is none: begin one first",
            ));
        }
        Ok(LargeObject { connection: self, descriptor, position: 0, moved: false })
    }
}

/// A large object that is open.
///
/// The position is kept here, so that no call that is dropped half-way moves it: the next one finds the place again, in the
/// same round trip. Dropped, the object stays open at the server to the end of the transaction.
#[derive(Debug)]
pub struct LargeObject<'c> {
    connection: &'c mut Connection,
    descriptor: i32,
    /// In bytes from the start.
    position: u64,
    /// The server's position is another, or not known.
    moved: bool,
}

impl<'c> LargeObject<'c> {
    /// Reads from the position on, up to the length of `into` or 256 KB; returns how many bytes, 0 at the end.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped nothing was read: the position is as before.
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let wanted = into.len().min(CHUNK);
        let mut count = 0;
        let params = (self.descriptor, length(wanted));
        self.call(READ, params, &mut |columns| {
            let bytes: &[u8] = columns.next()?;
            count = bytes.len().min(wanted);
            if let (Some(place), Some(bytes)) = (into.get_mut(..count), bytes.get(..count)) {
                place.copy_from_slice(bytes);
            }
            Ok(())
        })
        .await?;
        self.arrive(count);
        Ok(count)
    }

    /// Reads from the position to the end, appending to `into`; returns how many bytes.
    ///
    /// # Errors
    /// As [`LargeObject::read`].
    ///
    /// # Cancel safety
    /// When the future is dropped, what was read so far is in `into`, and the position is behind it.
    pub async fn read_to_end(&mut self, into: &mut Vec<u8>) -> Result<usize> {
        let before = into.len();
        loop {
            let mut count = 0;
            let params = (self.descriptor, length(CHUNK));
            self.call(READ, params, &mut |columns| {
                let bytes: &[u8] = columns.next()?;
                count = bytes.len();
                into.extend_from_slice(bytes);
                Ok(())
            })
            .await?;
            self.arrive(count);
            if count == 0 {
                return Ok(into.len().saturating_sub(before));
            }
        }
    }

    /// Writes from the position on, up to 256 KB of `bytes`; returns how many.
    ///
    /// # Errors
    /// As [`Connection::query`]: the object may be open for reading alone.
    ///
    /// # Cancel safety
    /// When the future is dropped the bytes may be written all the same; the position is as before, so that writing them again
    /// does no harm.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let bytes = bytes.get(..bytes.len().min(CHUNK)).unwrap_or_default();
        let mut count = 0;
        self.call(WRITE, (self.descriptor, bytes), &mut |columns| {
            count = usize::try_from(columns.next::<i32>()?).unwrap_or(0);
            Ok(())
        })
        .await?;
        self.arrive(count);
        Ok(count)
    }

    /// Writes all of `bytes` from the position on, in statements of 256 KB.
    ///
    /// # Errors
    /// As [`LargeObject::write`].
    ///
    /// # Cancel safety
    /// As [`LargeObject::write`], but that [`LargeObject::position`] tells how many bytes are surely written.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.write(rest).await?;
            if count == 0 {
                return Err(Error::new(ErrorKind::Protocol, "the server writes nothing"));
            }
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Moves the position; returns where it is. Only for a place that counts from the end the server has to be asked.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a place before the start; else as [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped the position is as before.
    pub async fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(offset) => (self.position, offset),
            SeekFrom::End(offset) => (self.size().await?, offset),
        };
        let position = base.checked_add_signed(offset).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "a place before the start of a large object")
        })?;
        self.moved |= position != self.position;
        self.position = position;
        Ok(position)
    }

    /// The position, in bytes from the start.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The size, in bytes.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// It can be called again.
    pub async fn size(&mut self) -> Result<u64> {
        let mut size = 0;
        self.call(SEEK, (self.descriptor, 0_i64, 2_i32), &mut |columns| {
            size = columns.next::<i64>()?;
            Ok(())
        })
        .await?;
        // The server is at the end now.
        self.moved = true;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    /// Cuts the object off at, or fills it with zeros up to, a size in bytes. The position stays.
    ///
    /// # Errors
    /// As [`LargeObject::write`].
    ///
    /// # Cancel safety
    /// When the future is dropped it may be done all the same.
    pub async fn truncate(&mut self, size: u64) -> Result<()> {
        let size = i64::try_from(size).map_err(|_| {
            Error::new(ErrorKind::Usage, "a size above what a large object can have")
        })?;
        self.call(TRUNCATE, (self.descriptor, size), &mut |_| Ok(())).await
    }

    /// Closes the object. The end of the transaction does so too.
    ///
    /// # Errors
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    /// When the future is dropped the object may stay open to the end of the transaction.
    pub async fn close(self) -> Result<()> {
        let (_,): (i32,) = self.connection.query_one(CLOSE, (self.descriptor,)).await?;
        Ok(())
    }

    /// Makes an [`AsyncRead`], [`AsyncWrite`] and [`AsyncSeek`] of it.
    #[must_use]
    pub fn into_stream(self) -> LargeObjectStream<'c> {
        LargeObjectStream::new(self)
    }

    /// Runs a statement, and before it, in the same flight, one that finds the position again where it may have moved.
    async fn call(
        &mut self,
        sql: &str,
        params: impl IntoParams,
        sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> Result<()> {
        let mut collected = Params::new();
        params.append_to(&mut collected).map_err(Error::encode)?;
        let mut place = Params::new();
        let position = i64::try_from(self.position).unwrap_or(i64::MAX);
        (self.descriptor, position, 0_i32).append_to(&mut place).map_err(Error::encode)?;

        let any: fn(&mut Expect<'_>) -> Result<(), ColumnError> = |_| Ok(());
        self.connection.settle().await?;
        self.connection.begin_batch()?;
        let seek = if self.moved { Some(self.connection.submit(&SEEK, &place)?) } else { None };
        let ticket = self.connection.submit(&sql, &collected)?;
        self.connection.sync()?;
        // Until the answer has been read, nobody knows where the server is.
        self.moved = true;
        if let Some(seek) = seek {
            self.connection.rows(seek, any, &mut |_| Ok(())).await?;
        }
        self.connection.rows(ticket, any, sink).await?;
        self.connection.ready().await?;
        self.moved = false;
        Ok(())
    }

    fn arrive(&mut self, count: usize) {
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(0));
    }
}

/// As the server counts; no more than [`CHUNK`] is ever asked for.
fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
