//! Statements on a cluster: on which server each runs, and what rides along with it.

mod writes;
mod run;

use stellata_pool::Cluster;

pub(crate) use run::{Asked, Once, PLACE, Take, read_place, run, run_one, settle};
pub(crate) use writes::Writes;

/// How a statement finds its server.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    pub(crate) cluster: &'a Cluster,
    /// Whether reads may go to replicas.
    pub(crate) spreads: bool,
    /// Whether the statement does nothing but read.
    pub(crate) reads: bool,
    /// What a replica must have to be read from.
    pub(crate) writes: Option<&'a Writes>,
}

impl<'a> Route<'a> {
    pub(crate) const fn new(cluster: &'a Cluster, spreads: bool) -> Self {
        Self { cluster, spreads, reads: false, writes: None }
    }

    /// The same for a statement that does nothing but read.
    #[must_use]
    pub(crate) const fn reading(self) -> Self {
        Self { reads: true, ..self }
    }
}
