//! The data of a binary COPY, read in any pieces and written; and the values of one in text form.

use std::sync::OnceLock;

use stellata_protocol::copy::{BinaryCopyReader, BinaryCopyWriter};
use stellata_protocol::textual::{from_text, to_text};
use stellata_protocol::{
    Attribute, Buffer, Catalog, Columns, Error, ErrorKind, Oid, TypeKind, UserType,
};

/// Bytes in front of the rows, where the header has no extension.
const HEADER: usize = 19;

/// Bytes behind the rows.
const TRAILER: usize = 2;

/// The values of a row.
type Row = Vec<Option<Vec<u8>>>;

/// How many bytes a row has.
fn size(row: &Row) -> usize {
    2 + row.iter().map(|value| 4 + value.as_ref().map_or(0, Vec::len)).sum::<usize>()
}

fn taken(mut found: Columns<'_>) -> Row {
    let mut row = Row::new();
    while found.remaining() > 0 {
        let value = found.skip().expect("a whole row has whole values");
        row.push(value.map(<[u8]>::to_vec));
    }
    found.end().expect("a row ends with its last value");
    row
}

/// Reads what the server might send: the number of columns, the limit, the number of lengths, as many lengths of
/// chunks, the data.
pub(crate) fn read(input: &[u8]) {
    let Some((&[columns, limit, count], rest)) = input.split_first_chunk() else { return };
    let (lengths, data) = rest.split_at(usize::from(count).min(rest.len()));
    let columns = usize::from(columns % 8);
    let limit = usize::from(limit) * 64;
    let whole = rows(columns, limit, data, &[]);
    assert_eq!(whole, rows(columns, limit, data, &[1]), "the rows depend on how the data is cut");
    let lengths: Vec<usize> = lengths.iter().map(|length| usize::from(*length)).collect();
    let pieces = rows(columns, limit, data, &lengths);
    assert_eq!(whole, pieces, "the rows depend on how the data is cut");
    // As a server cuts it: each row in a piece of its own, the first with the header.
    let mut lengths: Vec<usize> = whole.0.iter().map(size).collect();
    let front = data.len().saturating_sub(lengths.iter().sum::<usize>() + TRAILER);
    if let Some(first) = lengths.first_mut() {
        *first += if whole.1.is_ok() { front } else { HEADER };
    }
    assert_eq!(whole, rows(columns, limit, data, &lengths), "a whole row is read otherwise");
    let (rows, end) = whole;
    if end.is_ok() {
        written(columns, &rows, data);
    }
}

/// All rows, and how the data ends, when it comes in chunks of these lengths, over and over. The shorter way is tried first
/// where there are any.
fn rows(
    columns: usize,
    limit: usize,
    data: &[u8],
    lengths: &[usize],
) -> (Vec<Row>, Result<(), Error>) {
    let mut copy = BinaryCopyReader::new(vec![Oid::UNSPECIFIED; columns]).limit(limit);
    let mut rows: Vec<Row> = Vec::new();
    let is_quick = !lengths.is_empty();
    let mut lengths = lengths.iter().cycle();
    let mut rest = data;
    while !rest.is_empty() {
        let length = lengths.next().map_or(usize::MAX, |length| (*length).max(1));
        let (mut chunk, later) = rest.split_at(length.min(rest.len()));
        rest = later;
        if is_quick && let Some(found) = copy.whole_row(chunk) {
            rows.push(taken(found));
            continue;
        }
        loop {
            match copy.row(&mut chunk) {
                Ok(None) => break,
                Ok(Some(found)) => rows.push(taken(found)),
                Err(error) => {
                    assert_eq!(copy.row(&mut chunk).map(drop), Err(error), "an error is forgotten");
                    assert_eq!(copy.end(), Err(error), "an error is forgotten");
                    return (rows, Err(error));
                }
            }
        }
        assert!(chunk.is_empty(), "a chunk is left over");
        assert!(copy.buffered() <= 1024 + 2 * data.len(), "more is held than came");
    }
    (rows, copy.end())
}

/// The types whose text is tried.
const TEXTS: [Oid; 15] = [
    Oid::TEXT_ARRAY,
    Oid::INT4_ARRAY,
    PAIR,
    TREE,
    TREES,
    TAGS,
    SPAN,
    Oid::INT4MULTIRANGE,
    Oid::TSVECTOR,
    Oid::TSQUERY,
    Oid::BOX_ARRAY,
    Oid::INTERVAL,
    Oid::NUMERIC,
    Oid::TIMESTAMPTZ,
    Oid::INET,
];

const PAIR: Oid = Oid(16_400);
const TREE: Oid = Oid(16_401);
const TREES: Oid = Oid(16_402);
const TAGS: Oid = Oid(16_403);
const SPAN: Oid = Oid(16_404);

/// A composite, one that holds an array of itself, an extension's type, and a range over texts.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let mut catalog = Catalog::new();
        let mut insert = |oid, name: &str, kind| {
            catalog.insert(UserType { oid, schema: "public".into(), name: name.into(), kind });
        };
        let attributes = |of: [(&str, Oid); 2]| {
            of.map(|(name, oid)| Attribute { name: name.into(), oid }).into()
        };
        let pair = attributes([("n", Oid::INT4), ("t", Oid::TEXT)]);
        insert(PAIR, "pair", TypeKind::Composite { attributes: pair });
        let tree = attributes([("name", Oid::TEXT), ("below", TREES)]);
        insert(TREE, "tree", TypeKind::Composite { attributes: tree });
        insert(TREES, "_tree", TypeKind::Array { element: TREE });
        insert(TAGS, "hstore", TypeKind::Base { is_text: false });
        insert(SPAN, "span", TypeKind::Range { subtype: Oid::TEXT });
        catalog
    })
}

/// Reads a text of the type that the first byte chooses. What it is can be printed, and that is read as what is printed
/// alike; bytes that are no text are tried as a binary value.
pub(crate) fn text(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    let oid = TEXTS[usize::from(*kind) % TEXTS.len()];
    let mut raw = Buffer::new();
    match str::from_utf8(bytes) {
        Ok(text) if from_text(oid, catalog(), text, &mut raw).is_ok() => {
            let printed = printed(oid, raw.as_slice()).expect("what was read can be printed");
            again(oid, &printed);
        }
        Ok(_) => {}
        Err(_) => {
            if let Ok(printed) = printed(oid, bytes) {
                again(oid, &printed);
            }
        }
    }
}

fn printed(oid: Oid, raw: &[u8]) -> Result<String, Error> {
    let mut printed = String::new();
    to_text(oid, catalog(), raw, &mut printed).map(|()| printed)
}

/// What was printed is read as what is printed alike.
fn again(oid: Oid, text: &str) {
    let mut raw = Buffer::new();
    from_text(oid, catalog(), text, &mut raw).expect("what was printed can be read");
    assert_eq!(printed(oid, raw.as_slice()).as_deref(), Ok(text), "a text changes on its way");
}

/// What was read is written as it came, but for a header that said more than ours.
fn written(columns: usize, rows: &[Row], data: &[u8]) {
    let mut copy = BinaryCopyWriter::new(vec![Oid::UNSPECIFIED; columns]).expect("few columns");
    for row in rows {
        let done = copy
            .row_with(|fields| row.iter().try_for_each(|value| fields.push_raw(value.as_deref())));
        done.expect("what was read can be written");
    }
    copy.finish().expect("it is the first time");
    let rows = &copy.piece()[HEADER..];
    assert!(data.ends_with(rows), "what was read is written otherwise");
}

/// Writes rows as the input says, some of them wrong, in pieces as it says, and reads them back.
///
/// The input is a byte for each step: its low half says what is done, the high half with what.
pub(crate) fn write(input: &[u8]) {
    const TYPES: [Oid; 3] = [Oid::INT4, Oid::TEXT, Oid::BYTEA];
    let mut copy = BinaryCopyWriter::new(TYPES).expect("few columns");
    let (mut sent, mut expected) = (Vec::new(), Vec::<Row>::new());
    for &step in input {
        let number = step >> 4;
        let bytes = vec![number; usize::from(number)];
        let text = "x".repeat(usize::from(number));
        let before = copy.piece().len();
        let done = match step & 7 {
            0 | 1 => copy.row(&(i32::from(number), &*text, Some(bytes.clone()))),
            2 => copy.row(&(None::<i32>, &*text, None::<Vec<u8>>)),
            // Wrong: another type, a NUL, too few, too many.
            3 => copy.row(&(i64::from(number), &*text, bytes.clone())),
            4 => copy.row(&(i32::from(number), "a\0b", bytes.clone())),
            5 => copy.row(&(i32::from(number), &*text)),
            6 => copy.row(&(1, "", bytes.clone(), 1)),
            _ => {
                sent.extend_from_slice(copy.piece());
                copy.clear();
                continue;
            }
        };
        match (step & 7, done) {
            (0 | 1, Ok(())) => {
                let number = i32::from(number).to_be_bytes().to_vec();
                expected.push(vec![Some(number), Some(text.into_bytes()), Some(bytes)]);
            }
            (2, Ok(())) => expected.push(vec![None, Some(text.into_bytes()), None]),
            (3, Err(error)) => assert_eq!(error.kind(), ErrorKind::WrongType),
            (4, Err(error)) => assert_eq!(error.kind(), ErrorKind::InvalidText),
            (5 | 6, Err(error)) => assert_eq!(error.kind(), ErrorKind::ColumnCount),
            (kind, done) => panic!("a row of kind {kind} came to {done:?}"),
        }
        if done.is_err() {
            assert_eq!(copy.piece().len(), before, "a row that was refused leaves something");
        }
    }
    copy.finish().expect("it is the first time");
    sent.extend_from_slice(copy.piece());
    let found = rows(TYPES.len(), usize::MAX, &sent, &[7, 1, 200]);
    assert_eq!(found, (expected, Ok(())), "what was written is read otherwise");
}
