//! Versions of the protocol: what is asked for, and what the server comes down to.

use stellata_protocol::message::{
    BackendKey, NegotiateProtocolVersion, PROTOCOL_3_0, PROTOCOL_3_2,
};
use stellata_protocol::{Buffer, Conversation, ErrorKind, Event, Login, Result};

use crate::caller::NONCE;
use crate::server::Server;

fn asking(version: u32) -> Conversation {
    Conversation::start(Login::new("me", NONCE).version(version)).unwrap()
}

fn written(write: impl FnOnce(&mut Buffer) -> Result<()>) -> Server {
    let mut out = Buffer::new();
    write(&mut out).unwrap();
    Server::new().raw(out.as_slice())
}

fn negotiated(version: u32, options: &[&str]) -> Server {
    let message = NegotiateProtocolVersion { version, options: options.to_vec() };
    written(|out| message.write(out))
}

/// AuthenticationOk, a key of so many bytes, ReadyForQuery.
fn welcome(secret: usize) -> Server {
    let key = BackendKey::new(7, &vec![9; secret]).unwrap();
    Server::new().raw(b"R\0\0\0\x08\0\0\0\0").then(&written(|out| key.write(out))).ready()
}

/// What the server's bytes come to.
fn log_in(talk: &mut Conversation, server: &Server) -> Result<Option<Event>> {
    talk.receive(server.bytes());
    Ok(talk.advance()?.map(|answer| answer.event))
}

#[test]
fn a_longer_key_comes_with_protocol_3_2() {
    for secret in [4, 32, 256] {
        let mut talk = asking(PROTOCOL_3_2);
        assert!(talk.output()[4..].starts_with(&PROTOCOL_3_2.to_be_bytes()));
        assert_eq!(log_in(&mut talk, &welcome(secret)), Ok(Some(Event::ReadyForQuery)));
        assert_eq!(talk.protocol_version(), PROTOCOL_3_2);
        assert_eq!(talk.backend_key().unwrap().process_id, 7);
        assert_eq!(talk.unknown_options().count(), 0);
    }
    let mut talk = asking(PROTOCOL_3_0);
    let kind = log_in(&mut talk, &welcome(32)).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::InvalidLength));
}

#[test]
fn the_server_may_come_down_to_what_it_speaks() {
    for (said, spoken) in [(PROTOCOL_3_0, PROTOCOL_3_0), (0, PROTOCOL_3_0), (2, PROTOCOL_3_2)] {
        let mut talk = asking(PROTOCOL_3_2);
        let server = negotiated(said, &["_pq_.lanes", "_pq_.other"]).then(&welcome(4));
        assert_eq!(log_in(&mut talk, &server), Ok(Some(Event::ReadyForQuery)));
        assert_eq!(talk.protocol_version(), spoken);
        assert!(talk.unknown_options().eq(["_pq_.lanes", "_pq_.other"]));
    }
    // The key is as long as the version that is spoken has it.
    let mut talk = asking(PROTOCOL_3_2);
    let server = negotiated(PROTOCOL_3_0, &[]).then(&welcome(32));
    let kind = log_in(&mut talk, &server).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::InvalidLength));
}

#[test]
fn the_server_can_t_go_up_or_back() {
    for said in [0x0003_0003, 3, 0x0002_0000, 0x0004_0000, u32::MAX] {
        let mut talk = asking(PROTOCOL_3_2);
        let kind = log_in(&mut talk, &negotiated(said, &[])).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::InvalidValue), "{said:x}");
    }
}

#[test]
fn other_versions_are_not_asked_for() {
    for version in [0, 2, 0x0002_0000, 0x0003_0001, 0x0003_0003, u32::MAX] {
        let asked = Conversation::start(Login::new("me", NONCE).version(version));
        assert_eq!(asked.map_err(|error| error.kind()).err(), Some(ErrorKind::Usage));
    }
}

#[test]
fn a_login_shows_its_user_and_no_password() {
    let login = Login::new("me", NONCE).password(b"hunter2").parameter("a", "hunter2");
    let shown = format!("{login:?}");
    assert!(shown.contains("me") && !shown.contains("hunter2"), "{shown}");
    let mut talk = asking(PROTOCOL_3_0);
    assert!(format!("{talk:?}").contains("me"));
    assert_eq!(log_in(&mut talk, &welcome(4)), Ok(Some(Event::ReadyForQuery)));
    assert!(!talk.has_strays());
    talk.receive(b"N");
    assert!(talk.has_strays());
}
