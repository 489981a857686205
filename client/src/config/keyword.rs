//! Connection strings of words and values: `host=db.example dbname='my music'` (manual, "Keyword/Value Connection
//! Strings").

use zeroize::Zeroizing;

use crate::config::invalid;
use crate::config::words::{Words, is_secret, is_space};
use crate::error::Result;

/// Reads words and values into `words`.
///
/// Spaces may stand around the `=`. A value with spaces stands in single quotes; a backslash takes away the meaning of
/// the character behind it, inside quotes and outside.
pub(super) fn read(text: &str, words: &mut Words) -> Result<()> {
    let mut rest = text.trim_start_matches(is_space);
    let mut after_secret = false;
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(is_space).strip_prefix('=') else {
            // The word itself is not repeated: it may be a part of a password that was not quoted.
            return Err(invalid(
                "a word of the connection string has no `=` behind it; a value with spaces stands in quotes",
            ));
        };
        let (value, behind) = value(after.trim_start_matches(is_space))?;
        words.set(name, &value, after_secret)?;
        after_secret = is_secret(name);
        rest = behind.trim_start_matches(is_space);
    }
    Ok(())
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
            Some(c) if !quoted && is_space(c) => return Ok((value, characters.as_str())),
            Some(c) => c,
        };
        value.push(c);
    }
}
