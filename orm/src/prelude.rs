//! All that a program with models needs: `use stellata::prelude::*;`.

pub use crate::db::Db;
pub use crate::executor::Executor;
pub use crate::model::Model;
pub use crate::model::id::Id;
pub use crate::new;
pub use crate::query::entity::Entity;
pub use crate::query::select::Query;
pub use crate::query::upsert::Insert;
pub use crate::relation::field::{BelongsTo, HasMany, HasOne};
pub use crate::schema::Schema;
pub use crate::transaction::Transaction;
pub use stellata_derive::{Model, PgComposite, PgDomain, PgEnum};

#[cfg(feature = "chrono")]
pub use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
#[cfg(feature = "rust_decimal")]
pub use rust_decimal::Decimal;
#[cfg(feature = "serde_json")]
pub use stellata_protocol::Json;
#[cfg(feature = "uuid")]
pub use uuid::Uuid;
