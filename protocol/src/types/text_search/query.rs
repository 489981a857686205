//! [`TsQuery`]: what is looked for in a document.
//!
//! The binary form (`tsquerysend` of the server's source): the number of terms and operators, and these, each operator
//! before its right and then its left operand. Read from its end it is what is kept here: each operator behind its left
//! and its right operand. So nothing recurses, however deep a query is: not reading, not printing, not dropping.

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::room::room;
use crate::types::text_search::lexeme::{FURTHEST, POSITIONS, Weight, Weights, check, put, quoted};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// What is looked for: terms, and what joins them: `tsquery`.
///
/// Terms are lexemes, not words; the server makes one of words: `to_tsquery`, `websearch_to_tsquery`. It is printed as the
/// server prints it. The empty query, which matches nothing, can be read but not written: the server does not take it in
/// binary.
///
/// ```
/// use stellata_protocol::types::text_search::{Term, TsQuery, Weight};
/// let fat = Term::new("fat").prefix().weights(Weight::A | Weight::B);
/// let query = TsQuery::from(fat).and(TsQuery::term("rat").followed_by(TsQuery::term("cat")).not());
/// assert_eq!(query.to_string(), "'fat':*AB & !( 'rat' <-> 'cat' )");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TsQuery {
    /// Each operator behind its operands, the left one first. Nothing is left over: it is one tree, or empty.
    items: Vec<QueryItem>,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueryItem {
    /// A lexeme that is looked for.
    Term(Term),
    /// What is before it must not match.
    Not,
    /// Both operands before it must match.
    And,
    /// One of the operands before it must match.
    Or,
    /// The right operand must follow the left one, so many places behind it; 0 is the same place. At most 16 384.
    Phrase(u16),
}

/// A lexeme that is looked for: not empty, at most 2047 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    text: Box<str>,
    weights: Weights,
    is_prefix: bool,
}

impl Term {
    /// This lexeme, wherever it stands.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), weights: Weights::NONE, is_prefix: false }
    }

    /// All lexemes that begin with this text.
    #[must_use]
    pub fn prefix(mut self) -> Self {
        self.is_prefix = true;
        self
    }

    /// Only in places with one of these weights; with none, in any.
    #[must_use]
    pub fn weights(mut self, weights: impl Into<Weights>) -> Self {
        self.weights = weights.into();
        self
    }

    /// The lexeme.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether all lexemes that begin with the text are meant.
    #[must_use]
    pub const fn is_prefix(&self) -> bool {
        self.is_prefix
    }

    /// Whether it is looked for in places with this weight.
    #[must_use]
    pub const fn looks_at(&self, weight: Weight) -> bool {
        self.weights.is_empty() || self.weights.contains(weight)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let at = *reader;
        let Some(weights) = Weights::from_bits(reader.u8()?) else {
            return Err(at.error(ErrorKind::InvalidValue, "a term has unknown weights"));
        };
        let is_prefix = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(at.error(ErrorKind::InvalidValue, "a term has unknown flags")),
        };
        let text = reader.cstr()?;
        check(text).map_err(|error| at.error(ErrorKind::InvalidLength, error.message()))?;
        Ok(Self { text: text.into(), weights, is_prefix })
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_slice(&[TERM, self.weights.bits(), u8::from(self.is_prefix)]);
        put(&self.text, out)
    }
}

impl QueryItem {
    /// How tightly it binds, by which the server sets its brackets.
    const fn priority(&self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Phrase(_) => 3,
            Self::Not => 4,
            Self::Term(_) => 5,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let at = *reader;
        Ok(match reader.u8()? {
            TERM => Self::Term(Term::read(reader)?),
            OPERATOR => match reader.u8()? {
                NOT => Self::Not,
                AND => Self::And,
                OR => Self::Or,
                PHRASE => match reader.u16()? {
                    distance @ ..=POSITIONS => Self::Phrase(distance),
                    _ => return Err(at.error(ErrorKind::InvalidValue, TOO_FAR)),
                },
                _ => return Err(at.error(ErrorKind::InvalidValue, "an operator is unknown")),
            },
            _ => return Err(at.error(ErrorKind::InvalidValue, "a part of a tsquery is unknown")),
        })
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        match self {
            Self::Term(term) => term.write(out)?,
            Self::Not => out.put_slice(&[OPERATOR, NOT]),
            Self::And => out.put_slice(&[OPERATOR, AND]),
            Self::Or => out.put_slice(&[OPERATOR, OR]),
            Self::Phrase(distance) if *distance <= POSITIONS => {
                out.put_slice(&[OPERATOR, PHRASE]);
                out.put_u16(*distance);
            }
            Self::Phrase(_) => return Err(Error::new(ErrorKind::OutOfRange, TOO_FAR)),
        }
        Ok(())
    }
}

impl TsQuery {
    /// Looks for one lexeme.
    #[must_use]
    pub fn term(text: impl Into<Box<str>>) -> Self {
        Self::from(Term::new(text))
    }

    /// Looks for both. As in the server, an empty query has no say.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.join(other, QueryItem::And)
    }

    /// Looks for one of both. As in the server, an empty query has no say.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.join(other, QueryItem::Or)
    }

    /// Looks for the other right behind this one. As in the server, an empty query has no say.
    #[must_use]
    pub fn followed_by(self, other: Self) -> Self {
        self.phrase(1, other)
    }

    /// Looks for the other exactly `distance` places behind this one, at most 16 384. As in the server, an empty query
    /// has no say.
    #[must_use]
    pub fn phrase(self, distance: u16, other: Self) -> Self {
        self.join(other, QueryItem::Phrase(distance))
    }

    /// Looks for documents that do not match. The empty query stays empty.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "`not` stands in a row with `and` and `or`")]
    pub fn not(mut self) -> Self {
        if !self.is_empty() {
            self.items.push(QueryItem::Not);
        }
        self
    }

    fn join(mut self, mut other: Self, operator: QueryItem) -> Self {
        if self.is_empty() || other.is_empty() {
            self.items.append(&mut other.items);
            return self;
        }
        self.items.append(&mut other.items);
        self.items.push(operator);
        self
    }

    /// The parts: each operator stands behind its left and its right operand (`Not` has one).
    #[must_use]
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// For each item where its tree begins. Always there.
    fn starts(&self) -> Option<Vec<usize>> {
        let mut open: Vec<usize> = Vec::new();
        let mut starts = Vec::with_capacity(self.items.len());
        for (at, item) in self.items.iter().enumerate() {
            let start = match item {
                QueryItem::Term(_) => at,
                QueryItem::Not => open.pop()?,
                QueryItem::And | QueryItem::Or | QueryItem::Phrase(_) => {
                    open.pop()?;
                    open.pop()?
                }
            };
            open.push(start);
            starts.push(start);
        }
        Some(starts)
    }
}

/// Whether each operator has its operands before it, and nothing but one tree is left at the end, or there is nothing.
fn is_tree(items: &[QueryItem]) -> bool {
    let left = items.iter().try_fold(0_usize, |open, item| match item {
        QueryItem::Term(_) => open.checked_add(1),
        QueryItem::Not => (open >= 1).then_some(open),
        QueryItem::And | QueryItem::Or | QueryItem::Phrase(_) if open >= 2 => open.checked_sub(1),
        QueryItem::And | QueryItem::Or | QueryItem::Phrase(_) => None,
    });
    left == Some(usize::from(!items.is_empty()))
}

impl From<Term> for TsQuery {
    fn from(term: Term) -> Self {
        Self { items: vec![QueryItem::Term(term)] }
    }
}

/// What is still to be printed.
enum Part {
    /// The tree that ends at an item, within an operator of a priority, and whether right of a phrase operator.
    Tree {
        at: usize,
        within: u8,
        is_right_of_phrase: bool,
    },
    Text(&'static str),
    Distance(u16),
}

impl fmt::Display for TsQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts = self.starts().ok_or(fmt::Error)?;
        let mut parts = Vec::new();
        if let Some(at) = self.items.len().checked_sub(1) {
            parts.push(Part::Tree { at, within: 0, is_right_of_phrase: false });
        }
        while let Some(part) = parts.pop() {
            let (at, within, is_right_of_phrase) = match part {
                Part::Text(text) => {
                    f.write_str(text)?;
                    continue;
                }
                Part::Distance(distance) => {
                    write!(f, " <{distance}> ")?;
                    continue;
                }
                Part::Tree { at, within, is_right_of_phrase } => (at, within, is_right_of_phrase),
            };
            let item = self.items.get(at).ok_or(fmt::Error)?;
            if let QueryItem::Term(term) = item {
                term.fmt(f)?;
                continue;
            }
            let priority = item.priority();
            let is_phrase = matches!(item, QueryItem::Phrase(_));
            if priority < within || is_phrase && is_right_of_phrase {
                f.write_str("( ")?;
                parts.push(Part::Text(" )"));
            }
            let right = at.checked_sub(1).ok_or(fmt::Error)?;
            parts.push(Part::Tree { at: right, within: priority, is_right_of_phrase: is_phrase });
            parts.push(match item {
                QueryItem::Or => Part::Text(" | "),
                QueryItem::And => Part::Text(" & "),
                QueryItem::Phrase(1) => Part::Text(" <-> "),
                QueryItem::Phrase(distance) => Part::Distance(*distance),
                QueryItem::Not | QueryItem::Term(_) => {
                    f.write_str("!")?;
                    continue;
                }
            });
            let start = starts.get(right).ok_or(fmt::Error)?;
            let left = start.checked_sub(1).ok_or(fmt::Error)?;
            parts.push(Part::Tree { at: left, within: priority, is_right_of_phrase: false });
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(&self.text, f)?;
        if self.is_prefix || !self.weights.is_empty() {
            f.write_str(if self.is_prefix { ":*" } else { ":" })?;
        }
        self.weights.fmt(f)
    }
}

impl PgType for TsQuery {
    const TYPE: Type = Type { oid: Oid::TSQUERY, array: Oid::TSQUERY_ARRAY, name: "tsquery" };
}

impl ArrayElement for TsQuery {}

impl Encode for TsQuery {
    /// Writes the query.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for the empty query, and for what is beyond the server's limits: a term that is empty or
    /// longer than 2047 bytes, a distance above 16 384, more than 1 MiB of terms. [`ErrorKind::InvalidText`] for a NUL.
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        if self.is_empty() {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "PostgreSQL does not take an empty tsquery in binary",
            ));
        }
        out.put_len32(self.items.len())?;
        // Where the server will put the next term, each with a byte behind it.
        let mut place = 0_usize;
        for item in self.items.iter().rev() {
            if let QueryItem::Term(term) = item {
                if place > FURTHEST {
                    return Err(Error::new(
                        ErrorKind::OutOfRange,
                        "a tsquery has more than 1 MiB of terms",
                    ));
                }
                place = place.saturating_add(term.text.len()).saturating_add(1);
            }
            item.write(out)?;
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for TsQuery {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(Error::new(
                ErrorKind::InvalidLength,
                "a tsquery has a negative number of parts",
            ));
        };
        // What is declared is believed as far as there are bytes for it.
        if count > reader.len() / SHORTEST {
            return Err(Error::new(
                ErrorKind::Truncated,
                "a tsquery has fewer bytes than its number of parts needs",
            ));
        }
        let mut items = Vec::with_capacity(room::<QueryItem>(count, &reader));
        for _ in 0..count {
            items.push(QueryItem::read(&mut reader)?);
        }
        reader.end()?;
        items.reverse();
        if !is_tree(&items) {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                "the operators of a tsquery do not fit its terms",
            ));
        }
        Ok(Self { items })
    }
}

const TOO_FAR: &str = "a distance between terms is above 16384";
/// What a part begins with (`QI_VAL`, `QI_OPR` of the server's source).
const TERM: u8 = 1;
const OPERATOR: u8 = 2;
/// What follows for an operator (`OP_NOT` and so on).
const NOT: u8 = 1;
const AND: u8 = 2;
const OR: u8 = 3;
const PHRASE: u8 = 4;
/// Bytes of the shortest part, an operator.
const SHORTEST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip, survives};

    fn term(text: &str) -> TsQuery {
        TsQuery::term(text)
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::TSQUERY, "00000001 01 00 00 6100", &term("a"));
        is_value(
            Oid::TSQUERY,
            "00000003 0202 01 00 00 6200 01 00 00 6100",
            &term("a").and(term("b")),
        );
        let weighted = TsQuery::from(Term::new("b").prefix().weights(Weight::A | Weight::B));
        is_value(
            Oid::TSQUERY,
            "00000004 0204 0003 0201 01 0c 01 6200 01 00 00 6100",
            &term("a").phrase(3, weighted.not()),
        );
        assert_eq!(decode(Oid::TSQUERY, &[0; 4]), Ok(TsQuery::default()));
    }

    #[test]
    fn brackets_stand_where_the_server_sets_them() {
        let [a, b, c] = ["a", "b", "c"].map(term);
        for (query, text) in [
            (TsQuery::default(), ""),
            (a.clone().and(b.clone()).or(c.clone()), "'a' & 'b' | 'c'"),
            (a.clone().and(b.clone().or(c.clone())), "'a' & ( 'b' | 'c' )"),
            (a.clone().and(b.clone().and(c.clone())), "'a' & 'b' & 'c'"),
            (a.clone().followed_by(b.clone().followed_by(c.clone())), "'a' <-> ( 'b' <-> 'c' )"),
            (a.clone().followed_by(b.clone()).followed_by(c.clone()), "'a' <-> 'b' <-> 'c'"),
            (a.clone().phrase(0, b.clone().not().not()), "'a' <0> !!'b'"),
            (a.clone().phrase(2, b.clone()).not(), "!( 'a' <2> 'b' )"),
        ] {
            assert_eq!(query.to_string(), text);
        }
        assert_eq!(a.clone().and(TsQuery::default()), a);
        assert_eq!(TsQuery::default().or(b.clone()), b);
        assert!(TsQuery::default().not().is_empty());
    }

    #[test]
    fn bytes_that_are_no_query_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("00000001", ErrorKind::Truncated),
            ("7fffffff 01 00 00 6100", ErrorKind::Truncated),
            ("ffffffff 01 00 00 6100", ErrorKind::InvalidLength),
            ("00000000 00", ErrorKind::TrailingBytes),
            ("00000001 01 00", ErrorKind::Truncated),
            ("00000001 01 00 00", ErrorKind::Truncated),
            ("00000001 01 00 00 61", ErrorKind::Truncated),
            ("00000001 01 00 00 00", ErrorKind::InvalidLength),
            ("00000001 01 00 00 ff00", ErrorKind::InvalidText),
            ("00000001 01 10 00 6100", ErrorKind::InvalidValue),
            ("00000001 01 00 02 6100", ErrorKind::InvalidValue),
            ("00000001 00 00 00 6100", ErrorKind::InvalidValue),
            ("00000001 03 00 00 6100", ErrorKind::InvalidValue),
            ("00000001 02 00", ErrorKind::InvalidValue),
            ("00000001 02 05", ErrorKind::InvalidValue),
            ("00000001 02 01", ErrorKind::InvalidValue),
            ("00000002 01 00 00 6100 0201", ErrorKind::InvalidValue),
            ("00000002 0202 01 00 00 6100", ErrorKind::InvalidValue),
            ("00000002 01 00 00 6100 01 00 00 6200", ErrorKind::InvalidValue),
            ("00000003 01 00 00 6100 0202 01 00 00 6200", ErrorKind::InvalidValue),
            ("00000003 0204 4001 01 00 00 6100 01 00 00 6200", ErrorKind::InvalidValue),
            ("00000003 0204 ffff 01 00 00 6100 01 00 00 6200", ErrorKind::InvalidValue),
            ("00000003 0204", ErrorKind::Truncated),
            ("00000001 01 00 00 6100 00", ErrorKind::TrailingBytes),
        ] {
            is_refused::<TsQuery>(Oid::TSQUERY, text, kind);
        }
        let long = format!("00000001 01 00 00 {} 00", "61".repeat(2048));
        is_refused::<TsQuery>(Oid::TSQUERY, &long, ErrorKind::InvalidLength);
    }

    #[test]
    fn what_the_server_does_not_take_is_not_written() {
        let kind = |query| encode(Oid::TSQUERY, &query).map_err(|error| error.kind());
        assert!(kind(term(&"a".repeat(2047))).is_ok());
        assert!(kind(term("a").phrase(16_384, term("b"))).is_ok());
        for query in [
            TsQuery::default(),
            term(""),
            term(&"a".repeat(2048)),
            term("a").phrase(16_385, term("b")),
        ] {
            assert_eq!(kind(query), Err(ErrorKind::OutOfRange));
        }
        assert_eq!(kind(term("a\0b")), Err(ErrorKind::InvalidText));
        let many = |count| {
            let word = term(&"a".repeat(2047));
            let all = (1..count).fold(word.clone(), |all, _| all.or(word.clone()));
            encode(Oid::TSQUERY, &all).map(drop).map_err(|error| error.kind())
        };
        assert_eq!(many(512), Ok(()));
        assert_eq!(many(513), Err(ErrorKind::OutOfRange));
    }

    #[test]
    fn depth_needs_no_stack() {
        let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| {
            let levels = 1_000_000;
            let mut raw = 1_000_001_u32.to_be_bytes().to_vec();
            raw.extend([OPERATOR, NOT].repeat(levels));
            raw.extend([TERM, 0, 0, b'a', 0]);
            let query: TsQuery = decode(Oid::TSQUERY, &raw).unwrap();
            assert_eq!(query.to_string(), "!".repeat(levels) + "'a'");
            assert_eq!(encode(Oid::TSQUERY, &query), Ok(raw));
            let left = (0..levels).fold(term("a"), |all, _| all.and(term("a")));
            assert_eq!(left.to_string(), "'a' & ".repeat(levels) + "'a'");
        });
        thread.unwrap().join().unwrap();
    }

    fn any_query() -> impl Strategy<Value = TsQuery> {
        let weight = prop::sample::select(vec![Weight::A, Weight::B, Weight::C, Weight::D]);
        let weights = prop::collection::vec(weight, 0..3);
        let leaf = ("[^\0]{1,8}", any::<bool>(), weights).prop_map(|(text, is_prefix, weights)| {
            let term = Term::new(text).weights(weights.into_iter().collect::<Weights>());
            TsQuery::from(if is_prefix { term.prefix() } else { term })
        });
        leaf.prop_recursive(5, 32, 2, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                inner.prop_map(TsQuery::not),
                pair.clone().prop_map(|(left, right)| left.and(right)),
                pair.clone().prop_map(|(left, right)| left.or(right)),
                (pair, 0..=POSITIONS).prop_map(|((left, right), n)| left.phrase(n, right)),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(query in any_query()) {
            round_trip(&query)?;
        }

        #[test]
        fn hostile_bytes_are_survived(
            count in -1..8_i32, any: Vec<u8>, some in prop::collection::vec(0..5_u8, 0..40),
        ) {
            // The empty query is the one that can be read and not written.
            prop_assume!(count != 0 && any.get(..4) != Some(&[0; 4]));
            survives::<TsQuery>(Oid::TSQUERY, &any)?;
            survives::<TsQuery>(Oid::TSQUERY, &[&count.to_be_bytes(), &any[..]].concat())?;
            survives::<TsQuery>(Oid::TSQUERY, &[&count.to_be_bytes(), &some[..]].concat())?;
        }
    }
}
