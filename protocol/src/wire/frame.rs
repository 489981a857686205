//! One message off the front of a stream of bytes.

use crate::error::{Error, ErrorKind, Result};

/// A message that is there in full: its tag, and where its body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first byte of the message.
    pub tag: u8,
    /// How many bytes the whole message takes: tag, length and body.
    pub size: usize,
}

/// Tag and length together.
pub(crate) const HEAD: usize = 5;

/// The longest body of a message that is short by nature.
///
/// The server sends longer ones only for rows, row and parameter descriptions, COPY data, function results,
/// notifications, notices and errors; a longer message of another type means that the two sides no longer agree where
/// messages begin.
pub(crate) const SHORT: usize = 30_000;

/// Looks for a whole message at the front of `bytes`.
///
/// `Ok(None)` says that more bytes are needed. The length is checked against `limit` (bytes in a whole message) before
/// anything waits or is allocated for it.
///
/// # Errors
/// [`ErrorKind::InvalidLength`] for a length below 4, [`ErrorKind::TooLarge`] above `limit` or for a type of message
/// that is never that long.
#[inline]
pub fn frame(bytes: &[u8], limit: usize) -> Result<Option<Frame>> {
    let Some(&[tag, a, b, c, d]) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let Ok(len) = usize::try_from(i32::from_be_bytes([a, b, c, d])) else {
        return Err(Error::new(ErrorKind::InvalidLength, "a message has a negative length"));
    };
    if len < 4 {
        return Err(Error::new(
            ErrorKind::InvalidLength,
            "a message is shorter than its length field",
        ));
    }
    if len > SHORT && !matches!(tag, b'T' | b'D' | b'd' | b'V' | b'E' | b'N' | b'A' | b't') {
        return Err(Error::new(
            ErrorKind::TooLarge,
            "a message is longer than its type allows: the stream is out of step",
        ));
    }
    // `len` is below 2 GiB here, so that one more can't overflow a `usize` of 32 bits.
    let size = len.saturating_add(1);
    if size > limit {
        return Err(Error::new(
            ErrorKind::TooLarge,
            "a message is longer than the limit that was set",
        ));
    }
    Ok(if bytes.len() >= size { Some(Frame { tag, size }) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_there_only_when_all_of_it_is() {
        let bytes = b"Z\0\0\0\x05I";
        for len in 0..bytes.len() {
            assert_eq!(frame(&bytes[..len], 1 << 20), Ok(None));
        }
        assert_eq!(frame(bytes, 1 << 20), Ok(Some(Frame { tag: b'Z', size: 6 })));
    }

    #[test]
    fn lengths_that_lie_are_refused_at_once() {
        let kind = |bytes: &[u8], limit| frame(bytes, limit).map_err(|error| error.kind());
        assert_eq!(kind(b"Z\0\0\0\x03", 1 << 20), Err(ErrorKind::InvalidLength));
        assert_eq!(kind(b"Z\xff\xff\xff\xff", 1 << 20), Err(ErrorKind::InvalidLength));
        assert_eq!(kind(b"Z\x7f\xff\xff\xff", 1 << 20), Err(ErrorKind::TooLarge));
        assert_eq!(kind(b"D\x7f\xff\xff\xff", 1 << 20), Err(ErrorKind::TooLarge));
        assert_eq!(kind(b"D\0\x0f\xff\xff", 1 << 20), Ok(None));
    }

    #[test]
    fn only_some_types_of_messages_may_be_long() {
        let of = |tag: u8, len: usize| {
            let [a, b, c, d] = u32::try_from(len).unwrap().to_be_bytes();
            frame(&[tag, a, b, c, d], 1 << 20).map_err(|error| error.kind())
        };
        for tag in 0..=u8::MAX {
            assert_eq!(of(tag, SHORT), Ok(None), "{tag}");
            let long = if b"TDdVENAt".contains(&tag) { Ok(None) } else { Err(ErrorKind::TooLarge) };
            assert_eq!(of(tag, SHORT + 1), long, "{tag}");
        }
    }
}
