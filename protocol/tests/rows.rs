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
