//! Numbers as text: what `numeric_out` of the server's source prints and `numeric_in` reads.

use core::fmt;
use core::num::IntErrorKind;
use core::str::FromStr;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::types::numeric::{GROUP, Numeric, OVERFLOW, Sign};

impl fmt::Display for Numeric {
    /// Writes the number as the server prints it: all of its digits, as many decimals as it shows, never an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Sign::Nan => return f.pad_integral(true, "", "NaN"),
            Sign::Infinity | Sign::NegInfinity => {
                return f.pad_integral(!self.is_negative(), "", "Infinity");
            }
            Sign::Positive | Sign::Negative => {}
        }
        let mut text = Text::new();
        for power in (0..=i32::from(self.weight)).rev() {
            put(&mut text, self.digit(power));
        }
        let zeros = text.iter().take_while(|byte| **byte == b'0').count();
        text.drain(..zeros);
        if text.is_empty() {
            text.push(b'0');
        }
        if self.scale > 0 {
            text.push(b'.');
            let end = text.len().saturating_add(usize::from(self.scale));
            let mut power = -1;
            while text.len() < end {
                put(&mut text, self.digit(power));
                power = power.saturating_sub(1);
            }
            text.truncate(end);
        }
        let text = core::str::from_utf8(&text).map_err(|_| fmt::Error)?;
        f.pad_integral(!self.is_negative(), "", text)
    }
}

/// The digits of a usual number need no allocation.
type Text = SmallVec<[u8; 48]>;

/// Appends a base-10000 digit as four decimal ones.
fn put(text: &mut Text, digit: u16) {
    let decimal = |number: u16| {
        let [_, decimal] = (number % 10).to_be_bytes();
        b'0'.wrapping_add(decimal)
    };
    text.extend_from_slice(&[
        decimal(digit / 1_000),
        decimal(digit / 100),
        decimal(digit / 10),
        decimal(digit),
    ]);
}

impl FromStr for Numeric {
    type Err = Error;

    /// Reads a number as the server does, whose versions differ: this is what all of them take. So there may be blanks
    /// around it, a sign, a point at either end, an exponent; `NaN`, `Infinity` and `inf` in any case. There may be no
    /// `_` between digits and no other base, which servers before 16 refuse.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for other text, [`ErrorKind::OutOfRange`] for more than 131 072 digits before the
    /// point or 16 383 behind it.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = Error::new(ErrorKind::InvalidValue, "the text is no number");
        let text = text.trim_matches(|blank| matches!(blank, ' ' | '\t'..='\r'));
        if text.eq_ignore_ascii_case("nan") {
            return Ok(Self::NAN);
        }
        let (negative, text) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
            [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        if text.eq_ignore_ascii_case("infinity") || text.eq_ignore_ascii_case("inf") {
            return Ok(if negative { Self::NEG_INFINITY } else { Self::INFINITY });
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power_of_ten(exponent)?),
            None => (text, 0),
        };
        let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let decimals = || whole.bytes().chain(behind.bytes());
        if decimals().next().is_none() || !decimals().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid);
        }
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let too_large = Error::new(ErrorKind::OutOfRange, OVERFLOW);
        let scale = match u16::try_from(length(behind).saturating_sub(exponent).max(0)) {
            Ok(scale) if scale <= Self::MAX_SCALE => scale,
            _ => return Err(too_large),
        };
        let power = length(whole).saturating_sub(1).saturating_add(exponent);
        let decimals = decimals().map(|byte| byte.wrapping_sub(b'0'));
        Self::from_decimals(negative, decimals, power, scale).ok_or(too_large)
    }
}

fn power_of_ten(text: &str) -> Result<i64> {
    match text.parse::<i64>() {
        Ok(exponent) if exponent.unsigned_abs() < LIMIT => Ok(exponent),
        Err(error)
            if !matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) =>
        {
            Err(Error::new(ErrorKind::InvalidValue, "the exponent of a number is no integer"))
        }
        _ => Err(Error::new(ErrorKind::OutOfRange, OVERFLOW)),
    }
}

impl Numeric {
    /// All digits as decimal ones, as the text of an integer without sign, and the power of ten that it is multiplied
    /// by: no longer than the digits need, however large or small the number is.
    pub(super) fn decimals(&self) -> (SmallVec<[u8; 48]>, i64) {
        let mut text = Text::new();
        for digit in &self.digits {
            put(&mut text, *digit);
        }
        (text, self.last_power().wrapping_mul(GROUP))
    }
}

/// No exponent as large as this is taken (`set_var_from_str` of the server's source).
const LIMIT: u64 = 0x3fff_ffff;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<String, ErrorKind> {
        text.parse::<Numeric>().map(|value| value.to_string()).map_err(|error| error.kind())
    }

    #[test]
    fn text_is_read_as_the_server_reads_it() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.00", "0.00"),
            ("+1", "1"),
            ("007", "7"),
            ("1.", "1"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("1.e1", "10"),
            (" \t\n\u{b}\u{c}\r1.50 ", "1.50"),
            ("1.5e1", "15"),
            ("1.50e1", "15.0"),
            ("1.5E+3", "1500"),
            ("15e-1", "1.5"),
            ("1e-10", "0.0000000001"),
            ("0e10", "0"),
            ("0e-10", "0.0000000000"),
            ("12345678.87654321", "12345678.87654321"),
            ("100000000", "100000000"),
            ("0.00010000", "0.00010000"),
            ("nAn", "NaN"),
            ("inf", "Infinity"),
            ("+INF", "Infinity"),
            ("-infinity", "-Infinity"),
            ("1e0000000000000000000000005", "100000"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(shown), "{text:?}");
        }
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in [
            "",
            " ",
            ".",
            "-",
            "+",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "1e1.5",
            "1e 5",
            "1 e5",
            "1..2",
            "1.2.3",
            "--1",
            "+-1",
            "1_000",
            "0x10",
            "0b1",
            "1,5",
            "1a",
            "+NaN",
            "-NaN",
            "NaN1",
            "infin",
            "Infinityx",
            "1\0",
            "١",
            "1e5e5",
            "\u{a0}1",
        ] {
            assert_eq!(read(text), Err(ErrorKind::InvalidValue), "{text:?}");
        }
    }

    #[test]
    fn text_outside_the_range_is_refused() {
        for text in [
            "1e131072",
            "-1e131072",
            "1e-16384",
            "0e-16384",
            "1e1073741823",
            "0e1073741823",
            "0e-1073741823",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert_eq!(read(text), Err(ErrorKind::OutOfRange), "{text:?}");
        }
        assert_eq!(read(&"1".repeat(131_073)), Err(ErrorKind::OutOfRange));
        assert_eq!(read(&format!("0.{}", "0".repeat(16_384))), Err(ErrorKind::OutOfRange));
        assert_eq!(read(&format!("{}1", "0".repeat(200_000))).as_deref(), Ok("1"));
        assert_eq!(read(&format!("0.{}1e20000", "0".repeat(19_999))).as_deref(), Ok("1"));
    }

    #[test]
    fn numbers_are_shown_in_the_width_that_is_asked_for() {
        let value: Numeric = "-1.50".parse().unwrap();
        assert_eq!(
            format!("{value:8}|{value:<8}|{value:08}|{value:+}"),
            "   -1.50|-1.50   |-0001.50|-1.50"
        );
        assert_eq!(format!("{:+}", Numeric::from(1)), "+1");
        assert_eq!(format!("{:.2}", Numeric::NAN), "NaN");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String, number in "[-+]?[0-9.]{0,30}([eE][-+]?[0-9]{0,12})?") {
            for text in [text, number] {
                if let Ok(shown) = read(&text) {
                    prop_assert_eq!(read(&shown), Ok(shown.clone()));
                }
            }
        }
    }
}
