//! The page of the guide on types, held against the types themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::{FixedOffset, Utc};
use stellata::prelude::Json;
use stellata::types::{
    Array, ArrayRef, Citext, Date, Interval, Lsn, Money, Multirange, Numeric, Oid, PgType, Range,
    Record, Time, TimeTz, Timestamp, TimestampTz, Xid, bits, geometry, network, system,
    text_search,
};

const PAGE: &str = include_str!("../../../docs/guide/types.md");

/// The Rust types by the names that they have on the page, and which types of PostgreSQL each of them takes.
macro_rules! rust_types {
    ($($name:literal = $rust:ty;)*) => {
        &[$(($name, <$rust as PgType>::accepts)),*]
    };
}

type RustType = (&'static str, fn(Oid) -> bool);

const RUST_TYPES: &[RustType] = rust_types! {
    "bool" = bool;
    "i8" = i8;
    "i16" = i16;
    "i32" = i32;
    "i64" = i64;
    "u32" = u32;
    "f32" = f32;
    "f64" = f64;
    "Numeric" = Numeric;
    "rust_decimal::Decimal" = rust_decimal::Decimal;
    "bigdecimal::BigDecimal" = bigdecimal::BigDecimal;
    "Money" = Money;
    "&str" = &str;
    "String" = String;
    "char" = char;
    "Citext" = Citext;
    "&[u8]" = &[u8];
    "Vec<u8>" = Vec<u8>;
    "uuid::Uuid" = uuid::Uuid;
    "Date" = Date;
    "chrono::NaiveDate" = chrono::NaiveDate;
    "time::Date" = time::Date;
    "jiff::civil::Date" = jiff::civil::Date;
    "Time" = Time;
    "chrono::NaiveTime" = chrono::NaiveTime;
    "time::Time" = time::Time;
    "jiff::civil::Time" = jiff::civil::Time;
    "TimeTz" = TimeTz;
    "Timestamp" = Timestamp;
    "chrono::NaiveDateTime" = chrono::NaiveDateTime;
    "time::PrimitiveDateTime" = time::PrimitiveDateTime;
    "jiff::civil::DateTime" = jiff::civil::DateTime;
    "TimestampTz" = TimestampTz;
    "chrono::DateTime<Utc>" = chrono::DateTime<Utc>;
    "chrono::DateTime<FixedOffset>" = chrono::DateTime<FixedOffset>;
    "time::OffsetDateTime" = time::OffsetDateTime;
    "time::UtcDateTime" = time::UtcDateTime;
    "jiff::Timestamp" = jiff::Timestamp;
    "std::time::SystemTime" = std::time::SystemTime;
    "Interval" = Interval;
    "chrono::TimeDelta" = chrono::TimeDelta;
    "time::Duration" = time::Duration;
    "jiff::Span" = jiff::Span;
    "jiff::SignedDuration" = jiff::SignedDuration;
    "std::time::Duration" = std::time::Duration;
    "Json<T>" = Json<bool>;
    "serde_json::Value" = serde_json::Value;
    "system::JsonPath" = system::JsonPath;
    "system::Xml" = system::Xml;
    "network::Inet" = network::Inet;
    "network::Cidr" = network::Cidr;
    "IpAddr" = IpAddr;
    "Ipv4Addr" = Ipv4Addr;
    "Ipv6Addr" = Ipv6Addr;
    "ipnet::IpNet" = ipnet::IpNet;
    "network::MacAddr" = network::MacAddr;
    "network::MacAddr8" = network::MacAddr8;
    "bits::Bits" = bits::Bits;
    "geometry::Point" = geometry::Point;
    "geo_types::Point" = geo_types::Point;
    "geo_types::Coord" = geo_types::Coord;
    "geometry::Segment" = geometry::Segment;
    "geo_types::Line" = geo_types::Line;
    "geometry::Rectangle" = geometry::Rectangle;
    "geo_types::Rect" = geo_types::Rect;
    "geometry::Line" = geometry::Line;
    "geometry::Path" = geometry::Path;
    "geo_types::LineString" = geo_types::LineString;
    "geometry::Polygon" = geometry::Polygon;
    "geo_types::Polygon" = geo_types::Polygon;
    "geometry::Circle" = geometry::Circle;
    "text_search::TsVector" = text_search::TsVector;
    "text_search::TsQuery" = text_search::TsQuery;
    "Range<i32>" = Range<i32>;
    "Range<i64>" = Range<i64>;
    "Range<Numeric>" = Range<Numeric>;
    "Range<Date>" = Range<Date>;
    "Range<Timestamp>" = Range<Timestamp>;
    "Range<TimestampTz>" = Range<TimestampTz>;
    "Multirange<i32>" = Multirange<i32>;
    "Multirange<i64>" = Multirange<i64>;
    "Multirange<Numeric>" = Multirange<Numeric>;
    "Multirange<Date>" = Multirange<Date>;
    "Multirange<Timestamp>" = Multirange<Timestamp>;
    "Multirange<TimestampTz>" = Multirange<TimestampTz>;
    "system::Char" = system::Char;
    "Oid" = Oid;
    "system::Int2Vector" = system::Int2Vector;
    "system::OidVector" = system::OidVector;
    "system::Tid" = system::Tid;
    "Xid" = Xid;
    "system::Xid8" = system::Xid8;
    "system::Cid" = system::Cid;
    "Lsn" = Lsn;
    "system::Snapshot" = system::Snapshot;
    "Record" = Record;
    "()" = ();
};

/// The Rust types that take the array over a type, whatever the type is; here it is `int4`.
const ARRAYS: &[RustType] = rust_types! {
    "Vec<T>" = Vec<i32>;
    "Vec<Vec<T>>" = Vec<Vec<i32>>;
    "Vec<Vec<Vec<T>>>" = Vec<Vec<Vec<i32>>>;
    "Vec<Vec<Vec<Vec<T>>>>" = Vec<Vec<Vec<Vec<i32>>>>;
    "Vec<Vec<Vec<Vec<Vec<T>>>>>" = Vec<Vec<Vec<Vec<Vec<i32>>>>>;
    "Vec<Vec<Vec<Vec<Vec<Vec<T>>>>>>" = Vec<Vec<Vec<Vec<Vec<Vec<i32>>>>>>;
    "Array<T>" = Array<i32>;
    "ArrayRef<T>" = ArrayRef<'_, i32>;
};

/// The cells of the page's rows that begin with `name | number`.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| -> Option<Vec<&'static str>> {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<_> = inner.split('|').map(str::trim).collect();
        cells.get(1)?.parse::<u32>().is_ok().then_some(cells)
    };
    PAGE.lines().filter_map(cells).collect()
}

#[test]
fn every_built_in_type_stands_on_the_page_with_the_rust_types_that_take_it() {
    let rows = rows();
    let prose = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut faults = Vec::new();
    let mut count = 0;
    for oid in (1..16_384).map(Oid) {
        let Some(name) = oid.name().filter(|_| oid.element().is_none()) else { continue };
        let array = oid.array().map(|array| array.to_string()).unwrap_or_default();
        let taken = RUST_TYPES.iter().filter(|(_, accepts)| accepts(oid));
        let rust: Vec<String> = taken.map(|(rust, _)| format!("`{rust}`")).collect();
        let wanted = [format!("`{name}`"), oid.to_string(), array, rust.join(", ")];
        let others = format!("`{name}` ({oid})");
        let row = rows.iter().find(|row| row[1] == wanted[1]);
        match row {
            Some(row) if **row == wanted => {}
            // Nobody's column has such a type.
            None if rust.is_empty() && prose.contains(&others) => {}
            _ => faults.push(format!("| {} |", wanted.join(" | "))),
        }
        count += 1;
    }
    assert!(faults.is_empty(), "the page lacks, or has otherwise:\n{}", faults.join("\n"));
    assert!(count > 100 && rows.len() > 80, "{count} types, {} rows", rows.len());
}

#[test]
fn every_rust_type_stands_on_the_page_with_what_it_loses() {
    let cut = |name: &'static str| name.split('<').next().unwrap_or(name);
    let mut described = Vec::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let names = cells.next().unwrap_or_default();
        if cells.next().is_some_and(|cell| cell.parse::<u32>().is_err()) {
            described.extend(names.split(", ").map(|name| cut(name.trim_matches('`'))));
        }
    }
    let names = RUST_TYPES.iter().map(|(name, _)| *name);
    let missing: Vec<_> = names.filter(|name| !described.contains(&cut(name))).collect();
    assert!(missing.is_empty(), "the page does not tell what these lose: {missing:?}");
}

#[test]
fn every_shape_of_an_array_stands_on_the_page() {
    let dimensions = |name: &str| name.matches("Vec<").count();
    let rows: Vec<&str> =
        PAGE.lines().filter(|line| line.starts_with("| `") && line.contains("<T>")).collect();
    for (name, accepts) in ARRAYS {
        let own = (1..16_384).map(Oid).filter(|oid| accepts(*oid));
        assert_eq!(own.collect::<Vec<_>>(), [Oid::INT4_ARRAY], "{name}");
        // Three lists in each other stand for those that are deeper.
        let shown = if dimensions(name) > 2 { "Vec<Vec<Vec<T>>>" } else { name };
        let cell = format!("`{shown}`");
        assert!(rows.iter().any(|row| row.contains(&cell)), "the page does not tell of {name}");
    }
}
