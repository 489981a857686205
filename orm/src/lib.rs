//! stellata: models, queries and relations over a PostgreSQL stack written from the wire up.
//!
//! ```no_run
//! use stellata::prelude::*;
//!
//! #[derive(Model, Debug)]
//! struct Album {
//!     #[model(key, identity)]
//!     id: Id<Album>,
//!     title: String,
//!     released: Option<i32>,
//!     #[model(has_many = Track::album_id, order = position)]
//!     tracks: HasMany<Track>,
//! }
//!
//! #[derive(Model, Debug)]
//! #[model(unique(album_id, position))]
//! struct Track {
//!     #[model(key, identity)]
//!     id: Id<Track>,
//!     title: String,
//!     position: i32,
//!     album_id: Id<Album>,
//!     #[model(belongs_to = album_id)]
//!     album: BelongsTo<Album>,
//! }
//!
//! # async fn example() -> stellata::Result<()> {
//! let db = Db::connect("postgres://localhost/music").await?;
//! db.create_missing(&Schema::new().model::<Track>()).await?;
//!
//! let malibu = new!(Album { title: "Malibu", released: 2016 }).insert(&db).await?;
//! new!(Track { title: "The Bird", position: 1, album_id: malibu.id }).insert(&db).await?;
//!
//! let albums = Album::query()
//!     .filter(|a| a.released.ge(2000) & a.tracks().any(|t| t.title.icontains("bird")))
//!     .include(|a| a.tracks())
//!     .order_by(|a| a.title)
//!     .all(&db)
//!     .await?; // albums and their tracks: one round trip
//! for track in albums[0].tracks.get()? {
//!     println!("{}. {}", track.position, track.title);
//! }
//!
//! db.transaction(async |tx| {
//!     Album::query().filter(|a| a.id.eq(malibu.id)).update(|a| a.released.set(None)).exec(tx).await
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Model`](derive@Model) has all that can be said of a struct, [`Entity`] and [`Query`] what is done with models, [`Db`],
//! [`Transaction`] and [`ConnectionExecutor`] what they run on, [`Error`] what can go wrong.
//!
//! What says where a database is and how to connect stands here too; all else that a connection can do (COPY, LISTEN,
//! replication) is in [`client`], what a pool tells of itself in [`pool`], and what it takes to read and write a type of your own
//! in [`protocol`].
//!
//! Features, all of them those of the client: `chrono`, `uuid`, `rust_decimal`, `serde_json`, `stream`, `tls` and `ring` are
//! on by default; `aws-lc-rs`, `bigdecimal`, `geo`, `ipnet`, `jiff`, `time` and `tracing` are not.

mod model;
mod expr;
mod new;
mod error;
mod relation;
mod render;
mod schema;
mod failure;
mod cluster;
mod executor;
mod connection_executor;
mod transaction;
mod db;
mod databases;
mod read_your_writes;
mod query;
mod raw;
pub mod types;
pub mod prelude;
#[doc(hidden)]
pub mod __private;

pub use connection_executor::ConnectionExecutor;
pub use databases::Databases;
pub use db::Db;
pub use error::{Error, ErrorKind, Result};
pub use executor::{Configured, Executor, Held, Source};
pub use expr::assignment::{Assignment, IntoAssignments};
pub use expr::comparison::value;
pub use expr::computed::{Expr, Number, Text};
pub use expr::condition::{Cond, IntoCond};
pub use expr::operand::{NewValue, Operand, Value};
pub use expr::order::{IntoOrder, Order};
pub use model::column::Column;
pub use model::id::Id;
pub use model::key::IntoKey;
pub use model::path::Path;
pub use model::slot::Slot;
pub use model::table::{
    Action, ColumnDef, ForeignKeyDef, IndexDef, RelationDef, RelationKind, Table, UniqueDef,
};
pub use model::unique::UniqueKey;
pub use model::{Key, Model, NewRow};
pub use new::{Field, IntoField};
pub use query::change::{Delete, Update};
pub use query::entity::Entity;
pub use query::insert::InsertMany;
pub use query::select::Query;
pub use query::upsert::{Insert, InsertMissing, Upsert, UpsertOn, UpsertUpdate, Upserted};
pub use raw::{Rows, Sql};
pub use read_your_writes::ReadYourWrites;
pub use relation::branch::{Branches, Include, IntoIncludes};
pub use relation::field::{BelongsTo, HasMany, HasOne};
pub use relation::handle::{Many, One};
pub use schema::user_type::UserDefined;
pub use schema::{Schema, SchemaError};
pub use stellata_client as client;
#[cfg(feature = "tracing")]
pub use stellata_client::TraceOptions;
pub use stellata_client::replication::Lsn;
pub use stellata_client::{
    AuthMethod, BearerToken, ChannelBindingPolicy, Config, Endpoint, Environment, Host, Keepalive,
    Limits, LoadBalanceHosts, PasswordRequest, Pem, PhaseLimits, Process, ProtocolVersion,
    RequireAuth, RequireAuthError, RootCertificates, ServerError, Settings, Severity, SqlState,
    SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs, TlsSettings, TlsVersion,
    TokenChallenge, TokenRequest,
};
pub use stellata_derive::{Model, PgComposite, PgDomain, PgEnum};
pub use stellata_pool as pool;
pub use stellata_pool::{
    Cluster, ClusterOptions, ClusterStatus, HookFuture, Pool, PoolOptions, Role, ServerStatus,
};
pub use stellata_protocol as protocol;
pub use stellata_protocol::{ColumnError, Columns, Expect, FromRow, PgType};
pub use transaction::{Transaction, TransactionConnection};

/// The example of the README is compiled with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The examples of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/models.md")]
#[doc = include_str!("../../docs/guide/connecting.md")]
#[doc = include_str!("../../docs/guide/types.md")]
#[doc = include_str!("../../docs/guide/errors.md")]
#[doc = include_str!("../../docs/guide/clusters.md")]
struct Guide;
