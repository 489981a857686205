//! Follows the tour's tables: prints every change of them as it is committed, by logical replication.
//!
//! `cargo run -p stellata-examples --example cdc` runs it against a throwaway server. One half writes through models, the
//! other follows, loses its connection in between, and goes on where it was.

#![allow(clippy::print_stdout, reason = "it is a program to be looked at")]

#[path = "tour/data.rs"]
#[allow(dead_code, reason = "not all of the tour's data is loaded here")]
mod data;
#[path = "tour/models.rs"]
#[allow(dead_code, reason = "not all of the tour's models are used here")]
mod models;

use std::error::Error;
use std::time::Duration;

use stellata::prelude::*;
use stellata_client::Config;
use stellata_client::replication::pgoutput::TupleValue;
use stellata_client::replication::{
    Event, LogicalOptions, Lsn, NewSlot, ReplicationConnection, Row,
};
use stellata_testkit::{Database, Server, ServerOptions};

use crate::models::{Airline, Flight, Visit};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // A slot shows a commit once the log is on disk.
    let server = Server::start(ServerOptions::new().setting("synchronous_commit", "on"))?;
    let database = Database::create(&server)?;
    let config = Config::parse(&database.url())?;
    let db = Db::connect(&database.url()).await?;
    db.create_all(&Schema::new().model::<Flight>().model::<Visit>()).await?;
    Airline::insert_many(data::load(false)?.airlines).exec(&db).await?;
    database.run("create publication tour for all tables")?;

    let mut replication = ReplicationConnection::connect(&config).await?;
    let slot = replication.create_slot(&NewSlot::logical("cdc")).await?;
    println!("The slot `{}` begins at {}.", slot.name, slot.consistent_point);
    replication.close().await;

    let mut copy = Copy::default();
    let (written, followed) = tokio::join!(write(&db, &database), copy.follow(&config));
    written?;
    followed?;
    println!("{} transactions, {} of them came again.", copy.transactions, copy.repeats);
    // A slot keeps the log until it is dropped.
    let mut replication = ReplicationConnection::connect(&config).await?;
    replication.drop_slot("cdc", true).await?;
    replication.close().await;
    Ok(())
}

/// Changes some rows.
async fn write(db: &Db, database: &Database) -> Result<()> {
    let mut visit = new!(Visit { board: "JFK departures", hits: 1 }).insert(db).await?;
    visit.update(|v| v.hits.set(v.hits + 10), db).await?;
    let undone: stellata::Result<()> = db
        .transaction(async |tx| {
            new!(Visit { board: "nobody will see this", hits: 1 }).insert(tx).await?;
            new!(Visit { board: "JFK departures", hits: 1 }).insert(tx).await?;
            Ok(())
        })
        .await;
    println!("A transaction that failed tells nothing: {}", undone.is_err());
    // Whoever follows is thrown out, and comes back.
    let kill = "select pg_terminate_backend(active_pid) from pg_replication_slots
                where active_pid is not null";
    while database.run(kill)?.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    db.transaction(async |tx| {
        Airline::query()
            .filter(|a| a.carrier.eq("AA"))
            .update(|a| a.name.set("American"))
            .exec(tx)
            .await?;
        visit.delete(tx).await?;
        Ok::<_, stellata::Error>(())
    })
    .await?;
    database
        .run("truncate airlines cascade; select pg_logical_emit_message(true, 'cdc', 'end')")?;
    Ok(())
}

/// What a consumer keeps: in earnest on its disk, together with what it makes of the changes.
#[derive(Default)]
struct Copy {
    position: Lsn,
    transactions: u32,
    repeats: u32,
}

impl Copy {
    /// Follows the slot until the writer says that it has done, by as many connections as it takes.
    async fn follow(&mut self, config: &Config) -> Result<()> {
        loop {
            match self.follow_once(config).await {
                Ok(()) => return Ok(()),
                // The connection broke, or the server has not noticed yet that the one before did.
                Err(error) if error.is_fatal() || error.sqlstate().is_some() => {
                    println!("-- {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn follow_once(&mut self, config: &Config) -> Result<(), stellata_client::Error> {
        let mut replication = ReplicationConnection::connect(config).await?;
        let options = LogicalOptions::new("cdc", ["tour"]).with_messages();
        let mut stream = replication.start_logical(&options).await?;
        let (mut repeated, mut done) = (false, false);
        while let Some(message) = stream.next().await? {
            match message.event {
                Event::Begin(begin) => {
                    // The commit stands before its end, at which the position is.
                    repeated = begin.final_lsn < self.position;
                    if !repeated {
                        println!("transaction {} at {}", begin.xid, begin.final_lsn);
                    }
                }
                Event::Commit(commit) => {
                    if repeated {
                        self.repeats += 1;
                    } else {
                        self.transactions += 1;
                        self.position = commit.end_lsn;
                    }
                    stream.confirm(commit.end_lsn);
                    if done {
                        return stream.finish().await;
                    }
                }
                Event::Message(message) => done |= message.content == b"end",
                event if !repeated => show(event),
                _ => {}
            }
        }
        Ok(())
    }
}

fn show(event: Event<'_>) {
    match event {
        Event::Insert(insert) => println!("  + {}", row(insert.new)),
        Event::Update(update) => println!("  ~ {}", row(update.new)),
        Event::Delete(delete) => println!("  - {}", row(delete.old.row())),
        Event::Truncate(truncate) => {
            let names: Vec<String> = truncate.relations().map(ToString::to_string).collect();
            println!("  0 {}", names.join(", "));
        }
        _ => {}
    }
}

/// A row's texts and lengths, whatever its table.
fn row(row: Row<'_>) -> String {
    let mut shown = row.relation().to_string();
    for (column, value) in row.values() {
        let value = match value {
            TupleValue::Null => continue,
            TupleValue::Unchanged => "(unchanged)".to_owned(),
            _ => row
                .get::<String>(&column.name)
                .or_else(|_| row.get::<i64>(&column.name).map(|number| number.to_string()))
                .or_else(|_| row.get::<i32>(&column.name).map(|number| number.to_string()))
                .unwrap_or_else(|_| "..".to_owned()),
        };
        shown.push_str(&format!(" {}={value}", column.name));
    }
    shown
}
