//! The data of a binary COPY (manual: "COPY", "Binary Format").
//!
//! The data is one stream, which CopyData messages cut anywhere:
//!
//! | part | bytes |
//! |---|---|
//! | signature | 11: `PGCOPY\n\xff\r\n\0` |
//! | flags | Int32: bits 16 to 31 must be understood, bits 0 to 15 may be passed over; bit 16: rows begin with an OID |
//! | extension | Int32 length, and as many bytes to pass over |
//! | each row | Int16 number of values; per value an Int32 length and its bytes, -1 for NULL |
//! | trailer | Int16 -1 |
//!
//! A value has the binary form that it has in a DataRow. Nobody infers types here: a value of another type than the
//! column's is an error at best, and another value at worst. So both sides are told the types of the columns, and hold every
//! value against them.

mod piece;
mod writer;
mod reader;
#[cfg(test)]
mod tests;

pub use piece::CopyPiece;
pub use reader::BinaryCopyReader;
pub use writer::{BinaryCopyWriter, CopyFields, CopyRow};

/// What binary COPY data begins with. The bytes past the name notice when a transfer changed line ends or dropped the
/// eighth bit.
pub const SIGNATURE: [u8; 11] = *b"PGCOPY\n\xff\r\n\0";
