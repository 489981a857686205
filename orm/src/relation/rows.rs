//! Rows whose relations are being loaded, and the rows that they are given.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use stellata_protocol::{Buffer, ColumnError, Columns, Result};

use crate::model::Model;
use crate::model::slot::Slot;

/// Rows whose relations are being loaded.
pub(crate) trait Rows: Send {
    fn len(&self) -> usize;

    /// Appends the values of `columns` in the row at `index`.
    fn write_key(&self, index: usize, columns: &[u16], out: &mut Buffer) -> Result<()>;

    /// The field of a relation in the row at `index`.
    fn slot(&mut self, index: usize, relation: u8) -> Option<&mut dyn Slot>;

    /// Reads one row more.
    fn read(&mut self, columns: &mut Columns<'_>) -> Result<(), ColumnError>;

    /// Forgets all rows.
    fn clear(&mut self);

    fn as_any(&mut self) -> &mut dyn Any;
}

impl<M: Model> Rows for Vec<M> {
    fn len(&self) -> usize {
        self.len()
    }

    fn write_key(&self, index: usize, columns: &[u16], out: &mut Buffer) -> Result<()> {
        match self.get(index) {
            Some(row) => columns.iter().try_for_each(|&column| row.write_column(column, out)),
            None => Ok(()),
        }
    }

    fn slot(&mut self, index: usize, relation: u8) -> Option<&mut dyn Slot> {
        self.get_mut(index)?.relation_mut(relation)
    }

    fn read(&mut self, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        self.push(M::from_columns(columns)?);
        Ok(())
    }

    fn clear(&mut self) {
        self.clear();
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// The rows that a relation leads to, before they are given to the rows that they belong to.
pub(crate) struct Children<M> {
    rows: Vec<Child<M>>,
    /// The lists that several rows have, by their first row.
    lists: HashMap<u32, Arc<Vec<M>>>,
}

enum Child<M> {
    Row(M),
    Shared(Arc<M>),
    Taken,
}

impl<M: Model> Children<M> {
    pub(crate) fn boxed() -> Box<dyn Rows> {
        Box::new(Self { rows: Vec::new(), lists: HashMap::new() })
    }

    /// Takes a row out.
    pub(crate) fn take(&mut self, index: u32) -> Option<M> {
        let child = self.rows.get_mut(usize::try_from(index).ok()?)?;
        match std::mem::replace(child, Child::Taken) {
            Child::Row(row) => Some(row),
            other => {
                *child = other;
                None
            }
        }
    }

    /// Takes rows out.
    pub(crate) fn take_all(&mut self, picks: &[u32]) -> Vec<M> {
        let mut taken = Vec::with_capacity(picks.len());
        taken.extend(picks.iter().filter_map(|&pick| self.take(pick)));
        taken
    }

    /// A further owner of a list of rows. Two lists are the same or have no row in common.
    pub(crate) fn share_all(&mut self, picks: &[u32]) -> Arc<Vec<M>> {
        let Some(&first) = picks.first() else { return Arc::default() };
        if let Some(list) = self.lists.get(&first) {
            return Arc::clone(list);
        }
        let list = Arc::new(self.take_all(picks));
        self.lists.insert(first, Arc::clone(&list));
        list
    }

    /// A further owner of a row.
    pub(crate) fn share(&mut self, index: u32) -> Option<Arc<M>> {
        let child = self.rows.get_mut(usize::try_from(index).ok()?)?;
        let shared = match std::mem::replace(child, Child::Taken) {
            Child::Row(row) => Arc::new(row),
            Child::Shared(row) => row,
            Child::Taken => return None,
        };
        *child = Child::Shared(Arc::clone(&shared));
        Some(shared)
    }
}

impl<M: Model> Rows for Children<M> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn write_key(&self, index: usize, columns: &[u16], out: &mut Buffer) -> Result<()> {
        match self.rows.get(index) {
            Some(Child::Row(row)) => {
                columns.iter().try_for_each(|&column| row.write_column(column, out))
            }
            _ => Ok(()),
        }
    }

    fn slot(&mut self, index: usize, relation: u8) -> Option<&mut dyn Slot> {
        match self.rows.get_mut(index)? {
            Child::Row(row) => row.relation_mut(relation),
            _ => None,
        }
    }

    fn read(&mut self, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        self.rows.push(Child::Row(M::from_columns(columns)?));
        Ok(())
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.lists.clear();
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
