//! Replication against a server that decodes its log.

mod changes;
mod commands;
mod cut;
mod dropped;
mod killed;
mod physical;
mod slow;
mod streamed;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stellata_client::Config;
use stellata_client::replication::{LogicalOptions, NewSlot, ReplicationConnection};
use stellata_testkit::{Database, Server, ServerOptions, VERSIONS, skip, with_database_on};

/// What the servers of these tests have in common. A logical slot shows a commit once the log is on disk, so that a client
/// need not wait for the log's writer.
fn options() -> ServerOptions {
    with_settings(ServerOptions::new())
}

fn with_settings(options: ServerOptions) -> ServerOptions {
    options
        .setting("synchronous_commit", "on")
        .setting("max_wal_senders", "40")
        .setting("max_replication_slots", "100")
        .setting("logical_decoding_work_mem", "64kB")
}

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(options()).unwrap())
}

/// That server where it is of this major version or newer, else one of the newest version.
fn server_since(major: u32) -> Option<&'static Server> {
    static NEWEST: OnceLock<Option<Server>> = OnceLock::new();
    if server().version() >= major {
        return Some(server());
    }
    let newest = || Some(Server::start(with_settings(ServerOptions::since(VERSIONS[0])?)).unwrap());
    NEWEST.get_or_init(newest).as_ref().filter(|server| server.version() >= major)
}

/// A name that no other slot of this process has.
pub(crate) fn slot_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("slot_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

async fn connect(url: &str) -> ReplicationConnection {
    ReplicationConnection::connect(&Config::parse(url).unwrap()).await.unwrap()
}

/// A database with a table of notes, all tables published as `everything`.
fn with_notes(test: impl AsyncFnOnce(&Database)) {
    with_notes_on(server(), test);
}

/// The same, for what came with this major version.
fn with_notes_since(major: u32, test: impl AsyncFnOnce(&Database)) {
    match server_since(major) {
        Some(server) => with_notes_on(server, test),
        None => skip(&format!("no PostgreSQL {major} is here: `cargo xtask test` fetches it")),
    }
}

fn with_notes_on(server: &Server, test: impl AsyncFnOnce(&Database)) {
    with_database_on(server, async |database| {
        database.run("create table notes (id int8 primary key, body text)").unwrap();
        database.run("create publication everything for all tables").unwrap();
        test(database).await;
    });
}

/// A connection with a new slot, and what streams from it.
async fn with_slot(database: &Database) -> (ReplicationConnection, LogicalOptions) {
    let mut replication = connect(&database.url()).await;
    let name = slot_name();
    replication.create_slot(&NewSlot::logical(&name)).await.unwrap();
    (replication, LogicalOptions::new(&name, ["everything"]))
}

/// Waits until the server has seen that who used the slots is gone.
async fn released(database: &Database) {
    let active =
        "select count(*) from pg_replication_slots where active and database = current_database()";
    while one(database, active) != "0" {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn one(database: &Database, sql: &str) -> String {
    let rows = database.run(sql).unwrap();
    rows.into_iter().flatten().flatten().next().unwrap_or_default()
}
