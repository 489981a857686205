//! The extended query protocol (manual: "Extended Query") and the simple one (manual: "Simple Query"): requests and the short
//! answers to them.

use crate::error::{Error, ErrorKind, Result};
use crate::message::row::Format;
use crate::oid::Oid;
use crate::types::params::Params;
use crate::wire::buffer::{Buffer, len32};
use crate::wire::reader::Reader;

/// What Describe (`D`) and Close (`C`) speak of: all that is in these messages.
///
/// Layout: Byte1 `S` or `P`, String name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement, by name; the empty name is the unnamed statement.
    Statement(&'a str),
    /// A portal, by name; the empty name is the unnamed portal.
    Portal(&'a str),
}

impl<'a> Target<'a> {
    fn write(self, body: &mut Buffer) -> Result<()> {
        let (kind, name) = match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        };
        body.put_u8(kind);
        body.put_cstr(name)
    }

    /// Reads the body of a Describe or Close.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        let name = reader.cstr()?;
        reader.end()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => {
                Err(reader
                    .error(ErrorKind::InvalidValue, "neither a statement nor a portal is named"))
            }
        }
    }
}

/// Writes a Parse (`P`): statement name, text, an Int16 count of parameter types, and the types (0: to be inferred).
///
/// # Errors
/// `InvalidText` for a NUL in name or text, `TooLarge` above 65 535 types or 2 GiB.
pub fn write_parse(out: &mut Buffer, name: &str, sql: &str, types: &[Oid]) -> Result<()> {
    out.message(b'P', |body| {
        body.put_cstr(name)?;
        body.put_cstr(sql)?;
        body.put_count16(types.len(), "a statement has more than 65535 parameters")?;
        for oid in types {
            body.put_u32(oid.0);
        }
        Ok(())
    })
}

/// Writes a Bind (`B`): portal, statement, all parameters in binary, all results in `results`.
///
/// Layout: portal name, statement name, Int16 count of parameter formats (one, for all) and the format, Int16 count of
/// parameters, each with its length in front, Int16 count of result formats (one, for all) and the format.
///
/// # Errors
/// `TooLarge` above 65 535 parameters or 2 GiB, `InvalidText` for a NUL in a name.
#[inline]
pub fn write_bind(
    out: &mut Buffer,
    portal: &str,
    statement: &str,
    params: &Params,
    results: Format,
) -> Result<()> {
    out.message(b'B', |body| {
        body.put_cstr(portal)?;
        body.put_cstr(statement)?;
        body.put_slice(&formats(Format::Binary));
        body.put_count16(params.len(), "a statement has more than 65535 parameters")?;
        body.put_slice(params.as_slice());
        body.put_slice(&formats(results));
        Ok(())
    })
}

/// Writes a Bind (`B`) whose results come each in a format of its own; those behind the end of `results` in text.
///
/// # Errors
/// As [`write_bind`]; `TooLarge` above 65 535 formats.
pub fn write_bind_formats(
    out: &mut Buffer,
    portal: &str,
    statement: &str,
    params: &Params,
    results: &[Format],
) -> Result<()> {
    out.message(b'B', |body| {
        body.put_cstr(portal)?;
        body.put_cstr(statement)?;
        body.put_slice(&formats(Format::Binary));
        body.put_count16(params.len(), "a statement has more than 65535 parameters")?;
        body.put_slice(params.as_slice());
        body.put_count16(results.len(), "a statement has more than 65535 columns")?;
        for format in results {
            body.put_slice(&format.code().to_be_bytes());
        }
        Ok(())
    })
}

/// What every Bind of one statement begins with, made once: the unnamed portal, the statement's name, and binary as the
/// format of all parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindHead(Box<[u8]>);

impl BindHead {
    /// For the statement of this name.
    ///
    /// # Errors
    /// `InvalidText` for a NUL in the name.
    pub fn new(statement: &str) -> Result<Self> {
        let mut out = Buffer::new();
        out.put_cstr("")?;
        out.put_cstr(statement)?;
        out.put_slice(&formats(Format::Binary));
        Ok(Self(out.as_slice().into()))
    }
}

/// Writes a Bind with all results in binary, an Execute of all rows, and with `SYNC` a Sync: what a prepared statement
/// needs.
///
/// # Errors
/// `TooLarge` above 65 535 parameters or 2 GiB; nothing is written then.
#[inline]
pub fn write_bind_execute<const SYNC: bool>(
    out: &mut Buffer,
    head: &BindHead,
    params: &Params,
) -> Result<()> {
    /// The format of the results, and the Execute.
    const TAIL: &[u8; 14] = b"\0\x01\0\x01E\0\0\0\x09\0\0\0\0\0";
    const TAIL_AND_SYNC: &[u8; 19] = b"\0\x01\0\x01E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";
    let Ok(count) = u16::try_from(params.len()) else {
        return Err(Error::new(ErrorKind::TooLarge, "a statement has more than 65535 parameters"));
    };
    let values = params.as_slice();
    // The length itself, the count, and the format of the results.
    let size = values.len().saturating_add(head.0.len()).saturating_add(10);
    let Ok(size) = len32(size) else {
        return Err(Error::new(ErrorKind::TooLarge, "the parameters are 2 GiB or larger"));
    };
    let [a, b, c, d] = size.to_be_bytes();
    out.put_slice(&[b'B', a, b, c, d]);
    out.put_slice(&head.0);
    out.put_u16(count);
    out.put_slice(values);
    if SYNC {
        out.put_slice(TAIL_AND_SYNC);
    } else {
        out.put_slice(TAIL);
    }
    Ok(())
}

/// One format code, for all values: their Int16 count and the code.
#[inline]
const fn formats(format: Format) -> [u8; 4] {
    let [high, low] = format.code().to_be_bytes();
    [0, 1, high, low]
}

/// Writes a Describe (`D`). A statement is answered by ParameterDescription and then RowDescription or NoData, a portal by
/// the latter alone.
///
/// Layout: as [`Target`].
///
/// # Errors
/// `InvalidText` for a NUL in the name.
pub fn write_describe(out: &mut Buffer, target: Target<'_>) -> Result<()> {
    out.message(b'D', |body| target.write(body))
}

/// Writes an Execute (`E`): String portal, Int32 the largest number of rows, 0 for all.
///
/// # Errors
/// `InvalidText` for a NUL in the name, `TooLarge` above 2 147 483 647 rows.
#[inline]
pub fn write_execute(out: &mut Buffer, portal: &str, max_rows: u32) -> Result<()> {
    if portal.is_empty() && max_rows == 0 {
        // What nearly every statement ends with.
        out.put_slice(b"E\0\0\0\x09\0\0\0\0\0");
        return Ok(());
    }
    out.message(b'E', |body| {
        body.put_cstr(portal)?;
        body.put_len32(usize::try_from(max_rows).unwrap_or(usize::MAX))
    })
}

/// Writes a Close (`C`). Closing what is not there is no error.
///
/// Layout: as [`Target`].
///
/// # Errors
/// `InvalidText` for a NUL in the name.
pub fn write_close(out: &mut Buffer, target: Target<'_>) -> Result<()> {
    out.message(b'C', |body| target.write(body))
}

/// Writes a Flush (`H`): the server sends what it holds back. It has no body.
pub fn write_flush(out: &mut Buffer) {
    out.put_slice(b"H\0\0\0\x04");
}

/// Writes a Sync (`S`): ends a series; exactly one ReadyForQuery answers it. It has no body.
#[inline]
pub fn write_sync(out: &mut Buffer) {
    out.put_slice(b"S\0\0\0\x04");
}

/// Writes a Terminate (`X`): the session ends, and nothing answers (manual: "Termination"). It has no body.
pub fn write_terminate(out: &mut Buffer) {
    out.put_slice(b"X\0\0\0\x04");
}

/// Writes a Query (`Q`): String, one or more statements as text.
///
/// # Errors
/// `InvalidText` for a NUL, `TooLarge` for 2 GiB.
pub fn write_query(out: &mut Buffer, sql: &str) -> Result<()> {
    out.message(b'Q', |body| body.put_cstr(sql))
}

/// Reads the body of a Query (`Q`), as a server does: String, one or more statements as text (manual: "Message Formats").
///
/// # Errors
/// Any [`Error`](crate::Error) of a malformed body.
pub fn read_query(body: &[u8]) -> Result<&str> {
    let mut reader = Reader::new(body);
    let sql = reader.cstr()?;
    reader.end()?;
    Ok(sql)
}

/// A Parse (`P`) as a server reads it. Layout: as [`write_parse`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed one.
    pub name: &'a str,
    /// The statement's text.
    pub sql: &'a str,
    /// The parameter types that the client fixes, 0 for one to be inferred.
    pub types: Vec<Oid>,
}

impl<'a> Parse<'a> {
    /// Reads the body of a Parse.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let name = reader.cstr()?;
        let sql = reader.cstr()?;
        let count = reader.count16()?;
        let types = read_oids(&mut reader, count)?;
        reader.end()?;
        Ok(Self { name, sql, types })
    }
}

/// A Bind (`B`) as a server reads it. Layout: as [`write_bind`] says, with any number of formats: none, one, or one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a str,
    /// The statement's name.
    pub statement: &'a str,
    /// Formats of the parameters: none (all text), one for all, or one each.
    pub parameter_formats: Vec<Format>,
    /// The parameters; `None` for NULL.
    pub parameters: Vec<Option<&'a [u8]>>,
    /// Formats of the results: none (all text), one for all, or one each.
    pub result_formats: Vec<Format>,
}

impl<'a> Bind<'a> {
    /// Reads the body of a Bind.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let portal = reader.cstr()?;
        let statement = reader.cstr()?;
        let parameter_formats = Format::read_list(&mut reader)?;
        let mut parameters = Vec::new();
        for _ in 0..reader.count16()? {
            parameters.push(reader.value()?);
        }
        let result_formats = Format::read_list(&mut reader)?;
        reader.end()?;
        Ok(Self { portal, statement, parameter_formats, parameters, result_formats })
    }
}

/// An Execute (`E`) as a server reads it. Layout: as [`write_execute`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a str,
    /// The largest number of rows to send; 0 and below for all.
    pub max_rows: i32,
}

impl<'a> Execute<'a> {
    /// Reads the body of an Execute.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let execute = Self { portal: reader.cstr()?, max_rows: reader.i32()? };
        reader.end()?;
        Ok(execute)
    }
}

/// Reads the body of a ParameterDescription (`t`): an Int16 count and as many type OIDs.
///
/// # Errors
/// Any [`Error`](crate::Error) of a malformed body.
pub fn read_parameter_description(body: &[u8]) -> Result<Vec<Oid>> {
    let mut reader = Reader::new(body);
    let count = reader.count16()?;
    let types = read_oids(&mut reader, count)?;
    reader.end()?;
    Ok(types)
}

/// Checks that the body of a ParameterDescription is as long as its count says, without reading the types.
pub(crate) fn check_parameter_description(body: &[u8]) -> Result<()> {
    let mut reader = Reader::new(body);
    let count = reader.count16()?;
    reader.take(count.saturating_mul(4))?;
    reader.end()
}

/// Writes a ParameterDescription, as a server does.
///
/// # Errors
/// `TooLarge` above 65 535 parameters.
pub fn write_parameter_description(out: &mut Buffer, types: &[Oid]) -> Result<()> {
    out.message(b't', |body| {
        body.put_count16(types.len(), "a statement has more than 65535 parameters")?;
        for oid in types {
            body.put_u32(oid.0);
        }
        Ok(())
    })
}

/// Writes a message without a body, as a server does: ParseComplete (`1`), BindComplete (`2`), CloseComplete (`3`),
/// NoData (`n`), EmptyQueryResponse (`I`), PortalSuspended (`s`), CopyDone (`c`).
pub fn write_empty(out: &mut Buffer, tag: u8) {
    out.put_u8(tag);
    out.put_i32(4);
}

fn read_oids(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Oid>> {
    let mut types = Vec::new();
    for _ in 0..count {
        types.push(Oid(reader.u32()?));
    }
    Ok(types)
}
