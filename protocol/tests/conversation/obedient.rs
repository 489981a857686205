//! A server that keeps every rule, against a caller that asks at random: each answer reaches the call that it belongs to.

use proptest::prelude::*;

use stellata_protocol::Event;
use stellata_protocol::message::TransactionStatus;

use crate::action::Action;
use crate::caller::{Caller, Setup};
use crate::script::tags;
use crate::server::Server;

#[derive(Clone, Debug)]
enum Call {
    /// The extended protocol: rows, and the message in whose place an error comes.
    Series { rows: Vec<i32>, fails_at: Option<usize> },
    /// The simple protocol: rows of each result, and whether an error comes behind them.
    Simple { results: Vec<Vec<i32>>, fails: bool },
    /// COPY FROM, in either protocol, with this many Syncs of later calls behind it.
    CopyIn { extended: bool, syncs: usize },
    /// COPY TO, in either protocol.
    CopyOut { extended: bool, data: usize },
    /// A Sync alone, with a deferred error or without.
    Sync { fails: bool },
}

impl Call {
    fn ask(&self, caller: &mut Caller) {
        let act = |caller: &mut Caller, actions: &[Action]| {
            actions.iter().for_each(|action| caller.act(*action));
        };
        match self {
            Self::Series { .. } => act(caller, &[Action::Series]),
            Self::Simple { .. } => act(caller, &[Action::Begin, Action::Query]),
            Self::CopyIn { extended: true, .. } | Self::CopyOut { extended: true, .. } => {
                act(caller, &[Action::Begin, Action::Bind, Action::Execute, Action::Sync]);
            }
            Self::CopyIn { .. } | Self::CopyOut { .. } => {
                act(caller, &[Action::Begin, Action::Query]);
            }
            Self::Sync { .. } => act(caller, &[Action::Begin, Action::Sync]),
        }
        if let Self::CopyIn { syncs, .. } = self {
            (0..*syncs).for_each(|_| act(caller, &[Action::Sync]));
        }
    }

    /// The server's answers, each message with its event.
    fn answers(&self) -> Vec<(Server, Event)> {
        let message = Server::new;
        let ready = (message().ready(), Event::ReadyForQuery);
        let error = (message().error("22012"), Event::Error);
        let failed = (message().ready_in(TransactionStatus::Failed), Event::ReadyForQuery);
        let bind = (message().bind_complete(), Event::BindComplete);
        let mut answers = Vec::new();
        match self {
            Self::Series { rows, fails_at } => {
                answers.push((message().parse_complete(), Event::ParseComplete));
                answers.push(bind);
                answers.push((message().parameters(&[]), Event::ParameterDescription));
                answers.push((message().columns(), Event::RowDescription));
                answers.extend(rows.iter().map(|row| (message().row(*row), Event::DataRow)));
                answers.push((message().complete("SELECT"), Event::CommandComplete));
                answers.push((message().empty(b'3'), Event::CloseComplete));
                match fails_at {
                    Some(place) => {
                        answers.truncate(*place);
                        answers.extend([error, failed]);
                    }
                    None => answers.push(ready),
                }
            }
            Self::Simple { results, fails } => {
                for rows in results {
                    answers.push((message().columns(), Event::RowDescription));
                    answers.extend(rows.iter().map(|row| (message().row(*row), Event::DataRow)));
                    answers.push((message().complete("SELECT"), Event::CommandComplete));
                }
                if *fails {
                    answers.push(error);
                } else if results.is_empty() {
                    answers.push((message().empty(b'I'), Event::EmptyQuery));
                }
                answers.push(ready);
            }
            Self::CopyIn { extended, syncs } => {
                answers.extend(extended.then_some(bind));
                answers.push((message().copy(b'G'), Event::CopyInRefused));
                answers.push(error);
                answers.extend(std::iter::repeat_n(ready, syncs + 1));
            }
            Self::CopyOut { extended, data } => {
                answers.extend(extended.then_some(bind));
                answers.push((message().copy(b'H'), Event::CopyOut));
                let line = (message().copy_data(b"1\n"), Event::CopyData);
                answers.extend(std::iter::repeat_n(line, *data));
                answers.push((message().empty(b'c'), Event::CopyDone));
                answers.push((message().complete("COPY"), Event::CommandComplete));
                answers.push(ready);
            }
            Self::Sync { fails } => {
                answers.extend(fails.then_some(error));
                answers.push(ready);
            }
        }
        answers
    }
}

fn call() -> impl Strategy<Value = Call> {
    let rows = || prop::collection::vec(any::<i32>(), 0..4);
    prop_oneof![
        4 => (rows(), prop::option::weighted(0.3, 0_usize..5))
            .prop_map(|(rows, fails_at)| Call::Series { rows, fails_at }),
        2 => (prop::collection::vec(rows(), 0..3), any::<bool>())
            .prop_map(|(results, fails)| Call::Simple { results, fails }),
        1 => (any::<bool>(), 0_usize..3)
            .prop_map(|(extended, syncs)| Call::CopyIn { extended, syncs }),
        1 => (any::<bool>(), 0_usize..3)
            .prop_map(|(extended, data)| Call::CopyOut { extended, data }),
        1 => any::<bool>().prop_map(|fails| Call::Sync { fails }),
    ]
}

/// A call; whether it is given up; whether the server answers all that is open before the next one.
fn calls() -> impl Strategy<Value = Vec<(Call, bool, bool)>> {
    prop::collection::vec((call(), any::<bool>(), any::<bool>()), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_answer_reaches_its_call(
        calls in calls(),
        news in prop::collection::vec(any::<bool>(), 32),
        piece in 1_usize..40,
    ) {
        let mut caller = Caller::start(Setup(Setup::READY));
        let mut expected = Vec::new();
        let mut open: Vec<(u64, Vec<(Server, Event)>)> = Vec::new();
        let mut given_up = 0;
        let mut news = news.iter().cycle();
        for (number, (call, abandoned, at_once)) in (1_u64..).zip(&calls) {
            call.ask(&mut caller);
            if *abandoned {
                caller.act(Action::Abandon);
                given_up = number;
            }
            open.push((number, call.answers()));
            // A real server ends the session over anything but Sync while it waits for COPY data.
            let waits = matches!(call, Call::CopyIn { .. });
            let copies = calls.get(usize::try_from(number).unwrap())
                .is_some_and(|next| matches!(next.0, Call::CopyIn { .. }));
            if *at_once || waits || copies || calls.len() as u64 == number {
                let mut server = Server::new();
                for (number, answers) in open.drain(..) {
                    for (answer, event) in answers {
                        server = server.raw(answer.bytes());
                        if *news.next().unwrap() {
                            server = server.notice("by the way").parameter("TimeZone", "UTC");
                        }
                        let body = answer.bytes()[5..].to_vec();
                        expected.push((number, event, number <= given_up, body));
                    }
                }
                server.bytes().chunks(piece).for_each(|part| caller.feed(part));
                prop_assert_eq!(caller.conversation().owed(), 0);
                caller.act(Action::Write(15));
            }
        }
        prop_assert_eq!(caller.error(), None);
        let seen: Vec<_> = caller.seen().iter().map(|seen| {
            let answer = seen.answer;
            (answer.request, answer.event, answer.abandoned, seen.body.clone())
        }).collect();
        prop_assert_eq!(&seen, &expected);
        prop_assert!(caller.conversation().is_quiet());
        // While it waits for COPY data a server takes a Sync for nothing, all others and each simple query it answers.
        let lost: usize = calls.iter().map(|(call, ..)| match call {
            Call::CopyIn { extended, syncs } => syncs + usize::from(*extended),
            _ => 0,
        }).sum();
        let asked = tags(&caller.output()).chars().filter(|tag| "SQ".contains(*tag)).count();
        let ready = expected.iter().filter(|event| event.1 == Event::ReadyForQuery).count();
        prop_assert_eq!(asked - lost, ready);
    }
}
