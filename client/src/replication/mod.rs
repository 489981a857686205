//! Replication: slots, changes as a stream, and the log itself (manual: "Streaming Replication Protocol", "Logical Decoding").
//!
//! A [`ReplicationConnection`] runs the commands of the replication protocol. [`ReplicationConnection::start_logical`] turns
//! it into a [`LogicalStream`] of what was committed, [`ReplicationConnection::start_physical`] into a [`PhysicalStream`] of
//! the log's bytes.
//!
//! ```no_run
//! # async fn example() -> Result<(), stellata_client::Error> {
//! use stellata_client::Config;
//! use stellata_client::replication::{Event, LogicalOptions, NewSlot, ReplicationConnection};
//!
//! let config = Config::parse("postgres://me@localhost/shop")?;
//! let mut replication = ReplicationConnection::connect(&config).await?;
//! replication.create_slot(&NewSlot::logical("followers")).await?;
//! let options = LogicalOptions::new("followers", ["all_tables"]);
//! let mut stream = replication.start_logical(&options).await?;
//! while let Some(message) = stream.next().await? {
//!     match message.event {
//!         Event::Insert(insert) => println!("{}: {}", insert.new.relation(), insert.new.get::<i64>("id")?),
//!         Event::Commit(commit) => stream.confirm(commit.end_lsn),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is never lost, and what may come twice
//! A slot keeps what has not been confirmed. After any end of the connection, whoever was killed, a new stream begins at the
//! position that was confirmed last, so that **every committed transaction comes at least once**. One that was received and
//! not yet confirmed, or of which the confirmation was lost, comes again. Transactions come in the order of their commits, so
//! that a repeat is told by its position: keep the [`end_lsn`](pgoutput::Commit::end_lsn) of the last commit together with
//! what it has changed, in one transaction where you can, and pass over every transaction whose commit ends at or before it.
//! Or begin the stream there, by [`LogicalOptions::from`]: the server passes over it then.
//!
//! # Who drives
//! The task that polls the stream does: it reads, answers the server's keepalives and reports positions, each time it calls
//! `next`, and while that waits. There is no task behind it. A server that hears nothing for `wal_sender_timeout` (60 s) ends
//! the stream; so where handling one change may take longer than half of that, let the stream look after the connection
//! meanwhile: [`LogicalStream::tend`]. Nothing is read then, so that a slow consumer holds the server back and no memory
//! grows.

mod command;
mod progress;
mod stream;
mod row;
mod relations;
mod event;
mod logical;
mod physical;

use std::time::Duration;

use crate::config::Config;
use crate::connection::{Connection, SimpleResult};
use crate::error::{Error, ErrorKind, Result};

pub use command::{
    CreatedSlot, LogicalOptions, NewSlot, Origins, PhysicalOptions, SlotChange, SlotPosition,
    Snapshot, StreamingMode, SystemIdentity, TimelineHistory,
};
pub use event::{Delete, Event, Insert, LogicalMessage, OldRow, Truncate, Update};
pub use logical::LogicalStream;
pub use physical::{NextTimeline, PhysicalStream, WalData};
pub use relations::Relations;
pub use row::{Relation, RelationColumn, Row};
pub use stellata_protocol::replication::pgoutput;
pub use stellata_protocol::replication::{Lsn, Timestamp, Xid};

use crate::replication::command::{cell, number, position, single_row};

/// A connection that speaks the replication protocol.
///
/// The user needs the attribute REPLICATION, and the server `wal_level = logical` for logical replication. A pooler does not
/// pass this on: connect to the server itself.
#[derive(Debug)]
pub struct ReplicationConnection {
    connection: Connection,
}

impl ReplicationConnection {
    /// Connects to the configuration's database, for logical and physical replication and for SQL. (A `replication` that the
    /// configuration names itself counts.)
    ///
    /// # Errors
    /// As [`Connection::connect`].
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed.
    pub async fn connect(config: &Config) -> Result<Self> {
        if config.replication().is_some() {
            return Ok(Self { connection: Connection::connect(config).await? });
        }
        let config = config.clone().with_replication("database");
        Ok(Self { connection: Connection::connect(&config).await? })
    }

    /// Connects to no database, for physical replication alone, which may be all that the server lets this user do.
    ///
    /// # Errors
    /// As [`Connection::connect`].
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed.
    pub async fn connect_physical(config: &Config) -> Result<Self> {
        let config = config.clone().with_replication("true");
        Ok(Self { connection: Connection::connect(&config).await? })
    }

    /// Says who the server is and where its log ends (`IDENTIFY_SYSTEM`).
    ///
    /// # Errors
    /// [`ErrorKind::Server`], [`ErrorKind::Protocol`] for an answer that is none, or what breaks the connection.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity> {
        let row = single_row(self.run("IDENTIFY_SYSTEM").await?)?;
        Ok(SystemIdentity {
            system_id: cell(&row, 0)?.to_owned(),
            timeline: number(cell(&row, 1)?)?,
            position: position(cell(&row, 2)?)?,
            database: row.get(3).cloned().flatten(),
        })
    }

    /// The history of a timeline: from where it goes back to which (`TIMELINE_HISTORY`). The first has none.
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`].
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<TimelineHistory> {
        let row = single_row(self.run(&format!("TIMELINE_HISTORY {timeline}")).await?)?;
        Ok(TimelineHistory {
            file_name: cell(&row, 0)?.to_owned(),
            content: cell(&row, 1)?.to_owned(),
        })
    }

    /// A setting of the server (`SHOW`).
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`].
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub async fn show(&mut self, setting: &str) -> Result<String> {
        let name = stellata_protocol::quote::identifier(setting).map_err(Error::encode)?;
        let row = single_row(self.run(&format!("SHOW {name}")).await?)?;
        Ok(cell(&row, 0)?.to_owned())
    }

    /// Runs SQL, all values as text (manual: "In walsender mode only the simple query protocol can be used"): to make a
    /// publication, or to read tables in the snapshot of a new slot.
    ///
    /// # Errors
    /// As [`Connection::simple`].
    ///
    /// # Cancel safety
    /// As [`Connection::simple`].
    pub async fn simple(&mut self, sql: &str) -> Result<Vec<SimpleResult>> {
        self.connection.simple(sql).await
    }

    /// Makes a slot (`CREATE_REPLICATION_SLOT`). That of a logical slot waits for all transactions to end that were open
    /// before.
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`]; 42710 where the slot is there already, 53400 where there are
    /// `max_replication_slots`. [`ErrorKind::Encode`] for a name that the server would cut off.
    ///
    /// # Cancel safety
    /// When the future is dropped the slot may be made all the same; the connection stays usable.
    pub async fn create_slot(&mut self, slot: &NewSlot) -> Result<CreatedSlot> {
        let row = single_row(self.run(&slot.command()?).await?)?;
        Ok(CreatedSlot {
            name: cell(&row, 0)?.to_owned(),
            consistent_point: position(cell(&row, 1)?)?,
            snapshot: row.get(2).cloned().flatten(),
            plugin: row.get(3).cloned().flatten(),
        })
    }

    /// From where a physical slot keeps the log (`READ_REPLICATION_SLOT`, since server 15); `None` where there is no such slot.
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`]; 0A000 for a logical slot.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub async fn read_slot(&mut self, name: &str) -> Result<Option<SlotPosition>> {
        let name = command::name(name)?;
        let row = single_row(self.run(&format!("READ_REPLICATION_SLOT {name}")).await?)?;
        if row.first().is_none_or(Option::is_none) {
            return Ok(None);
        }
        let keeps = match row.get(1).and_then(Option::as_deref) {
            Some(text) => Some((position(text)?, number(cell(&row, 2)?)?)),
            None => None,
        };
        Ok(Some(SlotPosition { kind: cell(&row, 0)?.to_owned(), keeps }))
    }

    /// Changes a logical slot that nobody uses (`ALTER_REPLICATION_SLOT`, since server 17).
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`]; 42601 where the server does not know the command or one of the options,
    /// 55006 while somebody streams from the slot, 42704 where there is no such slot.
    ///
    /// # Cancel safety
    /// When the future is dropped the slot may be changed all the same; the connection stays usable.
    pub async fn alter_slot(&mut self, name: &str, change: &SlotChange) -> Result<()> {
        self.run(&change.command(name)?).await?;
        Ok(())
    }

    /// Drops a slot (`DROP_REPLICATION_SLOT`). With `wait` it waits until nobody uses it any more; else that is an error
    /// (55006).
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`]; 42704 where there is no such slot.
    ///
    /// # Cancel safety
    /// When the future is dropped the slot may be dropped all the same; the connection stays usable.
    pub async fn drop_slot(&mut self, name: &str, wait: bool) -> Result<()> {
        let name = command::name(name)?;
        let wait = if wait { " WAIT" } else { "" };
        self.run(&format!("DROP_REPLICATION_SLOT {name}{wait}")).await?;
        Ok(())
    }

    /// Begins to stream what a slot's publications tell, by the plugin `pgoutput` (`START_REPLICATION .. LOGICAL`).
    ///
    /// Servers stream changes once in a connection: they end a second logical stream as soon as it begins, which is an error
    /// of its `next`. Commands, SQL and physical streams go on as before; connect anew for another logical stream.
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`]; 55006 while another connection streams from the slot, which after a
    /// kill may last until the server has noticed; 42704 where there is no such slot. [`ErrorKind::Usage`] for options that
    /// ask for more than the protocol version has.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub async fn start_logical(&mut self, options: &LogicalOptions) -> Result<LogicalStream<'_>> {
        LogicalStream::start(&mut self.connection, options).await
    }

    /// Begins to stream the log itself (`START_REPLICATION .. PHYSICAL`).
    ///
    /// # Errors
    /// As [`ReplicationConnection::identify_system`]; 58P01 where that part of the log is gone.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection stays usable.
    pub async fn start_physical(
        &mut self,
        options: &PhysicalOptions,
    ) -> Result<PhysicalStream<'_>> {
        PhysicalStream::start(&mut self.connection, options).await
    }

    /// Reads and passes over what the server still sends of a stream or a command that was given up.
    ///
    /// # Errors
    /// As [`Connection::drain`].
    ///
    /// # Cancel safety
    /// It can be called again.
    pub async fn drain(&mut self, limit: Duration) -> Result<()> {
        self.connection.drain(limit).await
    }

    /// Whether the connection can't be used any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// The process that serves this session.
    #[must_use]
    pub fn process_id(&self) -> Option<i32> {
        self.connection.process_id()
    }

    /// How much memory the read and write buffers hold, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.connection.buffered()
    }

    /// Says goodbye to the server and closes the connection, as [`Connection::close`].
    ///
    /// # Cancel safety
    /// When the future is dropped the socket is closed without the goodbye.
    pub async fn close(self) {
        self.connection.close().await;
    }

    async fn run(&mut self, command: &str) -> Result<Vec<SimpleResult>> {
        self.connection.simple(command).await
    }
}

/// What a server of the replication protocol says that can't be.
#[cold]
fn malformed(message: &str) -> Error {
    Error::new(ErrorKind::Protocol, message)
}
