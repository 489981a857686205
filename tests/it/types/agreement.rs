//! What the server sends and prints, held against what is read, printed and written here.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use stellata_client::{Config, Connection};
use stellata_protocol::{ArrayElement, Buffer, Decode, Encode, IsNull};
use stellata_testkit::Database;

/// A session that prints in the forms that the types of this project print in.
pub(super) async fn connect(database: &Database) -> Connection {
    let config = Config::parse(&database.url())
        .unwrap()
        .with_setting("timezone", "UTC")
        .with_setting("datestyle", "ISO, MDY")
        .with_setting("intervalstyle", "postgres");
    Connection::connect(&config).await.unwrap()
}

/// A type whose every value has a form in text and one in bytes.
pub(super) trait Whole:
    Display
    + FromStr<Err: Debug>
    + Debug
    + PartialEq
    + Encode
    + ArrayElement
    + for<'a> Decode<'a>
    + Send
    + Sync
    + 'static
{
}

impl<T> Whole for T where
    T: Display
        + FromStr<Err: Debug>
        + Debug
        + PartialEq
        + Encode
        + ArrayElement
        + for<'a> Decode<'a>
        + Send
        + Sync
        + 'static
{
}

/// For each text that the server reads as a `T`: what it sends is read as a value that is printed as it prints, is
/// written as it sends, and is what its print is read as; and all of them come back from it unchanged.
pub(super) async fn agree_on_texts<T: Whole>(connection: &mut Connection, texts: &[String]) {
    let name = T::TYPE.name;
    let sql = format!(
        "select v::{name}, v::{name}::text, {name}_send(v::{name})
         from unnest($1) with ordinality u(v, n) order by n"
    );
    let rows: Vec<(T, String, Vec<u8>)> = connection.query(&sql, (texts,)).await.unwrap();
    assert_eq!(rows.len(), texts.len());
    for ((value, printed, sent), text) in rows.iter().zip(texts) {
        assert_eq!(&value.to_string(), printed, "the server's value for {text}");
        assert_eq!(&bytes(value), sent, "the bytes of {text}");
        let read: T = printed.parse().unwrap();
        assert_eq!(&read, value, "the server's print of {text}");
        assert_eq!(&read.to_string(), printed);
    }
    let values: Vec<T> = rows.into_iter().map(|(value, ..)| value).collect();
    agree_on_values(connection, &values).await;
}

/// All values, sent in one array, are printed by the server as they are printed here, and sent back in the same bytes.
pub(super) async fn agree_on_values<T: Whole>(connection: &mut Connection, values: &[T]) {
    let name = T::TYPE.name;
    let sql = format!(
        "select v::text, {name}_send(v), v from unnest($1) with ordinality u(v, n) order by n"
    );
    let rows: Vec<(String, Vec<u8>, T)> = connection.query(&sql, (values,)).await.unwrap();
    assert_eq!(rows.len(), values.len());
    for ((printed, sent, back), value) in rows.iter().zip(values) {
        assert_eq!(printed, &value.to_string());
        assert_eq!(sent, &bytes(value), "{value}");
        assert_eq!(back, value);
    }
    let (all,): (Vec<T>,) = connection.query_one("select $1", (values,)).await.unwrap();
    assert_eq!(all, values);
}

/// A type of another crate, for the texts whose values it can hold: what is read is printed by `print` as the server
/// prints it, and is the same value as `W`; and all of them come back from the server unchanged.
pub(super) async fn stands_for<T, W>(
    connection: &mut Connection,
    texts: &[String],
    print: impl Fn(&T) -> String,
) where
    T: Clone + Encode + ArrayElement + for<'a> Decode<'a> + Send + Sync + 'static,
    W: Whole + TryFrom<T, Error: Debug>,
{
    let name = T::TYPE.name;
    let sql = format!(
        "select v::{name}, v::{name}, v::{name}::text from unnest($1) with ordinality u(v, n) order by n"
    );
    let rows: Vec<(T, W, String)> = connection.query(&sql, (texts,)).await.unwrap();
    assert_eq!(rows.len(), texts.len());
    for (value, whole, printed) in &rows {
        assert_eq!(&print(value), printed);
        assert_eq!(&W::try_from(value.clone()).unwrap(), whole);
    }
    let values: Vec<T> = rows.iter().map(|(value, ..)| value.clone()).collect();
    let sql = "select v::text from unnest($1) with ordinality u(v, n) order by n";
    let back: Vec<(String,)> = connection.query(sql, (&values,)).await.unwrap();
    assert!(back.iter().map(|(text,)| text).eq(rows.iter().map(|(.., text)| text)));
}

/// Values drawn from a strategy, the same ones in every run.
pub(super) fn drawn<S: Strategy>(count: usize, strategy: S) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Texts that the server refuses as a value of this type, with the SQLSTATE that it gives.
pub(super) async fn refused(connection: &mut Connection, name: &str, text: &str) -> String {
    let sql = format!("select $1::text::{name}::text");
    let answer = connection.query_one::<(String,)>(&sql, (text,)).await;
    let error = answer.err().unwrap_or_else(|| panic!("the server reads {text:?} as a {name}"));
    error.sqlstate().unwrap().to_string()
}

pub(super) fn bytes<T: Encode>(value: &T) -> Vec<u8> {
    let mut out = Buffer::new();
    assert_eq!(value.encode(T::TYPE.oid, &mut out).unwrap(), IsNull::No);
    out.as_slice().to_vec()
}

pub(super) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}
