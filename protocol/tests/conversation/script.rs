//! A script: what the caller does and what the server sends, in order.

use std::path::Path;

use stellata_protocol::message::ServerError;
use stellata_protocol::{Error, ErrorKind, Event, frame};

use crate::action::Action;
use crate::caller::{Caller, Seen, Setup};
use crate::server::Server;

/// Set to any value, it makes each test write its script into the corpus of the fuzzer instead of comparing.
const WRITE: &str = "STELLATA_WRITE_CORPUS";

#[derive(Clone, Debug)]
enum Step {
    Act(Action),
    Server(Vec<u8>),
}

/// What happens in one session.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    setup: u8,
    steps: Vec<Step>,
}

/// How the server's bytes are cut.
#[derive(Clone, Copy, Debug)]
enum Pieces {
    Whole,
    Bytes,
    /// Pieces of 1 to 7 bytes, by seed.
    Seed(u64),
}

impl Script {
    /// A session that has to log in.
    pub(crate) fn login(setup: u8) -> Self {
        Self { setup, steps: Vec::new() }
    }

    /// A session that is logged in.
    pub(crate) fn ready() -> Self {
        Self::login(Setup::READY)
    }

    pub(crate) fn act(mut self, actions: &[Action]) -> Self {
        self.steps.extend(actions.iter().map(|action| Step::Act(*action)));
        self
    }

    pub(crate) fn server(mut self, server: Server) -> Self {
        self.steps.push(Step::Server(server.bytes().to_vec()));
        self
    }

    /// Plays the script in every way and returns the caller of the plain one.
    ///
    /// `name` is that of its file in the fuzzer's corpus.
    #[track_caller]
    pub(crate) fn play(self, name: &str) -> Caller {
        self.keep(name);
        fuzzed_input_is_sound(&self.to_input());
        let whole = self.run(Pieces::Whole, usize::MAX).0;
        let (bytes, error_at) = self.run(Pieces::Bytes, usize::MAX);
        same(&whole, &bytes, "byte by byte");
        for seed in 1..=8 {
            let pieces = self.run(Pieces::Seed(seed), usize::MAX).0;
            same(&whole, &pieces, &format!("in small pieces (seed {seed})"));
        }
        self.events_end_where_messages_end(bytes.seen());
        self.every_prefix(&bytes, error_at);
        whole
    }

    /// Plays a script that is too long to be cut off after each byte, or to be kept.
    #[track_caller]
    pub(crate) fn play_long(self) -> Caller {
        let whole = self.run(Pieces::Whole, usize::MAX).0;
        same(&whole, &self.run(Pieces::Bytes, usize::MAX).0, "byte by byte");
        same(&whole, &self.run(Pieces::Seed(1), usize::MAX).0, "in small pieces");
        whole
    }

    /// Plays a script that is too long for any other way.
    pub(crate) fn run_whole(self) -> Caller {
        self.run(Pieces::Whole, usize::MAX).0
    }

    /// Cut off anywhere, the session has seen what was whole by then and not a thing more.
    fn every_prefix(&self, bytes: &Caller, error_at: usize) {
        for len in 0..self.stream().len() {
            let (cut, _) = self.run(Pieces::Whole, len);
            let whole: Vec<_> =
                bytes.seen().iter().filter(|seen| seen.received <= len).map(plain).collect();
            let seen: Vec<_> = cut.seen().iter().map(plain).collect();
            assert_eq!(seen, whole, "cut after {len} bytes");
            let failed = if error_at <= len { bytes.error() } else { None };
            assert_eq!(cut.error(), failed, "cut after {len} bytes");
        }
    }

    /// An event comes with the last byte of its message, neither before nor after.
    fn events_end_where_messages_end(&self, seen: &[Seen]) {
        let stream = self.stream();
        let mut ends = Vec::new();
        let mut at = 0;
        while let Ok(Some(message)) = frame(&stream[at..], usize::MAX) {
            at += message.size;
            ends.push(at);
        }
        for seen in seen {
            assert!(ends.contains(&seen.received), "{:?} came at {}", seen.answer, seen.received);
        }
    }

    /// All that the server sends.
    fn stream(&self) -> Vec<u8> {
        let parts = self.steps.iter().map(|step| match step {
            Step::Act(_) => &[][..],
            Step::Server(bytes) => bytes,
        });
        parts.collect::<Vec<_>>().concat()
    }

    /// Plays until the server has sent `limit` bytes; returns the caller and how many had come when it failed.
    fn run(&self, pieces: Pieces, limit: usize) -> (Caller, usize) {
        let mut caller = Caller::start(Setup(self.setup));
        let mut left = limit;
        let mut fed = 0;
        let mut error_at = usize::MAX;
        for step in &self.steps {
            match step {
                Step::Act(action) => caller.act(*action),
                Step::Server(bytes) => {
                    let now = &bytes[..bytes.len().min(left)];
                    left -= now.len();
                    for piece in cut(now, pieces) {
                        caller.feed(piece);
                        fed += piece.len();
                        if caller.error().is_some() {
                            error_at = error_at.min(fed);
                        }
                    }
                    if left == 0 {
                        break;
                    }
                }
            }
        }
        (caller, error_at)
    }

    /// The script as an input of the fuzzer, without the byte for the kind.
    pub(crate) fn to_input(&self) -> Vec<u8> {
        let mut actions = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Act(action) => actions.push(action.to_byte()),
                // What comes last needs no action: all that is left is fed at the end.
                Step::Server(_) if index + 1 == self.steps.len() => {}
                Step::Server(bytes) => {
                    let powers = (0..16_u8).rev().filter(|power| bytes.len() >> power & 1 == 1);
                    actions.extend(powers.map(|power| Action::Feed(power).to_byte()));
                }
            }
        }
        let count = u8::try_from(actions.len()).expect("a script has fewer than 256 actions");
        [&[self.setup, count][..], &actions, &self.stream()].concat()
    }

    /// Writes the script into the corpus, or sees that it is there.
    #[track_caller]
    fn keep(&self, name: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join("../fuzz/corpus/wire").join(name);
        let input = [&[0], &*self.to_input()].concat();
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, input).expect("the corpus can be written");
        } else {
            let kept = std::fs::read(&path).unwrap_or_default();
            assert!(
                kept == input,
                "fuzz/corpus/wire/{name} is not this script: run the test with {WRITE}=1"
            );
        }
    }
}

fn fuzzed_input_is_sound(input: &[u8]) {
    crate::fuzzed::play(input);
}

fn cut(bytes: &[u8], pieces: Pieces) -> Vec<&[u8]> {
    match pieces {
        Pieces::Whole => vec![bytes],
        Pieces::Bytes => bytes.chunks(1).collect(),
        Pieces::Seed(seed) => {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut rest = bytes;
            let mut parts = Vec::new();
            while !rest.is_empty() {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let size = usize::try_from(state % 7).expect("a small number") + 1;
                let (part, later) = rest.split_at(size.min(rest.len()));
                parts.push(part);
                rest = later;
            }
            parts
        }
    }
}

fn plain(seen: &Seen) -> (u64, Event, bool, &[u8]) {
    (seen.answer.request, seen.answer.event, seen.answer.abandoned, &seen.body)
}

#[track_caller]
fn same(one: &Caller, other: &Caller, how: &str) {
    let events = |caller: &Caller| caller.seen().iter().map(owned).collect::<Vec<_>>();
    assert_eq!(events(one), events(other), "{how}");
    assert_eq!(one.error(), other.error(), "{how}");
    assert_eq!(one.output(), other.output(), "{how}");
    let (one, other) = (one.conversation(), other.conversation());
    assert_eq!(one.status(), other.status(), "{how}");
    assert_eq!(one.owed(), other.owed(), "{how}");
    assert_eq!(one.dropped(), other.dropped(), "{how}");
    assert_eq!(one.is_over(), other.is_over(), "{how}");
}

fn owned(seen: &Seen) -> (u64, Event, bool, Vec<u8>) {
    let (request, event, abandoned, body) = plain(seen);
    (request, event, abandoned, body.to_vec())
}

/// The events, each with the number of its call.
pub(crate) fn events(caller: &Caller) -> Vec<(u64, Event)> {
    caller.seen().iter().map(|seen| (seen.answer.request, seen.answer.event)).collect()
}

/// The numbers in the DataRows that belong to a call.
pub(crate) fn rows(caller: &Caller, request: u64) -> Vec<i32> {
    let of_call = caller
        .seen()
        .iter()
        .filter(|seen| seen.answer.event == Event::DataRow && seen.answer.request == request);
    of_call
        .map(|seen| {
            let number = seen.body.last_chunk().expect("a row of the test server has a number");
            i32::from_be_bytes(*number)
        })
        .collect()
}

/// The SQLSTATE of each error event.
pub(crate) fn codes(caller: &Caller) -> Vec<String> {
    let errors = caller.seen().iter().filter(|seen| seen.answer.event == Event::Error);
    errors
        .map(|seen| {
            let error = ServerError::read(&seen.body).expect("an error event can be read");
            error.sqlstate.to_string()
        })
        .collect()
}

/// The family of the error that ended the conversation.
pub(crate) fn ended_by(caller: &Caller) -> Option<ErrorKind> {
    caller.error().as_ref().map(Error::kind)
}

/// The tags of the messages that the client wrote, those without a tag left out.
pub(crate) fn tags(output: &[u8]) -> String {
    let mut rest = output;
    let mut tags = String::new();
    while let Some((&tag, after)) = rest.split_first() {
        let len = u32::from_be_bytes(*after.first_chunk().expect("a length follows the tag"));
        tags.push(char::from(tag));
        rest = &after[usize::try_from(len).expect("a length fits")..];
    }
    tags
}
