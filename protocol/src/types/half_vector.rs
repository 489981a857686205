//! `halfvec` of the extension pgvector.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::shortest::shortest;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The dimensions that pgvector allows a `halfvec` at most.
const MOST_DIMENSIONS: usize = 16_000;

/// A value of pgvector's `halfvec`: up to 16 000 numbers of half precision (IEEE 754 `binary16`: 11 significant bits, up to
/// 65 504).
///
/// Every one of them is an `f32`, but few numbers of an `f32` are one of them: they are rounded, and only where that is
/// asked for.
///
/// ```
/// use stellata_protocol::HalfVector;
/// let embedding = HalfVector::rounded([0.5, -1.0, 0.1]).unwrap();
/// assert_eq!(embedding.numbers().collect::<Vec<_>>(), [0.5, -1.0, 0.099975586]);
/// assert_eq!(embedding.to_string(), "[0.5,-1,0.099975586]");
/// assert!(HalfVector::rounded([70_000.0]).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HalfVector {
    bits: Vec<u16>,
}

impl HalfVector {
    /// The numbers of half precision that are nearest to these.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for `NaN`, the infinities and what lies beyond the largest of them.
    pub fn rounded(numbers: impl IntoIterator<Item = f32>) -> Result<Self> {
        let bits = numbers.into_iter().map(to_half).collect::<Option<_>>();
        bits.map(|bits| Self { bits }).ok_or_else(|| {
            Error::new(ErrorKind::OutOfRange, "a number is beyond the range of half precision")
        })
    }

    /// The numbers of these bits, each one of `binary16`.
    #[must_use]
    pub const fn from_bits(bits: Vec<u16>) -> Self {
        Self { bits }
    }

    /// The bits of the numbers.
    #[must_use]
    pub fn bits(&self) -> &[u16] {
        &self.bits
    }

    /// The numbers, exactly.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = f32> + '_ {
        self.bits.iter().map(|bits| from_half(*bits))
    }
}

/// The exponents of half precision begin so much above those of single precision, in the place of the latter's bits.
const EXPONENTS_APART: u32 = (127 - 15) << 23;
/// How many bits fewer the fraction has.
const FRACTION: u32 = 23 - 10;

/// The first number of all bits, of single precision: two to the power of -14.
const FIRST_FULL: u32 = (127 - 14) << 23;

fn from_half(bits: u16) -> f32 {
    let magnitude = bits & 0x7fff;
    let number = match magnitude {
        // Of no or one whole bit: so many times the smallest.
        ..0x0400 => f32::from(magnitude) / 16_777_216.0,
        0x0400..0x7c00 => shifted(magnitude, EXPONENTS_APART),
        // The infinities and what is no number have the largest exponent, here as there.
        0x7c00.. => shifted(magnitude, EXPONENTS_APART.wrapping_mul(2)),
    };
    if bits == magnitude { number } else { -number }
}

fn shifted(magnitude: u16, apart: u32) -> f32 {
    f32::from_bits((u32::from(magnitude) << FRACTION).wrapping_add(apart))
}

fn to_half(number: f32) -> Option<u16> {
    let magnitude = number.abs();
    let bits = if magnitude < f32::from_bits(FIRST_FULL) {
        // What is left of the fraction once a half is added counts the smallest numbers, rounded to nearest, to even.
        (magnitude + 0.5).to_bits().wrapping_sub(0.5_f32.to_bits())
    } else if magnitude < 65_520.0 {
        let bits = magnitude.to_bits().wrapping_sub(EXPONENTS_APART);
        // To nearest, and in the middle to even.
        let is_odd = bits >> FRACTION & 1;
        bits.wrapping_add((1 << (FRACTION - 1)) - 1).wrapping_add(is_odd) >> FRACTION
    } else {
        return None;
    };
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    u16::try_from(bits).ok().map(|bits| bits | sign)
}

/// As SQL writes it.
impl fmt::Display for HalfVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, number) in self.numbers().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            shortest(f, number)?;
        }
        f.write_str("]")
    }
}

impl PgType for HalfVector {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "halfvec" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.base::<Self>(oid)
    }
}

impl ArrayElement for HalfVector {}

impl Encode for HalfVector {
    /// Writes the number of dimensions, two bytes that are not used, and the numbers.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for more than 16 000 dimensions.
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        if self.bits.len() > MOST_DIMENSIONS {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "a halfvec has more than 16000 dimensions",
            ));
        }
        out.put_count16(self.bits.len(), "a halfvec has too many dimensions")?;
        out.put_u16(0);
        for bits in &self.bits {
            out.put_u16(*bits);
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for HalfVector {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let count = reader.count16()?;
        if reader.u16()? != 0 {
            return Err(reader.error(ErrorKind::InvalidValue, "this form of halfvec is not known"));
        }
        if count > reader.len() / 2 {
            return Err(
                reader.error(ErrorKind::Truncated, "a halfvec has fewer bytes than numbers")
            );
        }
        let bits = (0..count).map(|_| reader.u16()).collect::<Result<_>>()?;
        reader.end()?;
        Ok(Self { bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, survives};

    const OID: Oid = Oid(16_500);

    #[test]
    fn known_bytes() {
        let value = HalfVector::rounded([1.0, -2.5]).unwrap();
        is_value(OID, "0002 0000 3c00 c100", &value);
        is_value(OID, "0000 0000", &HalfVector::default());
    }

    #[test]
    fn known_numbers() {
        for (bits, number) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x3bff, 0.999_511_7),
            (0x3c00, 1.0),
            (0x3c01, 1.000_976_6),
            (0x7bff, 65_504.0),
            (0xc000, -2.0),
        ] {
            assert_eq!(from_half(bits), number);
            assert_eq!(to_half(number), Some(bits));
        }
        assert_eq!(from_half(0x7c00), f32::INFINITY);
        assert!(from_half(0x7e00).is_nan());
        assert_eq!(to_half(-0.0), Some(0x8000));
    }

    #[test]
    fn numbers_are_rounded_to_nearest_and_in_the_middle_to_even() {
        for (number, bits) in [
            (1.000_488_3, 0x3c00),
            (1.000_488_4, 0x3c01),
            (1.001_464_8, 0x3c02),
            (2.980_232_2e-8, 0x0000),
            (2.980_232_6e-8, 0x0001),
            (6.1e-5, 0x03ff),
            (6.103_1e-5, 0x0400),
            (65_519.9, 0x7bff),
        ] {
            assert_eq!(to_half(number), Some(bits), "{number}");
        }
        for number in [65_520.0, 1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(HalfVector::rounded([number]).is_err(), "{number}");
        }
    }

    #[test]
    fn every_number_comes_back() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            assert_eq!(to_half(from_half(bits)), Some(bits));
        }
    }

    #[test]
    fn what_is_no_halfvec_is_refused() {
        is_refused::<HalfVector>(OID, "", ErrorKind::Truncated);
        is_refused::<HalfVector>(OID, "0001 0001 3c00", ErrorKind::InvalidValue);
        is_refused::<HalfVector>(OID, "0002 0000 3c00", ErrorKind::Truncated);
        is_refused::<HalfVector>(OID, "ffff 0000", ErrorKind::Truncated);
        is_refused::<HalfVector>(OID, "0000 0000 00", ErrorKind::TrailingBytes);
    }

    proptest! {
        #[test]
        fn the_nearest_number_is_taken(number in -65_519.0_f32..65_519.0) {
            let bits = to_half(number).unwrap();
            let error = (from_half(bits) - number).abs();
            for other in [bits.wrapping_sub(1), bits.wrapping_add(1)] {
                let other = from_half(other);
                prop_assert!(!other.is_finite() || error <= (other - number).abs());
            }
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            survives::<HalfVector>(OID, &raw)?;
        }
    }
}
