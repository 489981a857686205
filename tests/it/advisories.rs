//! What has gone wrong in other drivers, tried here against a real server. `docs/advisories.md` tells of each; what needs
//! no server is in `protocol/tests/advisories.rs`.

use std::path::Path;

use stellata_client::{Config, Connection};
use stellata_protocol::quote;
use stellata_testkit::{Database, with_database};

/// Texts that end a literal, a name, a comment or a statement, if anything lets them.
const HOSTILE: [&str; 16] = [
    "'",
    "\"",
    "''",
    "\\",
    "\\'",
    "\\\\'",
    "'; drop table canary; --",
    "\"; drop table canary; --",
    "x\n; drop table canary; --",
    "$$; drop table canary; --",
    "$tag$; drop table canary; --",
    "*/; drop table canary; /*",
    "') from canary; drop table canary; --",
    "\u{e9}'; drop table canary; --",
    "\u{10ffff}\\'; drop table canary; --",
    "E'\\047; drop table canary; --",
];

/// A connection, and a table that nothing of all this may harm.
async fn with_canary(database: &Database) -> Connection {
    let config = Config::parse(&database.url()).unwrap();
    let mut connection = Connection::connect(&config).await.unwrap();
    connection.simple("create table canary (id int); insert into canary values (1)").await.unwrap();
    connection
}

async fn canary_lives(connection: &mut Connection) {
    let alive: (i64,) = connection.query_one("select count(*) from canary", ()).await.unwrap();
    assert_eq!(alive, (1,));
}

/// There, `-$1` with a negative number became `--5`, a comment up to the end of the line, and the next text went on as SQL.
#[test]
fn cve_2024_1597_a_negative_number_behind_a_minus_is_no_comment() {
    with_database(async |database| {
        let mut connection = with_canary(database).await;
        for text in HOSTILE.iter().map(|text| format!("\n{text}")) {
            let row: (i32, String) =
                connection.query_one("select 10 -$1, $2::text", (-5, &*text)).await.unwrap();
            assert_eq!(row, (15, text));
        }
        canary_lives(&mut connection).await;
    });
}

#[test]
fn cve_2024_27289_two_parameters_on_a_line_stay_apart() {
    with_database(async |database| {
        let mut connection = with_canary(database).await;
        for text in HOSTILE {
            let row: (i64, i64, String, String) = connection
                .query_one(
                    "select -$1::int8, -$2::int8, $3::text, $4::text /* $5 */ -- $6",
                    (-1_i64, i64::MAX, text, text),
                )
                .await
                .unwrap();
            assert_eq!(row, (1, -i64::MAX, text.to_owned(), text.to_owned()));
        }
        canary_lives(&mut connection).await;
    });
}

/// There, a placeholder inside a dollar-quoted text was filled in too.
#[test]
fn ghsa_j88v_2chj_qfwx_a_placeholder_in_a_dollar_quoted_text_is_text() {
    with_database(async |database| {
        let mut connection = with_canary(database).await;
        for text in HOSTILE {
            let row: (String, String, String) = connection
                .query_one("select $tag$ $1 $tag$, $$$1$$, $1::text", (text,))
                .await
                .unwrap();
            assert_eq!(row, (" $1 ".to_owned(), "$1".to_owned(), text.to_owned()));
        }
        canary_lives(&mut connection).await;
    });
}

/// There, the names of columns went into a statement as the server had told them.
#[test]
fn cve_2022_31197_names_of_columns_that_the_server_tells_are_quoted() {
    with_database(async |database| {
        let mut connection = with_canary(database).await;
        for (number, hostile) in HOSTILE.into_iter().enumerate() {
            let table = quote::identifier(&format!("{hostile}{number}")).unwrap();
            let column = quote::identifier(hostile).unwrap();
            let made =
                format!("create table {table} ({column} int); insert into {table} values (7)");
            connection.simple(&made).await.unwrap();
            // What comes back is asked for again.
            let told = connection.simple(&format!("select * from {table}")).await.unwrap();
            assert_eq!(told[0].columns, [hostile]);
            let again = quote::identifier(&told[0].columns[0]).unwrap();
            let sql = format!("select {again} from {table} where {again} = $1");
            let row: (i32,) = connection.query_one(&sql, (7,)).await.unwrap();
            assert_eq!(row, (7,));
        }
        canary_lives(&mut connection).await;
    });
}

/// There, names and options of COPY went into the statement as they were.
#[test]
fn rustsec_2026_0136_names_and_options_of_copy_are_quoted() {
    with_database(async |database| {
        let mut connection = with_canary(database).await;
        let table = quote::identifier("odd\"name").unwrap();
        let column = quote::identifier("a b").unwrap();
        let made = format!(
            "create table {table} ({column} text); insert into {table} values (null), ('x')"
        );
        connection.simple(&made).await.unwrap();
        let forced = quote::column_option("force_quote", &["a b"]).unwrap();
        let format = quote::option("format", "csv").unwrap();
        let mut copied = 0;
        for hostile in HOSTILE {
            let null = quote::option("null", hostile).unwrap();
            let sql = format!("copy {table} to stdout with ({format}, {null}, {forced})");
            match connection.simple(&sql).await {
                Ok(results) => {
                    assert_eq!(results[0].tag, "COPY 2");
                    copied += 1;
                }
                // Some can't stand for NULL: the server says so of the text as it is.
                Err(error) => {
                    let code = error.sqlstate().unwrap();
                    assert!(["22023", "0A000"].contains(&code.as_str()), "{error}");
                }
            }
            // An option of that name is not known, whatever the name holds.
            let unknown = quote::option(hostile, "on").unwrap();
            let sql = format!("copy {table} to stdout with ({unknown})");
            let error = connection.simple(&sql).await.unwrap_err();
            assert_eq!(error.sqlstate().unwrap().as_str(), "42601", "{error}");
            assert!(error.to_string().contains(hostile), "{error}");
        }
        assert!(copied >= 8, "{copied}");
        canary_lives(&mut connection).await;
    });
}

#[test]
fn cve_2025_1094_a_quoted_text_is_itself_whatever_backslashes_mean() {
    with_database(async |database| {
        let mut connection = with_canary(database).await;
        for conforming in ["on", "off"] {
            let set = format!("set standard_conforming_strings = {conforming}");
            connection.simple(&set).await.unwrap();
            for hostile in HOSTILE {
                let literal = quote::literal(hostile).unwrap();
                let row: (String, String) = connection
                    .query_one(&format!("select {literal}, $1::text"), (hostile,))
                    .await
                    .unwrap();
                assert_eq!(row, (hostile.to_owned(), hostile.to_owned()), "{conforming}");
            }
        }
        canary_lives(&mut connection).await;
    });
}

/// There, a search path that a client had chosen led the pooler's own query to functions of the client's.
///
/// Whatever the product asks of the catalogue names its schema. What it asks is found by reading the source.
#[test]
fn cve_2025_12819_queries_of_the_catalogue_name_its_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut files, mut named) = (0, 0);
    let mut folders: Vec<_> = ["protocol", "client", "pool", "orm", "derive", "cli"]
        .map(|room| root.join(room).join("src"))
        .into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            files += 1;
            for (number, line) in text.lines().enumerate() {
                let line = line.trim_start();
                if line.starts_with("//") {
                    continue;
                }
                named += line.matches("pg_catalog.").count();
                if let Some(found) = unqualified(line) {
                    panic!("{}:{}: `{found}` without its schema", path.display(), number + 1);
                }
            }
        }
    }
    assert!(files > 50 && named > 3, "{named} names in {files} files");
}

/// A table or a function of the catalogue that stands in SQL without its schema.
fn unqualified(line: &str) -> Option<&str> {
    let lower = line.to_ascii_lowercase();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (start, _) in lower.match_indices("pg_") {
        let (before, rest) = lower.split_at(start);
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let is_inside = before.ends_with(|c: char| is_name(c) || c == '.');
        let is_schema = rest.starts_with("pg_catalog.");
        let words = ["from ", "join ", "into ", "update "];
        let is_table = words.iter().any(|word| before.ends_with(word));
        let is_call = rest[end..].starts_with('(') && before.contains('"');
        if !is_inside && !is_schema && (is_table || is_call) {
            return line.get(start..start + end);
        }
    }
    None
}

#[test]
fn names_of_the_catalogue_are_told_from_others() {
    for wrong in [
        "\"select oid from pg_type where oid = $1\"",
        "\"select pg_backend_pid()\"",
        "left join pg_class c on true",
    ] {
        assert!(unqualified(wrong).is_some(), "{wrong}");
    }
    for right in [
        "\"select oid from pg_catalog.pg_type where oid = $1\"",
        "\"select pg_catalog.pg_backend_pid()\"",
        "name: \"pg_lsn\"",
        "fn pg_type()",
    ] {
        assert_eq!(unqualified(right), None, "{right}");
    }
}
