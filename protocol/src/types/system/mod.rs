//! Types of system catalogues and of the server itself (manual: "Object Identifier Types", "`pg_lsn` Type", "XML Type",
//! "The SQL/JSON Path Language").
//!
//! [`Oid`](crate::Oid) is the value of `oid` and of its aliases (`regclass`, `regtype` and so on), whose names only the
//! server knows. `xid` is [`replication::Xid`](crate::replication::Xid), `pg_lsn` is
//! [`replication::Lsn`](crate::replication::Lsn).

mod number;
mod oid;
mod vector;
mod tid;
mod snapshot;
mod char;
mod document;
mod void;

pub use self::char::Char;
pub use document::{JsonPath, Xml};
pub use number::{Cid, Xid8};
pub use snapshot::Snapshot;
pub use tid::Tid;
pub use vector::{Int2Vector, OidVector};
