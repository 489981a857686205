//! What happened to rows and tables, and messages of an application in between.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::replication::lsn::Lsn;
use crate::replication::pgoutput::list::{Item, List, sealed::Sealed};
use crate::replication::xid::Xid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The values of a row, in the order of the [`Relation`](super::Relation)'s columns (manual: "TupleData").
///
/// Layout: Int16 number of values, then each.
pub type Tuple<'a> = List<'a, TupleValue<'a>>;

/// A value of a row.
///
/// Layout: Byte1 `n` or `u`; or Byte1 `t` or `b`, Int32 length, and as many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TupleValue<'a> {
    /// NULL (`n`).
    Null,
    /// A large value that has not changed, and is not sent again (`u`): only in the new row of an [`Update`].
    Unchanged,
    /// As the type's text output function writes it (`t`), in the session's client encoding. It is checked by
    /// [`TupleValue::text`] and not before, so that one bad value does not stop the stream.
    Text(&'a [u8]),
    /// As the type's send function writes it (`b`), with the option `binary`. Types without such a function stay text.
    Binary(&'a [u8]),
}

/// A row was inserted.
///
/// Layout: Byte1 `I`, [Int32 xid], Int32 relation, Byte1 `N`, [`Tuple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insert<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The table's OID.
    pub relation: Oid,
    /// The row.
    pub new: Tuple<'a>,
}

/// A row was updated.
///
/// Layout: Byte1 `U`, [Int32 xid], Int32 relation, [[`OldRow`]], Byte1 `N`, [`Tuple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The table's OID.
    pub relation: Oid,
    /// What is told of the old row; `None` when its key is the new row's.
    pub old: Option<OldRow<'a>>,
    /// The new row.
    pub new: Tuple<'a>,
}

/// A row was deleted.
///
/// Layout: Byte1 `D`, [Int32 xid], Int32 relation, [`OldRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The table's OID.
    pub relation: Oid,
    /// What is told of the row.
    pub old: OldRow<'a>,
}

/// What is told of a row that is gone. Both have a place for each column.
///
/// Layout: Byte1 `K` or `O`, [`Tuple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldRow<'a> {
    /// The values of the key, and NULL for all other columns (`K`).
    Key(Tuple<'a>),
    /// All values (`O`): the table's replica identity is FULL.
    Full(Tuple<'a>),
}

/// Tables were truncated, all by one command.
///
/// Layout: Byte1 `T`, [Int32 xid], Int32 number of tables, Int8 flags (1: CASCADE, 2: RESTART IDENTITY), Int32 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncate<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The command said CASCADE. The tables that it reached are in the list.
    pub cascade: bool,
    /// The command said RESTART IDENTITY.
    pub restart_identity: bool,
    /// The tables' OIDs.
    pub relations: List<'a, Oid>,
}

/// What an application has written by `pg_logical_emit_message`; sent with the option `messages`.
///
/// Layout: Byte1 `M`, [Int32 xid], Int8 flags (1: transactional), Int64 LSN, String prefix, Int32 length, and as many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// Whether it belongs to the transaction. Others are sent at once, wherever transactions begin and end, and also when
    /// theirs is rolled back.
    pub is_transactional: bool,
    /// Where it stands in the log.
    pub lsn: Lsn,
    /// What it is for, in the application's words.
    pub prefix: &'a str,
    /// Any bytes.
    pub content: &'a [u8],
}

impl<'a> TupleValue<'a> {
    /// The text of a value that came as text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] when it is not UTF-8, [`ErrorKind::UnexpectedNull`] for NULL, [`ErrorKind::WrongType`] for
    /// one in binary form and for one that was not sent.
    pub fn text(&self) -> Result<&'a str> {
        match self {
            Self::Text(text) => core::str::from_utf8(text)
                .map_err(|_| Error::new(ErrorKind::InvalidText, "a value is not UTF-8")),
            Self::Null => Err(Error::new(ErrorKind::UnexpectedNull, "the value is NULL")),
            Self::Unchanged => {
                Err(Error::new(ErrorKind::WrongType, "the value has not changed and was not sent"))
            }
            Self::Binary(_) => Err(Error::new(ErrorKind::WrongType, "the value is in binary form")),
        }
    }
}

impl Sealed for TupleValue<'_> {}

impl<'a> Item<'a> for TupleValue<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let at = *reader;
        match reader.u8()? {
            b'n' => Ok(Self::Null),
            b'u' => Ok(Self::Unchanged),
            b't' => Ok(Self::Text(read_bytes(reader)?)),
            b'b' => Ok(Self::Binary(read_bytes(reader)?)),
            _ => Err(at.error(ErrorKind::InvalidValue, "an unknown kind of value in a row")),
        }
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        match self {
            Self::Null => out.put_u8(b'n'),
            Self::Unchanged => out.put_u8(b'u'),
            Self::Text(text) => {
                out.put_u8(b't');
                return write_bytes(text, out);
            }
            Self::Binary(bytes) => {
                out.put_u8(b'b');
                return write_bytes(bytes, out);
            }
        }
        Ok(())
    }
}

impl Sealed for Oid {}

impl<'a> Item<'a> for Oid {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(Self(reader.u32()?))
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u32(self.0);
        Ok(())
    }
}

impl<'a> Insert<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        Ok(Self { xid, relation: Oid(reader.u32()?), new: read_new(reader)? })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u32(self.relation.0);
        write_tuple(b'N', &self.new, out)
    }
}

impl<'a> Update<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        let relation = Oid(reader.u32()?);
        let old = match reader.rest().first() {
            Some(b'K' | b'O') => Some(OldRow::read(reader)?),
            _ => None,
        };
        Ok(Self { xid, relation, old, new: read_new(reader)? })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u32(self.relation.0);
        if let Some(old) = &self.old {
            old.write(out)?;
        }
        write_tuple(b'N', &self.new, out)
    }
}

impl<'a> Delete<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        Ok(Self { xid, relation: Oid(reader.u32()?), old: OldRow::read(reader)? })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u32(self.relation.0);
        self.old.write(out)
    }
}

impl<'a> OldRow<'a> {
    /// The values, whichever are told.
    #[must_use]
    pub const fn tuple(&self) -> &Tuple<'a> {
        match self {
            Self::Key(tuple) | Self::Full(tuple) => tuple,
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let at = *reader;
        match reader.u8()? {
            b'K' => Ok(Self::Key(read_tuple(reader)?)),
            b'O' => Ok(Self::Full(read_tuple(reader)?)),
            _ => Err(at.error(ErrorKind::InvalidValue, "an old row is neither a key nor whole")),
        }
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        match self {
            Self::Key(tuple) => write_tuple(b'K', tuple, out),
            Self::Full(tuple) => write_tuple(b'O', tuple, out),
        }
    }
}

const CASCADE: u8 = 1;
const RESTART_IDENTITY: u8 = 2;

impl<'a> Truncate<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        let count = read_len(reader)?;
        let at = *reader;
        let flags = reader.u8()?;
        if flags & !(CASCADE | RESTART_IDENTITY) != 0 {
            return Err(at.error(ErrorKind::InvalidValue, "a truncation has an unknown flag"));
        }
        Ok(Self {
            xid,
            cascade: flags & CASCADE != 0,
            restart_identity: flags & RESTART_IDENTITY != 0,
            relations: List::read(reader, count)?,
        })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_len32(self.relations.len())?;
        let cascade = if self.cascade { CASCADE } else { 0 };
        let restart_identity = if self.restart_identity { RESTART_IDENTITY } else { 0 };
        out.put_u8(cascade | restart_identity);
        self.relations.write(out);
        Ok(())
    }
}

impl<'a> Message<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        let at = *reader;
        let is_transactional = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(at.error(ErrorKind::InvalidValue, "a message has an unknown flag")),
        };
        Ok(Self {
            xid,
            is_transactional,
            lsn: Lsn::read(reader)?,
            prefix: reader.cstr()?,
            content: read_bytes(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u8(self.is_transactional.into());
        self.lsn.write(out);
        out.put_cstr(self.prefix)?;
        write_bytes(self.content, out)
    }
}

fn read_new<'a>(reader: &mut Reader<'a>) -> Result<Tuple<'a>> {
    let at = *reader;
    match reader.u8()? {
        b'N' => read_tuple(reader),
        _ => Err(at.error(ErrorKind::InvalidValue, "a new row does not begin as one")),
    }
}

fn read_tuple<'a>(reader: &mut Reader<'a>) -> Result<Tuple<'a>> {
    let count = reader.count16()?;
    List::read(reader, count)
}

fn write_tuple(kind: u8, tuple: &Tuple<'_>, out: &mut Buffer) -> Result<()> {
    out.put_u8(kind);
    out.put_count16(tuple.len(), "more than 65535 values in a row")?;
    tuple.write(out);
    Ok(())
}

#[inline]
fn read_bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let len = read_len(reader)?;
    reader.take(len)
}

fn write_bytes(bytes: &[u8], out: &mut Buffer) -> Result<()> {
    out.put_len32(bytes.len())?;
    out.put_slice(bytes);
    Ok(())
}

/// A length or number that may not be negative, not even -1.
#[inline]
fn read_len(reader: &mut Reader<'_>) -> Result<usize> {
    let at = *reader;
    usize::try_from(reader.i32()?)
        .map_err(|_| at.error(ErrorKind::InvalidLength, "a length or number is negative"))
}
