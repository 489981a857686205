//! Anything at all from the server, in any pieces, with any requests in between. What must hold is in
//! [`Caller`](crate::caller::Caller).

use std::path::Path;

use proptest::prelude::*;

use stellata_protocol::Oid;
use stellata_protocol::message::Authentication;

use crate::action::Action;
use crate::caller::{Caller, Setup};
use crate::fuzzed::{play, run};
use crate::script::Script;
use crate::server::Server;

/// A message as a server might send it, or nearly so.
fn message() -> impl Strategy<Value = Server> {
    let whole = prop::sample::select(vec![
        Server::welcome(),
        Server::new().authentication(Authentication::Ok),
        Server::new().authentication(Authentication::CleartextPassword),
        Server::new().authentication(Authentication::Sasl { mechanisms: b"SCRAM-SHA-256\0\0" }),
        Server::new().key(),
        Server::new().parameter("a", "b"),
        Server::new().parameter("c", "d"),
        Server::new().notice("n"),
        Server::new().notification("n"),
        Server::new().error("22012"),
        Server::new().fatal("57P01"),
        Server::new().parse_complete(),
        Server::new().bind_complete(),
        Server::new().empty(b'3'),
        Server::new().parameters(&[Oid::INT4]),
        Server::new().columns(),
        Server::new().described(),
        Server::new().empty(b'n'),
        Server::new().row(7),
        Server::new().complete("SELECT 1"),
        Server::new().empty(b'I'),
        Server::new().empty(b's'),
        Server::new().copy(b'G'),
        Server::new().copy(b'H'),
        Server::new().copy_data(b"1\n"),
        Server::new().empty(b'c'),
        Server::new().ready(),
        Server::new().series(&[1, 2]),
    ]);
    let any_body = (prop::sample::select(b"RKSvENAZ12nstTDCIGHWdc3V!".to_vec()), bytes(24))
        .prop_map(|(tag, body)| Server::new().message(tag, &body));
    prop_oneof![6 => whole, 1 => any_body, 1 => bytes(12).prop_map(|raw| Server::new().raw(&raw))]
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

#[derive(Clone, Debug)]
enum Step {
    Act(Action),
    Server(Server),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(|byte| Step::Act(Action::from_byte(byte))),
        Just(Step::Act(Action::Series)),
        message().prop_map(Step::Server),
        message().prop_map(Step::Server),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes(setup: u8, actions in bytes(40), server in bytes(400)) {
        let count = u8::try_from(actions.len()).unwrap();
        play(&[&[setup, count][..], &actions, &server].concat());
    }

    #[test]
    fn plausible_messages_in_any_order(setup: u8, steps in prop::collection::vec(step(), 0..24)) {
        let script = steps.into_iter().fold(Script::login(setup), |script, step| match step {
            Step::Act(action) => script.act(&[action]),
            Step::Server(server) => script.server(server),
        });
        play(&script.to_input());
    }
}

/// Every byte of an input that steers is read as the action that it was written for.
#[test]
fn actions_are_written_as_they_are_read() {
    for byte in 0..=u8::MAX {
        let action = Action::from_byte(byte);
        assert_eq!(Action::from_byte(action.to_byte()), action);
    }
}

/// The recorded sessions of the corpus are inputs in which everything is asked and answered.
#[test]
fn recorded_sessions_in_the_corpus_go_to_their_end() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/wire");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The proof of a recorded login fits its own password alone.
        let is_scram = name.contains("scram") || name.contains("refused");
        if !name.starts_with("recorded-") || is_scram {
            continue;
        }
        let input = std::fs::read(&path).unwrap();
        let (actions, server) = input[3..].split_at(usize::from(input[2]));
        let caller = run(Caller::start(Setup(input[1])), actions, server, usize::MAX);
        assert_eq!(caller.error(), None, "{name}");
        // Two of them end because the server says so.
        let talk = caller.conversation();
        assert!(talk.owed() == 0 || talk.is_over(), "{name}");
        count += 1;
    }
    assert!(count >= 25, "{count}");
}
