//! Calls that do not fit the state of the conversation: an error, and nothing is asked.

use stellata_protocol::{
    Conversation, Error, ErrorKind, Event, Format, Login, Oid, Params, Result,
};

use crate::caller::NONCE;
use crate::server::Server;

type Request = fn(&mut Conversation) -> Result<()>;

const REQUESTS: [Request; 8] = [
    |talk| talk.parse("", "select 1", &[]),
    |talk| talk.describe_statement(""),
    |talk| talk.bind("", &Params::new(), Format::Binary),
    |talk| talk.execute(0),
    |talk| talk.close_statement(""),
    Conversation::flush,
    Conversation::sync,
    |talk| talk.query("select 1"),
];

fn fresh() -> Conversation {
    Conversation::start(Login::new("me", NONCE)).unwrap()
}

fn logged_in() -> Conversation {
    let mut conversation = fresh();
    let len = conversation.output().len();
    conversation.wrote(len);
    conversation.receive(Server::welcome().bytes());
    let answer = conversation.advance().unwrap().unwrap();
    assert_eq!(answer.event, Event::ReadyForQuery);
    conversation
}

#[track_caller]
fn all_refused(conversation: &mut Conversation, expected: impl Fn(&Error) -> bool) {
    let (output, owed) = (conversation.output().to_vec(), conversation.owed());
    for request in REQUESTS {
        let error = request(conversation).unwrap_err();
        assert!(expected(&error), "{error:?}");
    }
    assert_eq!((conversation.output(), conversation.owed()), (&*output, owed));
}

fn is_usage(error: &Error) -> bool {
    error.kind() == ErrorKind::Usage
}

#[test]
fn nothing_can_be_asked_before_the_login_is_done() {
    let mut conversation = fresh();
    all_refused(&mut conversation, is_usage);
    conversation.receive(b"R\0\0\0\x08\0\0\0\0");
    assert_eq!(conversation.advance(), Ok(None));
    all_refused(&mut conversation, is_usage);
    conversation.terminate();
    assert!(!conversation.is_over(), "there is no session to end yet");
}

#[test]
fn nothing_can_be_asked_after_goodbye() {
    let mut conversation = logged_in();
    conversation.terminate();
    assert_eq!(conversation.output(), b"X\0\0\0\x04");
    assert!(conversation.is_over());
    all_refused(&mut conversation, is_usage);
    conversation.terminate();
    assert_eq!(conversation.output(), b"X\0\0\0\x04", "once");
}

#[test]
fn nothing_can_be_asked_after_the_server_ended_the_session() {
    let mut conversation = logged_in();
    conversation.receive(Server::new().fatal("57P01").bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::Error);
    all_refused(&mut conversation, is_usage);
}

#[test]
fn after_an_error_every_call_returns_that_error() {
    let mut conversation = logged_in();
    conversation.receive(Server::new().row(1).ready().bytes());
    let error = conversation.advance().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedMessage);
    assert!(conversation.is_over());
    all_refused(&mut conversation, |other| *other == error);
    conversation.receive(Server::new().ready().bytes());
    assert_eq!(conversation.advance(), Err(error));
    conversation.terminate();
    assert_eq!(conversation.output(), b"");
}

#[test]
fn a_simple_query_can_t_stand_inside_a_series() {
    let mut conversation = logged_in();
    conversation.begin();
    conversation.parse("", "select 1", &[Oid::INT4]).unwrap();
    assert!(is_usage(&conversation.query("select 1").unwrap_err()));
    // Nor behind an error that the Sync has not ended yet.
    conversation.receive(Server::new().error("42601").bytes());
    assert_eq!(conversation.advance().unwrap().unwrap().event, Event::Error);
    assert!(is_usage(&conversation.query("select 1").unwrap_err()));
    conversation.sync().unwrap();
    conversation.query("select 1").unwrap();
    assert_eq!(conversation.ready_due(), 2);
}

#[test]
fn what_can_t_be_written_is_not_asked() {
    let mut conversation = logged_in();
    conversation.begin();
    let kind = |result: Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(conversation.parse("a\0b", "select 1", &[])), ErrorKind::InvalidText);
    assert_eq!(kind(conversation.parse("", "select '\0'", &[])), ErrorKind::InvalidText);
    assert_eq!(kind(conversation.query("select 1\0; drop")), ErrorKind::InvalidText);
    let types = vec![Oid::INT4; 65_536];
    assert_eq!(kind(conversation.parse("", "select 1", &types)), ErrorKind::TooLarge);
    let mut params = Params::new();
    (0..65_536).for_each(|_| params.push_null(Oid::INT4));
    assert_eq!(kind(conversation.bind("", &params, Format::Text)), ErrorKind::TooLarge);
    assert_eq!(kind(conversation.execute(u32::MAX)), ErrorKind::TooLarge);
    assert_eq!((conversation.output(), conversation.owed()), (&b""[..], 0));
}

#[test]
fn start_up_values_with_a_nul_are_refused() {
    let kind = |login| Conversation::start(login).map(|_| ()).unwrap_err().kind();
    assert_eq!(kind(Login::new("a\0b", NONCE)), ErrorKind::InvalidText);
    assert_eq!(kind(Login::new("a", NONCE).parameter("x\0", "y")), ErrorKind::InvalidText);
    assert_eq!(kind(Login::new("a", NONCE).parameter("x", "y\0")), ErrorKind::InvalidText);
    assert_eq!(kind(Login::new("a", NONCE).parameter("", "y")), ErrorKind::Usage);
    assert_eq!(kind(Login::new("", NONCE)), ErrorKind::Usage);
}

#[test]
fn requests_without_a_call_are_no_part_of_the_login() {
    let mut conversation = logged_in();
    conversation.parse("", "selec", &[]).unwrap();
    conversation.sync().unwrap();
    conversation.receive(Server::new().error("42601").ready().bytes());
    while conversation.advance().unwrap().is_some() {}
    assert!(!conversation.is_over(), "the error was that of a statement");
    assert_eq!(conversation.sync(), Ok(()));
}
