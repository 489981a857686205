//! Models against a real server.

mod codecs;
mod conditions;
mod constraints;
pub(crate) mod dropped;
mod errors;
mod joins;
mod keys;
mod lent;
mod models;
mod named;
mod read;
mod relations;
mod held_connections;
mod settings;
mod shown;
mod sql;
mod tables;
mod transactions;
mod trips;
mod values;
mod ways;
mod write;
