//! What a server prints of a value, held against what we print of it.
//!
//! `format('%s', v)` is the value as the type's own output function prints it; a cast to text may print it otherwise.

use std::fmt::{Debug, Display};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use stellata_client::{Config, Connection, Params};
use stellata_protocol::{ArrayElement, Decode, Encode, Oid};
use stellata_testkit::Database;

pub(super) async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// A type whose values are compared by what is printed of them, so that a NaN is itself.
pub(super) trait Printed:
    Encode + for<'a> Decode<'a> + ArrayElement + Display + Debug + Send
{
}

impl<T: Encode + for<'a> Decode<'a> + ArrayElement + Display + Debug + Send> Printed for T {}

/// Has the server read `texts` as values of the type `sql`, one after the other and as one array. What is read from its
/// binary form prints as the server prints it; what is written of that prints so too.
pub(super) async fn edges<T: Printed>(connection: &mut Connection, sql: &str, texts: &[&str]) {
    assert!(texts.len() >= 40, "{} edge values of {sql}", texts.len());
    let read = read::<T>(connection, sql, texts).await;
    let statement = format!("select format('%s', $1::{sql})");
    let (oid, _) = numbers(connection, sql).await;
    for (value, text) in &read {
        let mut params = Params::new();
        params.push_as(oid, value).unwrap();
        let (back,): (String,) = connection.query_one(&statement, &params).await.unwrap();
        assert_eq!(&back, text, "{value:?} as the server reads it");
    }
    written(connection, sql, read.into_iter().map(|(value, _)| value).collect()).await;
}

/// The values that the server makes of `texts`, each with what it prints of them.
pub(super) async fn read<T: Printed>(
    connection: &mut Connection,
    sql: &str,
    texts: &[&str],
) -> Vec<(T, String)> {
    let statement =
        format!("select v, format('%s', v) from (select t::{sql} from unnest($1::text[]) t) s (v)");
    let read: Vec<(T, String)> = connection.query(&statement, (texts,)).await.unwrap();
    assert_eq!(read.len(), texts.len());
    for (value, text) in &read {
        assert_eq!(&value.to_string(), text, "{value:?} from {sql}");
    }
    let statement = format!("select array(select t::{sql} from unnest($1::text[]) t)");
    let (array,): (Vec<T>,) = connection.query_one(&statement, (texts,)).await.unwrap();
    let printed: Vec<_> = array.iter().map(T::to_string).collect();
    let texts: Vec<_> = read.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(printed, texts, "an array of {sql}");
    read
}

/// Writes all values as one array. The server prints them as we do, and sends them as they were.
pub(super) async fn written<T: Printed>(connection: &mut Connection, sql: &str, values: Vec<T>) {
    let statement = format!("select v, format('%s', v) from unnest($1::{sql}[]) v");
    let (_, array) = numbers(connection, sql).await;
    let mut params = Params::new();
    params.push_as(array, &values).unwrap();
    let back: Vec<(T, String)> = connection.query(&statement, &params).await.unwrap();
    assert_eq!(back.len(), values.len());
    for (value, (back, text)) in values.iter().zip(back) {
        assert_eq!(value.to_string(), text, "{value:?} as the server reads it");
        assert_eq!(back.to_string(), text, "{back:?}");
    }
}

/// The type `sql` and the array over it, so that a value is sent as what it is called and not as its Rust type's own.
async fn numbers(connection: &mut Connection, sql: &str) -> (Oid, Oid) {
    let statement = "select oid, typarray from pg_catalog.pg_type where oid = to_regtype($1)";
    connection.query_one(statement, (sql,)).await.unwrap()
}

/// Draws some hundred values and writes them.
pub(super) async fn drawn<T: Printed>(
    connection: &mut Connection,
    strategy: impl Strategy<Value = T>,
) {
    let values = draw(strategy, 400);
    written(connection, T::TYPE.name, values).await;
}

/// Draws values, others at each run.
pub(super) fn draw<T: Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::default();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// The server refuses to make a value of the type `sql` of this text.
pub(super) async fn refuses(connection: &mut Connection, sql: &str, text: &str) {
    let statement = format!("select $1::text::{sql} is null");
    let found = connection.query_one::<(bool,)>(&statement, (text,)).await;
    assert!(found.is_err(), "the server takes {text} for {sql}");
}
