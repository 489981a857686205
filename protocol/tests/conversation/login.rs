//! Start-up: every way to log in, and every way in which a server may try to cheat at it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

use stellata_protocol::message::{
    Authentication, NegotiateProtocolVersion, TransactionStatus, read_startup,
};
use stellata_protocol::{Buffer, Conversation, ErrorKind, Event, Login};

use crate::action::Action;
use crate::caller::{CERTIFICATE, Caller, NONCE, PASSWORD, Setup, USER};
use crate::script::{Script, codes, ended_by, events};
use crate::server::Server;

const PLAIN: Authentication<'static> = Authentication::Sasl { mechanisms: b"SCRAM-SHA-256\0\0" };
const BOTH: Authentication<'static> =
    Authentication::Sasl { mechanisms: b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0" };

/// A server's side of SCRAM, which knows what the client will say since the client's nonce is fixed.
struct ScramServer {
    first: String,
    client_first: String,
    client_final: String,
    last: String,
}

impl ScramServer {
    fn new(header: &str, binding: &[u8]) -> Self {
        let salt = b"a salt of 16 B..";
        let bare = format!("n=,r={}", BASE64.encode(NONCE));
        let nonce = format!("{}and the server's", BASE64.encode(NONCE)).replace(' ', "_");
        let first = format!("r={nonce},s={},i=4", BASE64.encode(salt));
        let channel = BASE64.encode([header.as_bytes(), binding].concat());
        let without_proof = format!("c={channel},r={nonce}");
        let said = format!("{bare},{first},{without_proof}");
        let salted = salted_password(PASSWORD, salt, 4);
        let client_key = mac(&salted, b"Client Key");
        let mut proof = mac(&Sha256::digest(&client_key), said.as_bytes());
        proof.iter_mut().zip(&client_key).for_each(|(byte, key)| *byte ^= key);
        let signature = mac(&mac(&salted, b"Server Key"), said.as_bytes());
        Self {
            first,
            client_first: format!("{header}{bare}"),
            client_final: format!("{without_proof},p={}", BASE64.encode(proof)),
            last: format!("v={}", BASE64.encode(signature)),
        }
    }

    fn first(&self) -> Server {
        Server::new().authentication(Authentication::SaslContinue { data: self.first.as_bytes() })
    }

    fn last(&self) -> Server {
        Server::new().authentication(Authentication::SaslFinal { data: self.last.as_bytes() })
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let mut block = mac(password, &[salt, &[0, 0, 0, 1]].concat());
    let mut result = block.clone();
    for _ in 1..iterations {
        block = mac(password, &block);
        result.iter_mut().zip(&block).for_each(|(byte, next)| *byte ^= next);
    }
    result
}

/// What the client sent behind its StartupMessage.
fn sent(caller: &Caller) -> Vec<u8> {
    let output = caller.output();
    let len = u32::from_be_bytes(*output.first_chunk().unwrap());
    output[len as usize..].to_vec()
}

fn password_message(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap();
    [b"p", &len.to_be_bytes()[..], body].concat()
}

fn request(authentication: Authentication<'_>) -> Server {
    Server::new().authentication(authentication)
}

fn is_logged_in(caller: &Caller) {
    assert_eq!(events(caller).last(), Some(&(0, Event::ReadyForQuery)));
    assert_eq!(caller.error(), None);
    let conversation = caller.conversation();
    assert!(!conversation.is_over());
    assert_eq!(conversation.status(), TransactionStatus::Idle);
    assert_eq!(conversation.parameter("server_version"), Some("17.0"));
    assert_eq!(conversation.backend_key().map(|key| key.process_id), Some(4711));
    assert_eq!(conversation.owed(), 0);
}

#[track_caller]
fn is_refused(caller: &Caller, kind: ErrorKind) {
    assert_eq!(ended_by(caller), Some(kind), "{:?}", caller.error());
    assert!(!events(caller).iter().any(|event| event.1 == Event::ReadyForQuery));
    assert!(caller.conversation().is_over());
}

#[test]
fn trust() {
    let caller = Script::login(0).server(Server::welcome()).play("login-trust");
    assert_eq!(events(&caller), [(0, Event::ReadyForQuery)]);
    is_logged_in(&caller);
    let output = caller.output();
    let (version, parameters) = read_startup(&output[4..]).unwrap();
    assert_eq!(version, 0x0003_0000);
    assert_eq!(parameters, [("user", USER), ("database", "music")]);
}

#[test]
fn cleartext_where_it_is_allowed() {
    let caller = Script::login(Setup::CLEARTEXT)
        .server(request(Authentication::CleartextPassword))
        .server(Server::welcome())
        .play("login-cleartext");
    is_logged_in(&caller);
    assert_eq!(sent(&caller), password_message(b"pencil\0"));
}

#[test]
fn cleartext_is_refused_unless_it_is_allowed() {
    let caller = Script::login(0)
        .server(request(Authentication::CleartextPassword))
        .server(Server::welcome())
        .play("login-cleartext-refused");
    is_refused(&caller, ErrorKind::Authentication);
    assert_eq!(sent(&caller), b"", "the password stays here");
}

#[test]
fn md5() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let inner = hex(&Md5::digest([PASSWORD, USER.as_bytes()].concat()));
    let outer = hex(&Md5::digest([inner.as_bytes(), b"salt"].concat()));
    let caller = Script::login(0)
        .server(request(Authentication::Md5Password { salt: *b"salt" }))
        .server(Server::welcome())
        .play("login-md5");
    is_logged_in(&caller);
    assert_eq!(sent(&caller), password_message(format!("md5{outer}\0").as_bytes()));
}

#[test]
fn a_password_that_is_not_there_is_an_error() {
    for (name, authentication) in [
        ("login-no-password-md5", Authentication::Md5Password { salt: [0; 4] }),
        ("login-no-password-clear", Authentication::CleartextPassword),
        ("login-no-password-scram", PLAIN),
    ] {
        let caller = Script::login(Setup::NO_PASSWORD | Setup::CLEARTEXT)
            .server(request(authentication))
            .play(name);
        is_refused(&caller, ErrorKind::Authentication);
    }
}

#[test]
fn scram() {
    let server = ScramServer::new("n,,", b"");
    let caller = Script::login(0)
        .server(request(PLAIN))
        .server(server.first())
        .act(&[Action::Derive])
        .server(server.last())
        .server(Server::welcome())
        .play("login-scram");
    is_logged_in(&caller);
    assert_eq!(events(&caller), [(0, Event::KeyDerivation), (0, Event::ReadyForQuery)]);
    assert_eq!(sent(&caller), scram_messages("SCRAM-SHA-256", &server));
}

#[test]
fn a_password_that_is_handed_in_when_it_is_wanted_is_sent_as_one_that_was_there() {
    let scram = ScramServer::new("n,,", b"");
    let md5 = Authentication::Md5Password { salt: *b"salt" };
    for (name, wanted, later) in [
        ("login-asked-clear", Authentication::CleartextPassword, None),
        ("login-asked-md5", md5, None),
        ("login-asked-scram", PLAIN, Some(&scram)),
    ] {
        let play = |setup: u8, name: &str| {
            let mut script = Script::login(setup | Setup::CLEARTEXT).server(request(wanted));
            if setup == Setup::ASKED {
                script = script.act(&[Action::Derive]);
            }
            if let Some(scram) = later {
                script = script.server(scram.first()).act(&[Action::Derive]).server(scram.last());
            }
            script.server(Server::welcome()).play(name)
        };
        let asked = play(Setup::ASKED, name);
        is_logged_in(&asked);
        let events = events(&asked);
        assert_eq!(events[0], (0, Event::Password), "{name}");
        assert_eq!(events.iter().filter(|event| event.1 == Event::Password).count(), 1);
        let given = play(0, &name.replace("asked", "given"));
        assert_eq!(sent(&asked), sent(&given), "{name}");
    }
}

#[test]
fn nobody_is_asked_for_a_password_that_is_not_wanted_or_not_to_be_sent() {
    let caller = Script::login(Setup::ASKED).server(Server::welcome()).play("login-asked-trust");
    assert_eq!(events(&caller), [(0, Event::ReadyForQuery)]);
    let caller = Script::login(Setup::ASKED)
        .server(request(Authentication::CleartextPassword))
        .play("login-asked-clear-refused");
    is_refused(&caller, ErrorKind::Authentication);
    assert_eq!(events(&caller), []);
    let caller = Script::login(Setup::ASKED | Setup::BOUND | Setup::CERTIFICATE)
        .server(request(PLAIN))
        .play("login-asked-unbound");
    is_refused(&caller, ErrorKind::Authentication);
    assert_eq!(events(&caller), []);
}

#[test]
fn a_server_may_not_go_on_before_the_password_has_come() {
    let asked = Script::login(Setup::ASKED | Setup::CLEARTEXT)
        .server(request(Authentication::CleartextPassword));
    is_refused(
        &asked.clone().server(Server::welcome()).play("login-asked-ok"),
        ErrorKind::Authentication,
    );
    is_refused(
        &asked.clone().server(request(PLAIN)).play("login-asked-twice"),
        ErrorKind::Authentication,
    );
    let ended = asked.server(Server::new().fatal("57P03")).play("login-asked-fatal");
    assert_eq!(codes(&ended), ["57P03"]);
    assert_eq!(sent(&ended), b"");
    let mut conversation = ended.into_conversation();
    let before = conversation.output().len();
    assert_eq!(conversation.provide_password(b"x").unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(conversation.output().len(), before);
}

#[test]
fn a_password_is_taken_once_and_only_when_it_is_wanted() {
    let login = Login::new(USER, NONCE).has_password(true).allow_cleartext(true);
    let mut conversation = Conversation::start(login).unwrap();
    conversation.wrote(conversation.output().len());
    assert_eq!(conversation.provide_password(b"x").unwrap_err().kind(), ErrorKind::Usage);
    conversation.receive(request(Authentication::CleartextPassword).bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::Password);
    conversation.provide_password(b"x").unwrap();
    assert_eq!(conversation.output(), password_message(b"x\0"));
    assert_eq!(conversation.provide_password(b"y").unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(conversation.output(), password_message(b"x\0"));
    conversation.receive(Server::welcome().bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::ReadyForQuery);
    assert_eq!(conversation.provide_password(b"x").unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn scram_bound_to_the_channel() {
    let server = ScramServer::new("p=tls-server-end-point,,", CERTIFICATE);
    let caller = Script::login(Setup::CERTIFICATE | Setup::BOUND)
        .server(request(BOTH))
        .server(server.first())
        .act(&[Action::Derive])
        .server(server.last())
        .server(Server::welcome())
        .play("login-scram-plus");
    is_logged_in(&caller);
    assert_eq!(sent(&caller), scram_messages("SCRAM-SHA-256-PLUS", &server));
}

fn scram_messages(mechanism: &str, server: &ScramServer) -> Vec<u8> {
    let len = u32::try_from(server.client_first.len()).unwrap();
    let first = [mechanism.as_bytes(), b"\0", &len.to_be_bytes(), server.client_first.as_bytes()];
    [password_message(&first.concat()), password_message(server.client_final.as_bytes())].concat()
}

#[test]
fn a_required_binding_admits_nothing_else() {
    let bound = Setup::CERTIFICATE | Setup::BOUND | Setup::CLEARTEXT;
    for (name, authentication) in [
        ("login-bound-trust", Authentication::Ok),
        ("login-bound-clear", Authentication::CleartextPassword),
        ("login-bound-md5", Authentication::Md5Password { salt: [0; 4] }),
        ("login-bound-scram", PLAIN),
    ] {
        let caller = Script::login(bound)
            .server(request(authentication))
            .server(Server::welcome())
            .play(name);
        is_refused(&caller, ErrorKind::Authentication);
        assert_eq!(sent(&caller), b"", "nothing is sent");
    }
}

#[test]
fn authentication_ok_before_the_servers_proof_is_refused() {
    let server = ScramServer::new("n,,", b"");
    let start = Script::login(0).server(request(PLAIN));
    let scripts = [
        ("login-ok-at-once", start.clone()),
        ("login-ok-underived", start.clone().server(server.first())),
        ("login-ok-unproved", start.server(server.first()).act(&[Action::Derive])),
    ];
    for (name, script) in scripts {
        is_refused(&script.server(Server::welcome()).play(name), ErrorKind::Authentication);
    }
}

#[test]
fn sasl_messages_out_of_order_are_refused() {
    let server = ScramServer::new("n,,", b"");
    let start = Script::login(0).server(request(PLAIN));
    let derived = start.clone().server(server.first()).act(&[Action::Derive]);
    let scripts = [
        ("login-sasl-continue-first", Script::login(0).server(server.first())),
        ("login-sasl-final-first", Script::login(0).server(server.last())),
        ("login-sasl-twice", start.clone().server(request(PLAIN))),
        ("login-sasl-final-early", start.clone().server(server.last())),
        ("login-sasl-final-underived", start.clone().server(server.first()).server(server.last())),
        ("login-sasl-continue-twice", derived.clone().server(server.first())),
        ("login-sasl-continue-late", derived.clone().server(server.last()).server(server.first())),
        ("login-sasl-final-twice", derived.clone().server(server.last()).server(server.last())),
        ("login-sasl-then-md5", start.server(request(Authentication::CleartextPassword))),
        (
            "login-ok-twice",
            Script::login(0).server(request(Authentication::Ok)).server(Server::welcome()),
        ),
        (
            "login-clear-after-md5",
            Script::login(Setup::CLEARTEXT)
                .server(request(Authentication::Md5Password { salt: [0; 4] }))
                .server(request(Authentication::CleartextPassword)),
        ),
    ];
    for (name, script) in scripts {
        is_refused(&script.play(name), ErrorKind::Authentication);
    }
}

#[test]
fn a_wrong_proof_is_refused() {
    let server = ScramServer::new("n,,", b"");
    let wrong = format!("v={}", BASE64.encode([1; 32]));
    let start =
        Script::login(0).server(request(PLAIN)).server(server.first()).act(&[Action::Derive]);
    for (name, data) in
        [("login-proof-wrong", wrong.as_str()), ("login-proof-error", "e=invalid-proof")]
    {
        let caller = start
            .clone()
            .server(request(Authentication::SaslFinal { data: data.as_bytes() }))
            .server(Server::welcome())
            .play(name);
        is_refused(&caller, ErrorKind::Authentication);
    }
}

#[test]
fn the_servers_first_message_must_be_as_the_standard_says() {
    let nonce = BASE64.encode(NONCE);
    for (name, data) in [
        ("login-first-other-nonce", "r=AAAA,s=c2FsdA==,i=4".to_owned()),
        ("login-first-same-nonce", format!("r={nonce},s=c2FsdA==,i=4")),
        ("login-first-no-salt", format!("r={nonce}x,s=,i=4")),
        ("login-first-bad-salt", format!("r={nonce}x,s=!,i=4")),
        ("login-first-zero", format!("r={nonce}x,s=c2FsdA==,i=0")),
        ("login-first-huge", format!("r={nonce}x,s=c2FsdA==,i=4294967295")),
        ("login-first-above-limit", format!("r={nonce}x,s=c2FsdA==,i=17")),
        ("login-first-extension", format!("m=x,r={nonce}x,s=c2FsdA==,i=4")),
        ("login-first-more", format!("r={nonce}x,s=c2FsdA==,i=4,x=1")),
    ] {
        let caller = Script::login(0)
            .server(request(PLAIN))
            .server(request(Authentication::SaslContinue { data: data.as_bytes() }))
            .act(&[Action::Derive])
            .play(name);
        is_refused(&caller, ErrorKind::Authentication);
    }
}

#[test]
fn other_ways_to_log_in_are_refused() {
    for (name, authentication) in [
        ("login-kerberos", Authentication::Other { code: 2 }),
        ("login-gss", Authentication::Other { code: 7 }),
        ("login-other-sasl", Authentication::Sasl { mechanisms: b"OAUTHBEARER\0\0" }),
    ] {
        is_refused(
            &Script::login(0).server(request(authentication)).play(name),
            ErrorKind::Authentication,
        );
    }
    let none = request(Authentication::Sasl { mechanisms: b"\0" });
    is_refused(&Script::login(0).server(none).play("login-no-sasl"), ErrorKind::InvalidValue);
}

fn negotiate(version: u32, options: &[&str]) -> Server {
    let mut out = Buffer::new();
    let options = options.to_vec();
    NegotiateProtocolVersion { version, options }.write(&mut out).unwrap();
    Server::new().raw(out.as_slice())
}

#[test]
fn a_server_may_list_the_options_that_it_does_not_know() {
    for (name, version, options) in
        [("login-negotiate", 0x0003_0000, &["_pq_.lanes"][..]), ("login-negotiate-bare", 0, &[])]
    {
        let caller = Script::login(0)
            .server(negotiate(version, options))
            .server(Server::welcome())
            .play(name);
        is_logged_in(&caller);
    }
}

#[test]
fn a_negotiation_at_the_wrong_place_is_refused() {
    let negotiation = negotiate(0x0003_0000, &[]);
    let late = Script::login(0).server(request(Authentication::Ok)).server(negotiation);
    is_refused(&late.play("login-negotiate-late"), ErrorKind::UnexpectedMessage);
}

#[test]
fn a_negotiation_that_lies_is_refused() {
    for (name, body, kind) in [
        ("login-negotiate-short", &b"\0\x03\0\0"[..], ErrorKind::Truncated),
        ("login-negotiate-count", b"\0\x03\0\0\x7f\xff\xff\xff", ErrorKind::Truncated),
        ("login-negotiate-negative", b"\0\x03\0\0\xff\xff\xff\xff", ErrorKind::InvalidLength),
        ("login-negotiate-more", b"\0\x03\0\0\0\0\0\0x", ErrorKind::TrailingBytes),
        ("login-negotiate-newer", b"\0\x03\0\x02\0\0\0\0", ErrorKind::InvalidValue),
        ("login-negotiate-other", b"\0\x02\0\0\0\0\0\0", ErrorKind::InvalidValue),
    ] {
        let script = Script::login(0).server(Server::new().message(b'v', body));
        is_refused(&script.server(Server::welcome()).play(name), kind);
    }
}

#[test]
fn an_error_ends_the_login() {
    let server = ScramServer::new("n,,", b"");
    let scripts = [
        ("login-error-at-once", Script::login(0), "53300"),
        (
            "login-error-sasl",
            Script::login(0).server(request(PLAIN)).server(server.first()),
            "28P01",
        ),
        ("login-error-after-ok", Script::login(0).server(request(Authentication::Ok)), "3D000"),
    ];
    for (name, script, code) in scripts {
        let caller = script.server(Server::new().fatal(code)).play(name);
        assert_eq!(events(&caller).last(), Some(&(0, Event::Error)));
        assert_eq!(codes(&caller), [code]);
        assert!(caller.conversation().is_over());
        assert_eq!(caller.error(), None, "the server broke no rule");
    }
}

#[test]
fn nothing_is_believed_or_sent_after_an_error_in_the_login() {
    let server = ScramServer::new("n,,", b"");
    let asked = Script::login(Setup::CLEARTEXT).server(Server::new().error("28000"));
    let caller = asked
        .clone()
        .server(request(Authentication::CleartextPassword))
        .server(Server::welcome())
        .play("login-on-after-error");
    is_refused(&caller, ErrorKind::Authentication);
    assert_eq!(sent(&caller), b"");

    let late = Script::login(0)
        .server(request(Authentication::Ok).error("57P03"))
        .server(Server::new().greeting())
        .play("login-ready-after-error");
    is_refused(&late, ErrorKind::UnexpectedMessage);

    let derived = Script::login(0)
        .server(request(PLAIN))
        .server(server.first().error("28P01"))
        .act(&[Action::Derive])
        .play("login-derive-after-error");
    let len = sent(&derived).len();
    assert!(len < 100, "only the first message was sent, of {len} bytes");
}

#[test]
fn no_proof_is_written_after_the_conversation_has_failed() {
    let server = ScramServer::new("n,,", b"");
    let mut conversation = Conversation::start(Login::new(USER, NONCE).password(PASSWORD)).unwrap();
    conversation.receive(request(PLAIN).bytes());
    conversation.receive(server.first().bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::KeyDerivation);
    let keys = conversation.key_derivation().unwrap().run();
    conversation.receive(b"N\0\0\0\x05x");
    let error = conversation.advance().unwrap_err();
    let before = conversation.output().to_vec();
    assert_eq!(conversation.provide_keys(keys), Err(error));
    assert_eq!(conversation.output(), before);
}

#[test]
fn messages_of_a_session_may_not_come_before_the_login_is_done() {
    for (name, script) in [
        ("login-early-ready", Script::login(0).server(Server::new().ready())),
        ("login-early-key", Script::login(0).server(Server::new().key())),
        ("login-early-setting", Script::login(0).server(Server::new().parameter("a", "b"))),
        ("login-early-row", Script::login(0).server(Server::new().row(1))),
        (
            "login-row-before-ready",
            Script::login(0).server(request(Authentication::Ok)).server(Server::new().row(1)),
        ),
        ("login-unknown", Script::login(0).server(Server::new().message(b'!', b"banner"))),
    ] {
        is_refused(&script.server(Server::welcome()).play(name), ErrorKind::UnexpectedMessage);
    }
}

#[test]
fn a_banner_of_another_protocol_is_refused_at_once() {
    let http = Script::login(0).server(Server::new().raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    is_refused(&http.play("login-http"), ErrorKind::TooLarge);
}

#[test]
fn bytes_behind_the_login_belong_to_the_session() {
    let caller = Script::login(0)
        .server(Server::welcome().notice("welcome").row(1))
        .play("login-bytes-after");
    assert_eq!(events(&caller), [(0, Event::ReadyForQuery)]);
    assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "nothing asked for a row");
}
