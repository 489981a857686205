//! Every reader of a message's body. What is read and can be written is written, and comes out as the same bytes.

use stellata_protocol::auth::{ChannelBinding, Scram, TokenChallenge, saslprep, server_end_point};
use stellata_protocol::message::{
    Authentication, BackendKey, Bind, CommandTag, CopyResponse, Execute, FirstMessage,
    FunctionCall, NegotiateProtocolVersion, Notification, PROTOCOL_3_0, PROTOCOL_3_2,
    ParameterStatus, Parse, SaslInitialResponse, ServerError, Target, TransactionStatus,
    read_copy_fail, read_data_row, read_function_result, read_gss_response,
    read_parameter_description, read_password, read_query, read_row_description,
    read_sasl_response, read_startup, write_close, write_copy_fail, write_data_row,
    write_function_result, write_gss_response, write_parameter_description, write_parse,
    write_password, write_query, write_row_description, write_sasl_initial_response,
    write_sasl_response, write_startup,
};
use stellata_protocol::trace::Tracer;
use stellata_protocol::{
    Buffer, Columns, EncryptionAnswer, EncryptionRequest, Error, Oid, Result, frame,
};

use crate::caller::{NONCE, PASSWORD};

/// The readers, each with the name of its target. A new one comes last, so that what was found for the others stays theirs.
pub(crate) const READERS: &[Reader] = &[
    Reader { name: "authentication", read: authentication },
    Reader { name: "error", read: server_error },
    Reader {
        name: "notification",
        read: |body| {
            same(Notification::read(body), body, |message, out| message.write(out));
        },
    },
    Reader {
        name: "parameter-status",
        read: |body| {
            same(ParameterStatus::read(body), body, |message, out| message.write(out));
        },
    },
    Reader {
        name: "ready",
        read: |body| {
            same(TransactionStatus::read(body), body, |message, out| message.write(out));
        },
    },
    Reader { name: "complete", read: complete },
    Reader { name: "key", read: |body| key(body, PROTOCOL_3_0) },
    Reader {
        name: "row-description",
        read: |body| {
            same(read_row_description(body), body, |fields, out| {
                write_row_description(out, fields)
            });
        },
    },
    Reader {
        name: "parameter-description",
        read: |body| {
            same(read_parameter_description(body), body, |types, out| {
                write_parameter_description(out, types)
            });
        },
    },
    Reader { name: "startup", read: startup },
    Reader {
        name: "parse",
        read: |body| {
            same(Parse::read(body), body, |message, out| {
                write_parse(out, message.name, message.sql, &message.types)
            });
        },
    },
    Reader { name: "bind", read: |body| drop(Bind::read(body)) },
    Reader {
        name: "execute",
        read: |body| {
            let _ = Execute::read(body);
        },
    },
    Reader {
        name: "target",
        read: |body| {
            same(Target::read(body), body, |target, out| write_close(out, *target));
        },
    },
    Reader { name: "negotiation", read: negotiation },
    Reader { name: "frames", read: frames },
    Reader { name: "row", read: row },
    Reader { name: "scram-first", read: scram_first },
    Reader { name: "scram-final", read: scram_final },
    Reader {
        name: "saslprep",
        read: |password| {
            let most = 4 + 18 * password.len();
            assert!(saslprep(password).len() <= most, "SASLprep makes much of little");
        },
    },
    Reader { name: "key-3.2", read: |body| key(body, PROTOCOL_3_2) },
    Reader { name: "function-call", read: |body| drop(FunctionCall::read(body)) },
    Reader {
        name: "function-result",
        read: |body| {
            same(read_function_result(body), body, |result, out| {
                write_function_result(out, *result)
            });
        },
    },
    Reader {
        name: "copy-response",
        read: |body| {
            same(CopyResponse::read(body), body, |message, out| message.write(out, b'H'));
        },
    },
    Reader { name: "first-message", read: |body| drop(FirstMessage::read(body)) },
    Reader { name: "trace", read: trace },
    Reader {
        name: "query",
        read: |body| {
            same(read_query(body), body, |sql, out| write_query(out, sql));
        },
    },
    Reader {
        name: "password",
        read: |body| {
            same(read_password(body), body, |password, out| write_password(out, password));
        },
    },
    Reader { name: "sasl-initial-response", read: sasl_initial_response },
    Reader {
        name: "sasl-response",
        read: |body| {
            same(Ok(read_sasl_response(body)), body, |data, out| write_sasl_response(out, data));
        },
    },
    Reader {
        name: "gss-response",
        read: |body| {
            same(Ok(read_gss_response(body)), body, |data, out| write_gss_response(out, data));
        },
    },
    Reader {
        name: "copy-fail",
        read: |body| {
            same(read_copy_fail(body), body, |reason, out| write_copy_fail(out, reason));
        },
    },
    Reader {
        name: "data-row",
        read: |body| {
            same(read_data_row(body), body, |values, out| write_data_row(out, values));
        },
    },
    Reader { name: "encryption", read: encryption },
    Reader { name: "end-point", read: end_point },
    Reader { name: "token-challenge", read: token_challenge },
];

/// What reads one kind of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&[u8]),
}

/// Reads a body by the reader that the first byte chooses.
pub(crate) fn read(input: &[u8]) {
    let Some((&kind, body)) = input.split_first() else { return };
    (READERS[usize::from(kind) % READERS.len()].read)(body);
}

fn complete(body: &[u8]) {
    let tag = CommandTag::read(body);
    if let (Ok(tag), Ok(count)) = (tag, CommandTag::count(body)) {
        assert_eq!(tag.rows(), count, "the same tag tells two numbers of rows");
    }
    same(tag, body, |message, out| message.write(out));
}

fn key(body: &[u8], version: u32) {
    same(BackendKey::read(body, version), body, |message, out| message.write(out));
}

/// The lines of a trace, both ways, do not depend on how the bytes are cut.
fn trace(stream: &[u8]) {
    let lines = |chunk: usize| {
        let mut tracer = Tracer::new();
        let (mut sent, mut received) = (String::new(), String::new());
        for bytes in stream.chunks(chunk) {
            tracer.frontend(bytes, &mut sent);
            tracer.backend(bytes, &mut received);
        }
        (sent, received)
    };
    assert_eq!(lines(usize::MAX), lines(1), "the lines depend on how the bytes are cut");
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

/// A mechanism that begins with the server has no message of the client; nobody here writes one.
fn sasl_initial_response(body: &[u8]) {
    let Ok(response) = SaslInitialResponse::read(body) else { return };
    let Some(data) = response.data else { return };
    same(Ok(response), body, |response, out| {
        write_sasl_initial_response(out, response.mechanism, data)
    });
}

/// What an answer before the encryption comes to.
type Answered = Result<Option<EncryptionAnswer>>;

/// The answer to the question for encryption, all at once and byte by byte.
fn encryption(stream: &[u8]) {
    let asked = || {
        let mut request = EncryptionRequest::new();
        request.wrote(request.output().len());
        request
    };
    let mut request = asked();
    let whole = ended(&mut request, stream.chunks(usize::MAX));
    let bytes = ended(&mut asked(), stream.chunks(1));
    match (&whole, &bytes) {
        // Behind a yes or a no nothing is read, so that only who hands it in sees that there is more.
        (Err(_), Ok(Some(EncryptionAnswer::Willing | EncryptionAnswer::Unwilling))) => {}
        _ => assert_eq!(whole, bytes, "the answer depends on how the bytes are cut"),
    }
    assert!(request.receive(b"S").is_err(), "it answers twice");
    if let Ok(Some(EncryptionAnswer::Error(text))) = whole {
        let shown = text.to_string();
        assert!(!shown.chars().any(char::is_control), "a terminal may obey {shown:?}");
        assert!(shown.chars().count() <= 300 * 10 + 3, "more is shown than a line has");
    }
    assert!(EncryptionRequest::new().receive(stream).map_or(true, |answer| answer.is_none()));
}

/// Hands in all pieces up to the answer, and then the end.
fn ended<'s>(request: &mut EncryptionRequest, pieces: impl Iterator<Item = &'s [u8]>) -> Answered {
    for piece in pieces {
        match request.receive(piece) {
            Ok(None) => {}
            answer => return answer,
        }
    }
    request.end().map(Some)
}

/// A certificate: the hash of all of it, by the function that its signature names.
fn end_point(certificate: &[u8]) {
    let Ok(hash) = server_end_point(certificate) else { return };
    if let Some(hash) = hash {
        assert!([20, 28, 32, 48, 64].contains(&hash.len()), "a hash of {} bytes", hash.len());
    }
    let longer = [certificate, &[0]].concat();
    assert!(server_end_point(&longer).is_err(), "something stands behind a certificate");
}

fn token_challenge(document: &[u8]) {
    let challenge: Result<TokenChallenge, Error> = TokenChallenge::read(document);
    let Ok(challenge) = challenge else { return };
    let texts = [Some(challenge.status()), challenge.openid_configuration(), challenge.scope()];
    let held: usize = texts.iter().flatten().map(|text| text.len()).sum();
    assert!(held <= document.len(), "more is read than was written");
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
