//! Function calls (manual: "Function Call"). The extended query protocol does the same and more; this is here because a
//! server speaks it.

use crate::error::Result;
use crate::message::row::Format;
use crate::oid::Oid;
use crate::types::params::Params;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Writes a FunctionCall (`F`): the function's OID, one format for all arguments (binary), the arguments, and the format
/// of the result.
///
/// Layout: Int32 OID, Int16 count of argument formats (one, for all) and the format, Int16 count of arguments, each with its
/// Int32 length in front (-1: NULL), Int16 format of the result.
///
/// # Errors
/// `TooLarge` above 65 535 arguments or 2 GiB.
pub fn write_function_call(
    out: &mut Buffer,
    function: Oid,
    arguments: &Params,
    result: Format,
) -> Result<()> {
    out.message(b'F', |body| {
        body.put_u32(function.0);
        body.put_i16(1);
        body.put_i16(Format::Binary.code());
        body.put_count16(arguments.len(), "a function call has more than 65535 arguments")?;
        body.put_slice(arguments.as_slice());
        body.put_i16(result.code());
        Ok(())
    })
}

/// A FunctionCall (`F`) as a server reads it. Layout: as [`write_function_call`] says, with any number of formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    /// The function.
    pub function: Oid,
    /// Formats of the arguments: none (all text), one for all, or one each.
    pub argument_formats: Vec<Format>,
    /// The arguments; `None` for NULL.
    pub arguments: Vec<Option<&'a [u8]>>,
    /// The format in which the result is wanted.
    pub result_format: Format,
}

impl<'a> FunctionCall<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body; `InvalidValue` for a format code other than 0 and 1.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let function = Oid(reader.u32()?);
        let argument_formats = Format::read_list(&mut reader)?;
        let mut arguments = Vec::new();
        for _ in 0..reader.count16()? {
            arguments.push(reader.value()?);
        }
        let result_format = Format::from_code(reader.i16()?)?;
        reader.end()?;
        Ok(Self { function, argument_formats, arguments, result_format })
    }
}

/// Reads the body of a FunctionCallResponse (`V`): Int32 length (-1: NULL, read as `None`), and as many bytes.
///
/// # Errors
/// Any [`Error`](crate::Error) of a malformed body.
pub fn read_function_result(body: &[u8]) -> Result<Option<&[u8]>> {
    let mut reader = Reader::new(body);
    let result = reader.value()?;
    reader.end()?;
    Ok(result)
}

/// Writes a FunctionCallResponse, as a server does.
///
/// # Errors
/// `TooLarge` for 2 GiB.
pub fn write_function_result(out: &mut Buffer, result: Option<&[u8]>) -> Result<()> {
    out.message(b'V', |body| match result {
        None => {
            body.null();
            Ok(())
        }
        Some(result) => body.value(|value| {
            value.put_slice(result);
            Ok(())
        }),
    })
}
