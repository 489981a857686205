//! Statements that write: insert, update, delete.

use stellata_protocol::{Oid, Result};

use crate::expr::token;
use crate::identifier::quote;
use crate::model::path::{Path, Root};
use crate::model::table::{ColumnDef, Table};
use crate::render::expression::{Writer, qualified, usage};
use crate::render::name::{bare_type, quote_table};
use crate::render::select::{by_key, columns};
use crate::render::statement::{
    BY_KEY, Conflict, Mask, RETURNING, columns_of, key_columns, malformed,
};
use crate::render::tree::{Node, Statement};

/// The alias of the table that is written to: the first that a [`Writer`] gives.
const TARGET: u16 = 0;

fn definition(table: &'static Table, column: u16) -> Result<&'static ColumnDef> {
    table.columns.get(usize::from(column)).ok_or_else(usage("no such column"))
}

/// Appends the names of columns between commas.
fn names(table: &'static Table, list: impl Iterator<Item = u16>, out: &mut String) -> Result<()> {
    for (index, column) in list.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        quote(definition(table, column)?.name, out);
    }
    Ok(())
}

fn insert_into(table: &'static Table, mask: Mask<'_>) -> Result<String> {
    let mut out = String::from("insert into ");
    quote_table(&mut out, table);
    out.push_str(" as t0");
    if columns_of(mask).next().is_some() {
        out.push_str(" (");
        names(table, columns_of(mask), &mut out)?;
        out.push(')');
    }
    Ok(out)
}

fn returning(table: &'static Table, flags: u8, out: &mut String) -> Result<()> {
    if flags & RETURNING != 0 {
        out.push_str(" returning ");
        columns(table, TARGET, out)?;
    }
    Ok(())
}

/// One new row, with what happens when a row with the same unique key is there.
pub(crate) fn insert(
    table: &'static Table,
    statement: &Statement<'_>,
    flags: u8,
    mask: Mask<'_>,
    conflict: Conflict<'_>,
) -> Result<String> {
    let mut out = insert_into(table, mask)?;
    let count = columns_of(mask).count();
    if count == 0 {
        out.push_str(" default values");
    } else {
        out.push_str(" values (");
        // The clauses of an upsert have the first parameters.
        for index in 0..count {
            if index > 0 {
                out.push_str(", ");
            }
            out.push('$');
            out.push_str(&(usize::from(statement.params) + index + 1).to_string());
        }
        out.push(')');
    }
    let mut writer = Writer::default();
    writer.open(0, table);
    match conflict {
        Conflict::Fail => {}
        Conflict::Nothing { key } => {
            on_conflict(table, key, &mut out)?;
            out.push_str(" do nothing");
        }
        Conflict::UpdateAll { key } => {
            on_conflict(table, key, &mut out)?;
            out.push_str(" do update set ");
            update_all(table, mask, key, &mut out)?;
        }
        Conflict::Update { key } => {
            on_conflict(table, key, &mut out)?;
            out.push_str(" do update set ");
            assignments(&mut writer, table, statement, &mut out)?;
        }
    }
    returning(table, flags, &mut out)?;
    if flags & RETURNING != 0
        && matches!(conflict, Conflict::Update { .. } | Conflict::UpdateAll { .. })
    {
        // A row that was there has been locked by this statement.
        out.push_str(", t0.xmax = 0");
    }
    Ok(out)
}

fn on_conflict(table: &'static Table, key: &[u8], out: &mut String) -> Result<()> {
    out.push_str(" on conflict");
    if !key.is_empty() {
        out.push_str(" (");
        names(table, key_columns(key), out)?;
        out.push(')');
    }
    Ok(())
}

/// Appends an assignment of the new row's value for each column that it sets; where that is the key alone, one that
/// changes nothing, so that the row comes back.
fn update_all(table: &'static Table, mask: Mask<'_>, key: &[u8], out: &mut String) -> Result<()> {
    let in_key = |column: &u16| key_columns(key).any(|part| part == *column);
    let mut set: Vec<u16> = columns_of(mask).filter(|column| !in_key(column)).collect();
    if set.is_empty() {
        set.extend(key_columns(key).take(1));
    }
    for (index, &column) in set.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        let name = definition(table, column)?.name;
        quote(name, out);
        out.push_str(" = excluded.");
        quote(name, out);
    }
    Ok(())
}

/// Many new rows, from an array for each column.
pub(crate) fn unnest(table: &'static Table, flags: u8, mask: Mask<'_>) -> Result<String> {
    let mut out = insert_into(table, mask)?;
    out.push_str(" select * from unnest(");
    for (index, column) in columns_of(mask).enumerate() {
        let column = definition(table, column)?;
        if index > 0 {
            out.push_str(", ");
        }
        out.push('$');
        out.push_str(&(index + 1).to_string());
        if column.oid == Oid::UNSPECIFIED {
            out.push_str("::");
            out.push_str(&bare_type(column.sql_type));
            out.push_str("[]");
        }
    }
    out.push(')');
    returning(table, flags, &mut out)?;
    Ok(out)
}

/// Many new rows, each with columns of its own. `masks` is a mask of `width` bytes for each row.
pub(crate) fn values(
    table: &'static Table,
    flags: u8,
    width: usize,
    masks: &[u8],
) -> Result<String> {
    if width == 0 {
        return Err(malformed());
    }
    let mut union = vec![0_u8; width];
    for mask in masks.chunks_exact(width) {
        union.iter_mut().zip(mask).for_each(|(all, one)| *all |= one);
    }
    if columns_of(&union).next().is_none() {
        // No column is set in any row: name one, so that there is a list to say `default` in.
        if let Some(first) = union.first_mut() {
            *first = 1;
        }
    }
    let mut out = insert_into(table, &union)?;
    out.push_str(" values ");
    let mut number = 0_usize;
    for (row, mask) in masks.chunks_exact(width).enumerate() {
        out.push_str(if row > 0 { ", (" } else { "(" });
        for (index, column) in columns_of(&union).enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            if columns_of(mask).any(|set| set == column) {
                number += 1;
                out.push('$');
                out.push_str(&number.to_string());
            } else {
                out.push_str("default");
            }
        }
        out.push(')');
    }
    returning(table, flags, &mut out)?;
    Ok(out)
}

/// Appends the assignments of a statement between commas.
fn assignments(
    writer: &mut Writer,
    table: &'static Table,
    statement: &Statement<'_>,
    out: &mut String,
) -> Result<()> {
    if statement.assignments.is_empty() {
        return Err(usage("an update sets no column")());
    }
    for (index, (path, column, value)) in statement.assignments.iter().enumerate() {
        if *path != Path::ROOT {
            return Err(usage("an update sets a column of another table than its own")());
        }
        if statement.assignments.iter().take(index).any(|(_, before, _)| before == column) {
            return Err(usage("an update sets a column twice")());
        }
        if index > 0 {
            out.push_str(", ");
        }
        quote(definition(table, *column)?.name, out);
        out.push_str(" = ");
        if is_joined(value) {
            subselect(writer, table, |writer, text| writer.expression(value, text), out)?;
        } else {
            writer.expression(value, out)?;
        }
    }
    Ok(())
}

/// Whether an expression needs other tables joined to the one that is written to.
fn is_joined(node: &Node) -> bool {
    let leads_away = |path: &Path| {
        path.scope_number() == 0 && path.root() == Root::Row && !path.hops().is_empty()
    };
    match node {
        Node::Column { path, .. } => leads_away(path),
        Node::Unary(_, inner) => is_joined(inner),
        Node::Binary(_, left, right) => is_joined(left) || is_joined(right),
        Node::Between(parts) => parts.iter().any(is_joined),
        Node::InList { value, list, .. } => is_joined(value) || list.iter().any(is_joined),
        Node::Call(_, parts) | Node::Joined(_, parts) => parts.iter().any(is_joined),
        Node::Related(related) => leads_away(&related.path) || is_joined(&related.cond),
        _ => false,
    }
}

/// Appends the value that `select` writes, for the row that is written to, with what it needs joined.
fn subselect(
    writer: &mut Writer,
    table: &'static Table,
    select: impl FnOnce(&mut Writer, &mut String) -> Result<()>,
    out: &mut String,
) -> Result<()> {
    let alias = writer.open(0, table);
    let mut text = String::new();
    select(writer, &mut text)?;
    out.push_str("(select ");
    out.push_str(&text);
    out.push_str(" from ");
    writer.close()?.tables(out)?;
    out.push_str(" where ");
    for (index, name) in row_names(table)?.into_iter().enumerate() {
        if index > 0 {
            out.push_str(" and ");
        }
        qualified(alias, name, out)?;
        out.push_str(" = ");
        qualified(TARGET, name, out)?;
    }
    out.push(')');
    Ok(())
}

/// The columns by which a row is told from others.
fn row_names(table: &'static Table) -> Result<Vec<&'static str>> {
    if table.key.is_empty() {
        return Err(usage("a model without a key can't be written by a filter on its relations")());
    }
    table.key.iter().map(|&column| Ok(definition(table, column)?.name)).collect()
}

/// Appends the conditions of an update or delete.
///
/// Conditions on the table itself stand alone, so that the server looks at them again when it had to wait for the row.
/// The others pick rows by key from the table with what they need joined.
fn filter(
    writer: &mut Writer,
    table: &'static Table,
    statement: &Statement<'_>,
    out: &mut String,
) -> Result<()> {
    let mut keyword = " where ";
    for node in statement.filters.iter().filter(|node| !is_joined(node)) {
        out.push_str(keyword);
        keyword = " and ";
        // Binds at least as tightly as `and`: bracketed like the parts of a conjunction.
        let brackets = matches!(node, Node::Joined(token::OR, _));
        out.push_str(if brackets { "(" } else { "" });
        writer.expression(node, out)?;
        out.push_str(if brackets { ")" } else { "" });
    }
    let mut joined = statement.filters.iter().filter(|node| is_joined(node)).peekable();
    if joined.peek().is_none() {
        return Ok(());
    }
    let alias = writer.open(0, table);
    let mut cond = String::new();
    for (index, node) in joined.enumerate() {
        if index > 0 {
            cond.push_str(" and ");
        }
        cond.push('(');
        writer.expression(node, &mut cond)?;
        cond.push(')');
    }
    let scope = writer.close()?;
    out.push_str(keyword);
    let key = row_names(table)?;
    let list = |alias: u16| -> Result<String> {
        let mut list = String::new();
        for (index, name) in key.iter().enumerate() {
            if index > 0 {
                list.push_str(", ");
            }
            qualified(alias, name, &mut list)?;
        }
        Ok(list)
    };
    out.push('(');
    out.push_str(&list(TARGET)?);
    out.push_str(") in (select ");
    out.push_str(&list(alias)?);
    out.push_str(" from ");
    scope.tables(out)?;
    out.push_str(" where ");
    out.push_str(&cond);
    out.push(')');
    Ok(())
}

/// New values for the rows that meet the filters, or for the row with a key.
pub(crate) fn update(
    table: &'static Table,
    statement: &Statement<'_>,
    flags: u8,
) -> Result<String> {
    let mut writer = Writer::default();
    writer.open(0, table);
    let mut out = String::from("update ");
    quote_table(&mut out, table);
    out.push_str(" as t0 set ");
    assignments(&mut writer, table, statement, &mut out)?;
    filter(&mut writer, table, statement, &mut out)?;
    if flags & BY_KEY != 0 {
        out.push_str(if statement.filters.is_empty() { " where " } else { " and " });
        by_key(table, TARGET, statement.params, &mut out)?;
    }
    returning(table, flags, &mut out)?;
    Ok(out)
}

/// New values for all columns but the key, for the row with that key.
pub(crate) fn save(table: &'static Table) -> Result<String> {
    let mut out = String::from("update ");
    quote_table(&mut out, table);
    out.push_str(" as t0 set ");
    let mut number = 0_u16;
    for (column, index) in table.columns.iter().zip(0_u16..) {
        if table.key.contains(&index) {
            continue;
        }
        if number > 0 {
            out.push_str(", ");
        }
        number = number.saturating_add(1);
        quote(column.name, &mut out);
        out.push_str(" = $");
        out.push_str(&number.to_string());
    }
    if number == 0 {
        return Err(usage("a model whose columns are all part of its key can't be saved")());
    }
    out.push_str(" where ");
    by_key(table, TARGET, number, &mut out)?;
    returning(table, RETURNING, &mut out)?;
    Ok(out)
}

/// The rows that meet the filters, or the row with a key, are deleted.
pub(crate) fn delete(
    table: &'static Table,
    statement: &Statement<'_>,
    flags: u8,
) -> Result<String> {
    let mut writer = Writer::default();
    writer.open(0, table);
    let mut out = String::from("delete from ");
    quote_table(&mut out, table);
    out.push_str(" as t0");
    filter(&mut writer, table, statement, &mut out)?;
    if flags & BY_KEY != 0 {
        out.push_str(if statement.filters.is_empty() { " where " } else { " and " });
        by_key(table, TARGET, statement.params, &mut out)?;
    }
    returning(table, flags, &mut out)?;
    Ok(out)
}
