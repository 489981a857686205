//! From tokens to a tree.

use stellata_protocol::{Error, ErrorKind, Oid, Result};

use crate::expr::token;
use crate::model::path::Path;
use crate::render::statement::{self, Kind, malformed};

/// An expression.
#[derive(Debug)]
pub(crate) enum Node {
    Column {
        path: Path,
        index: u16,
    },
    /// A parameter, by its number from 1.
    Param(u16),
    /// An array parameter and the type of its elements.
    Array(u16, Oid),
    Null,
    True,
    False,
    Unary(u8, Box<Self>),
    Binary(u8, Box<Self>, Box<Self>),
    /// Conditions that are joined by `and` or by `or`.
    Joined(u8, Vec<Self>),
    Between(Box<[Self; 3]>),
    InList {
        value: Box<Self>,
        list: Vec<Self>,
        negated: bool,
    },
    Call(&'static str, Vec<Self>),
    Related(Box<Related>),
}

/// A condition on the rows of a to-many relation.
#[derive(Debug)]
pub(crate) struct Related {
    pub(crate) op: u8,
    pub(crate) path: Path,
    pub(crate) relation: u8,
    pub(crate) scope: u8,
    pub(crate) cond: Node,
}

/// How deep an expression may be nested. It is walked by recursion, on whatever stack the caller has.
const DEEPEST: u32 = 1000;

/// A statement taken apart.
#[derive(Debug)]
pub(crate) struct Statement<'s> {
    /// Conditions that rows must all meet.
    pub(crate) filters: Vec<Node>,
    /// Sort keys and their flags.
    pub(crate) order: Vec<(Node, u8)>,
    /// New values for columns.
    pub(crate) assignments: Vec<(Path, u16, Node)>,
    /// How many parameters the clauses have.
    pub(crate) params: u16,
    pub(crate) kind: Kind<'s>,
}

/// Takes a statement apart.
pub(crate) fn parse(shape: &[u8]) -> Result<Statement<'_>> {
    let mut parser = Parser { rest: shape, stack: Vec::new(), below: 0, params: 0 };
    let mut filters = Vec::new();
    let mut order = Vec::new();
    let mut assignments = Vec::new();
    loop {
        match parser.byte()? {
            token::STATEMENT => break,
            token::FILTER => split(parser.pop()?, &mut filters),
            token::ORDER => {
                let flags = parser.byte()?;
                order.push((parser.pop()?, flags));
            }
            token::REORDER => order.clear(),
            token::ASSIGN => {
                let (path, index) = parser.column()?;
                assignments.push((path, index, parser.pop()?));
            }
            other => parser.node(other)?,
        }
    }
    if !parser.stack.is_empty() {
        return Err(malformed());
    }
    let kind = statement::read(parser.rest)?;
    Ok(Statement { filters, order, assignments, params: parser.params, kind })
}

/// Adds a condition to the list, its parts where it is a conjunction.
fn split(node: Node, filters: &mut Vec<Node>) {
    match node {
        Node::Joined(token::AND, parts) => {
            filters.extend(parts.into_iter().filter(|part| !matches!(part, Node::True)));
        }
        Node::True => {}
        other => filters.push(other),
    }
}

struct Parser<'s> {
    rest: &'s [u8],
    /// Expressions that nothing has taken yet, each with how deep it is.
    stack: Vec<(Node, u32)>,
    /// How deep the deepest of those is that the expression at hand has taken.
    below: u32,
    params: u16,
}

impl Parser<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn byte(&mut self) -> Result<u8> {
        self.bytes().map(|[byte]| byte)
    }

    fn column(&mut self) -> Result<(Path, u16)> {
        Ok((Path::from_bytes(self.bytes()?), u16::from_be_bytes(self.bytes()?)))
    }

    fn param(&mut self) -> Result<u16> {
        self.params = self.params.checked_add(1).ok_or_else(malformed)?;
        Ok(self.params)
    }

    fn pop(&mut self) -> Result<Node> {
        let (node, depth) = self.stack.pop().ok_or_else(malformed)?;
        self.below = self.below.max(depth);
        Ok(node)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Node>> {
        let start = self.stack.len().checked_sub(count).ok_or_else(malformed)?;
        let taken = self.stack.split_off(start);
        self.below = taken.iter().fold(self.below, |below, (_, depth)| below.max(*depth));
        Ok(taken.into_iter().map(|(node, _)| node).collect())
    }

    /// Takes a side of `and` or `or`. One that is joined by the same comes in its parts, so that a long chain is wide and
    /// not deep.
    fn pop_parts(&mut self, op: u8) -> Result<Vec<Node>> {
        match self.stack.pop().ok_or_else(malformed)? {
            (Node::Joined(other, parts), depth) if other == op => {
                self.below = self.below.max(depth.saturating_sub(1));
                Ok(parts)
            }
            (node, depth) => {
                self.below = self.below.max(depth);
                Ok(vec![node])
            }
        }
    }

    fn join(&mut self, op: u8) -> Result<Vec<Node>> {
        let right = self.pop_parts(op)?;
        let mut parts = self.pop_parts(op)?;
        parts.extend(right);
        Ok(parts)
    }

    fn node(&mut self, op: u8) -> Result<()> {
        self.below = 0;
        let node = match op {
            token::COLUMN => {
                let (path, index) = self.column()?;
                Node::Column { path, index }
            }
            token::PARAM => {
                let _: [u8; 4] = self.bytes()?;
                Node::Param(self.param()?)
            }
            token::ARRAY => {
                let element = Oid(u32::from_be_bytes(self.bytes()?));
                Node::Array(self.param()?, element)
            }
            token::NULL => Node::Null,
            token::TRUE => Node::True,
            token::FALSE => Node::False,
            token::AND | token::OR => Node::Joined(op, self.join(op)?),
            token::EQ..=token::IMATCH => {
                let right = Box::new(self.pop()?);
                Node::Binary(op, Box::new(self.pop()?), right)
            }
            token::NOT..=token::NEGATE => Node::Unary(op, Box::new(self.pop()?)),
            token::BETWEEN => {
                let high = self.pop()?;
                let low = self.pop()?;
                Node::Between(Box::new([self.pop()?, low, high]))
            }
            token::IN_LIST => {
                let count = usize::from(u16::from_be_bytes(self.bytes()?));
                let negated = self.byte()? == 1;
                let list = self.pop_many(count)?;
                Node::InList { value: Box::new(self.pop()?), list, negated }
            }
            token::CALL => {
                let function = usize::from(self.byte()?);
                let name = token::FUNCTIONS.get(function).ok_or_else(malformed)?;
                let count = usize::from(self.byte()?);
                Node::Call(name, self.pop_many(count)?)
            }
            token::ANY..=token::COUNT => {
                let path = Path::from_bytes(self.bytes()?);
                let [relation, scope] = self.bytes()?;
                Node::Related(Box::new(Related { op, path, relation, scope, cond: self.pop()? }))
            }
            _ => return Err(malformed()),
        };
        let depth = self.below.saturating_add(1);
        if depth > DEEPEST {
            return Err(Error::new(
                ErrorKind::Usage,
                "a condition or a value is nested more than a thousand levels deep",
            ));
        }
        self.stack.push((node, depth));
        Ok(())
    }
}
