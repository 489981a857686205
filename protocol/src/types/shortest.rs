//! `float8` and `float4` as text, digit for digit as a server prints it that was not told otherwise (manual: "Floating-Point Types",
//! `extra_float_digits`): the fewest digits that are read back as the same number.
//!
//! Rust prints the fewest digits too, but takes another of them in three places: where a decimal lies in the middle of
//! two numbers (the server does not trust the reader to take the even one), where two decimals are equally near (the
//! server takes the even one), and in the notation.

use core::fmt::{self, Write as _};
use core::str::FromStr;

/// A number that the server prints so.
pub(super) trait Float: Copy + PartialEq + FromStr + fmt::LowerExp + Into<f64> {
    /// So many digits tell every number from its neighbours.
    const MOST_DIGITS: usize;
    /// From this power of ten on, the notation has an exponent.
    const FIRST_POWER: i16;
    /// Only between these does a decimal of that many digits lie in the middle of two neighbours.
    const MIDDLES: core::ops::Range<f64>;

    /// The number without its sign.
    fn magnitude(self) -> Self;
}

impl Float for f64 {
    const MOST_DIGITS: usize = 17;
    const FIRST_POWER: i16 = 15;
    // Below, the middle has more digits; above, five to the power of 24 would have to divide a number of 54 bits.
    const MIDDLES: core::ops::Range<f64> = 4_503_599_627_370_496.0..1e41;

    fn magnitude(self) -> Self {
        self.abs()
    }
}

impl Float for f32 {
    const MOST_DIGITS: usize = 9;
    const FIRST_POWER: i16 = 6;
    // The same, with five to the power of 11 and numbers of 25 bits.
    const MIDDLES: core::ops::Range<f64> = 4_194_304.0..1e20;

    fn magnitude(self) -> Self {
        self.abs()
    }
}

/// Writes `value` as the server prints it.
pub(super) fn shortest<F: Float>(f: &mut fmt::Formatter<'_>, value: F) -> fmt::Result {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return f.write_str("NaN");
    }
    if wide.is_sign_negative() {
        f.write_char('-')?;
    }
    if wide.is_infinite() {
        return f.write_str("Infinity");
    }
    if wide == 0.0 {
        return f.write_char('0');
    }
    let Decimal { digits, exponent } = Decimal::shortest(value.magnitude()).ok_or(fmt::Error)?;
    match exponent {
        // The point stands among the digits or behind zeros that follow them.
        0.. if exponent < F::FIRST_POWER => {
            let whole = usize::try_from(exponent).map_err(|_| fmt::Error)?.saturating_add(1);
            match digits.split_at_checked(whole) {
                Some((whole, "")) => f.write_str(whole),
                Some((whole, rest)) => write!(f, "{whole}.{rest}"),
                None => write!(f, "{digits:0<whole$}"),
            }
        }
        -4..0 => {
            let zeros = usize::from(exponent.unsigned_abs()).saturating_sub(1);
            write!(f, "0.{:0<zeros$}{digits}", "")
        }
        _ => {
            let (first, rest) = digits.split_at_checked(1).ok_or(fmt::Error)?;
            f.write_str(first)?;
            if !rest.is_empty() {
                write!(f, ".{rest}")?;
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(f, "e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// A decimal: its first digit, a point, its other digits, times ten to the power of `exponent`.
struct Decimal {
    digits: String,
    exponent: i16,
}

impl Decimal {
    /// The decimal that the server takes for a number that is finite and above 0. Always there.
    fn shortest<F: Float>(value: F) -> Option<Self> {
        let fewest = Self::parse(&format!("{value:e}"))?;
        let count = fewest.digits.len();
        for decimals in count.checked_sub(1)?..F::MOST_DIGITS {
            // Rounded to nearest, to even where two are equally near: it may lie beyond the reach of a power of two,
            // which reaches half as far downwards.
            let nearest = Self::parse(&format!("{value:.decimals$e}"))?;
            if nearest.means(value) {
                return Some(nearest);
            }
            if decimals.checked_add(1) == Some(count) && fewest.means(value) {
                return Some(fewest);
            }
        }
        Some(fewest)
    }

    /// Takes what `{:e}` wrote.
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once('e')?;
        let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
        Some(Self { digits, exponent: exponent.parse().ok()? })
    }

    /// Whether the decimal is read as `value` whichever way a reader rounds what lies in the middle.
    fn means<F: Float>(&self, value: F) -> bool {
        self.is_read_as(value, "")
            && (!F::MIDDLES.contains(&value.into())
                || self.is_read_as(value, ABOVE)
                    && self.below().is_some_and(|below| below.is_read_as(value, BELOW)))
    }

    fn is_read_as<F: Float>(&self, value: F, further: &str) -> bool {
        let Self { digits, exponent } = self;
        // The point stands behind the first digit. Without one, the exponent counts from the last.
        let last = i32::from(*exponent)
            .saturating_add(1)
            .saturating_sub_unsigned(u32::try_from(digits.len()).unwrap_or(u32::MAX))
            .saturating_sub_unsigned(u32::try_from(further.len()).unwrap_or(u32::MAX));
        format!("{digits}{further}e{last}").parse().is_ok_and(|read: F| read == value)
    }

    /// The decimal that is smaller by one in the last digit, with as many digits.
    fn below(&self) -> Option<Self> {
        let below = self.digits.parse::<u64>().ok()?.checked_sub(1)?;
        let width = self.digits.len();
        Some(Self { digits: format!("{below:0width$}"), exponent: self.exponent })
    }
}

/// What is less than any decimal of 17 digits is away from a middle in which it does not lie: so much above it, and so
/// much below what is above the decimal before it.
const ABOVE: &str = "000000000000000000000000000001";
const BELOW: &str = "999999999999999999999999999999";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Printed<F>(F);

    impl<F: Float> fmt::Display for Printed<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            shortest(f, self.0)
        }
    }

    /// What PostgreSQL 15 prints.
    #[test]
    fn as_the_server_prints() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (0.0001, "0.0001"),
            (0.000_123, "0.000123"),
            (0.000_01, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (999_999_999_999_999.9, "999999999999999.9"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
            // In the middle: Rust prints 1e23.
            (1e23, "9.999999999999999e+22"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(Printed(value).to_string(), text);
        }
        for (value, text) in [
            (0.1_f32, "0.1"),
            (-2.5, "-2.5"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (999_999.9, "999999.9"),
            (0.000_01, "1e-05"),
            (16_777_216.0, "1.6777216e+07"),
            (33_554_432.0, "3.3554432e+07"),
            (8_589_973_500.0, "8.589974e+09"),
            (1e-45, "1e-45"),
            (f32::MAX, "3.4028235e+38"),
            (f32::INFINITY, "Infinity"),
        ] {
            assert_eq!(Printed(value).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn the_same_number_of_single_precision_is_read_back(bits: u32) {
            let value = f32::from_bits(bits);
            let text = Printed(value).to_string();
            let read = text.parse::<f32>().unwrap();
            prop_assert!(read.to_bits() == bits || value.is_nan() && read.is_nan(), "{}", text);
        }


        #[test]
        fn the_same_number_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let text = Printed(value).to_string();
            let read = text.parse::<f64>().unwrap();
            prop_assert!(read.to_bits() == bits || value.is_nan() && read.is_nan(), "{}", text);
        }
    }
}
