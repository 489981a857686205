//! A text on the way to its parts.

use core::str::FromStr;

use crate::error::Result;
use crate::textual::no_such_value;

/// What is left of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'t> {
    pub(super) rest: &'t str,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// Goes past `word`, if that comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(behind) => {
                self.rest = behind;
                true
            }
            None => false,
        }
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(no_such_value()) }
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(no_such_value()) }
    }

    pub(super) fn char(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next()?;
        self.rest = chars.as_str();
        Some(char)
    }

    /// All up to one of these, which is left.
    pub(super) fn until(&mut self, stops: &[char]) -> &'t str {
        let end = self.rest.find(stops).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        found
    }

    /// A number, or another value without blanks, up to one of these.
    pub(super) fn value<T: FromStr>(&mut self, stops: &[char]) -> Result<T> {
        self.until(stops).parse().map_err(|_| no_such_value())
    }

    /// A part of a composite or a range up to one of these outside quotes: within quotes a quote is doubled, and everywhere a
    /// character may stand behind a backslash.
    pub(super) fn part(&mut self, stops: &[char]) -> Result<String> {
        let mut text = String::new();
        let mut is_quoted = false;
        loop {
            let before = *self;
            match self.char().ok_or_else(no_such_value)? {
                '\\' => text.push(self.char().ok_or_else(no_such_value)?),
                '"' if is_quoted && self.take("\"") => text.push('"'),
                '"' => is_quoted = !is_quoted,
                char if !is_quoted && stops.contains(&char) => {
                    *self = before;
                    return Ok(text);
                }
                char => text.push(char),
            }
        }
    }

    /// A text in these quotes, in which the same quote is doubled, or stands behind a backslash as every other character may.
    pub(super) fn quoted(&mut self, quote: &str) -> Result<String> {
        self.expect(quote)?;
        let mut text = String::new();
        loop {
            if self.take(quote) {
                if !self.take(quote) {
                    return Ok(text);
                }
                text.push_str(quote);
                continue;
            }
            match self.char().ok_or_else(no_such_value)? {
                '\\' => text.push(self.char().ok_or_else(no_such_value)?),
                char => text.push(char),
            }
        }
    }
}
