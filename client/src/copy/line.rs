//! Rows of text as lines of text or CSV data (manual: "COPY", "File Formats").

use stellata_protocol::copy::CopyPiece;
use stellata_protocol::{Error, ErrorKind, Result};

use crate::copy::options::Marks;

/// Appends a line.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL, [`ErrorKind::InvalidValue`] for an empty text where nothing stands for NULL and no
/// quotes tell them apart. Nothing may be sent of the piece then.
pub(super) fn append<'f>(
    piece: &mut CopyPiece,
    fields: impl IntoIterator<Item = Option<&'f str>>,
    marks: Marks<'_>,
) -> Result<()> {
    let mut character = [0; 4];
    let delimiter = marks.delimiter.encode_utf8(&mut character).as_bytes();
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            piece.put_slice(delimiter);
        }
        match (field, marks.quote) {
            (None, _) => piece.put_slice(marks.null.as_bytes()),
            (Some(text), _) if text.contains('\0') => {
                return Err(Error::new(
                    ErrorKind::InvalidText,
                    "text holds a NUL, which PostgreSQL can't store",
                ));
            }
            (Some(text), Some((quote, escape))) => csv(piece, text, marks, quote, escape),
            (Some(text), None) => escaped(piece, text, marks)?,
        }
    }
    piece.put_slice(b"\n");
    Ok(())
}

/// A value of CSV: in quotes where it could be taken for something else without.
fn csv(piece: &mut CopyPiece, text: &str, marks: Marks<'_>, quote: char, escape: char) {
    let special = [marks.delimiter, quote, escape, '\n', '\r', ' ', '\\'];
    let is_mark = text == marks.null || marks.default == Some(text);
    if !is_mark && !text.is_empty() && !text.contains(special) {
        piece.put_slice(text.as_bytes());
        return;
    }
    let mut character = [0; 4];
    piece.put_slice(quote.encode_utf8(&mut character).as_bytes());
    for part in text.split_inclusive([quote, escape]) {
        // The character to escape is the last of its part.
        let kept = part.trim_end_matches([quote, escape]);
        piece.put_slice(kept.as_bytes());
        let special = part.get(kept.len()..).unwrap_or_default();
        if !special.is_empty() {
            piece.put_slice(escape.encode_utf8(&mut character).as_bytes());
            piece.put_slice(special.as_bytes());
        }
    }
    piece.put_slice(quote.encode_utf8(&mut character).as_bytes());
}

/// A value of text: a backslash before what means something.
fn escaped(piece: &mut CopyPiece, text: &str, marks: Marks<'_>) -> Result<()> {
    let start = piece.len();
    escape(piece, text, marks);
    let written = piece.content().get(start..).unwrap_or_default();
    if written == marks.null.as_bytes() || marks.default.map(str::as_bytes) == Some(written) {
        return masked(piece, start, text, marks);
    }
    Ok(())
}

/// A value that looks like a mark, as it stands or by its escapes. The server holds what was not unescaped yet against the marks,
/// so that bytes as numbers tell the two apart.
#[cold]
fn masked(piece: &mut CopyPiece, start: usize, text: &str, marks: Marks<'_>) -> Result<()> {
    piece.truncate(start);
    let Some(first) = text.chars().next() else {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "an empty text can't be told from NULL where nothing stands for NULL",
        ));
    };
    let (first, rest) = text.split_at(first.len_utf8());
    for byte in first.bytes() {
        let digit = |shift: u8| b'0' | ((byte >> shift) & 7);
        piece.put_slice(&[b'\\', digit(6), digit(3), digit(0)]);
    }
    escape(piece, rest, marks);
    Ok(())
}

fn escape(piece: &mut CopyPiece, text: &str, marks: Marks<'_>) {
    let special = ['\\', '\n', '\r', '\t', marks.delimiter];
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        let (plain, behind) = rest.split_at(at);
        piece.put_slice(plain.as_bytes());
        let mut characters = behind.chars();
        let mut character = [0; 4];
        match characters.next() {
            Some('\n') => piece.put_slice(b"\\n"),
            Some('\r') => piece.put_slice(b"\\r"),
            Some('\t') => piece.put_slice(b"\\t"),
            Some(other) => {
                piece.put_slice(b"\\");
                piece.put_slice(other.encode_utf8(&mut character).as_bytes());
            }
            None => {}
        }
        rest = characters.as_str();
    }
    piece.put_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::options::CopyOptions;

    fn line(options: &CopyOptions, fields: &[Option<&str>]) -> String {
        let mut piece = CopyPiece::new();
        append(&mut piece, fields.iter().copied(), options.marks()).unwrap();
        String::from_utf8(piece.content().to_vec()).unwrap()
    }

    #[test]
    fn text_is_escaped() {
        let fields = [Some("a\tb"), None, Some("\\N"), Some(""), Some("\n\r\\")];
        let options = CopyOptions::text();
        assert_eq!(line(&options, &fields), "a\\tb\t\\N\t\\\\N\t\t\\n\\r\\\\\n");
        let options = CopyOptions::text().delimiter(';').null("ä");
        let fields = [Some("a;b"), None, Some("ä")];
        assert_eq!(line(&options, &fields), "a\\;b;ä;\\303\\244\n");
        // What is escaped may look like the mark, too.
        let options = CopyOptions::text().null("a\\tb").default_marker("\\D");
        let fields = [Some("a\tb"), Some("\\D"), Some("D")];
        assert_eq!(line(&options, &fields), "\\141\\tb\t\\\\D\tD\n");
    }

    #[test]
    fn csv_is_quoted() {
        let fields = [Some("a,b"), None, Some(""), Some("say \"so\""), Some("plain"), Some("\\.")];
        let options = CopyOptions::csv();
        assert_eq!(line(&options, &fields), "\"a,b\",,\"\",\"say \"\"so\"\"\",plain,\"\\.\"\n");
        let options = CopyOptions::csv().quote('\'').escape('\\').null("NA");
        assert_eq!(line(&options, &[Some("NA"), None, Some("it's \\")]), "'NA',NA,'it\\'s \\\\'\n");
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        let mut piece = CopyPiece::new();
        let nul = append(&mut piece, [Some("a\0")], CopyOptions::csv().marks());
        assert_eq!(nul.map_err(|error| error.kind()), Err(ErrorKind::InvalidText));
        let options = CopyOptions::text().null("");
        let empty = append(&mut piece, [Some("")], options.marks());
        assert_eq!(empty.map_err(|error| error.kind()), Err(ErrorKind::InvalidValue));
    }
}
