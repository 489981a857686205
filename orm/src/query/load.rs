//! Relation graphs: rows and all that is loaded along with them, in one flush.
//!
//! Each statement returns its rows and hands their keys over to the statements of its relations inside the server, so
//! that none of them waits for an answer. Here the rows are then given to the rows that they belong to.

use std::collections::HashMap;
use std::hash::Hash;

use stellata_protocol::{ColumnError, Columns, Error as WireError, ErrorKind as WireKind, Oid};

use crate::error::{Error, Result};
use crate::executor::{Check, Collect, Item, Source, run_batch};
use crate::expr::fragment::Fragment;
use crate::model::table::Table;
use crate::relation::branch::{Branch, Branches};
use crate::relation::keys::{KeyHash, Keys, are_integers};
use crate::relation::rows::Rows;
use crate::render::statement::{Kind, LIMIT};

/// A statement of the graph: one relation.
struct Step {
    /// The table that has the relation, and the relation's index there.
    table: &'static Table,
    relation: u8,
    /// The step whose rows have the relation; `None` for the query's own.
    parent: Option<usize>,
    fragment: Fragment,
    rows: fn() -> Box<dyn Rows>,
    check: Check,
}

impl Step {
    /// The table whose rows it loads.
    fn target(&self) -> Option<&'static Table> {
        let relation = self.table.relations.get(usize::from(self.relation))?;
        Some((relation.target)())
    }
}

/// The relations of a query in the order in which their statements are sent: each behind the one that it depends on.
#[derive(Default)]
pub(crate) struct Graph {
    steps: Vec<Step>,
}

impl Graph {
    /// Lays the branches out; returns also what the query's own statement hands over.
    pub(crate) fn new(branches: Branches) -> stellata_protocol::Result<(Self, Vec<u8>)> {
        let mut graph = Self::default();
        let stores = graph.add(None, branches.0)?;
        Ok((graph, stores))
    }

    /// Whether no relations are loaded.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds the relations of the rows of `parent`; returns what its statement hands over.
    fn add(
        &mut self,
        parent: Option<usize>,
        branches: Vec<Branch>,
    ) -> stellata_protocol::Result<Vec<u8>> {
        let mut stores = Vec::with_capacity(branches.len() * 2);
        for branch in branches {
            if !branch.path.hops().is_empty() {
                return Err(WireError::new(
                    WireKind::Usage,
                    "a relation of a relation is loaded by `.include(..)` of the first",
                ));
            }
            let slot = u8::try_from(self.steps.len()).map_err(|_| {
                WireError::new(WireKind::TooLarge, "a query loads more than 256 relations")
            })?;
            stores.extend([branch.relation, slot]);
            let at = self.steps.len();
            self.steps.push(Step {
                table: branch.table,
                relation: branch.relation,
                parent,
                fragment: branch.stream,
                rows: branch.rows,
                check: branch.expect,
            });
            let stores = self.add(Some(at), branch.children)?;
            let mut flags = 0;
            if let Some(step) = self.steps.get_mut(at) {
                if let Some(limit) = branch.limit {
                    flags = LIMIT;
                    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                    step.fragment.params_mut().push_as(Oid::INT8, &limit)?;
                }
                let (relation, scope) = (branch.relation, branch.scope);
                Kind::Child { relation, slot, scope, flags, stores: &stores }
                    .write(&mut step.fragment);
            }
        }
        Ok(stores)
    }

    /// Runs the query's own statement and those of all relations in one flush, and gives each row its relations.
    pub(crate) async fn run(
        &self,
        source: Source<'_>,
        table: &'static Table,
        fragment: &Fragment,
        check: Check,
        roots: &mut dyn Rows,
    ) -> Result<()> {
        source.has_all(std::iter::once(table).chain(self.steps.iter().filter_map(Step::target)))?;
        let mut items = Vec::with_capacity(self.steps.len() + 1);
        items.push(Item { table, fragment, check });
        items.extend(self.steps.iter().map(|step| Item {
            table: step.table,
            fragment: &step.fragment,
            check: step.check,
        }));
        let sets = self.steps.iter().map(|step| (step.rows)()).collect();
        let mut loaded = Loaded { roots, sets };
        run_batch(source, &items, &mut loaded).await?;
        self.attach(loaded.roots, loaded.sets)
    }

    /// Gives the rows to those that they belong to, the deepest first, so that a row is whole before it is given away.
    fn attach(&self, roots: &mut dyn Rows, mut sets: Vec<Box<dyn Rows>>) -> Result<()> {
        for (at, step) in self.steps.iter().enumerate().rev() {
            // A step stands behind its parent: those before it are still to be given away.
            let (before, own) = sets.split_at_mut(at);
            let Some(children) = own.first_mut() else { continue };
            match step.parent {
                None => give(roots, &mut **children, step)?,
                Some(parent) => {
                    if let Some(parents) = before.get_mut(parent) {
                        give(&mut **parents, &mut **children, step)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The rows of all statements of a graph.
struct Loaded<'r> {
    roots: &'r mut dyn Rows,
    sets: Vec<Box<dyn Rows>>,
}

impl Collect for Loaded<'_> {
    fn row(&mut self, statement: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        match statement.checked_sub(1) {
            None => self.roots.read(columns),
            Some(step) => match self.sets.get_mut(step) {
                Some(set) => set.read(columns),
                None => Ok(()),
            },
        }
    }

    fn restart(&mut self) {
        self.roots.clear();
        self.sets.iter_mut().for_each(|set| set.clear());
    }
}

/// Gives each parent the children whose key is its own.
fn give(parents: &mut dyn Rows, children: &mut dyn Rows, step: &Step) -> Result<()> {
    let Some(relation) = step.table.relations.get(usize::from(step.relation)) else {
        return Ok(());
    };
    let (columns, target_columns) = ((relation.columns)(), (relation.target_columns)());
    let integers =
        are_integers(step.table, columns) && are_integers((relation.target)(), target_columns);
    let child_keys = children.keys(target_columns, integers).map_err(Error::usage)?;
    let parent_keys = parents.keys(columns, integers).map_err(Error::usage)?;
    match (parent_keys, child_keys) {
        (Keys::Integers(parent_keys), Keys::Integers(child_keys)) => {
            let key_of = |keys: &[Option<i64>], row: usize| keys.get(row).copied().flatten();
            let parent_key = |row| key_of(&parent_keys, row);
            give_by(parents, children, step, parent_key, |row| key_of(&child_keys, row));
        }
        (Keys::Bytes(parent_keys), Keys::Bytes(child_keys)) => {
            let parent_key = |row| parent_keys.get(row);
            give_by(parents, children, step, parent_key, |row| child_keys.get(row));
        }
        // Both were asked for in the same form.
        _ => {}
    }
    Ok(())
}

/// [`give`], by the keys of the rows.
fn give_by<K: Copy + Eq + Hash>(
    parents: &mut dyn Rows,
    children: &mut dyn Rows,
    step: &Step,
    parent_key: impl Fn(usize) -> Option<K>,
    child_key: impl Fn(usize) -> Option<K>,
) {
    // The children of each key are a chain through `next`, in the order in which they came.
    let mut next: Vec<u32> = vec![NONE; children.len()];
    // There are no more keys among the children than there are parents, or else children.
    let keys = children.len().min(parents.len());
    let mut places: HashMap<K, usize, KeyHash> =
        HashMap::with_capacity_and_hasher(keys, KeyHash::new());
    let mut chains: Vec<Chain> = Vec::with_capacity(keys);
    // Children of one row often stand together: they need no look-up.
    let mut last: Option<(K, usize)> = None;
    for (row, place) in (0..children.len()).zip(0_u32..) {
        let Some(key) = child_key(row) else { continue };
        let at = match last {
            Some((before, at)) if before == key => at,
            _ => *places.entry(key).or_insert(chains.len()),
        };
        last = Some((key, at));
        match chains.get_mut(at) {
            None => chains.push(Chain { first: place, last: place }),
            Some(chain) => {
                if let Some(link) = next.get_mut(chain.last as usize) {
                    *link = place;
                }
                chain.last = place;
            }
        }
    }
    // Where the parents' side is no key, several parents may have the same children.
    let shared = step
        .table
        .relations
        .get(usize::from(step.relation))
        .is_none_or(|relation| !step.table.is_unique((relation.columns)()));
    let mut picks = Vec::new();
    for row in 0..parents.len() {
        picks.clear();
        let place = parent_key(row).and_then(|key| places.get(&key));
        let mut at = place.and_then(|&at| chains.get(at)).map_or(NONE, |chain| chain.first);
        while at != NONE {
            picks.push(at);
            at = next.get(at as usize).copied().unwrap_or(NONE);
        }
        if let Some(slot) = parents.slot(row, step.relation) {
            slot.fill(children.as_any(), &picks, shared);
        }
    }
}

/// No row.
const NONE: u32 = u32::MAX;

/// The first and the last row of a key.
struct Chain {
    first: u32,
    last: u32,
}
