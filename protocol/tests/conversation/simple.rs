//! The simple query protocol.

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{ErrorKind, Event};

use crate::action::Action::{Begin, Query, Series};
use crate::script::{Script, codes, ended_by, events, rows};
use crate::server::Server;

#[test]
fn several_results() {
    let caller = Script::ready()
        .act(&[Begin, Query])
        .server(Server::new().columns().row(1).row(2).complete("SELECT 2"))
        .server(Server::new().complete("CREATE TABLE").empty(b'I'))
        .server(Server::new().columns().complete("SELECT 0").ready())
        .play("simple");
    let seen: Vec<Event> = events(&caller).into_iter().map(|event| event.1).collect();
    assert_eq!(
        seen,
        [
            Event::RowDescription,
            Event::DataRow,
            Event::DataRow,
            Event::CommandComplete,
            Event::CommandComplete,
            Event::EmptyQuery,
            Event::RowDescription,
            Event::CommandComplete,
            Event::ReadyForQuery,
        ]
    );
    assert_eq!(rows(&caller, 1), [1, 2]);
}

#[test]
fn an_error_ends_the_text_but_not_the_next_query() {
    let caller = Script::ready()
        .act(&[Begin, Query, Begin, Query])
        .server(Server::new().columns().row(1).complete("SELECT 1"))
        .server(Server::new().columns().row(2).error("22012"))
        .server(Server::new().ready_in(TransactionStatus::Failed))
        .server(Server::new().columns().row(3).complete("SELECT 1").ready())
        .play("simple-error");
    assert_eq!(codes(&caller), ["22012"]);
    assert_eq!(rows(&caller, 1), [1, 2]);
    assert_eq!(rows(&caller, 2), [3]);
    assert_eq!(caller.conversation().owed(), 0);
}

#[test]
fn nothing_but_ready_follows_an_error() {
    let caller = Script::ready()
        .act(&[Begin, Query])
        .server(Server::new().error("42601").complete("SELECT 1"))
        .play("simple-on-after-error");
    assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage));
}

#[test]
fn both_protocols_take_turns() {
    let caller = Script::ready()
        .act(&[Series, Begin, Query, Series])
        .server(Server::new().series(&[1]))
        .server(Server::new().columns().row(2).complete("SELECT 1").ready())
        .server(Server::new().series(&[3]))
        .play("simple-between-series");
    assert_eq!((rows(&caller, 1), rows(&caller, 2), rows(&caller, 3)), (vec![1], vec![2], vec![3]));
}

#[test]
fn results_out_of_order_are_refused() {
    for (name, server) in [
        ("simple-bare-row", Server::new().row(1)),
        ("simple-row-after-end", Server::new().columns().complete("SELECT 0").row(1)),
        ("simple-ready-in-rows", Server::new().columns().row(1).ready()),
        ("simple-ready-alone", Server::new().ready()),
        ("simple-parse-complete", Server::new().parse_complete()),
        ("simple-suspended", Server::new().columns().empty(b's')),
    ] {
        let caller = Script::ready().act(&[Begin, Query]).server(server).play(name);
        assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage), "{name}");
    }
}
