//! Servers that answer the simple query protocol out of order, in part, or too much.

use stellata_testkit::{Column, Ending, Reply, Script};

use super::case::{Case, answer_simple, run, simple};

fn n() -> [Column; 1] {
    [Column::new("n", 23).format(0)]
}

const SEVEN: &[Option<&[u8]>] = &[Some(b"7")];

fn seven() -> Reply {
    Reply::new().columns(&n()).row(SEVEN).complete("SELECT 1")
}

pub(super) fn cases() -> Vec<Case> {
    let new = Reply::new;
    let row = "SELECT 1[Some(\"7\")]";
    let replies = [
        ("q-right", seven().ready('I'), format!("<{row}> usable")),
        ("q-two-results", seven().then(seven()).ready('I'), format!("<{row}; {row}> usable")),
        ("q-empty", new().message('I', b"").ready('I'), "<> usable".to_owned()),
        (
            "q-not-utf-8",
            new().columns(&n()).row(&[Some(b"\xff")]).complete("SELECT 1").ready('I'),
            { "<SELECT 1[Some(\"\u{fffd}\")]> usable".to_owned() },
        ),
    ];
    let mut cases: Vec<Case> = replies
        .into_iter()
        .map(|(id, reply, want)| {
            Case::new(id, answer_simple(reply).serve(), simple, String::leak(want))
        })
        .collect();
    let wrong = [
        ("q-nothing", new()),
        ("q-row-first", new().row(SEVEN)),
        ("q-columns-then-ready", new().columns(&n()).ready('I')),
        ("q-columns-twice", new().columns(&n()).columns(&n())),
        ("q-row-after-complete", seven().row(SEVEN)),
        ("q-row-wide", new().columns(&n()).row(&[SEVEN[0], SEVEN[0]])),
        ("q-row-narrow", new().columns(&n()).row(&[])),
        ("q-row-negative", new().columns(&n()).message('D', &[0, 1, 255, 255, 255, 254])),
        ("q-row-long", new().columns(&n()).message('D', &[0, 1, 0, 0, 0, 9, 55])),
        ("q-row-with-more", new().columns(&n()).message('D', &[0, 1, 0, 0, 0, 1, 55, 0])),
        ("q-row-empty", new().columns(&n()).message('D', &[])),
        ("q-columns-missing", new().message('T', &[0, 9])),
        ("q-columns-negative", new().message('T', &[255, 255])),
        ("q-columns-with-more", new().message('T', &[0, 0, 0])),
        ("q-format-unknown", new().columns(&[Column::new("n", 23).format(7)])),
        ("q-tag-without-end", new().message('C', b"SELECT 1")),
        ("q-status-unknown", seven().ready('i')),
        ("q-parse-complete", new().parse_complete()),
        ("q-bind-complete", new().bind_complete()),
        ("q-no-data", new().no_data()),
        ("q-empty-with-body", new().message('I', b"\0")),
        ("q-suspended", seven().message('s', b"")),
        ("q-function-result", new().message('V', &[255; 4])),
        ("q-copy-both", new().copy('W', 1)),
        ("q-row-after-error", new().error("ERROR", "42601", "no").row(SEVEN)),
        ("q-result-after-error", new().error("ERROR", "42601", "no").then(seven())),
        ("q-authentication", new().authentication(0, b"")),
    ];
    for (id, reply) in wrong {
        let script = answer_simple(reply.ready('I')).serve();
        cases.push(Case::new(id, script, simple, "Protocol closed"));
    }
    for (id, reply, want) in [
        ("q-error", new().error("ERROR", "42601", "no").ready('I'), "Server 42601 usable"),
        ("q-error-after-result", seven().error("ERROR", "22012", "no").ready('I'), {
            "Server 22012 usable"
        }),
        (
            "q-error-after-row",
            new().columns(&n()).row(SEVEN).error("ERROR", "22012", "no").ready('I'),
            "Server 22012 usable",
        ),
        ("q-fatal", new().error("FATAL", "57P01", "bye"), "Server 57P01 closed"),
        ("q-ready-twice", seven().ready('I').ready('I'), "<SELECT 1[Some(\"7\")]> closed"),
    ] {
        cases.push(Case::new(id, answer_simple(reply).serve(), simple, want));
    }
    for (close, reset, reply) in [
        ("q-close-0", "q-reset-0", new()),
        ("q-close-1", "q-reset-1", new().columns(&n())),
        ("q-close-2", "q-reset-2", new().columns(&n()).row(SEVEN)),
        ("q-close-3", "q-reset-3", seven()),
    ] {
        cases.push(Case::new(close, answer_simple(reply.clone()), simple, "Closed closed"));
        let script = answer_simple(reply).end(Ending::Reset);
        cases.push(Case::new(reset, script, simple, "Io closed"));
    }
    let error = || new().columns(&n()).row(SEVEN).error("ERROR", "22012", "no");
    for (id, ending) in
        [("q-error-then-close", Ending::Close), ("q-error-then-reset", Ending::Reset)]
    {
        let script = answer_simple(error()).end(ending);
        cases.push(Case::new(id, script, simple, "Server 22012 closed"));
    }
    let drip = Script::new().trust_login().chunks(1).expect("Q").send(seven().ready('I'));
    cases.push(Case::new("q-byte-by-byte", drip.serve(), simple, "<SELECT 1[Some(\"7\")]> usable"));
    cases
}

#[test]
fn simple_query() {
    run("simple query", cases());
}
