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
//! The modules below stand in the order of their imports: each uses only those above it.

mod error;
mod token;
mod config;
mod socket;
mod statement;
mod connection;

pub use config::{Config, Host};
pub use connection::{Completion, Connection, SimpleResult, Ticket};
pub use error::{Error, ErrorKind, Result};
pub use statement::{Statement, StatementKey};
pub use stellata_protocol::auth::{
    AuthMethod, BearerToken, RequireAuth, RequireAuthError, TokenChallenge,
};
pub use stellata_protocol::message::{Notification, ServerError, Severity, TransactionStatus};
pub use stellata_protocol::{
    ColumnError, Columns, Expect, FromRow, IntoParams, Limits, Params, SqlState,
};
pub use token::TokenRequest;
