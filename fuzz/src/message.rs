//! Every reader of a message's body. What is read and can be written is written, and comes out as the same bytes.

use stellata_protocol::auth::{ChannelBinding, Scram, saslprep};
use stellata_protocol::message::{
    Authentication, BackendKey, Bind, CommandTag, Execute, NegotiateProtocolVersion, Notification,
    PROTOCOL_3_0, PROTOCOL_3_2, ParameterStatus, Parse, ServerError, Target, TransactionStatus,
    read_parameter_description, read_row_description, read_startup, write_close,
    write_parameter_description, write_parse, write_row_description, write_startup,
};
use stellata_protocol::{Buffer, Columns, Oid, Result, frame};

use crate::caller::{NONCE, PASSWORD};

/// Reads a body by the reader that the first byte chooses.
pub(crate) fn read(input: &[u8]) {
    let Some((&kind, body)) = input.split_first() else { return };
    match kind % 20 {
        0 => authentication(body),
        1 => server_error(body),
        2 => same(Notification::read(body), body, |message, out| message.write(out)),
        3 => same(ParameterStatus::read(body), body, |message, out| message.write(out)),
        4 => same(TransactionStatus::read(body), body, |message, out| message.write(out)),
        5 => {
            let _ = CommandTag::read(body).map(|tag| tag.rows());
            same(CommandTag::read(body), body, |message, out| message.write(out));
        }
        6 => {
            let version = if kind >= 128 { PROTOCOL_3_2 } else { PROTOCOL_3_0 };
            same(BackendKey::read(body, version), body, |message, out| message.write(out));
        }
        7 => {
            same(read_row_description(body), body, |fields, out| write_row_description(out, fields))
        }
        8 => same(read_parameter_description(body), body, |types, out| {
            write_parameter_description(out, types)
        }),
        9 => startup(body),
        10 => same(Parse::read(body), body, |message, out| {
            write_parse(out, message.name, message.sql, &message.types)
        }),
        11 => {
            let _ = Bind::read(body);
        }
        12 => {
            let _ = Execute::read(body);
        }
        13 => same(Target::read(body), body, |target, out| write_close(out, *target)),
        14 => negotiation(body),
        15 => frames(body),
        16 => row(body),
        17 => scram_first(body),
        18 => scram_final(body),
        _ => assert!(saslprep(body).len() <= 4 + 18 * body.len(), "SASLprep makes much of little"),
    }
}

/// Behind tag and length, what is written of a message is what was read.
fn same<T>(message: Result<T>, body: &[u8], write: impl FnOnce(&T, &mut Buffer) -> Result<()>) {
    let Ok(message) = message else { return };
    let mut out = Buffer::new();
    write(&message, &mut out).expect("what was read can be written");
    assert_eq!(out.as_slice().get(5..), Some(body), "what was read is written otherwise");
}

/// A version may come as its minor number alone, and is written whole.
fn negotiation(body: &[u8]) {
    let message = NegotiateProtocolVersion::read(body);
    let mut whole = body.to_vec();
    if let (Ok(message), Some(version)) = (&message, whole.first_chunk_mut::<4>()) {
        *version = message.version.to_be_bytes();
    }
    same(message, &whole, |message, out| message.write(out));
}

fn authentication(body: &[u8]) {
    if let Ok(Authentication::Sasl { mechanisms }) = Authentication::read(body) {
        let _ = Authentication::mechanisms(mechanisms);
    }
    // Of a way that is not known only the code is kept.
    if !matches!(Authentication::read(body), Ok(Authentication::Other { .. })) {
        same(Authentication::read(body), body, |message, out| message.write(out));
    }
}

fn server_error(body: &[u8]) {
    let Ok(error) = ServerError::read(body) else { return };
    let held: usize = error.unknown().map(|field| field.1.len()).sum();
    assert!(held <= 3 * body.len() && error.unknown().count() < 256);
    let _ = (error.position(), error.internal_position(), error.line(), error.ends_session());
    let _ = (error.to_string(), error.detail(), error.context(), error.routine());
}

fn startup(body: &[u8]) {
    let Ok((version, parameters)) = read_startup(body) else { return };
    let mut out = Buffer::new();
    write_startup(&mut out, version, parameters).expect("what was read can be written");
    assert_eq!(out.as_slice().get(4..), Some(body), "what was read is written otherwise");
}

fn frames(mut stream: &[u8]) {
    while let Ok(Some(message)) = frame(stream, 1 << 20) {
        assert!(message.size >= 5 && message.size <= stream.len());
        stream = &stream[message.size..];
    }
}

fn row(body: &[u8]) {
    let types = [Oid::INT4, Oid::TEXT, Oid::BYTEA];
    for count in 0..=types.len() {
        let Ok(mut columns) = Columns::new(body, &types[..count]) else { continue };
        let _ = columns.next::<Option<i32>>();
        let _ = columns.next::<&str>();
        let _ = columns.skip();
        assert!(columns.skip().is_err(), "a row ends behind its last column");
    }
}

/// The server's first message, its nonce put right unless the input says otherwise.
fn scram_first(body: &[u8]) {
    let mut scram = Scram::new(PASSWORD, NONCE, ChannelBinding::None).with_max_iterations(64);
    let first = scram.client_first().expect("it is the first step");
    let nonce = &first["n,,n=,".len()..];
    let message = match body.split_first() {
        Some((b'+', rest)) => [nonce, rest].concat(),
        _ => body.to_vec(),
    };
    if let Ok(derivation) = scram.handle_server_first(&message) {
        let proof = scram.client_final(derivation.run());
        assert!(proof.is_ok_and(|proof| proof.starts_with(b"c=biws,r=")));
    }
    assert!(!scram.is_verified());
}

/// The server's last message: nobody guesses a signature.
fn scram_final(body: &[u8]) {
    let mut scram = Scram::new(PASSWORD, NONCE, ChannelBinding::None);
    let first = scram.client_first().expect("it is the first step");
    let nonce = &first["n,,n=,".len()..];
    let derivation = scram
        .handle_server_first(&[nonce, b"server,s=c2FsdA==,i=1"].concat())
        .expect("the message is as the standard says");
    scram.client_final(derivation.run()).expect("it is the next step");
    assert!(scram.handle_server_final(body).is_err() && !scram.is_verified());
}
