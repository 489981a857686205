//! Rows of values as text and CSV, both ways, held against what the server makes of binary values.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use stellata_client::{CopyFields, CopyHeader, CopyOptions, CopyRow, ErrorKind, FromRow};
use stellata_protocol::{ColumnError, Columns, Expect, Oid};
use stellata_testkit::{Database, with_database, with_database_since};

use super::{connect, text_of};

/// A struct that is a row.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    number: i32,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    list: Vec<Option<String>>,
    factor: f64,
}

impl CopyRow for Row {
    fn append_to(&self, fields: &mut CopyFields<'_>) -> stellata_protocol::Result<()> {
        fields.push(&self.number)?;
        fields.push(&self.text)?;
        fields.push(&self.bytes)?;
        fields.push(&self.list)?;
        fields.push(&self.factor)
    }
}

impl FromRow<'_> for Row {
    fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
        columns.column::<i32>()?;
        columns.column::<Option<String>>()?;
        columns.column::<Option<Vec<u8>>>()?;
        columns.column::<Vec<Option<String>>>()?;
        columns.column::<f64>()?;
        columns.end()
    }

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            number: columns.next()?,
            text: columns.next()?,
            bytes: columns.next()?,
            list: columns.next()?,
            factor: columns.next()?,
        })
    }
}

const TABLE: &str =
    "create temp table t (number int, text text, bytes bytea, list text[], factor float8)";
const COLUMNS: [&str; 5] = ["number", "text", "bytes", "list", "factor"];

/// Texts of the characters that mean something in one form or another.
fn text() -> impl Strategy<Value = String> {
    "[abNnrtx\\\\\\.,;|\t\n\r\"' {}äß😀0-9]{0,8}"
}

fn row() -> impl Strategy<Value = Row> {
    (
        any::<i32>(),
        proptest::option::weighted(0.8, text()),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..5)),
        proptest::collection::vec(proptest::option::of(text()), 0..3),
        any::<f64>().prop_filter("there are many", |value| !value.is_nan()),
    )
        .prop_map(|(number, text, bytes, list, factor)| Row {
            number,
            text,
            bytes,
            list,
            factor,
        })
}

/// A way to write lines, and in text what stands for NULL and between columns.
type Lines = (CopyOptions, Option<(&'static str, char)>);

/// Ways to write lines that can hold any text.
fn forms() -> Vec<Lines> {
    let text = ["\\N", "NULL", "a\\tb", "ä"].into_iter().flat_map(|null| {
        ['\t', '|', ',', ';'].map(|delimiter| {
            (CopyOptions::text().null(null).delimiter(delimiter), Some((null, delimiter)))
        })
    });
    let csv = ["", "NULL", "\\N", "a b"].into_iter().flat_map(|null| {
        [('"', '"'), ('\'', '\\'), ('"', '|'), ('\'', '"')].map(|(quote, escape)| {
            (CopyOptions::csv().null(null).delimiter(';').quote(quote).escape(escape), None)
        })
    });
    let usual = [(CopyOptions::text(), Some(("\\N", '\t'))), (CopyOptions::csv(), None)];
    text.chain(csv).chain(usual).collect()
}

/// With the names of the columns in the first line, which text has since server 15.
fn with_names(options: CopyOptions, database: &Database) -> CopyOptions {
    if database.version() >= 15 { options.header(CopyHeader::Names) } else { options }
}

#[test]
fn any_row_goes_in_and_out_as_lines_unchanged() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute(TABLE, ()).await.unwrap();
        let mut runner = TestRunner::deterministic();
        let rows = proptest::collection::vec(row(), 40);
        for (round, (options, marks)) in forms().into_iter().enumerate() {
            let options = if round % 3 == 0 { with_names(options, database) } else { options };
            let mut rows = rows.new_tree(&mut runner).unwrap().current();
            connection.execute("truncate t", ()).await.unwrap();
            let copy = connection.copy_in("t", &COLUMNS).options(options.clone());
            assert_eq!(copy.rows(&rows).await.unwrap(), 40, "{options:?}");
            let stored = "select number, text, bytes, list, factor from t";
            let found: Vec<Row> = connection.query(stored, ()).await.unwrap();
            assert_eq!(found, rows, "in: {options:?}");

            // The server does not tell a text that looks like NULL from one, where it writes text without quotes.
            if let Some((null, delimiter)) = marks {
                for row in &mut rows {
                    row.text.take_if(|text| as_written(text, delimiter) == null);
                }
            }
            let copy = connection.copy_out("t", &COLUMNS).options(options.clone());
            let mut out = Vec::new();
            let mut found = copy.rows::<Row>().await.unwrap();
            while let Some(row) = found.next().await.unwrap() {
                out.push(row);
            }
            drop(found);
            assert_eq!(out, rows, "out: {options:?}");
        }
    });
}

/// A text as the server writes it in text.
fn as_written(text: &str, delimiter: char) -> String {
    let mut written = String::new();
    for char in text.chars() {
        match char {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\\' => written.push_str("\\\\"),
            _ if char == delimiter => written.extend(['\\', char]),
            _ => written.push(char),
        }
    }
    written
}

#[test]
fn lines_that_are_read_are_those_that_the_server_writes() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute(TABLE, ()).await.unwrap();
        let rows = [
            Row {
                number: 1,
                text: Some("a,\"b\"".into()),
                bytes: None,
                list: vec![None],
                factor: 0.1,
            },
            Row {
                number: -2,
                text: None,
                bytes: Some(vec![0, 255]),
                list: vec![Some(String::new()), Some("x y".into())],
                factor: f64::NEG_INFINITY,
            },
        ];
        for options in [CopyOptions::csv(), CopyOptions::text()] {
            let options = with_names(options, database);
            let copy = connection.copy_in("t", &COLUMNS).options(options.clone());
            assert_eq!(copy.rows(&rows).await.unwrap(), 2);
        }
        let lines = text_of(&mut connection, "select * from t").await;
        let two = "1\ta,\"b\"\t\\N\t{NULL}\t0.1\n-2\t\\N\t\\\\x00ff\t{\"\",\"x y\"}\t-Infinity\n";
        assert_eq!(lines, two.repeat(2));

        // By the types that are told, with the names that are.
        let types = [Oid::INT4, Oid::TEXT];
        let header = CopyOptions::csv().header(CopyHeader::Names);
        let copy = connection.copy_in("t", &["number", "text"]).types(types);
        assert_eq!(copy.options(header.clone()).rows([(3, "three")]).await.unwrap(), 1);
        let mut number = 0;
        let copy =
            connection.copy_out_sql("copy (select 17, 'x') to stdout with (format csv, header)");
        let copied = copy.options(header.clone()).types(types).each(|columns| {
            number = columns.next()?;
            assert_eq!(columns.next::<&str>()?, "x");
            Ok(())
        });
        assert_eq!((copied.await.unwrap(), number), (1, 17));
        // Nobody has told the names.
        let unnamed = connection.copy_in("t", &[]).types([Oid::INT4]).options(header);
        assert_eq!(unnamed.rows([(3,)]).await.unwrap_err().kind(), ErrorKind::Usage);
    });
}

#[test]
fn a_header_that_is_to_match_does() {
    with_database_since(15, async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (a int, \"B, c\" text)", ()).await.unwrap();
        let options = CopyOptions::csv().header(CopyHeader::Match);
        let copy = connection.copy_in("t", &[]).options(options.clone());
        assert_eq!(copy.rows([(1, "x")]).await.unwrap(), 1);
        // By a command of one's own the names are what the caller says they are.
        let data = "b,a\n1,x\n";
        let error = connection.copy_in("t", &[]).options(options).read_from(data.as_bytes()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Server);
        // A line of a file is a header by its place alone.
        let options = CopyOptions::text().header(CopyHeader::Names);
        let mut rows =
            connection.copy_out("t", &[]).options(options).rows::<(i32, String)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some((1, "x".to_owned())));
        assert_eq!(rows.next().await.unwrap(), None);
    });
}

#[test]
fn what_has_no_text_is_said_before_anything_is_copied() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection
            .simple(
                "create type mood as enum ('sad', 'happy'); create temp table t (p money, m mood)",
            )
            .await
            .unwrap();
        let copy = connection.copy_in("t", &["m"]).options(CopyOptions::csv());
        assert_eq!(copy.rows([("sad",), ("happy",)]).await.unwrap(), 2);
        let copy = connection.copy_out("t", &["m"]).options(CopyOptions::text());
        let mut rows = copy.rows::<(String,)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some(("sad".to_owned(),)));
        drop(rows);

        let copy = connection.copy_in("t", &["m", "p"]).options(CopyOptions::csv());
        let error = copy.rows([("sad", stellata_protocol::Money(1))]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let why = "column 2 `p` is of type money, which can't be copied as text from and to values: the server writes";
        assert!(error.to_string().starts_with(why), "{error}");
        let copy = connection.copy_out("t", &["p"]).options(CopyOptions::csv());
        assert_eq!(copy.each(|_| Ok(())).await.unwrap_err().kind(), ErrorKind::Usage);
        let latin = CopyOptions::csv().encoding("LATIN1");
        let error = connection.copy_in("t", &["m"]).options(latin).rows([("sad",)]).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Usage);
        assert!(connection.is_quiet());
    });
}

#[test]
fn a_value_that_is_no_line_or_no_value_is_named() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (n int, d date)", ()).await.unwrap();
        let nothing = CopyOptions::text().null("");
        let copy = connection.copy_in("t", &[]).options(CopyOptions::csv());
        let error = copy.rows([(1, "2024-01-01")]).await.unwrap_err();
        assert_eq!((error.kind(), error.row()), (ErrorKind::Encode, Some(1)));
        assert!(error.to_string().starts_with("column 2 `d` of type date"), "{error}");

        connection.execute("create temp table s (s text)", ()).await.unwrap();
        let mut writer = connection.copy_in("s", &[]).options(nothing).row_writer().await.unwrap();
        writer.write(&("x",)).await.unwrap();
        let error = writer.write(&("",)).await.unwrap_err();
        assert_eq!((error.kind(), error.row()), (ErrorKind::Encode, Some(2)));
        // What can't be written is left out.
        writer.write(&("y",)).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), 2);
        assert_eq!(text_of(&mut connection, "select s from s").await, "x\ny\n");

        // A server that prints dates otherwise is not misread.
        connection
            .simple("set datestyle = 'SQL, DMY'; insert into t values (7, '2024-02-03')")
            .await
            .unwrap();
        let copy = connection.copy_out("t", &[]).options(CopyOptions::csv());
        let mut rows = copy.rows::<(i32, stellata_protocol::Date)>().await.unwrap();
        let error = rows.next().await.unwrap_err();
        assert_eq!((error.kind(), error.row()), (ErrorKind::Decode, Some(1)));
        assert!(
            error.to_string().starts_with("column 2 `d` can't be read from its text"),
            "{error}"
        );
        drop(rows);
        let date: stellata_protocol::Date = "2024-02-03".parse().unwrap();
        let copy = connection.copy_in("t", &[]).options(CopyOptions::csv());
        assert_eq!(copy.rows([(7, date)]).await.unwrap(), 1);
        let same = "select count(distinct d) from t";
        assert_eq!(connection.query_one::<(i64,)>(same, ()).await.unwrap(), (1,));
    });
}

#[test]
fn many_rows_go_as_lines_in_pieces() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create temp table t (n int, s text)", ()).await.unwrap();
        for options in [CopyOptions::csv(), CopyOptions::text()] {
            connection.execute("truncate t", ()).await.unwrap();
            let rows = (0..30_000).map(|n| (n, "some text, of some length"));
            let copy = connection.copy_in("t", &[]).options(options.clone());
            assert_eq!(copy.rows(rows).await.unwrap(), 30_000);
            let mut rows = connection
                .copy_out("t", &[])
                .options(options)
                .rows::<(i32, String)>()
                .await
                .unwrap();
            for want in 0..30_000 {
                let (n, text) = rows.next().await.unwrap().unwrap();
                assert_eq!((n, &*text), (want, "some text, of some length"));
            }
            assert_eq!(rows.next().await.unwrap(), None);
        }
    });
}
