//! What a server may make a client hold.

use stellata_protocol::message::{Authentication, ServerError};
use stellata_protocol::{Conversation, ErrorKind, Login};

use crate::action::Action::Series;
use crate::caller::{NONCE, Setup};
use crate::script::{Script, ended_by, rows};
use crate::server::Server;

const SMALL: u8 = Setup::READY | Setup::SMALL;

#[test]
fn a_message_of_the_limit_passes_and_a_longer_one_does_not() {
    let prologue = || Server::new().parse_complete().bind_complete().described();
    let fits = Script::login(SMALL)
        .act(&[Series])
        .server(prologue().message(b'D', &[0; 507]))
        .play("limit-fits");
    assert_eq!(fits.error(), None);
    let exceeds = Script::login(SMALL)
        .act(&[Series])
        .server(prologue().message(b'D', &[0; 508]))
        .play("limit-exceeded");
    assert_eq!(ended_by(&exceeds), Some(ErrorKind::TooLarge));
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut conversation = Conversation::start(Login::new("me", NONCE)).unwrap();
    conversation.receive(Server::welcome().bytes());
    while conversation.advance().unwrap().is_some() {}
    // A first answer of some size gives up the small buffer that a login needs.
    conversation.receive(Server::new().parameter("a", &"x".repeat(4_000)).bytes());
    while conversation.advance().unwrap().is_some() {}
    let before = conversation.buffered();
    conversation.begin();
    conversation.execute(0).unwrap();
    conversation.sync().unwrap();
    let declared: i32 = 200 << 20;
    conversation.receive(&[b"D", &declared.to_be_bytes()[..]].concat());
    assert_eq!(conversation.advance(), Ok(None));
    assert_eq!(conversation.buffered(), before);
    // A part of the body comes; the rest never does.
    for received in (1..=64_usize).map(|kilobytes| kilobytes << 16) {
        conversation.receive(&vec![0; 1 << 16]);
        assert_eq!(conversation.advance(), Ok(None));
        let held = conversation.buffered();
        assert!(held <= (1 << 19) + 2 * received, "{held} bytes are held of {received}");
    }
}

/// Nothing is waited for, and so nothing is held, of a message that has no place in a login, or is longer than any of one.
#[test]
fn a_login_refuses_by_the_head_what_has_no_place_in_it() {
    let fed = |before: Server, tag: u8, length: u32| {
        let mut conversation = Conversation::start(Login::new("me", NONCE)).unwrap();
        conversation.receive(before.bytes());
        conversation.receive(&[&[tag], &length.to_be_bytes()[..]].concat());
        conversation.advance().map_err(|error| error.kind())
    };
    let let_in = || Server::new().authentication(Authentication::Ok);
    for tag in 0..=u8::MAX {
        let may_be_long = b"TDdVENAt".contains(&tag);
        for (before, legal, can_be_long) in
            [(Server::new(), &b"RENv"[..], false), (let_in(), b"RENKSAZ", may_be_long)]
        {
            let expected = |is_long: bool| {
                if is_long && !can_be_long {
                    Err(ErrorKind::TooLarge)
                } else if legal.contains(&tag) {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedMessage)
                }
            };
            assert_eq!(fed(before.clone(), tag, 30_000), expected(false), "{tag}");
            assert_eq!(fed(before, tag, 30_001), expected(true), "{tag}");
        }
    }
}

#[test]
fn lengths_that_lie_are_refused_by_their_first_bytes() {
    for (name, head, kind) in [
        ("length-negative", b"D\xff\xff\xff\xff", ErrorKind::InvalidLength),
        ("length-zero", b"D\0\0\0\0", ErrorKind::InvalidLength),
        ("length-three", b"D\0\0\0\x03", ErrorKind::InvalidLength),
        ("length-huge", b"D\x7f\xff\xff\xff", ErrorKind::TooLarge),
        ("length-long-ready", b"Z\0\0\x80\0", ErrorKind::TooLarge),
        ("length-long-complete", b"C\0\x01\0\0", ErrorKind::TooLarge),
    ] {
        let caller = Script::ready().act(&[Series]).server(Server::new().raw(head)).play(name);
        assert_eq!(ended_by(&caller), Some(kind), "{name}");
    }
}

#[test]
fn settings_are_limited_in_number_but_not_in_changes() {
    let changes = (0..20).fold(Server::new(), |server, number| {
        server.parameter("a", &number.to_string()).parameter("b", "x")
    });
    let caller = Script::login(SMALL).server(changes.clone()).play("settings-change");
    assert_eq!(caller.error(), None);
    assert_eq!(caller.conversation().parameter("a"), Some("19"));
    let caller = Script::login(SMALL).server(changes.parameter("c", "x")).play("settings-many");
    assert_eq!(ended_by(&caller), Some(ErrorKind::TooLarge));
}

/// A field of two bytes takes many times that in memory: a message full of them must not.
#[test]
fn an_error_with_countless_fields_takes_no_more_memory_than_it_has_letters() {
    let body =
        [&b"VERROR\0C23505\0Mfirst\0"[..], &b"Dfirst\0D\0Y\0".repeat(100_000), b"\0"].concat();
    let error = ServerError::read(&body).unwrap();
    assert_eq!(error.detail(), Some("first"));
    assert_eq!(error.unknown().count(), 1);
}

#[test]
fn a_large_answer_does_not_keep_its_memory() {
    let mut conversation = Conversation::start(Login::new("me", NONCE)).unwrap();
    conversation.receive(Server::welcome().bytes());
    while conversation.advance().unwrap().is_some() {}
    // A first answer of some size gives up the small buffer that a login needs.
    conversation.receive(Server::new().parameter("a", &"x".repeat(4_000)).bytes());
    while conversation.advance().unwrap().is_some() {}
    let before = conversation.buffered();
    conversation.begin();
    conversation.execute(0).unwrap();
    conversation.sync().unwrap();
    let answer = Server::new().message(b'D', &vec![0; 3_000_000]).complete("SELECT 1").ready();
    for piece in answer.bytes().chunks(60_000) {
        conversation.receive(piece);
        while conversation.advance().unwrap().is_some() {}
    }
    assert!(conversation.buffered() <= before, "{} bytes are kept", conversation.buffered());
}

#[test]
fn rows_that_are_larger_than_the_buffer_come_whole() {
    let numbers: Vec<i32> = (0..20_000).collect();
    let caller = Script::ready().act(&[Series]).server(Server::new().series(&numbers)).play_long();
    assert_eq!(rows(&caller, 1), numbers);
}
