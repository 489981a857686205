//! COPY: data that nobody has to give is refused, data that nobody asked for is passed over, and the count of
//! ReadyForQuery stays right.

use stellata_protocol::{ErrorKind, Event};

use crate::action::Action::{
    self, Begin, Bind, CopyData, CopyDone, CopyFail, Execute, ExecuteCopyIn, Flush, FunctionCall,
    Query, QueryCopy, RunAlone, Series, Sync, Write,
};
use crate::script::{Script, codes, ended_by, events, rows, tags};
use crate::server::Server;

/// CopyInResponse, and the error by which the server answers CopyFail.
fn refused() -> Server {
    Server::new().copy(b'G').error("57014")
}

#[test]
fn copy_from_in_a_simple_query() {
    let caller = Script::ready()
        .act(&[Begin, Query])
        .server(refused().ready())
        .act(&[Series])
        .server(Server::new().series(&[4]))
        .play("copy-in-simple");
    assert_eq!(
        events(&caller)[..3],
        [(1, Event::CopyInRefused), (1, Event::Error), (1, Event::ReadyForQuery)]
    );
    assert_eq!(tags(&caller.output()), "QfPBDECS");
    assert_eq!(rows(&caller, 2), [4]);
}

/// The server ignores the Sync that came while it waited for data, and waits for one behind the CopyFail.
#[test]
fn copy_from_in_a_series() {
    let caller = Script::ready()
        .act(&[Begin, Bind, Execute, Sync])
        .server(Server::new().bind_complete())
        .server(refused().ready())
        .act(&[Series])
        .server(Server::new().series(&[4]))
        .play("copy-in-extended");
    assert_eq!(
        events(&caller)[..4],
        [
            (1, Event::BindComplete),
            (1, Event::CopyInRefused),
            (1, Event::Error),
            (1, Event::ReadyForQuery),
        ]
    );
    assert_eq!(tags(&caller.output()), "BESfSPBDECS");
    assert_eq!(rows(&caller, 2), [4]);
}

/// No Sync was sent yet, so that the caller's own is the one that the server waits for.
#[test]
fn copy_from_in_a_series_that_has_no_sync_yet() {
    let caller = Script::ready()
        .act(&[Begin, Bind, Execute, Flush])
        .server(Server::new().bind_complete())
        .server(refused())
        .act(&[Sync, Series])
        .server(Server::new().ready().series(&[4]))
        .play("copy-in-unsynced");
    assert_eq!(tags(&caller.output()), "BEHfSPBDECS");
    assert_eq!(caller.error(), None);
    assert_eq!(caller.conversation().ready_due(), 0);
    assert_eq!(rows(&caller, 2), [4]);
}

/// As above, but the Sync is asked for after the refusal and before the error has come.
#[test]
fn a_sync_between_the_refusal_and_its_error() {
    let caller = Script::ready()
        .act(&[Begin, Bind, Execute, Flush])
        .server(Server::new().bind_complete().copy(b'G'))
        .act(&[Sync])
        .server(Server::new().error("57014").ready())
        .play("copy-in-sync-behind");
    assert_eq!(tags(&caller.output()), "BEHfS");
    assert_eq!(caller.conversation().owed(), 0);
    assert_eq!(caller.error(), None);
}

/// Every Sync that was sent behind the COPY is lost on the server, not only the first.
#[test]
fn copy_from_before_several_syncs() {
    let extended = Script::ready()
        .act(&[Begin, Bind, Execute, Sync, Begin, Sync, Begin, Sync])
        .server(Server::new().bind_complete())
        .server(refused().ready().ready().ready())
        .play("copy-in-syncs");
    assert_eq!(tags(&extended.output()), "BESSSfSSS");
    assert_eq!(extended.conversation().owed(), 0);

    let simple = Script::ready()
        .act(&[Begin, Query, Begin, Sync])
        .server(refused().ready().ready())
        .play("copy-in-simple-sync");
    assert_eq!(tags(&simple.output()), "QSfS");
    assert_eq!(simple.conversation().owed(), 0);
}

/// A Sync behind another request reaches the server when it takes no data any more: it is not lost, and is not sent again.
/// However many there are, what one refusal writes is of one size.
#[test]
fn what_a_refused_copy_writes_does_not_grow_with_what_was_asked_behind_it() {
    const MANY: usize = 5_000;
    let asked = [[Begin, RunAlone]; MANY].concat();
    let hostile = Server::new().bind_complete().then(&refused()).ready();
    let caller =
        (0..MANY).fold(Script::ready().act(&asked), |script, _| script.server(hostile.clone()));
    let caller = caller.run_whole();
    assert_eq!((caller.error(), caller.conversation().owed()), (None, 0));
    let tags = tags(&caller.output());
    assert_eq!(tags, "BES".repeat(MANY) + &"fS".repeat(MANY));
}

/// Data is there for one COPY. Another one in the same text is refused, and the session goes on.
#[test]
fn a_second_copy_from_in_a_simple_query_is_refused() {
    let caller = Script::ready()
        .act(&[Begin, QueryCopy])
        .server(Server::new().copy(b'G'))
        .act(&[CopyData, CopyDone])
        .server(Server::new().complete("COPY 1").copy(b'G'))
        .act(&[CopyData, CopyDone, CopyFail])
        .server(Server::new().error("57014").ready())
        .act(&[Series])
        .server(Server::new().series(&[4]))
        .play("copy-in-twice");
    assert_eq!(
        events(&caller)[..5],
        [
            (1, Event::CopyIn),
            (1, Event::CommandComplete),
            (1, Event::CopyInRefused),
            (1, Event::Error),
            (1, Event::ReadyForQuery),
        ]
    );
    assert_eq!(tags(&caller.output()), "QdcfPBDECS");
    assert_eq!((caller.error(), rows(&caller, 2)), (None, vec![4]));
    // It may stand behind other results too.
    let caller = Script::ready()
        .act(&[Begin, QueryCopy])
        .server(Server::new().columns().row(1).complete("SELECT 1").empty(b'I').copy(b'G'))
        .act(&[CopyData, CopyDone])
        .server(Server::new().complete("COPY 1").ready())
        .play("copy-in-behind-rows");
    assert_eq!(tags(&caller.output()), "Qdc");
    assert_eq!((caller.error(), caller.conversation().owed()), (None, 0));
}

#[test]
fn only_an_error_may_answer_the_refusal() {
    let requests: [(&str, &[Action]); 2] =
        [("copy-in-then", &[Bind, Execute, Sync]), ("copy-in-simple-then", &[Query])];
    for (name, requests) in requests {
        for (then, server) in [
            ("again", Server::new().copy(b'G')),
            ("complete", Server::new().complete("COPY 0")),
            ("ready", Server::new().ready()),
            ("out", Server::new().copy(b'H')),
            ("data", Server::new().copy_data(b"1\n")),
        ] {
            let start =
                if requests.len() > 1 { Server::new().bind_complete() } else { Server::new() };
            let caller = Script::ready()
                .act(&[Begin])
                .act(requests)
                .server(start.copy(b'G'))
                .server(server)
                .play(&format!("{name}-{then}"));
            assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name} {then}");
        }
    }
}

#[test]
fn copy_to_is_passed_over() {
    let data = || Server::new().copy(b'H').copy_data(b"1\n").copy_data(b"2\n").empty(b'c');
    let simple = Script::ready()
        .act(&[Begin, Query])
        .server(data().complete("COPY 2").columns().row(1).complete("SELECT 1").ready())
        .play("copy-out-simple");
    let extended = Script::ready()
        .act(&[Begin, Bind, Execute, Sync])
        .server(Server::new().bind_complete())
        .server(data().complete("COPY 2").ready())
        .play("copy-out-extended");
    for caller in [&simple, &extended] {
        let copied = events(caller).into_iter().filter(|event| event.1 == Event::CopyData).count();
        assert_eq!(copied, 2);
        assert_eq!(caller.error(), None);
        assert_eq!(caller.conversation().owed(), 0);
        assert!(!tags(&caller.output()).contains('f'), "nothing is refused");
    }
    assert_eq!(rows(&simple, 1), [1]);
}

#[test]
fn an_error_may_end_copy_to() {
    let data = || Server::new().copy(b'H').copy_data(b"1\n").error("57014").ready();
    let simple = Script::ready().act(&[Begin, Query]).server(data()).play("copy-out-error-simple");
    let extended = Script::ready()
        .act(&[Begin, Execute, Sync, Series])
        .server(data())
        .server(Server::new().series(&[1]))
        .play("copy-out-error-extended");
    for caller in [simple, extended] {
        assert_eq!(codes(&caller), ["57014"]);
        assert_eq!(caller.conversation().owed(), 0);
        assert_eq!(caller.error(), None);
    }
}

#[test]
fn copy_messages_out_of_place_are_refused() {
    let cases = [
        ("copy-data-alone", Server::new().copy_data(b"1\n")),
        ("copy-done-alone", Server::new().empty(b'c')),
        ("copy-complete-early", Server::new().copy(b'H').complete("COPY 1")),
        ("copy-data-after-done", Server::new().copy(b'H').empty(b'c').copy_data(b"1\n")),
        ("copy-both", Server::new().copy(b'W')),
    ];
    for (name, server) in cases {
        let caller = Script::ready().act(&[Begin, Execute, Sync]).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name}");
    }
}

#[test]
fn copy_from_takes_data_in_either_protocol() {
    let simple = Script::ready()
        .act(&[Begin, QueryCopy])
        .server(Server::new().copy(b'G'))
        .act(&[CopyData, CopyData, CopyDone])
        .server(Server::new().complete("COPY 2").columns().row(1).complete("SELECT 1").ready())
        .play("copy-data-simple");
    assert_eq!(tags(&simple.output()), "Qddc");
    let extended = Script::ready()
        .act(&[Begin, Bind, ExecuteCopyIn, CopyData, Sync])
        .server(Server::new().bind_complete().copy(b'G'))
        .act(&[CopyDone, Sync])
        .server(Server::new().complete("COPY 1").ready())
        .play("copy-data-extended");
    assert_eq!(tags(&extended.output()), "BEdcS", "the Sync inside the COPY was refused");
    for caller in [&simple, &extended] {
        assert!(events(caller).contains(&(1, Event::CopyIn)));
        assert_eq!((caller.error(), caller.conversation().owed()), (None, 0));
    }
}

#[test]
fn data_behind_a_copy_that_failed_is_of_no_use() {
    let caller = Script::ready()
        .act(&[Begin, QueryCopy, CopyData, Write(15)])
        .server(Server::new().copy(b'G').error("22P04").ready())
        .act(&[CopyData, CopyDone, Series])
        .server(Server::new().series(&[1]))
        .play("copy-data-too-late");
    assert_eq!(tags(&caller.output()), "QdPBDECS");
    assert_eq!((codes(&caller), rows(&caller, 2)), (vec!["22P04".to_owned()], vec![1]));
    let caller = Script::ready()
        .act(&[Begin, Bind, ExecuteCopyIn, CopyFail, Sync])
        .server(Server::new().bind_complete().copy(b'G').error("57014").ready())
        .play("copy-data-given-up");
    assert_eq!(tags(&caller.output()), "BEfS");
    assert_eq!(codes(&caller), ["57014"]);
}

#[test]
fn copy_both_goes_both_ways_until_each_side_has_ended_its_own() {
    let caller = Script::ready()
        .act(&[Begin, QueryCopy])
        .server(Server::new().copy(b'W').copy_data(b"k").copy_data(b"w"))
        .act(&[CopyData])
        .server(Server::new().copy_data(b"w").empty(b'c'))
        .act(&[CopyDone])
        .server(Server::new().complete("COPY 0").complete("START_STREAMING").ready())
        .play("copy-both-ways");
    assert_eq!(tags(&caller.output()), "Qdc");
    assert_eq!((caller.error(), caller.conversation().owed()), (None, 0));
    for (name, server) in [
        ("copy-both-then-row", Server::new().copy(b'W').row(1)),
        ("copy-both-then-ready", Server::new().copy(b'W').ready()),
        ("copy-both-twice", Server::new().copy(b'W').copy(b'W')),
        ("copy-both-done-twice", Server::new().copy(b'W').empty(b'c').empty(b'c')),
    ] {
        let caller = Script::ready().act(&[Begin, QueryCopy]).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name}");
    }
}

#[test]
fn a_real_server_ends_copy_both_in_more_ways_than_the_manual_has() {
    // Asked to end in the middle of a large transaction it says at once that it has, and sends the rest all the same.
    let caller = Script::ready()
        .act(&[Begin, QueryCopy])
        .server(Server::new().copy(b'W').copy_data(b"w"))
        .act(&[CopyDone])
        .server(Server::new().empty(b'c').copy_data(b"w").copy_data(b"w"))
        .server(Server::new().complete("COPY 0").complete("START_STREAMING").ready())
        .play("copy-both-data-behind-done");
    assert_eq!((caller.error(), caller.conversation().owed()), (None, 0));
    // When it shuts down it completes the command without ending the data.
    let caller = Script::ready()
        .act(&[Begin, QueryCopy])
        .server(Server::new().copy(b'W').copy_data(b"w").complete("COPY 0"))
        .play("copy-both-shutdown");
    assert_eq!(caller.error(), None);
}

#[test]
fn a_function_call_has_one_result_and_one_ready() {
    let result = || Server::new().message(b'V', &[0, 0, 0, 1, 7]);
    let caller = Script::ready()
        .act(&[Begin, FunctionCall, Begin, FunctionCall])
        .server(result().ready().error("42883").ready())
        .play("function-calls");
    let seen: Vec<Event> = events(&caller).into_iter().map(|event| event.1).collect();
    assert_eq!(
        seen,
        [Event::FunctionResult, Event::ReadyForQuery, Event::Error, Event::ReadyForQuery]
    );
    assert_eq!((caller.error(), caller.conversation().owed()), (None, 0));
    for (name, server) in [
        ("function-no-result", Server::new().ready()),
        ("function-result-twice", result().then(&result())),
        ("function-row", Server::new().row(1)),
        ("function-complete", result().complete("SELECT 1")),
    ] {
        let caller = Script::ready().act(&[Begin, FunctionCall]).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name}");
    }
}

#[test]
fn a_copy_response_that_is_none_is_refused() {
    for (name, tag, body) in [
        ("copy-response-empty", b'H', &b""[..]),
        ("copy-response-format", b'H', b"\x02\0\0"),
        ("copy-response-short", b'G', b"\0\0\x02\0\0"),
        ("copy-response-long", b'G', b"\0\0\0\0\0"),
        ("copy-response-column", b'H', b"\0\0\x01\0\x02"),
        ("copy-response-countless", b'G', b"\0\xff\xff"),
    ] {
        let server = Server::new().message(tag, body);
        let caller = Script::ready().act(&[Begin, Execute, Sync]).server(server).play(name);
        assert!(caller.error().is_some(), "{name}");
        assert!(!tags(&caller.output()).contains('f'), "{name}: nothing is refused in it");
    }
}
