//! Servers that are none, or that begin a session as no server does.

use std::time::Duration;

use stellata_testkit::{Ending, Reply, Script};

use super::case::{Case, connect, greet, run};

fn negotiate(version: i32, count: i32, options: &[u8]) -> Reply {
    let body = [&version.to_be_bytes()[..], &count.to_be_bytes(), options].concat();
    Reply::new().message('v', &body)
}

fn settings(count: usize, name: impl Fn(usize) -> String) -> Reply {
    let reply = Reply::new().authentication(0, b"");
    (0..count).fold(reply, |reply, n| reply.parameter(&name(n), "on")).ready('I')
}

pub(super) fn cases() -> Vec<Case> {
    let ok = || Reply::new().authentication(0, b"");
    // What is refused at once, by the name of the case.
    let refused = [
        ("s-http", Reply::new().raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "Protocol"),
        ("s-ssh", Reply::new().raw(b"SSH-2.0-OpenSSH_9.9\r\n"), "Protocol"),
        ("s-smtp", Reply::new().raw(b"220 mail.example ESMTP\r\n"), "Protocol"),
        ("s-tls-alert", Reply::new().raw(b"\x15\x03\x03\x00\x02\x02\x28"), "Protocol"),
        ("s-redis", Reply::new().raw(b"-ERR unknown command\r\n"), "Protocol"),
        ("s-zeros", Reply::new().raw(&[0; 64]), "Protocol"),
        ("s-ones", Reply::new().raw(&[255; 64]), "Protocol"),
        ("s-protocol-2-error", Reply::new().raw(b"EFATAL: unsupported\n\0"), "Protocol"),
        ("s-ready-unasked", Reply::new().ready('I'), "Protocol"),
        ("s-setting-first", Reply::new().parameter("a", "b").then(Reply::logged_in()), "Protocol"),
        ("s-key-first", Reply::new().backend_key(1, &[0; 4]).then(Reply::logged_in()), "Protocol"),
        ("s-ok-twice", ok().authentication(0, b"").ready('I'), "Authentication"),
        ("s-ok-long", Reply::new().authentication(0, b"x").ready('I'), "Protocol"),
        ("s-authentication-empty", Reply::new().message('R', b""), "Protocol"),
        ("s-authentication-short", Reply::new().message('R', &[0, 0, 0]), "Protocol"),
        ("s-error-without-end", Reply::new().message('E', b"SFATAL\0C3D000"), "Protocol"),
        ("s-error-with-more", Reply::new().message('E', b"SFATAL\0\0more"), "Protocol"),
        ("s-fatal", Reply::new().error("FATAL", "3D000", "no such database"), "Server 3D000"),
        ("s-full", Reply::new().error("FATAL", "53300", "too many clients"), "Server 53300"),
        (
            "s-error-then-ok",
            Reply::new().error("ERROR", "XX000", "never mind").then(Reply::logged_in()),
            "Server XX000",
        ),
        (
            "s-ok-then-fatal",
            ok().parameter("a", "b").error("FATAL", "57P03", "starting up"),
            "Server 57P03",
        ),
        ("s-down-to-2", negotiate(0x0002_0000, 0, b"").then(Reply::logged_in()), "Protocol"),
        ("s-up-to-3.9", negotiate(0x0003_0009, 0, b"").then(Reply::logged_in()), "Protocol"),
        ("s-up-to-4", negotiate(0x0004_0000, 0, b"").then(Reply::logged_in()), "Protocol"),
        (
            "s-negotiated-twice",
            negotiate(0x0003_0000, 0, b"").then(negotiate(0x0003_0000, 0, b"")),
            "Protocol",
        ),
        ("s-options-negative", negotiate(0x0003_0000, -1, b""), "Protocol"),
        ("s-options-missing", negotiate(0x0003_0000, 1_000_000, b""), "Protocol"),
        ("s-options-many", negotiate(0x0003_0000, 0, b"_pq_.x\0"), "Protocol"),
        ("s-negotiated-late", ok().then(negotiate(0x0003_0000, 0, b"")).ready('I'), "Protocol"),
        ("s-key-short", ok().backend_key(1, &[0; 3]).ready('I'), "Protocol"),
        ("s-key-long", ok().backend_key(1, &[0; 32]).ready('I'), "Protocol"),
        ("s-key-empty", ok().message('K', b"").ready('I'), "Protocol"),
        ("s-status-unknown", ok().ready('X'), "Protocol"),
        ("s-status-missing", ok().message('Z', b""), "Protocol"),
        ("s-status-long", ok().message('Z', b"II"), "Protocol"),
        ("s-notification-first", Reply::new().notification(1, "channel", ""), "Protocol"),
        ("s-row", ok().row(&[None]).ready('I'), "Protocol"),
        ("s-complete", ok().complete("SELECT 1").ready('I'), "Protocol"),
        ("s-copy", ok().copy('G', 1).ready('I'), "Protocol"),
        ("s-unknown-message", ok().message('!', b"").ready('I'), "Protocol"),
        ("s-settings-many", settings(300, |n| format!("setting{n}")), "Protocol"),
        ("s-setting-without-end", ok().message('S', b"name\0value").ready('I'), "Protocol"),
        ("s-setting-without-value", ok().message('S', b"name\0").ready('I'), "Protocol"),
        ("s-setting-not-utf-8", ok().message('S', b"name\0\xff\0").ready('I'), "Protocol"),
        ("s-notice-broken", Reply::new().message('N', b"M").then(Reply::logged_in()), "Protocol"),
    ];
    let mut cases: Vec<Case> = refused
        .into_iter()
        .map(|(id, reply, want)| Case::new(id, greet(reply).read_to_end(), connect, want))
        .collect();

    // What is odd, and no harm.
    let accepted = [
        ("s-unknown-option", negotiate(0x0003_0000, 1, b"_pq_.x\0").then(Reply::logged_in())),
        ("s-minor-version-alone", negotiate(0, 0, b"").then(Reply::logged_in())),
        ("s-no-key", ok().ready('I')),
        ("s-in-transaction", ok().ready('T')),
        ("s-notice-first", Reply::new().notice("welcome").then(Reply::logged_in())),
        ("s-setting-often", settings(10_000, |_| "same".to_owned())),
        ("s-notification-before-ready", ok().notification(1, "channel", "").ready('I')),
        ("s-setting-empty", ok().parameter("", "").ready('I')),
    ];
    for (id, reply) in accepted {
        cases.push(Case::new(id, greet(reply).serve(), connect, "connected usable"));
    }

    // How a connection ends, or does not, before there is a session.
    let half = Reply::logged_in();
    let half = Reply::new().raw(&half.bytes()[..half.bytes().len() / 2]);
    let endings = [
        ("s-close", Script::new().expect("^").end(Ending::Close), "Closed"),
        ("s-reset", Script::new().expect("^").end(Ending::Reset), "Io"),
        ("s-half-close", Script::new().expect("^").end(Ending::HalfClose).read_to_end(), "Closed"),
        ("s-silence", Script::new().expect("^").end(Ending::Silence), "Timeout"),
        ("s-tls-refused-unasked", greet(Reply::new().raw(b"N")), "Closed"),
        ("s-tls-granted-unasked", greet(Reply::new().raw(b"S")), "Closed"),
        ("s-half-message", greet(Reply::new().raw(b"R\0\0\0\x08\0")), "Closed"),
        ("s-half-login", greet(half.clone()), "Closed"),
        ("s-half-login-reset", greet(half.clone()).end(Ending::Reset), "Io"),
        ("s-half-login-silence", greet(half).end(Ending::Silence), "Timeout"),
        ("s-close-before-ready", greet(ok()), "Closed"),
        ("s-never-read", Script::new().pause(Duration::from_millis(50)).end(Ending::Reset), "Io"),
    ];
    for (id, script, want) in endings {
        let case = Case::new(id, script, connect, want);
        cases.push(match want {
            "Timeout" => {
                case.configured(|config| config.with_connect_timeout(Duration::from_millis(300)))
            }
            _ => case,
        });
    }

    let flood = (0..20_000).fold(Reply::new(), |reply, _| reply.notice("not yet"));
    cases.push(
        Case::new("s-notices-for-ever", greet(flood).end(Ending::Silence), connect, "Timeout")
            .configured(|config| config.with_connect_timeout(Duration::from_millis(800))),
    );
    let drip = Script::new().expect("^").chunks(1).send(Reply::logged_in()).serve();
    cases.push(Case::new("s-byte-by-byte", drip, connect, "connected usable"));
    cases
}

#[test]
fn start_up() {
    run("start-up", cases());
}
