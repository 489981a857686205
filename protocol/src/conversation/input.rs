//! The bytes that have come and are not yet used.

use core::ops::Range;

/// The size that the buffer starts with: enough for a login and for answers of a row. A little below 2 KiB, from where on
/// the C library clears memory by an instruction that is slow to begin.
const FIRST: usize = 2 * 1024 - 64;

/// The size that the buffer has once a read has filled the first one, and goes back to when a large answer has been used.
const SMALL: usize = 16 * 1024;

/// The size that the buffer has at least as soon as one read fills it: large reads are what makes a long answer cheap.
const LARGE: usize = 128 * 1024;

/// How far at most the buffer grows ahead of the bytes that have come, or a quarter of them where that is more: so that
/// the copying stays in proportion.
const STEP: usize = 1024 * 1024;

/// Received bytes in one piece of memory, read from the front and filled at the end.
///
/// It grows with the bytes received, never with a length that they declare. It has no `Debug`: it holds rows, and what proves
/// a login.
pub(super) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    filled: bool,
}

impl Input {
    pub(super) fn new() -> Self {
        Self::of(FIRST)
    }

    fn of(size: usize) -> Self {
        Self { bytes: vec![0; size], start: 0, end: 0, filled: false }
    }

    /// What has come and is not yet used.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Bytes at a place that [`Input::take`] returned. They stay until [`Input::space`] is called.
    #[inline]
    pub(super) fn at(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Uses the next `size` bytes; tells where they lie, without the first `head` of them.
    #[inline]
    pub(super) fn take(&mut self, size: usize, head: usize) -> Range<usize> {
        let body = self.start.saturating_add(head);
        self.start = self.start.saturating_add(size).min(self.end);
        body..self.start
    }

    /// Room for the next read. What is unread may move to the front.
    #[inline]
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end && !self.filled {
            self.start = 0;
            self.end = 0;
            return &mut self.bytes;
        }
        self.space_behind()
    }

    /// Room behind what is unread, or more of it where the last read filled all there was.
    #[inline(never)]
    fn space_behind(&mut self) -> &mut [u8] {
        let unread = self.end.saturating_sub(self.start);
        if unread == 0 {
            self.start = 0;
            self.end = 0;
            if self.filled && self.bytes.len() < LARGE {
                self.bytes = vec![0; if self.bytes.len() < SMALL { SMALL } else { LARGE }];
            }
        } else {
            let full = self.end == self.bytes.len();
            if full && self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.start = 0;
                self.end = unread;
            }
            if self.filled || full || unread > self.bytes.len() / 2 {
                self.grow(unread, self.filled || full);
            }
        }
        self.filled = false;
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Makes room for as much again as is `unread`, within bounds; when there is no haste, only where that is a good deal
    /// more than there is.
    fn grow(&mut self, unread: usize, haste: bool) {
        // The first size is given up for the usual one before there is any talk of a large answer.
        let least = if self.bytes.len() < SMALL { SMALL } else { LARGE };
        let ahead = unread.clamp(least, STEP).max(unread / 4);
        let grown = unread.saturating_add(ahead);
        let worth = if haste { grown } else { grown.saturating_sub(grown / 4) };
        if self.bytes.len() < worth {
            self.bytes.reserve_exact(grown.saturating_sub(self.bytes.len()));
            self.bytes.resize(grown, 0);
        }
    }

    /// Says that a read put `count` bytes into [`Input::space`].
    pub(super) fn received(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
        self.filled = self.end == self.bytes.len();
    }

    /// Gives back the memory of a large answer, when all of it is used. The bytes at `kept` stay; returns where.
    #[inline]
    pub(super) fn shrink(&mut self, kept: Range<usize>) -> Range<usize> {
        if self.start == self.end && self.bytes.len() > SMALL { self.replace(kept) } else { kept }
    }

    #[cold]
    fn replace(&mut self, kept: Range<usize>) -> Range<usize> {
        let mut small = Self::of(SMALL);
        let bytes = self.at(kept);
        let Some(place) = small.bytes.get_mut(..bytes.len()) else { return 0..0 };
        place.copy_from_slice(bytes);
        small.start = bytes.len();
        small.end = bytes.len();
        *self = small;
        0..self.end
    }

    /// How much memory is held, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(input: &mut Input, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = input.space();
            let count = space.len().min(bytes.len());
            assert!(count > 0, "the buffer always has room for a byte");
            space[..count].copy_from_slice(&bytes[..count]);
            input.received(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in_however_they_are_cut() {
        let sent: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        let mut input = Input::new();
        let mut seen = Vec::new();
        for (index, piece) in sent.chunks(13_001).enumerate() {
            feed(&mut input, piece);
            let size = input.unread().len() / (1 + index % 3);
            let range = input.take(size, 0);
            seen.extend_from_slice(input.at(range));
        }
        seen.extend_from_slice(input.unread());
        assert!(seen == sent);
    }

    #[test]
    fn memory_grows_with_what_has_come_and_is_given_back() {
        let mut input = Input::new();
        feed(&mut input, &vec![7; 5_000_000]);
        assert!(input.capacity() <= 5_000_000 + 5_000_000 / 4 + STEP, "{}", input.capacity());
        let kept = input.shrink(0..0);
        assert!(input.capacity() >= 5_000_000, "unread bytes stay");
        assert_eq!(kept, 0..0);
        let body = input.take(5_000_000, 4_999_999);
        let kept = input.shrink(body);
        assert_eq!(input.capacity(), SMALL);
        assert_eq!(input.at(kept), [7], "the newest message stays");
        assert!(input.unread().is_empty());
    }
}
