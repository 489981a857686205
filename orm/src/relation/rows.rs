//! Rows whose relations are being loaded, and the rows that they are given.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use stellata_protocol::{ColumnError, Columns, Result};

use crate::model::Model;
use crate::model::slot::Slot;
use crate::relation::keys::Keys;

/// Rows whose relations are being loaded.
pub(crate) trait Rows: Send {
    fn len(&self) -> usize;

    /// The values of `columns` in each row, see [`Keys::of`].
    fn keys(&self, columns: &[u16], integers: bool) -> Result<Keys>;

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

    fn keys(&self, columns: &[u16], integers: bool) -> Result<Keys> {
        Keys::of(self.len(), self.iter().map(Some), columns, integers)
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
    /// In pieces of [`PIECE`], so that rows are not copied while their number grows.
    rows: Vec<Vec<Child<M>>>,
    /// The lists that several rows have, by their first row.
    lists: HashMap<u32, Arc<Vec<M>>>,
}

/// How many rows there are in each piece but the last.
const PIECE: usize = 256;

enum Child<M> {
    Row(M),
    Shared(Arc<M>),
    Taken,
}

impl<M: Model> Children<M> {
    pub(crate) fn boxed() -> Box<dyn Rows> {
        Box::new(Self { rows: Vec::new(), lists: HashMap::new() })
    }

    #[inline]
    fn child_mut(&mut self, index: usize) -> Option<&mut Child<M>> {
        self.rows.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    /// Takes a row out.
    pub(crate) fn take(&mut self, index: u32) -> Option<M> {
        let child = self.child_mut(usize::try_from(index).ok()?)?;
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
        let child = self.child_mut(usize::try_from(index).ok()?)?;
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
        let full = self.rows.len().saturating_sub(1).saturating_mul(PIECE);
        self.rows.last().map_or(0, |last| full.saturating_add(last.len()))
    }

    fn keys(&self, columns: &[u16], integers: bool) -> Result<Keys> {
        let rows = self.rows.iter().flatten().map(|child| match child {
            Child::Row(row) => Some(row),
            Child::Shared(_) | Child::Taken => None,
        });
        Keys::of(self.len(), rows, columns, integers)
    }

    fn slot(&mut self, index: usize, relation: u8) -> Option<&mut dyn Slot> {
        match self.child_mut(index)? {
            Child::Row(row) => row.relation_mut(relation),
            _ => None,
        }
    }

    fn read(&mut self, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        let row = Child::Row(M::from_columns(columns)?);
        match self.rows.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(row),
            last => {
                // The first grows as it must: most relations have few rows.
                let mut piece = Vec::with_capacity(if last.is_some() { PIECE } else { 0 });
                piece.push(row);
                self.rows.push(piece);
            }
        }
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
