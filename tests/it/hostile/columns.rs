//! Servers that answer with other columns, other types and other values than they said, as a catalogue might that
//! somebody has tampered with.

use stellata_testkit::{Column, Reply};

use super::case::{Call, Case, answer, query, run};

const BOOL: u32 = 16;
const BYTEA: u32 = 17;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const JSON: u32 = 114;
const FLOAT8: u32 = 701;
const INT4_ARRAY: u32 = 1007;
const DATE: u32 = 1082;
const TIMESTAMPTZ: u32 = 1184;
const NUMERIC: u32 = 1700;
const UUID: u32 = 2950;
const JSONB: u32 = 3802;
/// A type that no server has of itself.
const UNKNOWN: u32 = 999_999;

/// One row of one column.
fn value(type_oid: u32, bytes: Option<&[u8]>) -> Reply {
    Reply::rows(&[Column::new("c", type_oid)], &[&[bytes]]).ready('I')
}

fn array(dimensions: i32, rest: &[i32]) -> Vec<u8> {
    let head = [dimensions, 0, INT4 as i32];
    head.iter().chain(rest).flat_map(|part| part.to_be_bytes()).collect()
}

fn numeric(digits: i16, weight: i16, sign: u16, scale: u16, rest: &[i16]) -> Vec<u8> {
    let head =
        [digits.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes()];
    head.into_iter().chain(rest.iter().map(|digit| digit.to_be_bytes())).flatten().collect()
}

pub(super) fn cases() -> Vec<Case> {
    let int: Call = query::<(i32,)>;
    let text: Call = query::<(String,)>;
    let json: Call = query::<(serde_json::Value,)>;
    let decimal: Call = query::<(rust_decimal::Decimal,)>;
    let ints: Call = query::<(Vec<i32>,)>;
    let cases = [
        // Another type than the caller's.
        ("t-int8-for-int4", int, value(INT8, Some(&[0; 8]))),
        ("t-text-for-int4", int, value(TEXT, Some(b"7"))),
        ("t-unknown-for-int4", int, value(UNKNOWN, Some(&[0; 4]))),
        ("t-no-type-for-int4", int, value(0, Some(&[0; 4]))),
        ("t-highest-type-for-int4", int, value(u32::MAX, Some(&[0; 4]))),
        ("t-array-for-int4", int, value(INT4_ARRAY, Some(&array(0, &[])))),
        ("t-bytea-for-text", text, value(BYTEA, Some(b"x"))),
        ("t-uuid-for-text", text, value(UUID, Some(&[b'x'; 16]))),
        ("t-int4-for-array", ints, value(INT4, Some(&[0; 4]))),
        // NULL where there is no place for it.
        ("t-null-int4", int, value(INT4, None)),
        ("t-null-text", text, value(TEXT, None)),
        ("t-null-array", ints, value(INT4_ARRAY, None)),
        // Values of the wrong length.
        ("t-int4-empty", int, value(INT4, Some(b""))),
        ("t-int4-short", int, value(INT4, Some(&[0; 3]))),
        ("t-int4-long", int, value(INT4, Some(&[0; 5]))),
        ("t-int4-as-text", int, value(INT4, Some(b"7"))),
        ("t-int8-short", query::<(i64,)>, value(INT8, Some(&[0; 4]))),
        ("t-bool-empty", query::<(bool,)>, value(BOOL, Some(b""))),
        ("t-bool-long", query::<(bool,)>, value(BOOL, Some(&[1, 0]))),
        ("t-float8-short", query::<(f64,)>, value(FLOAT8, Some(&[0; 4]))),
        ("t-uuid-short", query::<(uuid::Uuid,)>, value(UUID, Some(&[0; 15]))),
        ("t-uuid-long", query::<(uuid::Uuid,)>, value(UUID, Some(&[0; 17]))),
        ("t-date-short", query::<(chrono::NaiveDate,)>, value(DATE, Some(&[0; 3]))),
        // Values that the type does not have.
        ("t-text-not-utf-8", text, value(TEXT, Some(b"\xff"))),
        ("t-text-half-character", text, value(TEXT, Some(b"\xe2\x82"))),
        ("t-date-past-the-end", query::<(chrono::NaiveDate,)>, {
            value(DATE, Some(&i32::MAX.to_be_bytes()))
        }),
        (
            "t-timestamp-past-the-end",
            query::<(chrono::DateTime<chrono::Utc>,)>,
            value(TIMESTAMPTZ, Some(&(i64::MAX - 1).to_be_bytes())),
        ),
        ("t-json-broken", json, value(JSON, Some(b"{\"a\":"))),
        ("t-json-empty", json, value(JSON, Some(b""))),
        ("t-json-deep", json, value(JSON, Some(&b"[".repeat(100_000)))),
        ("t-json-with-more", json, value(JSON, Some(b"1 2"))),
        ("t-jsonb-version", json, value(JSONB, Some(b"\x02{}"))),
        ("t-jsonb-empty", json, value(JSONB, Some(b""))),
        ("t-jsonb-version-alone", json, value(JSONB, Some(b"\x01"))),
        ("t-numeric-empty", decimal, value(NUMERIC, Some(b""))),
        ("t-numeric-short", decimal, value(NUMERIC, Some(&numeric(3, 0, 0, 0, &[1])))),
        ("t-numeric-with-more", decimal, value(NUMERIC, Some(&numeric(1, 0, 0, 0, &[1, 2])))),
        ("t-numeric-negative-count", decimal, value(NUMERIC, Some(&numeric(-1, 0, 0, 0, &[])))),
        ("t-numeric-digit", decimal, value(NUMERIC, Some(&numeric(1, 0, 0, 0, &[10_000])))),
        ("t-numeric-digit-negative", decimal, value(NUMERIC, Some(&numeric(1, 0, 0, 0, &[-1])))),
        ("t-numeric-sign", decimal, value(NUMERIC, Some(&numeric(1, 0, 7, 0, &[1])))),
        ("t-numeric-nan", decimal, value(NUMERIC, Some(&numeric(0, 0, 0xc000, 0, &[])))),
        ("t-numeric-weight", decimal, value(NUMERIC, Some(&numeric(1, i16::MAX, 0, 0, &[1])))),
        ("t-array-empty", ints, value(INT4_ARRAY, Some(b""))),
        ("t-array-short", ints, value(INT4_ARRAY, Some(&[0; 11]))),
        ("t-array-negative", ints, value(INT4_ARRAY, Some(&array(-1, &[])))),
        ("t-array-dimensions", ints, value(INT4_ARRAY, Some(&array(7, &[1; 14])))),
        ("t-array-dimensions-highest", ints, value(INT4_ARRAY, Some(&array(i32::MAX, &[])))),
        ("t-array-length-highest", ints, value(INT4_ARRAY, Some(&array(1, &[i32::MAX, 1])))),
        ("t-array-length-negative", ints, value(INT4_ARRAY, Some(&array(1, &[-1, 1])))),
        ("t-array-product", ints, value(INT4_ARRAY, Some(&array(2, &[i32::MAX, 1, i32::MAX, 1])))),
        ("t-array-element-missing", ints, value(INT4_ARRAY, Some(&array(1, &[2, 1, 4, 7])))),
        ("t-array-element-long", ints, value(INT4_ARRAY, Some(&array(1, &[1, 1, 400, 7])))),
        ("t-array-element-negative", ints, value(INT4_ARRAY, Some(&array(1, &[1, 1, -2])))),
        ("t-array-element-null", ints, value(INT4_ARRAY, Some(&array(1, &[1, 1, -1])))),
        ("t-array-with-more", ints, value(INT4_ARRAY, Some(&array(1, &[1, 1, 4, 7, 7])))),
        ("t-array-of-others", ints, {
            let mut bytes = array(1, &[1, 1, 4, 7]);
            bytes[8..12].copy_from_slice(&TEXT.to_be_bytes());
            value(INT4_ARRAY, Some(&bytes))
        }),
        // Other columns than the caller's.
        ("t-columns-more", int, {
            let columns = [Column::new("a", INT4), Column::new("b", INT4)];
            Reply::rows(&columns, &[&[Some(&[0; 4]), Some(&[0; 4])]]).ready('I')
        }),
        ("t-columns-fewer", query::<(i32, i32)>, value(INT4, Some(&[0; 4]))),
        ("t-columns-none", int, Reply::rows(&[], &[&[]]).ready('I')),
    ];
    let mut cases: Vec<Case> = cases
        .into_iter()
        .map(|(id, call, reply)| Case::new(id, answer(reply).serve(), call, "Decode usable"))
        .collect();
    let twice = [Column::new("same", INT4), Column::new("same", INT4)];
    let twice = Reply::rows(&twice, &[&[Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 2])]]).ready('I');
    cases.push(Case::new("t-names-twice", answer(twice).serve(), query::<(i32, i32)>, {
        "[(1, 2)] usable"
    }));
    // What a type of the user's own is, the catalogue is asked, and this server refuses the question.
    let own = answer(value(UNKNOWN, Some(b"x"))).serve();
    cases.push(Case::new("t-unknown-for-text", own, text, "Server 42601 usable"));
    let odd = Column::new("\u{202e}\"'; drop table x; --", INT4);
    let odd = Reply::rows(&[odd], &[&[None]]).ready('I');
    cases.push(Case::new("t-name-odd", answer(odd).serve(), int, "Decode usable"));
    cases
}

#[test]
fn columns_and_types() {
    run("columns and types", cases());
}
