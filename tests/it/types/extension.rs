//! Types of extensions.

use stellata::types::{Citext, Cube, Hstore, Lquery, Ltree, Ltxtquery, SparseVector, Vector};
use stellata_client::{Config, Connection, ErrorKind};
use stellata_protocol::{Decode, Encode};
use stellata_testkit::{Database, Server, VERSIONS, skip, with_database, with_database_on};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

fn has(database: &Database, extension: &str) -> bool {
    let found = format!("select 1 from pg_available_extensions where name = '{extension}'");
    !database.run(&found).unwrap().is_empty()
}

/// The server that all tests share if it has the extension, or the newest that has it.
pub(super) fn server_with(extension: &str) -> Option<&'static Server> {
    let shared = std::iter::once_with(|| Server::shared().unwrap());
    let others = VERSIONS.iter().rev().filter_map(|major| Server::of_version(*major).unwrap());
    let found =
        shared.chain(others).find(|server| has(&Database::create(server).unwrap(), extension));
    if found.is_none() {
        skip(&format!(
            "no server here has the extension {extension}: `cargo xtask test` fetches {extension}"
        ));
    }
    found
}

/// A connection to the database with the extension, or nothing where the server does not have it.
async fn with(database: &Database, extension: &str) -> Option<Connection> {
    if !has(database, extension) {
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
    let Some(server) = server_with("vector") else { return };
    with_database_on(server, async |database| {
        let Some(mut connection) = with(database, "vector").await else { return };
        let c = &mut connection;
        is(c, "vector", "[1,-2.5,0]", Vector::from([1.0, -2.5, 0.0])).await;
        is(c, "vector[]", "{[1],[2]}", vec![Vector::from([1.0]), Vector::from([2.0])]).await;
        let widest = Vector::from(vec![0.5; 16_000]);
        is(c, "vector", &widest.to_string(), widest).await;
        let sparse = SparseVector::new(100_000, vec![(0, 1.0), (99_999, -2.0)]).unwrap();
        is(c, "sparsevec", "{1:1,100000:-2}/100000", sparse).await;
        let (near,): (f64,) = c
            .query_one("select '[3,4]'::vector <-> $1", (Vector::from([0.0, 0.0]),))
            .await
            .unwrap();
        assert_eq!(near, 5.0);
        // What is no vector is refused, here or there, and the connection goes on.
        let long = Vector::from(vec![0.5; 16_001]);
        let error = c.query::<(String,)>("select $1::vector::text", (long,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        let none = Vector::default();
        let error = c.query::<(String,)>("select $1::vector::text", (none,)).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "22000");
        let error = c.query::<(SparseVector,)>("select '[1]'::vector", ()).await.unwrap_err();
        assert!(error.to_string().contains("`ext.vector`"), "{error}");
    });
}
