//! ReadyForQuery, CommandComplete, ParameterStatus and NotificationResponse (manual: "Message Flow", "Asynchronous
//! Operations").

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;
use crate::wire::nul::{first_nul, holds_nul};
use crate::wire::reader::Reader;

/// Where the session stands as to transactions: the byte of ReadyForQuery (`Z`), which is the only truth about it.
///
/// Layout: Byte1 `I`, `T` or `E`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: in no transaction.
    Idle,
    /// `T`: in a transaction.
    InTransaction,
    /// `E`: in a transaction that has failed; everything but its end is refused.
    Failed,
}

impl TransactionStatus {
    /// Reads the body of a ReadyForQuery (`Z`): one byte.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for another byte, or any [`Error`] of a malformed body.
    #[inline]
    pub fn read(body: &[u8]) -> Result<Self> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Error::new(
                ErrorKind::InvalidValue,
                "ReadyForQuery holds no status that is known",
            )),
        }
    }

    /// Writes a ReadyForQuery, as a server does.
    ///
    /// # Errors
    /// None; the type fits the other messages.
    pub fn write(self, out: &mut Buffer) -> Result<()> {
        out.message(b'Z', |body| {
            body.put_u8(match self {
                Self::Idle => b'I',
                Self::InTransaction => b'T',
                Self::Failed => b'E',
            });
            Ok(())
        })
    }
}

/// The end of a command: the tag of a CommandComplete (`C`), such as `INSERT 0 5`.
///
/// Layout: String tag, a word or more and, of commands that count rows, the number of rows at the end (0 to 2^64 - 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandTag<'a> {
    /// The tag as it came.
    pub text: &'a str,
}

impl<'a> CommandTag<'a> {
    /// Reads the body of a CommandComplete.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    #[inline]
    pub fn read(body: &'a [u8]) -> Result<Self> {
        match body.split_last() {
            // The end of the string is the end of the message: no need to look for it byte by byte.
            Some((0, text)) if !holds_nul(text) => match core::str::from_utf8(text) {
                Ok(text) => Ok(Self { text }),
                Err(_) => Err(Error::new(ErrorKind::InvalidText, "a command tag is not UTF-8")),
            },
            _ => Err(Error::new(ErrorKind::Truncated, "a command tag has no end, or several")),
        }
    }

    /// The number of rows that the command wrote, read, copied or fetched; 0 for a command that counts none.
    ///
    /// ```
    /// use stellata_protocol::message::CommandTag;
    /// assert_eq!(CommandTag { text: "INSERT 0 5" }.rows(), 5);
    /// assert_eq!(CommandTag { text: "CREATE TABLE" }.rows(), 0);
    /// ```
    #[must_use]
    pub fn rows(&self) -> u64 {
        count(self.text.as_bytes())
    }

    /// The number of rows that the body of a CommandComplete tells: [`CommandTag::read`] and [`CommandTag::rows`] in fewer
    /// steps.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] for a tag without its end, [`ErrorKind::InvalidText`] for one that holds a NUL or anything
    /// but ASCII: a server has no such tags.
    #[inline]
    pub fn count(body: &[u8]) -> Result<u64> {
        match body.split_last() {
            Some((0, tag)) if is_plain(tag) => Ok(count(tag)),
            Some((0, _)) => Err(Error::new(ErrorKind::InvalidText, "a command tag is not ASCII")),
            _ => Err(Error::new(ErrorKind::Truncated, "a string has no end")),
        }
    }

    /// The number of rows that the body of a CommandComplete tells, if it is one of the everyday commands: SELECT, INSERT,
    /// UPDATE, DELETE. They leave nothing behind in the session, but that what ends as a SELECT and has returned no rows may
    /// be a `create table as` or `select into`, of a temporary table perhaps. `None` for every other body, malformed ones
    /// included: ask [`CommandTag::count`].
    #[inline]
    #[must_use]
    pub fn everyday(body: &[u8]) -> Option<u64> {
        match body.split_first_chunk::<7>()? {
            (b"SELECT " | b"UPDATE " | b"DELETE ", digits) => number(digits),
            (b"INSERT ", rest) => number(rest.strip_prefix(b"0 ")?),
            _ => None,
        }
    }

    /// As [`CommandTag::everyday`], of a command that has returned no rows: INSERT, UPDATE, DELETE, which leave nothing
    /// behind whatever they return.
    ///
    /// ```
    /// use stellata_protocol::message::CommandTag;
    /// assert_eq!(CommandTag::written(b"INSERT 0 5\0"), Some(5));
    /// assert_eq!(CommandTag::written(b"SELECT 5\0"), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn written(body: &[u8]) -> Option<u64> {
        match body.split_first_chunk::<7>()? {
            (b"UPDATE " | b"DELETE ", digits) => number(digits),
            (b"INSERT ", rest) => number(rest.strip_prefix(b"0 ")?),
            _ => None,
        }
    }

    /// Writes a CommandComplete, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in the tag.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'C', |body| body.put_cstr(self.text))
    }
}

/// The number that is the rest of a tag.
#[inline]
fn number(tag: &[u8]) -> Option<u64> {
    let (&0, digits) = tag.split_last()? else { return None };
    // Nineteen digits fit a `u64`, whatever they are.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |rows, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| rows.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// Whether all bytes are ASCII and none is zero: the top bit of a byte, or of one less, is set otherwise.
#[inline]
fn is_plain(tag: &[u8]) -> bool {
    tag.iter().fold(0, |bits, byte| bits | byte | byte.wrapping_sub(1)) < 0x80
}

/// The number at the end of a tag; 0 where it ends in something else, or in more than a `u64` holds.
#[inline]
fn count(tag: &[u8]) -> u64 {
    let (mut rows, mut place) = (0_u64, 1_u64);
    for &byte in tag.iter().rev() {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte.wrapping_sub(b'0')),
            b' ' => return rows,
            _ => return 0,
        };
        let Some(sum) = digit.checked_mul(place).and_then(|value| rows.checked_add(value)) else {
            return 0;
        };
        rows = sum;
        // Past the last place that fits, only zeros may stand.
        place = place.saturating_mul(10);
    }
    rows
}

/// A setting that the server reports: ParameterStatus (`S`), at the start and whenever it changes.
///
/// Layout: String name, String value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting's name, such as `server_version`.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body: name and value.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body (see [`crate::message`]).
    pub fn read(body: &'a [u8]) -> Result<Self> {
        // Both texts are looked at in one go: a login brings a dozen of them.
        if let Ok(text) = core::str::from_utf8(body)
            && let Some(middle) = first_nul(body)
            && let Some((name, rest)) = text.split_at_checked(middle)
            && let [0, value @ .., 0] = rest.as_bytes()
            && !holds_nul(value)
            && let Some(value) = rest.get(1..rest.len().wrapping_sub(1))
        {
            return Ok(Self { name, value });
        }
        let mut reader = Reader::new(body);
        let status = Self { name: reader.cstr()?, value: reader.cstr()? };
        reader.end()?;
        Ok(status)
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in name or value.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'S', |body| {
            body.put_cstr(self.name)?;
            body.put_cstr(self.value)
        })
    }
}

/// What NOTIFY sent to a channel that the session listens on: NotificationResponse (`A`).
///
/// Layout: Int32 process, String channel (up to 63 bytes), String payload (up to 7 999 bytes, of a server as it is built
/// usually; more is read too).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The process that sent it.
    pub process_id: i32,
    /// The channel.
    pub channel: Box<str>,
    /// The text sent along; empty for none.
    pub payload: Box<str>,
}

impl Notification {
    /// Reads the payload as JSON.
    ///
    /// # Errors
    /// That of serde_json, when the payload is no JSON or not of this type.
    #[cfg(feature = "serde_json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.payload)
    }

    /// Reads the body: process, channel, payload.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let notification = Self {
            process_id: reader.i32()?,
            channel: reader.cstr()?.into(),
            payload: reader.cstr()?.into(),
        };
        reader.end()?;
        Ok(notification)
    }

    /// How much memory it holds, in bytes.
    pub(crate) const fn held(&self) -> usize {
        let texts = self.channel.len().saturating_add(self.payload.len());
        size_of::<Self>().saturating_add(texts)
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in channel or payload.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'A', |body| {
            body.put_i32(self.process_id);
            body.put_cstr(&self.channel)?;
            body.put_cstr(&self.payload)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_ends_with_its_message() {
        assert_eq!(CommandTag::read(b"SELECT 3\0"), Ok(CommandTag { text: "SELECT 3" }));
        assert_eq!(CommandTag::read(b"\0"), Ok(CommandTag { text: "" }));
        for broken in [b"".as_slice(), b"SELECT 3", b"SELECT\0 3\0", b"SELECT\0\0", b"\xff\0"] {
            assert!(CommandTag::read(broken).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn rows_are_the_last_word_if_that_is_a_number(text in "([A-Z]{0,3} )?([0-9]{0,22} ?){0,3}x?") {
            let oracle = text.rsplit(' ').next().and_then(|word| word.parse().ok());
            prop_assert_eq!(CommandTag { text: &text }.rows(), oracle.unwrap_or(0));
        }
    }
}
