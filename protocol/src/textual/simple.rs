//! The text of built-in types without parts.

use core::fmt::Write as _;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::replication::Lsn;
use crate::textual::scan::Scan;
use crate::textual::{no_such_value, search, shapes, textless, utf8};
use crate::types::bits::Bits;
use crate::types::geometry::{Circle, Line, Path, Point, Polygon, Rectangle, Segment};
use crate::types::network::{Cidr, Inet, MacAddr, MacAddr8};
use crate::types::numeric::Numeric;
use crate::types::system::{Char, Int2Vector, OidVector, Snapshot, Tid, Xid8};
use crate::types::text_search::{TsQuery, TsVector};
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};
use crate::types::times::timetz::TimeTz;
use crate::types::{Decode, Encode, IsNull};
use crate::wire::buffer::Buffer;

/// Types that print themselves, and those of them that read themselves too.
macro_rules! printed {
    ({ $($oid:ident $rust:ty;)* } { $($other:ident $printed:ty;)* }) => {
        const fn is_printed(oid: Oid) -> bool {
            matches!(oid, $(Oid::$oid)|* | $(Oid::$other)|*)
        }

        fn print_itself(oid: Oid, raw: &[u8], out: &mut String) -> Result<()> {
            match oid {
                $(Oid::$oid => put(out, <$rust>::decode(oid, raw)?),)*
                $(Oid::$other => put(out, <$printed>::decode(oid, raw)?),)*
                _ => return Err(textless(oid)),
            }
            Ok(())
        }

        fn parse_itself(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
            match oid {
                $(Oid::$oid => {
                    let value = <$rust>::from_str(text).map_err(|_| no_such_value())?;
                    value.encode(oid, out).map(|_: IsNull| ())
                })*
                Oid::XID8 => {
                    out.put_slice(&Scan::new(text).value::<u64>(&[])?.to_be_bytes());
                    Ok(())
                }
                Oid::INT2VECTOR => numbers::<i16>(text, out),
                Oid::OIDVECTOR => numbers::<u32>(text, out),
                Oid::PG_SNAPSHOT | Oid::TXID_SNAPSHOT => {
                    snapshot(text)?.encode(oid, out).map(|_: IsNull| ())
                }
                Oid::TSVECTOR => search::parse_vector(text, out),
                Oid::TSQUERY => search::parse_query(text, out),
                oid if shapes::is_shape(oid) => shapes::parse(oid, text, out),
                _ => Err(textless(oid)),
            }
        }
    };
}

printed! {
{
    INT2 i16;
    INT4 i32;
    INT8 i64;
    OID u32;
    XID u32;
    CID u32;
    NUMERIC Numeric;
    DATE Date;
    TIME Time;
    TIMETZ TimeTz;
    TIMESTAMP Timestamp;
    TIMESTAMPTZ TimestampTz;
    INTERVAL Interval;
    INET Inet;
    CIDR Cidr;
    MACADDR MacAddr;
    MACADDR8 MacAddr8;
    BIT Bits;
    VARBIT Bits;
    TID Tid;
    PG_LSN Lsn;
}
{
    XID8 Xid8;
    INT2VECTOR Int2Vector;
    OIDVECTOR OidVector;
    PG_SNAPSHOT Snapshot;
    TXID_SNAPSHOT Snapshot;
    TSVECTOR TsVector;
    TSQUERY TsQuery;
    POINT Point;
    LINE Line;
    LSEG Segment;
    BOX Rectangle;
    PATH Path;
    POLYGON Polygon;
    CIRCLE Circle;
}
}

/// Whether this is a type whose text is written and read here.
pub(super) fn is_simple(oid: Oid) -> bool {
    is_printed(oid)
        || matches!(oid, Oid::BOOL | Oid::FLOAT4 | Oid::FLOAT8 | Oid::BYTEA | Oid::UUID | Oid::CHAR)
}

/// Appends the text of a value.
pub(super) fn print(oid: Oid, raw: &[u8], out: &mut String) -> Result<()> {
    match oid {
        Oid::BOOL => out.push(if bool::decode(oid, raw)? { 't' } else { 'f' }),
        Oid::FLOAT4 => {
            let value = f32::decode(oid, raw)?;
            if value.is_infinite() {
                infinite(out, value.is_sign_negative())
            } else {
                put(out, value)
            }
        }
        Oid::FLOAT8 => {
            let value = f64::decode(oid, raw)?;
            if value.is_infinite() {
                infinite(out, value.is_sign_negative())
            } else {
                put(out, value)
            }
        }
        Oid::CHAR => match Char::decode(oid, raw)?.0 {
            0 => {}
            byte if byte.is_ascii() => out.push(char::from(byte)),
            _ => {
                let message = "a \"char\" above 127 has no text that all servers read the same";
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
        },
        Oid::BYTEA => {
            out.push_str("\\x");
            digits(out, raw);
        }
        Oid::UUID => {
            let bytes: &[u8; 16] = raw.try_into().map_err(|_| no_such_value())?;
            let mut rest = &bytes[..];
            for size in [4, 2, 2, 2, 6] {
                let (group, behind) = rest.split_at_checked(size).unwrap_or((rest, &[]));
                digits(out, group);
                rest = behind;
                if !rest.is_empty() {
                    out.push('-');
                }
            }
        }
        oid => print_itself(oid, raw, out)?,
    }
    Ok(())
}

/// Appends the binary form of a value whose text this is.
pub(super) fn parse(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
    match oid {
        Oid::BOOL => match text {
            "t" => out.put_u8(1),
            "f" => out.put_u8(0),
            _ => return Err(no_such_value()),
        },
        Oid::FLOAT4 => {
            let value: f32 = text.parse().map_err(|_| no_such_value())?;
            out.put_slice(&value.to_be_bytes());
        }
        Oid::FLOAT8 => {
            let value: f64 = text.parse().map_err(|_| no_such_value())?;
            out.put_slice(&value.to_be_bytes());
        }
        Oid::CHAR => out.put_u8(character(text)?),
        Oid::BYTEA => bytes(text.strip_prefix("\\x").ok_or_else(no_such_value)?, out)?,
        Oid::UUID => {
            let start = out.len();
            for group in text.split('-') {
                bytes(group, out)?;
            }
            if out.len().wrapping_sub(start) != 16 {
                return Err(no_such_value());
            }
        }
        oid => parse_itself(oid, text, out)?,
    }
    Ok(())
}

/// One byte: none is 0, and one above 127 is a backslash and three octal digits (from server 16 on).
fn character(text: &str) -> Result<u8> {
    match text.as_bytes() {
        [] => Ok(0),
        [byte] => Ok(*byte),
        [b'\\', digits @ ..] if digits.len() == 3 => {
            let digits = utf8(digits)?;
            u8::from_str_radix(digits, 8).map_err(|_| no_such_value())
        }
        _ => Err(no_such_value()),
    }
}

/// Appends numbers with blanks between them, perhaps none, as the vectors of the catalogue have them: arrays that begin at 0. That
/// the server takes no empty one in binary is no matter here: it prints them.
fn numbers<T: FromStr + Encode>(text: &str, out: &mut Buffer) -> Result<()> {
    let numbers =
        text.split_terminator(' ').map(|number| number.parse().map_err(|_| no_such_value()));
    let numbers: Vec<T> = numbers.collect::<Result<_>>()?;
    out.put_i32(1);
    out.put_i32(0);
    out.put_u32(T::TYPE.oid.0);
    out.put_len32(numbers.len())?;
    out.put_i32(0);
    for number in numbers {
        let _: IsNull = number.encode_sized(T::TYPE.oid, out)?;
    }
    Ok(())
}

/// `10:20:12,15`.
fn snapshot(text: &str) -> Result<Snapshot> {
    let mut scan = Scan::new(text);
    let xmin = Xid8(scan.value(&[':'])?);
    scan.expect(":")?;
    let xmax = Xid8(scan.value(&[':'])?);
    scan.expect(":")?;
    let mut xip = Vec::new();
    while !scan.rest.is_empty() {
        if !xip.is_empty() {
            scan.expect(",")?;
        }
        xip.push(Xid8(scan.value(&[','])?));
    }
    Snapshot::new(xmin, xmax, xip).map_err(|_| no_such_value())
}

/// Writing to a string does not fail.
fn put(out: &mut String, value: impl core::fmt::Display) {
    let _ = write!(out, "{value}");
}

fn infinite(out: &mut String, negative: bool) {
    out.push_str(if negative { "-Infinity" } else { "Infinity" });
}

fn digits(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// Bytes from their hexadecimal digits.
fn bytes(text: &str, out: &mut Buffer) -> Result<()> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(no_such_value()) };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for &[high, low] in pairs {
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(no_such_value());
        };
        out.put_u8(high << 4 | low);
    }
    Ok(())
}
