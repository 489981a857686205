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
mod simple;

use core::fmt::Write as _;
use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::textual::scan::Scan;
use crate::textual::simple::is_simple;
use crate::types::catalog::{Attribute, Catalog, TypeKind};
use crate::types::multirange::range_of;
use crate::types::range::subtype;
use crate::types::{Cube, Decode, HalfVector, SparseVector, Vector};
use crate::wire::buffer::Buffer;
use crate::wire::nul::holds_nul;

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
        Form::Simple(oid) => simple::print(oid, raw, out),
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
    // Writing to a string does not fail.
    let _ = write!(out, "{}", T::decode(oid, raw)?);
    Ok(())
}

/// Appends a value that is given as text in the binary form of the type `oid`, without its length.
///
/// # Errors
/// Those of [`has_text`], [`ErrorKind::InvalidValue`] for a text that is no such value, [`ErrorKind::InvalidText`] for one with
/// a NUL.
pub fn from_text(oid: Oid, catalog: &Catalog, text: &str, out: &mut Buffer) -> Result<()> {
    match form(oid, catalog)? {
        Form::Simple(oid) => simple::parse(oid, text, out),
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

/// What the binary form of `jsonb`, `jsonpath` and `ltree` begins with.
const VERSION: u8 = 1;

/// How many domains may lie in each other.
const DEEPEST: usize = 48;

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
