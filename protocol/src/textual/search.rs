//! The text of documents and queries of text search (manual: "Text Search Types").

use crate::error::Result;
use crate::oid::Oid;
use crate::textual::no_such_value;
use crate::textual::scan::Scan;
use crate::types::text_search::{Lexeme, Term, TsQuery, TsVector, Weight, Weights};
use crate::types::{Encode, IsNull};
use crate::wire::buffer::Buffer;

/// Appends the binary form of a `tsvector` whose text this is.
pub(super) fn parse_vector(text: &str, out: &mut Buffer) -> Result<()> {
    let mut scan = Scan::new(text);
    let mut lexemes = Vec::new();
    while !scan.rest.is_empty() {
        if !lexemes.is_empty() {
            scan.expect(" ")?;
        }
        let mut lexeme = Lexeme::new(scan.quoted("'")?);
        let mut goes_on = scan.take(":");
        while goes_on {
            let place: u16 = number(&mut scan)?;
            let weight = weight(&mut scan).unwrap_or(Weight::D);
            lexeme = lexeme.weighted(place, weight);
            goes_on = scan.take(",");
        }
        lexemes.push(lexeme);
    }
    let vector: TsVector = lexemes.into_iter().collect();
    vector.encode(Oid::TSVECTOR, out).map(|_: IsNull| ())
}

fn number(scan: &mut Scan<'_>) -> Result<u16> {
    let end = scan.rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(scan.rest.len());
    let (digits, rest) = scan.rest.split_at_checked(end).unwrap_or((scan.rest, ""));
    scan.rest = rest;
    digits.parse().map_err(|_| no_such_value())
}

fn weight(scan: &mut Scan<'_>) -> Option<Weight> {
    [("A", Weight::A), ("B", Weight::B), ("C", Weight::C), ("D", Weight::D)]
        .into_iter()
        .find_map(|(letter, weight)| scan.take(letter).then_some(weight))
}

/// What joins operands, and what stands before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Open,
    Or,
    And,
    Phrase(u16),
    Not,
}

impl Operator {
    /// How tightly it binds; nothing passes an open parenthesis.
    const fn priority(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Or => 1,
            Self::And => 2,
            Self::Phrase(_) => 3,
            Self::Not => 4,
        }
    }
}

/// Operands and operators that wait for what follows. Nothing recurses, however deep a query is.
#[derive(Debug, Default)]
struct Waiting {
    operands: Vec<TsQuery>,
    operators: Vec<Operator>,
}

impl Waiting {
    /// Joins what binds as tightly as `priority`, or more.
    fn join(&mut self, priority: u8) -> Result<()> {
        while let Some(&operator) = self.operators.last() {
            if operator.priority() < priority || operator == Operator::Open {
                break;
            }
            self.operators.pop();
            let right = self.operands.pop().ok_or_else(no_such_value)?;
            let mut left = || self.operands.pop().ok_or_else(no_such_value);
            let joined = match operator {
                Operator::Not => right.not(),
                Operator::And => left()?.and(right),
                Operator::Or => left()?.or(right),
                Operator::Phrase(distance) => left()?.phrase(distance, right),
                Operator::Open => return Err(no_such_value()),
            };
            self.operands.push(joined);
        }
        Ok(())
    }
}

/// Appends the binary form of a `tsquery` whose text this is.
pub(super) fn parse_query(text: &str, out: &mut Buffer) -> Result<()> {
    let query = query(text)?;
    if query.is_empty() {
        // The server prints it, and sends it so.
        out.put_i32(0);
        return Ok(());
    }
    query.encode(Oid::TSQUERY, out).map(|_: IsNull| ())
}

fn query(text: &str) -> Result<TsQuery> {
    let mut scan = Scan::new(text);
    if text.is_empty() {
        return Ok(TsQuery::default());
    }
    let mut waiting = Waiting::default();
    loop {
        // Before an operand.
        while scan.take(" ") {}
        if scan.take("!") {
            waiting.operators.push(Operator::Not);
            continue;
        }
        if scan.take("(") {
            waiting.operators.push(Operator::Open);
            continue;
        }
        waiting.operands.push(TsQuery::from(term(&mut scan)?));
        // Behind one.
        loop {
            while scan.take(" ") {}
            if scan.rest.is_empty() {
                waiting.join(0)?;
                return match (waiting.operands.pop(), &*waiting.operands, &*waiting.operators) {
                    (Some(query), [], []) => Ok(query),
                    _ => Err(no_such_value()),
                };
            }
            if !scan.take(")") {
                break;
            }
            waiting.join(0)?;
            if waiting.operators.pop() != Some(Operator::Open) {
                return Err(no_such_value());
            }
        }
        let operator = operator(&mut scan)?;
        waiting.join(operator.priority())?;
        waiting.operators.push(operator);
    }
}

fn operator(scan: &mut Scan<'_>) -> Result<Operator> {
    if scan.take("&") {
        Ok(Operator::And)
    } else if scan.take("|") {
        Ok(Operator::Or)
    } else if scan.take("<->") {
        Ok(Operator::Phrase(1))
    } else {
        scan.expect("<")?;
        let distance = number(scan)?;
        scan.expect(">")?;
        Ok(Operator::Phrase(distance))
    }
}

fn term(scan: &mut Scan<'_>) -> Result<Term> {
    let mut term = Term::new(scan.quoted("'")?);
    if scan.take(":") {
        if scan.take("*") {
            term = term.prefix();
        }
        let mut weights = Weights::default();
        while let Some(weight) = weight(scan) {
            weights |= weight;
        }
        term = term.weights(weights);
    }
    Ok(term)
}
