//! What a primary and a standby, or a subscriber, say to each other inside a replication stream (manual: "Streaming
//! Replication Protocol", "Logical Streaming Replication Protocol").
//!
//! After `START_REPLICATION` both sides send CopyData messages. What stands in them is here in two layers: the messages of
//! the stream itself ([`PrimaryMessage`], [`StandbyMessage`]), and for logical replication with the plugin `pgoutput` the
//! changes that [`XLogData`] carries ([`pgoutput`]).
//!
//! Everything is read in place, without allocation, and can be written too: a test is made of the server's side.

mod lsn;
mod timestamp;
mod xid;
mod stream;
pub mod pgoutput;

pub use lsn::Lsn;
pub use stream::{
    HotStandbyFeedback, Keepalive, PrimaryMessage, StandbyMessage, StandbyStatus, XLogData,
};
pub use timestamp::Timestamp;
pub use xid::Xid;
