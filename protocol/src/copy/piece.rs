//! The content of a CopyData message in the making.

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;

/// A piece of COPY data that stands in its CopyData message already, so that it can be sent without being copied.
///
/// ```
/// use stellata_protocol::copy::CopyPiece;
///
/// let mut piece = CopyPiece::new();
/// piece.put_slice(b"1\tone\n");
/// assert_eq!(piece.message().unwrap(), b"d\0\0\0\x0a1\tone\n");
/// ```
#[derive(Debug)]
pub struct CopyPiece {
    /// The head of the message, then its content.
    pub(super) out: Buffer,
}

/// Tag and length of a CopyData message; the length is written when the piece is taken.
pub(super) const HEAD: [u8; 5] = *b"d\0\0\0\x04";
/// Place for a full piece and the row that made it so, if that is no giant.
const PLACE: usize = CopyPiece::FULL + CopyPiece::FULL / 4;
/// A buffer that a giant row made larger than this is not kept.
const KEPT: usize = 4 * CopyPiece::FULL;
/// The largest message that the server reads, tag and all (`PQ_LARGE_MESSAGE_LIMIT` of its source).
pub(super) const LARGEST: usize = (1 << 30) - 1;

impl CopyPiece {
    /// A piece of this size, in bytes, is worth a write to the socket.
    pub const FULL: usize = 64 * 1024;

    /// An empty piece.
    #[must_use]
    pub fn new() -> Self {
        let mut out = Buffer::with_capacity(PLACE);
        out.put_slice(&HEAD);
        Self { out }
    }

    /// Appends bytes of the data, which may be cut anywhere.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// How many bytes of data it holds.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len().saturating_sub(HEAD.len())
    }

    /// Whether there is nothing to send.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether enough has come together for a write to the socket: [`CopyPiece::FULL`].
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= Self::FULL
    }

    /// Takes back all data behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len.saturating_add(HEAD.len()));
    }

    /// The data.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.out.as_slice().get(HEAD.len()..).unwrap_or_default()
    }

    /// The data as a whole CopyData message, ready to be sent; empty when there is nothing to send.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above 1 GiB, which no server reads.
    pub fn message(&mut self) -> Result<&[u8]> {
        if self.is_empty() {
            return Ok(&[]);
        }
        self.seal()?;
        Ok(self.out.as_slice())
    }

    /// Forgets the data: it was sent.
    pub fn clear(&mut self) {
        if self.out.capacity() > KEPT {
            self.out = Buffer::with_capacity(PLACE);
        }
        self.out.clear();
        self.out.reserve(PLACE);
        self.out.put_slice(&HEAD);
    }

    /// Makes a whole message of the data, and hands it over: to a buffer that is empty by exchanging the two, so that nothing
    /// is copied.
    pub(crate) fn hand_over(&mut self, to: &mut Buffer) -> Result<()> {
        self.seal()?;
        if to.is_empty() {
            core::mem::swap(&mut self.out, to);
        } else {
            to.put_slice(self.out.as_slice());
        }
        self.clear();
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        if self.out.len() > LARGEST {
            return Err(Error::new(ErrorKind::TooLarge, "a piece of COPY data is above 1 GiB"));
        }
        // The length counts itself, but not the tag.
        self.out.patch(1, self.out.len().saturating_sub(1))
    }
}

impl Default for CopyPiece {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_handed_over_without_being_copied() {
        let mut piece = CopyPiece::new();
        let mut output = Buffer::new();
        piece.put_slice(b"1\n");
        let place = piece.message().unwrap().as_ptr();
        piece.hand_over(&mut output).unwrap();
        assert_eq!(output.as_slice(), b"d\0\0\0\x061\n");
        assert_eq!(output.as_slice().as_ptr(), place);
        assert!(piece.is_empty());

        piece.put_slice(b"2\n3\n");
        assert_eq!(piece.content(), b"2\n3\n");
        piece.put_slice(b"4");
        piece.truncate(4);
        piece.hand_over(&mut output).unwrap();
        assert_eq!(output.as_slice(), b"d\0\0\0\x061\nd\0\0\0\x082\n3\n");
    }

    #[test]
    fn the_place_of_a_giant_is_given_back() {
        let mut piece = CopyPiece::new();
        assert!(!piece.is_full());
        piece.put_slice(&vec![b'x'; 4 << 20]);
        assert!(piece.is_full());
        piece.clear();
        assert!(piece.is_empty() && piece.out.capacity() <= KEPT, "{}", piece.out.capacity());
    }
}
