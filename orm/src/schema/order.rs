//! The order in which tables can be made, and the foreign keys that have to wait.

use std::ptr;

use crate::model::table::{RelationDef, RelationKind, Table};

/// A foreign key: the table that holds it, and the relation it serves.
pub(super) type ForeignKey = (&'static Table, &'static RelationDef);

/// Tables in dependency order.
pub(super) struct Ordered {
    /// Each table with the foreign keys that can be made together with it: to tables before it, or to itself.
    pub(super) tables: Vec<(&'static Table, Vec<&'static RelationDef>)>,
    /// Foreign keys that close a circle, to be added when all tables are there.
    pub(super) late: Vec<ForeignKey>,
}

/// Orders tables so that each comes after those it refers to; what they refer to beside them is taken to be there. The
/// same input gives the same order.
pub(super) fn order(tables: &[&'static Table]) -> Ordered {
    let mut ordered = Ordered { tables: Vec::with_capacity(tables.len()), late: Vec::new() };
    let mut entered = Vec::with_capacity(tables.len());
    for table in tables {
        visit(table, tables, &mut entered, &mut ordered);
    }
    ordered
}

fn visit(
    table: &'static Table,
    tables: &[&'static Table],
    entered: &mut Vec<&'static Table>,
    ordered: &mut Ordered,
) {
    if contains(entered, table) || !contains(tables, table) {
        return;
    }
    entered.push(table);
    for relation in foreign_keys(table) {
        visit((relation.target)(), tables, entered, ordered);
    }
    let mut inline = Vec::new();
    for relation in foreign_keys(table) {
        let target = (relation.target)();
        let made = ordered.tables.iter().any(|(other, _)| ptr::eq(*other, target));
        if made || ptr::eq(target, table) || !contains(tables, target) {
            inline.push(relation);
        } else {
            ordered.late.push((table, relation));
        }
    }
    ordered.tables.push((table, inline));
}

pub(super) fn contains(tables: &[&'static Table], table: &'static Table) -> bool {
    tables.iter().any(|other| ptr::eq(*other, table))
}

/// The relations of a table that are kept by a foreign key. Two relations that would make the same key count once.
pub(super) fn foreign_keys(table: &'static Table) -> Vec<&'static RelationDef> {
    let mut keys: Vec<&'static RelationDef> = Vec::new();
    for relation in table.relations {
        let kept = relation.kind == RelationKind::BelongsTo && relation.constraint.is_some();
        if kept && !keys.iter().any(|other| same_key(other, relation)) {
            keys.push(relation);
        }
    }
    keys
}

fn same_key(left: &RelationDef, right: &RelationDef) -> bool {
    ptr::eq((left.target)(), (right.target)())
        && (left.columns)() == (right.columns)()
        && (left.target_columns)() == (right.target_columns)()
        && left.constraint == right.constraint
}
