//! Servers that are asked for TLS and answer as none does, or shake hands as nobody should.

use std::time::Duration;

use stellata_client::{Config, SslMode, SslNegotiation, TlsSettings};
use stellata_testkit::{Ending, Reply, Script};

use super::case::{Case, connect, run};

const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;
const DATA: u8 = 0x17;

fn require(config: Config) -> Config {
    config.with_tls(TlsSettings::new(SslMode::Require))
}

fn prefer(config: Config) -> Config {
    config.with_tls(TlsSettings::new(SslMode::Prefer))
}

fn direct(config: Config) -> Config {
    let tls = TlsSettings::new(SslMode::Require).with_negotiation(SslNegotiation::Direct);
    config.with_tls(tls)
}

fn raw(bytes: &[u8]) -> Reply {
    Reply::new().raw(bytes)
}

/// Waits for the question, and sends this.
fn answer(bytes: &[u8]) -> Script {
    Script::new().expect("^").send(raw(bytes))
}

/// How long the head of a record is.
const HEAD: usize = 5;

/// Says yes, and sends this in place of shaking hands when the client has begun.
fn shake(bytes: &[u8]) -> Script {
    answer(b"S").expect_bytes(HEAD).send(raw(bytes))
}

/// A record of TLS.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// A message of the handshake in a record of its own.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let head = (u32::from(kind) << 24) | body.len() as u32;
    record(HANDSHAKE, &[&head.to_be_bytes()[..], body].concat())
}

/// A ServerHello that takes up the client's offer with this version, cipher and extensions.
fn hello(version: u16, cipher: u16, extensions: &[u8]) -> Vec<u8> {
    let len = (extensions.len() as u16).to_be_bytes();
    let parts =
        [&version.to_be_bytes()[..], &[7; 32], &[0], &cipher.to_be_bytes(), &[0], &len, extensions];
    message(2, &parts.concat())
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let error = Reply::new().error("FATAL", "28000", "switch TLS off").bytes().to_vec();
    let long = [&b"E"[..], &[b'x'; 100_000]].concat();
    // The answer to the question. What is not `N` is never a way into plain, in the weak mode either.
    let answers: [(&str, &str, &[u8], &str); 22] = [
        ("tls-stuffed-yes", "tls-stuffed-yes-prefer", b"SR\0\0\0\x08\0\0\0\0", "Protocol"),
        ("tls-stuffed-no", "tls-stuffed-no-prefer", b"NR\0\0\0\x08\0\0\0\0", "Protocol"),
        ("tls-yes-twice", "tls-yes-twice-prefer", b"SS", "Protocol"),
        ("tls-no-twice", "tls-no-twice-prefer", b"NN", "Protocol"),
        ("tls-yes-no", "tls-yes-no-prefer", b"SN", "Protocol"),
        ("tls-no-yes", "tls-no-yes-prefer", b"NS", "Protocol"),
        ("tls-yes-and-record", "tls-yes-and-record-prefer", b"S\x16\x03\x03\0\0", "Protocol"),
        ("tls-yes-and-zero", "tls-yes-and-zero-prefer", b"S\0", "Protocol"),
        ("tls-lower-case", "tls-lower-case-prefer", b"s", "Protocol"),
        ("tls-gssapi", "tls-gssapi-prefer", b"G", "Protocol"),
        ("tls-zero", "tls-zero-prefer", &[0], "Protocol"),
        ("tls-high", "tls-high-prefer", &[0xff], "Protocol"),
        ("tls-authentication", "tls-authentication-prefer", b"R\0\0\0\x08\0\0\0\0", "Protocol"),
        ("tls-ready", "tls-ready-prefer", b"Z\0\0\0\x05I", "Protocol"),
        ("tls-http", "tls-http-prefer", b"HTTP/1.1 400 Bad Request\r\n\r\n", "Protocol"),
        ("tls-tls-at-once", "tls-tls-at-once-prefer", b"\x15\x03\x03\0\x02\x02\x28", "Protocol"),
        ("tls-error", "tls-error-prefer", &error, "Connect"),
        ("tls-error-old", "tls-error-old-prefer", b"Ecould not fork\n\0", "Connect"),
        ("tls-error-escapes", "tls-error-escapes-prefer", b"E\x1b]0;x\x07\x1b[2J\0", "Connect"),
        ("tls-error-half", "tls-error-half-prefer", b"E\0\0\x01\0SFATAL", "Connect"),
        ("tls-error-alone", "tls-error-alone-prefer", b"E", "Connect"),
        ("tls-error-endless", "tls-error-endless-prefer", &long, "Connect"),
    ];
    for (id, weak, bytes, want) in answers {
        cases.push(Case::new(id, answer(bytes), connect, want).configured(require));
        cases.push(Case::new(weak, answer(bytes), connect, want).configured(prefer));
    }
    cases.push(Case::new("tls-no", answer(b"N"), connect, "Tls").configured(require));
    let plain = answer(b"N").then(Script::new().trust_login()).serve();
    cases.push(Case::new("tls-no-prefer", plain, connect, "connected usable").configured(prefer));

    // How a connection ends before there is an answer.
    for (id, script, want) in [
        ("tls-close", Script::new().expect("^").end(Ending::Close), "Closed"),
        (
            "tls-half-close",
            Script::new().expect("^").end(Ending::HalfClose).read_to_end(),
            "Closed",
        ),
        ("tls-reset", Script::new().expect("^").end(Ending::Reset), "Io"),
        ("tls-silence", Script::new().expect("^").end(Ending::Silence), "Timeout"),
        ("tls-yes-silence", answer(b"S").end(Ending::Silence), "Timeout"),
        ("tls-half-hello-silence", shake(b"\x16\x03\x03\x01").end(Ending::Silence), "Timeout"),
    ] {
        let case = Case::new(id, script, connect, want);
        cases.push(match want {
            "Timeout" => case.configured(|config| {
                require(config).with_connect_timeout(Duration::from_millis(300))
            }),
            _ => case.configured(require),
        });
    }

    // What comes in place of a handshake.
    let body = |body: &[u8]| [&[3, 3][..], &[7; 32], body].concat();
    let shakes: [(&str, Vec<u8>); 30] = [
        ("tls-h-nothing", vec![]),
        ("tls-h-alert-fatal", record(ALERT, &[2, 40])),
        ("tls-h-alert-warning", record(ALERT, &[1, 112])),
        ("tls-h-alert-unknown", record(ALERT, &[2, 255])),
        ("tls-h-alert-short", record(ALERT, &[2])),
        ("tls-h-alert-close", record(ALERT, &[1, 0])),
        ("tls-h-alerts-many", record(ALERT, &[1, 90]).repeat(1000)),
        ("tls-h-data", record(DATA, b"R\0\0\0\x08\0\0\0\0")),
        ("tls-h-data-empty", record(DATA, b"").repeat(1000)),
        ("tls-h-plain", Reply::logged_in().bytes().to_vec()),
        ("tls-h-http", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("tls-h-zeros", vec![0; 1000]),
        ("tls-h-ones", vec![255; 1000]),
        ("tls-h-yes-again", b"SSSSSSSSSS".to_vec()),
        ("tls-h-record-unknown", record(0x20, b"x")),
        ("tls-h-record-empty", record(HANDSHAKE, b"").repeat(100)),
        ("tls-h-record-too-long", [&[HANDSHAKE, 3, 3, 0xff, 0xff][..], &[0; 70_000]].concat()),
        ("tls-h-record-version", [&[HANDSHAKE, 9, 9, 0, 4][..], &[2, 0, 0, 0]].concat()),
        ("tls-h-cipher-spec", record(0x14, &[1])),
        ("tls-h-message-unknown", message(99, b"x")),
        ("tls-h-message-huge", record(HANDSHAKE, &[2, 0xff, 0xff, 0xff])),
        ("tls-h-client-hello", message(1, &body(&[0; 40]))),
        ("tls-h-finished-first", message(20, &[0; 32])),
        ("tls-h-certificate-first", message(11, &[0, 0, 0])),
        ("tls-h-hello-empty", message(2, b"")),
        ("tls-h-hello-short", message(2, &[3, 3, 7, 7])),
        ("tls-h-hello-ssl-3", hello(0x0300, 0x002f, b"")),
        ("tls-h-hello-tls-1.0", hello(0x0301, 0x002f, b"")),
        ("tls-h-hello-null-cipher", hello(0x0303, 0x0000, b"")),
        ("tls-h-hello-unasked-extension", hello(0x0303, 0xc02b, b"\0\x0f\0\x01\x01")),
    ];
    for (id, bytes) in shakes {
        let case = Case::new(id, shake(&bytes), connect, "Tls");
        cases.push(case.configured(require));
    }
    // In the weak mode a handshake that fails is followed by a second connection, in plain, as with libpq.
    for (id, bytes) in [
        ("tls-h-alert-prefer", record(ALERT, &[2, 40])),
        ("tls-h-nothing-prefer", vec![]),
        ("tls-h-hello-prefer", hello(0x0300, 0x002f, b"")),
    ] {
        let case = Case::new(id, shake(&bytes), connect, "connected usable");
        cases.push(case.again(Script::new().trust_login().serve()).configured(prefer));
    }
    cases.push(
        Case::new("tls-h-reset", answer(b"S").end(Ending::Reset), connect, "Tls")
            .configured(require),
    );

    // Without a question.
    for (id, script) in [
        ("tls-d-close", Script::new().end(Ending::Close)),
        ("tls-d-alert", Script::new().expect_bytes(HEAD).send(raw(&record(ALERT, &[2, 120])))),
        ("tls-d-error", Script::new().expect_bytes(HEAD).send(raw(&error))),
        ("tls-d-yes", Script::new().expect_bytes(HEAD).send(raw(b"S"))),
    ] {
        cases.push(Case::new(id, script, connect, "Tls").configured(direct));
    }
    cases
}

#[test]
fn encryption() {
    run("encryption", cases());
}
