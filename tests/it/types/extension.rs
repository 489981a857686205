//! Types of extensions.

use stellata::types::{Citext, Cube, Hstore, Lquery, Ltree, Ltxtquery, Vector};
use stellata_client::{Config, Connection, ErrorKind};
use stellata_protocol::{Decode, Encode};
use stellata_testkit::{Database, skip, with_database};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// A connection to the database with the extension, or nothing where the server does not have it.
async fn with(database: &Database, extension: &str) -> Option<Connection> {
    let found = database
        .run(&format!("select 1 from pg_available_extensions where name = '{extension}'"))
        .unwrap();
    if found.is_empty() {
        skip(&format!("the server does not have the extension {extension}"));
        return None;
    }
    database.run(&format!("create schema ext; create extension {extension} schema ext")).unwrap();
    let mut connection = connect(database).await;
    connection.execute("set search_path = public, ext", ()).await.unwrap();
    Some(connection)
}

/// The server reads `text` as `sql_type` and sends it; it is `value`, and `value` sent to the server prints as `text`.
async fn is<T>(connection: &mut Connection, sql_type: &str, text: &str, value: T)
where
    T: Encode + for<'a> Decode<'a> + PartialEq + std::fmt::Debug + Send + Sync,
{
    let read = format!("select $1::text::{sql_type}");
    let (read,): (T,) = connection.query_one(&read, (text,)).await.unwrap();
    assert_eq!(read, value, "reading {text} as {sql_type}");
    let write = format!("select $1::{sql_type}::text");
    let (written,): (String,) = connection.query_one(&write, (&value,)).await.unwrap();
    assert_eq!(written, text, "writing {value:?} as {sql_type}");
}

#[test]
fn hstore_comes_and_goes() {
    with_database(async |database| {
        let Some(mut connection) = with(database, "hstore").await else { return };
        let c = &mut connection;
        is(c, "hstore", "", Hstore::default()).await;
        let pairs = Hstore::from_iter([
            ("a", Some("1")),
            ("b", None),
            ("", Some("")),
            ("ü\"", Some("x => y")),
        ]);
        let (back, text): (Hstore, String) =
            c.query_one("select $1::hstore, $1::hstore::text", (&pairs,)).await.unwrap();
        assert_eq!(back, pairs);
        let (read,): (Hstore,) = c.query_one("select $1::text::hstore", (text,)).await.unwrap();
        assert_eq!(read, pairs);
        let (many,): (Vec<Option<Hstore>>,) =
            c.query_one("select array['a=>1'::hstore, null]", ()).await.unwrap();
        assert_eq!(many, [Some(Hstore::from_iter([("a", Some("1"))])), None]);
        // Its bytes are no text.
        let error = c.query::<(String,)>("select ''::hstore", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    });
}

#[test]
fn ltree_comes_and_goes() {
    with_database(async |database| {
        let Some(mut connection) = with(database, "ltree").await else { return };
        let c = &mut connection;
        is(c, "ltree", "", Ltree::default()).await;
        is(c, "ltree", "Top.Science.Astronomy", Ltree::from("Top.Science.Astronomy")).await;
        is(c, "lquery", "Top.*{1,2}.Astro@*", Lquery::from("Top.*{1,2}.Astro@*")).await;
        is(c, "ltxtquery", "Astro* & !pictures@", Ltxtquery::from("Astro* & !pictures@")).await;
        is(c, "ltree[]", "{a.b,c}", vec![Ltree::from("a.b"), Ltree::from("c")]).await;
        let (found,): (bool,) = c
            .query_one(
                "select 'a.b.c'::ltree ~ $1 and 'a.b' @> $2::ltree",
                (Lquery::from("a.*"), Ltree::from("a.b.c")),
            )
            .await
            .unwrap();
        assert!(found);
        // Its version byte is not taken for text, and one kind not for the other.
        let error = c.query::<(String,)>("select 'a'::ltree", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let error = c.query::<(Ltree,)>("select 'a'::lquery", ()).await.unwrap_err();
        assert!(error.to_string().contains("`ext.lquery`"), "{error}");
    });
}

#[test]
fn citext_comes_and_goes() {
    with_database(async |database| {
        let Some(mut connection) = with(database, "citext").await else { return };
        let c = &mut connection;
        is(c, "citext", "Straße", Citext::from("Straße")).await;
        is(c, "citext", "Straße", "Straße".to_owned()).await;
        is(c, "citext[]", "{A,b}", vec![Citext::from("A"), Citext::from("b")]).await;
        is(c, "citext[]", "{A,b}", vec!["A".to_owned(), "b".to_owned()]).await;
        let (same,): (bool,) =
            c.query_one("select $1::citext = 'ABC'", (Citext::from("abc"),)).await.unwrap();
        assert!(same);
    });
}

#[test]
fn cube_comes_and_goes() {
    with_database(async |database| {
        let Some(mut connection) = with(database, "cube").await else { return };
        let c = &mut connection;
        is(c, "cube", "()", Cube::point(vec![])).await;
        is(c, "cube", "(1, -2.5)", Cube::point(vec![1.0, -2.5])).await;
        let between = Cube::between(vec![0.0, 0.0], vec![1.0, 1e300]).unwrap();
        is(c, "cube", "(0, 0),(1, 1e+300)", between).await;
        is(c, "cube[]", "{(1)}", vec![Cube::point(vec![1.0])]).await;
    });
}

#[test]
fn vector_comes_and_goes() {
    with_database(async |database| {
        let Some(mut connection) = with(database, "vector").await else { return };
        let c = &mut connection;
        is(c, "vector", "[1,-2.5,0]", Vector::from([1.0, -2.5, 0.0])).await;
        is(c, "vector[]", "{\"[1]\",\"[2]\"}", vec![Vector::from([1.0]), Vector::from([2.0])])
            .await;
    });
}
