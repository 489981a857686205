//! Rows against what is expected of them.

use stellata_protocol::message::write_data_row;
use stellata_protocol::{
    Buffer, ColumnError, Columns, ErrorKind, Expect, FieldDescription, Format, FromRow, Oid,
};

fn fields(types: &[Oid]) -> Vec<FieldDescription> {
    let field = |type_oid: &Oid| FieldDescription {
        name: "a".into(),
        table_oid: Oid(0),
        column_number: 0,
        type_oid: *type_oid,
        type_size: -1,
        type_modifier: -1,
        format: Format::Binary,
    };
    types.iter().map(field).collect()
}

fn expect<T: for<'r> FromRow<'r>>(types: &[Oid]) -> Result<(), (usize, ErrorKind)> {
    let checked = T::expect(&mut Expect::new(&fields(types)));
    checked.map_err(|error| (error.index, error.error.kind()))
}

fn body(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = Buffer::new();
    write_data_row(&mut out, values).unwrap();
    out.as_slice()[5..].to_vec()
}

#[test]
fn the_columns_of_a_statement_fit_a_tuple_or_the_first_that_does_not_is_told() {
    type Row = (i32, Option<String>);
    assert_eq!(expect::<Row>(&[Oid::INT4, Oid::TEXT]), Ok(()));
    assert_eq!(expect::<Row>(&[Oid::INT4, Oid::VARCHAR]), Ok(()));
    assert_eq!(expect::<Row>(&[Oid::INT8, Oid::TEXT]), Err((0, ErrorKind::WrongType)));
    assert_eq!(expect::<Row>(&[Oid::INT4, Oid::BYTEA]), Err((1, ErrorKind::WrongType)));
    assert_eq!(expect::<Row>(&[Oid::INT4]), Err((1, ErrorKind::ColumnCount)));
    assert_eq!(expect::<Row>(&[]), Err((0, ErrorKind::ColumnCount)));
    assert_eq!(expect::<Row>(&[Oid::INT4, Oid::TEXT, Oid::INT4]), Err((2, ErrorKind::ColumnCount)));
}

#[test]
fn a_row_is_read_from_left_to_right() {
    let types = [Oid::INT4, Oid::TEXT, Oid::BOOL];
    let raw = body(&[Some(&[0, 0, 0, 7]), Some(b"seven"), None]);
    let mut columns = Columns::new(&raw, &types).unwrap();
    let row = <(i32, &str, Option<bool>)>::from_row(&mut columns).unwrap();
    assert_eq!(row, (7, "seven", None));
    assert_eq!((columns.remaining(), columns.end()), (0, Ok(())));
    assert_eq!(columns.skip().map_err(|error| error.kind()), Err(ErrorKind::ColumnCount));
}

#[test]
fn a_column_that_can_t_be_read_is_told_with_its_place_and_its_type() {
    let types = [Oid::INT4, Oid::INT4];
    let raw = body(&[Some(&[0, 0, 0, 7]), Some(&[7])]);
    let mut columns = Columns::new(&raw, &types).unwrap();
    let error: ColumnError = <(i32, i32)>::from_row(&mut columns).unwrap_err();
    assert_eq!((error.index, error.rust_type), (1, "i32"));
    assert!(error.to_string().starts_with("column 2 as `i32`: "), "{error}");
    let null = body(&[None, None]);
    let error = Columns::new(&null, &types).unwrap().next::<i32>().unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::UnexpectedNull);
}

#[test]
fn bytes_behind_the_last_column_are_an_error_at_the_end() {
    let types = [Oid::INT4];
    let mut raw = body(&[Some(&[0, 0, 0, 7])]);
    raw.push(0);
    let mut columns = Columns::new(&raw, &types).unwrap();
    assert_eq!(columns.end(), Ok(()), "not all columns have been read");
    assert_eq!(columns.next::<i32>().unwrap(), 7);
    assert_eq!(columns.end().map_err(|error| error.kind()), Err(ErrorKind::TrailingBytes));
}

#[test]
fn built_in_types_are_known_by_their_numbers() {
    assert_eq!((Oid::INT4.name(), Oid::INT4_ARRAY.name()), (Some("int4"), Some("int4[]")));
    assert_eq!((Oid::UNSPECIFIED.name(), Oid::VOID.name()), (Some("unspecified"), Some("void")));
    assert_eq!((Oid::UNKNOWN.name(), Oid(16_384).name()), (Some("unknown"), None));
    assert_eq!(Oid::TEXT.array().and_then(Oid::element), Some(Oid::TEXT));
    assert_eq!((Oid(16_384).array(), Oid(16_384).element()), (None, None));
    assert_eq!(Oid(23).to_string(), "23");
    assert!(Oid(16_384).is_user_defined() && !Oid::UUID.is_user_defined());
}

/// A value that can't be read may be the user's mistake; a row that does not hold together is the server's.
#[test]
fn a_row_that_does_not_hold_together_is_told_from_a_value_that_can_not_be_read() {
    let row = |count: u16, values: &[u8]| [&count.to_be_bytes()[..], values].concat();
    let kind = |row: &[u8], columns| Columns::check(row, columns).map_err(|error| error.kind());
    let one = [0, 0, 0, 4, 0, 0, 0, 7];
    let null = [255; 4];
    for values in [&one[..], &null, &[0; 4]] {
        assert_eq!(kind(&row(1, values), 1), Ok(()));
        assert_eq!(kind(&row(1, values), 0), Err(ErrorKind::ColumnCount));
        assert_eq!(kind(&row(1, values), 2), Err(ErrorKind::ColumnCount));
        assert_eq!(kind(&row(2, values), 2), Err(ErrorKind::Truncated));
        let longer = [values, &[0]].concat();
        assert_eq!(kind(&row(1, &longer), 1), Err(ErrorKind::TrailingBytes));
    }
    assert_eq!(kind(&row(0, &[]), 0), Ok(()));
    assert_eq!(kind(b"\0", 0), Err(ErrorKind::Truncated));
    assert_eq!(kind(&row(1, &[0, 0]), 1), Err(ErrorKind::Truncated));
    assert_eq!(kind(&row(1, &[0, 0, 0, 9, 7]), 1), Err(ErrorKind::Truncated));
    for length in [-2, i32::MIN] {
        assert_eq!(kind(&row(1, &length.to_be_bytes()), 1), Err(ErrorKind::InvalidLength));
    }
    // Both are errors of the column to who reads it.
    for (row, holds) in [(row(1, &null), true), (row(1, &[255, 255, 255, 254]), false)] {
        let mut columns = Columns::new(&row, &[Oid::INT4]).unwrap();
        assert!(columns.next::<i32>().is_err());
        assert_eq!(Columns::check(&row, 1).is_ok(), holds);
    }
}
