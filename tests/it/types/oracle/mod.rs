//! The server as the oracle of every type: of each literal in `tests/data/types` it tells the binary form and how it
//! prints; what our Rust types read from that form must print the same, and what they write must be the same bytes, or
//! come back from the server as the same value.

#![allow(clippy::print_stdout, reason = "the number of cases is part of what the tests tell")]

mod literals;
mod print;
mod learned;
mod own;
mod table;

use stellata_testkit::{Server, VERSIONS, skip, with_database_on};

use super::extension::server_with;
use learned::Oracle;

/// The literals there must be.
const LEAST: usize = 900;

fn hold_all_types_against(server: &Server) {
    with_database_on(server, async |database| {
        let mut oracle = Oracle::connect(database).await;
        table::every_type(&mut oracle).await;
        let tally = oracle.finish().await;
        println!("oracle: PostgreSQL {}: {tally}", server.version());
        assert!(tally.faults.is_empty(), "\n{}", tally.faults.join("\n"));
        assert!(tally.literals >= LEAST, "{tally}");
        assert!(tally.texts >= LEAST, "{tally}");
    });
}

#[test]
fn every_type_is_read_and_written_as_the_server_does() {
    hold_all_types_against(Server::shared().unwrap());
}

#[test]
fn every_type_is_read_and_written_as_the_newest_server_does() {
    let newest = VERSIONS[VERSIONS.len() - 1];
    if Server::shared().unwrap().version() == newest {
        return;
    }
    match Server::of_version(newest).unwrap() {
        Some(server) => hold_all_types_against(server),
        None => skip(&format!("PostgreSQL {newest} is not here: `cargo xtask test` fetches it")),
    }
}

#[test]
fn vectors_are_read_and_written_as_pgvector_does() {
    let Some(server) = server_with("vector") else { return };
    with_database_on(server, async |database| {
        let mut oracle = Oracle::connect(database).await;
        table::vectors(&mut oracle).await;
        let tally = oracle.finish().await;
        println!("oracle: pgvector on PostgreSQL {}: {tally}", server.version());
        assert!(tally.faults.is_empty(), "\n{}", tally.faults.join("\n"));
        assert!(tally.literals >= 40, "{tally}");
    });
}
