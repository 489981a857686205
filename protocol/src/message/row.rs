//! RowDescription and DataRow (manual: "Message Formats", "Formats and Format Codes").

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The form in which a value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As the type's text output function writes it.
    Text,
    /// As the type's send function writes it.
    Binary,
}

impl Format {
    /// The format code of the manual: 0 or 1.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    /// # Errors
    /// [`ErrorKind::InvalidValue`] for any other code.
    pub(crate) fn from_code(code: i16) -> Result<Self> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(Error::new(ErrorKind::InvalidValue, "a format code is neither 0 nor 1")),
        }
    }

    /// Reads an Int16 count and as many format codes.
    pub(crate) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        let mut formats = Vec::new();
        for _ in 0..reader.count16()? {
            formats.push(Self::from_code(reader.i16()?)?);
        }
        Ok(formats)
    }
}

/// One column of a RowDescription (`T`).
///
/// Layout: String name, Int32 table OID, Int16 column number, Int32 type OID, Int16 type size, Int32 type modifier, Int16
/// format code (0 or 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDescription {
    /// The column's name, or its alias in the statement.
    pub name: Box<str>,
    /// The table it comes from, or 0.
    pub table_oid: Oid,
    /// Its number in that table, or 0.
    pub column_number: i16,
    /// Its type.
    pub type_oid: Oid,
    /// The type's size in bytes; negative for types of varying size.
    pub type_size: i16,
    /// The type modifier, such as the length of a `varchar(n)`; -1 for none.
    pub type_modifier: i32,
    /// The form in which values will come.
    pub format: Format,
}

/// Reads the body of a RowDescription: an Int16 count, then each column as [`FieldDescription`] says.
///
/// # Errors
/// Any [`Error`] of a malformed body; [`ErrorKind::InvalidValue`] for a format code other than 0 and 1.
pub fn read_row_description(body: &[u8]) -> Result<Vec<FieldDescription>> {
    let mut reader = Reader::new(body);
    let count = reader.count16()?;
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(FieldDescription {
            name: reader.cstr()?.into(),
            table_oid: Oid(reader.u32()?),
            column_number: reader.i16()?,
            type_oid: Oid(reader.u32()?),
            type_size: reader.i16()?,
            type_modifier: reader.i32()?,
            format: Format::from_code(reader.i16()?)?,
        });
    }
    reader.end()?;
    Ok(fields)
}

/// Writes a RowDescription, as a server does.
///
/// # Errors
/// [`ErrorKind::TooLarge`] above 65 535 columns, [`ErrorKind::InvalidText`] for a NUL in a name.
pub fn write_row_description(out: &mut Buffer, fields: &[FieldDescription]) -> Result<()> {
    out.message(b'T', |body| {
        body.put_count16(fields.len(), "more than 65535 columns")?;
        for field in fields {
            body.put_cstr(&field.name)?;
            body.put_u32(field.table_oid.0);
            body.put_i16(field.column_number);
            body.put_u32(field.type_oid.0);
            body.put_i16(field.type_size);
            body.put_i32(field.type_modifier);
            body.put_i16(field.format.code());
        }
        Ok(())
    })
}

/// Reads the body of a DataRow (`D`) whose columns are not known: an Int16 count of values, 0 to 65 535, then each with its
/// Int32 length in front, -1 for NULL, which is read as `None`.
///
/// [`Columns`](crate::Columns) reads one into Rust types, and copies nothing.
///
/// # Errors
/// Any [`Error`] of a malformed body.
pub fn read_data_row(body: &[u8]) -> Result<Vec<Option<&[u8]>>> {
    let mut reader = Reader::new(body);
    let mut values = Vec::new();
    for _ in 0..reader.count16()? {
        values.push(reader.value()?);
    }
    reader.end()?;
    Ok(values)
}

/// Writes a DataRow, as a server does: an Int16 count, then each value with its length in front.
///
/// # Errors
/// [`ErrorKind::TooLarge`] above 65 535 columns or 2 GiB.
pub fn write_data_row(out: &mut Buffer, values: &[Option<&[u8]>]) -> Result<()> {
    out.message(b'D', |body| {
        body.put_count16(values.len(), "more than 65535 columns")?;
        for value in values {
            match value {
                None => body.null(),
                Some(value) => body.value(|out| {
                    out.put_slice(value);
                    Ok(())
                })?,
            }
        }
        Ok(())
    })
}
