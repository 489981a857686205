//! Values of PostgreSQL types that Rust's own library has no type for, and what a type of your own implements.
//!
//! A type of your own derives `PgEnum`, `PgComposite` or `PgDomain`, or implements [`PgType`], [`Encode`] and [`Decode`] by
//! hand: the example keeps any serde type as bytes.
//!
//! ```
//! use serde::{Serialize, de::DeserializeOwned};
//! use stellata::types::{Buffer, Decode, Encode, ErrorKind, Error, IsNull, Oid, PgType, Result, Type};
//!
//! /// A value that is kept in a `bytea`, in whatever form serde gives it.
//! struct Packed<T>(T);
//!
//! impl<T> PgType for Packed<T> {
//!     const TYPE: Type = <[u8]>::TYPE;
//! }
//!
//! impl<T: Serialize> Encode for Packed<T> {
//!     fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
//!         let bytes = serde_json::to_vec(&self.0)
//!             .map_err(|_| Error::new(ErrorKind::InvalidValue, "the value can't be packed"))?;
//!         out.put_slice(&bytes);
//!         Ok(IsNull::No)
//!     }
//! }
//!
//! impl<'a, T: DeserializeOwned> Decode<'a> for Packed<T> {
//!     fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
//!         serde_json::from_slice(raw)
//!             .map(Self)
//!             .map_err(|_| Error::new(ErrorKind::InvalidValue, "the bytes are no packed value"))
//!     }
//! }
//!
//! let mut out = Buffer::new();
//! Packed(vec![1, 2]).encode(Oid::BYTEA, &mut out).unwrap();
//! assert_eq!(Packed::<Vec<i32>>::decode(Oid::BYTEA, out.as_slice()).unwrap().0, [1, 2]);
//! ```

#[cfg(feature = "serde_json")]
pub use stellata_protocol::Json;
pub use stellata_protocol::replication::{Lsn, Xid};
pub use stellata_protocol::types::{
    ArrayIter, TypeName, bits, geometry, network, system, text_search,
};
pub use stellata_protocol::{
    Array, ArrayElement, ArrayRef, Attribute, Buffer, Catalog, Citext, CompositeReader,
    CompositeWriter, Cube, Date, Decode, Dimension, Encode, Error, ErrorKind, Fits, Hstore,
    Interval, IsNull, Lquery, Ltree, Ltxtquery, Money, Multirange, Numeric, Oid, OrInfinity,
    PgType, Range, RangeElement, Raw, RawBuf, Reader, Record, Result, SparseVector, Time, TimeTz,
    Timestamp, TimestampTz, Type, TypeKind, Types, UserType, Vector,
};
