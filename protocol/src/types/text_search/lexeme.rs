//! What documents and queries share: the text of a lexeme, and weights.

use core::fmt::{self, Write as _};
use core::ops::{BitOr, BitOrAssign};

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;

/// How much a place in a document counts; `A` is the heaviest, `D` what places have by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weight {
    /// The lightest and ordinary one. It is not printed.
    #[default]
    D,
    /// Heavier than `D`.
    C,
    /// Heavier than `C`.
    B,
    /// The heaviest.
    A,
}

/// A set of weights: where a lexeme that is looked for may stand. The empty set stands for any place.
///
/// ```
/// use stellata_protocol::types::text_search::{Weight, Weights};
/// let weights = Weight::A | Weight::C;
/// assert!(weights.contains(Weight::A) && !weights.contains(Weight::B));
/// assert_eq!(weights.to_string(), "AC");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weights(u8);

impl Weight {
    /// From the heaviest to the lightest.
    const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// The number by which the server knows it.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::D => 0,
            Self::C => 1,
            Self::B => 2,
            Self::A => 3,
        }
    }

    /// The bit that stands for it in a set.
    const fn bit(self) -> u8 {
        match self {
            Self::D => 1,
            Self::C => 2,
            Self::B => 4,
            Self::A => 8,
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::D => 'D',
            Self::C => 'C',
            Self::B => 'B',
            Self::A => 'A',
        }
    }
}

impl Weights {
    /// No weight: any place will do.
    pub const NONE: Self = Self(0);

    /// Whether there is none in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the weight is in the set.
    #[must_use]
    pub const fn contains(self, weight: Weight) -> bool {
        self.0 & weight.bit() != 0
    }

    /// The set in the server's form, one bit for each.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Option<Self> {
        if bits <= ALL { Some(Self(bits)) } else { None }
    }
}

impl From<Weight> for Weights {
    fn from(weight: Weight) -> Self {
        Self(weight.bit())
    }
}

impl FromIterator<Weight> for Weights {
    fn from_iter<I: IntoIterator<Item = Weight>>(weights: I) -> Self {
        weights.into_iter().fold(Self::NONE, |set, weight| set | weight)
    }
}

impl<W: Into<Weights>> BitOr<W> for Weights {
    type Output = Self;

    fn bitor(self, other: W) -> Self {
        Self(self.0 | other.into().0)
    }
}

impl<W: Into<Self>> BitOrAssign<W> for Weights {
    fn bitor_assign(&mut self, other: W) {
        self.0 |= other.into().0;
    }
}

impl<W: Into<Weights>> BitOr<W> for Weight {
    type Output = Weights;

    fn bitor(self, other: W) -> Weights {
        Weights::from(self) | other
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(self.letter())
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Weight::ALL
            .into_iter()
            .filter(|weight| self.contains(*weight))
            .try_for_each(|weight| weight.fmt(f))
    }
}

/// Prints a lexeme as the server does: always in quotes, quotes and backslashes in it doubled.
pub(super) fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('\'')?;
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            f.write_char(character)?;
        }
        f.write_char(character)?;
    }
    f.write_char('\'')
}

/// Whether the server can hold the text as a lexeme.
///
/// # Errors
/// [`ErrorKind::OutOfRange`] when it is empty or longer than 2047 bytes.
pub(super) fn check(text: &str) -> Result<()> {
    match text.len() {
        1..=LONGEST => Ok(()),
        0 => Err(Error::new(ErrorKind::OutOfRange, "a lexeme is empty")),
        _ => Err(Error::new(ErrorKind::OutOfRange, "a lexeme is longer than 2047 bytes")),
    }
}

/// Appends a lexeme's text and a zero byte.
///
/// # Errors
/// Those of [`check`], and [`ErrorKind::InvalidText`] for a NUL.
pub(super) fn put(text: &str, out: &mut Buffer) -> Result<()> {
    check(text)?;
    out.put_cstr(text)
}

/// All four weights.
const ALL: u8 = 15;
/// The server's limit of a lexeme (`MAXSTRLEN` of its source).
const LONGEST: usize = 2047;
/// The server's limit of where the last lexeme begins among all of a value (`MAXSTRPOS` of its source).
pub(super) const FURTHEST: usize = 0xf_ffff;
/// The highest position in a document, and one more (`MAXENTRYPOS` of the server's source).
pub(super) const POSITIONS: u16 = 0x4000;
