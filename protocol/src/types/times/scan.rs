//! Reading the printed forms of dates and times piece by piece.

use crate::error::{Error, ErrorKind};

/// Text of which pieces are taken from the front. What is not there is `None`, and nothing is taken then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// This text, if it comes next.
    pub(super) fn take(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text.as_bytes())?;
        Some(())
    }

    /// `min` to `max` decimal digits, up to where there are no more.
    pub(super) fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count < min || count > max {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0_i64;
        for byte in digits {
            number = number.checked_mul(10)?.checked_add(i64::from(byte.wrapping_sub(b'0')))?;
        }
        self.0 = rest;
        Some(number)
    }

    /// Two digits below 60.
    pub(super) fn sixty(&mut self) -> Option<i64> {
        self.number(2, 2).filter(|number| *number < 60)
    }

    /// A point and up to six decimals, in millionths; none at all is zero.
    pub(super) fn millionths(&mut self) -> Option<i64> {
        let mut after = *self;
        if after.take(".").is_none() {
            return Some(0);
        }
        let before = after.0.len();
        let number = after.number(1, 6)?;
        let count = u32::try_from(before.saturating_sub(after.0.len())).ok()?;
        *self = after;
        number.checked_mul(10_i64.checked_pow(6_u32.checked_sub(count)?)?)
    }

    /// One of two signs; `Some(true)` is the minus.
    pub(super) fn sign(&mut self) -> Option<bool> {
        match self.0 {
            [b'-', rest @ ..] => {
                self.0 = rest;
                Some(true)
            }
            [b'+', rest @ ..] => {
                self.0 = rest;
                Some(false)
            }
            _ => None,
        }
    }

    /// Whether all is taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing more.
    pub(super) fn end(&self) -> Option<()> {
        self.is_at_end().then_some(())
    }
}

/// What is printed otherwise than the server does.
#[cold]
pub(super) fn not_printed_so(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

/// What its type can't hold.
#[cold]
pub(super) fn out_of_range(message: &'static str) -> Error {
    Error::new(ErrorKind::OutOfRange, message)
}
