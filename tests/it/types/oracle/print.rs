//! How the server prints values of types that are not ours, so that their own `Display` says it otherwise.

use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use stellata_protocol::types::Hstore;
use stellata_protocol::{Array, Money};

/// `t` and `f`.
pub(super) fn boolean(value: &bool) -> String {
    if *value { "t" } else { "f" }.to_owned()
}

/// One byte as a character, in octal where it is not ASCII; the byte 0 is the empty text.
pub(super) fn character(value: &i8) -> String {
    match value.cast_unsigned() {
        0 => String::new(),
        byte @ 128.. => format!("\\{byte:o}"),
        byte => char::from(byte).to_string(),
    }
}

/// The fewest digits that tell the number, as C's `%g` would set them.
pub(super) fn float8(value: &f64) -> String {
    float(&format!("{value:e}"), 15)
}

/// The same for single precision.
pub(super) fn float4(value: &f32) -> String {
    float(&format!("{value:e}"), 6)
}

/// Rust's shortest form with an exponent, rewritten: fixed where the exponent is from -4 up to `most`.
fn float(text: &str, most: i32) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.replace("inf", "Infinity");
    };
    let exponent: i32 = exponent.parse().unwrap();
    if !(-4..most).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let digits = digits.replace('.', "");
    let Ok(whole) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    };
    match whole {
        0 => format!("{sign}0.{digits}"),
        whole if digits.len() <= whole => format!("{sign}{digits:0<whole$}"),
        whole => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
    }
}

/// Hexadecimal digits behind `\x`.
pub(super) fn bytes(value: &Vec<u8>) -> String {
    let mut text = "\\x".to_owned();
    for byte in value {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

pub(super) fn date(value: &NaiveDate) -> String {
    format!("{}{}", day(*value), era(*value))
}

pub(super) fn time(value: &NaiveTime) -> String {
    let text = value.format("%H:%M:%S").to_string();
    match value.nanosecond() / 1000 {
        0 => text,
        microseconds => {
            let fraction = format!("{microseconds:06}");
            format!("{text}.{}", fraction.trim_end_matches('0'))
        }
    }
}

pub(super) fn timestamp(value: &NaiveDateTime) -> String {
    format!("{} {}{}", day(value.date()), time(&value.time()), era(value.date()))
}

pub(super) fn timestamptz(value: &DateTime<Utc>) -> String {
    let value = value.naive_utc();
    format!("{} {}+00{}", day(value.date()), time(&value.time()), era(value.date()))
}

/// The year before 1 is 1 BC.
fn day(date: NaiveDate) -> String {
    let year = if date.year() > 0 { date.year() } else { 1 - date.year() };
    format!("{year:04}-{:02}-{:02}", date.month(), date.day())
}

fn era(date: NaiveDate) -> &'static str {
    if date.year() > 0 { "" } else { " BC" }
}

/// Amounts of money with two decimals, as the locale C has them.
pub(super) fn money(value: &Money) -> String {
    let cents = value.0.unsigned_abs();
    let digits = (cents / 100).to_string();
    let mut whole = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            whole.push(',');
        }
        whole.push(digit);
    }
    let sign = if value.0 < 0 { "-" } else { "" };
    format!("{sign}${whole}.{:02}", cents % 100)
}

/// Pairs in quotes, the shorter keys first.
pub(super) fn hstore(value: &Hstore) -> String {
    let quote = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut pairs: Vec<_> = value.iter().collect();
    pairs.sort_by_key(|(key, _)| (key.len(), key.as_str()));
    let pair = |(key, value): (&String, &Option<String>)| {
        let value = value.as_ref().map_or_else(|| "NULL".to_owned(), quote);
        format!("{}=>{value}", quote(key))
    };
    pairs.into_iter().map(pair).collect::<Vec<_>>().join(", ")
}

/// An array of any dimensions, with `item` to print what is not NULL, and what stands between items.
pub(super) fn array<T>(
    array: &Array<Option<T>>,
    between: char,
    item: impl Fn(&T) -> String,
) -> String {
    let mut items: Vec<String> = array
        .iter()
        .map(|value| match value {
            Some(value) => quoted(&item(value), between),
            None => "NULL".to_owned(),
        })
        .collect();
    // From the innermost dimension outwards, so many items at a time become one.
    for dimension in array.dimensions().iter().rev() {
        let groups = items.chunks(dimension.length as usize);
        items = groups.map(|group| format!("{{{}}}", group.join(&between.to_string()))).collect();
    }
    let text = items.pop().unwrap_or_else(|| "{}".to_owned());
    if array.dimensions().iter().all(|dimension| dimension.lower == 1) {
        return text;
    }
    let bounds = array
        .dimensions()
        .iter()
        .map(|dimension| format!("[{}:{}]", dimension.lower, dimension.upper()));
    format!("{}={text}", bounds.collect::<String>())
}

/// A list, as the array of one dimension that it is.
pub(super) fn list<T>(items: &[Option<T>], item: impl Fn(&T) -> String) -> String {
    let print = |value: &Option<T>| match value {
        Some(value) => quoted(&item(value), ','),
        None => "NULL".to_owned(),
    };
    format!("{{{}}}", items.iter().map(print).collect::<Vec<_>>().join(","))
}

/// An item of an array: in quotes where it would be taken for something else.
fn quoted(text: &str, between: char) -> String {
    let special = |character: char| {
        matches!(character, '{' | '}' | '"' | '\\')
            || character == between
            || character.is_ascii_whitespace()
    };
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A composite: fields in quotes where they would be taken for something else, NULL as nothing.
pub(super) fn composite(fields: &[Option<String>]) -> String {
    let special = |character: char| {
        matches!(character, '(' | ')' | ',' | '"' | '\\') || character.is_ascii_whitespace()
    };
    let field = |field: &Option<String>| match field {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains(special) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
        }
        Some(text) => text.clone(),
    };
    format!("({})", fields.iter().map(field).collect::<Vec<_>>().join(","))
}
