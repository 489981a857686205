//! The text of values that hold other values: ranges, multiranges, composites and `hstore` (manual: "Range Input/Output",
//! "Composite Type Input and Output Syntax", "hstore External Representation").

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::textual::scan::Scan;
use crate::textual::{from_text, is_blank, is_other, no_such_value, to_text, utf8, without_nul};
use crate::types::catalog::{Attribute, Catalog};
use crate::types::nesting::Nesting;
use crate::types::range::flags;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A value inside another one, in quotes where it could be taken for something else without. `marks` end it.
fn quote(text: &str, marks: &[char], out: &mut String) {
    let is_special =
        |char: char| matches!(char, '"' | '\\' | ',') || marks.contains(&char) || is_blank(char);
    if !text.is_empty() && !text.contains(is_special) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            out.push(char);
        }
        out.push(char);
    }
    out.push('"');
}

const BRACKETS: [char; 4] = ['(', ')', '[', ']'];
const PARENTHESES: [char; 2] = ['(', ')'];

/// Appends the text of a range whose bounds are of the type `bound`.
pub(super) fn print_range(
    bound: Oid,
    catalog: &Catalog,
    raw: &[u8],
    out: &mut String,
) -> Result<()> {
    let _level = Nesting::enter()?;
    let mut reader = Reader::new(raw);
    let found = reader.u8()?;
    if found & flags::EMPTY != 0 {
        out.push_str("empty");
        return reader.end();
    }
    let mut value = |unbounded: u8, out: &mut String| -> Result<()> {
        if found & unbounded != 0 {
            return Ok(());
        }
        let mut text = String::new();
        to_text(bound, catalog, reader.value()?.ok_or_else(no_such_value)?, &mut text)?;
        quote(&text, &BRACKETS, out);
        Ok(())
    };
    out.push(if found & flags::LOWER_INCLUDED != 0 { '[' } else { '(' });
    value(flags::LOWER_UNBOUNDED, out)?;
    out.push(',');
    value(flags::UPPER_UNBOUNDED, out)?;
    out.push(if found & flags::UPPER_INCLUDED != 0 { ']' } else { ')' });
    reader.end()
}

/// Appends the binary form of the range that comes next.
pub(super) fn parse_range(
    bound: Oid,
    catalog: &Catalog,
    scan: &mut Scan<'_>,
    out: &mut Buffer,
) -> Result<()> {
    let _level = Nesting::enter()?;
    if scan.take("empty") {
        out.put_u8(flags::EMPTY);
        return Ok(());
    }
    let mut found = match scan.char() {
        Some('[') => flags::LOWER_INCLUDED,
        Some('(') => 0,
        _ => return Err(no_such_value()),
    };
    let lower = if scan.rest.starts_with(',') { None } else { Some(scan.part(&[','])?) };
    scan.expect(",")?;
    let upper = match scan.rest.chars().next() {
        Some(')' | ']') => None,
        _ => Some(scan.part(&[',', ')', ']'])?),
    };
    if scan.take("]") {
        found |= flags::UPPER_INCLUDED;
    } else {
        scan.expect(")")?;
    }
    // Where there is no bound, it is not included.
    if lower.is_none() {
        found = found & !flags::LOWER_INCLUDED | flags::LOWER_UNBOUNDED;
    }
    if upper.is_none() {
        found = found & !flags::UPPER_INCLUDED | flags::UPPER_UNBOUNDED;
    }
    out.put_u8(found);
    for text in [lower, upper].into_iter().flatten() {
        out.value(|out| from_text(bound, catalog, &text, out))?;
    }
    Ok(())
}

/// Appends the text of a multirange whose bounds are of the type `bound`.
pub(super) fn print_multirange(
    bound: Oid,
    catalog: &Catalog,
    raw: &[u8],
    out: &mut String,
) -> Result<()> {
    let mut reader = Reader::new(raw);
    let count = usize::try_from(reader.i32()?).map_err(|_| no_such_value())?;
    out.push('{');
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        print_range(bound, catalog, reader.value()?.ok_or_else(no_such_value)?, out)?;
    }
    out.push('}');
    reader.end()
}

/// Appends the binary form of a multirange whose text this is.
pub(super) fn parse_multirange(
    bound: Oid,
    catalog: &Catalog,
    text: &str,
    out: &mut Buffer,
) -> Result<()> {
    let mut scan = Scan::new(text);
    let start = out.len();
    let mut count = 0_usize;
    out.put_i32(0);
    scan.expect("{")?;
    while !scan.take("}") {
        if count > 0 {
            scan.expect(",")?;
        }
        out.value(|out| parse_range(bound, catalog, &mut scan, out))?;
        count = count.saturating_add(1);
    }
    scan.end()?;
    out.patch(start, count)
}

/// Appends the text of a composite of these attributes.
pub(super) fn print_composite(
    attributes: &[Attribute],
    catalog: &Catalog,
    raw: &[u8],
    out: &mut String,
) -> Result<()> {
    let _level = Nesting::enter()?;
    let mut reader = Reader::new(raw);
    if usize::try_from(reader.i32()?).ok() != Some(attributes.len()) {
        return Err(other_attributes());
    }
    out.push('(');
    for (index, attribute) in attributes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if is_other(Oid(reader.u32()?), attribute.oid) {
            return Err(other_attributes());
        }
        if let Some(raw) = reader.value()? {
            let mut text = String::new();
            to_text(attribute.oid, catalog, raw, &mut text)?;
            quote(&text, &PARENTHESES, out);
        }
    }
    out.push(')');
    reader.end()
}

/// Appends the binary form of a composite of these attributes whose text this is.
pub(super) fn parse_composite(
    attributes: &[Attribute],
    catalog: &Catalog,
    text: &str,
    out: &mut Buffer,
) -> Result<()> {
    let _level = Nesting::enter()?;
    let mut scan = Scan::new(text);
    scan.expect("(")?;
    out.put_len32(attributes.len())?;
    for (index, attribute) in attributes.iter().enumerate() {
        if index > 0 {
            scan.expect(",")?;
        }
        out.put_u32(attribute.oid.0);
        match scan.rest.chars().next() {
            // Nothing at all is NULL; a text without letters is quoted.
            Some(',' | ')') => out.null(),
            _ => {
                let part = scan.part(&[',', ')'])?;
                out.value(|out| from_text(attribute.oid, catalog, &part, out))?;
            }
        }
    }
    scan.expect(")")?;
    scan.end()
}

/// Appends the text of an `hstore`.
pub(super) fn print_hstore(raw: &[u8], out: &mut String) -> Result<()> {
    let text = |raw: &[u8], out: &mut String| -> Result<()> {
        out.push('"');
        for char in utf8(raw)?.chars() {
            if matches!(char, '"' | '\\') {
                out.push('\\');
            }
            out.push(char);
        }
        out.push('"');
        Ok(())
    };
    let mut reader = Reader::new(raw);
    let count = usize::try_from(reader.i32()?).map_err(|_| no_such_value())?;
    for index in 0..count {
        if index > 0 {
            out.push_str(", ");
        }
        text(reader.value()?.ok_or_else(no_such_value)?, out)?;
        out.push_str("=>");
        match reader.value()? {
            None => out.push_str("NULL"),
            Some(raw) => text(raw, out)?,
        }
    }
    reader.end()
}

/// Appends the binary form of an `hstore` whose text this is, with all texts in quotes, as the server prints it.
pub(super) fn parse_hstore(text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let start = out.len();
    let mut count = 0_usize;
    out.put_i32(0);
    while !scan.rest.is_empty() {
        if count > 0 {
            scan.expect(", ")?;
        }
        out.put_value(without_nul(&scan.quoted("\"")?)?)?;
        scan.expect("=>")?;
        if scan.take("NULL") {
            out.null();
        } else {
            out.put_value(without_nul(&scan.quoted("\"")?)?)?;
        }
        count = count.saturating_add(1);
    }
    out.patch(start, count)
}

#[cold]
fn other_attributes() -> Error {
    Error::new(ErrorKind::WrongType, "a composite has other attributes than its type")
}
