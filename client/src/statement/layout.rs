//! What the rows of a statement are read with, apart from its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use stellata_protocol::{FieldDescription, Oid};

/// The columns of a statement, shared with answers of it that are read elsewhere.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) fields: Box<[FieldDescription]>,
    pub(crate) column_types: Box<[Oid]>,
    /// The row type that the columns were checked against last, as the address of its check.
    pub(crate) checked: AtomicUsize,
    /// Its answers don't belong on a shared connection: they are large, or of types that are not known.
    pub(crate) unfit: AtomicBool,
}

impl Layout {
    pub(crate) fn new(fields: &[FieldDescription], column_types: &[Oid]) -> Arc<Self> {
        Arc::new(Self {
            fields: fields.into(),
            column_types: column_types.into(),
            checked: AtomicUsize::new(0),
            unfit: AtomicBool::new(false),
        })
    }
}
