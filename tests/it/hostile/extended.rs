//! Servers that answer a statement out of order, in part, or too much.

use stellata_testkit::{Column, Ending, Reply, Script};

use super::case::{Call, Case, answer, batch, connect, execute, query, query_twice, run};

const SEVEN: &[Option<&[u8]>] = &[Some(&[0, 0, 0, 7])];

fn n() -> [Column; 1] {
    [Column::new("n", 23)]
}

/// What has come when the first row is due.
fn described() -> Reply {
    Reply::described(&n()).bind_complete()
}

fn seven() -> Reply {
    Reply::rows(&n(), &[SEVEN]).ready('I')
}

fn stale(code: &str, routine: &str) -> Reply {
    let body = format!("SERROR\0VERROR\0C{code}\0Mstale\0R{routine}\0\0");
    Reply::described(&n()).message('E', body.as_bytes()).ready('I')
}

pub(super) fn cases() -> Vec<Case> {
    let new = Reply::new;
    let replies = [
        ("e-right", seven(), "[(7,)] usable"),
        ("e-no-rows", described().complete("SELECT 0").ready('I'), "[] usable"),
        ("e-empty-query", described().message('I', b"").ready('I'), "[] usable"),
        // Too early, too late, twice, not at all.
        ("e-ready-alone", new().ready('I'), "Protocol closed"),
        ("e-bind-before-parse", new().bind_complete().parse_complete(), "Protocol closed"),
        ("e-parse-twice", new().parse_complete().parse_complete(), "Protocol closed"),
        ("e-parameters-missing", new().parse_complete().columns(&n()), "Protocol closed"),
        (
            "e-parameters-twice",
            new().parse_complete().parameter_types(&[]).parameter_types(&[]),
            "Protocol closed",
        ),
        (
            "e-columns-missing",
            new().parse_complete().parameter_types(&[]).bind_complete(),
            "Protocol closed",
        ),
        ("e-columns-twice", Reply::described(&n()).columns(&n()), "Protocol closed"),
        ("e-columns-after-bind", described().columns(&n()), "Protocol closed"),
        ("e-bind-missing", Reply::described(&n()).row(SEVEN), "Protocol closed"),
        ("e-bind-twice", described().bind_complete(), "Protocol closed"),
        ("e-row-first", new().row(SEVEN), "Protocol closed"),
        ("e-complete-first", new().complete("SELECT 1"), "Protocol closed"),
        ("e-complete-missing", described().row(SEVEN).ready('I'), "Protocol closed"),
        (
            "e-complete-twice",
            described().row(SEVEN).complete("SELECT 1").complete("SELECT 1").ready('I'),
            "Protocol closed",
        ),
        (
            "e-row-after-complete",
            described().complete("SELECT 1").row(SEVEN).ready('I'),
            "Protocol closed",
        ),
        ("e-ready-twice", seven().ready('I'), "[(7,)] closed"),
        ("e-answer-twice", seven().then(seven()), "[(7,)] closed"),
        ("e-row-after-ready", seven().row(SEVEN), "[(7,)] closed"),
        ("e-suspended", described().row(SEVEN).message('s', b"").ready('I'), "Protocol closed"),
        ("e-closed-unasked", new().close_complete(), "Protocol closed"),
        (
            "e-no-data-then-row",
            {
                let reply = new().parse_complete().parameter_types(&[]).no_data().bind_complete();
                reply.row(SEVEN).complete("SELECT 1").ready('I')
            },
            "Protocol closed",
        ),
        // Messages that are nothing but their type, with something in them.
        ("e-parse-with-body", new().message('1', b"x"), "Protocol closed"),
        ("e-bind-with-body", Reply::described(&n()).message('2', b"\0"), "Protocol closed"),
        ("e-close-with-body", new().message('3', b"x"), "Protocol closed"),
        (
            "e-no-data-with-body",
            new().parse_complete().parameter_types(&[]).message('n', b"\0\0"),
            "Protocol closed",
        ),
        ("e-empty-query-with-body", described().message('I', b"\0"), "Protocol closed"),
        ("e-parameters-without-count", new().parse_complete().message('t', b""), {
            "Protocol closed"
        }),
        ("e-parameters-too-few", new().parse_complete().message('t', &[0, 1, 0, 0, 0]), {
            "Protocol closed"
        }),
        ("e-parameters-too-many", new().parse_complete().message('t', &[0, 0, 0, 0, 0, 23]), {
            "Protocol closed"
        }),
        // Messages of another place.
        ("e-unknown-message", new().message('!', b""), "Protocol closed"),
        ("e-request-of-a-client", new().message('Q', b"select 1\0"), "Protocol closed"),
        ("e-copy-fail", described().message('f', b"no\0"), "Protocol closed"),
        ("e-authentication", new().authentication(0, b""), "Protocol closed"),
        ("e-authentication-again", new().authentication(3, b""), "Protocol closed"),
        ("e-key-again", new().backend_key(1, &[0; 4]), "Protocol closed"),
        ("e-negotiation", new().message('v', &[0, 3, 0, 0, 0, 0, 0, 0]), "Protocol closed"),
        ("e-function-result", described().message('V', &[255; 4]), "Protocol closed"),
        ("e-copy-both", described().copy('W', 1), "Protocol closed"),
        ("e-copy-data", described().copy_data(b"7\n"), "Protocol closed"),
        ("e-copy-done", described().copy_done(), "Protocol closed"),
        // Errors in every place.
        ("e-error", new().error("ERROR", "42601", "no").ready('I'), "Server 42601 usable"),
        (
            "e-error-after-parse",
            new().parse_complete().error("ERROR", "0A000", "no").ready('I'),
            "Server 0A000 usable",
        ),
        (
            "e-error-after-columns",
            Reply::described(&n()).error("ERROR", "22P02", "no").ready('I'),
            "Server 22P02 usable",
        ),
        (
            "e-error-after-row",
            described().row(SEVEN).error("ERROR", "22012", "no").ready('I'),
            "Server 22012 usable",
        ),
        (
            "e-error-after-complete",
            described().row(SEVEN).complete("SELECT 1").error("ERROR", "23503", "no").ready('I'),
            "Server 23503 usable",
        ),
        (
            "e-error-in-transaction",
            new().error("ERROR", "25P02", "no").ready('E'),
            "Server 25P02 usable",
        ),
        (
            "e-row-after-error",
            new().error("ERROR", "42601", "no").row(SEVEN).ready('I'),
            "Protocol closed",
        ),
        (
            "e-complete-after-error",
            new().error("ERROR", "42601", "no").complete("SELECT 1").ready('I'),
            "Protocol closed",
        ),
        ("e-fatal", new().error("FATAL", "57P01", "bye"), "Server 57P01 closed"),
        ("e-fatal-after-row", described().row(SEVEN).error("FATAL", "57P01", "bye"), {
            "Server 57P01 closed"
        }),
        ("e-panic", new().error("PANIC", "XX000", "bye"), "Server XX000 closed"),
        ("e-fatal-then-rows", new().error("FATAL", "57P01", "bye").then(seven()), {
            "Server 57P01 closed"
        }),
        ("e-status-unknown", Reply::rows(&n(), &[SEVEN]).ready('Q'), "Protocol closed"),
        ("e-status-missing", Reply::rows(&n(), &[SEVEN]).message('Z', b""), "Protocol closed"),
        ("e-tag-without-end", described().message('C', b"SELECT 1").ready('I'), "Protocol closed"),
        ("e-tag-with-more", described().message('C', b"SELECT\x001\0"), "Protocol closed"),
        ("e-tag-not-utf-8", described().message('C', b"\xff\0").ready('I'), "Protocol closed"),
        ("e-tag-empty", described().message('C', b"").ready('I'), "Protocol closed"),
    ];
    let mut cases: Vec<Case> = replies
        .into_iter()
        .map(|(id, reply, want)| Case::new(id, answer(reply).serve(), query::<(i32,)>, want))
        .collect();

    // The end, after each message of a right answer.
    let whole = [
        ("e-close-0", "e-reset-0", new()),
        ("e-close-1", "e-reset-1", new().parse_complete()),
        ("e-close-2", "e-reset-2", new().parse_complete().parameter_types(&[])),
        ("e-close-3", "e-reset-3", Reply::described(&n())),
        ("e-close-4", "e-reset-4", described()),
        ("e-close-5", "e-reset-5", described().row(SEVEN)),
        ("e-close-6", "e-reset-6", described().row(SEVEN).complete("SELECT 1")),
        ("e-close-7", "e-reset-7", Reply::new().raw(&seven().bytes()[..seven().bytes().len() - 1])),
    ];
    for (close, reset, reply) in whole {
        let ask = query::<(i32,)>;
        cases.push(Case::new(close, answer(reply.clone()), ask, "Closed closed"));
        cases.push(Case::new(reset, answer(reply).end(Ending::Reset), ask, "Io closed"));
    }
    // What the server said before it went is what the caller is told.
    let error = || new().error("ERROR", "42601", "no");
    let late = || described().row(SEVEN).complete("SELECT 1").error("ERROR", "23503", "no");
    let outdated = || {
        let reply = stale("26000", "FetchPreparedStatement");
        new().raw(&reply.bytes()[..reply.bytes().len() - 6])
    };
    let (one, two): (Call, Call) = (query::<(i32,)>, batch);
    for (id, reply, ask, ending, want) in [
        ("e-error-then-close", error(), one, Ending::Close, "Server 42601 closed"),
        ("e-error-then-reset", error(), one, Ending::Reset, "Server 42601 closed"),
        ("e-late-error-then-close", late(), one, Ending::Close, "Server 23503 closed"),
        ("e-late-error-then-reset", late(), one, Ending::Reset, "Server 23503 closed"),
        // Nothing is prepared anew where there is no connection.
        ("e-forgotten-then-close", outdated(), one, Ending::Close, "Server 26000 closed"),
        ("b-error-then-close", error(), two, Ending::Close, "Server 42601 closed"),
        ("b-error-then-reset", error(), two, Ending::Reset, "Server 42601 closed"),
        ("b-late-error-then-close", late(), two, Ending::Close, "Server 23503 closed"),
        ("b-late-error-then-reset", late(), two, Ending::Reset, "Server 23503 closed"),
        // Who breaks the protocol behind an error is not believed in it.
        ("b-error-then-row", error().row(SEVEN), two, Ending::Close, "Protocol closed"),
    ] {
        cases.push(Case::new(id, answer(reply).end(ending), ask, want));
    }
    cases.push(Case::new("e-ready-then-close", answer(seven()), query::<(i32,)>, "[(7,)] closed"));
    cases.push(Case::new(
        "e-idle-reset",
        Script::new().trust_login().end(Ending::Reset),
        connect,
        "connected closed",
    ));

    // Slowly, and in pieces.
    for (id, chunk) in [("e-byte-by-byte", 1), ("e-by-three", 3), ("e-by-seven", 7)] {
        let script = Script::new().trust_login().chunks(chunk).expect("PDBES").send(seven());
        cases.push(Case::new(id, script.serve(), query::<(i32,)>, "[(7,)] usable"));
    }
    let long = (0..5_000).fold(described(), |reply, _| reply.row(SEVEN));
    cases.push(Case::new(
        "e-many-rows",
        answer(long.complete("SELECT 5000").ready('I')).serve(),
        execute,
        "5000 rows usable",
    ));

    // Prepared statements that the server forgets, or says so.
    let again = |code: &'static str, routine: &'static str, second: Reply| {
        answer(stale(code, routine)).expect("CPDBES").send(new().close_complete().then(second))
    };
    cases.push(Case::new(
        "e-forgotten-once",
        again("26000", "FetchPreparedStatement", seven()).serve(),
        query::<(i32,)>,
        "[(7,)] usable",
    ));
    cases.push(Case::new(
        "e-forgotten-always",
        again("26000", "FetchPreparedStatement", stale("26000", "FetchPreparedStatement")).serve(),
        query::<(i32,)>,
        "Server 26000 usable",
    ));
    cases.push(Case::new(
        "e-outdated-always",
        again("0A000", "RevalidateCachedQuery", stale("0A000", "RevalidateCachedQuery")).serve(),
        query::<(i32,)>,
        "Server 0A000 usable",
    ));
    let second_use = [
        ("e-second-use", new().bind_complete().row(SEVEN).complete("SELECT 1").ready('I'), {
            "[(7,)] [(7,)] usable"
        }),
        ("e-second-use-described", new().columns(&n()).bind_complete(), "Protocol closed"),
        (
            "e-second-use-wider",
            new().bind_complete().row(&[SEVEN[0], SEVEN[0]]).complete("SELECT 1").ready('I'),
            "Protocol closed",
        ),
        (
            "e-second-use-other-type",
            new().bind_complete().row(&[Some(&[0; 8])]).complete("SELECT 1").ready('I'),
            "Decode usable",
        ),
        ("e-second-use-parsed", new().parse_complete().bind_complete(), "Protocol closed"),
    ];
    for (id, reply, want) in second_use {
        let script = answer(seven()).expect("BES").send(reply).serve();
        cases.push(Case::new(id, script, query_twice, want));
    }
    cases
}

#[test]
fn extended_query() {
    run("extended query", cases());
}
