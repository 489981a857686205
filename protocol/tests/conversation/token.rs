//! Logging in by an OAuth token, and servers that cheat at it.

use stellata_protocol::auth::BearerToken;
use stellata_protocol::message::{Authentication, ServerError};
use stellata_protocol::trace::Tracer;
use stellata_protocol::{Buffer, Conversation, ErrorKind, Event, Login};

use crate::action::Action;
use crate::caller::{Caller, NONCE, Setup, TOKEN, USER};
use crate::script::{Script, codes, ended_by, events};
use crate::server::Server;

const WANTED: Authentication<'static> = Authentication::Sasl { mechanisms: b"OAUTHBEARER\0\0" };

const DOCUMENT: &[u8] = br#"{ "status": "invalid_token", "openid-configuration": "https://id.example/.well-known/openid-configuration", "scope": "openid db" }"#;

/// Takes tokens, over a channel that is taken to be private.
const TAKES: u8 = Setup::TOKEN | Setup::CLEARTEXT | Setup::NO_PASSWORD;

fn request(authentication: Authentication<'_>) -> Server {
    Server::new().authentication(authentication)
}

fn refusal() -> Server {
    request(Authentication::SaslContinue { data: DOCUMENT })
}

/// What the client sent behind its StartupMessage.
fn sent(caller: &Caller) -> Vec<u8> {
    let output = caller.output();
    let len = u32::from_be_bytes(*output.first_chunk().unwrap());
    output[len as usize..].to_vec()
}

fn message(body: &[u8]) -> Vec<u8> {
    [b"p", &u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], body].concat()
}

fn initial(data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap().to_be_bytes();
    message(&[b"OAUTHBEARER\0", &len[..], data].concat())
}

#[track_caller]
fn is_refused(caller: &Caller, kind: ErrorKind) {
    assert_eq!(ended_by(caller), Some(kind), "{:?}", caller.error());
    assert!(!events(caller).iter().any(|event| event.1 == Event::ReadyForQuery));
}

#[test]
fn a_token_logs_in() {
    let caller = Script::login(TAKES)
        .server(request(WANTED))
        .act(&[Action::Derive])
        .server(Server::welcome())
        .play("login-token");
    assert_eq!(events(&caller), [(0, Event::BearerToken), (0, Event::ReadyForQuery)]);
    assert_eq!(sent(&caller), initial(format!("n,,\x01auth=Bearer {TOKEN}\x01\x01").as_bytes()));
}

#[test]
fn a_token_that_is_refused_is_answered_by_the_dummy_and_the_servers_error() {
    let caller = Script::login(TAKES)
        .server(request(WANTED))
        .act(&[Action::Derive])
        .server(refusal())
        .server(Server::new().fatal("28000"))
        .play("login-token-refused");
    assert_eq!(events(&caller), [(0, Event::BearerToken), (0, Event::Error)]);
    assert_eq!(codes(&caller), ["28000"]);
    assert!(sent(&caller).ends_with(&message(b"\x01")));
    let challenge = caller.conversation().token_challenge().unwrap();
    assert_eq!(challenge.status(), "invalid_token");
    assert_eq!(challenge.scope(), Some("openid db"));
}

#[test]
fn without_a_token_the_server_is_asked_where_tokens_are_to_be_had() {
    let mut conversation = waiting();
    conversation.provide_token(None).unwrap();
    assert_eq!(conversation.output(), initial(b"n,,\x01auth=\x01\x01"));
    conversation.wrote(conversation.output().len());
    conversation.receive(refusal().bytes());
    assert_eq!(conversation.advance(), Ok(None));
    assert_eq!(conversation.output(), message(b"\x01"));
    conversation.receive(Server::new().fatal("28000").bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::Error);
    assert!(conversation.is_over());
    assert_eq!(
        conversation.token_challenge().unwrap().openid_configuration(),
        Some("https://id.example/.well-known/openid-configuration")
    );
}

/// A conversation that waits for a token.
fn waiting() -> Conversation {
    let login = Login::new(USER, NONCE).allow_cleartext(true).has_token(true);
    let mut conversation = Conversation::start(login).unwrap();
    conversation.wrote(conversation.output().len());
    conversation.receive(request(WANTED).bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::BearerToken);
    conversation
}

#[test]
fn a_server_that_lets_a_login_pass_without_the_token_is_refused() {
    let mut conversation = waiting();
    conversation.provide_token(None).unwrap();
    conversation.receive(Server::welcome().bytes());
    assert_eq!(conversation.advance().unwrap_err().kind(), ErrorKind::Authentication);

    let start = Script::login(TAKES).server(request(WANTED));
    let given = start.clone().act(&[Action::Derive]);
    for (name, script) in [
        ("login-token-unasked", start.clone().server(Server::welcome())),
        ("login-token-refused-ok", given.clone().server(refusal()).server(Server::welcome())),
    ] {
        is_refused(&script.play(name), ErrorKind::Authentication);
    }
}

#[test]
fn messages_of_a_token_login_out_of_order_are_refused() {
    let start = Script::login(TAKES).server(request(WANTED));
    let given = start.clone().act(&[Action::Derive]);
    let last = || request(Authentication::SaslFinal { data: DOCUMENT });
    for (name, script) in [
        ("login-token-continue-early", start.clone().server(refusal())),
        ("login-token-twice", start.server(request(WANTED))),
        ("login-token-again", given.clone().server(request(WANTED))),
        ("login-token-final", given.clone().server(last())),
        (
            "login-token-md5",
            given.clone().server(request(Authentication::Md5Password { salt: [0; 4] })),
        ),
        ("login-token-refused-twice", given.clone().server(refusal()).server(refusal())),
        ("login-token-refused-final", given.server(refusal()).server(last())),
    ] {
        is_refused(&script.server(Server::welcome()).play(name), ErrorKind::Authentication);
    }
}

#[test]
fn a_refusal_that_is_no_document_is_refused() {
    for (name, data) in [
        ("login-token-empty", &b""[..]),
        ("login-token-no-json", b"v=abc"),
        ("login-token-no-status", b"{\"scope\":\"a\"}"),
        ("login-token-two-status", b"{\"status\":\"a\",\"status\":\"b\"}"),
        ("login-token-not-utf8", b"{\"status\":\"\xff\"}"),
    ] {
        let caller = Script::login(TAKES)
            .server(request(WANTED))
            .act(&[Action::Derive])
            .server(request(Authentication::SaslContinue { data }))
            .play(name);
        is_refused(&caller, ErrorKind::Authentication);
        assert!(!sent(&caller).ends_with(&message(b"\x01")), "the dummy answers no riddle");
    }
}

#[test]
fn a_token_is_asked_for_only_where_there_is_one_and_the_channel_is_private() {
    for (name, setup, words) in [
        ("login-token-none", Setup::CLEARTEXT, "nothing that gives one"),
        ("login-token-open", Setup::TOKEN, "use TLS or a unix socket"),
        ("login-token-bound", TAKES | Setup::BOUND | Setup::CERTIFICATE, "channel binding"),
    ] {
        let caller = Script::login(setup).server(request(WANTED)).play(name);
        is_refused(&caller, ErrorKind::Authentication);
        assert!(caller.error().unwrap().message().contains(words), "{:?}", caller.error());
        assert_eq!(events(&caller), [], "no token is fetched");
        assert_eq!(sent(&caller), b"");
    }
}

#[test]
fn a_token_is_handed_in_once_and_only_when_it_is_waited_for() {
    let token = BearerToken::new(TOKEN).unwrap();
    let login = Login::new(USER, NONCE).allow_cleartext(true).has_token(true);
    let mut conversation = Conversation::start(login).unwrap();
    assert_eq!(conversation.provide_token(Some(&token)).unwrap_err().kind(), ErrorKind::Usage);
    assert!(conversation.token_challenge().is_none());

    let mut conversation = waiting();
    conversation.provide_token(Some(&token)).unwrap();
    assert_eq!(conversation.provide_token(Some(&token)).unwrap_err().kind(), ErrorKind::Usage);
    conversation.receive(Server::welcome().bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::ReadyForQuery);
    assert_eq!(conversation.provide_token(None).unwrap_err().kind(), ErrorKind::Usage);

    let mut conversation = waiting();
    conversation.receive(b"N\0\0\0\x05x");
    let error = conversation.advance().unwrap_err();
    assert_eq!(conversation.provide_token(Some(&token)), Err(error));
    assert_eq!(conversation.output(), b"");
}

/// The error of a conversation that was told a secret, and that a server ends with these fields.
fn told(mut conversation: Conversation, fields: &[(u8, &str)]) -> ServerError {
    let mut out = Buffer::new();
    ServerError::write(&mut out, b'E', fields).unwrap();
    conversation.receive(out.as_slice());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::Error);
    conversation.server_error().unwrap()
}

#[test]
fn an_error_that_echoes_the_token_or_the_password_is_shown_without_it() {
    let secret = "s3ntinel.token";
    let fields = [
        (b'S', "FATAL"),
        (b'C', "28000"),
        (b'M', "no entry for s3ntinel.token"),
        (b'D', "token=s3ntinel.token"),
        (b'H', "try another"),
        (b'Y', "s3ntinel.token"),
    ];
    let with_token = || {
        let mut conversation = waiting();
        conversation.provide_token(Some(&BearerToken::new(secret).unwrap())).unwrap();
        conversation
    };
    let with_password = || {
        let login = Login::new(USER, NONCE).allow_cleartext(true).password(secret.as_bytes());
        let mut conversation = Conversation::start(login).unwrap();
        conversation.receive(request(Authentication::CleartextPassword).bytes());
        assert_eq!(conversation.advance(), Ok(None));
        conversation
    };
    for conversation in [with_token(), with_password()] {
        let error = told(conversation, &fields);
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
        assert!(error.message.contains("not shown"), "{error}");
        assert_eq!(error.sqlstate.as_str(), "28000");
        assert_eq!(error.hint(), Some("try another"));
    }
    let mut conversation = with_password();
    let mut out = Buffer::new();
    ServerError::write(&mut out, b'N', &fields).unwrap();
    conversation.receive(out.as_slice());
    assert_eq!(conversation.advance(), Ok(None));
    let notice = conversation.pop_notice().unwrap();
    assert!(!format!("{notice} {notice:?}").contains(secret), "{notice:?}");

    // A password that is the user's name shows in no other way than the name does.
    let login = Login::new("anna", NONCE).allow_cleartext(true).password(b"anna");
    let mut conversation = Conversation::start(login).unwrap();
    conversation.receive(request(Authentication::CleartextPassword).bytes());
    assert_eq!(conversation.advance(), Ok(None));
    let sentence = "password authentication failed for user \"anna\"";
    assert_eq!(&*told(conversation, &[(b'M', sentence)]).message, sentence);
}

/// Bytes as a `Debug` of a slice, a string or hexadecimal digits would show them.
fn shows(text: &str, secret: &[u8]) -> bool {
    let list = format!("{secret:?}");
    let list = list.trim_matches(['[', ']']);
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let plain = String::from_utf8_lossy(secret);
    text.contains(&*plain) || text.contains(list) || text.to_lowercase().contains(&hex)
}

#[test]
fn no_debug_of_a_login_shows_the_password_or_the_token() {
    let secret = b"s3ntinel-password";
    let login = || Login::new(USER, NONCE).allow_cleartext(true).password(secret);
    assert!(!shows(&format!("{:?}", login()), secret));

    let clear = request(Authentication::CleartextPassword);
    let scram = request(Authentication::Sasl { mechanisms: b"SCRAM-SHA-256\0\0" });
    for asked in [clear, scram, request(Authentication::Md5Password { salt: [0; 4] })] {
        let mut conversation = Conversation::start(login()).unwrap();
        assert!(!shows(&format!("{conversation:?}"), secret));
        conversation.receive(asked.bytes());
        assert_eq!(conversation.advance(), Ok(None));
        let shown = format!("{conversation:?} {conversation:#?}");
        assert!(!shows(&shown, secret), "{shown}");
        let output = conversation.output().to_vec();
        assert!(!shows(&shown, &output[output.len() - 20..]), "the answer itself: {shown}");
    }

    let mut conversation = waiting();
    conversation.provide_token(Some(&BearerToken::new(TOKEN).unwrap())).unwrap();
    let shown = format!("{conversation:?} {conversation:#?}");
    assert!(!shows(&shown, TOKEN.as_bytes()), "{shown}");
}

#[test]
fn no_trace_of_a_login_shows_the_password() {
    let secret = b"s3ntinel-password";
    let message = [b"p\0\0\0\x16", &secret[..], b"\0"].concat();
    let (mut tracer, mut text) = (Tracer::new(), String::new());
    tracer.frontend(b"\0\0\0\x11\0\x03\0\0user\0me\0\0", &mut text);
    tracer.backend(b"R\0\0\0\x08\0\0\0\x03", &mut text);
    for byte in message {
        tracer.frontend(&[byte], &mut text);
        assert!(!shows(&format!("{text} {tracer:?} {tracer:#?}"), &secret[..8]), "{tracer:?}");
    }
    assert!(text.contains("PasswordMessage"), "{text}");
}
