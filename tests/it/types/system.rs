//! Types of system catalogues and of the server itself, and the numbers of all built-in types.

use proptest::prelude::*;
use stellata_protocol::replication::{Lsn, Xid};
use stellata_protocol::types::system::{
    Char, Cid, Int2Vector, JsonPath, OidVector, Snapshot, Tid, Xid8, Xml,
};
use stellata_protocol::{Oid, PgType};
use stellata_testkit::Database;

use super::printed::{connect, draw, drawn, edges, refuses, written};

fn lent(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Powers of two of an unsigned number, and what is below them.
fn unsigned(bits: u32) -> Vec<String> {
    let powers = (0..bits).flat_map(|bit| [1_u128 << bit, (1 << bit) - 1]);
    powers.chain([(1 << bits) - 1]).map(|number| number.to_string()).collect()
}

#[stellata_testkit::test]
async fn every_built_in_type_has_the_number_that_the_server_gives_it(database: &Database) {
    let mut connection = connect(database).await;
    let types: Vec<(Oid, String, Oid)> = connection
        .query(
            "select t.oid, t.typname::text, t.typarray from pg_catalog.pg_type t
             where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'p', 'r', 'm')
             and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)",
            (),
        )
        .await
        .unwrap();
    assert!(types.len() >= 100, "{}", types.len());
    for (oid, name, array) in types {
        let found = oid.name().map(|name| name.trim_matches('"'));
        assert_eq!(found, Some(if name == "bpchar" { "char" } else { &name }), "{oid}");
        let array = Some(array).filter(|array| *array != Oid::UNSPECIFIED);
        assert_eq!(oid.array(), array, "{name}");
        assert_eq!(array.and_then(Oid::element), array.map(|_| oid), "{name}");
    }
}

#[stellata_testkit::test]
async fn numbers_of_transactions_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    edges::<Xid8>(&mut connection, "xid8", &lent(&unsigned(64))).await;
    edges::<Xid>(&mut connection, "xid", &lent(&unsigned(32))).await;
    edges::<Cid>(&mut connection, "cid", &lent(&unsigned(32))).await;
    drawn(&mut connection, any::<u64>().prop_map(Xid8)).await;
    drawn(&mut connection, any::<u32>().prop_map(Xid)).await;
    drawn(&mut connection, any::<u32>().prop_map(Cid)).await;
    let (now, same): (Xid8, String) = connection
        .query_one("select pg_current_xact_id(), pg_current_xact_id()::text", ())
        .await
        .unwrap();
    assert_eq!(now.to_string(), same);
}

#[stellata_testkit::test]
async fn places_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let tids: Vec<_> = unsigned(32)
        .into_iter()
        .zip(unsigned(16).into_iter().cycle())
        .map(|(block, offset)| format!("({block},{offset})"))
        .collect();
    edges::<Tid>(&mut connection, "tid", &lent(&tids)).await;
    drawn(&mut connection, any::<(u32, u16)>().prop_map(|(block, offset)| Tid { block, offset }))
        .await;
    let lsns: Vec<_> = (0..64).map(|bit| Lsn(u64::MAX >> bit).to_string()).collect();
    edges::<Lsn>(&mut connection, "pg_lsn", &lent(&lsns)).await;
    drawn(&mut connection, any::<u64>().prop_map(Lsn)).await;
    connection.execute("create table t as select 7 as n", ()).await.unwrap();
    let (tid, printed): (Tid, String) =
        connection.query_one("select ctid, ctid::text from t", ()).await.unwrap();
    assert_eq!(printed.parse(), Ok(tid));
    let found: (i32,) =
        connection.query_one("select n from t where ctid = $1", (tid,)).await.unwrap();
    assert_eq!(found, (7,));
}

#[stellata_testkit::test]
async fn snapshots_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let mut texts: Vec<_> = (1..40_u64)
        .map(|n| {
            format!(
                "{n}:{}:{}",
                n + n * n,
                if n > 3 { format!("{n},{}", n + 1) } else { String::new() }
            )
        })
        .collect();
    texts.extend(
        [
            "1:1:",
            "1:2:1",
            "4294967295:4294967297:4294967295,4294967296",
            "1:9223372036854775807:",
            "3:100:3,50,99",
        ]
        .map(str::to_owned),
    );
    edges::<Snapshot>(&mut connection, "pg_snapshot", &lent(&texts)).await;
    edges::<Snapshot>(&mut connection, "txid_snapshot", &lent(&texts)).await;
    for text in ["2:1:", "1:5:5", "2:5:1", "1:5:3,2", "0:5:"] {
        refuses(&mut connection, "pg_snapshot", text).await;
    }
    let any_snapshot =
        (prop::collection::btree_set(1..1_u64 << 40, 1..9), 0..9_u64).prop_map(|(xip, n)| {
            let xip: Vec<_> = xip.into_iter().map(Xid8).collect();
            let (xmin, xmax) = (xip[0].0, xip[xip.len() - 1].0 + 1 + n);
            Snapshot::new(Xid8(xmin), Xid8(xmax), xip)
        });
    let snapshots = draw(any_snapshot, 400).into_iter().filter_map(Result::ok).collect();
    written(&mut connection, "pg_snapshot", snapshots).await;
    let (snapshot, text): (Snapshot, String) =
        connection.query_one("select s, s::text from pg_current_snapshot() s", ()).await.unwrap();
    assert_eq!(snapshot.to_string(), text);
}

#[stellata_testkit::test]
async fn names_of_the_catalogue_are_numbers(database: &Database) {
    let mut connection = connect(database).await;
    edges::<Oid>(&mut connection, "oid", &lent(&unsigned(32))).await;
    drawn(&mut connection, any::<u32>().prop_map(Oid)).await;
    for (alias, table) in [
        ("regproc", "pg_proc"),
        ("regprocedure", "pg_proc"),
        ("regoper", "pg_operator"),
        ("regoperator", "pg_operator"),
        ("regclass", "pg_class"),
        ("regtype", "pg_type"),
        ("regconfig", "pg_ts_config"),
        ("regdictionary", "pg_ts_dict"),
        ("regnamespace", "pg_namespace"),
        ("regrole", "pg_roles"),
        ("regcollation", "pg_collation"),
    ] {
        let statement = format!(
            "select oid::{alias}, oid, oid::{alias}::text from pg_catalog.{table} limit 60"
        );
        let rows: Vec<(Oid, u32, String)> = connection.query(&statement, ()).await.unwrap();
        assert!(!rows.is_empty(), "{table}");
        let numbers: Vec<_> = rows.iter().map(|row| row.0).collect();
        assert!(rows.iter().all(|row| row.0 == Oid(row.1)));
        let statement = format!("select v, v::text from unnest($1::{alias}[]) v");
        let back: Vec<(Oid, String)> = connection.query(&statement, (&numbers,)).await.unwrap();
        let sent: Vec<_> = rows.into_iter().map(|(oid, _, name)| (oid, name)).collect();
        assert_eq!(back, sent);
    }
}

#[stellata_testkit::test]
async fn vectors_of_the_catalogue_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let numbers: Vec<_> = (0..48_i16)
        .map(|n| match n % 3 {
            0 => n.to_string(),
            1 => format!("{} {}", -n, i16::MIN + n),
            _ => format!("{n} {} 0", i16::MAX - n),
        })
        .collect();
    edges::<Int2Vector>(&mut connection, "int2vector", &lent(&numbers)).await;
    edges::<OidVector>(&mut connection, "oidvector", &lent(&unsigned(32))).await;
    drawn(&mut connection, prop::collection::vec(any::<i16>(), 1..9).prop_map(Int2Vector)).await;
    let oids = prop::collection::vec(any::<u32>().prop_map(Oid), 1..9);
    drawn(&mut connection, oids.prop_map(OidVector)).await;

    let empty: (Int2Vector, OidVector) =
        connection.query_one("select ''::int2vector, ''::oidvector", ()).await.unwrap();
    assert_eq!(empty, (Int2Vector::default(), OidVector::default()));
    let error =
        connection.query_one::<(i32,)>("select cardinality($1::int2vector)", (empty.0,)).await;
    assert!(error.unwrap_err().to_string().contains("empty vector"));
    let (arguments,): (OidVector,) = connection
        .query_one(
            "select proargtypes from pg_proc where oid = 'pg_sleep(float8)'::regprocedure",
            (),
        )
        .await
        .unwrap();
    assert_eq!(*arguments, [Oid::FLOAT8]);
}

#[stellata_testkit::test]
async fn a_char_in_quotes_is_one_byte(database: &Database) {
    let mut connection = connect(database).await;
    // Servers before 15 print what is not ASCII as it is, which is no UTF-8.
    let ascii: Vec<_> = (1..128_u8).map(|byte| char::from(byte).to_string()).collect();
    edges::<Char>(&mut connection, "\"char\"", &lent(&ascii)).await;
    let all: Vec<_> = (0..=255).map(Char).collect();
    let back: (Vec<Char>,) = connection.query_one("select $1::\"char\"[]", (&all,)).await.unwrap();
    assert_eq!(back.0, all);
    let (version,): (i32,) = connection
        .query_one("select current_setting('server_version_num')::int4", ())
        .await
        .unwrap();
    if version >= 150_000 {
        written(&mut connection, "\"char\"", all).await;
    }
    let (kind, same): (Char, i8) = connection
        .query_one("select relkind, relkind from pg_class where oid = 'pg_class'::regclass", ())
        .await
        .unwrap();
    assert_eq!((kind.to_string(), same), ("r".to_owned(), 114));
}

#[stellata_testkit::test]
async fn a_character_is_a_text(database: &Database) {
    let mut connection = connect(database).await;
    let texts: Vec<_> = ('a'..='z')
        .chain("éß日😀\u{300}\u{10ffff}'\\\" \t\n0-".chars())
        .map(String::from)
        .collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    edges::<char>(&mut connection, "text", &texts).await;
    drawn(&mut connection, any::<char>().prop_filter("no NUL", |character| *character != '\0'))
        .await;
    let wide = connection.query_one::<(char,)>("select 'a'::char(3)", ()).await;
    assert!(wide.unwrap_err().to_string().contains("not one character"));
    let narrow: (char,) = connection.query_one("select 'a'::char(1)", ()).await.unwrap();
    assert_eq!(narrow, ('a',));
}

#[stellata_testkit::test]
async fn other_texts_are_read_as_text(database: &Database) {
    let mut connection = connect(database).await;
    // The server pads one and cuts the other.
    let padded: (String, String) =
        connection.query_one("select 'ab'::char(4), repeat('n', 70)::name", ()).await.unwrap();
    assert_eq!(padded, ("ab  ".to_owned(), "n".repeat(63)));
    connection.simple("begin; declare c cursor for select 1").await.unwrap();
    let cursor: (String,) = connection.query_one("select $1::refcursor", ("c",)).await.unwrap();
    assert_eq!(cursor, ("c".to_owned(),));
    connection.simple("commit").await.unwrap();
    connection.execute("create table t (n int default 7)", ()).await.unwrap();
    let (tree,): (String,) =
        connection.query_one("select adbin from pg_attrdef limit 1", ()).await.unwrap();
    assert!(tree.starts_with('{'), "{tree}");
    let slept: ((),) = connection.query_one("select pg_sleep(0)", ()).await.unwrap();
    assert_eq!(slept, ((),));
    connection
        .simple(
            "create table pairs as select n % 5 as a, n % 5 as b from generate_series(1, 100) n;
             create statistics s (ndistinct, dependencies, mcv) on a, b from pairs;
             analyze pairs",
        )
        .await
        .unwrap();
    let statistics: (Vec<u8>, Vec<u8>, Vec<u8>) = connection
        .query_one("select stxdndistinct, stxddependencies, stxdmcv from pg_statistic_ext_data", ())
        .await
        .unwrap();
    assert!(!statistics.0.is_empty() && !statistics.1.is_empty() && !statistics.2.is_empty());
}

#[stellata_testkit::test]
async fn paths_into_json_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let mut texts: Vec<_> = [
        "$",
        "$.a",
        "$.\"a b\"",
        "$[*]",
        "$[0]",
        "$[0 to 3]",
        "$[last]",
        "$.*",
        "$.**",
        "$.**{2}",
        "$.a.b.c",
        "strict $.a",
        "lax $.a",
        "$.a ? (@ > 1)",
        "$.a ? (@.b == \"x\" && @.c < 2)",
        "$.a ? (exists (@.b))",
        "$ ? (@ like_regex \"^a\" flag \"i\")",
        "$ ? (@ starts with \"x\")",
        "$.a + 1",
        "-$.a",
        "$.a * (2 - 3)",
        "$.type()",
        "$.size()",
        "$.a.double()",
        "$.keyvalue()",
        "$x",
        "$.a == null",
        "$ ? (@ == true)",
        "\"é😀\"",
        "1.5e10",
        "$.\"it's\"",
        "$.\"\\\"\"",
    ]
    .map(str::to_owned)
    .into();
    texts.extend((0..12).map(|n| format!("$.a[{n}].b{n}")));
    edges::<JsonPath>(&mut connection, "jsonpath", &lent(&texts)).await;
    let keys = prop::collection::vec("[a-z]{1,9}", 1..6);
    let path = keys.prop_map(|keys| JsonPath(format!("$.\"{}\"", keys.join("\".\""))));
    drawn(&mut connection, path).await;
    let (found,): (i32,) = connection
        .query_one(
            "select jsonb_path_query('{\"a\": [1, 2]}', $1)::int4",
            (JsonPath::from("$.a[1]"),),
        )
        .await
        .unwrap();
    assert_eq!(found, 2);
}

#[stellata_testkit::test]
async fn documents_of_xml_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    if connection.query::<(bool,)>("select '<a/>'::xml is document", ()).await.is_err() {
        stellata_testkit::skip("the server was built without XML");
        return;
    }
    let mut texts: Vec<_> = [
        "",
        "text",
        "<a/>",
        "<a></a>",
        "<a>b</a>",
        "<a b='c'/>",
        "<a b=\"c\"/>",
        "<a/><b/>",
        "<!-- c --><a/>",
        "<?p i?><a/>",
        "<![CDATA[<]]>",
        "&lt;&amp;&gt;",
        "<é>😀</é>",
        " <a/> ",
        "<a>\n</a>",
        "<a xmlns='u'/>",
        "<x:a xmlns:x='u'/>",
        "<a>&#233;</a>",
        "<?xml version=\"1.0\"?><a/>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>",
        "<?xml version='1.0' standalone='yes'?><a/>",
        "<?xml version='1.0' standalone='no'?><a>é</a>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0' encoding='utf8' standalone='yes'?><a>é</a>",
        "<?xml-stylesheet href='latin1'?><a/>",
        "<a encoding='latin1'/>",
    ]
    .map(str::to_owned)
    .into();
    texts.extend((1..20).map(|n| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n))));
    edges::<Xml>(&mut connection, "xml", &lent(&texts)).await;
    drawn(&mut connection, "[ -%'-;=?-~]{0,40}".prop_map(|text| Xml(format!("<a>{text}</a>"))))
        .await;
    let foreign = Xml::from("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>");
    let error = connection.query_one::<(Xml,)>("select $1::xml", (foreign,)).await.unwrap_err();
    assert!(error.to_string().contains("another encoding"), "{error}");
    assert!(Xml::accepts(Oid::XML) && !String::accepts(Oid::XML));
}
