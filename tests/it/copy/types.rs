//! Every type by binary COPY, held against the server's own text.

use std::fmt::Debug;

use stellata::PgComposite;
use stellata_client::{Connection, CopyOptions, ErrorKind};
use stellata_protocol::types::{bits, geometry, network, system, text_search};
use stellata_protocol::{
    Citext, Cube, Date, Decode, Encode, Hstore, Interval, Ltree, Money, Multirange, Numeric, Oid,
    OrInfinity, Range, Time, TimeTz, Timestamp, TimestampTz,
};
use stellata_testkit::with_database;

use super::{connect, text_of};

/// `create type pair as (n int, t text)`
#[derive(Debug, PgComposite)]
struct Pair {
    n: Option<i32>,
    t: Option<String>,
}

/// Copies what the server makes of texts out, and in again by the Rust type; the server then says the same of both.
async fn passes<T>(connection: &mut Connection, type_name: &str, texts: &[&str])
where
    T: for<'r> Decode<'r> + Encode + Debug,
{
    // What is known of the columns of the last tables is forgotten.
    connection.simple("drop table if exists a, b; deallocate all").await.unwrap();
    let create =
        format!("create temp table a (n int, v {type_name}); create temp table b (like a)");
    connection.simple(&create).await.unwrap();
    let mut lines = String::from("0\t\\N\n");
    for (n, text) in (1..).zip(texts) {
        let text = text.replace('\\', "\\\\");
        lines.push_str(&format!("{n}\t{text}\n"));
    }
    connection.copy_in("a", &[]).read_from(lines.as_bytes()).await.unwrap();

    let mut values = Vec::new();
    let mut rows = connection.copy_out("a", &[]).rows::<(i32, Option<T>)>().await.unwrap();
    while let Some(row) = rows.next().await.unwrap() {
        values.push(row);
    }
    drop(rows);
    assert_eq!(values.len(), texts.len() + 1, "{type_name}");
    let stored = connection.copy_in("b", &[]).rows(&values).await.unwrap();
    assert_eq!(stored, values.len() as u64, "{type_name}");
    let before = text_of(connection, "select * from a order by n").await;
    let after = text_of(connection, "select * from b order by n").await;
    assert_eq!(before, after, "{type_name}: {values:?}");
    if type_name == "money" || type_name.starts_with("reg") {
        let copy = connection.copy_out("a", &[]).options(CopyOptions::csv());
        let error = copy.rows::<(i32, Option<T>)>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let begins = format!("column 2 `v` is of type {type_name}, which can't be copied as text");
        assert!(error.to_string().starts_with(&begins), "{error}");
        return;
    }
    for options in [CopyOptions::text(), CopyOptions::csv()] {
        let copy = connection.copy_out("a", &[]).options(options.clone());
        let mut rows = copy.rows::<(i32, Option<T>)>().await.unwrap();
        let mut read = Vec::new();
        while let Some(row) = rows.next().await.unwrap() {
            read.push(row);
        }
        drop(rows);
        connection.execute("truncate b", ()).await.unwrap();
        let copy = connection.copy_in("b", &[]).options(options.clone());
        assert_eq!(copy.rows(&read).await.unwrap(), values.len() as u64, "{type_name}");
        let after = text_of(connection, "select * from b order by n").await;
        assert_eq!(before, after, "{type_name}, {options:?}: {read:?}");
    }
}

#[test]
fn every_type_that_is_written_and_read_passes_binary_copy_unchanged() {
    with_database(async |database| {
        let c = &mut connect(database).await;
        passes::<bool>(c, "bool", &["t", "f"]).await;
        passes::<i16>(c, "int2", &["-32768", "0", "32767"]).await;
        passes::<i32>(c, "int4", &["-2147483648", "0", "2147483647"]).await;
        passes::<i64>(c, "int8", &["-9223372036854775808", "9223372036854775807"]).await;
        passes::<Oid>(c, "oid", &["0", "4294967295"]).await;
        passes::<Oid>(c, "regtype", &["int4", "text"]).await;
        passes::<f32>(c, "float4", &["0", "-0", "1e-40", "NaN", "-Infinity", "3.4e38"]).await;
        passes::<f64>(c, "float8", &["0", "-0", "1e-320", "NaN", "Infinity", "0.1"]).await;
        passes::<Numeric>(
            c,
            "numeric",
            &["0", "1e-20", "NaN", "Infinity", "-12345678901234567890.00"],
        )
        .await;
        passes::<rust_decimal::Decimal>(c, "numeric(20, 5)", &["0", "-1.5", "123456789.00001"])
            .await;
        passes::<Money>(c, "money", &["1.5", "-92233720368547758.08"]).await;
        passes::<String>(c, "text", &["", "äöü", "a\\b"]).await;
        passes::<String>(c, "varchar(5)", &["", "abcde"]).await;
        passes::<String>(c, "char(5)", &["", "abc"]).await;
        passes::<String>(c, "name", &["", "abc"]).await;
        passes::<Vec<u8>>(c, "bytea", &["\\x", "\\x00ff"]).await;
        passes::<system::Char>(c, "\"char\"", &["a", "~"]).await;
        passes::<uuid::Uuid>(c, "uuid", &["00000000-0000-0000-0000-000000000001"]).await;
        passes::<OrInfinity<Date>>(
            c,
            "date",
            &["infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"],
        )
        .await;
        passes::<Time>(c, "time", &["00:00", "24:00", "12:34:56.789012"]).await;
        passes::<TimeTz>(c, "timetz", &["00:00+15:59", "24:00-15:59"]).await;
        passes::<OrInfinity<Timestamp>>(
            c,
            "timestamp",
            &["infinity", "4713-01-01 BC", "294276-12-31"],
        )
        .await;
        passes::<OrInfinity<TimestampTz>>(
            c,
            "timestamptz",
            &["-infinity", "2000-01-01Z", "294276-01-01Z"],
        )
        .await;
        passes::<Interval>(
            c,
            "interval",
            &["0", "-178000000 years", "1 mon -2 days 00:00:00.000001"],
        )
        .await;
        passes::<chrono::NaiveDate>(c, "date", &["2000-02-29", "0001-01-01"]).await;
        passes::<chrono::DateTime<chrono::Utc>>(c, "timestamptz", &["2000-02-29 12:00Z"]).await;
        passes::<serde_json::Value>(c, "json", &["null", "{\"a\":[1,2.5,\"x\"]}"]).await;
        passes::<serde_json::Value>(c, "jsonb", &["null", "{\"a\": [1, 2.5, \"x\"]}"]).await;
        passes::<network::Inet>(c, "inet", &["10.0.0.1/8", "::1"]).await;
        passes::<network::Cidr>(c, "cidr", &["10.0.0.0/8", "fe80::/10"]).await;
        passes::<network::MacAddr>(c, "macaddr", &["08:00:2b:01:02:03"]).await;
        passes::<network::MacAddr8>(c, "macaddr8", &["08:00:2b:01:02:03:04:05"]).await;
        passes::<bits::Bits>(c, "varbit", &["", "1", "101010101"]).await;
        passes::<bits::Bits>(c, "bit(3)", &["101"]).await;
        passes::<geometry::Point>(c, "point", &["(1,-2)", "(NaN,Infinity)"]).await;
        passes::<geometry::Line>(c, "line", &["{1,2,3}"]).await;
        passes::<geometry::Segment>(c, "lseg", &["[(1,2),(3,4)]"]).await;
        passes::<geometry::Rectangle>(c, "box", &["(3,4),(1,2)"]).await;
        passes::<geometry::Path>(c, "path", &["[(1,2),(3,4)]", "((1,2),(3,4))"]).await;
        passes::<geometry::Polygon>(c, "polygon", &["((1,2),(3,4),(5,6))"]).await;
        passes::<geometry::Circle>(c, "circle", &["<(1,2),3>"]).await;
        passes::<text_search::TsVector>(c, "tsvector", &["'a':1A,2 'b'", ""]).await;
        passes::<text_search::TsQuery>(c, "tsquery", &["'a' & !('b' | 'c')"]).await;
        passes::<system::JsonPath>(c, "jsonpath", &["$.\"a\"[*]"]).await;
        passes::<stellata_protocol::replication::Lsn>(c, "pg_lsn", &["0/0", "16/B374D848"]).await;
        passes::<system::Tid>(c, "tid", &["(0,1)", "(4294967295,65535)"]).await;
        passes::<system::Xid8>(c, "xid8", &["18446744073709551615"]).await;
        passes::<stellata_protocol::replication::Xid>(c, "xid", &["4294967295"]).await;
        passes::<Vec<i32>>(c, "int4[]", &["{}", "{1,2,3}"]).await;
        passes::<Vec<Option<String>>>(c, "text[]", &["{NULL,\"\",\"a,b\"}"]).await;
        c.simple("create type mood as enum ('sad', 'happy')").await.unwrap();
        passes::<String>(c, "mood", &["sad", "happy"]).await;
        let own =
            "create domain positive as int check (value > 0); create type pair as (n int, t text);
            create type textrange as range (subtype = text); create extension hstore;
            create extension citext; create extension ltree; create extension cube";
        c.simple(own).await.unwrap();
        passes::<i32>(c, "positive", &["1"]).await;
        passes::<Range<i32>>(c, "int4range", &["[1,5)", "(,)", "empty"]).await;
        passes::<Multirange<i32>>(c, "int4multirange", &["{[1,5),[7,)}", "{}"]).await;
        passes::<Range<String>>(c, "textrange", &["[\"a,b\",\"b\\\"c\")"]).await;
        passes::<Vec<geometry::Rectangle>>(c, "box[]", &["{(1,2),(0,0);(3,4),(1,1)}"]).await;
        passes::<Vec<Range<i32>>>(c, "int4range[]", &["{\"[1,5)\",empty}"]).await;
        passes::<Hstore>(c, "hstore", &["a=>1", "\"\\\"\"=>NULL", ""]).await;
        passes::<Vec<Hstore>>(c, "hstore[]", &["{\"a=>\\\"x y\\\"\"}"]).await;
        passes::<Citext>(c, "citext", &["aBc"]).await;
        passes::<Ltree>(c, "ltree", &["a.b.c"]).await;
        passes::<Cube>(c, "cube", &["(1,2),(3,4)", "(0.5)"]).await;
        passes::<Pair>(c, "pair", &["(1,\"a, \"\"b\"\"\")", "(,)"]).await;
        passes::<Vec<Pair>>(c, "pair[]", &["{\"(1,\\\"a b\\\")\",\"(2,)\"}", "{}"]).await;
    });
}
