//! What a server says of an error, field by field; and what small messages are made of.

use stellata_protocol::message::{
    CopyResponse, FunctionCall, ServerError, Severity, Target, read_function_result,
    write_describe, write_function_call, write_function_result, write_password,
};
use stellata_protocol::{Buffer, ErrorKind, Format, Oid, Params, SqlState};

fn error(fields: &[(u8, &str)]) -> ServerError {
    let mut out = Buffer::new();
    ServerError::write(&mut out, b'E', fields).unwrap();
    ServerError::read(&out.as_slice()[5..]).unwrap()
}

#[test]
fn every_field_has_a_name() {
    let letters = "VSCMDHPpqWstcdnFLRX";
    let numbers = "PpL";
    let texts: Vec<String> = letters
        .chars()
        .map(|letter| if numbers.contains(letter) { "7".into() } else { format!("of {letter}") })
        .collect();
    let fields: Vec<(u8, &str)> =
        letters.bytes().zip(&texts).map(|(letter, text)| (letter, &**text)).collect();
    let error = error(&fields);
    assert_eq!(error.severity, Severity::Other);
    assert_eq!(error.sqlstate, SqlState::UNKNOWN);
    assert_eq!(&*error.message, "of M");
    let found = [
        error.detail(),
        error.hint(),
        error.internal_query(),
        error.context(),
        error.schema(),
        error.table(),
        error.column(),
        error.data_type(),
        error.constraint(),
        error.file(),
        error.routine(),
    ];
    let wanted = "DHqWstcdnFR".chars().map(|letter| format!("of {letter}"));
    assert!(found.into_iter().map(Option::unwrap).eq(wanted));
    assert_eq!(error.position(), Some(7));
    assert_eq!((error.internal_position(), error.line()), (Some(7), Some(7)));
    assert_eq!(error.unknown().collect::<Vec<_>>(), [('X', "of X")]);
}

#[test]
fn fields_that_are_not_there_or_no_numbers_are_none() {
    let error = error(&[(b'M', "m"), (b'P', "-1"), (b'L', "4294967296"), (b'p', "")]);
    assert_eq!((error.position(), error.line(), error.internal_position()), (None, None, None));
    assert_eq!((error.detail(), error.hint(), error.routine()), (None, None, None));
    assert_eq!(error.unknown().count(), 0);
}

#[test]
fn the_severity_is_the_word_that_no_language_changes() {
    let words = [
        ("ERROR", Severity::Error, false),
        ("FATAL", Severity::Fatal, true),
        ("PANIC", Severity::Panic, true),
        ("WARNING", Severity::Warning, false),
        ("NOTICE", Severity::Notice, false),
        ("DEBUG", Severity::Debug, false),
        ("INFO", Severity::Info, false),
        ("LOG", Severity::Log, false),
        ("FEHLER", Severity::Other, false),
    ];
    for (word, severity, ends) in words {
        // Whichever comes first.
        for fields in [[(b'V', word), (b'S', "x")], [(b'S', "x"), (b'V', word)]] {
            let error = error(&fields);
            assert_eq!((error.severity, error.ends_session()), (severity, ends), "{word}");
        }
        assert_eq!(error(&[(b'S', word)]).severity, severity, "of old servers");
    }
}

#[test]
fn codes_are_five_digits_and_capital_letters() {
    assert_eq!(SqlState::from_text("23505"), Some(SqlState::UNIQUE_VIOLATION));
    for wrong in ["", "2350", "235055", "2350a", "23 05", "2350\u{e9}"] {
        assert_eq!(SqlState::from_text(wrong), None, "{wrong}");
    }
    let code = SqlState::QUERY_CANCELED;
    assert_eq!((code.class(), code.as_str()), ("57", "57014"));
    assert_eq!((code.to_string(), format!("{code:?}")), ("57014".to_owned(), "57014".to_owned()));
}

#[test]
fn a_statement_and_a_portal_are_told_apart() {
    for target in [Target::Statement("a"), Target::Portal("a"), Target::Statement("")] {
        let mut out = Buffer::new();
        write_describe(&mut out, target).unwrap();
        assert_eq!(Target::read(&out.as_slice()[5..]), Ok(target));
    }
    let kind = |body: &[u8]| Target::read(body).map(|_| ()).map_err(|error| error.kind());
    assert_eq!(kind(b"Xa\0"), Err(ErrorKind::InvalidValue));
    assert_eq!(kind(b"Sa"), Err(ErrorKind::Truncated));
    assert_eq!(kind(b"Sa\0b"), Err(ErrorKind::TrailingBytes));
}

#[test]
fn a_function_s_result_may_be_null() {
    for result in [None, Some(&b""[..]), Some(b"seven")] {
        let mut out = Buffer::new();
        write_function_result(&mut out, result).unwrap();
        assert_eq!(read_function_result(&out.as_slice()[5..]), Ok(result));
    }
    let mut arguments = Params::new();
    arguments.push(&7_i32).unwrap();
    arguments.push_null(Oid::TEXT);
    let mut out = Buffer::new();
    write_function_call(&mut out, Oid(1598), &arguments, Format::Text).unwrap();
    let call = FunctionCall::read(&out.as_slice()[5..]).unwrap();
    assert_eq!((call.function, call.result_format), (Oid(1598), Format::Text));
    assert_eq!(call.arguments, [Some(&[0, 0, 0, 7][..]), None]);
}

#[test]
fn a_copy_is_of_text_or_of_bytes() {
    for format in [Format::Text, Format::Binary] {
        let response = CopyResponse { format, columns: vec![format; 3] };
        let mut out = Buffer::new();
        response.write(&mut out, b'H').unwrap();
        assert_eq!(CopyResponse::read(&out.as_slice()[5..]), Ok(response));
    }
}

#[test]
fn a_password_with_a_nul_is_refused() {
    let mut out = Buffer::new();
    let kind = write_password(&mut out, b"a\0b").map_err(|error| error.kind());
    assert_eq!((kind, out.is_empty()), (Err(ErrorKind::InvalidText), true));
    write_password(&mut out, b"\xff").unwrap();
    assert_eq!(out.as_slice(), b"p\0\0\0\x06\xff\0");
    assert_eq!(out.patch(4, 1).map_err(|error| error.kind()), Err(ErrorKind::Usage));
}
