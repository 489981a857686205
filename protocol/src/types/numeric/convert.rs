//! Numbers from and to the number types of Rust.

use crate::error::{Error, ErrorKind, Result};
use crate::types::numeric::{BASE, Numeric, Sign};

impl From<i128> for Numeric {
    fn from(value: i128) -> Self {
        Self::scaled(value < 0, value.unsigned_abs(), 0)
    }
}

impl From<u128> for Numeric {
    fn from(value: u128) -> Self {
        Self::scaled(false, value, 0)
    }
}

impl From<f64> for Numeric {
    /// The number with the fewest digits that is nearer to this `f64` than to any other, which is what Rust prints:
    /// `0.1` becomes 0.1. (The server's own cast keeps no more than 15 digits.) Zero loses its sign.
    fn from(value: f64) -> Self {
        from_float(value.is_nan(), value.is_infinite(), value.is_sign_negative(), || {
            format!("{value:e}")
        })
    }
}

impl From<f32> for Numeric {
    /// The number with the fewest digits that is nearer to this `f32` than to any other, which is what Rust prints.
    fn from(value: f32) -> Self {
        from_float(value.is_nan(), value.is_infinite(), value.is_sign_negative(), || {
            format!("{value:e}")
        })
    }
}

fn from_float(nan: bool, infinite: bool, negative: bool, text: impl Fn() -> String) -> Numeric {
    match (infinite, negative) {
        _ if nan => Numeric::NAN,
        (true, true) => Numeric::NEG_INFINITY,
        (true, false) => Numeric::INFINITY,
        // A number of Rust's text is one of the server's, and no `f64` is outside the range.
        (false, _) => text().parse().unwrap_or(Numeric::NAN),
    }
}

impl Numeric {
    /// The nearest `f64`: an infinity for what is too large, zero for what is too small.
    ///
    /// [`TryFrom`] is the conversion that refuses to round.
    #[must_use]
    pub fn nearest_f64(&self) -> f64 {
        let size = match self.sign {
            Sign::Nan => return f64::NAN,
            Sign::Infinity | Sign::NegInfinity => f64::INFINITY,
            Sign::Positive | Sign::Negative => {
                let (decimals, exponent) = self.decimals();
                let text = core::str::from_utf8(&decimals).unwrap_or_default();
                // Rust reads any number of digits and rounds once. Of zero there are none.
                format!("0{text}e{exponent}").parse().unwrap_or(f64::NAN)
            }
        };
        if self.is_negative() { -size } else { size }
    }
}

impl TryFrom<&Numeric> for f64 {
    type Error = Error;

    /// The `f64` that [`Numeric::from`] makes this number of: 0.1 becomes `0.1`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a number that no `f64` stands for so: it would come back as another one.
    fn try_from(number: &Numeric) -> Result<Self> {
        let nearest = number.nearest_f64();
        if Numeric::from(nearest) == *number {
            Ok(nearest)
        } else {
            Err(Error::new(ErrorKind::OutOfRange, "the number has more digits than an f64 holds"))
        }
    }
}

impl TryFrom<Numeric> for f64 {
    type Error = Error;

    /// As the conversion of `&Numeric`.
    fn try_from(number: Numeric) -> Result<Self> {
        Self::try_from(&number)
    }
}

impl TryFrom<&Numeric> for i128 {
    type Error = Error;

    /// The integer, whatever zeros are shown behind its point.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for what is no integer or too large, `NaN` and the infinities.
    fn try_from(number: &Numeric) -> Result<Self> {
        let integer = || {
            if number.digits.is_empty() {
                return number.is_finite().then_some(0);
            }
            let zeros = u32::try_from(number.last_power()).ok()?;
            // Counted below zero, where there is one more.
            let digits = number.digits.iter().try_fold(0_i128, |integer, digit| {
                integer.checked_mul(i128::from(BASE))?.checked_sub(i128::from(*digit))
            });
            let negative = digits?.checked_mul(i128::from(BASE).checked_pow(zeros)?)?;
            if number.is_negative() { Some(negative) } else { negative.checked_neg() }
        };
        integer().ok_or(Error::new(ErrorKind::OutOfRange, "the number is no integer of this size"))
    }
}

impl TryFrom<Numeric> for i128 {
    type Error = Error;

    /// As the conversion of `&Numeric`.
    fn try_from(number: Numeric) -> Result<Self> {
        Self::try_from(&number)
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Numeric {
            fn from(value: $integer) -> Self {
                Self::from(i128::from(value))
            }
        }

        impl TryFrom<&Numeric> for $integer {
            type Error = Error;

            /// As the conversion to `i128`.
            fn try_from(number: &Numeric) -> Result<Self> {
                Self::try_from(i128::try_from(number)?)
                    .map_err(|_| Error::new(ErrorKind::OutOfRange, "the number is no integer of this size"))
            }
        }

        impl TryFrom<Numeric> for $integer {
            type Error = Error;

            /// As the conversion of `&Numeric`.
            fn try_from(number: Numeric) -> Result<Self> {
                Self::try_from(&number)
            }
        }
    )*};
}

integers! { i8 i16 i32 i64 u8 u16 u32 u64 }

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Debug;
    use proptest::prelude::*;

    fn number(text: &str) -> Numeric {
        text.parse().unwrap()
    }

    #[test]
    fn integers_of_every_size() {
        assert_eq!(Numeric::from(i128::MIN).to_string(), i128::MIN.to_string());
        assert_eq!(Numeric::from(u128::MAX).to_string(), u128::MAX.to_string());
        assert_eq!(i128::try_from(Numeric::from(i128::MIN)), Ok(i128::MIN));
        assert_eq!(i128::try_from(Numeric::from(i128::MAX)), Ok(i128::MAX));
        assert_eq!(i64::try_from(number("-9223372036854775808.000")), Ok(i64::MIN));
        assert_eq!(u8::try_from(number("2.55e2")), Ok(255));
        assert_eq!(u64::try_from(number("0.00")), Ok(0));
        assert_eq!(i32::try_from(number("1e9")), Ok(1_000_000_000));
    }

    #[test]
    fn what_is_no_integer_of_that_size_is_refused() {
        fn refused<T: TryFrom<Numeric, Error = Error> + Debug>(text: &str) {
            let error = T::try_from(number(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfRange, "{text}");
        }
        for text in ["0.5", "-1.0001", "NaN", "Infinity", "-Infinity", "1e131071", "1e-300"] {
            refused::<i128>(text);
            refused::<i16>(text);
        }
        refused::<i128>("170141183460469231731687303715884105728");
        refused::<i128>("-170141183460469231731687303715884105729");
        refused::<u8>("256");
        refused::<u8>("-1");
        refused::<i8>("-129");
        refused::<i64>("9223372036854775808");
    }

    #[test]
    fn floats_stand_for_their_shortest_number() {
        for (float, text) in [
            (0.1, "0.1"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (1e22, "10000000000000000000000"),
            (123_456.789, "123456.789"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(Numeric::from(float).to_string(), text);
        }
        assert_eq!(Numeric::from(0.1_f32).to_string(), "0.1");
        assert_eq!(Numeric::from(f32::NEG_INFINITY), Numeric::NEG_INFINITY);
        assert_eq!(Numeric::from(5e-324).scale(), 324);
        for text in ["0.12345678901234567890", "9007199254740993", "1e400", "-1e400", "1e-400"] {
            let error = f64::try_from(number(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfRange, "{text}");
        }
        assert_eq!(number("9007199254740993").nearest_f64(), 9_007_199_254_740_992.0);
        assert_eq!(number("-1e400").nearest_f64(), f64::NEG_INFINITY);
        assert_eq!(number("1e-400").nearest_f64(), 0.0);
        assert!(f64::try_from(Numeric::NAN).unwrap().is_nan());
    }

    proptest! {
        #[test]
        fn every_integer_comes_back(wide: i128, signed: i64, unsigned: u64) {
            prop_assert_eq!(Numeric::from(wide).to_string(), wide.to_string());
            prop_assert_eq!(i128::try_from(Numeric::from(wide)), Ok(wide));
            prop_assert_eq!(i64::try_from(Numeric::from(signed)), Ok(signed));
            prop_assert_eq!(u64::try_from(Numeric::from(unsigned)), Ok(unsigned));
        }

        #[test]
        fn every_float_comes_back(bits: u64) {
            let float = f64::from_bits(bits);
            let back = f64::try_from(Numeric::from(float)).unwrap();
            prop_assert!(back == float || float.is_nan() && back.is_nan(), "{} became {}", float, back);
        }
    }
}
