//! Between a value's binary form and its text, for the types of which this crate has both.
//!
//! It is what the text and CSV forms of COPY hold (manual: "COPY", "File Formats"). The text is the one that the server
//! prints where its settings are as they are by default: dates in the style `ISO`, intervals in the style `postgres`, `bytea` in
//! hexadecimal digits. Text of another style is refused, never taken for another value; and what is written here is read the
//! same by a server of any settings.
//!
//! | types | text |
//! |---|---|
//! | `bool` | `t`, `f` |
//! | `int2`, `int4`, `int8`, `oid`, `xid`, `cid`, `xid8`, `numeric` | decimal digits; `NaN`, `Infinity` of `numeric` |
//! | `float4`, `float8` | the shortest that is read back as the same number; what a `NaN` holds beside that is lost |
//! | `text`, `varchar`, `char(n)`, `name`, `json`, `jsonb`, `xml` | as it is |
//! | `bytea` | `\x` and hexadecimal digits |
//! | `uuid` | in groups of 8, 4, 4, 4, 12 |
//! | `date`, `time`, `timetz`, `timestamp`, `timestamptz`, `interval` | as `Date` and the others print themselves |
//! | `inet`, `cidr`, `macaddr`, `macaddr8`, `bit`, `varbit`, `tid`, `pg_lsn` | as the types of those names print themselves |
//! | arrays over these | `{1,2,NULL}`, of any dimensions |

use core::fmt::Write as _;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::replication::Lsn;
use crate::types::bits::Bits;
use crate::types::network::{Cidr, Inet, MacAddr, MacAddr8};
use crate::types::numeric::Numeric;
use crate::types::system::{Tid, Xid8};
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::times::time::Time;
use crate::types::times::timestamp::{Timestamp, TimestampTz};
use crate::types::times::timetz::TimeTz;
use crate::types::{Decode, Encode, IsNull};
use crate::wire::buffer::Buffer;
use crate::wire::nul::holds_nul;
use crate::wire::reader::Reader;

/// Types that print and read themselves.
macro_rules! printed {
    ($($oid:ident $rust:ty;)*) => {
        const fn is_printed(oid: Oid) -> bool {
            matches!(oid, $(Oid::$oid)|*)
        }

        fn print(oid: Oid, raw: &[u8], out: &mut String) -> Result<()> {
            match oid {
                $(Oid::$oid => put(out, <$rust>::decode(oid, raw)?),)*
                _ => return Err(textless()),
            }
            Ok(())
        }

        fn parse(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
            match oid {
                $(Oid::$oid => {
                    let value = <$rust>::from_str(text).map_err(|_| no_such_value())?;
                    value.encode(oid, out).map(|_: IsNull| ())
                })*
                _ => Err(textless()),
            }
        }
    };
}

printed! {
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

/// Whether values of this type can go both ways between text and binary form.
#[must_use]
pub fn has_text(oid: Oid) -> bool {
    is_simple(oid) || oid.element().is_some_and(is_simple)
}

fn is_simple(oid: Oid) -> bool {
    is_printed(oid)
        || is_text(oid)
        || matches!(
            oid,
            Oid::BOOL | Oid::FLOAT4 | Oid::FLOAT8 | Oid::BYTEA | Oid::UUID | Oid::JSONB | Oid::XID8
        )
}

const fn is_text(oid: Oid) -> bool {
    matches!(oid, Oid::TEXT | Oid::VARCHAR | Oid::BPCHAR | Oid::NAME | Oid::JSON | Oid::XML)
}

/// Appends the text of a value that is in the binary form of the type `oid`.
///
/// ```
/// use stellata_protocol::Oid;
/// use stellata_protocol::textual::{from_text, to_text};
///
/// let mut text = String::new();
/// to_text(Oid::INT4, &[0, 0, 0, 7], &mut text).unwrap();
/// assert_eq!(text, "7");
///
/// let mut raw = stellata_protocol::Buffer::new();
/// from_text(Oid::INT4, "7", &mut raw).unwrap();
/// assert_eq!(raw.as_slice(), [0, 0, 0, 7]);
/// ```
///
/// # Errors
/// [`ErrorKind::WrongType`] for a type that [`has_text`] does not know, and any [`Error`] of bytes that are no such value.
pub fn to_text(oid: Oid, raw: &[u8], out: &mut String) -> Result<()> {
    if let Some(element) = oid.element() {
        return print_array(element, raw, out);
    }
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
        Oid::XID8 => put(out, Xid8::decode(oid, raw)?),
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
        Oid::JSONB => match raw.split_first() {
            Some((&JSONB_VERSION, text)) => out.push_str(utf8(text)?),
            _ => return Err(no_such_value()),
        },
        oid if is_text(oid) => out.push_str(utf8(raw)?),
        oid => print(oid, raw, out)?,
    }
    Ok(())
}

/// Appends a value that is given as text in the binary form of the type `oid`, without its length.
///
/// # Errors
/// [`ErrorKind::WrongType`] for a type that [`has_text`] does not know, [`ErrorKind::InvalidValue`] for a text that is no
/// such value, [`ErrorKind::InvalidText`] for one with a NUL.
pub fn from_text(oid: Oid, text: &str, out: &mut Buffer) -> Result<()> {
    if let Some(element) = oid.element() {
        return parse_array(element, text, out);
    }
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
        Oid::XID8 => {
            let value: u64 = text.parse().map_err(|_| no_such_value())?;
            out.put_slice(&value.to_be_bytes());
        }
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
        Oid::JSONB => {
            out.put_u8(JSONB_VERSION);
            out.put_slice(without_nul(text)?);
        }
        oid if is_text(oid) => out.put_slice(without_nul(text)?),
        oid => parse(oid, text, out)?,
    }
    Ok(())
}

/// What the binary form of a `jsonb` begins with.
const JSONB_VERSION: u8 = 1;

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

/// The most dimensions that an array has (`MAXDIM` of the server's source).
const DIMENSIONS: usize = 6;

fn print_array(element: Oid, raw: &[u8], out: &mut String) -> Result<()> {
    let mut reader = Reader::new(raw);
    let count = usize::try_from(reader.i32()?).map_err(|_| no_such_value())?;
    reader.i32()?;
    if Oid(reader.u32()?) != element {
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
        print_elements(element, &lengths, &mut reader, out)?;
    }
    reader.end()
}

/// Goes no deeper than there are dimensions.
fn print_elements(
    element: Oid,
    lengths: &[usize],
    reader: &mut Reader<'_>,
    out: &mut String,
) -> Result<()> {
    let Some((&length, inner)) = lengths.split_first() else { return Ok(()) };
    out.push('{');
    for index in 0..length {
        if index > 0 {
            out.push(',');
        }
        if !inner.is_empty() {
            print_elements(element, inner, reader, out)?;
            continue;
        }
        match reader.value()? {
            None => out.push_str("NULL"),
            Some(raw) => {
                let mut text = String::new();
                to_text(element, raw, &mut text)?;
                quote(&text, out);
            }
        }
    }
    out.push('}');
    Ok(())
}

/// An element in quotes, where it could be taken for something else without.
fn quote(text: &str, out: &mut String) {
    let is_special = |char: char| {
        matches!(char, '"' | '\\' | '{' | '}' | ',') || char.is_ascii_whitespace() || char == '\x0b'
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

fn parse_array(element: Oid, text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Braces { rest: text, lengths: Vec::new(), elements: Vec::new() };
    let lower = scan.bounds()?;
    scan.level(0)?;
    if !scan.rest.is_empty() || (!lower.is_empty() && lower.len() != scan.lengths.len()) {
        return Err(no_such_value());
    }
    let has_null = scan.elements.iter().any(Option::is_none);
    out.put_len32(scan.lengths.len())?;
    out.put_i32(i32::from(has_null));
    out.put_u32(element.0);
    for (index, length) in scan.lengths.iter().enumerate() {
        out.put_len32(*length)?;
        out.put_i32(lower.get(index).copied().unwrap_or(1));
    }
    for text in &scan.elements {
        match text {
            None => out.null(),
            Some(text) => out.value(|out| from_text(element, text, out))?,
        }
    }
    Ok(())
}

/// The text of an array on the way to its elements.
struct Braces<'t> {
    rest: &'t str,
    /// How long each dimension is, the outermost first; empty for an array without elements.
    lengths: Vec<usize>,
    elements: Vec<Option<String>>,
}

impl Braces<'_> {
    /// The lower bounds, `[0:2][1:1]=`, where there are any.
    fn bounds(&mut self) -> Result<Vec<i32>> {
        let mut lower = Vec::new();
        while let Some(behind) = self.rest.strip_prefix('[') {
            let (bounds, behind) = behind.split_once(']').ok_or_else(no_such_value)?;
            let (first, _) = bounds.split_once(':').ok_or_else(no_such_value)?;
            lower.push(first.parse().map_err(|_| no_such_value())?);
            self.rest = behind;
        }
        if !lower.is_empty() {
            self.expect('=')?;
        }
        Ok(lower)
    }

    /// A dimension and those within it.
    fn level(&mut self, depth: usize) -> Result<()> {
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
                self.level(depth.saturating_add(1))?;
            } else if self.lengths.len() != depth.saturating_add(1) {
                return Err(no_such_value());
            } else {
                let element = self.element()?;
                self.elements.push(element);
            }
            if !self.take(',') {
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

    fn element(&mut self) -> Result<Option<String>> {
        let mut text = String::new();
        let is_quoted = self.take('"');
        let mut rest = self.rest.chars();
        loop {
            match (rest.clone().next(), is_quoted) {
                (None, _) => return Err(no_such_value()),
                (Some('"'), true) => {
                    rest.next();
                    break;
                }
                (Some(',' | '}'), false) => break,
                (Some('"' | '{'), false) => return Err(no_such_value()),
                (Some('\\'), _) => {
                    rest.next();
                    text.push(rest.next().ok_or_else(no_such_value)?);
                }
                (Some(char), _) => {
                    rest.next();
                    text.push(char);
                }
            }
        }
        self.rest = rest.as_str();
        if is_quoted {
            Ok(Some(text))
        } else if text.is_empty() {
            Err(no_such_value())
        } else {
            Ok(Some(text).filter(|text| !text.eq_ignore_ascii_case("null")))
        }
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

#[cold]
fn textless() -> Error {
    Error::new(ErrorKind::WrongType, "values of this type have no text form here")
}

#[cold]
fn no_such_value() -> Error {
    Error::new(ErrorKind::InvalidValue, "the text is no value of the type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::ArrayRef;
    use crate::types::proof::encode;

    #[track_caller]
    fn is_text<T: Encode>(oid: Oid, text: &str, value: &T) {
        let raw = encode(oid, value).unwrap();
        let mut printed = String::new();
        to_text(oid, &raw, &mut printed).unwrap();
        assert_eq!(printed, text);
        let mut parsed = Buffer::new();
        from_text(oid, text, &mut parsed).unwrap();
        assert_eq!(parsed.as_slice(), raw, "{text}");
        assert!(has_text(oid));
    }

    fn is_refused(oid: Oid, text: &str) {
        let found = from_text(oid, text, &mut Buffer::new()).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::InvalidValue), "{text}");
    }

    #[test]
    fn values_are_printed_as_the_server_does() {
        is_text(Oid::BOOL, "t", &true);
        is_text(Oid::INT8, "-9223372036854775808", &i64::MIN);
        is_text(Oid::FLOAT8, "-Infinity", &f64::NEG_INFINITY);
        is_text(Oid::FLOAT4, "1.5", &1.5_f32);
        is_text(Oid::TEXT, "a\tb", &"a\tb");
        is_text(Oid::BYTEA, "\\x00ff10", &vec![0_u8, 255, 16]);
        is_text(Oid::DATE, "0044-03-15 BC", &"0044-03-15 BC".parse::<Date>().unwrap());
        is_text(
            Oid::INTERVAL,
            "-1 days +02:00:00",
            &"-1 days +02:00:00".parse::<Interval>().unwrap(),
        );
        is_text(Oid::NUMERIC, "NaN", &"NaN".parse::<Numeric>().unwrap());
        let raw: Vec<u8> = (0..16).collect();
        let mut text = String::new();
        to_text(Oid::UUID, &raw, &mut text).unwrap();
        assert_eq!(text, "00010203-0405-0607-0809-0a0b0c0d0e0f");
        let mut back = Buffer::new();
        from_text(Oid::UUID, &text, &mut back).unwrap();
        assert_eq!(back.as_slice(), raw);
        for (oid, text) in [
            (Oid::BOOL, "true"),
            (Oid::INT4, "1 "),
            (Oid::INT2, "40000"),
            (Oid::BYTEA, "abc"),
            (Oid::BYTEA, "\\xabc"),
            (Oid::UUID, "00010203"),
            (Oid::DATE, "03/15/2024"),
        ] {
            is_refused(oid, text);
        }
        assert!(!has_text(Oid::POINT) && !has_text(Oid(16_400)));
        let textless = from_text(Oid::POINT, "(1,2)", &mut Buffer::new());
        assert_eq!(textless.map_err(|error| error.kind()), Err(ErrorKind::WrongType));
    }

    #[test]
    fn arrays_are_printed_as_the_server_does() {
        is_text(Oid::INT4_ARRAY, "{1,NULL,3}", &vec![Some(1), None, Some(3)]);
        is_text(Oid::INT4_ARRAY, "{}", &Vec::<i32>::new());
        let texts = vec!["", "null", "a b", "{", "\"\\", "plain", "ä,"];
        is_text(Oid::TEXT_ARRAY, r#"{"","null","a b","{","\"\\",plain,"ä,"}"#, &texts);
        let mut raw = Buffer::new();
        from_text(Oid::INT4_ARRAY, "[0:1][-2:-1]={{1,2},{3,NULL}}", &mut raw).unwrap();
        let array = ArrayRef::<Option<i32>>::decode(Oid::INT4_ARRAY, raw.as_slice()).unwrap();
        assert_eq!(array.dimensions().len(), 2);
        let mut text = String::new();
        to_text(Oid::INT4_ARRAY, raw.as_slice(), &mut text).unwrap();
        assert_eq!(text, "[0:1][-2:-1]={{1,2},{3,NULL}}");
        for text in [
            "",
            "{",
            "{1",
            "{1,}",
            "{1}}",
            "{{1},2}",
            "{{1},{2,3}}",
            "{1,{2}}",
            "{{{{{{{1}}}}}}}",
            "1",
            "[0:1]{1}",
            "[0:1][0:1]={1,2}",
            "{\"1}",
            "{{}}",
        ] {
            is_refused(Oid::INT4_ARRAY, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_in_an_array_comes_back(
            texts in proptest::collection::vec(proptest::option::of("[^\0]{0,6}"), 1..6),
        ) {
            let raw = encode(Oid::TEXT_ARRAY, &texts).unwrap();
            let mut text = String::new();
            to_text(Oid::TEXT_ARRAY, &raw, &mut text).unwrap();
            let mut back = Buffer::new();
            from_text(Oid::TEXT_ARRAY, &text, &mut back).unwrap();
            prop_assert_eq!(back.as_slice(), raw);
        }

        #[test]
        fn any_number_comes_back(bits in any::<u64>(), short in any::<u32>()) {
            let value = f64::from_bits(bits);
            if !value.is_nan() {
                is_same(Oid::FLOAT8, &bits.to_be_bytes());
            }
            if !f32::from_bits(short).is_nan() {
                is_same(Oid::FLOAT4, &short.to_be_bytes());
            }
        }

        #[test]
        fn what_is_no_value_is_an_error(oid in 0..4000_u32, raw in proptest::collection::vec(any::<u8>(), 0..40), text in ".{0,20}") {
            let mut printed = String::new();
            if to_text(Oid(oid), &raw, &mut printed).is_ok() {
                let mut back = Buffer::new();
                prop_assert!(from_text(Oid(oid), &printed, &mut back).is_ok(), "{}", printed);
            }
            let _ = from_text(Oid(oid), &text, &mut Buffer::new());
        }
    }

    fn is_same(oid: Oid, raw: &[u8]) {
        let mut text = String::new();
        to_text(oid, raw, &mut text).unwrap();
        let mut back = Buffer::new();
        from_text(oid, &text, &mut back).unwrap();
        assert_eq!(back.as_slice(), raw, "{text}");
    }
}
