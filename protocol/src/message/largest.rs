//! What is too large for the protocol to count is refused before a byte of it is sent: tried with a small largest length in
//! place of 2 GiB less one, by every request that a client can make.

use crate::conversation::Conversation;
use crate::conversation::login::Login;
use crate::error::{ErrorKind, Result};
use crate::message::authentication::{
    write_gss_response, write_password, write_sasl_initial_response, write_sasl_response,
};
use crate::message::copy::{write_copy_data, write_copy_fail};
use crate::message::extended::{
    BindHead, Target, write_bind, write_bind_execute, write_bind_formats, write_close,
    write_describe, write_execute, write_parse, write_query,
};
use crate::message::function::write_function_call;
use crate::message::row::Format;
use crate::message::startup::{PROTOCOL_3_0, write_startup};
use crate::oid::Oid;
use crate::types::params::Params;
use crate::wire::buffer::Buffer;
use crate::wire::buffer::bound::within;

/// The largest length here.
const MOST: usize = 1_000;

/// Parameters that are small enough, each by itself.
fn params(size: usize) -> Params {
    let mut params = Params::new();
    params.push(&&vec![7_u8; size / 2][..]).unwrap();
    params.push(&&vec![7_u8; size - size / 2][..]).unwrap();
    params
}

/// A request with this many bytes of the caller's in it.
type Write = fn(&mut Buffer, usize) -> Result<()>;

const TAGGED: [Write; 19] = [
    |out, size| write_query(out, &"q".repeat(size)),
    |out, size| write_parse(out, "", &"q".repeat(size), &[]),
    |out, size| write_parse(out, &"s".repeat(size), "", &[]),
    |out, size| write_parse(out, "", "", &vec![Oid::INT4; size / 4]),
    |out, size| write_bind(out, "", "s", &params(size), Format::Binary),
    |out, size| write_bind(out, &"p".repeat(size), "s", &Params::new(), Format::Binary),
    |out, size| write_bind_formats(out, "", "s", &params(size), &[Format::Text]),
    |out, size| write_bind_execute::<false>(out, &BindHead::new("s")?, &params(size)),
    |out, size| write_bind_execute::<true>(out, &BindHead::new("s")?, &params(size)),
    |out, size| write_describe(out, Target::Statement(&"s".repeat(size))),
    |out, size| write_execute(out, &"p".repeat(size), 1),
    |out, size| write_close(out, Target::Portal(&"p".repeat(size))),
    |out, size| write_function_call(out, Oid(1), &params(size), Format::Binary),
    |out, size| write_copy_data(out, &vec![7; size]),
    |out, size| write_copy_fail(out, &"f".repeat(size)),
    |out, size| write_password(out, &vec![7; size]),
    |out, size| write_sasl_initial_response(out, "SCRAM-SHA-256", &vec![7; size]),
    |out, size| write_sasl_response(out, &vec![7; size]),
    |out, size| write_gss_response(out, &vec![7; size]),
];

/// The length in front of a message, behind `head` bytes.
fn length(bytes: &[u8], head: usize) -> usize {
    let length = bytes[head..].first_chunk().unwrap();
    usize::try_from(i32::from_be_bytes(*length)).unwrap()
}

#[test]
fn rustsec_2024_0363_what_no_length_can_say_is_refused_and_nothing_of_it_is_written() {
    let startup: Write = |out, size| write_startup(out, PROTOCOL_3_0, [("u", &*"u".repeat(size))]);
    let all = TAGGED.iter().map(|write| (1, write)).chain([(0, &startup)]);
    for (number, (tag, write)) in all.enumerate() {
        let (mut written, mut refused) = (0, 0);
        for size in MOST - 100..MOST + 100 {
            let mut out = Buffer::new();
            out.put_slice(b"before");
            match within(i32::try_from(MOST).unwrap(), || write(&mut out, size)) {
                Ok(()) => {
                    let said = length(out.as_slice(), 6 + tag);
                    assert!(said <= MOST, "{number}: {said} of {size}");
                    assert_eq!(refused, 0, "{number}: what is larger is refused too");
                    written += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TooLarge, "{number}");
                    assert_eq!(out.as_slice(), b"before", "{number}: something is left");
                    refused += 1;
                }
            }
        }
        assert!(written > 0 && refused > 0, "{number}: {written} written, {refused} refused");
    }
}

#[test]
fn rustsec_2024_0363_a_conversation_asks_nothing_of_what_is_too_large() {
    let mut talk = Conversation::start(Login::new("me", [7; 18])).unwrap();
    talk.wrote(talk.output().len());
    talk.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    while talk.advance().unwrap().is_some() {}
    talk.begin();
    let (head, large, text) = (BindHead::new("s").unwrap(), params(MOST), "x".repeat(MOST));
    let asked = within(i32::try_from(MOST).unwrap(), || {
        [
            talk.run(&head, &large),
            talk.run_alone(&head, &large),
            talk.bind("s", &large, Format::Binary),
            talk.parse("", &text, &[]),
            talk.query(&text),
            talk.query_copy(&text),
            talk.call_function(Oid(1), &large, Format::Binary),
            talk.describe_statement(&text),
            talk.execute_portal(&text, 0),
            talk.close_portal(&text),
        ]
    });
    for (number, asked) in asked.into_iter().enumerate() {
        assert_eq!(asked.map_err(|error| error.kind()), Err(ErrorKind::TooLarge), "{number}");
    }
    assert_eq!((talk.output(), talk.owed()), (&b""[..], 0));
}
