//! Values of PostgreSQL types in binary form, and the Rust types that stand for them.
//!
//! A value that the other side can't hold is an error, never another value. Nothing is lost on the way but what the
//! last column says.
//!
//! | Rust | PostgreSQL | what is lost, what is refused |
//! |---|---|---|
//! | `bool` | `bool` | |
//! | `i8`, `i16`, `i32`, `i64` | `"char"`, `int2`, `int4`, `int8` | |
//! | `u32` | `oid` | |
//! | [`Oid`] | `oid`, `regclass`, `regtype`, `regproc` and the other aliases | the name, which only the server knows |
//! | `f32`, `f64` | `float4`, `float8` | nothing; every bit of a NaN is kept |
//! | `&str`, `String`, `Box<str>`, `Arc<str>`, `Cow<str>` | `text`, `varchar`, `char(n)`, `name`, `refcursor`, `unknown`, and user-defined types whose binary form is text (enums, `citext`); to read also `pg_node_tree` | a NUL is refused; blanks at the end of a `char(n)` are there when it is read |
//! | `char` | as `String`, of one character | no character, and more than one, is refused |
//! | `&[u8]`, `Vec<u8>`, `[u8; N]`, `Box<[u8]>`, `Arc<[u8]>`, `Cow<[u8]>` | `bytea`; to read also `pg_ndistinct`, `pg_dependencies`, `pg_mcv_list` and the summaries of BRIN indexes | `[u8; N]`: other lengths are refused |
//! | `Numeric` | `numeric` | nothing |
//! | `Money` | `money` | nothing; what a unit is worth, the server's `lc_monetary` says |
//! | `Date`, `Time`, `TimeTz`, `Timestamp`, `TimestampTz`, `Interval` | `date`, `time`, `timetz`, `timestamp`, `timestamptz`, `interval` | nothing |
//! | `OrInfinity<T>` | as `T`, and the infinities of dates, timestamps and (from server 17 on) intervals | what `T` loses and refuses |
//! | `std::time::SystemTime` | `timestamptz` | rounded to microseconds; `infinity` is refused |
//! | `std::time::Duration` | `interval` | rounded to microseconds; months, days and what is negative are refused |
//! | `uuid::Uuid` | `uuid` | |
//! | `chrono::NaiveDate` | `date` | `infinity` and years beyond either range are refused |
//! | `chrono::NaiveTime` | `time` | rounded to microseconds; `24:00:00` is refused |
//! | `chrono::NaiveDateTime` | `timestamp` | rounded to microseconds; `infinity` and years beyond either range are refused |
//! | `chrono::DateTime<Utc>`, `DateTime<FixedOffset>` | `timestamptz` | the same; the offset is lost, since the type is an instant; every other zone can be written |
//! | `chrono::TimeDelta` | `interval` | rounded to microseconds; months and days are refused |
//! | `time::Date` | `date` | `infinity` and years beyond 9999 or 4714 BC are refused |
//! | `time::Time` | `time` | rounded to microseconds; `24:00:00` is refused |
//! | `time::PrimitiveDateTime` | `timestamp` | rounded to microseconds; `infinity` and years beyond 9999 or 4714 BC are refused |
//! | `time::OffsetDateTime`, `time::UtcDateTime` | `timestamptz` | the same; the offset is lost |
//! | `time::Duration` | `interval` | rounded to microseconds; months and days are refused |
//! | `jiff::civil::Date` | `date` | `infinity` and years beyond 9999 or 4714 BC are refused |
//! | `jiff::civil::Time` | `time` | rounded to microseconds; `24:00:00` is refused |
//! | `jiff::civil::DateTime` | `timestamp` | rounded to microseconds; `infinity` and years beyond 9999 or 4714 BC are refused |
//! | `jiff::Timestamp`; to write also `jiff::Zoned` | `timestamptz` | the same; the time zone is lost |
//! | `jiff::SignedDuration` | `interval` | rounded to microseconds; months and days are refused |
//! | `jiff::Span` | `interval` | years and months, weeks and days, hours and what is shorter are summed; parts of a microsecond and signs that differ are refused |
//! | `bigdecimal::BigDecimal` | `numeric` | `NaN`, infinities and more digits than either side has are refused; of zeros at the end of the number 64 are kept |
//! | `rust_decimal::Decimal` | `numeric` | `NaN`, infinities and numbers beyond 96 bits or 28 decimals are refused; zeros at the end that do not fit are left out |
//! | `serde_json::Value` | `jsonb`, `json` | numbers become 64-bit integers or `f64`; of `json`, blanks, the order of keys, and all but the last of equal keys, as the server does for `jsonb` |
//! | `Json<T>` | `jsonb`, `json` | what the serde implementations of `T` lose |
//! | [`Inet`](network::Inet) | `inet`, `cidr` | for `cidr`, bits to the right of the prefix are refused |
//! | [`Cidr`](network::Cidr) | `cidr`, `inet` | bits to the right of the prefix are refused |
//! | `IpAddr`, `Ipv4Addr`, `Ipv6Addr` | `inet`, `cidr` | a prefix shorter than the address is refused |
//! | `ipnet::IpNet` | `inet`, `cidr` | for `cidr`, bits to the right of the prefix are refused |
//! | [`MacAddr`](network::MacAddr), [`MacAddr8`](network::MacAddr8) | `macaddr`, `macaddr8` | |
//! | [`Bits`](bits::Bits), [`BitsRef`](bits::BitsRef) | `varbit`, `bit(n)` | the server refuses another length than `n` |
//! | [`Point`](geometry::Point), [`Segment`](geometry::Segment), [`Rectangle`](geometry::Rectangle) | `point`, `lseg`, `box` | nothing; every bit of a NaN is kept |
//! | [`Line`](geometry::Line) | `line` | no direction (both factors within a millionth of 0) is refused |
//! | [`Circle`](geometry::Circle) | `circle` | a negative radius is refused |
//! | [`Path`](geometry::Path), [`Polygon`](geometry::Polygon) | `path`, `polygon` | no points are refused |
//! | `geo_types::Point`, `Coord`, `Line`, `Rect` | `point`, `point`, `lseg`, `box` | |
//! | `geo_types::LineString` | `path` | a closed path and no points are refused |
//! | `geo_types::Polygon` | `polygon` | holes and no points are refused |
//! | [`TsVector`](text_search::TsVector) | `tsvector` | what is beyond the server's limits is refused |
//! | [`TsQuery`](text_search::TsQuery) | `tsquery` | the same; the empty query can only be read |
//! | [`Xml`](system::Xml) | `xml` | the server writes the XML declaration anew; one that names another encoding than UTF-8 is refused |
//! | [`JsonPath`](system::JsonPath) | `jsonpath` | the server prints the path anew |
//! | [`Char`](system::Char) | `"char"` | |
//! | [`Xid`](crate::replication::Xid), [`Xid8`](system::Xid8), [`Cid`](system::Cid) | `xid`, `xid8`, `cid` | |
//! | [`Tid`](system::Tid), [`Lsn`](crate::replication::Lsn) | `tid`, `pg_lsn` | |
//! | [`Snapshot`](system::Snapshot) | `pg_snapshot`, `txid_snapshot` | transactions that are not in order are refused, as by the server |
//! | [`Int2Vector`](system::Int2Vector), [`OidVector`](system::OidVector) | `int2vector`, `oidvector` | the empty one can only be read |
//! | `()` | `void` | can only be read |
//! | `Vec<T>`; to write also `[T]`, `[T; N]` | the array over the type of `T` | more than one dimension and lower bounds other than 1 are refused |
//! | `Vec<Vec<T>>`, down to six lists in each other | the same, of as many dimensions | another number of dimensions and lower bounds other than 1 are refused; lists of one level that differ in length, and empty ones inside another, can't be written |
//! | [`Array<T>`](Array), borrowed [`ArrayRef<T>`](ArrayRef) | the same, of any dimension | |
//! | [`Range<T>`](Range), [`Multirange<T>`](Multirange) | `int4range`, `int8range`, `numrange`, `daterange`, `tsrange`, `tstzrange`, the multiranges of those names, and those that users make over the type of `T` | what `T` loses |
//! | `#[derive(PgEnum)]`; `String` | enums | a label that the Rust type does not have is refused |
//! | `#[derive(PgComposite)]`; to read also tuples | composite types | a composite with other attributes is refused |
//! | `#[derive(PgDomain)]`; the Rust type of what the domain restricts | domains | |
//! | tuples, [`Record`], to read | `record` | it can't be sent: the server takes none |
//! | [`Hstore`] | `hstore` | |
//! | [`Ltree`], [`Lquery`], [`Ltxtquery`] | `ltree`, `lquery`, `ltxtquery` | a NUL is refused |
//! | [`Citext`], `String` | `citext` | a NUL is refused |
//! | [`Cube`] | `cube` | |
//! | [`Vector`], [`HalfVector`], [`SparseVector`] | `vector`, `halfvec`, `sparsevec` of pgvector | what is rounded to half precision is so only where `HalfVector::rounded` is called |
//! | [`Raw`], [`RawBuf`] | any type, as its number and its bytes | |
//! | `Option<T>` | as `T`, and NULL | |
//! | to write also `&T`, `Box<T>`, `Arc<T>`, `Cow<T>` | as `T` | |
//!
//! Types that each database numbers by itself (from enums to `hstore`) are known by their names: see [`PgType::fits`].
//!
//! The rows of `uuid`, `chrono`, `rust_decimal` and `serde_json` are features of those names, on by default; those of
//! `ipnet`, `time`, `jiff` and `bigdecimal` are features of theirs, and those of `geo_types` the feature `geo`, all off by
//! default. Between the types of this crate and those of the others there is `TryFrom`, both ways. PostgreSQL has no
//! integers of 128 bits, and but for `oid` none without sign: of those, [`Numeric`](numeric::Numeric) is made, and they of
//! it.
//!
//! What a value takes of memory follows the bytes that it came in, never a count that they declare. A type with parts (arrays,
//! composites, multiranges, `tsvector`, `hstore`) begins with place for no more parts than its bytes would fill, and then
//! grows, doubling, with those that are read. What a part takes is the size of its Rust type, and what that holds on the
//! heap; the shortest part that can be sent has 4 bytes (a NULL in an array). So a `Vec<T>` may come to `size_of::<T>() / 4`
//! times its bytes, and to three times that while it moves to a larger place: a `Vec<i32>` of values to half of its bytes,
//! a `Vec<Option<String>>` that is nothing but NULLs to six times them. An [`ArrayRef`] and a [`Raw`] take nothing. What a
//! server may send at all is bounded by [`Limits::message`](crate::Limits::message).
//!
//! `aclitem`, `gtsvector` and the types of the extension `isn` have no binary form: no Rust type reads them but as text that
//! the server makes of them (`relacl::text[]`).

mod name;
pub(crate) mod nesting;
mod room;
pub(crate) mod catalog;
pub(crate) mod array;
pub(crate) mod params;
mod dimensions;
mod lists;
pub(crate) mod fixed;
mod pointer;
mod boolean;
mod int;
mod float;
mod text;
mod character;
mod bytes;
pub(crate) mod money;
pub(crate) mod numeric;
mod through;
pub(crate) mod times;
#[cfg(feature = "uuid")]
mod uuid;
#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "time")]
mod time;
#[cfg(feature = "jiff")]
mod jiff;
#[cfg(feature = "rust_decimal")]
mod decimal;
#[cfg(feature = "serde_json")]
pub(crate) mod json;
mod shortest;
pub mod network;
pub mod bits;
pub mod geometry;
pub mod text_search;
pub mod system;
pub(crate) mod range;
pub(crate) mod multirange;
mod raw;
pub(crate) mod composite;
mod record;
mod hstore;
mod ltree;
mod citext;
mod cube;
mod vector;
mod half_vector;
#[cfg(test)]
pub(crate) mod proof;

pub use citext::Citext;
pub use cube::Cube;
pub use dimensions::{Array, ArrayIter, ArrayRef, Dimension};
pub use half_vector::HalfVector;
pub use hstore::Hstore;
pub use ltree::{Lquery, Ltree, Ltxtquery};
pub use multirange::Multirange;
pub use name::TypeName;
pub use range::Range;
pub use raw::{Raw, RawBuf};
pub use record::Record;
pub use vector::{SparseVector, Vector};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::catalog::Types;
use crate::wire::buffer::Buffer;

/// A PostgreSQL type that a Rust type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// The type's object identifier; [`Oid::UNSPECIFIED`] for a type that each database numbers by itself.
    pub oid: Oid,
    /// The object identifier of the array over it; [`Oid::UNSPECIFIED`] when not known.
    pub array: Oid,
    /// The name by which SQL calls it, ready to stand in a statement (`int4`, `timestamptz`).
    pub name: &'static str,
}

/// A Rust type with a PostgreSQL type of its own.
pub trait PgType {
    /// The type that a parameter of this Rust type gets where nothing else says one, and that a column of it gets in
    /// `create table`.
    const TYPE: Type;

    /// Whether the Rust type has a place for NULL. True for [`Option`] alone.
    const NULLABLE: bool = false;

    /// Whether values of the PostgreSQL type `oid` can be read into, and written from, this Rust type.
    #[must_use]
    fn accepts(oid: Oid) -> bool {
        oid == Self::TYPE.oid
    }

    /// Whether values of the type `oid`, which the database numbers by itself, can be read into this Rust type, by what the
    /// database's catalogue tells of it. Asked once per statement, and never for built-in types, where
    /// [`PgType::accepts`] is enough.
    ///
    /// There is no need to write this one for a type that stands for a built-in type: it then fits what it accepts, and
    /// the domains over that. A type that stands for a user-defined one asks [`Types`].
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] when they can't, [`ErrorKind::UnknownType`] when the catalogue has to be asked first.
    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        if Self::accepts(oid) { Ok(()) } else { types.domain::<Self>(oid) }
    }
}

/// Whether a value was written or is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum IsNull {
    /// It is NULL; nothing was written.
    Yes,
    /// It was written.
    No,
}

/// A value that can be sent in binary form.
pub trait Encode: PgType {
    /// Appends the value in the binary form of the type `oid`, which [`PgType::accepts`], or which is
    /// [`Oid::UNSPECIFIED`] where the server infers the type.
    ///
    /// No length is written here: the caller does that.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] when the PostgreSQL type can't hold the value, [`ErrorKind::InvalidText`] for a NUL in
    /// text, [`ErrorKind::TooLarge`] above what the protocol counts.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull>;

    /// Appends the value as parameters and array elements have it: with its length in front, NULL as the length -1.
    ///
    /// There is no need to write this one: it is made from [`Encode::encode`]. Types that know their length beforehand
    /// write both at once.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns, and [`ErrorKind::TooLarge`] for 2 GiB and more; nothing is appended then.
    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        let start = out.len();
        let mut is_null = IsNull::No;
        out.value(|out| {
            is_null = self.encode(oid, out)?;
            Ok(())
        })?;
        if is_null == IsNull::Yes {
            out.truncate(start);
            out.null();
        }
        Ok(is_null)
    }

    /// Writes to the beginning of `place` what [`Encode::encode_sized`] appends for the type's own [`PgType::TYPE`], and
    /// returns how many bytes that took; `None` where it is not done, and what `place` holds then means nothing.
    ///
    /// It is for values that are no more than their bytes, and so can be written in a few instructions. There is no need to
    /// write this one, and no promise that it does anything: whoever calls it goes on to [`Encode::encode_sized`], which also
    /// tells what is wrong with a value.
    #[inline]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        let _ = place;
        None
    }
}

/// A value that can be read from its binary form, borrowing from it where it likes.
pub trait Decode<'a>: PgType + Sized {
    /// Reads the value from all of `raw`, which is in the binary form of a type that [`PgType::accepts`].
    ///
    /// # Errors
    /// Any [`Error`] of bytes that are not such a value, or of a value that the Rust type can't hold. Never a panic,
    /// never another value.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self>;

    /// What stands for NULL.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedNull`] for every type but [`Option`].
    fn decode_null() -> Result<Self> {
        Err(Error::new(ErrorKind::UnexpectedNull, "the value is NULL"))
    }
}

impl<T: PgType> PgType for Option<T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = true;

    fn accepts(oid: Oid) -> bool {
        T::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        T::fits(oid, types)
    }
}

impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        match self {
            Some(value) => value.encode(oid, out),
            None => Ok(IsNull::Yes),
        }
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        match self {
            Some(value) => value.encode_sized(oid, out),
            None => {
                out.null();
                Ok(IsNull::Yes)
            }
        }
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        match self {
            Some(value) => value.encode_in_place(place),
            None => fixed::null_in_place(place),
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        T::decode(oid, raw).map(Some)
    }

    #[inline]
    fn decode_null() -> Result<Self> {
        Ok(None)
    }
}

impl<T: PgType + ?Sized> PgType for &T {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = T::NULLABLE;

    fn accepts(oid: Oid) -> bool {
        T::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        T::fits(oid, types)
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        (**self).encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        (**self).encode_sized(oid, out)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        (**self).encode_in_place(place)
    }
}

/// The type in whose form a value of the type `oid` inside a value of the type `outer` is read: its own, or that of `T`
/// where `oid` is a domain over it, which the statement's plan has made sure of.
///
/// # Errors
/// [`ErrorKind::WrongType`] when it is no `T`.
#[inline]
pub(crate) fn nested_type<T: PgType>(outer: Oid, oid: Oid) -> Result<Oid> {
    if T::accepts(oid) {
        Ok(oid)
    } else if outer.is_user_defined() && oid.is_user_defined() && T::TYPE.oid != Oid::UNSPECIFIED {
        Ok(T::TYPE.oid)
    } else {
        Err(Error::new(ErrorKind::WrongType, "a value inside it is of another type"))
    }
}
