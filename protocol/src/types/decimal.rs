//! `numeric` as [`Decimal`].
//!
//! The binary form (`numeric_send` of the server's source): the number of base-10000 digits, the weight of the first,
//! the sign, how many decimals are shown, then the digits. A [`Decimal`] holds 96 bits and up to 28 decimals.

use ::rust_decimal::Decimal;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::numeric::{INFINITE, MINUS_INFINITE, NAN, NEGATIVE, Numeric, POSITIVE};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

impl PgType for Decimal {
    const TYPE: Type = Type { oid: Oid::NUMERIC, array: Oid::NUMERIC_ARRAY, name: "numeric" };
}

impl ArrayElement for Decimal {}

impl Encode for Decimal {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        let scale = self.scale();
        let behind_point = scale.div_ceil(GROUP);
        let padding = behind_point.wrapping_mul(GROUP).wrapping_sub(scale);
        let groups = groups(power(padding).saturating_mul(self.mantissa().unsigned_abs()));

        let mut digits = groups.as_slice();
        let mut weight = 7_u32.wrapping_sub(behind_point);
        while let [[0, 0], rest @ ..] = digits {
            digits = rest;
            weight = weight.wrapping_sub(1);
        }
        while let [rest @ .., [0, 0]] = digits {
            digits = rest;
        }
        if digits.is_empty() {
            weight = 0;
        }
        let negative = self.is_sign_negative() && !digits.is_empty();

        // Each number of the head fits in 16 bits, so that its lowest two bytes are all of it: the weight too, which
        // lies between -7 and 7.
        let lowest = |number: u32| {
            let [.., high, low] = number.to_be_bytes();
            [high, low]
        };
        let [.., high, low] = digits.len().to_be_bytes();
        let sign = if negative { NEGATIVE } else { POSITIVE };
        let head = [[high, low], lowest(weight), sign.to_be_bytes(), lowest(scale)];
        out.put_slice(head.as_flattened());
        out.put_slice(digits.as_flattened());
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Decimal {
    /// Reads a number with as many decimals as it shows. Where those do not fit, zeros at its end are left out: it is
    /// the same number.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for `NaN`, the infinities, and numbers with more digits than a [`Decimal`] holds: none
    /// is ever rounded.
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let count = reader.count16()?;
        let weight = i32::from(reader.i16()?);
        let negative = match reader.u16()? {
            POSITIVE => false,
            NEGATIVE => true,
            NAN => return Err(Error::new(ErrorKind::OutOfRange, "the number is NaN")),
            INFINITE | MINUS_INFINITE => {
                return Err(Error::new(ErrorKind::OutOfRange, "the number is infinite"));
            }
            _ => return Err(Error::new(ErrorKind::InvalidValue, "a number has an unknown sign")),
        };
        let shown = reader.u16()?;
        let digits = reader.take(count.wrapping_mul(2))?;
        reader.end()?;
        if shown > MAX_SHOWN {
            return Err(Error::new(ErrorKind::InvalidValue, "a number shows too many decimals"));
        }
        let (integer, exponent) = integer(digits, weight)?;
        let signed = |mantissa: u128| {
            let mantissa = i128::try_from(mantissa).ok()?;
            Some(if negative { mantissa.wrapping_neg() } else { mantissa })
        };
        let shown = u32::from(shown);
        for scale in (0..=shown.min(Self::MAX_SCALE)).rev() {
            let Some(mantissa) = at_scale(integer, exponent, scale) else {
                return Err(if scale == shown {
                    Error::new(ErrorKind::InvalidValue, "a number has more decimals than it shows")
                } else {
                    Error::new(ErrorKind::OutOfRange, MORE_DIGITS)
                });
            };
            if let Some(mantissa) = signed(mantissa)
                && let Ok(value) = Self::try_from_i128_with_scale(mantissa, scale)
            {
                return Ok(value);
            }
        }
        Err(Error::new(ErrorKind::OutOfRange, MORE_DIGITS))
    }
}

impl From<Decimal> for Numeric {
    /// The same number with the same decimals.
    fn from(number: Decimal) -> Self {
        let scale = u16::try_from(number.scale()).unwrap_or(Self::MAX_SCALE);
        Self::scaled(number.is_sign_negative(), number.mantissa().unsigned_abs(), scale)
    }
}

impl TryFrom<&Numeric> for Decimal {
    type Error = Error;

    /// The same number. Decimals that do not fit are left out where they are zero.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for `NaN`, the infinities, and numbers with more digits than a [`Decimal`] holds.
    fn try_from(number: &Numeric) -> Result<Self> {
        let mut raw = Buffer::new();
        let _: IsNull = number.encode(Oid::NUMERIC, &mut raw)?;
        Self::decode(Oid::NUMERIC, raw.as_slice())
    }
}

impl TryFrom<Numeric> for Decimal {
    type Error = Error;

    /// As the conversion of `&Numeric`.
    fn try_from(number: Numeric) -> Result<Self> {
        Self::try_from(&number)
    }
}

/// The digits as one integer, and the power of ten it is multiplied by.
fn integer(digits: &[u8], weight: i32) -> Result<(u128, i32)> {
    let (mut groups, _) = digits.as_chunks::<2>();
    let mut weight = weight;
    while let [[0, 0], rest @ ..] = groups {
        groups = rest;
        weight = weight.wrapping_sub(1);
    }
    while let [rest @ .., [0, 0]] = groups {
        groups = rest;
    }
    if groups.is_empty() {
        return Ok((0, 0));
    }
    // 29 decimal digits, wherever they begin, lie in at most eight groups.
    if groups.len() > 8 {
        return Err(Error::new(ErrorKind::OutOfRange, MORE_DIGITS));
    }
    let mut integer = 0_u128;
    let mut exponent = weight.wrapping_add(1).wrapping_mul(4);
    for group in groups {
        let digit = u16::from_be_bytes(*group);
        if digit >= BASE {
            return Err(Error::new(ErrorKind::InvalidValue, "a digit of a number is above 9999"));
        }
        integer = integer.wrapping_mul(u128::from(BASE)).wrapping_add(u128::from(digit));
        exponent = exponent.wrapping_sub(4);
    }
    Ok((integer, exponent))
}

/// `integer` × 10^`exponent` in units of 10^-`scale`; `None` when it is no whole number of them, a number that is far
/// too large when it is too large.
fn at_scale(integer: u128, exponent: i32, scale: u32) -> Option<u128> {
    if integer == 0 {
        return Some(0);
    }
    let shift = exponent.saturating_add_unsigned(scale);
    let factor = power(shift.unsigned_abs());
    if shift >= 0 {
        return Some(integer.saturating_mul(factor));
    }
    let whole = integer.checked_div(factor)?;
    (whole.wrapping_mul(factor) == integer).then_some(whole)
}

/// The eight lowest base-10000 digits, highest first; there are no higher ones in a [`Decimal`].
#[inline]
fn groups(integer: u128) -> [[u8; 2]; 8] {
    let mut groups = [[0; 2]; 8];
    // Four digits fit in 64 bits, which are divided many times faster than 128; so mostly does all of the number.
    let (high, low) = match u64::try_from(integer) {
        Ok(small) => (small / FOUR, small % FOUR),
        Err(_) => (
            u64::try_from(integer / FOUR_WIDE).unwrap_or_default(),
            u64::try_from(integer % FOUR_WIDE).unwrap_or_default(),
        ),
    };
    for (four, mut rest) in groups.chunks_exact_mut(4).zip([high, low]) {
        for group in four.iter_mut().rev() {
            let [.., high, low] = (rest % 10_000).to_be_bytes();
            *group = [high, low];
            rest /= 10_000;
        }
    }
    groups
}

/// 10^`exponent`, or the largest number there is.
#[inline]
fn power(exponent: u32) -> u128 {
    match exponent {
        // Where the decimals do not end with a base-10000 digit: all that most numbers need.
        0 => 1,
        1 => 10,
        2 => 100,
        3 => 1_000,
        _ => 10_u128.saturating_pow(exponent),
    }
}

const MORE_DIGITS: &str = "the number has more digits than the Rust type holds";
const BASE: u16 = 10_000;
/// Decimal digits in a base-10000 digit.
const GROUP: u32 = 4;
/// One more than four base-10000 digits can say.
const FOUR: u64 = 10_000_000_000_000_000;
const FOUR_WIDE: u128 = 10_000_000_000_000_000;
/// The most decimals the server's form can show (`NUMERIC_DSCALE_MASK`).
const MAX_SHOWN: u16 = Numeric::MAX_SCALE;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{
        decode, encode, hex as bytes, is_refused, is_value, round_trip, survives,
    };

    fn number(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn known_bytes() {
        for (text, hex) in [
            ("0", "0000000000000000"),
            ("0.00", "0000000000000002"),
            ("1", "00010000000000000001"),
            ("-1", "00010000400000000001"),
            ("10", "0001000000000000000a"),
            ("10000", "00010001000000000001"),
            ("100000000", "00010002000000000001"),
            ("0.1", "0001ffff0000000103e8"),
            ("0.0001", "0001ffff000000040001"),
            ("0.00001", "0001fffe0000000503e8"),
            ("1.10", "0002000000000002000103e8"),
            ("12345.678", "0003000100000003000109291a7c"),
            ("-12345.678", "0003000140000003000109291a7c"),
            ("9999", "0001000000000000270f"),
            ("9999.9999", "0002000000000004270f270f"),
            ("0.0000000000000000000000000001", "0001fff90000001c0001"),
            ("79228162514264337593543950335", "00080007000000000007240c0659059210f1172f112b014f"),
            ("-79228162514264337593543950335", "00080007400000000007240c0659059210f1172f112b014f"),
            ("7.9228162514264337593543950335", "000800000000001c0007240c0659059210f1172f112b014f"),
        ] {
            is_value(Oid::NUMERIC, hex, &number(text));
            let read: Decimal = decode(Oid::NUMERIC, &bytes(hex)).unwrap();
            assert_eq!(read.to_string(), text, "the decimals that are shown");
        }
    }

    #[test]
    fn zero_has_no_sign() {
        let mut zero = number("0.0");
        zero.set_sign_negative(true);
        assert_eq!(encode(Oid::NUMERIC, &zero), Ok(bytes("0000000000000001")));
        let read: Decimal = decode(Oid::NUMERIC, &bytes("0000000040000001")).unwrap();
        assert_eq!(read.to_string(), "0.0");
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for text in [
            "00000000c0000000",                                     // NaN
            "00000000d0000020",                                     // Infinity
            "00000000f0000020",                                     // -Infinity
            "00080007000000000007240c0659059210f1172f112b0150",     // 2^96
            "00080007400000000007240c0659059210f1172f112b0150",     // -2^96
            "0001fff80000001d03e8",                                 // 1e-29
            "000100090000000003e8",                                 // 1e39
            "00017fff000000000001",                                 // 1e131068
            "0009000800000000000100010001000100010001000100010001", // 33 digits
        ] {
            is_refused::<Decimal>(Oid::NUMERIC, text, ErrorKind::OutOfRange);
        }
    }

    #[test]
    fn zeros_at_the_end_that_do_not_fit_are_left_out() {
        for (hex, text) in [
            // 1.5 with 30 decimals
            ("000200000000001e00011388", "1.5000000000000000000000000000"),
            // the largest number with two decimals
            ("00080007000000020007240c0659059210f1172f112b014f", "79228162514264337593543950335"),
            // 0 with 16 383 decimals
            ("0000000000003fff", "0.0000000000000000000000000000"),
        ] {
            let read: Decimal = decode(Oid::NUMERIC, &bytes(hex)).unwrap();
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn zero_digits_around_the_number_change_nothing() {
        let read: Decimal =
            decode(Oid::NUMERIC, &bytes("0004000100000001 0000 0001 1388 0000")).unwrap();
        assert_eq!(read.to_string(), "1.5");
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
            ("0001ffff00000000 1388", ErrorKind::InvalidValue), // 0.5 with no decimal
            ("0001800000000000 0001", ErrorKind::InvalidValue), // 1e-131072 with no decimal
        ] {
            is_refused::<Decimal>(Oid::NUMERIC, text, kind);
        }
    }

    fn any_number() -> impl Strategy<Value = Decimal> {
        // Half of the numbers are short ones, as most in life are.
        let mantissa = prop_oneof![0..1_i128 << 96, 0..1_000_000_i128];
        (mantissa, 0..=28_u32, any::<bool>()).prop_map(|(mantissa, scale, negative)| {
            Decimal::from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale)
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_with_its_decimals(value in any_number()) {
            round_trip(&value)?;
            let raw = encode(Oid::NUMERIC, &value).unwrap();
            let read: Decimal = decode(Oid::NUMERIC, &raw).unwrap();
            prop_assert_eq!(read.scale(), value.scale());
        }

        #[test]
        fn every_value_is_a_numeric_and_comes_back(value in any_number()) {
            let numeric = Numeric::from(value);
            prop_assert_eq!(encode(Oid::NUMERIC, &numeric), encode(Oid::NUMERIC, &value));
            prop_assert_eq!(Decimal::try_from(&numeric), Ok(value));
        }

        #[test]
        fn what_is_read_is_what_the_digits_say(
            digits in proptest::collection::vec(0..10_000_u16, 0..10),
            weight in -9..9_i16,
            shown in 0..40_u16,
        ) {
            let mut raw = Vec::new();
            raw.extend(u16::try_from(digits.len()).unwrap().to_be_bytes());
            raw.extend(weight.to_be_bytes());
            raw.extend(POSITIVE.to_be_bytes());
            raw.extend(shown.to_be_bytes());
            raw.extend(digits.iter().flat_map(|digit| digit.to_be_bytes()));
            if let Ok(read) = decode::<Decimal>(Oid::NUMERIC, &raw) {
                // The oracle is text: every digit written out around the point.
                let digit = |at: i32| {
                    let at = usize::try_from(i32::from(weight) - at).ok();
                    at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
                };
                let whole: String = (0..20).rev().map(|at| format!("{:04}", digit(at))).collect();
                let behind: String = (1..30).map(|at| format!("{:04}", digit(-at))).collect();
                let text = format!("{whole}.{behind}");
                let text = text.trim_matches('0').trim_end_matches('.');
                let shown = read.normalize().to_string();
                prop_assert_eq!(shown.trim_start_matches('0'), text.trim_start_matches('0'));
            }
        }

        #[test]
        fn hostile_bytes_are_survived(any: Vec<u8>, digits: Vec<u8>, weight: i16, shown: u16) {
            survives::<Decimal>(Oid::NUMERIC, &any)?;
            let mut raw = Vec::new();
            raw.extend(u16::try_from(digits.len() / 2).unwrap().to_be_bytes());
            raw.extend(weight.to_be_bytes());
            raw.extend(NEGATIVE.to_be_bytes());
            raw.extend((shown & MAX_SHOWN).to_be_bytes());
            raw.extend(digits);
            survives::<Decimal>(Oid::NUMERIC, &raw)?;
        }
    }
}
