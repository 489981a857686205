//! Lengths and counts that lie.

use stellata_client::Limits;
use stellata_testkit::{Column, Reply};

use super::case::{Case, answer, connect, greet, query, run};

fn described() -> Reply {
    Reply::described(&[Column::new("n", 23)]).bind_complete()
}

fn done(reply: Reply) -> Reply {
    reply.complete("SELECT 1").ready('I')
}

pub(super) fn cases() -> Vec<Case> {
    let new = Reply::new;
    let mut cases = Vec::new();
    // In the head of a message, before and after the login.
    for (before, after, tag, length, want) in [
        ("l-zero", "l-row-zero", 'D', 0, "Protocol"),
        ("l-three", "l-row-three", 'D', 3, "Protocol"),
        ("l-minus-one", "l-row-minus-one", 'D', -1, "Protocol"),
        ("l-lowest", "l-row-lowest", 'D', i32::MIN, "Protocol"),
        ("l-highest", "l-row-highest", 'D', i32::MAX, "Protocol"),
        ("l-above-limit", "l-row-above-limit", 'D', 300 << 20, "Protocol"),
        ("l-error-highest", "l-row-error-highest", 'E', i32::MAX, "Protocol"),
        ("l-ready-long", "l-row-ready-long", 'Z', 40_000, "Protocol"),
        ("l-complete-long", "l-row-complete-long", 'C', 40_000, "Protocol"),
        ("l-setting-long", "l-row-setting-long", 'S', 40_000, "Protocol"),
        ("l-authentication-long", "l-row-authentication-long", 'R', 40_000, "Protocol"),
        ("l-unknown-long", "l-row-unknown-long", 'y', 1 << 20, "Protocol"),
        // Declared and not sent: nothing to object to, until the stream ends; but a login has no place for it.
        ("l-declared", "l-row-declared", 'D', 200 << 20, "Closed"),
        ("l-notice-declared", "l-row-notice-declared", 'N', 200 << 20, "Closed"),
    ] {
        cases.push(Case::new(before, greet(new().lying(tag, length, b"x")), connect, "Protocol"));
        let script = answer(described().lying(tag, length, b"x"));
        let want = if want == "Closed" { "Closed closed" } else { "Protocol closed" };
        cases.push(Case::new(after, script, query::<(i32,)>, want));
    }

    // In the body of a message.
    let row = |body: &[u8]| done(described().message('D', body));
    for (id, reply, want) in [
        ("l-row-empty", row(b""), "Protocol closed"),
        ("l-row-half-count", row(&[0]), "Protocol closed"),
        ("l-row-count-zero", row(&[0, 0]), "Protocol closed"),
        ("l-row-count-two", row(&[0, 2, 0, 0, 0, 4, 0, 0, 0, 7]), "Protocol closed"),
        ("l-row-count-highest", row(&[255, 255]), "Protocol closed"),
        ("l-row-value-missing", row(&[0, 1]), "Protocol closed"),
        ("l-row-value-half-length", row(&[0, 1, 0, 0]), "Protocol closed"),
        ("l-row-value-short", row(&[0, 1, 0, 0, 0, 4, 0]), "Protocol closed"),
        ("l-row-value-highest", row(&[0, 1, 127, 255, 255, 255, 0]), "Protocol closed"),
        ("l-row-value-minus-two", row(&[0, 1, 255, 255, 255, 254]), "Protocol closed"),
        ("l-row-value-lowest", row(&[0, 1, 128, 0, 0, 0]), "Protocol closed"),
        ("l-row-with-more", row(&[0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 9]), "Protocol closed"),
        ("l-row-null-with-more", row(&[0, 1, 255, 255, 255, 255, 9]), "Protocol closed"),
    ] {
        cases.push(Case::new(id, answer(reply).serve(), query::<(i32,)>, want));
    }
    let columns = |body: &[u8]| {
        let reply = new().parse_complete().parameter_types(&[]).message('T', body).bind_complete();
        done(reply)
    };
    for (id, reply) in [
        ("l-columns-empty", columns(b"")),
        ("l-columns-half-count", columns(&[0])),
        ("l-columns-missing", columns(&[0, 1])),
        ("l-columns-highest", columns(&[255, 255])),
        ("l-columns-half", columns(b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff")),
        ("l-columns-name-without-end", columns(b"\0\x01name")),
        ("l-columns-name-not-utf-8", columns(&[b"\0\x01\xff\0", &[0; 18][..]].concat())),
        ("l-columns-with-more", columns(&[b"\0\x01n\0", &[0; 19][..]].concat())),
        ("l-columns-format-2", columns(&[b"\0\x01n\0", &[0; 17][..], &[2]].concat())),
        ("l-columns-format-negative", columns(&[b"\0\x01n\0", &[0; 16][..], &[255; 2]].concat())),
    ] {
        cases.push(Case::new(id, answer(reply).serve(), query::<(i32,)>, "Protocol closed"));
    }
    let wide: Vec<Column> = (0..65_535).map(|n| Column::new(format!("c{n}"), 23)).collect();
    let wide = done(Reply::described(&wide).bind_complete().row(&[None]));
    cases.push(Case::new("l-columns-65535", answer(wide).serve(), query::<(i32,)>, {
        // The columns are not those of the row type either; but the row is not even one of these columns.
        "Protocol closed"
    }));

    // Limits that the caller has set.
    let long = done(described().row(&[Some(&[b'x'; 5_000])]));
    cases.push(
        Case::new("l-own-limit", answer(long).serve(), query::<(i32,)>, "Protocol closed")
            .configured(|config| {
                config.with_limits(Limits { message: 4_000, ..Limits::default() })
            }),
    );
    let settings = (0..4).fold(Reply::logged_in(), |reply, n| reply.parameter(&n.to_string(), ""));
    cases.push(
        Case::new("l-own-limit-of-settings", greet(settings).serve(), connect, "Protocol")
            .configured(|config| config.with_limits(Limits { parameters: 2, ..Limits::default() })),
    );
    cases
}

#[test]
fn lengths() {
    run("lengths", cases());
}
