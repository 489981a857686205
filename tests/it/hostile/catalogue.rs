//! Servers whose catalogue lies of a type that rows wait for: about its kind, its parts, and in how it is told at all.

use stellata_protocol::Range;
use stellata_testkit::{Column, Reply, Script};

use super::case::{Call, Case, query, run};

/// The type of the column that is asked for.
const OWN: u32 = 999_999;
const OTHER: u32 = 999_998;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const OID: u32 = 26;

/// An array of one dimension over `element`, of values of these bytes.
fn array(element: u32, values: &[Option<&[u8]>]) -> Vec<u8> {
    let count = u32::try_from(values.len()).unwrap();
    let mut bytes: Vec<u8> =
        [1, 0, element, count, 1].into_iter().flat_map(u32::to_be_bytes).collect();
    for value in values {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
        bytes.extend(length.to_be_bytes());
        bytes.extend(value.unwrap_or_default());
    }
    bytes
}

fn empty(element: u32) -> Vec<u8> {
    [0, 0, element].into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A row of the catalogue: number, schema, name, kind, part, whether it is text, labels, names and types of attributes.
type Row = [Option<Vec<u8>>; 9];

fn row(oid: u32, kind: u8, part: u32) -> Row {
    [
        oid.to_be_bytes().to_vec(),
        b"public".to_vec(),
        b"own".to_vec(),
        vec![kind],
        part.to_be_bytes().to_vec(),
        vec![0],
        empty(TEXT),
        empty(TEXT),
        empty(OID),
    ]
    .map(Some)
}

/// An enum's row with another value in one column.
fn with(column: usize, value: Option<Vec<u8>>) -> Row {
    let mut row = row(OWN, b'e', 0);
    row[column] = value;
    row
}

fn rows(rows: &[Row]) -> Reply {
    let begun = Reply::new().parse_complete().bind_complete();
    rows.iter().fold(begun, |reply, row| {
        let values: Vec<Option<&[u8]>> = row.iter().map(Option::as_deref).collect();
        reply.row(&values)
    })
}

fn told(answer: &[Row]) -> Reply {
    rows(answer).complete("SELECT 1").ready('I')
}

/// A statement with a column of the type, then the question what that is, and this answer.
fn asked(answer: Reply) -> Script {
    let value = Reply::rows(&[Column::new("c", OWN)], &[&[Some(b"x")]]).ready('I');
    Script::new().trust_login().expect("PDBES").send(value).expect("PBES").send(answer)
}

pub(super) fn cases() -> Vec<Case> {
    let text: Call = query::<(String,)>;
    let case = |id, answer, want| Case::new(id, asked(answer).serve(), text, want);
    let mut cases = vec![
        // What is to come of an answer that is right, however it comes.
        case("g-right", told(&[row(OWN, b'e', 0)]), "[(\"x\",)] usable"),
        case(
            "g-notices-between",
            Reply::new()
                .notice("before")
                .then(rows(&[]))
                .parameter("TimeZone", "UTC")
                .then(Reply::new().notice("x".repeat(100_000).as_str()))
                .row(&row(OWN, b'e', 0).each_ref().map(Option::as_deref))
                .complete("SELECT 1")
                .ready('I'),
            "[(\"x\",)] usable",
        ),
        case("g-twice", told(&[row(OWN, b'e', 0), row(OWN, b'e', 0)]), "[(\"x\",)] usable"),
        // No answer, or one to another question.
        case("g-nothing", told(&[]), "Decode usable"),
        case("g-another", told(&[row(OTHER, b'e', 0)]), "Decode usable"),
        case("g-built-in", told(&[row(INT4, b'e', 0)]), "Decode usable"),
        case("g-number-zero", told(&[row(0, b'e', 0)]), "Decode usable"),
        case("g-empty-query", rows(&[]).message('I', b"").ready('I'), "Decode usable"),
        case(
            "g-error",
            Reply::new().error("ERROR", "42501", "no").ready('I'),
            "Server 42501 usable",
        ),
        case(
            "g-error-behind-the-answer",
            rows(&[row(OWN, b'e', 0)]).error("ERROR", "57014", "stop").ready('I'),
            // What was told before is enough.
            "[(\"x\",)] usable",
        ),
        case("g-fatal", Reply::new().error("FATAL", "57P01", "bye"), "Server 57P01 closed"),
        // Kinds that there are not, that do not fit, and types that are made of themselves.
        case("g-kind-unknown", told(&[row(OWN, b'?', 0)]), "Decode usable"),
        case("g-kind-zero", told(&[row(OWN, 0, 0)]), "Decode usable"),
        case("g-kind-highest", told(&[row(OWN, 0xff, 0)]), "Decode usable"),
        case("g-kind-pseudo", told(&[row(OWN, b'p', 0)]), "Decode usable"),
        case("g-composite-of-nothing", told(&[row(OWN, b'c', 0)]), "Decode usable"),
        // A domain that leads to nothing but itself may be over anything: its bytes are held against the Rust type.
        case("g-domain-over-itself", told(&[row(OWN, b'd', OWN)]), "[(\"x\",)] usable"),
        case(
            "g-domains-in-a-circle",
            told(&[row(OWN, b'd', OTHER), row(OTHER, b'd', OWN)]),
            "[(\"x\",)] usable",
        ),
        case("g-domain-over-nothing", told(&[row(OWN, b'd', 0)]), "Decode usable"),
        case("g-domain-over-a-missing-type", told(&[row(OWN, b'd', OTHER)]), "Decode usable"),
        case("g-array-of-itself", told(&[row(OWN, b'a', OWN)]), "Decode usable"),
        case("g-range-of-itself", told(&[row(OWN, b'r', OWN)]), "Decode usable"),
        case(
            "g-chain-of-domains",
            told(&(0..6000).map(|n| row(OWN + n, b'd', OWN + n + 1)).collect::<Vec<_>>()),
            "Decode usable",
        ),
        // Values that a column of the answer can't have.
        case("g-number-short", told(&[with(0, Some(vec![0; 3]))]), "Decode usable"),
        case("g-name-not-utf-8", told(&[with(2, Some(vec![0xff]))]), "Decode usable"),
        case("g-kind-empty", told(&[with(3, Some(vec![]))]), "Decode usable"),
        case("g-kind-long", told(&[with(3, Some(b"ee".to_vec()))]), "Decode usable"),
        case("g-part-long", told(&[with(4, Some(vec![0; 8]))]), "Decode usable"),
        case("g-text-long", told(&[with(5, Some(vec![1, 0]))]), "Decode usable"),
        case("g-labels-cut", told(&[with(6, Some(vec![0; 11]))]), "Decode usable"),
        case(
            "g-labels-countless",
            told(&[with(6, {
                Some(
                    [1, 0, TEXT, i32::MAX as u32, 1]
                        .into_iter()
                        .flat_map(u32::to_be_bytes)
                        .collect(),
                )
            })]),
            "Decode usable",
        ),
        case(
            "g-labels-negative",
            told(&[with(6, {
                Some([1, 0, TEXT, u32::MAX, 1].into_iter().flat_map(u32::to_be_bytes).collect())
            })]),
            "Decode usable",
        ),
        case("g-label-null", told(&[with(6, Some(array(TEXT, &[None])))]), "Decode usable"),
        case(
            "g-labels-are-numbers",
            told(&[with(6, Some(array(INT4, &[Some(&[0, 0, 0, 1])])))]),
            "Decode usable",
        ),
        case("g-columns-none", rows(&[]).row(&[]).complete("SELECT 1").ready('I'), "Decode usable"),
        case(
            "g-columns-fewer",
            rows(&[]).row(&[Some([0_u8; 4].as_slice()); 8]).complete("SELECT 1").ready('I'),
            "Decode usable",
        ),
        // What is no answer at all.
        case("g-garbage", Reply::new().raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "Protocol closed"),
        case("g-ready-at-once", Reply::new().ready('I'), "Protocol closed"),
        case("g-row-at-once", Reply::new().row(&[None]), "Protocol closed"),
        case("g-no-end", rows(&[row(OWN, b'e', 0)]).ready('I'), "Protocol closed"),
        case(
            "g-columns-described",
            rows(&[]).columns(&[Column::new("c", TEXT)]),
            "Protocol closed",
        ),
        case("g-length-negative", rows(&[]).lying('D', -1, b""), "Protocol closed"),
        case("g-length-highest", rows(&[]).lying('D', i32::MAX, b""), "Protocol closed"),
    ];
    let nulls = [
        "g-null-number",
        "g-null-schema",
        "g-null-name",
        "g-null-kind",
        "g-null-part",
        "g-null-text",
        "g-null-labels",
        "g-null-names",
        "g-null-types",
    ];
    for (column, id) in nulls.into_iter().enumerate() {
        cases.push(case(id, told(&[with(column, None)]), "Decode usable"));
    }
    let attributes = |count: usize, types: usize| {
        let mut row = row(OWN, b'c', 0);
        row[7] = Some(array(TEXT, &vec![Some(b"a".as_slice()); count]));
        row[8] = Some(array(OID, &vec![Some([0, 0, 0, 23].as_slice()); types]));
        told(&[row])
    };
    let pair: Call = query::<((i32, i32),)>;
    for (id, answer) in [
        ("g-attributes-without-types", attributes(2, 1)),
        ("g-types-without-attributes", attributes(1, 2)),
        ("g-attributes-many", attributes(5_000, 5_000)),
    ] {
        cases.push(Case::new(id, asked(answer).serve(), pair, "Decode usable"));
    }
    let range: Call = query::<(Range<f64>,)>;
    cases.push(Case::new(
        "g-multirange-of-itself",
        asked(told(&[row(OWN, b'm', OWN)])).serve(),
        range,
        "Decode usable",
    ));
    // The server goes while it is asked.
    cases.push(Case::new("g-closed", asked(Reply::new()), text, "Closed closed"));
    cases.push(Case::new("g-closed-in-a-row", asked(rows(&[]).lying('D', 99, b"\0\x09")), text, {
        "Closed closed"
    }));
    cases
}

#[test]
fn catalogue_look_ups() {
    run("catalogue look-ups", cases());
}
