//! [`TsVector`]: which lexemes stand in a document, and where.
//!
//! The binary form (`tsvectorsend` of the server's source): the number of lexemes; for each its text up to a zero byte,
//! the number of positions, and the positions: two bits for the weight, fourteen for the place.

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::room::room;
use crate::types::text_search::lexeme::{FURTHEST, POSITIONS, Weight, check, put, quoted};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A document as text search sees it: its lexemes, each once, and their places: `tsvector`.
///
/// It is collected from lexemes in any order. They are sorted as the server wants them, by their bytes; of the same
/// lexeme all positions are taken, of the same position the heavier weight, as the server does when it reads text. It is
/// printed as the server prints it. The server makes one of plain text: `to_tsvector`.
///
/// ```
/// use stellata_protocol::types::text_search::{Lexeme, TsVector, Weight};
/// let document: TsVector =
///     [Lexeme::new("rat").at(3).weighted(9, Weight::B), Lexeme::new("cat"), Lexeme::new("rat").at(2)]
///         .into_iter()
///         .collect();
/// assert_eq!(document.to_string(), "'cat' 'rat':2,3,9B");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TsVector {
    /// Sorted by text, each text once.
    lexemes: Vec<Lexeme>,
}

/// A lexeme of a document, and where it stands.
///
/// The server can hold up to 2047 bytes of text and 256 positions of each; the text is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lexeme {
    /// The lexeme itself.
    pub text: String,
    /// Where it stands; none where that is not known.
    pub positions: Vec<Position>,
}

/// A place in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Which word it is, counted from 1; at most 16 383.
    pub place: u16,
    /// How much it counts.
    pub weight: Weight,
}

impl Lexeme {
    /// A lexeme without positions.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), positions: Vec::new() }
    }

    /// The lexeme at a further place, with the weight `D`.
    #[must_use]
    pub fn at(self, place: u16) -> Self {
        self.weighted(place, Weight::D)
    }

    /// The lexeme at a further place with a weight.
    #[must_use]
    pub fn weighted(mut self, place: u16, weight: Weight) -> Self {
        self.positions.push(Position { place, weight });
        self
    }

    /// Sorts the positions; of equal places the heaviest stays.
    fn tidy(&mut self) {
        self.positions.sort_unstable_by(|one, other| {
            one.place.cmp(&other.place).then(other.weight.cmp(&one.weight))
        });
        self.positions.dedup_by_key(|position| position.place);
    }
}

impl TsVector {
    /// The lexemes, sorted by the bytes of their text; of each the positions are sorted too.
    #[must_use]
    pub fn lexemes(&self) -> &[Lexeme] {
        &self.lexemes
    }

    /// The lexemes, sorted by the bytes of their text.
    #[must_use]
    pub fn into_lexemes(self) -> Vec<Lexeme> {
        self.lexemes
    }

    /// The lexeme with this text.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<&Lexeme> {
        let at = self.lexemes.binary_search_by(|lexeme| lexeme.text.as_str().cmp(text)).ok()?;
        self.lexemes.get(at)
    }

    /// Whether there are no lexemes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lexemes.is_empty()
    }
}

impl FromIterator<Lexeme> for TsVector {
    fn from_iter<I: IntoIterator<Item = Lexeme>>(lexemes: I) -> Self {
        let mut lexemes: Vec<_> = lexemes.into_iter().collect();
        lexemes.sort_by(|one, other| one.text.cmp(&other.text));
        lexemes.dedup_by(|further, first| {
            let is_same = further.text == first.text;
            if is_same {
                first.positions.append(&mut further.positions);
            }
            is_same
        });
        lexemes.iter_mut().for_each(Lexeme::tidy);
        Self { lexemes }
    }
}

impl fmt::Display for TsVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for lexeme in &self.lexemes {
            f.write_str(blank)?;
            lexeme.fmt(f)?;
            blank = " ";
        }
        Ok(())
    }
}

impl fmt::Display for Lexeme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(&self.text, f)?;
        let mut before = ":";
        for position in &self.positions {
            write!(f, "{before}{position}")?;
            before = ",";
        }
        Ok(())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        if self.weight == Weight::D { Ok(()) } else { self.weight.fmt(f) }
    }
}

impl PgType for TsVector {
    const TYPE: Type = Type { oid: Oid::TSVECTOR, array: Oid::TSVECTOR_ARRAY, name: "tsvector" };
}

impl ArrayElement for TsVector {}

impl Encode for TsVector {
    /// Writes the document.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for what is beyond the server's limits: a lexeme that is empty or longer than 2047
    /// bytes, a place that is not within 1 and 16 383, more than 256 places of one lexeme, more than 1 MiB of lexemes
    /// and places altogether. [`ErrorKind::InvalidText`] for a NUL.
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_len32(self.lexemes.len())?;
        // Where the server will put the next lexeme.
        let mut place = 0_usize;
        for lexeme in &self.lexemes {
            if place > FURTHEST {
                return Err(Error::new(
                    ErrorKind::OutOfRange,
                    "a tsvector has more than 1 MiB of lexemes and positions",
                ));
            }
            place = place.saturating_add(lexeme.write(out)?);
        }
        Ok(IsNull::No)
    }
}

impl Lexeme {
    /// Appends the lexeme; returns how many bytes the server needs for it.
    fn write(&self, out: &mut Buffer) -> Result<usize> {
        put(&self.text, out)?;
        let count = self.positions.len();
        if count > MOST_POSITIONS {
            return Err(Error::new(ErrorKind::OutOfRange, "a lexeme has more than 256 positions"));
        }
        out.put_count16(count, "a lexeme has more than 256 positions")?;
        for position in &self.positions {
            if !(1..POSITIONS).contains(&position.place) {
                return Err(Error::new(ErrorKind::OutOfRange, NO_PLACE));
            }
            out.put_u16(u16::from(position.weight.number()) << PLACE_BITS | position.place);
        }
        let positions = match count {
            0 => 0,
            // Their number stands before them, at an even place.
            _ => count.saturating_mul(2).saturating_add(3),
        };
        Ok(self.text.len().saturating_add(positions))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let at = *reader;
        let text = reader.cstr()?;
        check(text).map_err(|error| at.error(ErrorKind::InvalidLength, error.message()))?;
        let count = reader.count16()?;
        if count > MOST_POSITIONS {
            return Err(at.error(ErrorKind::InvalidLength, "a lexeme has more than 256 positions"));
        }
        let mut bytes = Reader::new(reader.take(count.saturating_mul(2))?);
        let mut positions = Vec::with_capacity(count);
        let mut last = 0;
        while !bytes.is_empty() {
            let both = bytes.u16()?;
            let weight = match both >> PLACE_BITS {
                0 => Weight::D,
                1 => Weight::C,
                2 => Weight::B,
                _ => Weight::A,
            };
            let place = both & POSITIONS.saturating_sub(1);
            if place == 0 {
                return Err(at.error(ErrorKind::InvalidValue, NO_PLACE));
            }
            if place <= last {
                return Err(
                    at.error(ErrorKind::InvalidValue, "the positions of a lexeme are not in order")
                );
            }
            last = place;
            positions.push(Position { place, weight });
        }
        Ok(Self { text: text.to_owned(), positions })
    }
}

impl<'a> Decode<'a> for TsVector {
    /// Reads a document.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] when lexemes or positions are not in order, which no server sends, and the errors of
    /// bytes that are no document.
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(Error::new(
                ErrorKind::InvalidLength,
                "a tsvector has a negative number of lexemes",
            ));
        };
        // What is declared is believed as far as there are bytes for it.
        if count > reader.len() / SHORTEST {
            return Err(Error::new(
                ErrorKind::Truncated,
                "a tsvector has fewer bytes than its number of lexemes needs",
            ));
        }
        let mut lexemes: Vec<Lexeme> = Vec::with_capacity(room::<Lexeme>(count, &reader));
        for _ in 0..count {
            let at = reader;
            let lexeme = Lexeme::read(&mut reader)?;
            if lexemes.last().is_some_and(|last| last.text >= lexeme.text) {
                return Err(at.error(ErrorKind::InvalidValue, "the lexemes are not in order"));
            }
            lexemes.push(lexeme);
        }
        reader.end()?;
        Ok(Self { lexemes })
    }
}

const NO_PLACE: &str = "a position is not within 1 and 16383";
/// The server's limit (`MAXNUMPOS` of its source).
const MOST_POSITIONS: usize = 256;
/// Bits of a position below its weight.
const PLACE_BITS: u32 = 14;
/// Bytes of the shortest lexeme: a byte, its end, the number of positions.
const SHORTEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    fn vector(lexemes: impl IntoIterator<Item = Lexeme>) -> TsVector {
        lexemes.into_iter().collect()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::TSVECTOR, "00000000", &TsVector::default());
        is_value(
            Oid::TSVECTOR,
            "00000002 6100 0002 c001 0002 6200 0000",
            &vector([Lexeme::new("b"), Lexeme::new("a").weighted(1, Weight::A).at(2)]),
        );
        is_value(
            Oid::TSVECTOR,
            "00000001 c3a900 0003 4001 bffe 3fff",
            &vector([Lexeme::new("é")
                .weighted(1, Weight::C)
                .weighted(16_382, Weight::B)
                .at(16_383)]),
        );
    }

    #[test]
    fn lexemes_and_positions_are_sorted_and_told_once() {
        let mixed = vector([
            Lexeme::new("b").at(3).at(1).weighted(3, Weight::B),
            Lexeme::new("it's"),
            Lexeme::new("a\\"),
            Lexeme::new("b").weighted(1, Weight::C).at(2),
        ]);
        assert_eq!(mixed.to_string(), r"'a\\' 'b':1C,2,3B 'it''s'");
        assert_eq!(mixed.get("b").map(|lexeme| lexeme.positions.len()), Some(3));
        assert_eq!(mixed.get("c"), None);
    }

    #[test]
    fn bytes_that_are_no_vector_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("00000001", ErrorKind::Truncated),
            ("7fffffff 6100 0000", ErrorKind::Truncated),
            ("ffffffff", ErrorKind::InvalidLength),
            ("00000000 00", ErrorKind::TrailingBytes),
            ("00000001 61 0000", ErrorKind::Truncated),
            ("00000001 61626364", ErrorKind::Truncated),
            ("00000001 6100 0001", ErrorKind::Truncated),
            ("00000001 6100 0001 00", ErrorKind::Truncated),
            ("00000001 6100 ffff 0001", ErrorKind::InvalidLength),
            ("00000001 6100 0101 0001", ErrorKind::InvalidLength),
            ("00000001 00 0000 00", ErrorKind::InvalidLength),
            ("00000001 ff00 0000", ErrorKind::InvalidText),
            ("00000001 6100 0001 0000", ErrorKind::InvalidValue),
            ("00000001 6100 0001 c000", ErrorKind::InvalidValue),
            ("00000001 6100 0002 0001 0001", ErrorKind::InvalidValue),
            ("00000001 6100 0002 0002 c001", ErrorKind::InvalidValue),
            ("00000002 6100 0000 6100 0000", ErrorKind::InvalidValue),
            ("00000002 6200 0000 6100 0000", ErrorKind::InvalidValue),
            ("00000001 6100 0000 00", ErrorKind::TrailingBytes),
        ] {
            is_refused::<TsVector>(Oid::TSVECTOR, text, kind);
        }
        let long = format!("00000001 {}00 0000", "61".repeat(2048));
        is_refused::<TsVector>(Oid::TSVECTOR, &long, ErrorKind::InvalidLength);
    }

    #[test]
    fn what_the_server_can_not_hold_is_not_written() {
        let kind = |lexeme| encode(Oid::TSVECTOR, &vector([lexeme])).map_err(|error| error.kind());
        let places = |count| (1..=count).fold(Lexeme::new("a"), Lexeme::at);
        assert!(kind(Lexeme::new("a".repeat(2047))).is_ok() && kind(places(256)).is_ok());
        for lexeme in [
            Lexeme::new("a".repeat(2048)),
            Lexeme::new(""),
            Lexeme::new("a").at(0),
            Lexeme::new("a").at(16_384),
            places(257),
        ] {
            assert_eq!(kind(lexeme), Err(ErrorKind::OutOfRange));
        }
        assert_eq!(kind(Lexeme::new("a\0")), Err(ErrorKind::InvalidText));
        let many = |count| {
            let lexemes = (0..count).map(|n| Lexeme::new(format!("{n:02047}")));
            encode(Oid::TSVECTOR, &vector(lexemes)).map(drop).map_err(|error| error.kind())
        };
        assert_eq!(many(513), Ok(()));
        assert_eq!(many(514), Err(ErrorKind::OutOfRange));
    }

    fn any_lexeme() -> impl Strategy<Value = Lexeme> {
        let weight = prop::sample::select(vec![Weight::A, Weight::B, Weight::C, Weight::D]);
        let position =
            (1..POSITIONS, weight).prop_map(|(place, weight)| Position { place, weight });
        ("[^\0]{1,8}|[a-c]", prop::collection::vec(position, 0..6))
            .prop_map(|(text, positions)| Lexeme { text, positions })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(lexemes in prop::collection::vec(any_lexeme(), 0..12)) {
            let found = vector(lexemes.clone());
            round_trip(&found)?;
            for lexeme in &lexemes {
                let same = found.get(&lexeme.text).unwrap();
                for position in &lexeme.positions {
                    let heaviest = lexemes.iter()
                        .filter(|other| other.text == lexeme.text)
                        .flat_map(|other| &other.positions)
                        .filter(|other| other.place == position.place)
                        .max();
                    prop_assert!(same.positions.contains(heaviest.unwrap()));
                }
            }
        }

        #[test]
        fn hostile_bytes_are_survived(
            count in -1..4_i32, any: Vec<u8>, some in prop::collection::vec(0..3_u8, 0..40),
        ) {
            survives::<TsVector>(Oid::TSVECTOR, &any)?;
            survives::<TsVector>(Oid::TSVECTOR, &[&count.to_be_bytes(), &any[..]].concat())?;
            survives::<TsVector>(Oid::TSVECTOR, &[&count.to_be_bytes(), &some[..]].concat())?;
        }
    }
}
