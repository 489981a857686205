//! Models against a real server.

mod errors;
mod models;
mod read;
mod relations;
mod sql;
mod transactions;
mod trips;
mod write;
