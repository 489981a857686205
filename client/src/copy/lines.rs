//! Rows of values as lines of text or CSV, both ways: between a value's binary form, which Rust types are written in and read
//! from, and its text (manual: "COPY", "File Formats").

use std::borrow::Cow;
use std::sync::Arc;

use stellata_protocol::copy::{BinaryCopyReader, CopyPiece};
use stellata_protocol::textual::{from_text, has_text, to_text};
use stellata_protocol::{Buffer, Catalog, Columns, Error, ErrorKind, Oid, Reader, Result};

use crate::copy::line;
use crate::copy::options::{CopyOptions, Marks};

/// The types of the columns, and what the database tells of those that it numbers by itself.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    pub(super) types: Box<[Oid]>,
    catalog: Arc<Catalog>,
}

impl Forms {
    /// # Errors
    /// The first column whose type has no text, and why.
    pub(super) fn new(types: Box<[Oid]>, catalog: Arc<Catalog>) -> Result<Self, (usize, Error)> {
        for (column, &oid) in types.iter().enumerate() {
            has_text(oid, &catalog).map_err(|error| (column, error))?;
        }
        Ok(Self { types, catalog })
    }
}

/// Makes lines of rows in binary form.
#[derive(Debug)]
pub(super) struct LineWriter {
    options: CopyOptions,
    forms: Forms,
    pub(super) piece: CopyPiece,
    /// Nothing was added yet.
    is_first: bool,
    /// The texts of a row, one behind the other, and where each ends; `None` is NULL.
    text: String,
    ends: Vec<Option<usize>>,
    /// The column at which the last row failed.
    pub(super) failed: Option<usize>,
}

impl LineWriter {
    pub(super) fn new(options: CopyOptions, forms: Forms) -> Self {
        let (text, ends) = (String::new(), Vec::with_capacity(forms.types.len()));
        Self { options, forms, piece: CopyPiece::new(), is_first: true, text, ends, failed: None }
    }

    /// Adds a line of names. Returns how many lines it is, as the server counts.
    pub(super) fn header<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Result<u64> {
        let before = self.piece.len();
        line::append(&mut self.piece, names.into_iter().map(Some), self.options.marks())?;
        Ok(self.count(before))
    }

    /// How many lines the server counts behind a place. Only in the quotes of CSV are there line breaks within a row: until its
    /// first line has ended, a carriage return passes for one there, and from then on a line feed does.
    fn count(&mut self, before: usize) -> u64 {
        if self.options.marks().quote.is_none() {
            return 1;
        }
        let within = if std::mem::take(&mut self.is_first) { b'\r' } else { b'\n' };
        let added = self.piece.content().get(before..).unwrap_or_default();
        let row = added.strip_suffix(b"\n").unwrap_or(added);
        row.iter().map(|&byte| u64::from(byte == within)).fold(1, u64::saturating_add)
    }

    /// Adds a row that is in binary form: a number of values, and each with its length in front. Nothing is added of one that
    /// fails. Returns how many lines it is, as the server counts.
    pub(super) fn append(&mut self, row: &[u8]) -> Result<u64> {
        self.text.clear();
        self.ends.clear();
        self.failed = None;
        let mut reader = Reader::new(row);
        reader.count16()?;
        let Forms { types, catalog } = &self.forms;
        for (index, &oid) in types.iter().enumerate() {
            let end = match reader.value()? {
                None => None,
                Some(raw) => {
                    let printed = to_text(oid, catalog, raw, &mut self.text);
                    printed.inspect_err(|_| self.failed = Some(index))?;
                    Some(self.text.len())
                }
            };
            self.ends.push(end);
        }
        let mut start = 0;
        let fields = self.ends.iter().map(|end| {
            let end = (*end)?;
            let field = self.text.get(start..end);
            start = end;
            field
        });
        let before = self.piece.len();
        line::append(&mut self.piece, fields, self.options.marks())
            .inspect_err(|_| self.piece.truncate(before))?;
        Ok(self.count(before))
    }
}

/// Makes rows in binary form of lines that come in chunks cut anywhere.
#[derive(Debug)]
pub(super) struct LineReader {
    options: CopyOptions,
    forms: Forms,
    /// A line of names is still to come.
    header: bool,
    /// The beginning of a line that a chunk has ended within.
    carry: Vec<u8>,
    scan: Scan,
    /// The row that was read last.
    row: Buffer,
    /// The column at which it failed.
    pub(super) failed: Option<usize>,
}

/// Where in a line of CSV a look at it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scan {
    #[default]
    Plain,
    Quoted,
    /// Behind an escape that is no quote.
    Escaped,
}

impl LineReader {
    pub(super) fn new(options: CopyOptions, forms: Forms) -> Self {
        let header = options.has_header();
        let (carry, scan, row) = (Vec::new(), Scan::default(), Buffer::new());
        Self { options, forms, header, carry, scan, row, failed: None }
    }

    /// Reads the next row from the front of `chunk`, which is shortened by what was read. False: the chunk is used up.
    pub(super) fn read(&mut self, chunk: &mut &[u8]) -> Result<bool> {
        loop {
            let Some(end) = self.find_end(chunk) else {
                let length = self.carry.len().saturating_add(chunk.len());
                if length > BinaryCopyReader::DEFAULT_LIMIT {
                    return Err(Error::new(ErrorKind::TooLarge, "a line is above the limit"));
                }
                self.carry.extend_from_slice(chunk);
                *chunk = &[];
                return Ok(false);
            };
            let (line, behind) = chunk.split_at_checked(end).unwrap_or((chunk, &[]));
            *chunk = behind.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.header) {
                self.carry.clear();
                continue;
            }
            if self.carry.is_empty() {
                self.parse(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.carry);
                whole.extend_from_slice(line);
                self.parse(&whole)?;
            }
            return Ok(true);
        }
    }

    /// The row that was read last.
    pub(super) fn columns(&self) -> Result<Columns<'_>> {
        Columns::new(self.row.as_slice(), &self.forms.types)
    }

    /// Checks that the data does not end within a line.
    pub(super) fn end(&self) -> Result<()> {
        if self.carry.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Truncated, "the COPY data ends within a line"))
    }

    /// Where the line ends that `chunk` begins with or goes on with.
    fn find_end(&mut self, chunk: &[u8]) -> Option<usize> {
        // In text a line that goes on is escaped.
        let Some((quote, escape)) = self.options.marks().quote else {
            return chunk.iter().position(|&byte| byte == b'\n');
        };
        for (index, &byte) in chunk.iter().enumerate() {
            let is = |mark: char| u32::from(mark) == u32::from(byte);
            self.scan = match self.scan {
                Scan::Plain if byte == b'\n' => return Some(index),
                Scan::Plain if is(quote) => Scan::Quoted,
                Scan::Plain => Scan::Plain,
                Scan::Quoted if is(quote) => Scan::Plain,
                Scan::Quoted if is(escape) => Scan::Escaped,
                Scan::Quoted | Scan::Escaped => Scan::Quoted,
            };
        }
        None
    }

    /// Makes a row of a line without its end.
    fn parse(&mut self, line: &[u8]) -> Result<()> {
        let Self { options, forms, row, failed, .. } = self;
        let line = std::str::from_utf8(line)
            .map_err(|_| Error::new(ErrorKind::InvalidText, "a line is not UTF-8"))?;
        let marks = options.marks();
        row.clear();
        let Forms { types, catalog } = forms;
        row.put_count16(types.len(), "more than 65535 columns in a COPY")?;
        let mut rest = Some(line);
        for (index, &oid) in types.iter().enumerate() {
            let Some(from) = rest else { return Err(columns("fewer")) };
            let (field, behind) = if marks.quote.is_some() {
                let (field, behind) = csv(from, marks);
                (Ok(field), behind)
            } else {
                text(from, marks)
            };
            rest = behind;
            let put = field.and_then(|field| match field {
                None => {
                    row.null();
                    Ok(())
                }
                Some(text) => row.value(|row| from_text(oid, catalog, &text, row)),
            });
            put.inspect_err(|_| *failed = Some(index))?;
        }
        if rest.is_some_and(|rest| !(types.is_empty() && rest.is_empty())) {
            return Err(columns("more"));
        }
        Ok(())
    }
}

#[cold]
fn columns(what: &str) -> Error {
    Error::new(
        ErrorKind::ColumnCount,
        if what == "more" {
            "a line has more values than columns"
        } else {
            "a line has fewer values than columns"
        },
    )
}

/// The first value of a line of text, without its escapes, and what follows behind a delimiter.
fn text<'l>(line: &'l str, marks: Marks<'_>) -> (Result<Option<Cow<'l, str>>>, Option<&'l str>) {
    // A delimiter behind a backslash is none.
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, char)| {
        let is_end = char == marks.delimiter && !escaped;
        escaped = char == '\\' && !escaped;
        is_end
    });
    let (field, rest) = match end {
        None => (line, None),
        Some((at, _)) => {
            let (field, behind) = line.split_at_checked(at).unwrap_or((line, ""));
            (field, behind.strip_prefix(marks.delimiter))
        }
    };
    // The mark is looked for among what was not escaped yet.
    if field == marks.null {
        return (Ok(None), rest);
    }
    if !field.contains('\\') {
        return (Ok(Some(Cow::Borrowed(field))), rest);
    }
    (unescape(field).map(|text| Some(Cow::Owned(text))), rest)
}

/// What a text means that has backslashes. A byte may be written as one to three octal digits, or behind an `x` as one or two
/// hexadecimal ones, so that a character may come in pieces.
fn unescape(field: &str) -> Result<String> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let Some((&escaped, behind)) = rest.split_first() else {
            text.push(byte);
            break;
        };
        rest = behind;
        text.push(match escaped {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'0'..=b'7' => {
                let (more, behind) = number(rest, 8, 2, u32::from(escaped - b'0'));
                rest = behind;
                more
            }
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                let (code, behind) = number(rest, 16, 2, 0);
                rest = behind;
                code
            }
            other => other,
        });
    }
    String::from_utf8(text).map_err(|_| Error::new(ErrorKind::InvalidText, "a line is not UTF-8"))
}

/// The byte whose number goes on with at most `most` digits, and what follows it. As the server does, only the lowest eight
/// bits count.
fn number(mut digits: &[u8], radix: u32, most: usize, begun: u32) -> (u8, &[u8]) {
    let mut code = begun;
    for _ in 0..most {
        let Some((&digit, behind)) = digits.split_first() else { break };
        let Some(digit) = char::from(digit).to_digit(radix) else { break };
        code = code * radix + digit;
        digits = behind;
    }
    ((code & 0xff) as u8, digits)
}

/// The first value of a line of CSV, without its quotes, and what follows behind a delimiter.
fn csv<'l>(line: &'l str, marks: Marks<'_>) -> (Option<Cow<'l, str>>, Option<&'l str>) {
    let (quote, escape) = marks.quote.unwrap_or(('"', '"'));
    let plain = line.find([marks.delimiter, quote]);
    if plain.is_none_or(|at| line.get(at..).is_some_and(|rest| rest.starts_with(marks.delimiter))) {
        let (field, rest) = match line.split_once(marks.delimiter) {
            Some((field, rest)) => (field, Some(rest)),
            None => (line, None),
        };
        return ((field != marks.null).then_some(Cow::Borrowed(field)), rest);
    }
    let mut text = String::new();
    let mut is_quoted = false;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        let next = chars.clone().next();
        if is_quoted && char == escape && next.is_some_and(|next| next == quote || next == escape) {
            text.extend(chars.next());
        } else if char == quote {
            is_quoted = !is_quoted;
        } else if char == marks.delimiter && !is_quoted {
            return (Some(Cow::Owned(text)), Some(chars.as_str()));
        } else {
            text.push(char);
        }
    }
    (Some(Cow::Owned(text)), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stellata_protocol::FromRow;
    use stellata_protocol::copy::BinaryCopyWriter;

    const TYPES: [Oid; 3] = [Oid::TEXT, Oid::INT4, Oid::TEXT];

    type Row = (Option<String>, i32, Option<String>);

    fn forms() -> Forms {
        Forms::new(TYPES.into(), Arc::default()).unwrap()
    }

    fn reader(options: &CopyOptions) -> LineReader {
        LineReader::new(options.clone(), forms())
    }

    /// All rows of data that comes in these pieces.
    fn read<'d>(
        options: &CopyOptions,
        pieces: impl IntoIterator<Item = &'d [u8]>,
    ) -> Result<Vec<Row>> {
        let mut reader = reader(options);
        let mut rows = Vec::new();
        for mut piece in pieces {
            while reader.read(&mut piece)? {
                let mut columns = reader.columns()?;
                rows.push(FromRow::from_row(&mut columns).map_err(|error| error.error)?);
            }
        }
        reader.end()?;
        Ok(rows)
    }

    fn written(options: &CopyOptions, rows: &[Row]) -> Vec<u8> {
        let mut values = BinaryCopyWriter::new(TYPES).unwrap();
        let mut lines = LineWriter::new(options.clone(), forms());
        for row in rows {
            values.clear();
            values.row(row).unwrap();
            lines.append(values.piece()).unwrap();
        }
        lines.piece.content().to_vec()
    }

    fn options() -> impl Strategy<Value = CopyOptions> {
        let csv = |quote, escape| CopyOptions::csv().quote(quote).escape(escape);
        prop_oneof![
            Just(CopyOptions::text()),
            Just(CopyOptions::text().delimiter('|').null("n")),
            Just(CopyOptions::csv()),
            Just(csv('"', '\\').delimiter(';').null("n")),
            Just(csv('\'', '|').null("\\N")),
        ]
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::weighted(0.8, "[anN\\\\.,;|\t\n\r\"' ä]{0,6}")
    }

    proptest! {
        #[test]
        fn lines_come_back_wherever_they_are_cut(
            options in options(),
            rows in proptest::collection::vec((text(), any::<i32>(), text()), 0..6),
            cut in 1..9_usize,
        ) {
            let data = written(&options, &rows);
            prop_assert_eq!(read(&options, data.chunks(cut)).unwrap(), rows.clone());
            prop_assert_eq!(read(&options, [&data[..]]).unwrap(), rows);
            if !data.is_empty() {
                let kind = read(&options, [&data[..data.len() - 1]]).map_err(|error| error.kind());
                prop_assert_eq!(kind, Err(ErrorKind::Truncated));
            }
        }

        #[test]
        fn hostile_lines_are_survived(options in options(), data: Vec<u8>, text in "[a1\\\\\"|;,'\n\t]{0,30}") {
            let _ = read(&options, [&data[..]]);
            let _ = read(&options, [text.as_bytes()]);
        }
    }

    #[test]
    fn lines_with_another_number_of_values_are_refused() {
        let kind = |data: &[u8]| read(&CopyOptions::text(), [data]).map_err(|error| error.kind());
        assert_eq!(kind(b"a\t1\n"), Err(ErrorKind::ColumnCount));
        assert_eq!(kind(b"a\t1\tb\tc\n"), Err(ErrorKind::ColumnCount));
        assert_eq!(kind(b"a\tone\tb\n"), Err(ErrorKind::InvalidValue));
        assert_eq!(kind(b"a\t1\t\xff\n"), Err(ErrorKind::InvalidText));
        assert_eq!(kind(b"\\303\t1\tb\n"), Err(ErrorKind::InvalidText));
        let codes = Ok(vec![(Some("\u{e4}A\u{1}8xg".to_owned()), 1, Some("\nZ".to_owned()))]);
        assert_eq!(kind(b"\\303\\xa4\\x41\\18\\xg\t1\t\\xaZ\n"), codes);
        let all = Ok(vec![(Some("\u{8}\u{c}\u{b}".to_owned()), 1, None)]);
        assert_eq!(kind(b"\\b\\f\\v\t1\t\\N\n"), all);
    }
}
