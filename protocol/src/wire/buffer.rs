//! The one way to write bytes for a server.

use core::cell::Cell;
use core::fmt;
use core::mem;

use zeroize::Zeroize;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::nul::holds_nul;

/// Bytes that are appended to, with lengths patched in afterwards.
///
/// The protocol counts lengths in 31 bits. Whatever grows past that, or past a 16-bit count, is an [`Error`] before a
/// byte of it is sent: [`Buffer::message`] and [`Buffer::value`] take back what they began.
///
/// The first `INLINE` bytes need no allocation; 96 hold the parameters of a point query.
///
/// ```
/// use stellata_protocol::Buffer;
/// let mut out = Buffer::new();
/// out.message(b'Q', |body| body.put_cstr("select 1")).unwrap();
/// assert_eq!(out.as_slice(), b"Q\0\0\0\x0dselect 1\0");
/// ```
#[derive(Clone)]
pub struct Buffer<const INLINE: usize = 96> {
    /// The bytes, as long as they fit here and `heap` has no place.
    inline: [u8; INLINE],
    /// How many of `inline` are written; 0 once `heap` has place.
    filled: usize,
    /// The bytes, once it has place: a `Vec` appends in a few instructions, a `SmallVec` in five times as many.
    heap: Vec<u8>,
}

/// The largest place that is kept for the next buffer.
const SPARE_MOST: usize = 16 * 1024;

thread_local! {
    /// The place on the heap that a buffer of this thread has left behind. The next one that outgrows its own bytes takes it,
    /// so that statements with long parameters cost no allocation: a large one is dear in the C library just behind many
    /// small values that were given back, as those of inserted rows are.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Keeps a place for the next buffer, unless a larger one is kept already.
#[inline(never)]
fn keep(mut place: Vec<u8>) {
    if place.capacity() > SPARE_MOST {
        return;
    }
    place.clear();
    // A thread that ends keeps nothing.
    let _ = SPARE.try_with(|spare| {
        let other = spare.take();
        spare.set(if other.capacity() > place.capacity() { other } else { place });
    });
}

impl<const INLINE: usize> Drop for Buffer<INLINE> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_inline() {
            keep(mem::take(&mut self.heap));
        }
    }
}

impl Buffer {
    /// An empty buffer. The first 96 bytes need no allocation; [`Buffer::default`] makes those of other sizes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with place for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buffer = Self::default();
        buffer.reserve(capacity);
        buffer
    }
}

impl<const INLINE: usize> Buffer<INLINE> {
    /// What was written.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        if self.is_inline() {
            self.inline.get(..self.filled).unwrap_or_default()
        } else {
            &self.heap
        }
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [u8] {
        if self.is_inline() {
            self.inline.get_mut(..self.filled).unwrap_or_default()
        } else {
            &mut self.heap
        }
    }

    #[inline]
    fn is_inline(&self) -> bool {
        self.heap.capacity() == 0
    }

    /// Moves the bytes to the heap, with place for `additional` further ones.
    #[cold]
    fn spill(&mut self, additional: usize) {
        let mut heap = SPARE.try_with(Cell::take).unwrap_or_default();
        heap.reserve(self.filled.saturating_add(additional).max(INLINE.saturating_mul(2)));
        heap.extend_from_slice(self.as_slice());
        self.heap = heap;
        self.filled = 0;
    }

    /// How many bytes were written.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        if self.is_inline() { self.filled } else { self.heap.len() }
    }

    /// Whether nothing was written.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes fit without an allocation.
    #[must_use]
    pub fn capacity(&self) -> usize {
        if self.is_inline() { INLINE } else { self.heap.capacity() }
    }

    /// Forgets what was written; keeps the place.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Overwrites all that was ever written, then forgets it; keeps the place.
    ///
    /// What was written before the buffer grew may still stand where it was then: [`Buffer::reserve`] before a secret.
    pub fn wipe(&mut self) {
        self.inline.zeroize();
        self.filled = 0;
        self.heap.zeroize();
    }

    /// Forgets what was written after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        if self.is_inline() {
            self.filled = self.filled.min(len);
        } else {
            self.heap.truncate(len);
        }
    }

    /// Makes place for `additional` further bytes.
    pub fn reserve(&mut self, additional: usize) {
        if !self.is_inline() {
            self.heap.reserve(additional);
        } else if additional > INLINE.saturating_sub(self.filled) {
            self.spill(additional);
        }
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        if self.is_inline() {
            let end = self.filled.saturating_add(bytes.len());
            if let Some(place) = self.inline.get_mut(self.filled..end) {
                place.copy_from_slice(bytes);
                self.filled = end;
                return;
            }
            self.spill(bytes.len());
        }
        self.heap.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn put_u8(&mut self, value: u8) {
        self.put_slice(&[value]);
    }

    /// Appends two bytes, most significant first.
    #[inline]
    pub fn put_i16(&mut self, value: i16) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends two bytes without sign, most significant first.
    #[inline]
    pub fn put_u16(&mut self, value: u16) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends four bytes, most significant first.
    #[inline]
    pub fn put_i32(&mut self, value: i32) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends four bytes without sign, most significant first.
    #[inline]
    pub fn put_u32(&mut self, value: u32) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends eight bytes, most significant first.
    #[inline]
    pub fn put_i64(&mut self, value: i64) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends a count as two bytes without sign.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] with the given message above 65 535.
    #[inline]
    pub fn put_count16(&mut self, count: usize, message: &'static str) -> Result<()> {
        match u16::try_from(count) {
            Ok(count) => {
                self.put_u16(count);
                Ok(())
            }
            Err(_) => Err(Error::new(ErrorKind::TooLarge, message)),
        }
    }

    /// Appends a length or count as four bytes.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above 2 147 483 647.
    #[inline]
    pub fn put_len32(&mut self, len: usize) -> Result<()> {
        self.put_i32(len32(len)?);
        Ok(())
    }

    /// Appends text and a zero byte.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] when the text holds a zero byte itself: it would end early for the server, and the
    /// rest would be read as something else.
    #[inline]
    pub fn put_cstr(&mut self, text: &str) -> Result<()> {
        if holds_nul(text.as_bytes()) {
            return Err(nul());
        }
        self.put_slice(text.as_bytes());
        self.put_u8(0);
        Ok(())
    }

    /// Appends a value with its length in front: [`Buffer::put_len32`] and [`Buffer::put_slice`] in fewer steps.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for 2 GiB and more. Nothing is appended then.
    #[inline(always)]
    pub fn put_value(&mut self, value: &[u8]) -> Result<()> {
        let len = len32(value.len())?.to_be_bytes();
        if self.is_inline() {
            let end = self.filled.saturating_add(len.len()).saturating_add(value.len());
            let place = self.inline.get_mut(self.filled..end);
            if let Some((head, tail)) = place.and_then(|place| place.split_first_chunk_mut()) {
                *head = len;
                tail.copy_from_slice(value);
                self.filled = end;
                return Ok(());
            }
            self.spill(value.len().saturating_add(len.len()));
        }
        self.heap.extend_from_slice(&len);
        self.heap.extend_from_slice(value);
        Ok(())
    }

    /// Appends the first `len` of 16 bytes, which are given as two words, the lowest byte first, with their length in front: what
    /// [`Buffer::put_value`] does, without a copy whose length the compiler doesn't know. False, and nothing appended, where
    /// there is not place for all of them.
    #[inline(always)]
    pub(crate) fn put_short(&mut self, len: usize, first: u64, second: u64) -> bool {
        // In this order the compiler needs no stack for it.
        let written = self.heap.len();
        if self.heap.capacity().wrapping_sub(written) >= SHORT {
            self.heap.extend_from_slice(&sized(len, first, second));
            self.heap.truncate(written.wrapping_add(4).wrapping_add(len));
            return true;
        }
        if !self.is_inline() {
            return false;
        }
        let place = self.inline.get_mut(self.filled..);
        let Some(place) = place.and_then(|place| place.first_chunk_mut()) else { return false };
        *place = sized(len, first, second);
        self.filled = self.filled.wrapping_add(4).wrapping_add(len);
        true
    }

    /// Appends a message: its tag, its length, and the body that `write` makes.
    ///
    /// # Errors
    /// What `write` returns, or [`ErrorKind::TooLarge`] for a body of 2 GiB. Nothing is appended then.
    #[inline]
    pub fn message(&mut self, tag: u8, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let start = self.len();
        self.put_slice(&[tag, 0, 0, 0, 0]);
        let length = start.wrapping_add(1);
        let done = write(self).and_then(|()| self.patch(length, self.len().wrapping_sub(length)));
        if done.is_err() {
            self.truncate(start);
        }
        done
    }

    /// Appends a length that counts itself and the body that `write` makes, as the messages without tag have it.
    ///
    /// # Errors
    /// What `write` returns, or [`ErrorKind::TooLarge`]. Nothing is appended then.
    pub fn untagged(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.sized(true, write)
    }

    /// Appends a value with its length in front, as parameters, columns and array elements have it.
    ///
    /// # Errors
    /// What `write` returns, or [`ErrorKind::TooLarge`] for 2 GiB and more. Nothing is appended then.
    #[inline]
    pub fn value(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.sized(false, write)
    }

    /// Appends a NULL: the length -1 and nothing behind it.
    #[inline]
    pub fn null(&mut self) {
        self.put_i32(-1);
    }

    #[inline]
    fn sized(
        &mut self,
        count_itself: bool,
        write: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let start = self.len();
        self.put_i32(0);
        let body = self.len();
        let from = if count_itself { start } else { body };
        let done = write(self).and_then(|()| self.patch(start, self.len().wrapping_sub(from)));
        if done.is_err() {
            self.truncate(start);
        }
        done
    }

    /// Writes a length over the four bytes at `at`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above 2 147 483 647, [`ErrorKind::Usage`] when there are no four bytes at `at`.
    #[inline]
    pub fn patch(&mut self, at: usize, len: usize) -> Result<()> {
        let len = len32(len)?;
        match self.as_mut_slice().get_mut(at..).and_then(|place| place.first_chunk_mut::<4>()) {
            Some(place) => {
                *place = len.to_be_bytes();
                Ok(())
            }
            None => Err(Error::new(ErrorKind::Usage, "a length to patch lies outside the buffer")),
        }
    }
}

impl<const INLINE: usize> Default for Buffer<INLINE> {
    fn default() -> Self {
        Self { inline: [0; INLINE], filled: 0, heap: Vec::new() }
    }
}

/// How long it is, not what it holds: that may be a user's value or a password.
impl<const INLINE: usize> fmt::Debug for Buffer<INLINE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<const INLINE: usize> PartialEq for Buffer<INLINE> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const INLINE: usize> Eq for Buffer<INLINE> {}

/// A length and 16 bytes.
const SHORT: usize = 4 + 16;

/// A length and two words, the lowest byte first. The compiler makes three stores of it.
#[inline(always)]
fn sized(len: usize, first: u64, second: u64) -> [u8; SHORT] {
    let mut bytes = [0; SHORT];
    let length = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    if let Some((head, halves)) = bytes.split_first_chunk_mut()
        && let Some((one, other)) = halves.split_first_chunk_mut()
        && let Some(other) = other.first_chunk_mut()
    {
        (*head, *one, *other) = (length, first.to_le_bytes(), second.to_le_bytes());
    }
    bytes
}

/// A length as the protocol counts it.
///
/// # Errors
/// [`ErrorKind::TooLarge`] above 2 147 483 647.
#[inline]
pub(crate) fn len32(len: usize) -> Result<i32> {
    match i32::try_from(len) {
        Ok(len) if len <= most() => Ok(len),
        _ => Err(too_large()),
    }
}

/// The largest length.
#[cfg(not(test))]
#[inline(always)]
const fn most() -> i32 {
    i32::MAX
}

#[cfg(test)]
use bound::most;

/// A smaller largest length, so that a test need not write 2 GiB to go past it.
#[cfg(test)]
pub(crate) mod bound {
    use core::cell::Cell;

    thread_local! {
        static MOST: Cell<i32> = const { Cell::new(i32::MAX) };
    }

    pub(super) fn most() -> i32 {
        MOST.get()
    }

    /// Runs `write` where no length above `most` can be written.
    pub(crate) fn within<T>(most: i32, write: impl FnOnce() -> T) -> T {
        MOST.set(most);
        let done = write();
        MOST.set(i32::MAX);
        done
    }
}

#[cold]
fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "a message or value is 2 GiB or larger")
}

#[cold]
pub(crate) fn nul() -> Error {
    Error::new(ErrorKind::InvalidText, "text for the server holds a NUL byte")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(Vec<u8>),
        Byte(u8),
        Truncate(usize),
        Clear,
        Reserve(usize),
        Copy,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => proptest::collection::vec(any::<u8>(), 0..120).prop_map(Step::Put),
            4 => any::<u8>().prop_map(Step::Byte),
            1 => (0..200_usize).prop_map(Step::Truncate),
            1 => Just(Step::Clear),
            1 => (0..300_usize).prop_map(Step::Reserve),
            1 => Just(Step::Copy),
        ]
    }

    #[test]
    fn the_place_of_one_buffer_serves_the_next_and_shows_nothing_of_it() {
        let mut first = Buffer::new();
        first.put_slice(&[1; 500]);
        let place = first.capacity();
        drop(first);
        let mut second = Buffer::new();
        second.put_slice(&[2; 200]);
        assert_eq!((second.capacity(), second.as_slice()), (place, &[2; 200][..]));
        let mut third = Buffer::new();
        third.put_slice(&[3; 200]);
        assert!(third.capacity() < place, "there is one to be had");
        assert_eq!((second.as_slice(), third.as_slice()), (&[2; 200][..], &[3; 200][..]));
        drop((second, third));
        let mut large = Buffer::new();
        large.put_slice(&[4; SPARE_MOST + 1]);
        drop(large);
        let mut after = Buffer::new();
        after.put_slice(&[5; 200]);
        assert!(after.capacity() <= SPARE_MOST, "a large place is given back");
    }

    proptest! {
        #[test]
        fn it_holds_what_a_vec_holds(
            capacity in prop_oneof![Just(0), 0..300_usize],
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let mut model = Vec::new();
            let mut out = Buffer::with_capacity(capacity);
            prop_assert!(out.capacity() >= capacity.max(96));
            for step in steps {
                match step {
                    Step::Put(bytes) => {
                        out.put_slice(&bytes);
                        model.extend(bytes);
                    }
                    Step::Byte(byte) => {
                        out.put_u8(byte);
                        model.push(byte);
                    }
                    Step::Truncate(len) => {
                        out.truncate(len);
                        model.truncate(len);
                    }
                    Step::Clear => {
                        out.clear();
                        model.clear();
                    }
                    Step::Reserve(additional) => {
                        out.reserve(additional);
                        prop_assert!(out.capacity() - out.len() >= additional);
                    }
                    Step::Copy => {
                        let copy = out.clone();
                        prop_assert_eq!(&copy, &out);
                        out = copy;
                    }
                }
                prop_assert_eq!(out.as_slice(), &model[..]);
                prop_assert_eq!((out.len(), out.is_empty()), (model.len(), model.is_empty()));
                if model.len() >= 4 {
                    let at = model.len() - 4;
                    out.patch(at, 7).unwrap();
                    model[at..].copy_from_slice(&[0, 0, 0, 7]);
                }
            }
        }
    }

    #[test]
    fn a_failed_message_leaves_nothing_behind() {
        let mut out = Buffer::new();
        out.put_u8(1);
        let failed = out.message(b'P', |body| {
            body.put_i32(5);
            body.put_cstr("nul \0 inside")
        });
        assert_eq!(failed.map_err(|error| error.kind()), Err(ErrorKind::InvalidText));
        assert_eq!(out.as_slice(), [1]);
    }

    #[test]
    fn rustsec_2024_0365_counts_above_16_bits_are_refused() {
        let mut out = Buffer::new();
        assert!(out.put_count16(65_535, "too many").is_ok());
        assert_eq!(
            out.put_count16(65_536, "too many"),
            Err(Error::new(ErrorKind::TooLarge, "too many"))
        );
    }

    #[test]
    fn cve_2024_32655_lengths_of_two_gib_and_more_are_refused() {
        let mut out = Buffer::new();
        out.put_i32(7);
        let most = (1_usize << 31) - 1;
        for len in [most + 1, most << 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 5, usize::MAX] {
            let kind = |result: Result<()>| result.map_err(|error| error.kind());
            assert_eq!(kind(out.put_len32(len)), Err(ErrorKind::TooLarge), "{len}");
            assert_eq!(kind(out.patch(0, len)), Err(ErrorKind::TooLarge), "{len}");
            assert_eq!(out.as_slice(), [0, 0, 0, 7], "nothing is written");
        }
        assert_eq!(out.patch(0, most), Ok(()));
        assert_eq!(out.as_slice(), [0x7f, 0xff, 0xff, 0xff]);
    }
}
