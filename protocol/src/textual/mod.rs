//! Between a value's binary form and its text, as the text and CSV forms of COPY hold it (manual: "COPY", "File Formats").
//!
//! The text is the one that the server prints where its settings are as they are by default: dates in the style `ISO`, intervals
//! in the style `postgres`, `bytea` in hexadecimal digits. Text of another style is refused, never taken for another value; and
//! what is written here is read the same by a server of any settings.
//!
//! | types | text |
//! |---|---|
//! | `bool` | `t`, `f` |
//! | `int2`, `int4`, `int8`, `oid`, `xid`, `cid`, `xid8`, `numeric` | decimal digits; `NaN`, `Infinity` of `numeric` |
//! | `float4`, `float8` | the shortest that is read back as the same number; what a `NaN` holds beside that is lost |
//! | `text`, `varchar`, `char(n)`, `name`, `refcursor`, `json`, `jsonb`, `jsonpath`, `xml`, enums, `citext`, `ltree` and its patterns | as it is |
//! | `"char"` | as it is; a byte above 127 can't be written, which servers before 16 print as no UTF-8 |
//! | `bytea` | `\x` and hexadecimal digits |
//! | `uuid` | in groups of 8, 4, 4, 4, 12 |
//! | `date`, `time`, `timetz`, `timestamp`, `timestamptz`, `interval` | as `Date` and the others print themselves |
//! | `inet`, `cidr`, `macaddr`, `macaddr8`, `bit`, `varbit`, `tid`, `pg_lsn`, `pg_snapshot`, the geometric types, `tsvector`, `tsquery`, `cube`, the types of pgvector | as the types of those names print themselves |
//! | `int2vector`, `oidvector` | numbers, with blanks between them |
//! | ranges and multiranges over these | `[1,5)`, `{[1,5),[7,9)}` |
//! | composites of these | `(1,"a, b",)`: nothing is NULL |
//! | `hstore` | `"a"=>"1", "b"=>NULL` |
//! | arrays and domains over all of these | `{1,2,NULL}`, of any dimensions; as what the domain restricts |
//!
//! What has no text here, and why, [`has_text`] tells.

mod scan;
mod array;
mod nested;
mod shapes;
mod search;

use core::fmt::Write as _;
use core::str::FromStr;
use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::replication::Lsn;
use crate::textual::scan::Scan;
use crate::types::bits::Bits;
use crate::types::catalog::{Attribute, Catalog, TypeKind};
use crate::types::geometry::{Circle, Line, Path, Point, Polygon, Rectangle, Segment};
use crate::types::multirange::range_of;
use crate::types::network::{Cidr, Inet, MacAddr, MacAddr8};
use crate::types::numeric::Numeric;
use crate::types::range::subtype;
use crate::types::system::{Char, Int2Vector, OidVector, Snapshot, Tid, Xid8};
use crate::types::text_search::{TsQuery, TsVector};
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};
use crate::types::times::timetz::TimeTz;
use crate::types::{Cube, Decode, Encode, HalfVector, IsNull, SparseVector, Vector};
use crate::wire::buffer::Buffer;
use crate::wire::nul::holds_nul;

/// Types that print themselves, and those of them that read themselves too.
macro_rules! printed {
    ({ $($oid:ident $rust:ty;)* } { $($other:ident $printed:ty;)* }) => {
        const fn is_printed(oid: Oid) -> bool {
            matches!(oid, $(Oid::$oid)|* | $(Oid::$other)|*)
        }

        fn print(oid: Oid, raw: &[u8], out: &mut String) -> Result<()> {
            match oid {
                $(Oid::$oid => put(out, <$rust>::decode(oid, raw)?),)*
                $(Oid::$other => put(out, <$printed>::decode(oid, raw)?),)*
                _ => return Err(textless(oid)),
            }
            Ok(())
        }

        fn parse(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
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

/// What a type is to its text.
enum Form<'c> {
    /// A built-in type without parts.
    Simple(Oid),
    /// Its binary form is its text.
    Text,
    /// The same behind a byte for the version.
    Versioned,
    Array(Oid),
    /// By the type of its bounds.
    Range(Oid),
    Multirange(Oid),
    Composite(&'c [Attribute]),
    Hstore,
    Cube,
    Vector,
    HalfVector,
    SparseVector,
}

/// What the type is, where its text is known.
fn form(oid: Oid, catalog: &Catalog) -> Result<Form<'_>> {
    if !oid.is_user_defined() {
        if let Some(element) = oid.element() {
            return Ok(Form::Array(element));
        }
        if let Some(bound) = subtype(oid) {
            return Ok(Form::Range(bound));
        }
        if let Some(bound) = range_of(oid).and_then(subtype) {
            return Ok(Form::Multirange(bound));
        }
        return match oid {
            oid if is_text(oid) => Ok(Form::Text),
            Oid::JSONB | Oid::JSONPATH => Ok(Form::Versioned),
            oid if is_simple(oid) => Ok(Form::Simple(oid)),
            oid => Err(textless(oid)),
        };
    }
    let oid = base(oid, catalog);
    let known = match catalog.get(oid) {
        Some(known) => known,
        None if oid.is_user_defined() => {
            let message = "the database's catalogue was not asked for this type";
            return Err(Error::new(ErrorKind::UnknownType, message));
        }
        None => return form(oid, catalog),
    };
    match &known.kind {
        TypeKind::Enum { .. } | TypeKind::Base { is_text: true } => Ok(Form::Text),
        TypeKind::Array { element } => Ok(Form::Array(*element)),
        TypeKind::Range { subtype } => Ok(Form::Range(*subtype)),
        TypeKind::Multirange { range } => match catalog.get(*range).map(|range| &range.kind) {
            Some(TypeKind::Range { subtype }) => Ok(Form::Multirange(*subtype)),
            _ => Err(unknown_text()),
        },
        TypeKind::Composite { attributes } => Ok(Form::Composite(attributes)),
        TypeKind::Base { is_text: false } => match &*known.name {
            "hstore" => Ok(Form::Hstore),
            "ltree" | "lquery" | "ltxtquery" => Ok(Form::Versioned),
            "cube" => Ok(Form::Cube),
            "vector" => Ok(Form::Vector),
            "halfvec" => Ok(Form::HalfVector),
            "sparsevec" => Ok(Form::SparseVector),
            _ => Err(unknown_text()),
        },
        // One that ends nowhere.
        TypeKind::Domain { .. } => Err(unknown_text()),
    }
}

/// What a domain restricts, through all that lie in each other; any other type is its own.
fn base(oid: Oid, catalog: &Catalog) -> Oid {
    let mut found = oid;
    for _ in 0..DEEPEST {
        match catalog.get(found).map(|known| &known.kind) {
            Some(TypeKind::Domain { base }) => found = *base,
            _ => break,
        }
    }
    found
}

/// Whether values of this type can go both ways between text and binary form. `catalog` has to know the types that the
/// database numbers by itself.
///
/// # Errors
/// [`ErrorKind::UnknownType`] for a type that the catalogue does not know, [`ErrorKind::WrongType`] for one that has no text
/// here, with the reason: `money`, which the server prints by a setting; types whose text is a name that only the server can
/// look up (`regclass`, `aclitem`); records without a type of their own; types that no server takes; and those of extensions
/// that this crate does not know.
pub fn has_text(oid: Oid, catalog: &Catalog) -> Result<()> {
    let mut seen = HashSet::new();
    let mut left = vec![oid];
    while let Some(oid) = left.pop() {
        if !seen.insert(oid) {
            continue;
        }
        match form(oid, catalog)? {
            Form::Array(part) | Form::Range(part) | Form::Multirange(part) => left.push(part),
            Form::Composite(attributes) => {
                left.extend(attributes.iter().map(|attribute| attribute.oid));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_simple(oid: Oid) -> bool {
    is_printed(oid)
        || matches!(oid, Oid::BOOL | Oid::FLOAT4 | Oid::FLOAT8 | Oid::BYTEA | Oid::UUID | Oid::CHAR)
}

const fn is_text(oid: Oid) -> bool {
    matches!(
        oid,
        Oid::TEXT
            | Oid::VARCHAR
            | Oid::BPCHAR
            | Oid::NAME
            | Oid::REFCURSOR
            | Oid::JSON
            | Oid::XML
            | Oid::UNKNOWN
    )
}

/// Appends the text of a value that is in the binary form of the type `oid`.
///
/// ```
/// use stellata_protocol::textual::{from_text, to_text};
/// use stellata_protocol::{Catalog, Oid};
///
/// let mut text = String::new();
/// to_text(Oid::INT4, &Catalog::new(), &[0, 0, 0, 7], &mut text).unwrap();
/// assert_eq!(text, "7");
///
/// let mut raw = stellata_protocol::Buffer::new();
/// from_text(Oid::INT4, &Catalog::new(), "7", &mut raw).unwrap();
/// assert_eq!(raw.as_slice(), [0, 0, 0, 7]);
/// ```
///
/// # Errors
/// Those of [`has_text`], and any [`Error`] of bytes that are no such value.
pub fn to_text(oid: Oid, catalog: &Catalog, raw: &[u8], out: &mut String) -> Result<()> {
    match form(oid, catalog)? {
        Form::Simple(oid) => simple_to_text(oid, raw, out),
        Form::Text => {
            out.push_str(utf8(raw)?);
            Ok(())
        }
        Form::Versioned => match raw.split_first() {
            Some((&VERSION, text)) => {
                out.push_str(utf8(text)?);
                Ok(())
            }
            _ => Err(no_such_value()),
        },
        Form::Array(element) => array::print(element, catalog, raw, out),
        Form::Range(bound) => nested::print_range(bound, catalog, raw, out),
        Form::Multirange(bound) => nested::print_multirange(bound, catalog, raw, out),
        Form::Composite(attributes) => nested::print_composite(attributes, catalog, raw, out),
        Form::Hstore => nested::print_hstore(raw, out),
        Form::Cube => shown::<Cube>(oid, raw, out),
        Form::Vector => shown::<Vector>(oid, raw, out),
        Form::HalfVector => shown::<HalfVector>(oid, raw, out),
        Form::SparseVector => shown::<SparseVector>(oid, raw, out),
    }
}

fn shown<T: for<'r> Decode<'r> + core::fmt::Display>(
    oid: Oid,
    raw: &[u8],
    out: &mut String,
) -> Result<()> {
    put(out, T::decode(oid, raw)?);
    Ok(())
}

fn simple_to_text(oid: Oid, raw: &[u8], out: &mut String) -> Result<()> {
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
        oid => print(oid, raw, out)?,
    }
    Ok(())
}

/// Appends a value that is given as text in the binary form of the type `oid`, without its length.
///
/// # Errors
/// Those of [`has_text`], [`ErrorKind::InvalidValue`] for a text that is no such value, [`ErrorKind::InvalidText`] for one with
/// a NUL.
pub fn from_text(oid: Oid, catalog: &Catalog, text: &str, out: &mut Buffer) -> Result<()> {
    match form(oid, catalog)? {
        Form::Simple(oid) => simple_from_text(oid, text, out),
        Form::Text => {
            out.put_slice(without_nul(text)?);
            Ok(())
        }
        Form::Versioned => {
            out.put_u8(VERSION);
            out.put_slice(without_nul(text)?);
            Ok(())
        }
        Form::Array(element) => array::parse(element, catalog, text, out),
        Form::Range(bound) => {
            let mut scan = Scan::new(text);
            nested::parse_range(bound, catalog, &mut scan, out)?;
            scan.end()
        }
        Form::Multirange(bound) => nested::parse_multirange(bound, catalog, text, out),
        Form::Composite(attributes) => nested::parse_composite(attributes, catalog, text, out),
        Form::Hstore => nested::parse_hstore(text, out),
        Form::Cube => shapes::parse_cube(text, out),
        Form::Vector => shapes::parse_vector(text, out),
        Form::HalfVector => shapes::parse_half_vector(text, out),
        Form::SparseVector => shapes::parse_sparse_vector(text, out),
    }
}

fn simple_from_text(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
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
        oid => parse(oid, text, out)?,
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

/// What the binary form of `jsonb`, `jsonpath` and `ltree` begins with.
const VERSION: u8 = 1;

/// How many domains may lie in each other.
const DEEPEST: usize = 48;

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

/// Whether a value inside another one, of the type `found`, can't be of the type that is `wanted` there. As the server does it
/// (`array_recv`, `record_recv` of its source), this is asked of built-in types alone: of the others whoever writes a value need
/// not know the number.
const fn is_other(found: Oid, wanted: Oid) -> bool {
    found.0 != wanted.0 && !found.is_user_defined() && !wanted.is_user_defined()
}

/// What the server takes for a blank (`array_isspace` of its source).
fn is_blank(char: char) -> bool {
    char.is_ascii_whitespace() || char == '\x0b'
}

fn utf8(raw: &[u8]) -> Result<&str> {
    core::str::from_utf8(raw).map_err(|_| Error::new(ErrorKind::InvalidText, "text is not UTF-8"))
}

fn without_nul(text: &str) -> Result<&[u8]> {
    if holds_nul(text.as_bytes()) {
        return Err(Error::new(
            ErrorKind::InvalidText,
            "text holds a NUL, which PostgreSQL can't store",
        ));
    }
    Ok(text.as_bytes())
}

#[cold]
fn textless(oid: Oid) -> Error {
    let reason = match oid {
        Oid::MONEY => "the server writes and reads `money` by its setting lc_monetary",
        Oid::REGPROC
        | Oid::REGPROCEDURE
        | Oid::REGOPER
        | Oid::REGOPERATOR
        | Oid::REGCLASS
        | Oid::REGTYPE
        | Oid::REGCONFIG
        | Oid::REGDICTIONARY
        | Oid::REGNAMESPACE
        | Oid::REGROLE
        | Oid::REGCOLLATION
        | Oid::ACLITEM => "its text is a name, which only the server can look up",
        Oid::RECORD => "the text of a record does not tell of what types its values are",
        Oid::PG_NODE_TREE
        | Oid::GTSVECTOR
        | Oid::PG_NDISTINCT
        | Oid::PG_DEPENDENCIES
        | Oid::PG_MCV_LIST
        | Oid::PG_BRIN_BLOOM_SUMMARY
        | Oid::PG_BRIN_MINMAX_MULTI_SUMMARY => "no server takes a value of it",
        _ => return unknown_text(),
    };
    Error::new(ErrorKind::WrongType, reason)
}

#[cold]
fn unknown_text() -> Error {
    Error::new(ErrorKind::WrongType, "how its values look as text is not known here")
}

#[cold]
fn no_such_value() -> Error {
    Error::new(ErrorKind::InvalidValue, "the text is no value of the type")
}

#[cfg(test)]
mod tests;
