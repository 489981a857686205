//! What the measured program, its stage and the criterion benches share: the tables and the workloads over them.
//!
//! The workloads are named as in `docs/performance.md`. Each is a function over one connection, written as a user would
//! write it; whoever measures decides how often it runs.

pub mod client;
pub mod model;
pub mod schema;
