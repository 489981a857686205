//! What has gone wrong in other drivers, tried here. `docs/advisories.md` tells of each; the tests that need a server or a
//! client are in `tests/it/advisories.rs`.

use stellata_protocol::message::{
    Bind, BindHead, FunctionCall, Parse, read_parameter_description, read_row_description,
    write_bind, write_bind_execute, write_data_row, write_function_call,
    write_parameter_description, write_parse, write_query, write_row_description,
};
use stellata_protocol::{
    Buffer, Columns, Decode, ErrorKind, FieldDescription, Format, Oid, Params, Result, frame, quote,
};

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// Bytes that are there by name only: the system gives no memory to pages of zeros that nobody writes.
fn zeros(len: usize) -> Vec<u8> {
    vec![0; len]
}

#[test]
fn cve_2024_27304_a_value_of_two_gib_is_refused_before_a_byte_of_it_is_written() {
    for len in [1 << 31, 1 << 32, (1 << 32) + 5] {
        let value = zeros(len);
        let mut params = Params::new();
        params.push(&7_i32).unwrap();
        assert_eq!(kind(params.push(&&value[..])), Some(ErrorKind::TooLarge));
        assert_eq!(params.as_slice(), [0, 0, 0, 4, 0, 0, 0, 7]);
        assert_eq!(params.len(), 1);
        let pushed = params.push_array(Oid::BYTEA_ARRAY, Oid::BYTEA, [&value[..]]);
        assert_eq!(kind(pushed), Some(ErrorKind::TooLarge));
        assert_eq!(params.len(), 1);
    }
}

/// The sum of what is small enough can be too large: all of it has to be there to see that.
#[test]
#[ignore = "takes some 5 GB of memory: `cargo test -p stellata-protocol --test advisories -- --ignored`"]
fn rustsec_2024_0363_a_message_of_two_gib_is_refused_and_nothing_of_it_is_left() {
    let value = zeros((1 << 30) - 100);
    let mut params = Params::new();
    params.push(&&value[..]).unwrap();
    params.push(&&value[..]).unwrap();
    params.push(&&zeros(200)[..]).unwrap();
    drop(value);
    let mut out = Buffer::new();
    let head = BindHead::new("s").unwrap();
    let refused = Some(ErrorKind::TooLarge);
    assert_eq!(kind(write_bind_execute::<true>(&mut out, &head, &params)), refused);
    assert!(out.is_empty());
    assert_eq!(kind(write_bind(&mut out, "", "s", &params, Format::Binary)), refused);
    assert!(out.is_empty());
    drop((out, params));
    let mut out = Buffer::new();
    let sql = " ".repeat(1 << 31);
    assert_eq!(kind(write_query(&mut out, &sql)), refused);
    assert_eq!(kind(write_parse(&mut out, "", &sql, &[])), refused);
    assert!(out.is_empty());
}

#[test]
fn rustsec_2024_0365_more_than_65_535_of_anything_are_refused_before_a_byte_is_written() {
    let mut params = Params::new();
    (0..65_535).for_each(|_| params.push_null(Oid::INT4));
    let types = vec![Oid::INT4; 65_536];
    let values = vec![None; 65_536];
    let field = FieldDescription {
        name: "a".into(),
        table_oid: Oid(0),
        column_number: 0,
        type_oid: Oid::INT4,
        type_size: 4,
        type_modifier: -1,
        format: Format::Binary,
    };
    let fields = vec![field; 65_536];
    let head = BindHead::new("s").unwrap();
    let write = |out: &mut Buffer, params: &Params, count: usize| {
        [
            write_bind(out, "", "s", params, Format::Binary),
            write_bind_execute::<false>(out, &head, params),
            write_bind_execute::<true>(out, &head, params),
            write_function_call(out, Oid(1), params, Format::Binary),
            write_parse(out, "s", "select 1", &types[..count]),
            write_parameter_description(out, &types[..count]),
            write_data_row(out, &values[..count]),
            write_row_description(out, &fields[..count]),
        ]
    };
    let mut out = Buffer::new();
    assert!(write(&mut out, &params, 65_535).iter().all(Result::is_ok));
    let before = out.len();
    params.push_null(Oid::INT4);
    for (index, written) in write(&mut out, &params, 65_536).into_iter().enumerate() {
        assert_eq!(kind(written), Some(ErrorKind::TooLarge), "{index}");
    }
    assert_eq!(out.len(), before, "nothing is written of what is refused");
}

/// The largest counts come back as what they are, and not as negative ones.
#[test]
fn rustsec_2024_0365_counts_up_to_65_535_are_read_as_they_were_written() {
    let types = vec![Oid::INT4; 65_535];
    let mut params = Params::new();
    types.iter().for_each(|oid| params.push_null(*oid));
    let mut out = Buffer::new();
    write_parse(&mut out, "", "", &types).unwrap();
    assert_eq!(Parse::read(&out.as_slice()[5..]).unwrap().types.len(), 65_535);
    out.clear();
    write_bind(&mut out, "", "", &params, Format::Binary).unwrap();
    assert_eq!(Bind::read(&out.as_slice()[5..]).unwrap().parameters.len(), 65_535);
    out.clear();
    write_parameter_description(&mut out, &types).unwrap();
    assert_eq!(read_parameter_description(&out.as_slice()[5..]).unwrap().len(), 65_535);
    assert_eq!(kind(read_row_description(b"\xff\xff")), Some(ErrorKind::Truncated));
}

/// A row with these lengths in front of its values, of four bytes each.
fn row(lengths: &[i32]) -> Vec<u8> {
    let count = u16::try_from(lengths.len()).unwrap().to_be_bytes();
    let values = lengths.iter().flat_map(|length| [length.to_be_bytes(), [7; 4]].concat());
    count.into_iter().chain(values).collect()
}

#[test]
fn rustsec_2026_0178_a_row_with_other_columns_than_described_is_an_error() {
    let types = vec![Oid::INT4; 9];
    for sent in 0..9 {
        let row = row(&vec![4; sent]);
        for expected in (0..9).filter(|expected| *expected != sent) {
            let columns = Columns::new(&row, &types[..expected]);
            assert_eq!(columns.err().map(|error| error.kind()), Some(ErrorKind::ColumnCount));
        }
        // As many as described by its count, but not by its bytes.
        let mut lying = row.clone();
        lying[1] = 9;
        let mut columns = Columns::new(&lying, &types).unwrap();
        let read = (0..9).filter(|_| columns.next::<i32>().is_ok()).count();
        assert_eq!(read, sent);
        let behind = columns.next::<i32>().map_err(|error| error.error.kind());
        assert_eq!(behind, Err(ErrorKind::ColumnCount));
    }
}

#[test]
fn cve_2026_32286_a_negative_length_in_a_row_is_an_error() {
    for length in [-2, -3, -4, -5, i32::MIN, i32::MIN + 1, -13_619_152] {
        for at in 0..3 {
            let mut lengths = [4; 3];
            lengths[at] = length;
            let row = row(&lengths);
            let types = [Oid::INT4; 3];
            let mut columns = Columns::new(&row, &types).unwrap();
            for _ in 0..at {
                assert_eq!(columns.next::<i32>().unwrap(), 0x0707_0707);
            }
            let error = columns.next::<Option<i32>>().unwrap_err();
            assert_eq!((error.index, error.error.kind()), (at, ErrorKind::InvalidLength));
        }
    }
}

/// What a server, a proxy or a pooler reads of a client.
#[test]
fn cve_2026_33815_a_negative_length_of_a_parameter_is_an_error() {
    let mut params = Params::new();
    params.push(&7_i32).unwrap();
    let mut out = Buffer::new();
    write_bind(&mut out, "p", "s", &params, Format::Binary).unwrap();
    let body = &out.as_slice()[5..];
    assert!(Bind::read(body).is_ok());
    // Two names, the format of the parameters, their number.
    let at = 4 + 4 + 2;
    for length in [-2, -3, i32::MIN, i32::MIN + 1, 9, 1 << 20, i32::MAX] {
        let mut body = body.to_vec();
        body[at..at + 4].copy_from_slice(&length.to_be_bytes());
        let expected = if length < 0 { ErrorKind::InvalidLength } else { ErrorKind::Truncated };
        assert_eq!(kind(Bind::read(&body)), Some(expected), "{length}");
    }
}

#[test]
fn cve_2026_33816_a_negative_length_of_an_argument_or_a_message_is_an_error() {
    let mut arguments = Params::new();
    arguments.push(&7_i32).unwrap();
    let mut out = Buffer::new();
    write_function_call(&mut out, Oid(1598), &arguments, Format::Binary).unwrap();
    let body = &out.as_slice()[5..];
    assert!(FunctionCall::read(body).is_ok());
    // The function, the format of the arguments, their number.
    let at = 4 + 4 + 2;
    for length in [-2, -3, i32::MIN, 7, i32::MAX] {
        let mut body = body.to_vec();
        body[at..at + 4].copy_from_slice(&length.to_be_bytes());
        assert!(FunctionCall::read(&body).is_err(), "{length}");
    }
    for length in [i32::MIN, -5, -1, 0, 1, 2, 3] {
        let [a, b, c, d] = length.to_be_bytes();
        for tag in 0..=u8::MAX {
            let found = frame(&[tag, a, b, c, d, 0, 0, 0, 0], usize::MAX);
            assert_eq!(kind(found), Some(ErrorKind::InvalidLength), "{length} of {tag}");
        }
    }
}

/// The head of an array, and the elements behind it.
fn array(dimensions: i32, lengths: &[i32], elements: &[u8]) -> Vec<u8> {
    let mut raw: Vec<u8> = [dimensions, 0, 23].iter().flat_map(|n| n.to_be_bytes()).collect();
    for length in lengths {
        raw.extend_from_slice(&length.to_be_bytes());
        raw.extend_from_slice(&1_i32.to_be_bytes());
    }
    raw.extend_from_slice(elements);
    raw
}

/// There, room was made for as many elements as a dimension declared, and what was never filled in was read.
#[test]
fn cve_2020_17446_an_array_has_the_elements_that_came_and_no_others() {
    let one = [0, 0, 0, 4, 0, 0, 0, 7];
    let read = |raw: &[u8]| Vec::<Option<i32>>::decode(Oid::INT4_ARRAY, raw);
    assert_eq!(read(&array(1, &[2], &one.repeat(2))), Ok(vec![Some(7); 2]));
    for declared in [0, 1, 3, 4, 255, 65_536, 1 << 28, i32::MAX, -1, i32::MIN] {
        assert!(read(&array(1, &[declared], &one.repeat(2))).is_err(), "{declared}");
    }
    for dimensions in [-1, 2, 3, 6, 7, 1 << 20, i32::MAX, i32::MIN] {
        // As many elements as the first two dimensions say, and one fewer.
        assert!(read(&array(dimensions, &[2, 2], &one.repeat(3))).is_err(), "{dimensions}");
        assert!(read(&array(dimensions, &[i32::MAX; 6], &[])).is_err(), "{dimensions}");
    }
    for length in [-2, 3, 5, i32::MAX, i32::MIN] {
        assert!(read(&array(1, &[1], &length.to_be_bytes())).is_err(), "{length}");
    }
}

/// There, the head of a character that was cut off took the closing quote as its tail. Such bytes are no `str`; and a
/// character that is one keeps its bytes.
#[test]
fn cve_2025_1094_quoting_is_of_characters_and_never_of_bytes() {
    let last = ['\u{80}', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10000}', '\u{10ffff}'];
    for character in last {
        let text = format!("{character}'{character}\"");
        let literal = format!("'{character}''{character}\"'");
        assert_eq!(quote::literal(&text).unwrap(), literal);
        assert_eq!(quote::replication_literal(&text).unwrap(), literal);
        let identifier = format!("\"{character}'{character}\"\"\"");
        assert_eq!(quote::identifier(&text).unwrap(), identifier);
    }
    for quote in [quote::identifier, quote::literal, quote::replication_literal] {
        assert_eq!(kind(quote("a\0b")), Some(ErrorKind::InvalidText));
    }
}
