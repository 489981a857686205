//! Servers that copy when nobody asked, or wrongly.

use stellata_testkit::{Ending, Reply, Script};

use super::case::{Case, answer, answer_simple, execute, run, simple};

/// What has come when the COPY begins, of a statement without rows.
fn bound() -> Reply {
    Reply::new().parse_complete().parameter_types(&[]).no_data().bind_complete()
}

fn out() -> Reply {
    Reply::new().copy('H', 1)
}

fn all() -> Reply {
    out().copy_data(b"7\n").copy_data(b"8\n").copy_done().complete("COPY 2")
}

/// Wants data and gets a refusal, which it answers with this.
fn refused_in_batch(reply: Reply) -> Script {
    answer(bound().copy('G', 1)).expect("fS").send(reply)
}

pub(super) fn cases() -> Vec<Case> {
    let new = Reply::new;
    let mut cases = vec![
        Case::new("c-out", answer(bound().then(all()).ready('I')).serve(), execute, {
            "2 rows usable"
        }),
        Case::new(
            "c-out-simple",
            answer_simple(all().ready('I')).serve(),
            simple,
            "<COPY 2> usable",
        ),
        Case::new(
            "c-in-refused",
            refused_in_batch(new().error("ERROR", "57014", "COPY failed").ready('I')).serve(),
            execute,
            "Server 57014 usable",
        ),
        Case::new(
            "c-in-refused-simple",
            answer_simple(new().copy('G', 1))
                .expect("f")
                .send(new().error("ERROR", "57014", "COPY failed").ready('I'))
                .serve(),
            simple,
            "Server 57014 usable",
        ),
        Case::new("c-in-then-close", refused_in_batch(new()), execute, "Closed closed"),
        Case::new(
            "c-in-then-reset",
            refused_in_batch(new()).end(Ending::Reset),
            execute,
            "Io closed",
        ),
        Case::new(
            "c-in-then-row",
            refused_in_batch(new().copy_data(b"7\n")).serve(),
            execute,
            "Protocol closed",
        ),
        Case::new(
            "c-in-then-complete",
            refused_in_batch(new().complete("COPY 0").ready('I')).serve(),
            execute,
            "Protocol closed",
        ),
        Case::new(
            "c-in-then-complete-simple",
            answer_simple(new().copy('G', 1))
                .expect("f")
                .send(new().complete("COPY 0").ready('I'))
                .serve(),
            simple,
            "Protocol closed",
        ),
        Case::new(
            "c-in-twice",
            answer(bound().copy('G', 1).copy('G', 1)).serve(),
            execute,
            "Protocol closed",
        ),
        Case::new(
            "c-in-then-fatal",
            refused_in_batch(new().error("FATAL", "57P01", "bye")).read_to_end(),
            execute,
            "Server 57P01 closed",
        ),
    ];
    let many = (0..5_000).fold(out(), |reply, _| reply.copy_data(&[b'x'; 100]));
    let many = many.copy_done().complete("COPY 5000").ready('I');
    cases.push(Case::new(
        "c-out-large",
        answer(bound().then(many)).serve(),
        execute,
        "5000 rows usable",
    ));
    let data = new().copy_data(b"7\n");
    for (id, simple_id, reply) in [
        ("c-data-first", "c-data-first-simple", data.clone()),
        ("c-done-first", "c-done-first-simple", new().copy_done()),
        ("c-complete-before-done", "c-complete-before-done-simple", {
            out().then(data.clone()).complete("COPY 1")
        }),
        ("c-ready-before-done", "c-ready-before-done-simple", out().then(data.clone()).ready('I')),
        ("c-done-with-body", "c-done-with-body-simple", out().message('c', b"\0")),
        ("c-out-no-body", "c-out-no-body-simple", new().message('H', b"")),
        ("c-out-format-unknown", "c-out-format-unknown-simple", new().message('H', &[7, 0, 0])),
        ("c-out-columns-missing", "c-out-columns-missing-simple", new().message('H', &[0, 0, 2])),
        ("c-in-columns-with-more", "c-in-columns-with-more-simple", {
            new().message('G', &[0, 0, 0, 0])
        }),
        ("c-done-twice", "c-done-twice-simple", out().copy_done().copy_done()),
        ("c-data-after-done", "c-data-after-done-simple", out().copy_done().then(data.clone())),
        ("c-row-inside", "c-row-inside-simple", out().row(&[Some(b"7")])),
        ("c-columns-inside", "c-columns-inside-simple", out().columns(&[])),
        ("c-out-twice", "c-out-twice-simple", out().then(out())),
        ("c-in-inside", "c-in-inside-simple", out().copy('G', 1)),
        ("c-both-inside", "c-both-inside-simple", out().copy('W', 1)),
        ("c-empty-inside", "c-empty-inside-simple", out().message('I', b"")),
        ("c-data-too-long", "c-data-too-long-simple", out().lying('d', i32::MAX, b"7")),
    ] {
        let script = answer(bound().then(reply.clone()).ready('I')).serve();
        cases.push(Case::new(id, script, execute, "Protocol closed"));
        let script = answer_simple(reply.ready('I')).serve();
        cases.push(Case::new(simple_id, script, simple, "Protocol closed"));
    }
    let failed = out().then(data.clone()).error("ERROR", "57014", "cancelled").ready('I');
    cases.push(Case::new(
        "c-error-inside",
        answer(bound().then(failed.clone())).serve(),
        execute,
        "Server 57014 usable",
    ));
    cases.push(Case::new(
        "c-error-inside-simple",
        answer_simple(failed).serve(),
        simple,
        "Server 57014 usable",
    ));
    let half = out().then(data);
    cases.push(Case::new(
        "c-close-inside",
        answer(bound().then(half.clone())),
        execute,
        "Closed closed",
    ));
    cases.push(Case::new("c-close-inside-simple", answer_simple(half), simple, "Closed closed"));
    cases
}

#[test]
fn copy() {
    run("COPY", cases());
}
