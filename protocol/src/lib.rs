//! PostgreSQL's frontend/backend protocol as bytes and values.
//!
//! This crate knows what a message is, what may follow what, and how a value looks in binary. It never waits, reads a
//! clock, draws a random number or touches a socket: it is fed bytes and asked for bytes, so that a fuzzer, a recorded
//! stream and a real socket drive the same code.
//!
//! The modules below stand in the order of their imports: each uses only those above it.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod error;
mod oid;
mod sqlstate;
mod wire;
pub mod quote;
pub mod auth;
pub mod types;
pub mod message;
mod row;
pub mod copy;
pub mod replication;
pub mod textual;
mod conversation;
pub mod trace;

pub use conversation::encryption::{EncryptionAnswer, EncryptionRequest, UntrustedText};
pub use conversation::login::Login;
pub use conversation::owed::Event;
pub use conversation::withdraw::Withdrawn;
pub use conversation::{Answer, Conversation, Limits};
pub use error::{Error, ErrorKind, Result};
pub use message::row::{FieldDescription, Format};
pub use oid::Oid;
pub use row::{ColumnError, Columns, Expect, FromRow};
pub use sqlstate::SqlState;
pub use types::array::ArrayElement;
pub use types::catalog::{Attribute, Catalog, Fits, TypeKind, Types, UserType};
pub use types::composite::{CompositeReader, CompositeWriter};
#[cfg(feature = "serde_json")]
pub use types::json::Json;
pub use types::money::Money;
pub use types::numeric::Numeric;
pub use types::params::{IntoParams, Parameter, Params};
pub use types::range::{Range, RangeElement};
pub use types::times::date::Date;
pub use types::times::interval::Interval;
pub use types::times::or_infinity::OrInfinity;
pub use types::times::time::Time;
pub use types::times::timestamp::{Timestamp, TimestampTz};
pub use types::times::timetz::TimeTz;
pub use types::{
    Array, ArrayRef, Citext, Cube, Decode, Dimension, Encode, HalfVector, Hstore, IsNull, Lquery,
    Ltree, Ltxtquery, Multirange, PgType, Raw, RawBuf, Record, SparseVector, Type, Vector,
};
pub use wire::buffer::Buffer;
pub use wire::frame::{Frame, frame};
pub use wire::reader::Reader;
