//! What a server may send at any time: notices, notifications, settings, and the end of the session.

use stellata_protocol::message::Authentication;
use stellata_protocol::{Conversation, ErrorKind, Event, Limits, Login};

use crate::action::Action::{Abandon, Begin, Query, Series, Sync, Terminate};
use crate::caller::{Caller, NONCE, Setup};
use crate::script::{Script, codes, ended_by, events, rows};
use crate::server::Server;

/// Notice, notification, setting.
fn news(server: Server, number: usize) -> Server {
    let text = number.to_string();
    server.notice(&text).notification(&text).parameter("TimeZone", &text)
}

fn texts(caller: Caller) -> (Vec<String>, Vec<String>, String) {
    let mut conversation = caller.into_conversation();
    let zone = conversation.parameter("TimeZone").unwrap_or_default().to_owned();
    let mut notices = Vec::new();
    while let Some(notice) = conversation.pop_notice() {
        notices.push(notice.message.into());
    }
    let mut notifications = Vec::new();
    while let Some(notification) = conversation.pop_notification() {
        notifications.push(notification.payload.into());
    }
    (notices, notifications, zone)
}

#[test]
fn they_may_come_between_any_two_messages() {
    let mut server = news(Server::new(), 0);
    server = news(server.parse_complete(), 1);
    server = news(server.bind_complete(), 2);
    server = news(server.described(), 3);
    server = news(server.row(10), 4);
    server = news(server.row(11), 5);
    server = news(server.complete("SELECT 2"), 6);
    server = news(server.empty(b'3').ready(), 7);
    let caller = Script::ready().act(&[Series]).server(server).play("news-everywhere");
    assert_eq!(rows(&caller, 1), [10, 11]);
    assert_eq!(events(&caller).len(), 9, "they are no events");
    let expected: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    assert_eq!(texts(caller), (expected.clone(), expected, "7".into()));
}

#[test]
fn they_may_come_in_a_simple_query_and_in_copy() {
    let server = news(Server::new().columns().row(1), 0).complete("SELECT 1");
    let server = news(server.copy(b'H').copy_data(b"1\n"), 1).empty(b'c').complete("COPY 1");
    let caller = Script::ready().act(&[Begin, Query]).server(server.ready()).play("news-in-copy");
    assert_eq!(caller.error(), None);
    assert_eq!(texts(caller).0, ["0", "1"]);
}

#[test]
fn they_may_come_while_nothing_is_asked() {
    let caller = Script::ready()
        .server(news(Server::new(), 0))
        .act(&[Series])
        .server(Server::new().series(&[1]))
        .play("news-idle");
    assert_eq!(rows(&caller, 1), [1]);
    assert_eq!(texts(caller), (vec!["0".into()], vec!["0".into()], "0".into()));
}

#[test]
fn they_may_come_before_the_first_ready() {
    let server = Server::new().notice("early").authentication(Authentication::Ok);
    let caller = Script::login(0).server(news(server, 0).greeting()).play("news-before-ready");
    assert_eq!(events(&caller), [(0, Event::ReadyForQuery)]);
    assert_eq!(texts(caller), (vec!["early".into(), "0".into()], vec!["0".into()], "0".into()));
}

#[test]
fn before_the_login_nobody_listens() {
    let caller = Script::login(0)
        .server(Server::new().notification("early"))
        .server(Server::welcome())
        .play("notification-before-login");
    assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage));
}

#[test]
fn those_that_nobody_takes_are_dropped_oldest_first() {
    let server = (0..5).fold(Server::new(), |server, number| {
        server.notice(&number.to_string()).notification(&number.to_string())
    });
    let caller = Script::login(Setup::READY | Setup::SMALL).server(server).play("news-dropped");
    assert_eq!(caller.conversation().dropped(), 6);
    let expected: Vec<String> = vec!["3".into(), "4".into()];
    assert_eq!(texts(caller), (expected.clone(), expected, String::new()));
}

#[test]
fn those_that_hold_too_much_memory_are_dropped_oldest_first() {
    // Seven of six hundred bytes and what is around them come to more than four kilobytes.
    let long = |number: u32| format!("{number}{}", "x".repeat(600));
    let limits = Limits { notice_bytes: 4096, notification_bytes: 2048, ..Limits::default() };
    let mut conversation = Conversation::start_with(Login::new("me", NONCE), limits).unwrap();
    conversation.receive(Server::welcome().bytes());
    let server = (0..9).fold(Server::new(), |server, number| {
        server.notice(&long(number)).notification(&long(number))
    });
    conversation.receive(server.bytes());
    while conversation.advance().unwrap().is_some() {}
    let notices: Vec<_> = std::iter::from_fn(|| conversation.pop_notice()).collect();
    let firsts: String =
        notices.iter().filter_map(|notice| notice.message.chars().next()).collect();
    let notifications: Vec<_> = std::iter::from_fn(|| conversation.pop_notification()).collect();
    let payloads: String =
        notifications.iter().filter_map(|one| one.payload.chars().next()).collect();
    assert!("012345678".ends_with(&firsts) && (4..=6).contains(&firsts.len()), "{firsts}");
    assert!("012345678".ends_with(&payloads) && (2..=3).contains(&payloads.len()), "{payloads}");
    let dropped = 18 - firsts.len() - payloads.len();
    assert_eq!(conversation.dropped(), u64::try_from(dropped).unwrap());
    // One that is larger than all that may be kept goes too; the next is kept.
    let huge = "y".repeat(4096);
    let server = Server::new().notification("a").notification(&huge).notification("b");
    conversation.receive(server.bytes());
    assert_eq!(conversation.advance(), Ok(None));
    assert_eq!(&*conversation.pop_notification().unwrap().payload, "b");
    assert_eq!(conversation.pop_notification(), None);
    assert_eq!(conversation.dropped(), u64::try_from(dropped + 2).unwrap());
}

#[test]
fn malformed_ones_are_refused() {
    for (name, server) in [
        ("notice-endless", Server::new().message(b'N', b"Mtext\0")),
        ("notice-more", Server::new().message(b'N', b"Mtext\0\0x")),
        ("notification-short", Server::new().message(b'A', b"\0\0\0\x01news\0")),
        ("setting-short", Server::new().message(b'S', b"TimeZone\0")),
        ("setting-more", Server::new().message(b'S', b"TimeZone\0UTC\0x")),
    ] {
        let caller = Script::ready().server(server).play(name);
        assert!(caller.error().is_some(), "{name}");
    }
}

#[test]
fn a_server_may_end_an_idle_session() {
    let caller = Script::ready().server(Server::new().fatal("57P01")).play("fatal-idle");
    assert_eq!(codes(&caller), ["57P01"]);
    assert_eq!(caller.error(), None);
    assert!(caller.conversation().is_over());
}

#[test]
fn whoever_uses_the_session_next_is_told_of_its_end() {
    let caller = Script::ready()
        .act(&[Series])
        .server(Server::new().series(&[1]))
        .act(&[Abandon])
        .server(Server::new().fatal("57P05"))
        .act(&[Series])
        .play("fatal-after-abandon");
    let last = caller.seen().last().unwrap();
    assert_eq!((last.answer.event, last.answer.abandoned), (Event::Error, false));
    assert!(caller.conversation().is_over());
}

#[test]
fn a_server_may_end_a_session_in_the_middle() {
    for (name, server) in [
        ("fatal-in-series", Server::new().parse_complete().fatal("57P01")),
        (
            "fatal-in-rows",
            Server::new().parse_complete().bind_complete().described().row(1).fatal("57P02"),
        ),
    ] {
        let caller = Script::ready().act(&[Series]).server(server).play(name);
        assert_eq!(events(&caller).last(), Some(&(1, Event::Error)));
        assert!(caller.conversation().is_over());
    }
}

#[test]
fn an_error_that_answers_nothing_and_ends_nothing_is_refused() {
    let caller = Script::ready().server(Server::new().error("XX000")).play("error-idle");
    assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage));
    let caller = Script::ready()
        .act(&[Begin, Sync])
        .server(Server::new().ready().error("XX000"))
        .play("error-after-ready");
    assert_eq!(ended_by(&caller), Some(ErrorKind::UnexpectedMessage));
}

#[test]
fn answers_still_come_after_goodbye() {
    let caller = Script::ready()
        .act(&[Series, Terminate])
        .server(Server::new().series(&[1]))
        .play("terminate-in-flight");
    assert_eq!(rows(&caller, 1), [1]);
    assert!(caller.conversation().is_over());
}
