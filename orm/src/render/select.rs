//! Statements that read: rows, their count, whether there are any, and the rows of relations.

use std::fmt::Write as _;

use stellata_protocol::Result;
use stellata_protocol::quote;

use crate::expr::order::{DESCENDING, NULLS_FIRST, NULLS_LAST};
use crate::model::table::{ColumnDef, RelationKind, Table};
use crate::render::expression::{Writer, qualified, relation_of, sides, usage};
use crate::render::name::bare_type;
use crate::render::statement::{LIMIT, OFFSET, Stores};
use crate::render::tree::{Node, Statement};

/// What a select takes from its statement.
struct Select<'s> {
    table: &'static Table,
    /// The number by which conditions call the table.
    scope: u8,
    statement: &'s Statement<'s>,
    flags: u8,
}

/// The clauses of a select as text.
struct Clauses {
    alias: u16,
    /// `from ..` with joins.
    from: String,
    /// Conditions, joined by `and`; empty for none.
    filter: String,
    /// Sort keys between commas; empty for none.
    order: String,
}

impl Select<'_> {
    fn clauses(&self, writer: &mut Writer) -> Result<Clauses> {
        let alias = writer.open(self.scope, self.table);
        let mut filter = String::new();
        writer.conjunction(&self.statement.filters, &mut filter)?;
        let mut order = String::new();
        for (index, (key, flags)) in self.statement.order.iter().enumerate() {
            if index > 0 {
                order.push_str(", ");
            }
            sort_key(writer, key, *flags, &mut order)?;
        }
        let mut from = String::from(" from ");
        writer.close()?.tables(&mut from)?;
        Ok(Clauses { alias, from, filter, order })
    }

    /// Appends `limit` and `offset`, whose parameters stand behind those of the clauses.
    fn bounds(&self, out: &mut String) {
        let mut next = self.statement.params;
        for (flag, word) in [(LIMIT, "limit"), (OFFSET, "offset")] {
            if self.flags & flag != 0 {
                next = next.saturating_add(1);
                write(out, format_args!(" {word} ${next}"));
            }
        }
    }
}

/// Appends what can't fail: the sink is a string.
fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Appends a sort key and its direction.
fn sort_key(writer: &mut Writer, key: &Node, flags: u8, out: &mut String) -> Result<()> {
    writer.expression(key, out)?;
    if flags & DESCENDING != 0 {
        out.push_str(" desc");
    }
    if flags & NULLS_FIRST != 0 {
        out.push_str(" nulls first");
    }
    if flags & NULLS_LAST != 0 {
        out.push_str(" nulls last");
    }
    Ok(())
}

/// Appends a clause behind its keyword, if there is one.
fn clause(out: &mut String, keyword: &str, text: &str) {
    if !text.is_empty() {
        write(out, format_args!(" {keyword} {text}"));
    }
}

/// Appends all columns of a table between commas.
pub(crate) fn columns(table: &Table, alias: u16, out: &mut String) -> Result<()> {
    for (index, column) in table.columns.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        qualified(alias, column.name, out)?;
    }
    Ok(())
}

/// The rows that meet the filters.
pub(crate) fn rows(
    table: &'static Table,
    statement: &Statement<'_>,
    flags: u8,
    stores: Stores<'_>,
) -> Result<String> {
    let select = Select { table, scope: 0, statement, flags };
    let clauses = select.clauses(&mut Writer::default())?;
    let mut out = String::from("select ");
    columns(table, clauses.alias, &mut out)?;
    out.push_str(&clauses.from);
    clause(&mut out, "where", &clauses.filter);
    clause(&mut out, "order by", &clauses.order);
    select.bounds(&mut out);
    hand_over(table, stores, out)
}

/// How many rows there are.
pub(crate) fn count(table: &'static Table, statement: &Statement<'_>, flags: u8) -> Result<String> {
    let select = Select { table, scope: 0, statement, flags };
    let clauses = select.clauses(&mut Writer::default())?;
    let mut out = String::from("select count(*)");
    if flags == 0 {
        out.push_str(&clauses.from);
        clause(&mut out, "where", &clauses.filter);
        return Ok(out);
    }
    out.push_str(" from (select");
    out.push_str(&clauses.from);
    clause(&mut out, "where", &clauses.filter);
    select.bounds(&mut out);
    out.push_str(") as r");
    Ok(out)
}

/// Whether there are rows.
pub(crate) fn exists(
    table: &'static Table,
    statement: &Statement<'_>,
    flags: u8,
) -> Result<String> {
    let select = Select { table, scope: 0, statement, flags };
    let clauses = select.clauses(&mut Writer::default())?;
    let mut out = String::from("select exists (select");
    out.push_str(&clauses.from);
    clause(&mut out, "where", &clauses.filter);
    select.bounds(&mut out);
    out.push(')');
    Ok(out)
}

/// The row with a key.
pub(crate) fn get(table: &'static Table) -> Result<String> {
    let mut writer = Writer::default();
    let alias = writer.open(0, table);
    let mut out = String::from("select ");
    columns(table, alias, &mut out)?;
    out.push_str(" from ");
    writer.close()?.tables(&mut out)?;
    out.push_str(" where ");
    by_key(table, alias, 0, &mut out)?;
    Ok(out)
}

/// Appends the condition that names one row by its key, whose parts are the parameters after the first `before`.
pub(crate) fn by_key(
    table: &'static Table,
    alias: u16,
    before: u16,
    out: &mut String,
) -> Result<()> {
    if table.key.is_empty() {
        return Err(usage("a model without a key has no row by key")());
    }
    for (index, (&column, number)) in table.key.iter().zip(1_u16..).enumerate() {
        if index > 0 {
            out.push_str(" and ");
        }
        let column = table.columns.get(usize::from(column)).ok_or_else(usage("no such column"))?;
        qualified(alias, column.name, out)?;
        write(out, format_args!(" = ${}", before.saturating_add(number)));
    }
    Ok(())
}

/// The rows of a relation for the keys that were handed over.
pub(crate) fn child(
    parent: &'static Table,
    statement: &Statement<'_>,
    relation: u8,
    slot: u8,
    scope: u8,
    flags: u8,
    stores: Stores<'_>,
) -> Result<String> {
    let relation = relation_of(parent, relation)?;
    let table = (relation.target)();
    let select = Select { table, scope, statement, flags };
    let mut clauses = select.clauses(&mut Writer::default())?;
    if clauses.order.is_empty() {
        for (index, &(column, descending)) in (relation.order)().iter().enumerate() {
            if index > 0 {
                clauses.order.push_str(", ");
            }
            let column =
                table.columns.get(usize::from(column)).ok_or_else(usage("no such column"))?;
            qualified(clauses.alias, column.name, &mut clauses.order)?;
            if descending {
                clauses.order.push_str(" desc");
            }
        }
    }
    let pairs = sides(relation, parent)?;
    let mut key = String::new();
    for (index, (_, there)) in pairs.iter().enumerate() {
        if index > 0 {
            key.push_str(", ");
        }
        qualified(clauses.alias, there.name, &mut key)?;
    }
    let mut filter = handed_over(&key, &pairs, slot);
    if !clauses.filter.is_empty() {
        filter.push_str(" and ");
        if statement.filters.len() > 1 {
            filter.push_str(&clauses.filter);
        } else {
            write(&mut filter, format_args!("({})", clauses.filter));
        }
    }
    let mut out = String::from("select ");
    if flags & LIMIT == 0 {
        columns(table, clauses.alias, &mut out)?;
        out.push_str(&clauses.from);
        clause(&mut out, "where", &filter);
        clause(&mut out, "order by", &clauses.order);
        return hand_over(table, stores, out);
    }
    for (index, column) in table.columns.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str("n.");
        quote::push_identifier(column.name, &mut out);
    }
    out.push_str(" from (select ");
    columns(table, clauses.alias, &mut out)?;
    write(&mut out, format_args!(", row_number() over (partition by {key}"));
    clause(&mut out, "order by", &clauses.order);
    out.push_str(") as \"stellata.n\"");
    out.push_str(&clauses.from);
    clause(&mut out, "where", &filter);
    write(
        &mut out,
        format_args!(
            ") as n where n.\"stellata.n\" <= ${} order by n.\"stellata.n\"",
            statement.params.saturating_add(1)
        ),
    );
    hand_over(table, stores, out)
}

/// The condition that `key` is among those that were handed over in a slot.
fn handed_over(key: &str, pairs: &[(&ColumnDef, &ColumnDef)], slot: u8) -> String {
    if let [(here, _)] = pairs {
        let (name, of) = (setting(slot, 0), bare_type(here.sql_type));
        return format!(
            "{key} = any((select pg_catalog.current_setting('{name}')::{of}[])::{of}[])"
        );
    }
    let arrays: Vec<String> = pairs
        .iter()
        .enumerate()
        .map(|(index, (here, _))| {
            let (name, of) = (setting(slot, index), bare_type(here.sql_type));
            format!("(select pg_catalog.current_setting('{name}')::{of}[])")
        })
        .collect();
    format!("({key}) in (select * from unnest({}))", arrays.join(", "))
}

/// The setting in which a slot's keys travel, one for each column of the key.
fn setting(slot: u8, column: usize) -> String {
    format!("stellata.k{slot}_{column}")
}

/// Makes a select hand the keys of its rows over to the statements that load its relations.
///
/// The keys are put into settings that live as long as the transaction, by a condition that is looked at once, whether
/// there are rows or not. What reads a materialised query keeps the order of its rows.
fn hand_over(table: &'static Table, stores: Stores<'_>, select: String) -> Result<String> {
    if stores.is_empty() {
        return Ok(select);
    }
    let mut out = format!("with r as materialized ({select}) select ");
    for (index, column) in table.columns.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str("r.");
        quote::push_identifier(column.name, &mut out);
    }
    out.push_str(" from r where (select ");
    for (store, [relation, slot]) in stores.as_chunks::<2>().0.iter().enumerate() {
        let relation = relation_of(table, *relation)?;
        let pairs = sides(relation, table)?;
        let names: Vec<String> = pairs
            .iter()
            .map(|(here, _)| {
                let mut name = String::from("r.");
                quote::push_identifier(here.name, &mut name);
                name
            })
            .collect();
        let present: Vec<String> = names.iter().map(|name| format!("{name} is not null")).collect();
        // Many rows may point to the same one; keys of several columns stay in pairs.
        let shared = relation.kind == RelationKind::BelongsTo && names.len() == 1;
        for (column, name) in names.iter().enumerate() {
            if store > 0 || column > 0 {
                out.push_str(" and ");
            }
            write(
                &mut out,
                format_args!(
                    "pg_catalog.set_config('{setting}', coalesce(array_agg({distinct}{name}) \
                     filter (where {present}), '{{}}')::text, true) is not null",
                    setting = setting(*slot, column),
                    distinct = if shared { "distinct " } else { "" },
                    present = present.join(" and "),
                ),
            );
        }
    }
    out.push_str(" from r)");
    Ok(out)
}
