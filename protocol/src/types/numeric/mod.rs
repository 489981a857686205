//! `numeric` in full, as [`Numeric`].
//!
//! The binary form (`numeric_send` of the server's source): the number of base-10000 digits, the weight of the first,
//! the sign, how many decimals are shown, then the digits. [`Numeric`] keeps just that.

mod text;
mod convert;
#[cfg(feature = "bigdecimal")]
mod big;

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Any value of PostgreSQL's `numeric`, exactly: up to 131 072 digits before the point and 16 383 behind it, `NaN` and
/// the infinities (server 14 and later).
///
/// It is there to carry numbers, not to count with them: it is written, read, compared and converted. The manual calls
/// the type "arbitrary precision numbers" (section 8.1.2).
///
/// * It keeps how many decimals are shown: `1.50` is not printed as `1.5`. [`Display`](fmt::Display) and
///   [`FromStr`](core::str::FromStr) print and read what the server prints and reads.
/// * Equality, hash and order go by the value, as they do for the server: `1.5` equals `1.50`, and `NaN` equals itself
///   and is greater than everything else. Zero has no sign.
/// * 29 digits, wherever the point stands, need no allocation.
///
/// ```
/// use stellata_protocol::Numeric;
/// let price: Numeric = "19.90".parse().unwrap();
/// assert_eq!(price.to_string(), "19.90");
/// assert_eq!(price, "19.9".parse().unwrap());
/// assert!(Numeric::from(20) > price && price < Numeric::NAN);
/// ```
#[derive(Clone)]
pub struct Numeric {
    /// Base-10000 digits, the highest first, no zero at either end; none for zero and what is not finite.
    digits: SmallVec<[u16; INLINE]>,
    /// The power of 10000 that the first digit is multiplied by; 0 where there are no digits.
    weight: i16,
    /// How many decimals are shown; 0 for what is not finite.
    scale: u16,
    sign: Sign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Sign {
    NegInfinity,
    Negative,
    /// Zero too.
    Positive,
    Infinity,
    Nan,
}

impl Numeric {
    /// Not a number. It equals itself, and is greater than everything else.
    pub const NAN: Self = Self::special(Sign::Nan);
    /// Greater than every number.
    pub const INFINITY: Self = Self::special(Sign::Infinity);
    /// Less than every number.
    pub const NEG_INFINITY: Self = Self::special(Sign::NegInfinity);
    /// Zero, without decimals.
    pub const ZERO: Self = Self::special(Sign::Positive);
    /// The most decimals that a number can show.
    pub const MAX_SCALE: u16 = 0x3fff;

    const fn special(sign: Sign) -> Self {
        Self { digits: SmallVec::new_const(), weight: 0, scale: 0, sign }
    }

    /// `mantissa` divided by ten to the power of `scale`, shown with `scale` decimals.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a scale above [`Numeric::MAX_SCALE`].
    pub fn from_i128_with_scale(mantissa: i128, scale: u16) -> Result<Self> {
        if scale > Self::MAX_SCALE {
            return Err(Error::new(ErrorKind::OutOfRange, OVERFLOW));
        }
        Ok(Self::scaled(mantissa < 0, mantissa.unsigned_abs(), scale))
    }

    /// Whether this is `NaN`.
    #[must_use]
    pub fn is_nan(&self) -> bool {
        self.sign == Sign::Nan
    }

    /// Whether this is one of the infinities.
    #[must_use]
    pub fn is_infinite(&self) -> bool {
        matches!(self.sign, Sign::Infinity | Sign::NegInfinity)
    }

    /// Whether this is a number: neither `NaN` nor infinite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        matches!(self.sign, Sign::Positive | Sign::Negative)
    }

    /// Whether this is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.is_finite() && self.digits.is_empty()
    }

    /// Whether this is less than zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        matches!(self.sign, Sign::Negative | Sign::NegInfinity)
    }

    /// How many decimals are shown: 0 to 16 383, and 0 for what is not finite.
    #[must_use]
    pub fn scale(&self) -> u16 {
        self.scale
    }

    /// A number of decimal digits, the first of which counts 10^`power`; none of them may lie behind the `scale`
    /// decimals that are shown, which are [`Numeric::MAX_SCALE`] at most. `None` for what is too large.
    fn from_decimals(
        negative: bool,
        decimals: impl Iterator<Item = u8>,
        power: i64,
        scale: u16,
    ) -> Option<Self> {
        let mut digits = SmallVec::new();
        let mut power = power;
        let mut digit = 0_u16;
        // Decimals that the digit still lacks; at first, none has begun.
        let mut lacks = 0_i64;
        for decimal in decimals {
            if lacks == 0 {
                if decimal == 0 {
                    power = power.saturating_sub(1);
                    continue;
                }
                lacks = power.rem_euclid(GROUP).wrapping_add(1);
            }
            digit = digit.wrapping_mul(10).wrapping_add(u16::from(decimal));
            lacks = lacks.wrapping_sub(1);
            if lacks == 0 {
                digits.push(digit);
                digit = 0;
                lacks = GROUP;
            }
        }
        if lacks == 0 {
            return Some(Self { scale, ..Self::ZERO });
        }
        if lacks < GROUP {
            for _ in 0..lacks {
                digit = digit.wrapping_mul(10);
            }
            digits.push(digit);
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let weight = i16::try_from(power.div_euclid(GROUP)).ok()?;
        let sign = if negative { Sign::Negative } else { Sign::Positive };
        Some(Self { digits, weight, scale, sign })
    }

    /// An integer in units of 10^-`scale`, which is [`Numeric::MAX_SCALE`] at most.
    pub(super) fn scaled(negative: bool, mantissa: u128, scale: u16) -> Self {
        let mut decimals = SmallVec::<[u8; MOST_DECIMALS]>::new();
        let mut rest = mantissa;
        while rest > 0 {
            // 64 bits, which have 19 decimals at least, are divided many times faster than 128.
            let (mut part, places) = match u64::try_from(rest) {
                Ok(part) => (part, 0),
                Err(_) => (u64::try_from(rest % TEN_TO_19).unwrap_or(0), 19),
            };
            rest = if places == 0 { 0 } else { rest / TEN_TO_19 };
            let end = decimals.len().saturating_add(places);
            while part > 0 || decimals.len() < end {
                let [.., decimal] = (part % 10).to_be_bytes();
                decimals.push(decimal);
                part /= 10;
            }
        }
        let count = i64::try_from(decimals.len()).unwrap_or(0);
        let power = count.wrapping_sub(1).wrapping_sub(i64::from(scale));
        // 39 decimals are never too many.
        Self::from_decimals(negative, decimals.into_iter().rev(), power, scale)
            .unwrap_or(Self::INFINITY)
    }

    /// The base-10000 digit that is multiplied by 10000^`power`.
    fn digit(&self, power: i32) -> u16 {
        usize::try_from(i32::from(self.weight).wrapping_sub(power))
            .ok()
            .and_then(|at| self.digits.get(at))
            .copied()
            .unwrap_or(0)
    }

    /// The power of 10000 that the last digit is multiplied by.
    fn last_power(&self) -> i64 {
        let count = i64::try_from(self.digits.len()).unwrap_or(0);
        i64::from(self.weight).wrapping_add(1).wrapping_sub(count)
    }

    /// Whether all digits stand before the point or among the decimals that are shown.
    fn shows_all(&self) -> bool {
        let Some(&last) = self.digits.last() else {
            return true;
        };
        let zeros = match last {
            _ if last % 1_000 == 0 => 3,
            _ if last % 100 == 0 => 2,
            _ if last % 10 == 0 => 1,
            _ => 0,
        };
        let lowest = self.last_power().wrapping_mul(GROUP).wrapping_add(zeros);
        lowest.wrapping_add(i64::from(self.scale)) >= 0
    }
}

impl Default for Numeric {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numeric({self})")
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        (self.sign, self.weight, &self.digits) == (other.sign, other.weight, &other.digits)
    }
}

impl Eq for Numeric {}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.sign, self.weight, &self.digits).hash(state);
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    /// The order in which the server sorts: `-Infinity`, numbers, `Infinity`, `NaN`.
    fn cmp(&self, other: &Self) -> Ordering {
        // Zero has no first digit, and so no weight that could be compared.
        let size = |number: &Self| (!number.digits.is_empty()).then_some(number.weight);
        self.sign.cmp(&other.sign).then_with(|| {
            let by_size = size(self).cmp(&size(other)).then_with(|| self.digits.cmp(&other.digits));
            if self.sign == Sign::Negative { by_size.reverse() } else { by_size }
        })
    }
}

impl PgType for Numeric {
    const TYPE: Type = Type { oid: Oid::NUMERIC, array: Oid::NUMERIC_ARRAY, name: "numeric" };
}

impl ArrayElement for Numeric {}

impl Encode for Numeric {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        let (sign, scale) = match self.sign {
            Sign::Positive => (POSITIVE, self.scale),
            Sign::Negative => (NEGATIVE, self.scale),
            Sign::Nan => (NAN, 0),
            Sign::Infinity => (INFINITE, SCALE_OF_INFINITY),
            Sign::NegInfinity => (MINUS_INFINITE, SCALE_OF_INFINITY),
        };
        out.reserve(self.digits.len().saturating_mul(2).saturating_add(HEAD));
        out.put_count16(self.digits.len(), OVERFLOW)?;
        out.put_i16(self.weight);
        out.put_u16(sign);
        out.put_u16(scale);
        for digit in &self.digits {
            out.put_u16(*digit);
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Numeric {
    /// Reads any number. Zero digits at either end, which a server never sends, change nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for what is no number: digits above 9999, digits behind the decimals that are shown,
    /// more decimals than [`Numeric::MAX_SCALE`], an unknown sign.
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let count = reader.count16()?;
        let weight = reader.i16()?;
        let sign = match reader.u16()? {
            POSITIVE => Sign::Positive,
            NEGATIVE => Sign::Negative,
            NAN => Sign::Nan,
            INFINITE => Sign::Infinity,
            MINUS_INFINITE => Sign::NegInfinity,
            _ => return Err(Error::new(ErrorKind::InvalidValue, "a number has an unknown sign")),
        };
        let scale = reader.u16()?;
        let (mut groups, _) = reader.take(count.wrapping_mul(2))?.as_chunks::<2>();
        reader.end()?;
        if scale > Self::MAX_SCALE {
            return Err(Error::new(ErrorKind::InvalidValue, "a number shows too many decimals"));
        }
        if !matches!(sign, Sign::Positive | Sign::Negative) {
            if !groups.is_empty() {
                return Err(Error::new(ErrorKind::InvalidValue, "what is no number has digits"));
            }
            return Ok(Self::special(sign));
        }
        let mut weight = i32::from(weight);
        while let [[0, 0], rest @ ..] = groups {
            groups = rest;
            weight = weight.wrapping_sub(1);
        }
        while let [rest @ .., [0, 0]] = groups {
            groups = rest;
        }
        if groups.is_empty() {
            return Ok(Self { scale, ..Self::ZERO });
        }
        let digits: SmallVec<_> = groups.iter().map(|group| u16::from_be_bytes(*group)).collect();
        if digits.iter().any(|digit| *digit >= BASE) {
            return Err(Error::new(ErrorKind::InvalidValue, "a digit of a number is above 9999"));
        }
        match i16::try_from(weight) {
            Ok(weight) => Some(Self { digits, weight, scale, sign }),
            Err(_) => None,
        }
        .filter(Self::shows_all)
        .ok_or(Error::new(ErrorKind::InvalidValue, "a number has more decimals than it shows"))
    }
}

const OVERFLOW: &str = "the number is outside the range of numeric";
/// Digits that need no allocation: as many as fit in the place that a pointer and a length take.
const INLINE: usize = 8;
/// Bytes before the first digit.
const HEAD: usize = 8;
const TEN_TO_19: u128 = 10_000_000_000_000_000_000;
/// Decimal digits of the largest `u128`.
const MOST_DECIMALS: usize = 39;
/// Decimal digits in a base-10000 digit.
const GROUP: i64 = 4;
const BASE: u16 = 10_000;
/// What servers send there, though it means nothing: bits of the sign, in the place where they keep the scale.
const SCALE_OF_INFINITY: u16 = 0x20;
pub(super) const POSITIVE: u16 = 0x0000;
pub(super) const NEGATIVE: u16 = 0x4000;
pub(super) const NAN: u16 = 0xc000;
pub(super) const INFINITE: u16 = 0xd000;
pub(super) const MINUS_INFINITE: u16 = 0xf000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{
        decode, encode, hex as bytes, is_refused, is_value, round_trip, survives,
    };

    fn number(text: &str) -> Numeric {
        text.parse().unwrap()
    }

    #[test]
    fn known_bytes() {
        for (text, hex) in [
            ("0", "0000000000000000"),
            ("0.00", "0000000000000002"),
            ("1", "00010000000000000001"),
            ("-1", "00010000400000000001"),
            ("10000", "00010001000000000001"),
            ("0.1", "0001ffff0000000103e8"),
            ("0.00001", "0001fffe0000000503e8"),
            ("1.10", "0002000000000002000103e8"),
            ("-12345.678", "0003000140000003000109291a7c"),
            ("9999.9999", "0002000000000004270f270f"),
            ("79228162514264337593543950336", "00080007000000000007240c0659059210f1172f112b0150"),
            ("NaN", "00000000c0000000"),
            ("Infinity", "00000000d0000020"),
            ("-Infinity", "00000000f0000020"),
        ] {
            is_value(Oid::NUMERIC, hex, &number(text));
            let read: Numeric = decode(Oid::NUMERIC, &bytes(hex)).unwrap();
            assert_eq!(read.to_string(), text, "the decimals that are shown");
        }
        assert_eq!(decode(Oid::NUMERIC, &bytes("00000000d0000000")), Ok(Numeric::INFINITY));
    }

    #[test]
    fn the_ends_of_the_range() {
        let largest = "9".repeat(131_072) + "." + &"9".repeat(16_383);
        let value = number(&largest);
        assert_eq!(value.to_string(), largest);
        assert_eq!(value.digits.len(), 32_768 + 4_096);
        round_trip(&value).unwrap();
        let smallest = format!("-0.{}1", "0".repeat(16_382));
        assert_eq!(number(&smallest).to_string(), smallest);
        round_trip(&number(&smallest)).unwrap();
        is_value(Oid::NUMERIC, "00017fff0000000003e8", &number("1e131071"));
        is_value(Oid::NUMERIC, "0001f00000003fff000a", &number("1e-16383"));
    }

    #[test]
    fn zeros_that_say_nothing_are_left_out() {
        let read: Numeric =
            decode(Oid::NUMERIC, &bytes("0004000100000001 0000 0001 1388 0000")).unwrap();
        assert_eq!(encode(Oid::NUMERIC, &read), Ok(bytes("0002000000000001 0001 1388")));
        for zero in ["0000000040000001", "00007fff40000001", "0002800040000001 0000 0000"] {
            let read: Numeric = decode(Oid::NUMERIC, &bytes(zero)).unwrap();
            assert_eq!(encode(Oid::NUMERIC, &read), Ok(bytes("0000000000000001")), "{zero}");
            assert!(!read.is_negative());
        }
    }

    #[test]
    fn bytes_that_are_no_number_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("00000000000000", ErrorKind::Truncated),
            ("000000000000000000", ErrorKind::TrailingBytes),
            ("0001000000000000", ErrorKind::Truncated),
            ("ffff000000000000 0001", ErrorKind::Truncated),
            ("0000000000000000 0001", ErrorKind::TrailingBytes),
            ("0001000000000000 2710", ErrorKind::InvalidValue), // the digit 10000
            ("0001000000000000 ffff", ErrorKind::InvalidValue),
            ("0001000000010000 0001", ErrorKind::InvalidValue), // a sign that is none
            ("0001000080000000 0001", ErrorKind::InvalidValue),
            ("0001000000004000 0001", ErrorKind::InvalidValue), // 16 384 decimals
            ("00000000c0004000", ErrorKind::InvalidValue),      // of NaN
            ("00010000c0000000 0001", ErrorKind::InvalidValue), // NaN with a digit
            ("0001ffff00000000 1388", ErrorKind::InvalidValue), // 0.5 with no decimal
            ("0001ffff00000002 007b", ErrorKind::InvalidValue), // 0.0123 with two
            ("0001800000003fff 0001", ErrorKind::InvalidValue), // 1e-131072
            ("0002800000003fff 0000 0001", ErrorKind::InvalidValue), // 1e-131076
        ] {
            is_refused::<Numeric>(Oid::NUMERIC, text, kind);
        }
    }

    #[test]
    fn numbers_are_sorted_as_the_server_sorts_them() {
        let sorted = [
            "-Infinity",
            "-1e300",
            "-10000",
            "-9999.5",
            "-9999",
            "-1.5",
            "-0.0001",
            "0",
            "0.0001",
            "0.5",
            "1",
            "1.5",
            "9999",
            "9999.5",
            "10000",
            "10000.0001",
            "1e300",
            "Infinity",
            "NaN",
        ]
        .map(number);
        for (at, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                assert_eq!(left.cmp(right), at.cmp(&other), "{left} and {right}");
            }
        }
    }

    #[test]
    fn equal_numbers_are_equal_with_any_decimals() {
        use std::hash::BuildHasher;
        let hasher = std::hash::RandomState::new();
        for (left, right) in [("1.5", "1.500000"), ("0", "0.000"), ("-0", "0"), ("1e5", "100000.0")]
        {
            let (left, right) = (number(left), number(right));
            assert_eq!(left, right);
            assert_eq!(left.cmp(&right), Ordering::Equal);
            assert_eq!(hasher.hash_one(&left), hasher.hash_one(&right));
        }
        assert_ne!(number("1"), number("-1"));
        assert_ne!(number("1"), number("10000"));
    }

    #[test]
    fn usual_numbers_need_no_allocation() {
        for text in ["79228162514264337593543950335", "-9999999999999999999999.9999999"] {
            assert!(!number(text).digits.spilled(), "{text}");
        }
        assert!(size_of::<Numeric>() <= 32);
    }

    pub(super) fn any_number() -> impl Strategy<Value = Numeric> {
        prop_oneof![
            4 => "-?[0-9]{1,9}(\\.[0-9]{0,9})?",
            4 => "-?[0-9]{1,60}(\\.[0-9]{0,60})?",
            2 => "-?[0-9]{1,9}(\\.[0-9]{0,9})?e-?[0-9]{1,3}",
            1 => "NaN|-?Infinity|0|0\\.0{1,90}",
        ]
        .prop_map(|text| number(&text))
    }

    proptest! {
        #[test]
        fn every_value_comes_back_with_its_decimals(value in any_number()) {
            round_trip(&value)?;
            let raw = encode(Oid::NUMERIC, &value).unwrap();
            let read: Numeric = decode(Oid::NUMERIC, &raw).unwrap();
            prop_assert_eq!(read.to_string(), value.to_string());
            prop_assert_eq!(number(&value.to_string()).to_string(), value.to_string());
        }

        #[test]
        fn order_is_that_of_integers(left: i64, right: i64, small in -3..3_i64, scale in 0..9_u16) {
            let numeric = |value: i64| Numeric::from_i128_with_scale(value.into(), scale).unwrap();
            for (left, right) in [(left, right), (left, small), (small, right), (left, left)] {
                prop_assert_eq!(numeric(left).cmp(&numeric(right)), left.cmp(&right));
                prop_assert_eq!(numeric(left) == numeric(right), left == right);
            }
        }

        #[test]
        fn hostile_bytes_are_survived(
            any: Vec<u8>,
            digits in proptest::collection::vec(prop_oneof![0..10_001_u16, Just(0), any::<u16>()], 0..12),
            weight in prop_oneof![any::<i16>(), -8..8_i16],
            sign in prop_oneof![Just(POSITIVE), Just(NEGATIVE), Just(NAN), any::<u16>()],
            shown in prop_oneof![0..40_u16, any::<u16>()],
        ) {
            survives::<Numeric>(Oid::NUMERIC, &any)?;
            let head = [u16::try_from(digits.len()).unwrap(), weight.cast_unsigned(), sign, shown];
            let raw: Vec<u8> = head.iter().chain(&digits).flat_map(|part| part.to_be_bytes()).collect();
            survives::<Numeric>(Oid::NUMERIC, &raw)?;
            if let Ok(read) = decode::<Numeric>(Oid::NUMERIC, &raw) {
                prop_assert_eq!(number(&read.to_string()).to_string(), read.to_string());
            }
        }
    }
}
