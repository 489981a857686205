//! How the server prints values of types that are not ours, so that their own `Display` says it otherwise.

use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

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

/// An array of one dimension, with `item` to print what is not NULL.
pub(super) fn list<T>(items: &[Option<T>], item: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|value| value.as_ref().map_or_else(|| "NULL".to_owned(), |value| quoted(&item(value))))
        .collect();
    format!("{{{}}}", items.join(","))
}

/// An item of an array: in quotes where it would be taken for something else.
fn quoted(text: &str) -> String {
    let special = |character: char| {
        matches!(character, '{' | '}' | ',' | '"' | '\\') || character.is_ascii_whitespace()
    };
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
