//! Messages that may come at any time, where they help and where they hurt; and errors of odd forms.

use stellata_testkit::{Column, Ending, Reply, Script};

use super::case::{Case, answer, connect, query, run};

const SEVEN: &[Option<&[u8]>] = &[Some(&[0, 0, 0, 7])];

fn n() -> [Column; 1] {
    [Column::new("n", 23)]
}

/// A right answer, with this between all its messages.
fn between(piece: Reply) -> Reply {
    let messages = [
        Reply::new().parse_complete(),
        Reply::new().parameter_types(&[]),
        Reply::new().columns(&n()),
        Reply::new().bind_complete(),
        Reply::new().row(SEVEN),
        Reply::new().complete("SELECT 1"),
        Reply::new().ready('I'),
    ];
    messages
        .into_iter()
        .fold(piece.clone(), |reply, message| reply.then(message).then(piece.clone()))
}

fn times(count: usize, piece: &Reply) -> Reply {
    Reply::new().raw(&piece.bytes().repeat(count))
}

pub(super) fn cases() -> Vec<Case> {
    let new = Reply::new;
    let mut cases = Vec::new();
    for (id, reply) in [
        ("n-notices-between", between(new().notice("slow"))),
        ("n-notifications-between", between(new().notification(7, "channel", "payload"))),
        ("n-settings-between", between(new().parameter("TimeZone", "UTC"))),
        ("n-all-between", {
            between(new().notice("a").parameter("b", "c").notification(1, "", ""))
        }),
        ("n-notice-flood", times(50_000, &new().notice("more")).then(between(new()))),
        ("n-notification-flood", {
            times(50_000, &new().notification(1, "channel", "more")).then(between(new()))
        }),
        ("n-notice-long", {
            new()
                .message('N', &[b"M", &[b'x'; 1_000_000][..], b"\0\0"].concat())
                .then(between(new()))
        }),
        ("n-notice-not-utf-8", new().message('N', b"M\xff\xfe\0\0").then(between(new()))),
        ("n-notice-empty", new().message('N', b"\0").then(between(new()))),
        ("n-notice-unknown-fields", new().message('N', b"?what\0\x01\0\0").then(between(new()))),
        ("n-notice-fatal", {
            // Only an ErrorResponse ends a session, whatever a notice says of itself.
            new().message('N', b"SFATAL\0VFATAL\0C57P01\0Mbye\0\0").then(between(new()))
        }),
    ] {
        let case = Case::new(id, answer(reply).serve(), query::<(i32,)>, "[(7,)] usable");
        cases.push(case);
    }
    for (id, reply) in [
        ("n-notice-without-end", new().message('N', b"Mhalf")),
        ("n-notice-with-more", new().message('N', b"M\0\0more")),
        ("n-notice-no-body", new().message('N', b"")),
        ("n-notification-short", new().message('A', &[0, 0, 0])),
        ("n-notification-without-payload", new().message('A', b"\0\0\0\x01channel\0")),
        ("n-notification-without-end", new().message('A', b"\0\0\0\x01channel\0payload")),
        ("n-notification-with-more", new().message('A', b"\0\0\0\x01channel\0payload\0x")),
        ("n-notification-not-utf-8", new().message('A', b"\0\0\0\x01\xff\0\0")),
        ("n-setting-without-end", new().message('S', b"TimeZone\0UTC")),
        ("n-setting-no-body", new().message('S', b"")),
        ("n-setting-with-more", new().message('S', b"TimeZone\0UTC\0x\0")),
        ("n-settings-many", {
            (0..300).fold(new(), |reply, n| reply.parameter(&format!("setting{n}"), ""))
        }),
        ("n-error-without-end", new().message('E', b"SERROR\0Mhalf")),
        ("n-error-no-body", new().message('E', b"")),
        ("n-error-with-more", new().message('E', b"SERROR\0\0more")),
    ] {
        let script = answer(reply.then(between(Reply::new()))).serve();
        cases.push(Case::new(id, script, query::<(i32,)>, "Protocol closed"));
    }
    let unknown = "Server XX000 usable";
    for (id, body, want) in [
        ("n-error-no-fields", b"\0".to_vec(), unknown),
        ("n-error-no-code", b"SERROR\0Mno\0\0".to_vec(), unknown),
        ("n-error-code-short", b"SERROR\0C42\0Mno\0\0".to_vec(), unknown),
        ("n-error-code-odd", b"SERROR\0C42 1\xff\0Mno\0\0".to_vec(), unknown),
        ("n-error-not-utf-8", b"SERROR\0C42601\0M\xff\xfe\0\0".to_vec(), "Server 42601 usable"),
        ("n-error-position-huge", b"SERROR\0C42601\0Mno\0P4294967295\0\0".to_vec(), {
            "Server 42601 usable"
        }),
        ("n-error-position-odd", b"SERROR\0C42601\0Mno\0P-1\0p1e9\0L\xff\0\0".to_vec(), {
            "Server 42601 usable"
        }),
        (
            "n-error-fields-many",
            [b"SERROR\0C42601\0".to_vec(), b"Dmore\0".repeat(50_000), vec![0]].concat(),
            "Server 42601 usable",
        ),
        (
            "n-error-long",
            [b"SERROR\0C42601\0M".to_vec(), vec![b'x'; 4_000_000], vec![0, 0]].concat(),
            "Server 42601 usable",
        ),
        ("n-error-severity-unknown", b"SFEHLER\0C42601\0Mno\0\0".to_vec(), "Server 42601 usable"),
        // The word that does not depend on the language counts, wherever it stands.
        ("n-error-fatal-by-v", b"VFATAL\0SERROR\0C57P01\0Mbye\0\0".to_vec(), "Server 57P01 closed"),
        ("n-error-not-fatal-by-v", b"SFATAL\0VERROR\0C42601\0Mno\0\0".to_vec(), {
            "Server 42601 usable"
        }),
    ] {
        let script = answer(new().message('E', &body).ready('I')).serve();
        cases.push(Case::new(id, script, query::<(i32,)>, want));
    }

    // What comes between two calls.
    for (id, reply, want) in [
        ("n-idle-notice", new().notice("idle"), "connected usable"),
        ("n-idle-notification", new().notification(1, "channel", ""), "connected usable"),
        ("n-idle-setting", new().parameter("TimeZone", "UTC"), "connected usable"),
        ("n-idle-flood", times(20_000, &new().notification(1, "channel", "x")), {
            "connected usable"
        }),
        ("n-idle-fatal", new().error("FATAL", "57P01", "bye"), "connected closed"),
        ("n-idle-ready", new().ready('I'), "connected closed"),
        ("n-idle-row", new().row(SEVEN), "connected closed"),
        ("n-idle-answer", new().complete("SELECT 1").ready('I'), "connected closed"),
        ("n-idle-error", new().error("ERROR", "42601", "no").ready('I'), "connected closed"),
        ("n-idle-bytes", new().raw(b"hello, world"), "connected closed"),
    ] {
        let script = Script::new().expect("^").send(Reply::logged_in().then(reply)).serve();
        cases.push(Case::new(id, script, connect, want));
    }
    cases.push(Case::new(
        "n-idle-close",
        Script::new().trust_login().end(Ending::Close),
        connect,
        "connected closed",
    ));
    cases
}

#[test]
fn asynchronous_messages() {
    run("asynchronous messages", cases());
}
