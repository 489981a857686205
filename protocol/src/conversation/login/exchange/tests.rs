//! Every step of a login meets every message, and every request of a server that asks for a proof.

use super::*;
use crate::conversation::Conversation;
use crate::conversation::owed::Event;

/// The server's messages of SCRAM where the nonce is seven and the password `pencil`.
const FIRST: &[u8] = b"r=BwcHBwcHBwcHBwcHBwcHBwcHserver,s=c2FsdA==,i=4";
const LAST: &[u8] = b"v=yFXzqoeYdgQqZG+saKMeWv/bpiCQQ0DDjdBbxhic22g=";
const SCRAM: &[u8] = b"SCRAM-SHA-256\0\0";
const TOKEN: &[u8] = b"OAUTHBEARER\0\0";
const CHALLENGE: &[u8] = br#"{"status":"invalid_token"}"#;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

fn request(code: i32, data: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], data].concat())
}

fn login() -> Login {
    Login::new("me", [7; 18]).allow_cleartext(true).has_token(true)
}

fn begin(login: Login) -> Conversation {
    let mut talk = Conversation::start(login).unwrap();
    talk.wrote(talk.output().len());
    talk
}

fn given() -> Conversation {
    begin(login().password(b"pencil"))
}

/// The conversation behind a message that goes well, and what has been written in answer.
fn after(mut talk: Conversation, message: &[u8]) -> Conversation {
    talk.receive(message);
    talk.advance().unwrap();
    talk.wrote(talk.output().len());
    talk
}

/// Writes the steps with what leads to each, and a `match` over them: one that has no way to it does not compile.
macro_rules! steps {
    ($($step:ident $(($($of:tt),+))? => $way:expr;)+) => {
        const STEPS: &[(&str, fn() -> Conversation)] = &[$((stringify!($step), $way)),+];

        const fn name(step: &Step) -> &'static str {
            match step {
                $(Step::$step $(($($of),+))? => stringify!($step),)+
            }
        }
    };
}

fn scram_keys() -> Conversation {
    after(after(given(), &request(10, SCRAM)), &request(11, FIRST))
}

fn scram_final() -> Conversation {
    let mut talk = scram_keys();
    let keys = talk.key_derivation().unwrap().run();
    talk.provide_keys(keys).unwrap();
    talk.wrote(talk.output().len());
    talk
}

fn token(token: Option<&str>) -> Conversation {
    let mut talk = after(begin(login()), &request(10, TOKEN));
    let token = token.map(|token| BearerToken::new(token).unwrap());
    talk.provide_token(token.as_ref()).unwrap();
    talk.wrote(talk.output().len());
    talk
}

steps! {
    Asked => given;
    PasswordAsked(_) => || after(begin(login().has_password(true)), &request(3, b""));
    PasswordSent => || after(given(), &request(5, b"salt"));
    ScramFirst(_) => || after(given(), &request(10, SCRAM));
    ScramKeys(_, _) => scram_keys;
    ScramFinal(_) => scram_final;
    ScramProved => || after(scram_final(), &request(12, LAST));
    TokenAsked => || after(begin(login()), &request(10, TOKEN));
    TokenSent => || token(Some("a.token"));
    TokenWanted => || token(None);
    TokenRefused => || after(token(Some("a.token")), &request(11, CHALLENGE));
    LoggedIn => || after(given(), &request(0, b""));
    Refused => || after(given(), &message(b'E', b"SFATAL\0C28000\0Mno\0\0"));
}

/// What becomes of a step: the event, and the name of the next one. `None`: the login is over.
type Goes = (Option<Event>, Option<&'static str>);

/// The step of a login, `None` behind it.
fn step(talk: &Conversation) -> Option<&'static str> {
    talk.login.as_ref().map(|login| name(&login.step))
}

/// Hands a message in, and holds what comes of it against what is expected.
#[track_caller]
fn meets(mut talk: Conversation, bytes: &[u8], expected: Result<Goes, ErrorKind>, what: &str) {
    talk.receive(bytes);
    let output = talk.output().to_vec();
    let found = talk.advance();
    match expected {
        Ok((event, next)) => {
            let found = found.map(|answer| answer.map(|answer| answer.event));
            assert_eq!((found, step(&talk)), (Ok(event), next), "{what}");
        }
        Err(kind) => {
            assert_eq!(found.map_err(|error| error.kind()), Err(kind), "{what}");
            assert_eq!(talk.output(), output, "{what}: it is answered");
            assert!(talk.is_over(), "{what}");
            assert_eq!(talk.advance(), found, "{what}: it is forgotten");
        }
    }
}

/// A body that is right for the messages that a login knows, and empty for all others.
const fn body(tag: u8) -> &'static [u8] {
    match tag {
        b'R' => &[0, 0, 0, 99],
        b'E' | b'N' => b"SERROR\0C28P01\0Mno\0\0",
        b'K' => &[0, 0, 0, 7, 0, 0, 0, 8],
        b'Z' => b"I",
        b'S' => b"TimeZone\0UTC\0",
        b'A' => b"\0\0\0\x07a\0b\0",
        b'v' => &[0, 3, 0, 0, 0, 0, 0, 0],
        _ => b"",
    }
}

#[test]
fn every_step_has_a_way_to_it() {
    for (name, way) in STEPS {
        assert_eq!(step(&way()), Some(*name));
    }
}

#[test]
fn every_step_meets_every_message() {
    for &(name, way) in STEPS {
        for tag in 0..=u8::MAX {
            let stays = Ok((None, Some(name)));
            let expected = match (tag, name) {
                (b'E', _) => Ok((Some(Event::Error), Some("Refused"))),
                (b'N', _) | (b'K' | b'S' | b'A', "LoggedIn") | (b'v', "Asked") => stays,
                (b'Z', "LoggedIn") => Ok((Some(Event::ReadyForQuery), None)),
                // A way to log in that is not known.
                (b'R', _) => Err(ErrorKind::Authentication),
                _ => Err(ErrorKind::UnexpectedMessage),
            };
            meets(way(), &message(tag, body(tag)), expected, &format!("{name} meets {tag}"));
        }
    }
}

#[test]
fn every_step_meets_every_request_for_a_proof() {
    for &(name, way) in STEPS {
        for code in -1..=13 {
            let data = match (code, name) {
                (5, _) => b"salt",
                (10, _) => SCRAM,
                (11, "TokenSent" | "TokenWanted") => CHALLENGE,
                (11, _) => FIRST,
                (12, _) => LAST,
                _ => b"",
            };
            let (event, next) = match (name, code) {
                ("Asked" | "PasswordSent" | "ScramProved" | "TokenSent", 0) => (None, "LoggedIn"),
                ("Asked", 3 | 5) => (None, "PasswordSent"),
                ("Asked", 10) => (None, "ScramFirst"),
                ("ScramFirst", 11) => (Some(Event::KeyDerivation), "ScramKeys"),
                ("ScramFinal", 12) => (None, "ScramProved"),
                ("TokenSent" | "TokenWanted", 11) => (None, "TokenRefused"),
                _ => (None, ""),
            };
            let expected = if next.is_empty() {
                Err(ErrorKind::Authentication)
            } else {
                Ok((event, Some(next)))
            };
            meets(way(), &request(code, data), expected, &format!("{name} meets code {code}"));
        }
    }
}

/// What is handed in belongs to one step, and is refused by all others without a trace.
#[test]
fn every_step_meets_every_secret() {
    for &(name, way) in STEPS {
        let token = BearerToken::new("a.token").unwrap();
        let mut talk = way();
        let output = talk.output().to_vec();
        assert_eq!(talk.key_derivation().is_some(), name == "ScramKeys", "{name}");
        for (step_of, handed) in [
            ("PasswordAsked", talk.provide_password(b"pencil")),
            ("TokenAsked", talk.provide_token(Some(&token))),
        ] {
            let kind = handed.map_err(|error| error.kind());
            let expected = if name == step_of { Ok(()) } else { Err(ErrorKind::Usage) };
            assert_eq!(kind, expected, "{name} is handed what {step_of} waits for");
        }
        let grown = talk.output().len() > output.len();
        assert_eq!(grown, matches!(name, "PasswordAsked" | "TokenAsked"), "{name}");
    }
}

#[test]
fn a_second_negotiation_is_one_too_many() {
    let negotiation = message(b'v', body(b'v'));
    let expected = Err(ErrorKind::UnexpectedMessage);
    meets(after(given(), &negotiation), &negotiation, expected, "a second negotiation");
}
