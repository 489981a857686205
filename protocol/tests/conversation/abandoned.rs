//! Calls that were given up: their answers are marked, and never taken for another call's.

use stellata_protocol::Event;

use crate::action::Action::{Abandon, Begin, Bind, Execute, Query, Series, Sync};
use crate::caller::Caller;
use crate::script::{Script, events, rows};
use crate::server::Server;

/// The numbers in the rows that a caller would hand to its user.
fn wanted(caller: &Caller) -> Vec<i32> {
    let calls: Vec<u64> = caller
        .seen()
        .iter()
        .filter(|seen| seen.answer.event == Event::DataRow && !seen.answer.abandoned)
        .map(|seen| seen.answer.request)
        .collect();
    let mut distinct = calls;
    distinct.dedup();
    distinct.into_iter().flat_map(|call| rows(caller, call)).collect()
}

#[test]
fn a_second_query_never_sees_rows_of_the_first() {
    let caller = Script::ready()
        .act(&[Series, Abandon, Series])
        .server(Server::new().series(&[1, 1, 1]))
        .server(Server::new().series(&[2]))
        .play("abandoned");
    assert_eq!(wanted(&caller), [2]);
    assert!(caller.seen().iter().all(|seen| seen.answer.abandoned == (seen.answer.request == 1)));
}

#[test]
fn a_call_may_be_given_up_in_the_middle_of_its_rows() {
    let caller = Script::ready()
        .act(&[Series])
        .server(Server::new().parse_complete().bind_complete().described().row(1))
        .act(&[Abandon, Series])
        .server(Server::new().row(1).row(1).complete("SELECT 3").empty(b'3').ready())
        .server(Server::new().series(&[2, 2]))
        .play("abandoned-in-rows");
    let flags: Vec<bool> = caller.seen()[3..7].iter().map(|seen| seen.answer.abandoned).collect();
    assert_eq!(flags, [false, false, true, true]);
    assert_eq!(rows(&caller, 2), [2, 2]);
}

#[test]
fn an_error_of_an_abandoned_call_stays_with_it() {
    let caller = Script::ready()
        .act(&[Begin, Query, Abandon, Series])
        .server(Server::new().columns().row(1).error("22012").ready())
        .server(Server::new().series(&[2]))
        .play("abandoned-error");
    let failed = &caller.seen()[2].answer;
    assert_eq!((failed.event, failed.request, failed.abandoned), (Event::Error, 1, true));
    assert_eq!(wanted(&caller), [2]);
}

#[test]
fn a_call_that_shares_the_sync_of_an_abandoned_one_is_wanted() {
    let caller = Script::ready()
        .act(&[Begin, Bind, Execute, Abandon, Begin, Bind, Execute, Sync])
        .server(Server::new().bind_complete().row(1).complete("SELECT 1"))
        .server(Server::new().bind_complete().row(2).complete("SELECT 1").ready())
        .play("abandoned-shared-sync");
    assert_eq!(wanted(&caller), [2]);
    assert_eq!(events(&caller).last(), Some(&(2, Event::ReadyForQuery)));
}
