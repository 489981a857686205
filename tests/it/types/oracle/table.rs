//! Every type, the file of its literals, and the Rust types that are held against it.
//!
//! A line without a Rust type would only see that the server takes its own bytes back.

use std::fmt::Display;

use rust_decimal::Decimal;
use serde_json::Value;
use stellata_protocol::replication::{Lsn, Xid};
use stellata_protocol::types::bits::Bits;
use stellata_protocol::types::geometry::{Circle, Line, Path, Point, Polygon, Rectangle, Segment};
use stellata_protocol::types::network::{Cidr, Inet, MacAddr, MacAddr8};
use stellata_protocol::types::system::{
    Char, Cid, Int2Vector, JsonPath, OidVector, Snapshot, Tid, Xid8, Xml,
};
use stellata_protocol::types::text_search::{TsQuery, TsVector};
use stellata_protocol::{
    Array, ArrayElement, Citext, Cube, Date, Decode, Encode, Interval, Lquery, Ltree, Ltxtquery,
    Multirange, Numeric, Oid, OrInfinity, Range, SparseVector, Time, TimeTz, Timestamp,
    TimestampTz, Vector,
};
use uuid::Uuid;

use super::learned::{Learned, Oracle};
use super::own::{Nested, Pair};
use super::print;

/// Asks for every type.
pub(super) async fn every_type(oracle: &mut Oracle) {
    plain(oracle).await;
    times(oracle).await;
    documents(oracle).await;
    networks_and_shapes(oracle).await;
    search_and_system(oracle).await;
    arrays(oracle).await;
    arrays_of_families(oracle).await;
    ranges(oracle).await;
    user_defined(oracle).await;
}

async fn plain(oracle: &mut Oracle) {
    oracle.learn("bool").await.prints(print::boolean);
    oracle.learn("int2").await.shows::<i16>();
    oracle.learn("int4").await.shows::<i32>();
    oracle.learn("int8").await.shows::<i64>();
    oracle.learn("oid").await.shows::<u32>().shows::<Oid>();
    oracle.learn("float4").await.prints(print::float4);
    oracle.learn("float8").await.holds(never, same_float8);
    let numeric = oracle.learn("numeric").await;
    numeric.shows::<Numeric>().holds::<Decimal>(beyond_decimal, same_decimal);
    oracle.learn("money").await.prints(print::money);
    for name in ["text", "varchar", "bpchar", "name", "refcursor"] {
        oracle.learn(name).await.shows::<String>();
    }
    oracle.learn("char").await.prints(print::character).shows::<Char>();
    oracle.learn("bytea").await.prints(print::bytes);
    oracle.learn("uuid").await.shows::<Uuid>();
}

async fn times(oracle: &mut Oracle) {
    let date = oracle.learn("date").await;
    date.shows::<Date>().prints_unless(beyond_chrono, print::date);
    let time = oracle.learn("time").await;
    time.shows::<Time>().prints_unless(|text| text == "24:00:00", print::time);
    oracle.learn("timetz").await.shows::<TimeTz>();
    let timestamp = oracle.learn("timestamp").await;
    timestamp.shows::<Timestamp>().prints_unless(beyond_chrono, print::timestamp);
    let timestamptz = oracle.learn("timestamptz").await;
    timestamptz
        .shows::<TimestampTz>()
        .prints_unless(beyond_chrono, print::timestamptz)
        .holds::<OrInfinity<chrono::DateTime<chrono::Utc>>>(beyond_years, same_or_infinity);
    oracle.learn("interval").await.holds(never, same_interval);
}

async fn documents(oracle: &mut Oracle) {
    oracle.learn("json").await.holds(never, same_json);
    oracle.learn("jsonb").await.holds(never, same_json);
    oracle.learn("jsonpath").await.shows::<JsonPath>();
    oracle.learn("xml").await.shows::<Xml>();
}

async fn networks_and_shapes(oracle: &mut Oracle) {
    oracle.learn("inet").await.shows::<Inet>();
    oracle.learn("cidr").await.shows::<Cidr>();
    oracle.learn("macaddr").await.shows::<MacAddr>();
    oracle.learn("macaddr8").await.shows::<MacAddr8>();
    oracle.learn("bit").await.shows::<Bits>();
    oracle.learn("varbit").await.shows::<Bits>();
    oracle.learn("point").await.shows::<Point>();
    oracle.learn("line").await.shows::<Line>();
    oracle.learn("lseg").await.shows::<Segment>();
    oracle.learn("box").await.shows::<Rectangle>();
    oracle.learn("path").await.shows::<Path>();
    oracle.learn("polygon").await.shows::<Polygon>();
    oracle.learn("circle").await.shows::<Circle>();
}

async fn search_and_system(oracle: &mut Oracle) {
    oracle.learn("tsvector").await.shows::<TsVector>();
    oracle.learn("tsquery").await.shows::<TsQuery>();
    oracle.learn("pg_lsn").await.shows::<Lsn>();
    oracle.learn("xid").await.shows::<Xid>();
    oracle.learn("xid8").await.shows::<Xid8>();
    oracle.learn("cid").await.shows::<Cid>();
    oracle.learn("tid").await.shows::<Tid>();
    oracle.learn("pg_snapshot").await.shows::<Snapshot>();
    oracle.learn("txid_snapshot").await.shows::<Snapshot>();
    oracle.learn("int2vector").await.shows::<Int2Vector>();
    oracle.learn("oidvector").await.shows::<OidVector>();
    // The server prints a name that only it knows: of these the bytes alone can be held against it.
    for name in ["regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator"] {
        oracle.learn(name).await.holds::<Oid>(never, |_, _| true);
    }
    for name in ["regrole", "regnamespace", "regconfig", "regdictionary", "regcollation"] {
        oracle.learn(name).await.holds::<Oid>(never, |_, _| true);
    }
}

async fn arrays(oracle: &mut Oracle) {
    array(oracle.learn("bool[]").await, print::boolean);
    shown_array::<i16>(oracle.learn("int2[]").await);
    shown_array::<i32>(oracle.learn("int4[]").await);
    shown_array::<i64>(oracle.learn("int8[]").await);
    shown_array::<Oid>(oracle.learn("oid[]").await);
    array(oracle.learn("float4[]").await, print::float4);
    array(oracle.learn("float8[]").await, print::float8);
    shown_array::<Numeric>(oracle.learn("numeric[]").await);
    array(oracle.learn("money[]").await, print::money);
    shown_array::<String>(oracle.learn("text[]").await);
    shown_array::<String>(oracle.learn("varchar[]").await);
    array(oracle.learn("bytea[]").await, print::bytes);
    shown_array::<Uuid>(oracle.learn("uuid[]").await);
    for name in ["json[]", "jsonb[]"] {
        let sound = |value: &Array<Option<Value>>, text: &str| {
            let nulls = value.iter().filter(|value| value.is_none()).count();
            text.matches("NULL").count() == nulls
        };
        oracle.learn(name).await.holds(never, sound);
    }
}

async fn arrays_of_families(oracle: &mut Oracle) {
    shown_array::<Date>(oracle.learn("date[]").await);
    shown_array::<Time>(oracle.learn("time[]").await);
    shown_array::<Timestamp>(oracle.learn("timestamp[]").await);
    shown_array::<TimestampTz>(oracle.learn("timestamptz[]").await);
    shown_array::<Interval>(oracle.learn("interval[]").await);
    shown_array::<Inet>(oracle.learn("inet[]").await);
    shown_array::<Cidr>(oracle.learn("cidr[]").await);
    shown_array::<MacAddr>(oracle.learn("macaddr[]").await);
    shown_array::<Bits>(oracle.learn("bit[]").await);
    shown_array::<Bits>(oracle.learn("varbit[]").await);
    shown_array::<Point>(oracle.learn("point[]").await);
    // Boxes alone stand with semicolons between them, since a comma stands inside.
    let same = |value: &Array<Option<Rectangle>>, text: &str| {
        print::array(value, ';', Rectangle::to_string) == text
    };
    oracle.learn("box[]").await.holds(never, same);
    shown_array::<TsVector>(oracle.learn("tsvector[]").await);
    shown_array::<Range<i32>>(oracle.learn("int4range[]").await);
    shown_array::<Multirange<i32>>(oracle.learn("int4multirange[]").await);
}

async fn ranges(oracle: &mut Oracle) {
    oracle.learn("int4range").await.shows::<Range<i32>>();
    oracle.learn("int8range").await.shows::<Range<i64>>();
    oracle.learn("numrange").await.shows::<Range<Numeric>>();
    oracle.learn("daterange").await.shows::<Range<Date>>();
    oracle.learn("tsrange").await.shows::<Range<Timestamp>>();
    oracle.learn("tstzrange").await.shows::<Range<TimestampTz>>();
    oracle.learn("floatrange").await.holds(never, same_float_range);
    oracle.learn("int4multirange").await.shows::<Multirange<i32>>();
    oracle.learn("int8multirange").await.shows::<Multirange<i64>>();
    oracle.learn("nummultirange").await.shows::<Multirange<Numeric>>();
    oracle.learn("datemultirange").await.shows::<Multirange<Date>>();
    oracle.learn("tsmultirange").await.shows::<Multirange<Timestamp>>();
    oracle.learn("tstzmultirange").await.shows::<Multirange<TimestampTz>>();
    oracle.learn("floatmultirange").await.shows::<Multirange<f64>>();
}

async fn user_defined(oracle: &mut Oracle) {
    oracle.learn("mood").await.shows::<String>();
    shown_array::<String>(oracle.learn("mood[]").await);
    oracle.learn("positive").await.shows::<i32>();
    oracle.learn("word").await.shows::<String>();
    oracle.learn("positive[]").await.holds(never, |value: &Array<Option<i32>>, text| {
        print::array(value, ',', i32::to_string) == text
    });
    oracle.learn("pair").await.prints(Pair::print);
    array(oracle.learn("pair[]").await, Pair::print);
    oracle.learn("nested").await.prints(Nested::print);
    oracle.learn("citext").await.shows::<Citext>().shows::<String>();
    shown_array::<Citext>(oracle.learn("citext[]").await);
    oracle.learn("cube").await.shows::<Cube>();
    oracle.learn("hstore").await.prints(print::hstore);
    array(oracle.learn("hstore[]").await, print::hstore);
    oracle.learn("ltree").await.shows::<Ltree>();
    oracle.learn("lquery").await.shows::<Lquery>();
    oracle.learn("ltxtquery").await.shows::<Ltxtquery>();
}

/// Asks for the types of pgvector.
pub(super) async fn vectors(oracle: &mut Oracle) {
    oracle.extend("vector").await;
    oracle.learn("vector").await.shows::<Vector>();
    shown_array::<Vector>(oracle.learn("vector[]").await);
    oracle.learn("sparsevec").await.shows::<SparseVector>();
    shown_array::<SparseVector>(oracle.learn("sparsevec[]").await);
}

/// The type is read as an array of any dimensions, and as a list, which refuses other dimensions than one and other
/// lower bounds than 1.
fn array<T>(learned: Learned<'_>, item: fn(&T) -> String)
where
    T: Encode + for<'a> Decode<'a> + ArrayElement + 'static,
{
    let refuses = |text: &str| text.starts_with("{{") || text.starts_with('[');
    let same = move |value: &Array<Option<T>>, text: &str| print::array(value, ',', item) == text;
    learned
        .holds(never, same)
        .holds::<Vec<Option<T>>>(refuses, move |value, text| print::list(value, item) == text);
}

fn shown_array<T>(learned: Learned<'_>)
where
    T: Encode + for<'a> Decode<'a> + ArrayElement + Display + 'static,
{
    array::<T>(learned, T::to_string);
}

fn never(_: &str) -> bool {
    false
}

/// Of several shortest texts for the same number the server takes another one than Rust here: it does not count on ties
/// being read to even.
const NOT_OUR_SHORTEST: [&str; 2] = ["9.999999999999999e+22", "8.409999999999999e+21"];

fn same_float8(value: &f64, text: &str) -> bool {
    print::float8(value) == text || NOT_OUR_SHORTEST.contains(&text) && text.parse() == Ok(*value)
}

/// The largest value of all is infinity from server 17 on; before, it was printed like the others.
fn same_interval(value: &Interval, text: &str) -> bool {
    const LARGEST: &str = "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807";
    value.to_string() == if text == LARGEST { "infinity" } else { text }
}

/// A range prints its bounds as Rust does, which has another word for infinity.
fn same_float_range(value: &Range<f64>, text: &str) -> bool {
    value.to_string().replace("inf", "Infinity") == text
}

fn same_or_infinity(value: &OrInfinity<chrono::DateTime<chrono::Utc>>, text: &str) -> bool {
    match value {
        OrInfinity::At(value) => print::timestamptz(value) == text,
        other => other.to_string() == text,
    }
}

/// Blanks and the order of keys are not kept, nor more digits than an `f64` has.
fn same_json(value: &Value, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|other| other == *value)
}

/// `chrono` has no infinity, and its years end before those of the server.
fn beyond_chrono(text: &str) -> bool {
    let year = text.split('-').next().and_then(|year| year.parse().ok());
    text.ends_with("infinity") || year.is_some_and(|year: i64| year > 262_142)
}

fn beyond_years(text: &str) -> bool {
    !text.ends_with("infinity") && beyond_chrono(text)
}

/// A `Decimal` has 96 bits and 28 decimals; zeros at the end may be left out.
fn beyond_decimal(text: &str) -> bool {
    let digits = without_zeros(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let number = [whole.trim_start_matches('-'), decimals].concat().parse::<u128>();
    decimals.len() > 28 || number.map_or(true, |number| number >> 96 != 0)
}

fn same_decimal(value: &Decimal, text: &str) -> bool {
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals > 28 {
        return without_zeros(&value.to_string()) == without_zeros(text);
    }
    value.to_string() == text
}

/// The number without the zeros at the end of its decimals.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}
