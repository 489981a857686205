//! Rows out of the data of a COPY TO STDOUT.

use core::fmt;

use crate::copy::SIGNATURE;
use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::row::Columns;
use crate::wire::reader::Reader;

/// Reads rows from binary COPY data that comes in chunks cut anywhere, such as the contents of CopyData messages.
///
/// A row that lies in a chunk as a whole is read in place; only one that a cut has divided is put together in a buffer,
/// which grows with the bytes that came. After an error every later call returns the same one.
///
/// ```
/// use stellata_protocol::Oid;
/// use stellata_protocol::copy::{BinaryCopyReader, BinaryCopyWriter};
///
/// let mut data = BinaryCopyWriter::new([Oid::INT4, Oid::TEXT]).unwrap();
/// data.row(&(1, "one")).unwrap();
/// data.row(&(2, "two")).unwrap();
/// data.finish().unwrap();
///
/// let mut rows = Vec::new();
/// let mut copy = BinaryCopyReader::new([Oid::INT4, Oid::TEXT]);
/// for mut chunk in data.piece().chunks(7) {
///     while let Some(mut columns) = copy.row(&mut chunk).unwrap() {
///         let id: i32 = columns.next().unwrap();
///         let name: &str = columns.next().unwrap();
///         rows.push((id, name.to_owned()));
///     }
/// }
/// copy.end().unwrap();
/// assert_eq!(rows, [(1, "one".to_owned()), (2, "two".to_owned())]);
/// ```
pub struct BinaryCopyReader {
    types: Box<[Oid]>,
    limit: usize,
    state: State,
    /// The beginning of the header or row that is being read, where a chunk has ended within it.
    carry: Vec<u8>,
    /// How many bytes of `carry` the next step needs.
    need: usize,
    /// The row in `carry` has been handed out.
    spent: bool,
    scan: Scan,
    /// Where the header or row that is being read begins, in bytes from the start of the data.
    offset: u64,
    failed: Option<Error>,
}

/// How far it has come, not the row that it holds a part of.
impl fmt::Debug for BinaryCopyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinaryCopyReader")
            .field("types", &self.types)
            .field("state", &self.state)
            .field("offset", &self.offset)
            .field("held", &self.carry.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    /// As many bytes of the header's extension are still to be passed over.
    Extension(usize),
    Rows,
    Done,
}

/// How far a row has been looked through.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// Where the next length stands, or the number of values while that is 0.
    at: usize,
    /// How many values follow there.
    left: usize,
}

enum Found {
    /// A row of so many bytes.
    Row(usize),
    Trailer,
    /// Nothing can be said before there are so many bytes.
    Need(usize),
}

enum Step<'c> {
    InChunk(&'c [u8]),
    InCarry,
    More,
}

/// Signature, flags, length of the extension.
const HEADER: usize = 19;
/// The number of values of a row.
const COUNT: usize = 2;
/// The number that ends the rows.
const TRAILER: usize = COUNT;
/// Rows begin with an OID: of servers before version 12.
const FLAG_OIDS: u32 = 1 << 16;
/// The flags that may not be passed over.
const FLAGS_CRITICAL: u32 = 0xffff_0000;
/// A buffer that a giant row made larger than this is not kept.
const KEPT: usize = 256 * 1024;

impl BinaryCopyReader {
    /// The largest row, in bytes, unless another limit is set.
    pub const DEFAULT_LIMIT: usize = 256 << 20;

    /// Begins to read the data of a COPY out of columns of these types.
    #[must_use]
    pub fn new(types: impl Into<Box<[Oid]>>) -> Self {
        Self {
            types: types.into(),
            limit: Self::DEFAULT_LIMIT,
            state: State::Header,
            carry: Vec::new(),
            need: HEADER,
            spent: false,
            scan: Scan::default(),
            offset: 0,
            failed: None,
        }
    }

    /// Sets how many bytes a row, or the extension of the header, may have. Default:
    /// [`BinaryCopyReader::DEFAULT_LIMIT`].
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads the next row from the front of `chunk`, which is shortened by what was read.
    ///
    /// `None` says that the chunk is used up: the next one is to follow, or [`BinaryCopyReader::end`].
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidValue`]: a wrong signature (text data, often), an unknown critical flag, or rows with OIDs,
    ///   as servers before version 12 could write;
    /// - [`ErrorKind::InvalidLength`]: a negative number of values, or a negative length other than -1;
    /// - [`ErrorKind::ColumnCount`]: a row with another number of values than there are types;
    /// - [`ErrorKind::TooLarge`]: a row or an extension above the limit, seen before its bytes have come;
    /// - [`ErrorKind::TrailingBytes`]: data behind the trailer.
    ///
    /// [`Error::offset`] counts from the start of the data.
    #[inline]
    pub fn row<'r, 'c: 'r>(&'r mut self, chunk: &mut &'c [u8]) -> Result<Option<Columns<'r>>> {
        match self.step(chunk) {
            Ok(Step::InChunk(row)) => Columns::new(row, &self.types).map(Some),
            Ok(Step::InCarry) => Columns::new(&self.carry, &self.types).map(Some),
            Ok(Step::More) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Reads the row that `chunk` is, if it is one whole row and nothing else, as servers send them: what
    /// [`BinaryCopyReader::row`] does, in fewer steps. In all other cases `None`, and nothing is read.
    #[inline]
    pub fn whole_row<'r>(&'r mut self, chunk: &'r [u8]) -> Option<Columns<'r>> {
        if self.state != State::Rows
            || !self.carry.is_empty()
            || self.failed.is_some()
            || chunk.len() > self.limit
            || !is_row(chunk, self.types.len())
        {
            return None;
        }
        self.pass(chunk.len());
        Columns::new(chunk, &self.types).ok()
    }

    /// Checks that the data has come to its end. To be called when the server says that it has sent all.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when the trailer has not come, or the error that reading ended with.
    pub fn end(&self) -> Result<()> {
        match (self.failed, self.state) {
            (Some(error), _) => Err(error),
            (None, State::Done) => Ok(()),
            (None, _) => {
                Err(Error::new(ErrorKind::Truncated, "the COPY data ends without its trailer")
                    .at(self.place(self.carry.len())))
            }
        }
    }

    /// How much memory the reader holds, in bytes: of the order of what came of a divided row.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.carry.capacity()
    }

    #[inline]
    fn step<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Step<'c>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.spent {
            self.next_item(self.carry.len());
        }
        if self.state != State::Rows && !self.reach_rows(chunk)? {
            return Ok(Step::More);
        }
        if self.carry.is_empty() { self.row_in_chunk(chunk) } else { self.row_in_carry(chunk) }
    }

    /// Reads what is not rows; whether rows follow now.
    fn reach_rows(&mut self, chunk: &mut &[u8]) -> Result<bool> {
        if self.state == State::Header {
            let is_there = self.fill(chunk);
            self.check_signature()?;
            if !is_there {
                return Ok(false);
            }
            self.state = State::Extension(self.read_header()?);
            self.next_item(HEADER);
        }
        if let State::Extension(left) = self.state {
            let (passed, rest) = chunk.split_at_checked(left).unwrap_or((chunk, &[]));
            *chunk = rest;
            self.next_item(passed.len());
            self.state = match left.saturating_sub(passed.len()) {
                0 => State::Rows,
                left => State::Extension(left),
            };
        }
        if self.state == State::Done {
            self.check_behind_trailer(chunk)?;
        }
        Ok(self.state == State::Rows)
    }

    /// Reads a row whose beginning has not come before.
    #[inline]
    fn row_in_chunk<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Step<'c>> {
        match self.look(chunk)? {
            Found::Row(size) => {
                let Some((row, rest)) = chunk.split_at_checked(size) else {
                    return Ok(Step::More);
                };
                *chunk = rest;
                self.pass(size);
                Ok(Step::InChunk(row))
            }
            Found::Trailer => {
                *chunk = chunk.get(TRAILER..).unwrap_or_default();
                self.end_rows(chunk)
            }
            Found::Need(need) => {
                self.need = need;
                self.carry.extend_from_slice(chunk);
                *chunk = &[];
                Ok(Step::More)
            }
        }
    }

    /// Reads on in a row that began in an earlier chunk.
    fn row_in_carry<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Step<'c>> {
        while self.fill(chunk) {
            let carry = core::mem::take(&mut self.carry);
            let found = self.look(&carry);
            self.carry = carry;
            match found? {
                Found::Row(_) => {
                    self.spent = true;
                    return Ok(Step::InCarry);
                }
                Found::Trailer => return self.end_rows(chunk),
                Found::Need(need) => self.need = need,
            }
        }
        Ok(Step::More)
    }

    fn end_rows<'c>(&mut self, rest: &[u8]) -> Result<Step<'c>> {
        self.next_item(TRAILER);
        self.state = State::Done;
        self.check_behind_trailer(rest)?;
        Ok(Step::More)
    }

    fn check_behind_trailer(&self, rest: &[u8]) -> Result<()> {
        if rest.is_empty() {
            return Ok(());
        }
        Err(self.error(0, ErrorKind::TrailingBytes, "there is COPY data behind the trailer"))
    }

    /// Goes on behind a header, row or trailer of so many bytes.
    fn next_item(&mut self, size: usize) {
        self.pass(size);
        self.scan = Scan::default();
        self.spent = false;
        if self.carry.capacity() > KEPT {
            self.carry = Vec::new();
        } else {
            self.carry.clear();
        }
    }

    #[inline]
    fn pass(&mut self, size: usize) {
        self.offset = self.offset.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
    }

    /// Moves bytes from the chunk to `carry`, up to what is needed; whether that is all there.
    fn fill(&mut self, chunk: &mut &[u8]) -> bool {
        let missing = self.need.saturating_sub(self.carry.len());
        let (taken, rest) = chunk.split_at_checked(missing).unwrap_or((chunk, &[]));
        self.carry.extend_from_slice(taken);
        *chunk = rest;
        taken.len() == missing
    }

    /// The bytes of the signature that have come are right: this is said at the first wrong byte.
    fn check_signature(&self) -> Result<()> {
        match SIGNATURE.iter().zip(&self.carry).position(|(right, found)| right != found) {
            None => Ok(()),
            Some(at) => Err(self.error(
                at,
                ErrorKind::InvalidValue,
                "COPY data does not begin with the signature of the binary format",
            )),
        }
    }

    /// The flags and the length of the extension.
    fn read_header(&self) -> Result<usize> {
        let mut reader = Reader::new(self.carry.get(SIGNATURE.len()..).unwrap_or_default());
        let flags = reader.u32()?;
        let length = reader.i32()?;
        let error = |at, kind, message| Err(self.error(at, kind, message));
        if flags & FLAG_OIDS != 0 {
            return error(11, ErrorKind::InvalidValue, "COPY data with OIDs is not supported");
        }
        if flags & FLAGS_CRITICAL != 0 {
            return error(11, ErrorKind::InvalidValue, "COPY data has an unknown critical flag");
        }
        match usize::try_from(length) {
            Err(_) => error(
                15,
                ErrorKind::InvalidLength,
                "a COPY header's extension has a negative length",
            ),
            Ok(length) if length > self.limit => {
                error(15, ErrorKind::TooLarge, "a COPY header's extension is above the limit")
            }
            Ok(length) => Ok(length),
        }
    }

    /// Looks for the end of the row that begins `bytes`, going on where the last look stopped.
    #[inline]
    fn look(&mut self, bytes: &[u8]) -> Result<Found> {
        let mut scan = self.scan;
        if scan.at == 0 {
            let Some(count) = bytes.first_chunk() else { return Ok(Found::Need(COUNT)) };
            match i16::from_be_bytes(*count) {
                -1 => return Ok(Found::Trailer),
                count => scan = Scan { at: COUNT, left: self.check_count(count)? },
            }
        }
        while scan.left > 0 {
            let value = scan.at.saturating_add(4);
            let length = bytes.get(scan.at..).and_then(|rest| rest.first_chunk());
            let Some(length) = length.map(|length| i32::from_be_bytes(*length)) else {
                self.scan = scan;
                return Ok(Found::Need(value));
            };
            let end = match usize::try_from(length) {
                Ok(length) => value.saturating_add(length),
                Err(_) if length == -1 => value,
                Err(_) => return Err(self.negative_length(scan.at)),
            };
            if end > self.limit {
                return Err(self.error(scan.at, ErrorKind::TooLarge, "a row is above the limit"));
            }
            if bytes.len() < end {
                self.scan = scan;
                return Ok(Found::Need(end));
            }
            scan = Scan { at: end, left: scan.left.saturating_sub(1) };
        }
        Ok(Found::Row(scan.at))
    }

    #[inline]
    fn check_count(&self, count: i16) -> Result<usize> {
        match usize::try_from(count) {
            Ok(count) if count == self.types.len() => Ok(count),
            Ok(_) => Err(self.error(
                0,
                ErrorKind::ColumnCount,
                "a row has another number of values than the COPY has columns",
            )),
            Err(_) => Err(self.error(
                0,
                ErrorKind::InvalidLength,
                "a row has a negative number of values",
            )),
        }
    }

    #[cold]
    fn negative_length(&self, at: usize) -> Error {
        self.error(at, ErrorKind::InvalidLength, "a value has a negative length")
    }

    /// An error at a place within the header or row that is being read.
    #[cold]
    fn error(&self, at: usize, kind: ErrorKind, message: &'static str) -> Error {
        Error::new(kind, message).at(self.place(at))
    }

    fn place(&self, at: usize) -> u32 {
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        u32::try_from(self.offset.saturating_add(at)).unwrap_or(u32::MAX)
    }
}

/// Whether these bytes are one row of so many values, and nothing else.
#[inline]
fn is_row(bytes: &[u8], columns: usize) -> bool {
    let Some((count, mut rest)) = bytes.split_first_chunk() else { return false };
    if usize::from(u16::from_be_bytes(*count)) != columns {
        return false;
    }
    for _ in 0..columns {
        let Some((length, value)) = rest.split_first_chunk() else { return false };
        let length = u32::from_be_bytes(*length);
        // All lengths that are no lengths are too long but this one.
        let length = if length == u32::MAX { 0 } else { length };
        let Some(behind) = usize::try_from(length).ok().and_then(|length| value.get(length..))
        else {
            return false;
        };
        rest = behind;
    }
    rest.is_empty()
}
