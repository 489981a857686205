//! `numeric` as [`BigDecimal`].

use core::ops::{Add, Mul};

use ::bigdecimal::BigDecimal;
use ::bigdecimal::num_bigint::{BigInt, BigUint, Sign};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::numeric::{Numeric, OVERFLOW};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl TryFrom<&BigDecimal> for Numeric {
    type Error = Error;

    /// The same number with as many decimals as the [`BigDecimal`] has.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for more than 131 072 digits before the point or 16 383 behind it.
    fn try_from(number: &BigDecimal) -> Result<Self> {
        let too_large = || Error::new(ErrorKind::OutOfRange, OVERFLOW);
        let (integer, exponent) = number.as_bigint_and_scale();
        let scale = match u16::try_from(exponent.max(0)) {
            Ok(scale) if scale <= Self::MAX_SCALE => scale,
            _ => return Err(too_large()),
        };
        // Asked before the digits are made, which takes the longer the more there are.
        if integer.bits() > MOST_BITS {
            return Err(too_large());
        }
        let decimals = integer.magnitude().to_str_radix(10);
        let count = i64::try_from(decimals.len()).map_err(|_| too_large())?;
        let power = count.saturating_sub(1).saturating_sub(exponent);
        let decimals = decimals.bytes().map(|byte| byte.wrapping_sub(b'0'));
        Self::from_decimals(integer.sign() == Sign::Minus, decimals, power, scale)
            .ok_or_else(too_large)
    }
}

impl TryFrom<&Numeric> for BigDecimal {
    type Error = Error;

    /// The same number. Of zeros at its end, before or behind the point, up to 64 become digits: more would take
    /// memory for which nothing was sent. So some decimals that are zero may not be shown.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for `NaN` and the infinities.
    fn try_from(number: &Numeric) -> Result<Self> {
        if !number.is_finite() {
            return Err(Error::new(ErrorKind::OutOfRange, "the number is NaN or infinite"));
        }
        let (decimals, exponent) = number.decimals();
        let sign = if number.is_negative() { Sign::Minus } else { Sign::Plus };
        let integer = BigInt::from_biguint(sign, integer(&decimals));
        let has = exponent.saturating_neg();
        let exact = Self::new(integer, has);
        let shown = i64::from(number.scale());
        // Where the last base-10000 digit ends with zeros, fewer decimals are shown than it has.
        Ok(if shown.saturating_sub(has) <= MOST_ZEROS {
            exact.with_scale(shown)
        } else if has >= 0 {
            exact.with_scale(has.saturating_add(MOST_ZEROS))
        } else {
            exact
        })
    }
}

impl TryFrom<Numeric> for BigDecimal {
    type Error = Error;

    /// As the conversion of `&Numeric`.
    fn try_from(number: Numeric) -> Result<Self> {
        Self::try_from(&number)
    }
}

/// The integer of its decimal digits: parts of it, then pairs of those, until there is one. Read from one end to the
/// other, digits in their hundred thousands would take a time that grows with their square.
fn integer(decimals: &[u8]) -> BigUint {
    let part = |part| BigUint::parse_bytes(part, 10).unwrap_or_default();
    let mut parts: Vec<BigUint> = decimals.rchunks(PART).map(part).collect();
    let mut unit = BigUint::from(10_u8).pow(PART_DECIMALS);
    while parts.len() > 2 {
        parts = pairs(&parts, &unit);
        unit = unit.pow(2);
    }
    pairs(&parts, &unit).pop().unwrap_or_default()
}

fn pairs(parts: &[BigUint], unit: &BigUint) -> Vec<BigUint> {
    let joined = |pair: &[BigUint]| match pair {
        [low, high] => high.mul(unit).add(low),
        rest => rest.first().cloned().unwrap_or_default(),
    };
    parts.chunks(2).map(joined).collect()
}

impl PgType for BigDecimal {
    const TYPE: Type = Numeric::TYPE;
}

impl ArrayElement for BigDecimal {}

impl Encode for BigDecimal {
    /// Writes the number through [`Numeric`].
    ///
    /// # Errors
    /// Those of the conversion.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        Numeric::try_from(self)?.encode(oid, out)
    }
}

impl<'a> Decode<'a> for BigDecimal {
    /// Reads the number through [`Numeric`].
    ///
    /// # Errors
    /// Those of [`Numeric`], and [`ErrorKind::OutOfRange`] for `NaN` and the infinities.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        Numeric::decode(oid, raw)?.try_into()
    }
}

/// The most zeros at the end that become digits.
const MOST_ZEROS: i64 = 64;
/// How many decimal digits are read at once.
const PART: usize = 512;
const PART_DECIMALS: u32 = 512;
/// More than the bits of 131 072 + 16 383 decimal digits.
const MOST_BITS: u64 = 500_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::numeric::tests::any_number;
    use crate::types::proof::{decode, encode, hex, is_refused, is_value, round_trip, survives};

    fn number(text: &str) -> BigDecimal {
        text.parse().unwrap()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::NUMERIC, "0000000000000000", &number("0"));
        is_value(Oid::NUMERIC, "0002000000000002000103e8", &number("1.10"));
        is_value(Oid::NUMERIC, "0003000140000003000109291a7c", &number("-12345.678"));
        is_value(Oid::NUMERIC, "00017fff0000000003e8", &number("1e131071"));
        is_value(Oid::NUMERIC, "0001f00000003fff000a", &number("1e-16383"));
        let read: BigDecimal = decode(Oid::NUMERIC, &hex("0002000000000002000103e8")).unwrap();
        assert_eq!(read.to_string(), "1.10");
    }

    #[test]
    fn what_either_side_can_not_hold_is_refused() {
        for text in ["00000000c0000000", "00000000d0000000", "00000000f0000000"] {
            is_refused::<BigDecimal>(Oid::NUMERIC, text, ErrorKind::OutOfRange);
        }
        let digits = number(&"9".repeat(150_600));
        for value in [number("1e131072"), number("1e-16384"), number("1e999999999999"), digits] {
            let error = encode(Oid::NUMERIC, &value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfRange);
        }
    }

    #[test]
    fn few_bytes_make_no_large_number() {
        // 1 with 16 383 decimals, and 1e131068.
        for (text, zeros) in [("0001000000003fff0001", 64), ("00017fff000000000001", 0)] {
            let read: BigDecimal = decode(Oid::NUMERIC, &hex(text)).unwrap();
            let (integer, _) = read.as_bigint_and_scale();
            assert_eq!(integer.to_string(), format!("1{}", "0".repeat(zeros)));
        }
    }

    #[test]
    fn many_digits_are_put_together_in_their_order() {
        for count in [1, 511, 512, 513, 1_023, 1_024, 1_025, 1_536, 1_537, 5_000, 131_072] {
            let decimals: String = "1234567890".chars().cycle().take(count).collect();
            let read = BigDecimal::try_from(decimals.parse::<Numeric>().unwrap()).unwrap();
            assert_eq!(read.to_plain_string(), decimals, "{count} digits");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in any_number()) {
            prop_assume!(value.is_finite());
            let big = BigDecimal::try_from(&value).unwrap();
            round_trip(&big)?;
            let back = Numeric::try_from(&big).unwrap();
            prop_assert_eq!(&back, &value);
            let zeros = value.to_string().bytes().rev().take_while(|byte| *byte == b'0').count();
            if zeros < 60 {
                prop_assert_eq!(back.to_string(), value.to_string());
            }
        }

        #[test]
        fn hostile_bytes_are_survived(any: Vec<u8>, weight in -9..9_i16, shown in 0..99_u16, digits: [u16; 3]) {
            survives::<BigDecimal>(Oid::NUMERIC, &any)?;
            let head = [3, weight.cast_unsigned(), 0, shown];
            let raw: Vec<u8> = head.iter().chain(&digits).flat_map(|part| part.to_be_bytes()).collect();
            survives::<BigDecimal>(Oid::NUMERIC, &raw)?;
        }
    }
}
