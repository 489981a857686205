//! What passes through a conversation stands in no `Debug`: no row, no parameter, no message of a login.

use std::fmt::Debug;

use stellata_protocol::copy::{BinaryCopyReader, BinaryCopyWriter};
use stellata_protocol::message::{Authentication, write_data_row};
use stellata_protocol::{Buffer, Columns, Conversation, Event, Format, Login, Oid, Params, Reader};

const SENTINEL: &str = "s3ntinel-Value";
const NONCE: [u8; 18] = [7; 18];
/// [`NONCE`] as SCRAM writes it.
const CLIENT_NONCE: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcH";

/// Whether bytes show in a text: as they are, as a list of numbers, in hexadecimal.
fn shows(text: &str, secret: &[u8]) -> bool {
    let join = |form: fn(&u8) -> String, between: &str| {
        secret.iter().map(form).collect::<Vec<_>>().join(between)
    };
    let text: String = text.split_whitespace().collect();
    [
        String::from_utf8_lossy(secret).into_owned(),
        join(|byte| byte.to_string(), ","),
        join(|byte| format!("{byte:02x}"), ""),
        join(|byte| format!("0x{byte:02x}"), ","),
    ]
    .iter()
    .any(|form| text.contains(form.as_str()))
}

#[track_caller]
fn is_silent(what: &impl Debug) {
    for secret in [SENTINEL, CLIENT_NONCE] {
        let text = format!("{what:?}{what:#?}");
        assert!(!shows(&text, secret.as_bytes()), "{text}");
    }
}

fn authentication(request: Authentication<'_>) -> Vec<u8> {
    let mut out = Buffer::new();
    request.write(&mut out).unwrap();
    out.as_slice().to_vec()
}

fn row() -> Vec<u8> {
    let mut out = Buffer::new();
    write_data_row(&mut out, &[Some(SENTINEL.as_bytes())]).unwrap();
    out.as_slice().to_vec()
}

/// The sentinel would be found if it were there.
#[test]
fn what_shows_is_seen() {
    assert!(shows(&format!("{SENTINEL:?}"), SENTINEL.as_bytes()));
    assert!(shows(&format!("{:?}", SENTINEL.as_bytes()), SENTINEL.as_bytes()));
    assert!(shows(&format!("{:#?}", SENTINEL.as_bytes()), SENTINEL.as_bytes()));
    assert!(shows(&format!("{:02x?}", Vec::from(SENTINEL)).replace(", ", ""), SENTINEL.as_bytes()));
}

#[test]
fn no_message_of_a_login_shows() {
    let login = || Login::new("me", NONCE).password(SENTINEL.as_bytes()).allow_cleartext(true);
    is_silent(&login());
    for request in [
        Authentication::CleartextPassword,
        Authentication::Md5Password { salt: *b"salt" },
        Authentication::Sasl { mechanisms: b"SCRAM-SHA-256\0\0" },
    ] {
        let mut conversation = Conversation::start(login()).unwrap();
        is_silent(&conversation);
        conversation.receive(&authentication(request));
        is_silent(&conversation);
        assert_eq!(conversation.advance(), Ok(None));
        // The answer is in the output.
        is_silent(&conversation);
        let first = format!("r={CLIENT_NONCE}more,s=c2FsdA==,i=4");
        let first = Authentication::SaslContinue { data: first.as_bytes() };
        conversation.receive(&authentication(first));
        is_silent(&conversation);
        match conversation.advance() {
            Ok(answer) => {
                assert_eq!(answer.unwrap().event, Event::KeyDerivation);
                is_silent(&conversation);
                let derivation = conversation.key_derivation().unwrap();
                is_silent(&derivation);
                let keys = derivation.run();
                is_silent(&keys);
                conversation.provide_keys(keys).unwrap();
            }
            Err(error) => is_silent(&error),
        }
        is_silent(&conversation);
    }
}

#[test]
fn no_row_and_no_parameter_shows() {
    let mut conversation = Conversation::start(Login::new("me", NONCE)).unwrap();
    conversation.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    while conversation.advance().unwrap().is_some() {}
    let mut params = Params::new();
    params.push(SENTINEL).unwrap();
    is_silent(&params);
    conversation.begin();
    conversation.bind("", &params, Format::Binary).unwrap();
    conversation.execute(0).unwrap();
    conversation.sync().unwrap();
    is_silent(&conversation);
    let output = conversation.output().to_vec();
    assert!(shows(&String::from_utf8_lossy(&output), SENTINEL.as_bytes()));
    conversation.wrote(output.len());
    conversation.receive(b"2\0\0\0\x04");
    conversation.receive(&row());
    is_silent(&conversation);
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::BindComplete);
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::DataRow);
    is_silent(&conversation);
    let types = [Oid::TEXT];
    let mut columns = Columns::new(conversation.body(), &types).unwrap();
    is_silent(&columns);
    let error = columns.next::<i32>().unwrap_err();
    is_silent(&error);
    // A message that is refused leaves nothing of itself in the error.
    let mut stray = row();
    stray[0] = b'?';
    conversation.receive(&stray);
    is_silent(&conversation.advance().unwrap_err());
    is_silent(&conversation);
}

#[test]
fn nothing_that_reads_or_writes_shows_what() {
    is_silent(&Reader::new(SENTINEL.as_bytes()));
    let mut out = Buffer::new();
    out.put_slice(SENTINEL.as_bytes());
    is_silent(&out);
    assert_eq!(format!("{out:?}"), "Buffer { len: 14, .. }");
    let mut writer = BinaryCopyWriter::new([Oid::TEXT]).unwrap();
    writer.row(&(SENTINEL,)).unwrap();
    is_silent(&writer);
    let mut reader = BinaryCopyReader::new([Oid::TEXT]);
    let header = [&b"PGCOPY\n\xff\r\n\0"[..], &[0; 8], &[0, 1, 0, 0, 0, 99]].concat();
    let begun = [&header, SENTINEL.as_bytes()].concat();
    let mut rest = begun.as_slice();
    assert!(reader.row(&mut rest).unwrap().is_none());
    assert!(reader.buffered() > SENTINEL.len());
    is_silent(&reader);
}
