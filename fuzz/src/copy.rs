//! The data of a binary COPY, read in any pieces and written.

use stellata_protocol::copy::{BinaryCopyReader, BinaryCopyWriter};
use stellata_protocol::{Error, ErrorKind, Oid};

/// Bytes in front of the rows, where the header has no extension.
const HEADER: usize = 19;

/// The values of a row.
type Row = Vec<Option<Vec<u8>>>;

/// Reads what the server might send: the number of columns, the limit, the number of lengths, as many lengths of
/// chunks, the data.
pub(crate) fn read(input: &[u8]) {
    let Some((&[columns, limit, count], rest)) = input.split_first_chunk() else { return };
    let (lengths, data) = rest.split_at(usize::from(count).min(rest.len()));
    let columns = usize::from(columns % 8);
    let limit = usize::from(limit) * 64;
    let whole = rows(columns, limit, data, &[]);
    assert_eq!(whole, rows(columns, limit, data, &[1]), "the rows depend on how the data is cut");
    let pieces = rows(columns, limit, data, lengths);
    assert_eq!(whole, pieces, "the rows depend on how the data is cut");
    let (rows, end) = whole;
    if end.is_ok() {
        written(columns, &rows, data);
    }
}

/// All rows, and how the data ends, when it comes in chunks of these lengths, over and over.
fn rows(
    columns: usize,
    limit: usize,
    data: &[u8],
    lengths: &[u8],
) -> (Vec<Row>, Result<(), Error>) {
    let mut copy = BinaryCopyReader::new(vec![Oid::UNSPECIFIED; columns]).limit(limit);
    let mut rows: Vec<Row> = Vec::new();
    let mut lengths = lengths.iter().cycle();
    let mut rest = data;
    while !rest.is_empty() {
        let length = lengths.next().map_or(usize::MAX, |length| usize::from(*length).max(1));
        let (mut chunk, later) = rest.split_at(length.min(rest.len()));
        rest = later;
        loop {
            match copy.row(&mut chunk) {
                Ok(None) => break,
                Ok(Some(mut found)) => {
                    let mut row = Row::new();
                    while found.remaining() > 0 {
                        let value = found.skip().expect("a whole row has whole values");
                        row.push(value.map(<[u8]>::to_vec));
                    }
                    found.end().expect("a row ends with its last value");
                    rows.push(row);
                }
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
