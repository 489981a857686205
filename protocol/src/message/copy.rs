//! The COPY messages (manual: "COPY Operations").

use crate::error::Result;
use crate::message::row::Format;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// How a COPY is going to send or take its data: the body of CopyInResponse (`G`), CopyOutResponse (`H`) and
/// CopyBothResponse (`W`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyResponse {
    /// Text (lines of columns) or binary (see the manual: "Binary Format").
    pub format: Format,
    /// The format of each column. All are text where `format` is.
    pub columns: Vec<Format>,
}

impl CopyResponse {
    /// Reads the body: an Int8 format, an Int16 count of columns, and the format code of each.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body; `InvalidValue` for a format code other than 0 and 1.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let format = Format::from_code(i16::from(reader.u8()?))?;
        let columns = Format::read_list(&mut reader)?;
        reader.end()?;
        Ok(Self { format, columns })
    }

    /// Writes the message with the given tag, as a server does.
    ///
    /// # Errors
    /// `TooLarge` above 65 535 columns.
    pub fn write(&self, out: &mut Buffer, tag: u8) -> Result<()> {
        out.message(tag, |body| {
            body.put_u8(match self.format {
                Format::Text => 0,
                Format::Binary => 1,
            });
            body.put_count16(self.columns.len(), "more than 65535 columns")?;
            for column in &self.columns {
                body.put_i16(column.code());
            }
            Ok(())
        })
    }
}

/// Writes a CopyData (`d`), in either direction: bytes up to the end, a piece of the data, cut anywhere.
///
/// # Errors
/// `TooLarge` for 2 GiB.
pub fn write_copy_data(out: &mut Buffer, data: &[u8]) -> Result<()> {
    out.message(b'd', |body| {
        body.put_slice(data);
        Ok(())
    })
}

/// Writes a CopyDone (`c`), in either direction: the data is all there. It has no body.
pub fn write_copy_done(out: &mut Buffer) {
    out.put_slice(b"c\0\0\0\x04");
}

/// Writes a CopyFail (`f`): String reason, with which the COPY is to fail.
///
/// # Errors
/// `InvalidText` for a NUL in the reason.
pub fn write_copy_fail(out: &mut Buffer, reason: &str) -> Result<()> {
    out.message(b'f', |body| body.put_cstr(reason))
}

/// Reads the body of a CopyFail, as a server does: String reason (manual: "COPY Operations").
///
/// # Errors
/// Any [`Error`](crate::Error) of a malformed body.
pub fn read_copy_fail(body: &[u8]) -> Result<&str> {
    let mut reader = Reader::new(body);
    let reason = reader.cstr()?;
    reader.end()?;
    Ok(reason)
}
