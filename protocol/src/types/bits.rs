//! Bit strings: `bit` and `varbit` as [`Bits`], and as [`BitsRef`] where nothing is to be copied (manual: "Bit String
//! Types").
//!
//! The binary form (`varbit_send` of the server's source): the number of bits, and the bits, eight in a byte, the first
//! in its highest place; zeros fill the last byte.

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A string of bits: `varbit`, and `bit(n)`, whose length the server demands to be `n`.
///
/// It is printed and parsed as the server does it, as zeros and ones. Its order is the server's.
///
/// ```
/// use stellata_protocol::types::bits::Bits;
/// let mut bits: Bits = "0101".parse().unwrap();
/// bits.push(true);
/// assert_eq!(bits.to_string(), "01011");
/// assert_eq!(bits.get(1), Some(true));
/// assert_eq!(bits, [false, true, false, true, true].into_iter().collect());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bits {
    /// As many as hold `len` bits; those behind the last bit are zeros.
    bytes: Vec<u8>,
    len: usize,
}

/// A string of bits that belongs to another: to a [`Bits`], or to the row that it was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BitsRef<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl Bits {
    /// A string of no bits.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), len: 0 }
    }

    /// A string of `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self { bytes: vec![0; len.div_ceil(8)], len }
    }

    /// The first `len` bits of `bytes`, each byte from its highest bit on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] when there are more or fewer bytes than hold `len` bits,
    /// [`ErrorKind::InvalidValue`] when a bit behind them is set.
    pub fn from_bytes(bytes: Vec<u8>, len: usize) -> Result<Self> {
        BitsRef::new(&bytes, len)?;
        Ok(Self { bytes, len })
    }

    /// The same bits, borrowed.
    #[must_use]
    pub fn as_bits(&self) -> BitsRef<'_> {
        BitsRef { bytes: &self.bytes, len: self.len }
    }

    /// How many bits there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bit at `index`, counted from 0 at the left; `None` behind the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<bool> {
        self.as_bits().get(index)
    }

    /// Sets the bit at `index`, counted from 0 at the left; returns whether there is one.
    pub fn set(&mut self, index: usize, value: bool) -> bool {
        if index >= self.len {
            return false;
        }
        let Some(byte) = self.bytes.get_mut(index / 8) else { return false };
        if value {
            *byte |= mask(index);
        } else {
            *byte &= !mask(index);
        }
        true
    }

    /// Appends a bit at the right.
    pub fn push(&mut self, value: bool) {
        let index = self.len;
        if index.is_multiple_of(8) {
            self.bytes.push(0);
        }
        self.len = index.saturating_add(1);
        self.set(index, value);
    }

    /// The bits from left to right.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.as_bits().into_iter()
    }

    /// The bytes that hold the bits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that hold the bits.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl<'a> BitsRef<'a> {
    /// The first `len` bits of `bytes`, each byte from its highest bit on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] when there are more or fewer bytes than hold `len` bits,
    /// [`ErrorKind::InvalidValue`] when a bit behind them is set.
    pub fn new(bytes: &'a [u8], len: usize) -> Result<Self> {
        if bytes.len() != len.div_ceil(8) {
            return Err(Error::new(
                ErrorKind::InvalidLength,
                "a bit string has another length than its bytes",
            ));
        }
        // What `mask` would take for the bit behind the last, and all lower ones.
        let surplus =
            if len.is_multiple_of(8) { 0 } else { mask(len).wrapping_mul(2).wrapping_sub(1) };
        if bytes.last().is_some_and(|last| last & surplus != 0) {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                "a bit string has bits set behind its end",
            ));
        }
        Ok(Self { bytes, len })
    }

    /// How many bits there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bit at `index`, counted from 0 at the left; `None` behind the last.
    #[must_use]
    pub fn get(self, index: usize) -> Option<bool> {
        if index >= self.len {
            return None;
        }
        self.bytes.get(index / 8).map(|byte| byte & mask(index) != 0)
    }

    /// The bytes that hold the bits.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    fn write(self, out: &mut Buffer) -> Result<IsNull> {
        out.put_len32(self.len)?;
        out.put_slice(self.bytes);
        Ok(IsNull::No)
    }
}

/// The bits of a string from left to right.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bits: BitsRef<'a>,
    next: usize,
}

impl Iterator for Iter<'_> {
    type Item = bool;

    fn next(&mut self) -> Option<bool> {
        let bit = self.bits.get(self.next)?;
        self.next = self.next.saturating_add(1);
        Some(bit)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.bits.len.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for BitsRef<'a> {
    type Item = bool;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter { bits: self, next: 0 }
    }
}

impl<'a> IntoIterator for &'a Bits {
    type Item = bool;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.as_bits().into_iter()
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(values: I) -> Self {
        let mut bits = Self::new();
        bits.extend(values);
        bits
    }
}

impl Extend<bool> for Bits {
    fn extend<I: IntoIterator<Item = bool>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl From<BitsRef<'_>> for Bits {
    fn from(bits: BitsRef<'_>) -> Self {
        Self { bytes: bits.bytes.to_vec(), len: bits.len }
    }
}

impl fmt::Display for BitsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.into_iter().try_for_each(|bit| f.write_str(if bit { "1" } else { "0" }))
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bits().fmt(f)
    }
}

impl FromStr for Bits {
    type Err = Error;

    /// Reads zeros and ones.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for anything else.
    fn from_str(text: &str) -> Result<Self> {
        text.bytes()
            .map(|digit| match digit {
                b'0' => Ok(false),
                b'1' => Ok(true),
                _ => {
                    Err(Error::new(ErrorKind::InvalidValue, "a bit string has digits but 0 and 1"))
                }
            })
            .collect()
    }
}

impl PgType for BitsRef<'_> {
    const TYPE: Type = Type { oid: Oid::VARBIT, array: Oid::VARBIT_ARRAY, name: "varbit" };

    fn accepts(oid: Oid) -> bool {
        matches!(oid, Oid::VARBIT | Oid::BIT)
    }
}

impl ArrayElement for BitsRef<'_> {}

impl Encode for BitsRef<'_> {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.write(out)
    }
}

impl<'a> Decode<'a> for BitsRef<'a> {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let Ok(len) = usize::try_from(reader.i32()?) else {
            return Err(Error::new(ErrorKind::InvalidLength, "a bit string has a negative length"));
        };
        let bytes = reader.take(len.div_ceil(8))?;
        reader.end()?;
        Self::new(bytes, len)
    }
}

impl PgType for Bits {
    const TYPE: Type = BitsRef::TYPE;

    fn accepts(oid: Oid) -> bool {
        BitsRef::accepts(oid)
    }
}

impl ArrayElement for Bits {}

impl Encode for Bits {
    #[inline]
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.as_bits().write(out)
    }
}

impl<'a> Decode<'a> for Bits {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        BitsRef::decode(oid, raw).map(Self::from)
    }
}

/// The place of a bit in its byte.
fn mask(index: usize) -> u8 {
    [128, 64, 32, 16, 8, 4, 2, 1].get(index % 8).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, hex, is_refused, is_value, round_trip, survives};

    fn bits(text: &str) -> Bits {
        text.parse().unwrap()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::VARBIT, "00000000", &Bits::new());
        is_value(Oid::BIT, "00000003 a0", &bits("101"));
        is_value(Oid::VARBIT, "00000008 ff", &bits("11111111"));
        is_value(Oid::VARBIT, "00000009 ff80", &bits("111111111"));
        is_value(Oid::VARBIT, "00000010 0000", &Bits::zeros(16));
    }

    #[test]
    fn borrowed_bits_are_not_copied() {
        let raw = hex("00000009 ff80");
        let read: BitsRef<'_> = decode(Oid::VARBIT, &raw).unwrap();
        assert_eq!(read.as_bytes().as_ptr(), raw[4..].as_ptr());
        assert_eq!(read.to_string(), "111111111");
    }

    #[test]
    fn bytes_that_are_no_bits_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("000000", ErrorKind::Truncated),
            ("00000001", ErrorKind::Truncated),
            ("00000009 ff", ErrorKind::Truncated),
            ("7fffffff ff", ErrorKind::Truncated),
            ("ffffffff", ErrorKind::InvalidLength),
            ("80000000 ff", ErrorKind::InvalidLength),
            ("00000000 00", ErrorKind::TrailingBytes),
            ("00000008 ff00", ErrorKind::TrailingBytes),
            ("00000001 c0", ErrorKind::InvalidValue),
            ("00000007 01", ErrorKind::InvalidValue),
            ("00000009 ff81", ErrorKind::InvalidValue),
        ] {
            is_refused::<Bits>(Oid::VARBIT, text, kind);
        }
    }

    #[test]
    fn bytes_and_length_must_agree() {
        let kind =
            |bytes: &[u8], len| Bits::from_bytes(bytes.to_vec(), len).map_err(|error| error.kind());
        assert_eq!(kind(&[0xa0], 3), Ok(bits("101")));
        assert_eq!(kind(&[], 0), Ok(Bits::new()));
        assert_eq!(kind(&[0xa0], 2), Err(ErrorKind::InvalidValue));
        assert_eq!(kind(&[0xa0, 0], 3), Err(ErrorKind::InvalidLength));
        assert_eq!(kind(&[0], 0), Err(ErrorKind::InvalidLength));
        assert_eq!(kind(&[0], usize::MAX), Err(ErrorKind::InvalidLength));
    }

    #[test]
    fn there_is_no_bit_behind_the_last() {
        let mut short = bits("101");
        assert!(short.set(2, false) && !short.set(3, true));
        assert_eq!((short.get(2), short.get(3)), (Some(false), None));
        assert_eq!(short, bits("100"));
        assert_eq!(short.as_bytes(), [0x80]);
        assert!("10 1".parse::<Bits>().is_err() && "B101".parse::<Bits>().is_err());
    }

    proptest! {
        #[test]
        fn every_value_comes_back(values: Vec<bool>) {
            let bits: Bits = values.iter().copied().collect();
            round_trip(&bits)?;
            prop_assert_eq!(bits.len(), values.len());
            prop_assert_eq!(bits.iter().len(), values.len());
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), values);
            prop_assert_eq!(bits.to_string().parse(), Ok(bits.clone()));
            prop_assert_eq!(Bits::from_bytes(bits.clone().into_bytes(), bits.len()), Ok(bits));
        }

        #[test]
        fn hostile_bytes_are_survived(len in -2..80_i32, bytes: Vec<u8>) {
            survives::<Bits>(Oid::VARBIT, &bytes)?;
            survives::<Bits>(Oid::VARBIT, &[&len.to_be_bytes(), &bytes[..]].concat())?;
        }
    }
}
