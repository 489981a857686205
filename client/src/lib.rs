//! One asynchronous connection to a PostgreSQL server.
//!
//! The caller's own task writes and reads the socket: no task stands between, no lock, no channel. Any future may be
//! dropped at any time; the connection knows what the server still owes and passes over it.
//!
//! ```no_run
//! # async fn example() -> Result<(), stellata_client::Error> {
//! use stellata_client::{Config, Connection};
//!
//! let config = Config::parse("postgres://me@localhost/music")?;
//! let mut connection = Connection::connect(&config).await?;
//! let titles: Vec<(i32, String)> =
//!     connection.query("select id, title from albums where id > $1", (10,)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! `tls` (default) encrypts connections by rustls: see [`TlsSettings`]. Its cryptography comes from `ring` (default) or
//! from `aws-lc-rs`, and without either from the provider that the process has installed. Without `tls` the client
//! connects in plain, and [`SslMode::Require`] and better are errors. `chrono`, `uuid`, `rust_decimal` and `serde_json`
//! (default) read and write the types of these crates.
//!
//! `stream` (default) gives rows as a `Stream`. `tracing` tells tracers of statements and of slow ones: see
//! `Config::with_tracing`.
//!
//! The modules below stand in the order of their imports: each uses only those above it.

mod error;
mod plain;
mod platform;
mod tls;
mod token;
mod types;
mod hooks;
mod config;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(not(feature = "tracing"))]
mod untraced;
mod socket;
mod statement;
mod settings;
mod connection;
mod copy;
mod large_object;
mod lock;
mod reconnect;
mod listen;
pub mod replication;

#[cfg(feature = "tracing")]
pub use config::TraceOptions;
pub use config::{
    Config, Endpoint, Environment, Host, Keepalive, LoadBalanceHosts, PasswordRequest, PhaseLimits,
    Process, ProtocolVersion, TargetSessionAttrs,
};
#[cfg(feature = "stream")]
pub use connection::RowStream;
pub use connection::{
    Answers, Batch, CancelHandle, ColumnIndex, Completion, Connection, Lane, LaneEvent, LaneTicket,
    LimitedRows, Plan, Portal, QueryOptions, Row, Rows, SimpleResult, StatementCounts, Ticket,
    Unread, With,
};
pub use copy::{
    CopyFormat, CopyHeader, CopyIn, CopyOptions, CopyOut, CopyProgress, CopyReader, CopyRowWriter,
    CopyRows, CopyTable, CopyWriter,
};
pub use error::{Error, ErrorKind, Result};
pub use large_object::{LargeObject, LargeObjectMode, LargeObjectStream};
pub use listen::{ListenEvent, Listener, ListenerOptions};
pub use lock::{AdvisoryLock, LockKey, LockMode};
pub use reconnect::{Backoff, Reconnecting};
pub use settings::Settings;
pub use statement::{Statement, StatementKey};
pub use stellata_protocol::auth::{
    AuthMethod, BearerToken, ChannelBindingPolicy, RequireAuth, RequireAuthError, TokenChallenge,
};
pub use stellata_protocol::copy::{CopyFields, CopyRow};
pub use stellata_protocol::message::{Notification, ServerError, Severity, TransactionStatus};
pub use stellata_protocol::{
    ColumnError, Columns, Expect, FieldDescription, FromRow, IntoParams, Limits, Oid, Params,
    SqlState, TypeKind, UserType,
};
pub use tls::{
    Pem, RootCertificates, SslCertMode, SslMode, SslNegotiation, TlsSettings, TlsVersion,
};
pub use token::TokenRequest;

/// The examples of the guide are tests.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/copy.md")]
    mod copy {}
    #[cfg(feature = "serde_json")]
    #[doc = include_str!("../../docs/guide/notifications.md")]
    mod notifications {}
    #[doc = include_str!("../../docs/guide/replication.md")]
    mod replication {}
}
