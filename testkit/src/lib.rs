//! What the tests of stellata stand on: a throwaway PostgreSQL server, a fresh database for each
//! test, a standby and a pooler to go with it, a proxy that delays, counts, records and cuts, a
//! server that plays scripts, and streams that fail when they are told to.
//!
//! ```no_run
//! use stellata_testkit::Database;
//!
//! #[stellata_testkit::test]
//! async fn a_table_is_there(database: &Database) {
//!     database.run("create table t (n int)").unwrap();
//!     // ... let the client under test connect to `database.url()`
//! }
//! # fn main() {}
//! ```
//!
//! The shared server is started by the first test of a process that wants it, or is the one that
//! `DATABASE_URL` names. Whatever is started here is stopped and removed when the process ends,
//! even if it is killed. The testkit uses none of the crates it tests.
//!
//! Unix only: elsewhere the crate is empty.
#![cfg(unix)]

mod certificates;
mod roles;
mod bouncer;
mod cluster;
mod database;
mod endpoint;
mod sentinel;
mod error;
mod journal;
mod kept;
mod pipe;
mod proxy;
mod run;
mod scripted;
mod search;
mod server;
mod shelf;
mod skip;
pub mod sql;
mod unique;

pub use bouncer::{Bouncer, BouncerOptions};
pub use certificates::{Authority, Certificate, KeyKind, Leaf, Validity};
pub use cluster::Cluster;
pub use database::Database;
pub use endpoint::{Endpoint, Host};
pub use error::Error;
pub use journal::begin as keep_journal;
pub use pipe::{Fault, Operation, Operations, Pipe, PipeControl};
pub use proxy::{Counts, Cut, Direction, Ending, Proxy, Recording, Sent};
pub use roles::{MD5_USER, PASSWORD, PASSWORD_USER, SCRAM_USER};
pub use run::{
    LIMIT, run, run_within, with_database, with_database_on, with_database_since, within,
};
pub use scripted::{Column, Reply, Request, ScramServer, Script, ScriptedServer};
pub use search::{Leak, Told};
pub use sentinel::{MARKER, SECRET};
pub use server::{Server, ServerOptions, Shutdown, VERSIONS};
pub use skip::skip;
pub use stellata_testkit_macros::test;
