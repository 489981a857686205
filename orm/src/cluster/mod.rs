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
    /// What a replica must have to be read from.
    pub(crate) writes: Option<&'a Writes>,
}

/// Which servers of a cluster a statement may run on. It stands beside the [`Route`], not in it: every word of a source is
/// moved with every statement.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Whether reads may go to replicas.
    pub(crate) spreads: bool,
    /// Whether the statement does nothing but read.
    pub(crate) reads: bool,
}
