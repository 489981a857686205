//! The text of arrays (manual: "Array Input and Output Syntax").

use core::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::textual::{base, from_text, is_blank, is_other, no_such_value, to_text};
use crate::types::catalog::Catalog;
use crate::types::nesting::Nesting;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The most dimensions that an array has (`MAXDIM` of the server's source).
const DIMENSIONS: usize = 6;

/// Appends the text of an array over `element`.
pub(super) fn print(element: Oid, catalog: &Catalog, raw: &[u8], out: &mut String) -> Result<()> {
    let _level = Nesting::enter()?;
    let mut reader = Reader::new(raw);
    let count = usize::try_from(reader.i32()?).map_err(|_| no_such_value())?;
    reader.i32()?;
    if is_other(Oid(reader.u32()?), element) {
        return Err(Error::new(ErrorKind::WrongType, "a value inside it is of another type"));
    }
    if count > DIMENSIONS {
        return Err(no_such_value());
    }
    let mut lengths = Vec::with_capacity(count);
    let mut bounds = String::new();
    let mut is_plain = true;
    for _ in 0..count {
        let (length, lower) = (reader.i32()?, reader.i32()?);
        let upper = lower.checked_add(length).and_then(|end| end.checked_sub(1));
        let upper = upper.ok_or_else(no_such_value)?;
        is_plain &= lower == 1;
        let _ = write!(bounds, "[{lower}:{upper}]");
        // None is empty: an array without elements has no dimensions.
        let length = usize::try_from(length).ok().filter(|&length| length > 0);
        lengths.push(length.ok_or_else(no_such_value)?);
    }
    if !is_plain {
        out.push_str(&bounds);
        out.push('=');
    }
    if lengths.is_empty() {
        out.push_str("{}");
    } else {
        let elements = Elements { element, catalog, delimiter: delimiter(element, catalog) };
        elements.print(&lengths, &mut reader, out)?;
    }
    reader.end()
}

/// What stands between the elements: a comma, but for boxes, which hold commas themselves.
fn delimiter(element: Oid, catalog: &Catalog) -> char {
    if base(element, catalog) == Oid::BOX { ';' } else { ',' }
}

/// The elements of an array: their type, and what stands between them.
struct Elements<'c> {
    element: Oid,
    catalog: &'c Catalog,
    delimiter: char,
}

impl Elements<'_> {
    /// Goes no deeper than there are dimensions.
    fn print(&self, lengths: &[usize], reader: &mut Reader<'_>, out: &mut String) -> Result<()> {
        let Some((&length, inner)) = lengths.split_first() else { return Ok(()) };
        out.push('{');
        for index in 0..length {
            if index > 0 {
                out.push(self.delimiter);
            }
            if !inner.is_empty() {
                self.print(inner, reader, out)?;
                continue;
            }
            match reader.value()? {
                None => out.push_str("NULL"),
                Some(raw) => {
                    let mut text = String::new();
                    to_text(self.element, self.catalog, raw, &mut text)?;
                    self.quote(&text, out);
                }
            }
        }
        out.push('}');
        Ok(())
    }

    /// An element in quotes, where it could be taken for something else without.
    fn quote(&self, text: &str, out: &mut String) {
        let is_special = |char: char| {
            matches!(char, '"' | '\\' | '{' | '}') || char == self.delimiter || is_blank(char)
        };
        if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(is_special) {
            out.push_str(text);
            return;
        }
        out.push('"');
        for char in text.chars() {
            if matches!(char, '"' | '\\') {
                out.push('\\');
            }
            out.push(char);
        }
        out.push('"');
    }
}

/// Appends the binary form of an array over `element` whose text this is. Each element is written as it is reached, and how
/// many there were when all have been.
pub(super) fn parse(element: Oid, catalog: &Catalog, text: &str, out: &mut Buffer) -> Result<()> {
    let _level = Nesting::enter()?;
    let elements = Elements { element, catalog, delimiter: delimiter(element, catalog) };
    let mut scan =
        Braces { rest: text, elements, lengths: Vec::new(), word: String::new(), has_null: false };
    let lower = scan.bounds()?;
    // The braces in front of the first element tell the dimensions. The array without elements has none.
    let dimensions = match scan.rest {
        "{}" => 0,
        rest => rest.bytes().take_while(|byte| *byte == b'{').count(),
    };
    if dimensions > DIMENSIONS || (!lower.is_empty() && lower.len() != dimensions) {
        return Err(no_such_value());
    }
    let start = out.len();
    out.put_len32(dimensions)?;
    out.put_i32(0);
    out.put_u32(element.0);
    for index in 0..dimensions {
        out.put_i32(0);
        out.put_i32(lower.get(index).copied().unwrap_or(1));
    }
    scan.level(0, out)?;
    if !scan.rest.is_empty() || scan.lengths.len() != dimensions {
        return Err(no_such_value());
    }
    out.patch(start.saturating_add(FLAGS_AT), usize::from(scan.has_null))?;
    for (index, length) in scan.lengths.iter().enumerate() {
        let at = DIMENSIONS_AT.saturating_add(index.saturating_mul(DIMENSION));
        out.patch(start.saturating_add(at), *length)?;
    }
    Ok(())
}

/// Where an array says that it holds NULLs, and where its dimensions stand, each in so many bytes.
const FLAGS_AT: usize = 4;
const DIMENSIONS_AT: usize = 12;
const DIMENSION: usize = 8;

/// The text of an array on the way to its elements.
struct Braces<'t, 'c> {
    rest: &'t str,
    elements: Elements<'c>,
    /// How long each dimension is, the outermost first; empty for an array without elements.
    lengths: Vec<usize>,
    /// The text of one element after the other, without quotes and backslashes.
    word: String,
    has_null: bool,
}

impl Braces<'_, '_> {
    /// The lower bounds, `[0:2][1:1]=`, where there are any.
    fn bounds(&mut self) -> Result<Vec<i32>> {
        let mut lower = Vec::new();
        while let Some(behind) = self.rest.strip_prefix('[') {
            let (bounds, behind) = behind.split_once(']').ok_or_else(no_such_value)?;
            let (first, _) = bounds.split_once(':').ok_or_else(no_such_value)?;
            if lower.len() == DIMENSIONS {
                return Err(no_such_value());
            }
            lower.push(first.parse().map_err(|_| no_such_value())?);
            self.rest = behind;
        }
        if !lower.is_empty() {
            self.expect('=')?;
        }
        Ok(lower)
    }

    /// A dimension and those within it.
    fn level(&mut self, depth: usize, out: &mut Buffer) -> Result<()> {
        self.expect('{')?;
        if depth == 0 && self.take('}') {
            return Ok(());
        }
        if depth >= DIMENSIONS {
            return Err(no_such_value());
        }
        if self.lengths.len() == depth {
            // Not known before the first of its kind has ended.
            self.lengths.push(usize::MAX);
        }
        let mut length = 0_usize;
        let is_inner = self.rest.starts_with('{');
        loop {
            length = length.saturating_add(1);
            if self.rest.starts_with('{') != is_inner {
                return Err(no_such_value());
            }
            if is_inner {
                self.level(depth.saturating_add(1), out)?;
            } else if self.lengths.len() != depth.saturating_add(1) {
                return Err(no_such_value());
            } else {
                self.element(out)?;
            }
            if !self.take(self.elements.delimiter) {
                break;
            }
        }
        self.expect('}')?;
        match self.lengths.get_mut(depth) {
            Some(known) if *known == usize::MAX => {
                *known = length;
                Ok(())
            }
            Some(known) if *known == length => Ok(()),
            _ => Err(no_such_value()),
        }
    }

    /// Appends the next element.
    fn element(&mut self, out: &mut Buffer) -> Result<()> {
        self.word.clear();
        let is_quoted = self.take('"');
        let mut rest = self.rest.chars();
        loop {
            match (rest.clone().next(), is_quoted) {
                (None, _) => return Err(no_such_value()),
                (Some('"'), true) => {
                    rest.next();
                    break;
                }
                (Some(char), false) if char == '}' || char == self.elements.delimiter => break,
                (Some('"' | '{'), false) => return Err(no_such_value()),
                (Some('\\'), _) => {
                    rest.next();
                    self.word.push(rest.next().ok_or_else(no_such_value)?);
                }
                (Some(char), _) => {
                    rest.next();
                    self.word.push(char);
                }
            }
        }
        self.rest = rest.as_str();
        if !is_quoted && self.word.is_empty() {
            return Err(no_such_value());
        }
        if !is_quoted && self.word.eq_ignore_ascii_case("null") {
            self.has_null = true;
            out.null();
            return Ok(());
        }
        let (word, Elements { element, catalog, .. }) = (&self.word, &self.elements);
        out.value(|out| from_text(*element, catalog, word, out))
    }

    fn take(&mut self, char: char) -> bool {
        match self.rest.strip_prefix(char) {
            Some(behind) => {
                self.rest = behind;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, char: char) -> Result<()> {
        if self.take(char) { Ok(()) } else { Err(no_such_value()) }
    }
}
