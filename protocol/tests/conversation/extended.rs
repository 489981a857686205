//! The extended query protocol.

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{ErrorKind, Event};

use crate::action::Action::{
    self, Abandon, Begin, Bind, Close, Describe, Execute, Flush, Parse, Run, RunAlone, Series,
    Sync, Write,
};
use crate::script::{Script, codes, ended_by, events, rows, tags};
use crate::server::Server;

#[test]
fn one_series() {
    let caller =
        Script::ready().act(&[Series]).server(Server::new().series(&[1, 2])).play("series");
    assert_eq!(
        events(&caller),
        [
            (1, Event::ParseComplete),
            (1, Event::BindComplete),
            (1, Event::ParameterDescription),
            (1, Event::RowDescription),
            (1, Event::DataRow),
            (1, Event::DataRow),
            (1, Event::CommandComplete),
            (1, Event::CloseComplete),
            (1, Event::ReadyForQuery),
        ]
    );
    assert_eq!(rows(&caller, 1), [1, 2]);
    assert_eq!(tags(&caller.output()), "PBDECS");
    assert_eq!(caller.conversation().owed(), 0);
}

#[test]
fn statements_without_rows_and_without_text() {
    let caller = Script::ready()
        .act(&[Begin, Describe, Bind, Execute, Bind, Execute, Bind, Execute, Sync])
        .server(Server::new().parameters(&[]).empty(b'n'))
        .server(Server::new().bind_complete().complete("CREATE TABLE"))
        .server(Server::new().bind_complete().empty(b'I'))
        .server(Server::new().bind_complete().row(1).empty(b's').ready())
        .play("series-without-rows");
    let seen: Vec<Event> = events(&caller).into_iter().map(|event| event.1).collect();
    assert_eq!(
        seen,
        [
            Event::ParameterDescription,
            Event::NoData,
            Event::BindComplete,
            Event::CommandComplete,
            Event::BindComplete,
            Event::EmptyQuery,
            Event::BindComplete,
            Event::DataRow,
            Event::PortalSuspended,
            Event::ReadyForQuery,
        ]
    );
}

#[test]
fn an_error_in_a_pipeline_reaches_to_its_sync_and_no_further() {
    let caller = Script::ready()
        .act(&[Series, Series, Series])
        .server(Server::new().series(&[1]))
        .server(Server::new().parse_complete().error("22012").ready())
        .server(Server::new().series(&[3]))
        .play("pipeline-error");
    assert_eq!(codes(&caller), ["22012"]);
    assert_eq!(rows(&caller, 1), [1]);
    assert_eq!(rows(&caller, 2), [0; 0]);
    assert_eq!(rows(&caller, 3), [3]);
    let of_second: Vec<_> = events(&caller).into_iter().filter(|event| event.0 == 2).collect();
    assert_eq!(
        of_second,
        [(2, Event::ParseComplete), (2, Event::Error), (2, Event::ReadyForQuery)]
    );
    assert_eq!(caller.conversation().owed(), 0);
}

#[test]
fn an_error_skips_the_calls_that_share_its_sync() {
    let caller = Script::ready()
        .act(&[Begin, Bind, Execute, Begin, Bind, Execute, Begin, Bind, Execute, Sync])
        .server(Server::new().bind_complete().row(1).complete("SELECT 1"))
        .server(Server::new().bind_complete().error("40001").ready())
        .play("pipeline-shared-sync");
    assert_eq!(
        events(&caller)[3..],
        [(2, Event::BindComplete), (2, Event::Error), (3, Event::ReadyForQuery)]
    );
}

#[test]
fn several_syncs_in_flight_are_each_answered_once() {
    let caller = Script::ready()
        .act(&[Begin, Sync, Begin, Sync, Sync, Begin, Bind, Execute, Sync])
        .server(Server::new().ready().ready().ready())
        .server(Server::new().bind_complete().complete("SELECT 0").ready())
        .play("syncs");
    let ready: Vec<u64> = events(&caller)
        .into_iter()
        .filter(|event| event.1 == Event::ReadyForQuery)
        .map(|event| event.0)
        .collect();
    assert_eq!(ready, [1, 2, 2, 3]);
    assert_eq!(caller.conversation().ready_due(), 0);
}

#[test]
fn one_ready_too_many_is_refused() {
    let caller = Script::ready()
        .act(&[Series])
        .server(Server::new().series(&[]).ready())
        .play("ready-too-many");
    assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage));
}

#[test]
fn a_deferred_error_answers_the_sync() {
    let caller = Script::ready()
        .act(&[Begin, Bind, Execute, Sync, Series])
        .server(Server::new().bind_complete().complete("INSERT 0 1").error("23503").ready())
        .server(Server::new().series(&[7]))
        .play("error-at-sync");
    assert_eq!(
        events(&caller)[..4],
        [
            (1, Event::BindComplete),
            (1, Event::CommandComplete),
            (1, Event::Error),
            (1, Event::ReadyForQuery),
        ]
    );
    assert_eq!(rows(&caller, 2), [7]);
}

#[test]
fn a_flush_ends_nothing() {
    let caller = Script::ready()
        .act(&[Begin, Parse, Describe, Flush])
        .server(Server::new().parse_complete().described())
        .act(&[Bind, Execute, Sync])
        .server(Server::new().bind_complete().row(5).complete("SELECT 1").ready())
        .play("flush");
    assert_eq!(rows(&caller, 1), [5]);
    assert_eq!(tags(&caller.output()), "PDHBES");
    assert_eq!(events(&caller).last(), Some(&(1, Event::ReadyForQuery)));
}

#[test]
fn requests_after_an_error_and_before_the_sync_are_passed_over() {
    let caller = Script::ready()
        .act(&[Begin, Parse, Flush])
        .server(Server::new().error("42601"))
        .act(&[Bind, Execute, Close, Sync, Series])
        .server(Server::new().ready().series(&[8]))
        .play("error-before-sync");
    assert_eq!(
        events(&caller)[..3],
        [(1, Event::Error), (1, Event::ReadyForQuery), (2, Event::ParseComplete)]
    );
    assert_eq!(rows(&caller, 2), [8]);
}

#[test]
fn an_error_in_the_middle_of_rows() {
    let caller = Script::ready()
        .act(&[Series])
        .server(Server::new().parse_complete().bind_complete().described().row(1))
        .server(Server::new().error("57014").ready_in(TransactionStatus::Failed))
        .play("error-in-rows");
    assert_eq!(codes(&caller), ["57014"]);
    assert_eq!(caller.conversation().status(), TransactionStatus::Failed);
    assert!(caller.conversation().is_quiet() || !caller.output().is_empty());
}

#[test]
fn the_status_is_that_of_the_last_ready() {
    let caller = Script::ready()
        .act(&[Series, Series, Write(15)])
        .server(Server::new().series(&[]))
        .server(Server::new().error("25P02").ready_in(TransactionStatus::InTransaction))
        .play("status");
    assert_eq!(caller.conversation().status(), TransactionStatus::InTransaction);
    assert!(caller.conversation().is_quiet());
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let cases: [(&str, &[Action], Server); 7] = [
        ("wrong-bind", &[Parse, Sync], Server::new().bind_complete()),
        ("wrong-parse", &[Bind, Sync], Server::new().parse_complete()),
        ("wrong-row", &[Bind, Sync], Server::new().row(1)),
        ("wrong-description", &[Execute, Sync], Server::new().columns()),
        ("wrong-early-ready", &[Bind, Execute, Sync], Server::new().bind_complete().ready()),
        ("wrong-columns-first", &[Describe, Sync], Server::new().columns()),
        ("wrong-function", &[Execute, Sync], Server::new().message(b'V', b"\0\0\0\0")),
    ];
    for (name, requests, server) in cases {
        let caller = Script::ready().act(&[Begin]).act(requests).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name}");
    }
}

#[test]
fn a_status_that_is_not_known_is_refused() {
    let caller = Script::ready()
        .act(&[Begin, Sync])
        .server(Server::new().message(b'Z', b"?"))
        .play("ready-unknown");
    assert_eq!(ended_by(&caller), Some(ErrorKind::InvalidValue));
}

/// Large enough that the input buffer grows, and gives back what it took.
#[test]
fn a_large_answer_leaves_its_last_message_readable() {
    let mut script = Script::ready().act(&[Series]);
    script = script.server(Server::new().parse_complete().bind_complete().described());
    let server = Server::new().message(b'D', &vec![0; 40_000]).complete("SELECT 1");
    let caller = script.server(server.empty(b'3').ready()).play_long();
    let last = caller.seen().last().unwrap();
    assert_eq!((last.answer.event, &*last.body), (Event::ReadyForQuery, &b"I"[..]));
}

/// A body where there can be none means that the two sides no longer agree where messages begin.
#[test]
fn a_message_that_has_no_body_is_refused_with_one() {
    let bound = || Server::new().parse_complete().bind_complete();
    let cases: [(&str, &[Action], Server, u8); 7] = [
        ("body-parse", &[Series], Server::new(), b'1'),
        ("body-bind", &[Series], Server::new().parse_complete(), b'2'),
        ("body-no-data", &[Series], bound().parameters(&[]), b'n'),
        ("body-empty", &[Series], bound().described(), b'I'),
        ("body-suspended", &[Series], bound().described().row(1), b's'),
        ("body-close", &[Series], bound().described().complete("SELECT 0"), b'3'),
        ("body-copy-done", &[Begin, Execute, Sync], Server::new().copy(b'H'), b'c'),
    ];
    for (name, actions, server, tag) in cases {
        let caller = Script::ready().act(actions).server(server.message(tag, b"\0")).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::TrailingBytes), "{name}");
    }
}

#[test]
fn a_description_of_parameters_has_the_length_that_its_count_says() {
    for (name, body, kind) in [
        ("parameters-no-count", &b"\0"[..], ErrorKind::Truncated),
        ("parameters-too-few", b"\0\x02\0\0\0\x17", ErrorKind::Truncated),
        ("parameters-too-many", b"\0\0\0\0\0\x17", ErrorKind::TrailingBytes),
        ("parameters-countless", b"\xff\xff\0\0\0\x17", ErrorKind::Truncated),
    ] {
        let server = Server::new().parse_complete().bind_complete().message(b't', body);
        let caller = Script::ready().act(&[Series]).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(kind), "{name}");
    }
}

#[test]
fn prepared_statements_run_in_fewer_steps() {
    let answer = |row: i32| Server::new().bind_complete().row(row).complete("SELECT 1");
    let caller = Script::ready()
        .act(&[Begin, RunAlone, Begin, Run, Run, Sync])
        .server(answer(1).ready())
        .server(answer(2).then(&answer(3)).ready())
        .play("run-alone");
    assert_eq!(tags(&caller.output()), "BESBEBES");
    assert_eq!((rows(&caller, 1), rows(&caller, 2)), (vec![1], vec![2, 3]));
    let given_up = Script::ready()
        .act(&[Begin, RunAlone, Abandon, Begin, RunAlone])
        .server(answer(1).ready().then(&answer(2)).ready())
        .play("run-abandoned");
    assert_eq!(rows(&given_up, 2), [2]);
    let failed = Script::ready()
        .act(&[Begin, RunAlone, Begin, RunAlone])
        .server(Server::new().bind_complete().error("22012").ready().then(&answer(2)).ready())
        .play("run-failed");
    assert_eq!((codes(&failed), rows(&failed, 2)), (vec!["22012".to_owned()], vec![2]));
    assert_eq!((failed.error(), failed.conversation().owed()), (None, 0));
}

/// What is no answer to them is refused by the shorter ways as by the usual one: each script is played by both.
#[test]
fn what_is_out_of_place_is_refused_by_the_shorter_ways_too() {
    for (name, server) in [
        ("run-row-first", Server::new().row(1)),
        ("run-complete-first", Server::new().complete("SELECT 0")),
        ("run-ready-first", Server::new().ready()),
        ("run-bind-twice", Server::new().bind_complete().bind_complete()),
        ("run-ready-in-rows", Server::new().bind_complete().row(1).ready()),
        ("run-row-behind", Server::new().bind_complete().complete("SELECT 1").row(1)),
        ("run-complete-twice", Server::new().bind_complete().complete("A").complete("A")),
    ] {
        let caller = Script::ready().act(&[Begin, RunAlone]).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name}");
    }
    for (name, server) in [
        ("run-status", Server::new().bind_complete().complete("A").message(b'Z', b"x")),
        ("run-status-long", Server::new().bind_complete().complete("A").message(b'Z', b"II")),
        ("run-row-cut", Server::new().bind_complete().raw(b"D\0\0\0\x03")),
        ("run-bind-with-body", Server::new().message(b'2', b"\0")),
    ] {
        let caller = Script::ready().act(&[Begin, RunAlone]).server(server).play(name);
        assert!(caller.error().is_some(), "{name}");
    }
}
