//! Connection strings of words and values: `host=db.example dbname='my music'` (manual, "Keyword/Value Connection
//! Strings").

use zeroize::Zeroizing;

use crate::config::invalid;
use crate::config::words::{Words, is_secret};
use crate::error::Result;

/// What C's `isspace` takes for a space.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Reads words and values into `words`.
///
/// Spaces may stand around the `=`. A value with spaces stands in single quotes; a backslash takes away the meaning of
/// the character behind it, inside quotes and outside.
pub(super) fn read(text: &str, words: &mut Words) -> Result<()> {
    let mut rest = text.trim_start_matches(is_space_char);
    let mut after_secret = false;
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space_char(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(is_space_char).strip_prefix('=') else {
            // The word itself is not repeated: it may be a part of a password that was not quoted.
            return Err(invalid(
                "a word of the connection string has no `=` behind it; a value with spaces stands in quotes",
            ));
        };
        let (value, behind) = value(after.trim_start_matches(is_space_char))?;
        words.set(name, &value, after_secret)?;
        after_secret = is_secret(name);
        rest = behind.trim_start_matches(is_space_char);
    }
    Ok(())
}

fn is_space_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_space)
}

/// Reads a value, and gives what stands behind it.
fn value(text: &str) -> Result<(Zeroizing<String>, &str)> {
    let (text, quoted) = match text.strip_prefix('\'') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.chars();
    loop {
        let c = match characters.next() {
            None if quoted => {
                return Err(invalid("a quote of the connection string is not closed"));
            }
            None => return Ok((value, "")),
            // A backslash at the very end is dropped.
            Some('\\') => match characters.next() {
                Some(c) => c,
                None => continue,
            },
            Some('\'') if quoted => return Ok((value, characters.as_str())),
            Some(c) if !quoted && is_space_char(c) => return Ok((value, characters.as_str())),
            Some(c) => c,
        };
        value.push(c);
    }
}
