//! Every type, the file of its literals, and the Rust types that are held against it.
//!
//! A line without a Rust type only sees that the server takes its own bytes back.

use rust_decimal::Decimal;
use serde_json::Value;
use stellata_protocol::{ArrayElement, Decode, Encode};
use uuid::Uuid;

use super::learned::{Learned, Oracle};
use super::print;

/// Asks for every type.
pub(super) async fn every_type(oracle: &mut Oracle) {
    plain(oracle).await;
    times(oracle).await;
    documents(oracle).await;
    networks_and_shapes(oracle).await;
    search_and_system(oracle).await;
    arrays(oracle).await;
    ranges(oracle).await;
    user_defined(oracle).await;
}

async fn plain(oracle: &mut Oracle) {
    oracle.learn("bool").await.prints(print::boolean);
    oracle.learn("int2").await.shows::<i16>();
    oracle.learn("int4").await.shows::<i32>();
    oracle.learn("int8").await.shows::<i64>();
    oracle.learn("oid").await.shows::<u32>();
    oracle.learn("float4").await.prints(print::float4);
    oracle.learn("float8").await.holds(never, same_float8);
    oracle.learn("numeric").await.holds::<Decimal>(beyond_decimal, same_decimal);
    oracle.learn("money").await;
    for name in ["text", "varchar", "bpchar", "name"] {
        oracle.learn(name).await.shows::<String>();
    }
    oracle.learn("char").await.prints(print::character);
    oracle.learn("bytea").await.prints(print::bytes);
    oracle.learn("uuid").await.shows::<Uuid>();
}

async fn times(oracle: &mut Oracle) {
    oracle.learn("date").await.prints_unless(beyond_chrono, print::date);
    oracle.learn("time").await.prints_unless(|text| text == "24:00:00", print::time);
    oracle.learn("timetz").await;
    oracle.learn("timestamp").await.prints_unless(beyond_chrono, print::timestamp);
    oracle.learn("timestamptz").await.prints_unless(beyond_chrono, print::timestamptz);
    oracle.learn("interval").await;
}

async fn documents(oracle: &mut Oracle) {
    oracle.learn("json").await.holds(never, same_json);
    oracle.learn("jsonb").await.holds(never, same_json);
    oracle.learn("jsonpath").await;
    oracle.learn("xml").await;
}

async fn networks_and_shapes(oracle: &mut Oracle) {
    for name in ["inet", "cidr", "macaddr", "macaddr8", "bit", "varbit"] {
        oracle.learn(name).await;
    }
    for name in ["point", "line", "lseg", "box", "path", "polygon", "circle"] {
        oracle.learn(name).await;
    }
}

async fn search_and_system(oracle: &mut Oracle) {
    oracle.learn("tsvector").await;
    oracle.learn("tsquery").await;
    for name in ["pg_lsn", "xid", "xid8", "cid", "tid", "pg_snapshot", "txid_snapshot"] {
        oracle.learn(name).await;
    }
    for name in ["regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator"] {
        oracle.learn(name).await;
    }
    for name in ["regrole", "regnamespace", "regconfig", "regdictionary", "regcollation"] {
        oracle.learn(name).await;
    }
    for name in ["int2vector", "oidvector", "refcursor"] {
        oracle.learn(name).await;
    }
}

async fn arrays(oracle: &mut Oracle) {
    list(oracle.learn("bool[]").await, print::boolean);
    list(oracle.learn("int2[]").await, i16::to_string);
    list(oracle.learn("int4[]").await, i32::to_string);
    list(oracle.learn("int8[]").await, i64::to_string);
    list(oracle.learn("oid[]").await, u32::to_string);
    list(oracle.learn("float4[]").await, print::float4);
    list(oracle.learn("float8[]").await, print::float8);
    list(oracle.learn("text[]").await, String::clone);
    list(oracle.learn("varchar[]").await, String::clone);
    list(oracle.learn("bytea[]").await, print::bytes);
    list(oracle.learn("uuid[]").await, Uuid::to_string);
    for name in ["numeric[]", "money[]", "date[]", "time[]", "timestamp[]", "timestamptz[]"] {
        oracle.learn(name).await;
    }
    for name in ["interval[]", "json[]", "jsonb[]", "inet[]", "cidr[]", "macaddr[]", "bit[]"] {
        oracle.learn(name).await;
    }
    for name in ["varbit[]", "point[]", "box[]", "tsvector[]", "int4range[]", "int4multirange[]"] {
        oracle.learn(name).await;
    }
}

async fn ranges(oracle: &mut Oracle) {
    for name in ["int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"] {
        oracle.learn(name).await;
    }
    for name in ["int4multirange", "int8multirange", "nummultirange", "datemultirange"] {
        oracle.learn(name).await;
    }
    for name in ["tsmultirange", "tstzmultirange", "floatrange", "floatmultirange"] {
        oracle.learn(name).await;
    }
}

async fn user_defined(oracle: &mut Oracle) {
    oracle.learn("mood").await.shows::<String>();
    oracle.learn("positive").await.shows::<i32>();
    oracle.learn("word").await.shows::<String>();
    for name in ["mood[]", "positive[]", "pair", "pair[]", "nested"] {
        oracle.learn(name).await;
    }
    oracle.learn("citext").await.shows::<String>();
    for name in ["citext[]", "cube", "hstore", "hstore[]", "ltree", "lquery", "ltxtquery"] {
        oracle.learn(name).await;
    }
}

/// The type is read as a list, which refuses other dimensions than one and other lower bounds than 1.
fn list<T>(learned: Learned<'_>, item: fn(&T) -> String)
where
    T: Encode + for<'a> Decode<'a> + ArrayElement + 'static,
{
    let refuses = |text: &str| text.starts_with("{{") || text.starts_with('[');
    learned.holds::<Vec<Option<T>>>(refuses, move |value, text| print::list(value, item) == text);
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

/// Blanks and the order of keys are not kept, nor more digits than an `f64` has.
fn same_json(value: &Value, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|other| other == *value)
}

/// `chrono` has no infinity, and its years end before those of the server.
fn beyond_chrono(text: &str) -> bool {
    let year = text.split('-').next().and_then(|year| year.parse().ok());
    text.ends_with("infinity") || year.is_some_and(|year: i64| year > 262_142)
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
