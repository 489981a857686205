//! Arrays, ranges and records of built-in types, with the server as the judge.

use std::ops::Bound;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Runs, TestRunner};
use rust_decimal::Decimal;
use stellata::types::{
    Array, ArrayRef, Date, Dimension, Multirange, Numeric, OrInfinity, Range, Record,
};
use stellata_client::{Config, Connection, ErrorKind};
use stellata_protocol::{Decode, Encode};
use stellata_testkit::{Database, with_database};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// The server reads `text` as `sql_type` and sends it; it is `value`, and `value` sent to the server prints as `text`.
async fn is<T>(connection: &mut Connection, sql_type: &str, text: &str, value: T)
where
    T: Encode + for<'a> Decode<'a> + PartialEq + std::fmt::Debug + Send + Sync,
{
    let read = format!("select '{text}'::{sql_type}");
    let (read,): (T,) = connection.query_one(&read, ()).await.unwrap();
    assert_eq!(read, value, "reading {text} as {sql_type}");
    let write = format!("select $1::{sql_type}::text");
    let (written,): (String,) = connection.query_one(&write, (&value,)).await.unwrap();
    assert_eq!(written, text, "writing {value:?} as {sql_type}");
}

fn square<T>(elements: [T; 4]) -> Array<T> {
    let dimensions = [Dimension { length: 2, lower: -1 }, Dimension { length: 2, lower: 5 }];
    Array::new(dimensions, elements.into()).unwrap()
}

#[test]
fn arrays_of_any_dimension_come_and_go() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let c = &mut connection;
        is(c, "int4[]", "{}", Array::<i32>::empty()).await;
        is(c, "int4[]", "{1,2}", Array::from(vec![1, 2])).await;
        let nulls = square([Some(1), None, Some(3), Some(4)]);
        is(c, "int4[]", "[-1:0][5:6]={{1,NULL},{3,4}}", nulls).await;
        let texts = square(["a", "", "b c", "NULL"].map(str::to_owned));
        is(c, "text[]", "[-1:0][5:6]={{a,\"\"},{\"b c\",\"NULL\"}}", texts).await;
        let deep = Array::new([Dimension::new(1); 6], vec![7_i64]).unwrap();
        is(c, "int8[]", "{{{{{{7}}}}}}", deep).await;
        let day = |day| NaiveDate::from_ymd_opt(2020, 2, day).unwrap();
        is(
            c,
            "date[]",
            "{{2020-02-28},{2020-02-29}}",
            Array::new([Dimension::new(2), Dimension::new(1)], vec![day(28), day(29)]).unwrap(),
        )
        .await;
        // What a Vec can't hold is an error, and the connection goes on.
        for text in ["{{1}}", "[0:0]={1}"] {
            let read = format!("select '{text}'::int4[]");
            let error = c.query::<(Vec<i32>,)>(&read, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
        }
        let error = c.query::<(Array<i32>,)>("select '{1,NULL}'::int4[]", ()).await.unwrap_err();
        assert!(error.to_string().contains("the value is NULL"), "{error}");
    });
}

#[test]
fn every_array_prints_as_the_server_prints_its_own() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut runner = TestRunner::new(Runs { cases: 64, ..Runs::default() });
        let arrays = proptest::collection::vec((1_u32..4, -100_i32..100), 1..4).prop_perturb(
            |dimensions, mut random| {
                let dimensions: Vec<_> = dimensions
                    .into_iter()
                    .map(|(length, lower)| Dimension { length, lower })
                    .collect();
                let count: u32 = dimensions.iter().map(|dimension| dimension.length).product();
                let elements = (0..count)
                    .map(|_| (random.random::<u8>() > 60).then(|| random.random::<i32>()))
                    .collect();
                Array::new(dimensions, elements).unwrap()
            },
        );
        for _ in 0..64 {
            let array: Array<Option<i32>> = arrays.new_tree(&mut runner).unwrap().current();
            // What the server prints of ours, read by the server, is ours.
            let (printed,): (String,) =
                connection.query_one("select $1::int4[]::text", (&array,)).await.unwrap();
            let (read,): (Array<Option<i32>>,) =
                connection.query_one("select $1::text::int4[]", (&printed,)).await.unwrap();
            assert_eq!(read, array, "{printed}");
        }
    });
}

#[test]
fn lists_in_lists_come_and_go() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let c = &mut connection;
        is(c, "int4[]", "{}", Vec::<Vec<i32>>::new()).await;
        is(c, "int4[]", "{{1,2},{3,4},{5,6}}", vec![vec![1, 2], vec![3, 4], vec![5, 6]]).await;
        is(c, "int4[][]", "{{1,NULL}}", vec![vec![Some(1), None]]).await;
        let texts = vec![vec![vec!["a".to_owned()], vec![String::new()]]];
        is(c, "text[]", "{{{a},{\"\"}}}", texts).await;
        is(c, "bytea[]", "{{\"\\\\x00ff\"}}", vec![vec![vec![0_u8, 0xff]]]).await;
        is(c, "int8[]", "{{{{{{7}}}}}}", vec![vec![vec![vec![vec![vec![7_i64]]]]]]).await;
        is(c, "int4range[]", "{{\"[1,2)\",empty}}", vec![vec![Range::from(1..2), Range::empty()]])
            .await;
        // What they can't hold is an error, and the connection goes on.
        for text in ["{1}", "{{{1}}}", "[0:0][1:1]={{1}}", "[1:1][2:2]={{1}}"] {
            let read = format!("select '{text}'::int4[]");
            let error = c.query::<(Vec<Vec<i32>>,)>(&read, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{text}");
        }
        // Of what no array is, nothing is sent.
        let (before,): (i64,) = c.query_one("select pg_backend_pid()::int8", ()).await.unwrap();
        for ragged in [vec![vec![1], vec![]], vec![vec![1], vec![2, 3]], vec![vec![]]] {
            let error = c.query::<(String,)>("select $1::int4[]::text", (ragged,)).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Encode);
        }
        let (after,): (i64,) = c.query_one("select pg_backend_pid()::int8", ()).await.unwrap();
        assert_eq!(before, after);
    });
}

#[test]
fn lists_in_lists_print_as_the_server_prints_them() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut runner = TestRunner::new(Runs { cases: 64, ..Runs::default() });
        let lists = (1_usize..5, 1_usize..5).prop_flat_map(|(rows, columns)| {
            let element = proptest::option::weighted(0.8, any::<i32>());
            let row = proptest::collection::vec(element, columns);
            proptest::collection::vec(row, rows)
        });
        for _ in 0..64 {
            let lists = lists.new_tree(&mut runner).unwrap().current();
            let row = |row: &Vec<Option<i32>>| {
                let numbers = row.iter().map(|n| n.map_or("NULL".to_owned(), |n| n.to_string()));
                format!("{{{}}}", numbers.collect::<Vec<_>>().join(","))
            };
            let text = format!("{{{}}}", lists.iter().map(row).collect::<Vec<_>>().join(","));
            is(&mut connection, "int4[]", &text, lists.clone()).await;
            let planes = vec![lists.clone(), lists];
            is(&mut connection, "int4[]", &format!("{{{text},{text}}}"), planes).await;
        }
    });
}

#[test]
fn borrowed_arrays_point_into_the_read_buffer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut seen = Vec::new();
        connection
            .query_each("select 'first', array['ab', null, 'c']", (), |columns| {
                let first: &str = columns.next()?;
                let array: ArrayRef<'_, Option<&str>> = columns.next()?;
                let texts: Vec<_> = array.iter().map(Result::unwrap).collect();
                assert_eq!(texts, [Some("ab"), None, Some("c")]);
                let texts = texts.into_iter().flatten().map(|text| text.as_ptr() as usize);
                seen.push((first.as_ptr() as usize, texts.collect::<Vec<_>>()));
                Ok(())
            })
            .await
            .unwrap();
        let (first, texts) = &seen[0];
        // Behind the first column: a length, the array's head of 20 bytes, an element's length.
        let start = first + "first".len() + 4 + 20 + 4;
        assert_eq!(*texts, [start, start + 2 + 4 + 4]);
    });
}

#[test]
fn ranges_over_every_built_in_subtype_come_and_go() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let c = &mut connection;
        c.execute("set time zone 'UTC'", ()).await.unwrap();
        is(c, "int4range", "[1,10)", Range::from(1..10)).await;
        is(c, "int4range", "empty", Range::<i32>::empty()).await;
        is(c, "int4range", "(,)", Range::<i32>::from(..)).await;
        is(c, "int4range", "[-2147483648,)", Range::from(i32::MIN..)).await;
        is(c, "int8range", "(,9223372036854775807)", Range::from(..i64::MAX)).await;
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        is(
            c,
            "numrange",
            "(1.50,2]",
            Range::new(Bound::Excluded(number("1.50")), Bound::Included(number("2"))),
        )
        .await;
        let day = |year, day| NaiveDate::from_ymd_opt(year, 1, day).unwrap();
        is(c, "daterange", "[2020-01-01,2020-01-31)", Range::from(day(2020, 1)..day(2020, 31)))
            .await;
        let time: NaiveDateTime = day(2020, 1).and_hms_opt(1, 2, 3).unwrap();
        is(c, "tsrange", "[\"2020-01-01 01:02:03\",)", Range::from(time..)).await;
        let instant: DateTime<Utc> = time.and_utc();
        is(c, "tstzrange", "(,\"2020-01-01 01:02:03+00\"]", Range::from(..=instant)).await;
        let (from, to) = (OrInfinity::At(Date::new(2020, 1, 1).unwrap()), OrInfinity::Infinity);
        is(c, "daterange", "[2020-01-01,infinity)", Range::from(from..to)).await;
        let number: Numeric = "1e400".parse().unwrap();
        let whole = number.to_string();
        is(c, "numrange", &format!("[{whole},)"), Range::from(number..)).await;
        // The server writes ranges of whole numbers in one way.
        let (read,): (Range<i32>,) =
            c.query_one("select $1::int4range", (Range::from(1..=9),)).await.unwrap();
        assert_eq!(read, Range::from(1..10));
        let turned = c
            .query::<(Range<i32>,)>(
                "select $1::int4range",
                (Range::new(Bound::Included(9), Bound::Included(1)),),
            )
            .await;
        assert_eq!(turned.unwrap_err().sqlstate().unwrap().as_str(), "22000");
        let error = c.query::<(Range<i64>,)>("select '[1,2)'::int4range", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        is(c, "int4range[]", "{\"[1,2)\",empty}", vec![Range::from(1..2), Range::empty()]).await;
    });
}

#[test]
fn multiranges_come_and_go() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let c = &mut connection;
        is(c, "int4multirange", "{}", Multirange::<i32>::new()).await;
        let two = Multirange::from_iter([Range::from(1..3), Range::from(7..)]);
        is(c, "int4multirange", "{[1,3),[7,)}", two.clone()).await;
        is(c, "int4multirange[]", "{\"{[1,3),[7,)}\",\"{}\"}", vec![two, Multirange::new()]).await;
        is(c, "int8multirange", "{[1,3)}", Multirange::from_iter([Range::from(1_i64..3)])).await;
        let day = |day| NaiveDate::from_ymd_opt(2020, 1, day).unwrap();
        is(
            c,
            "datemultirange",
            "{[2020-01-01,2020-01-05)}",
            Multirange::from_iter([Range::from(day(1)..day(5))]),
        )
        .await;
    });
}

#[test]
fn ranges_print_as_the_server_prints_them() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        connection.execute("create type textrange as range (subtype = text)", ()).await.unwrap();
        for text in
            ["a", "", "a b", "\"", "\\", "(", "]", ",", "ä", "\t", "\u{b}", "a\"\\b", "\u{a0}"]
        {
            let range = Range::from(text.to_owned()..);
            let (printed,): (String,) =
                connection.query_one("select textrange($1, null)::text", (text,)).await.unwrap();
            assert_eq!(range.to_string(), printed, "{text:?}");
        }
    });
}

#[test]
fn records_become_tuples_or_are_looked_through() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        type Nested = (i32, Option<String>, (bool, Vec<i32>));
        let rows: Vec<(Nested,)> = connection
            .query("values (row(1, null::text, row(true, array[1,2]))), (row(2, 'b'::text, row(false, '{}'::int[])))", ())
            .await
            .unwrap();
        assert_eq!(
            rows,
            [((1, None, (true, vec![1, 2])),), ((2, Some("b".into()), (false, vec![])),)]
        );
        let rows: Vec<(Vec<(i32, String)>,)> = connection
            .query("select array[row(1, 'a'::text), row(2, 'b'::text)]", ())
            .await
            .unwrap();
        assert_eq!(rows, [(vec![(1, "a".into()), (2, "b".into())],)]);
        let mut fields = Vec::new();
        connection
            .query_each("select row(7, null, 'x'::text)", (), |columns| {
                let record: Record<'_> = columns.next()?;
                fields.push((record.len(), record.get::<i32>(0), record.get::<Option<String>>(2)));
                assert!(record.get::<i64>(0).is_err() && record.get::<i32>(3).is_err());
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(fields, [(3, Ok(7), Ok(Some("x".to_owned())))]);
        let error = connection.query::<((i64,),)>("select row(1)", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    });
}

#[test]
fn lent_rows_point_into_the_read_buffer() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let mut rows = connection
            .lend(
                "select 'row ' || n, null::text, $1::text from generate_series(1, 2000) n",
                ("x",),
            )
            .unwrap();
        let (mut count, mut places) = (0, Vec::new());
        assert!(rows.next::<(&str, Option<&str>, &[u8])>().await.is_err(), "text is no bytea");
        drop(rows);
        let mut rows = connection
            .lend(
                "select 'row ' || n, null::text, $1::text from generate_series(1, 2000) n",
                ("x",),
            )
            .unwrap();
        while let Some((first, none, last)) =
            rows.next::<(&str, Option<&str>, &str)>().await.unwrap()
        {
            count += 1;
            assert_eq!((first, none, last), (&*format!("row {count}"), None, "x"));
            // Between them lie the lengths of NULL and of the last column: nothing was copied.
            assert_eq!(last.as_ptr() as usize, first.as_ptr() as usize + first.len() + 4 + 4);
            places.push(first.as_ptr() as usize);
        }
        assert_eq!(count, 2000);
        // Rows that came in one read lie behind each other.
        let steps = places.windows(2).filter(|pair| pair[1] > pair[0] && pair[1] - pair[0] < 64);
        assert!(steps.count() > 1500);
        assert_eq!(rows.completion().map(|end| end.rows), Some(2000));
        assert!(rows.next::<(&str, Option<&str>, &str)>().await.unwrap().is_none());
        // Given up in the middle.
        let mut rows = connection.lend("select n from generate_series(1, 100000) n", ()).unwrap();
        assert_eq!(rows.next::<(i32,)>().await.unwrap(), Some((1,)));
        drop(rows);
        assert_eq!(connection.query_one::<(i32,)>("select 9", ()).await.unwrap(), (9,));
        // An error of the server's.
        let mut rows =
            connection.lend("select 1 / (n - 3) from generate_series(1, 5) n", ()).unwrap();
        let mut read = 0;
        let error = loop {
            match rows.next::<(i32,)>().await {
                Ok(row) => read += row.map_or(0, |_| 1),
                Err(error) => break error,
            }
        };
        assert_eq!((read, error.sqlstate().unwrap().as_str()), (2, "22012"));
        assert_eq!(connection.query_one::<(i32,)>("select 9", ()).await.unwrap(), (9,));
        // A statement that its table has outdated.
        connection.execute("create table t (a int)", ()).await.unwrap();
        for _ in 0..2 {
            let mut rows = connection.lend("select * from t", ()).unwrap();
            assert!(rows.next::<(i32,)>().await.unwrap().is_none());
        }
        connection.execute("alter table t alter a type bigint", ()).await.unwrap();
        connection.execute("insert into t values (7)", ()).await.unwrap();
        let mut rows = connection.lend("select * from t", ()).unwrap();
        assert_eq!(rows.next::<(i64,)>().await.unwrap(), Some((7,)));
    });
}
