//! Expressions as SQL text, and the tables that they need.

use std::fmt::Write as _;

use stellata_protocol::quote;
use stellata_protocol::{Error, ErrorKind, Oid, Result};

use crate::expr::token;
use crate::model::path::{Path, Root};
use crate::model::table::{ColumnDef, RelationDef, RelationKind, Table};
use crate::render::name::{bare_type, quote_table};
use crate::render::tree::{Node, Related};

/// How tightly an operator binds, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Is,
    Comparison,
    Pattern,
    Sum,
    Product,
    Sign,
    Atom,
}

/// A select, or the part of another statement that has rows: its table, and what is joined to it.
pub(crate) struct Scope {
    /// The number by which paths call it.
    number: u8,
    table: &'static Table,
    alias: u16,
    joins: Vec<Join>,
}

/// A to-one relation that is joined in.
struct Join {
    /// The whole way from the scope's table.
    hops: Vec<u8>,
    relation: &'static RelationDef,
    from_table: &'static Table,
    from: u16,
    table: &'static Table,
    alias: u16,
}

/// Turns expressions into text. Tables that are found to be needed on the way are kept with their scope.
#[derive(Default)]
pub(crate) struct Writer {
    scopes: Vec<Scope>,
    aliases: u16,
}

impl Writer {
    /// Opens a scope; returns its table's alias.
    pub(crate) fn open(&mut self, number: u8, table: &'static Table) -> u16 {
        let alias = self.alias();
        self.scopes.push(Scope { number, table, alias, joins: Vec::new() });
        alias
    }

    /// Closes the innermost scope.
    pub(crate) fn close(&mut self) -> Result<Scope> {
        self.scopes.pop().ok_or_else(usage("a scope was closed twice"))
    }

    fn alias(&mut self) -> u16 {
        let alias = self.aliases;
        self.aliases = alias.saturating_add(1);
        alias
    }

    /// Appends a condition list, joined by `and`; nothing when it is empty.
    pub(crate) fn conjunction(&mut self, nodes: &[Node], out: &mut String) -> Result<()> {
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                out.push_str(" and ");
            }
            self.write(node, if nodes.len() > 1 { Level::And } else { Level::Or }, out)?;
        }
        Ok(())
    }

    /// Appends an expression.
    pub(crate) fn expression(&mut self, node: &Node, out: &mut String) -> Result<()> {
        self.write(node, Level::Or, out)
    }

    /// Appends an expression, in brackets if it binds more loosely than `at_least`.
    fn write(&mut self, node: &Node, at_least: Level, out: &mut String) -> Result<()> {
        let brackets = level(node) < at_least;
        if brackets {
            out.push('(');
        }
        self.bare(node, out)?;
        if brackets {
            out.push(')');
        }
        Ok(())
    }

    fn bare(&mut self, node: &Node, out: &mut String) -> Result<()> {
        match node {
            Node::Column { path, index } => self.column(*path, *index, out),
            Node::Param(number) | Node::Array(number, _) => {
                write!(out, "${number}").map_err(|_| too_long())
            }
            Node::Null => push(out, "null"),
            Node::True => push(out, "true"),
            Node::False => push(out, "false"),
            Node::Unary(op, inner) => self.unary(*op, inner, out),
            Node::Binary(op @ (token::IN | token::NOT_IN), value, array) => {
                self.within(*op, value, array, out)
            }
            Node::Binary(op, left, right) => self.binary(*op, left, right, out),
            Node::Joined(op, parts) => {
                let (text, at_least) = match *op {
                    token::AND => (" and ", Level::And),
                    _ => (" or ", Level::Or),
                };
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        out.push_str(text);
                    }
                    self.write(part, at_least, out)?;
                }
                Ok(())
            }
            Node::Between(parts) => {
                let [value, low, high] = &**parts;
                self.write(value, Level::Sum, out)?;
                out.push_str(" between ");
                self.write(low, Level::Sum, out)?;
                out.push_str(" and ");
                self.write(high, Level::Sum, out)
            }
            Node::InList { value, list, negated } => {
                self.write(value, Level::Sum, out)?;
                out.push_str(if *negated { " not in (" } else { " in (" });
                self.list(list, out)
            }
            Node::Call(name, arguments) => {
                out.push_str(name);
                out.push('(');
                self.list(arguments, out)
            }
            Node::Related(related) => self.related(related, out),
        }
    }

    /// Appends expressions between commas, and the closing bracket.
    fn list(&mut self, nodes: &[Node], out: &mut String) -> Result<()> {
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.write(node, Level::Or, out)?;
        }
        push(out, ")")
    }

    fn unary(&mut self, op: u8, inner: &Node, out: &mut String) -> Result<()> {
        match op {
            token::NOT => {
                out.push_str("not ");
                self.write(inner, Level::Not, out)
            }
            token::NEGATE => {
                out.push('-');
                self.write(inner, Level::Atom, out)
            }
            _ => {
                self.write(inner, Level::Atom, out)?;
                push(
                    out,
                    match op {
                        token::IS_NULL => " is null",
                        token::IS_NOT_NULL => " is not null",
                        _ => " is not true",
                    },
                )
            }
        }
    }

    fn binary(&mut self, op: u8, left: &Node, right: &Node, out: &mut String) -> Result<()> {
        let (text, at_left, at_right) = match op {
            token::EQ => (" = ", Level::Pattern, Level::Pattern),
            token::NE => (" <> ", Level::Pattern, Level::Pattern),
            token::LT => (" < ", Level::Pattern, Level::Pattern),
            token::LE => (" <= ", Level::Pattern, Level::Pattern),
            token::GT => (" > ", Level::Pattern, Level::Pattern),
            token::GE => (" >= ", Level::Pattern, Level::Pattern),
            token::DISTINCT => (" is distinct from ", Level::Sum, Level::Sum),
            token::NOT_DISTINCT => (" is not distinct from ", Level::Sum, Level::Sum),
            token::LIKE => (" like ", Level::Sum, Level::Sum),
            token::ILIKE => (" ilike ", Level::Sum, Level::Sum),
            token::MATCH => (" ~ ", Level::Sum, Level::Sum),
            token::IMATCH => (" ~* ", Level::Sum, Level::Sum),
            token::ADD => (" + ", Level::Sum, Level::Product),
            token::SUB => (" - ", Level::Sum, Level::Product),
            token::MUL => (" * ", Level::Product, Level::Sign),
            _ => (" / ", Level::Product, Level::Sign),
        };
        self.write(left, at_left, out)?;
        out.push_str(text);
        self.write(right, at_right, out)?;
        if let (Node::Column { path, index }, Node::Param(_)) = (left, right)
            && matches!(op, token::EQ..=token::NOT_DISTINCT)
        {
            let column = self.definition(*path, *index)?;
            if is_own(column) {
                out.push_str("::");
                out.push_str(&bare_type(column.sql_type));
            }
        }
        Ok(())
    }

    /// `= any($1)` or `<> all($1)`, with a cast where the array's type is not the column's.
    fn within(&mut self, op: u8, value: &Node, array: &Node, out: &mut String) -> Result<()> {
        self.write(value, Level::Pattern, out)?;
        out.push_str(if op == token::IN { " = any(" } else { " <> all(" });
        self.bare(array, out)?;
        if let (Node::Column { path, index }, Node::Array(_, element)) = (value, array) {
            let column = self.definition(*path, *index)?;
            if needs_cast(column.oid, *element) || is_own(column) {
                out.push_str("::");
                out.push_str(&bare_type(column.sql_type));
                out.push_str("[]");
            }
        }
        push(out, ")")
    }

    fn related(&mut self, related: &Related, out: &mut String) -> Result<()> {
        let (outer, table) = self.resolve(related.path)?;
        let relation = relation_of(table, related.relation)?;
        let inner = self.open(related.scope, (relation.target)());
        let mut cond = String::new();
        on(relation, table, outer, inner, &mut cond)?;
        if !matches!(related.cond, Node::True) {
            cond.push_str(" and ");
            self.write(&related.cond, Level::And, &mut cond)?;
        }
        let scope = self.close()?;
        out.push_str(match related.op {
            token::ANY => "exists (select from ",
            token::NONE => "not exists (select from ",
            _ => "(select count(*) from ",
        });
        scope.tables(out)?;
        out.push_str(" where ");
        out.push_str(&cond);
        push(out, ")")
    }

    fn column(&mut self, path: Path, index: u16, out: &mut String) -> Result<()> {
        if path.root() == Root::Excluded {
            let table = self.scopes.first().map(|scope| scope.table);
            let column = table.and_then(|table| table.columns.get(usize::from(index)));
            out.push_str("excluded.");
            quote::push_identifier(column.ok_or_else(usage("no such column"))?.name, out);
            return Ok(());
        }
        let (alias, table) = self.resolve(path)?;
        let column = table.columns.get(usize::from(index)).ok_or_else(usage("no such column"))?;
        qualified(alias, column.name, out)
    }

    fn definition(&mut self, path: Path, index: u16) -> Result<&'static ColumnDef> {
        let (_, table) = self.resolve(path)?;
        table.columns.get(usize::from(index)).ok_or_else(usage("no such column"))
    }

    /// The alias and table at the end of a path. What lies on the way is joined in, once for each way.
    fn resolve(&mut self, path: Path) -> Result<(u16, &'static Table)> {
        if path.is_too_long() {
            return Err(Error::new(
                ErrorKind::Usage,
                "a query goes more than five to-one relations in one direction",
            ));
        }
        let number = path.scope_number();
        let found = self.scopes.iter().rposition(|scope| scope.number == number);
        let at = found.ok_or_else(usage(
            "a condition speaks of rows that are not part of its query: of a relation that is loaded along, \
             only its own rows and what they lead to",
        ))?;
        let (mut alias, mut table) =
            self.scopes.get(at).map(|scope| (scope.alias, scope.table)).ok_or_else(too_long)?;
        for (index, &hop) in path.hops().iter().enumerate() {
            let hops = path.hops().get(..=index).ok_or_else(too_long)?;
            let relation = relation_of(table, hop)?;
            if relation.kind == RelationKind::HasMany {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "a path leads through a to-many relation",
                ));
            }
            let from_table = std::mem::replace(&mut table, (relation.target)());
            let fresh = self.aliases;
            let scope = self.scopes.get_mut(at).ok_or_else(too_long)?;
            alias = match scope.joins.iter().find(|join| join.hops == hops) {
                Some(join) => join.alias,
                None => {
                    scope.joins.push(Join {
                        hops: hops.to_vec(),
                        relation,
                        from_table,
                        from: alias,
                        table,
                        alias: fresh,
                    });
                    self.aliases = fresh.saturating_add(1);
                    fresh
                }
            };
        }
        Ok((alias, table))
    }
}

impl Scope {
    /// Appends the table and what is joined to it, as it stands behind `from`.
    pub(crate) fn tables(&self, out: &mut String) -> Result<()> {
        quote_table(out, self.table);
        write!(out, " as t{}", self.alias).map_err(|_| too_long())?;
        self.joined(out)
    }

    /// Appends what is joined to the table.
    pub(crate) fn joined(&self, out: &mut String) -> Result<()> {
        for join in &self.joins {
            out.push_str(" left join ");
            quote_table(out, join.table);
            write!(out, " as t{} on ", join.alias).map_err(|_| too_long())?;
            on(join.relation, join.from_table, join.from, join.alias, out)?;
        }
        Ok(())
    }
}

/// Whether a column is of a type that the program declares itself: only those have quoted names. The server takes a composite
/// beside one for an anonymous record, which it can't read, unless it is told.
fn is_own(column: &ColumnDef) -> bool {
    column.oid == Oid::UNSPECIFIED && column.sql_type.starts_with('"')
}

/// Whether an array of `element`s must be cast to be held against a column of the type `oid`.
fn needs_cast(oid: Oid, element: Oid) -> bool {
    oid != element && !(element == Oid::TEXT && oid == Oid::VARCHAR)
}

/// Appends `t0."name"`.
pub(crate) fn qualified(alias: u16, name: &str, out: &mut String) -> Result<()> {
    write!(out, "t{alias}.").map_err(|_| too_long())?;
    quote::push_identifier(name, out);
    Ok(())
}

/// The relation at an index.
pub(crate) fn relation_of(table: &'static Table, index: u8) -> Result<&'static RelationDef> {
    table.relations.get(usize::from(index)).ok_or_else(usage("no such relation"))
}

/// The columns of a relation's two sides, in pairs: this table's and the other's.
pub(crate) fn sides(
    relation: &'static RelationDef,
    table: &'static Table,
) -> Result<Vec<(&'static ColumnDef, &'static ColumnDef)>> {
    let other = (relation.target)();
    (relation.columns)()
        .iter()
        .zip((relation.target_columns)())
        .map(|(&here, &there)| {
            let here = table.columns.get(usize::from(here));
            here.zip(other.columns.get(usize::from(there))).ok_or_else(usage("no such column"))
        })
        .collect()
}

/// Appends the condition that ties a relation's two sides.
fn on(
    relation: &'static RelationDef,
    table: &'static Table,
    from: u16,
    to: u16,
    out: &mut String,
) -> Result<()> {
    for (index, (here, there)) in sides(relation, table)?.into_iter().enumerate() {
        if index > 0 {
            out.push_str(" and ");
        }
        qualified(to, there.name, out)?;
        out.push_str(" = ");
        qualified(from, here.name, out)?;
    }
    Ok(())
}

fn push(out: &mut String, text: &str) -> Result<()> {
    out.push_str(text);
    Ok(())
}

fn level(node: &Node) -> Level {
    match node {
        Node::Binary(op, ..) => match *op {
            token::DISTINCT | token::NOT_DISTINCT => Level::Is,
            token::LIKE | token::ILIKE | token::MATCH | token::IMATCH => Level::Pattern,
            token::ADD | token::SUB => Level::Sum,
            token::MUL | token::DIV => Level::Product,
            _ => Level::Comparison,
        },
        Node::Joined(token::AND, _) => Level::And,
        Node::Joined(..) => Level::Or,
        Node::Unary(op, _) => match *op {
            token::NOT => Level::Not,
            token::NEGATE => Level::Sign,
            _ => Level::Is,
        },
        Node::Between(_) | Node::InList { .. } => Level::Pattern,
        Node::Related(related) if related.op == token::NONE => Level::Not,
        _ => Level::Atom,
    }
}

#[cold]
fn too_long() -> Error {
    Error::new(ErrorKind::Usage, "a statement could not be written")
}

/// An error to be made when it is wanted.
pub(crate) fn usage(message: &'static str) -> impl FnOnce() -> Error {
    move || Error::new(ErrorKind::Usage, message)
}
