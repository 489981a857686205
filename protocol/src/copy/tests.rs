//! Both sides of binary COPY, held against each other and against hostile data.

use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use crate::copy::{BinaryCopyReader, BinaryCopyWriter, CopyFields, SIGNATURE};
use crate::error::{ErrorKind, Result};
use crate::message::copy::write_copy_data;
use crate::oid::Oid;
use crate::row::Columns;
use crate::types::{Encode, IsNull, PgType};
use crate::wire::buffer::Buffer;

/// Values as they are, NULL as `None`.
type Row = Vec<Option<Vec<u8>>>;

/// Signature, no flags, no extension.
fn header() -> Vec<u8> {
    [&SIGNATURE[..], &[0; 8]].concat()
}

fn values(mut columns: Columns<'_>) -> Row {
    (0..columns.remaining()).map(|_| columns.skip().unwrap().map(<[u8]>::to_vec)).collect()
}

/// The rows up to the end or the first error, and which of these it was.
fn read<'c>(
    mut copy: BinaryCopyReader,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> (Vec<Row>, Result<()>) {
    let mut rows = Vec::new();
    for mut chunk in chunks {
        loop {
            match copy.row(&mut chunk) {
                Ok(Some(columns)) => rows.push(values(columns)),
                Ok(None) => break assert!(chunk.is_empty(), "a chunk was not used up"),
                Err(error) => {
                    assert_eq!(copy.row(&mut chunk).map(|_| ()), Err(error), "it goes on failing");
                    assert_eq!(copy.end(), Err(error));
                    return (rows, Err(error));
                }
            }
        }
    }
    (rows, copy.end())
}

/// A reader of rows with so many columns, whatever their types.
fn reader(columns: usize) -> BinaryCopyReader {
    BinaryCopyReader::new(vec![Oid::UNSPECIFIED; columns])
}

/// `bytes` in pieces of the given lengths, over and over.
fn cut<'b>(bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(*length));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// Lengths of pieces, empty ones among them.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![3 => 0..8_usize, 1 => 0..200_usize], 1..12)
        .prop_filter("no progress", |lengths| lengths.iter().any(|length| *length > 0))
}

fn table(columns: Range<usize>) -> impl Strategy<Value = (usize, Vec<Row>)> {
    columns.prop_flat_map(|columns| {
        let value = proptest::option::weighted(0.8, proptest::collection::vec(any::<u8>(), 0..40));
        let row = proptest::collection::vec(value, columns);
        (Just(columns), proptest::collection::vec(row, 0..12))
    })
}

fn write(columns: usize, rows: &[Row]) -> Vec<u8> {
    let mut copy = BinaryCopyWriter::new(vec![Oid::BYTEA; columns]).unwrap();
    let mut data = Vec::new();
    for row in rows {
        copy.row_with(|fields| row.iter().try_for_each(|value| fields.push(value))).unwrap();
        if data.len() % 3 == 0 {
            data.extend_from_slice(copy.piece());
            copy.clear();
        }
    }
    copy.finish().unwrap();
    data.extend_from_slice(copy.piece());
    data
}

#[test]
fn the_layout_is_the_manuals() {
    let mut copy = BinaryCopyWriter::new([Oid::INT4, Oid::TEXT, Oid::BOOL]).unwrap();
    assert_eq!(copy.piece(), header());
    copy.row(&(1, "é", None::<bool>)).unwrap();
    copy.finish().unwrap();
    let row = b"\0\x03\0\0\0\x04\0\0\0\x01\0\0\0\x02\xc3\xa9\xff\xff\xff\xff";
    assert_eq!(copy.piece(), [&header()[..], row, b"\xff\xff"].concat());
}

#[test]
fn a_piece_stands_in_its_message() {
    let mut copy = BinaryCopyWriter::new([Oid::INT4]).unwrap();
    for _ in 0..2 {
        copy.row(&(7,)).unwrap();
        let mut message = Buffer::new();
        write_copy_data(&mut message, copy.piece()).unwrap();
        assert_eq!(copy.message(), Ok(message.as_slice()));
        copy.clear();
        assert_eq!(copy.message(), Ok(&[][..]), "an empty message is not worth sending");
        assert!(copy.piece().is_empty());
    }
}

#[test]
fn a_failed_row_leaves_nothing_and_others_may_follow() {
    let mut copy = BinaryCopyWriter::new([Oid::INT4, Oid::TEXT]).unwrap();
    copy.row(&(1, "one")).unwrap();
    let before = copy.piece().to_vec();
    let kind = |done: Result<()>| done.map_err(|error| error.kind());
    assert_eq!(kind(copy.row(&(1,))), Err(ErrorKind::ColumnCount));
    assert_eq!(kind(copy.row(&(1, "a", "b"))), Err(ErrorKind::ColumnCount));
    assert_eq!(kind(copy.row(&())), Err(ErrorKind::ColumnCount));
    assert_eq!(kind(copy.row(&(1_i64, "a"))), Err(ErrorKind::WrongType));
    assert_eq!(kind(copy.row(&(1, "nul \0"))), Err(ErrorKind::InvalidText));
    let careless = copy.row_with(|fields| {
        assert_eq!(fields.remaining(), 2);
        let _ = fields.push("not a number");
        fields.push("two")
    });
    assert_eq!(kind(careless), Err(ErrorKind::WrongType), "an error may not be passed over");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        copy.row_with(|fields| {
            fields.push(&1)?;
            panic!("half a row")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(copy.piece(), before);
    assert!(copy.message().unwrap().ends_with(&before));
    copy.row(&(2, "two")).unwrap();
    copy.finish().unwrap();
    let (rows, end) = read(reader(2), [copy.piece()]);
    assert_eq!((rows.len(), end), (2, Ok(())));
}

#[test]
fn what_is_finished_takes_no_more() {
    let mut copy = BinaryCopyWriter::new([Oid::INT4]).unwrap();
    copy.finish().unwrap();
    let usage = Err(ErrorKind::Usage);
    assert_eq!(copy.row(&(1,)).map_err(|error| error.kind()), usage);
    assert_eq!(copy.finish().map_err(|error| error.kind()), usage);
    assert_eq!(copy.piece(), [&header()[..], b"\xff\xff"].concat());
}

#[test]
fn types_that_are_not_known_take_any_value() {
    let mut copy = BinaryCopyWriter::new([Oid::UNSPECIFIED, Oid::UNSPECIFIED]).unwrap();
    copy.row(&(1_i64, "a")).unwrap();
    assert!(copy.piece().ends_with(b"\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x01a"));
    assert_eq!(copy.types().len(), 2);
}

#[test]
fn raw_values_are_taken_as_they_are() {
    let mut copy = BinaryCopyWriter::new([Oid::INT4, Oid::INT4]).unwrap();
    copy.row_with(|fields| {
        fields.push_raw(Some(&[0, 0, 0, 9]))?;
        fields.push_raw(None)
    })
    .unwrap();
    assert!(copy.piece().ends_with(b"\0\x02\0\0\0\x04\0\0\0\x09\xff\xff\xff\xff"));
    let careless = copy.row_with(|fields| {
        let _ = (0..3).map(|_| fields.push_raw(None)).last();
        Ok(())
    });
    assert_eq!(careless.map_err(|error| error.kind()), Err(ErrorKind::ColumnCount));
}

#[test]
fn more_columns_than_can_be_counted_are_refused() {
    let kind = |columns| {
        BinaryCopyWriter::new(vec![Oid::INT4; columns]).map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(kind(32_767), Ok(()));
    assert_eq!(kind(32_768), Err(ErrorKind::TooLarge));
}

#[test]
fn one_buffer_serves_all_pieces() {
    let mut copy = BinaryCopyWriter::new([Oid::INT4, Oid::TEXT]).unwrap();
    let place = copy.message().unwrap().as_ptr();
    let (mut pieces, mut bytes) = (0, 0);
    for id in 0..20_000 {
        copy.row(&(id, "some text of a usual length")).unwrap();
        if copy.is_full() {
            // The row that fills it, and what else stands on the stage.
            assert!((64 * 1024..69 * 1024).contains(&copy.piece().len()));
            assert_eq!(copy.message().unwrap().as_ptr(), place, "the buffer was allocated anew");
            bytes += copy.piece().len();
            pieces += 1;
            copy.clear();
        }
    }
    assert!(pieces >= 10 && bytes >= pieces * 64 * 1024);
    copy.row(&(0, "x".repeat(1 << 20))).unwrap();
    copy.clear();
    copy.row(&(0, "y")).unwrap();
    assert!(copy.piece().ends_with(b"\0\0\0\x01y"));
    assert_eq!(copy.piece().len(), 2 + 8 + 5, "what a giant row leaves is not kept");
}

#[test]
fn a_row_in_one_chunk_is_read_in_place() {
    let mut data = BinaryCopyWriter::new([Oid::TEXT]).unwrap();
    data.row(&("borrowed",)).unwrap();
    data.finish().unwrap();
    let mut copy = BinaryCopyReader::new([Oid::TEXT]);
    let mut chunk = data.piece();
    let inside = chunk.as_ptr_range();
    let text: &str = copy.row(&mut chunk).unwrap().unwrap().next().unwrap();
    assert_eq!(text, "borrowed");
    assert!(inside.contains(&text.as_ptr()));
    assert!(copy.row(&mut chunk).unwrap().is_none());
    assert_eq!(copy.end(), Ok(()));
}

#[test]
fn each_fault_has_its_error_at_its_place() {
    let flags = |flags: u32| [&SIGNATURE[..], &flags.to_be_bytes(), &[0; 4]].concat();
    let extension =
        |length: i32, rest: &[u8]| [&SIGNATURE[..], &[0; 4], &length.to_be_bytes(), rest].concat();
    let rows = |rest: &[u8]| [&header()[..], rest].concat();
    let one = b"\0\x01\0\0\0\x01a";
    let cases: &[(&str, Vec<u8>, usize, ErrorKind, u32)] = &[
        ("text data", b"1\tone\n".to_vec(), 1, ErrorKind::InvalidValue, 0),
        ("changed line end", b"PGCOPY\n\xff\n\0".to_vec(), 1, ErrorKind::InvalidValue, 8),
        ("lost eighth bit", b"PGCOPY\n\x7f\r\n\0".to_vec(), 1, ErrorKind::InvalidValue, 7),
        ("OIDs", flags(1 << 16), 1, ErrorKind::InvalidValue, 11),
        ("critical flag", flags(1 << 17), 1, ErrorKind::InvalidValue, 11),
        ("last critical flag", flags(1 << 31), 1, ErrorKind::InvalidValue, 11),
        ("negative extension", extension(-1, b""), 1, ErrorKind::InvalidLength, 15),
        ("long extension", extension(101, b""), 1, ErrorKind::TooLarge, 15),
        ("no data", Vec::new(), 1, ErrorKind::Truncated, 0),
        ("header alone", header(), 1, ErrorKind::Truncated, 19),
        ("in the extension", extension(9, b"12345"), 1, ErrorKind::Truncated, 24),
        ("no trailer", rows(one), 1, ErrorKind::Truncated, 26),
        ("half a count", rows(b"\0"), 1, ErrorKind::Truncated, 20),
        ("negative count", rows(b"\xff\xfe"), 1, ErrorKind::InvalidLength, 19),
        ("lowest count", rows(b"\x80\0"), 1, ErrorKind::InvalidLength, 19),
        ("fewer values", rows(b"\0\0\xff\xff"), 1, ErrorKind::ColumnCount, 19),
        ("more values", rows(&[&one[..], b"\0\x02"].concat()), 1, ErrorKind::ColumnCount, 26),
        ("negative length", rows(b"\0\x01\xff\xff\xff\xfe"), 1, ErrorKind::InvalidLength, 21),
        ("long value", rows(b"\0\x01\0\0\0\x5f"), 1, ErrorKind::TooLarge, 21),
        ("longest value", rows(b"\0\x01\x7f\xff\xff\xff"), 1, ErrorKind::TooLarge, 21),
        ("behind the trailer", rows(b"\xff\xff\0"), 1, ErrorKind::TrailingBytes, 21),
        ("two trailers", rows(b"\xff\xff\xff\xff"), 1, ErrorKind::TrailingBytes, 21),
    ];
    for (name, bytes, columns, kind, offset) in cases {
        for length in [1, 2, 3, 100] {
            let (_, end) = read(reader(*columns).limit(100), bytes.chunks(length));
            let found = end.map_err(|error| (error.kind(), error.offset()));
            assert_eq!(found, Err((*kind, *offset)), "{name} in chunks of {length}");
        }
    }
}

#[test]
fn what_may_be_passed_over_is() {
    let data = [&SIGNATURE[..], b"\0\0\xff\xff\0\0\0\x05extra\0\x01\0\0\0\x01a\xff\xff"].concat();
    for length in 1..data.len() {
        let found = read(reader(1), data.chunks(length));
        assert_eq!(found, (vec![vec![Some(b"a".to_vec())]], Ok(())));
    }
}

#[test]
fn a_row_at_the_limit_is_read() {
    let data = [&header()[..], b"\0\x01\0\0\0\x04abcd\xff\xff"].concat();
    assert_eq!(read(reader(1).limit(10), [&data[..]]).1, Ok(()));
    let kind = read(reader(1).limit(9), [&data[..]]).1.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::TooLarge));
}

#[test]
fn rows_may_have_no_columns() {
    let data = [&header()[..], b"\0\0\0\0\xff\xff"].concat();
    for length in 1..data.len() {
        assert_eq!(read(reader(0), data.chunks(length)), (vec![vec![]; 2], Ok(())));
    }
}

#[test]
fn memory_follows_the_bytes_that_came() {
    let mut copy = reader(1);
    let start = [&header()[..], b"\0\x01\x0f\xff\xff\x00"].concat();
    let mut sent = 0;
    for mut chunk in core::iter::once(&start[..]).chain(core::iter::repeat_n(&[7; 100][..], 50)) {
        sent += chunk.len();
        assert!(copy.row(&mut chunk).unwrap().is_none());
        assert!(copy.buffered() <= 2 * sent + 64, "{} for {sent}", copy.buffered());
    }
    let mut copy = reader(1);
    let giant = [&header()[..], b"\0\x01\0\x10\0\0", &[7; 1 << 20], b"\xff\xff"].concat();
    assert_eq!(read_in(&mut copy, giant.chunks(1000)), 1);
    assert!(copy.buffered() <= 256 * 1024, "what a giant row leaves is not kept");
}

fn read_in<'c>(copy: &mut BinaryCopyReader, chunks: impl Iterator<Item = &'c [u8]>) -> usize {
    let mut rows = 0;
    for mut chunk in chunks {
        while copy.row(&mut chunk).unwrap().is_some() {
            rows += 1;
        }
    }
    rows
}

/// A row of values that are written in one way or another, and what is to become of it.
type Mixed = ((i32, String, Option<i64>, Vec<u8>, Option<Vec<i16>>), Fate);

#[derive(Clone, Copy, Debug)]
enum Fate {
    Whole,
    /// It is of another type from this column on.
    Wrong(usize),
    /// Whoever writes it panics at this column.
    Panics(usize),
    /// Whoever writes it passes over an error, and goes on.
    Careless,
    /// The piece is taken behind it.
    Taken,
}

fn mixed() -> impl Strategy<Value = Mixed> {
    let text = prop_oneof![
        6 => "[a-z]{0,20}",
        2 => (0..700_usize).prop_map(|len| "x".repeat(len)),
        1 => (3900..5000_usize).prop_map(|len| "y".repeat(len)),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..60);
    let list = proptest::option::of(proptest::collection::vec(any::<i16>(), 0..4));
    let fate = prop_oneof![
        12 => Just(Fate::Whole),
        1 => (0..5_usize).prop_map(Fate::Wrong),
        1 => (0..5_usize).prop_map(Fate::Panics),
        1 => Just(Fate::Careless),
        1 => Just(Fate::Taken),
    ];
    ((any::<i32>(), text, any::<Option<i64>>(), bytes, list), fate)
}

/// The row as the manual has it, by the way that every value can be written.
fn by_hand(row: &Mixed) -> Vec<u8> {
    let ((a, b, c, d, e), _) = row;
    let mut out = Buffer::new();
    out.put_i16(5);
    let _: IsNull = a.encode_sized(Oid::INT4, &mut out).unwrap();
    let _: IsNull = b.encode_sized(Oid::VARCHAR, &mut out).unwrap();
    let _: IsNull = c.encode_sized(Oid::INT8, &mut out).unwrap();
    let _: IsNull = d.encode_sized(Oid::BYTEA, &mut out).unwrap();
    let _: IsNull = e.encode_sized(Oid::INT2_ARRAY, &mut out).unwrap();
    out.as_slice().to_vec()
}

fn append(fields: &mut CopyFields<'_>, row: &Mixed) -> Result<()> {
    let ((a, b, c, d, e), fate) = row;
    for column in 0..5 {
        match *fate {
            Fate::Panics(at) if at == column => panic!("half a row"),
            Fate::Wrong(at) if at == column => fields.push(&1.5_f32)?,
            Fate::Careless if column == 2 => {
                let _ = fields.push(&1.5_f32);
            }
            _ => match column {
                0 => fields.push(a)?,
                1 => fields.push(b)?,
                2 => fields.push(c)?,
                3 => fields.push(d)?,
                _ => fields.push(e)?,
            },
        }
        assert_eq!(fields.remaining(), 4 - column);
    }
    Ok(())
}

proptest! {
    #[test]
    fn rows_of_any_size_are_written_whole_or_not_at_all(
        rows in proptest::collection::vec(mixed(), 0..250),
    ) {
        let types = [Oid::INT4, Oid::VARCHAR, Oid::INT8, Oid::BYTEA, Oid::INT2_ARRAY];
        let mut copy = BinaryCopyWriter::new(types).unwrap();
        let (mut found, mut wanted) = (Vec::new(), header());
        for row in &rows {
            let done = catch_unwind(AssertUnwindSafe(|| copy.row_with(|fields| append(fields, row))));
            match (row.1, done) {
                (Fate::Whole | Fate::Taken, Ok(Ok(()))) => wanted.extend(by_hand(row)),
                (Fate::Wrong(column), Ok(Err(error))) => {
                    prop_assert_eq!(error.kind(), ErrorKind::WrongType);
                    prop_assert_eq!(copy.failed_column(), Some(column));
                }
                (Fate::Careless, Ok(Err(error))) => {
                    prop_assert_eq!(error.kind(), ErrorKind::WrongType);
                    prop_assert_eq!(copy.failed_column(), Some(2));
                }
                (Fate::Panics(_), Err(_)) => {}
                (fate, done) => prop_assert!(false, "{:?}: {:?}", fate, done.is_ok()),
            }
            if copy.is_full() || matches!(row.1, Fate::Taken) {
                found.extend_from_slice(copy.piece());
                copy.clear();
            }
        }
        copy.finish().unwrap();
        found.extend_from_slice(copy.piece());
        wanted.extend_from_slice(b"\xff\xff");
        prop_assert!(found == wanted, "{} bytes, not {}", found.len(), wanted.len());
    }

    #[test]
    fn rows_come_back_however_they_are_cut((columns, rows) in table(0..5), lengths in lengths()) {
        let data = write(columns, &rows);
        prop_assert_eq!(read(reader(columns), cut(&data, &lengths)), (rows, Ok(())));
    }

    #[test]
    fn typed_rows_come_back(
        rows in proptest::collection::vec(
            (any::<i32>(), any::<Option<i64>>(), "[^\0]{0,20}", any::<Vec<u8>>(), any::<bool>()),
            0..10,
        ),
        lengths in lengths(),
    ) {
        let types = [i32::TYPE, i64::TYPE, str::TYPE, <[u8]>::TYPE, bool::TYPE].map(|known| known.oid);
        let mut data = BinaryCopyWriter::new(types).unwrap();
        for row in &rows {
            data.row(row).unwrap();
        }
        data.finish().unwrap();
        let mut found = Vec::new();
        let mut copy = BinaryCopyReader::new(types);
        for mut chunk in cut(data.piece(), &lengths) {
            while let Some(mut row) = copy.row(&mut chunk).unwrap() {
                found.push((
                    row.next::<i32>().unwrap(),
                    row.next::<Option<i64>>().unwrap(),
                    row.next::<String>().unwrap(),
                    row.next::<Vec<u8>>().unwrap(),
                    row.next::<bool>().unwrap(),
                ));
            }
        }
        prop_assert_eq!(copy.end(), Ok(()));
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn every_prefix_is_an_error((columns, rows) in table(1..4)) {
        let data = write(columns, &rows);
        for len in 0..data.len() {
            let (found, end) = read(reader(columns), [&data[..len]]);
            prop_assert_eq!(&found[..], &rows[..found.len()]);
            let offset = u32::try_from(len).unwrap();
            prop_assert_eq!(
                end.map_err(|error| (error.kind(), error.offset())),
                Err((ErrorKind::Truncated, offset))
            );
        }
    }

    #[test]
    fn damaged_data_reads_the_same_however_it_is_cut(
        (columns, rows) in table(0..4),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        end in any::<proptest::sample::Index>(),
        lengths in lengths(),
    ) {
        let mut data = write(columns, &rows);
        for (at, byte) in &damage {
            let at = at.index(data.len());
            data[at] = *byte;
        }
        data.truncate(end.index(data.len() * 2));
        let whole = read(reader(columns).limit(300), [&data[..]]);
        let cut = read(reader(columns).limit(300), cut(&data, &lengths));
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn any_bytes_end_in_rows_or_an_error(
        columns in 0..4_usize,
        limit in 0..60_usize,
        rest in proptest::collection::vec(
            prop_oneof![6 => 0..4_u8, 1 => Just(255), 1 => any::<u8>()],
            0..80,
        ),
        lengths in lengths(),
    ) {
        let data = [&header()[..], &rest].concat();
        let whole = read(reader(columns).limit(limit), [&data[..]]);
        let cut = read(reader(columns).limit(limit), cut(&data, &lengths));
        prop_assert_eq!(&cut, &whole);
        let taken: usize =
            whole.0.iter().flatten().map(|value| 4 + value.as_ref().map_or(0, Vec::len)).sum();
        prop_assert!(taken + 2 * whole.0.len() <= rest.len(), "a row was made of nothing");
    }
}
