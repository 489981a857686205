//! What real servers have sent, with bits flipped, bytes added and bytes taken away, played to a conversation that asks what
//! the recorded client asked, and to a client: an error or what the bytes say, little memory, little time.
//!
//! `STELLATA_LONG=1` tries two millions; `STELLATA_SEED` draws others; `STELLATA_MUTATION` names the one that failed.

#![allow(clippy::print_stdout, reason = "the figures are what the test is for")]

#[path = "../../fuzz/src/mutation.rs"]
#[allow(dead_code, unreachable_pub, reason = "the fuzzer uses all of it")]
mod mutation;
#[path = "../it/hostile/workflow.rs"]
mod workflow;
#[path = "../it/hostile/conversations.rs"]
mod conversations;
#[path = "../it/hostile/recording.rs"]
mod recording;
#[path = "../it/recorded/replay.rs"]
#[allow(dead_code, reason = "the replay of whole streams uses all of it")]
mod replay;

mod client;

use std::ops::Range;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use stellata_protocol::message::{
    CommandTag, CopyResponse, FieldDescription, ServerError, read_function_result,
    read_row_description,
};
use stellata_protocol::{Columns, Event, Oid};
use stellata_testkit::{Direction, Recording};

use crate::mutation::Random;
use crate::replay::{Asked, Player, streams};

const USUAL: u64 = 20_000;
const LONG: u64 = 2_000_000;

/// What one mutation may make the client hold.
const MEMORY: u64 = 64 << 20;

/// How long one may take.
const TIME: Duration = Duration::from_secs(1);

/// A recorded stream and the questions of its client.
struct Stream {
    name: String,
    recording: Recording,
    asked: Asked,
    /// Each play derives a key, which takes as long as a thousand others.
    is_slow: bool,
}

/// The pieces of a session, each with its direction.
type Pieces = Vec<(Direction, Vec<u8>)>;

/// What came of a play: the events, and whether all was answered without an error.
struct Outcome {
    events: Vec<(Event, u64, Vec<u8>)>,
    is_whole: bool,
}

/// Which mutations are tried.
struct Numbers {
    seed: u64,
    count: u64,
    only: Option<u64>,
}

impl Numbers {
    /// What the environment tells.
    fn told(usual: u64, long: u64) -> Self {
        let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse().ok());
        let count = if std::env::var_os("STELLATA_LONG").is_some() { long } else { usual };
        let seed = number("STELLATA_SEED").unwrap_or(1);
        Self { seed, count, only: number("STELLATA_MUTATION") }
    }

    fn range(&self) -> Range<u64> {
        self.only.map_or(0..self.count, |only| only..only + 1)
    }

    /// A stream of its own for each, so that one that fails can be made again alone.
    fn random(&self, number: u64) -> Random {
        Random::new(self.seed.wrapping_mul(1 << 32).wrapping_add(number))
    }
}

/// Changes the server's bytes at one to four places.
fn mutate(recording: &Recording, random: &mut Random) -> Pieces {
    let mut pieces: Pieces =
        recording.pieces().map(|(direction, bytes)| (direction, bytes.to_vec())).collect();
    let servers: Vec<usize> =
        (0..pieces.len()).filter(|at| pieces[*at].0 == Direction::ToClient).collect();
    for _ in 0..=random.below(4) {
        let piece = &mut pieces[servers[random.below(servers.len())]].1;
        let at = random.below(piece.len());
        match (random.below(3), piece.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(_)) => drop(piece.remove(at)),
            _ => {
                let byte = u8::try_from(random.below(256)).unwrap();
                piece.insert(at, byte);
            }
        }
    }
    pieces
}

/// Plays a session as far as it goes.
fn play(stream: &Stream, pieces: &Pieces) -> Outcome {
    let mut player = Player::start(&stream.recording);
    let mut number = 0;
    let mut went = Ok(());
    for (direction, bytes) in pieces {
        went = match direction {
            Direction::ToClient => player.receive(bytes),
            Direction::ToServer => {
                number += 1;
                let asked = stream.asked.try_ask(number - 1, &mut player.conversation);
                let output = player.conversation.output().len();
                player.conversation.wrote(output);
                asked
            }
        };
        if went.is_err() {
            break;
        }
    }
    let is_whole = went.is_ok() && player.conversation.owed() == 0;
    Outcome { events: player.into_events(), is_whole }
}

/// Reads each message as a client would.
fn look(events: &[(Event, u64, Vec<u8>)]) {
    let mut types: Vec<Oid> = Vec::new();
    for (event, _, body) in events {
        match event {
            Event::RowDescription => {
                let fields: Vec<FieldDescription> = read_row_description(body).unwrap_or_default();
                types = fields.iter().map(|field| field.type_oid).collect();
            }
            Event::DataRow => {
                if let Ok(mut row) = Columns::new(body, &types) {
                    while row.remaining() > 0 && row.skip().is_ok() {}
                }
            }
            Event::CommandComplete => {
                let _ = CommandTag::read(body).map(|tag| tag.rows());
            }
            Event::CopyIn | Event::CopyOut | Event::CopyBoth => drop(CopyResponse::read(body)),
            Event::FunctionResult => {
                let _ = read_function_result(body);
            }
            Event::Error => {
                let _ = ServerError::read(body).map(|error| error.to_string());
            }
            _ => {}
        }
    }
}

/// The bodies of the server's DataRows, read by nothing of the library; and whether the messages fill the stream.
fn rows(pieces: &Pieces) -> (Vec<&[u8]>, bool) {
    let mut rows = Vec::new();
    let mut fills = true;
    for (_, bytes) in pieces.iter().filter(|piece| piece.0 == Direction::ToClient) {
        let mut rest = bytes.as_slice();
        while let [tag, a, b, c, d, ..] = *rest {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length < 4 || length >= rest.len() {
                break;
            }
            if tag == b'D' {
                rows.push(&rest[5..length + 1]);
            }
            rest = &rest[length + 1..];
        }
        fills &= rest.is_empty();
    }
    (rows, fills)
}

/// Holds what was told against what the bytes say.
fn check(pieces: &Pieces, outcome: &Outcome) {
    let told: Vec<&[u8]> = outcome
        .events
        .iter()
        .filter(|event| event.0 == Event::DataRow)
        .map(|event| event.2.as_slice())
        .collect();
    let requests = outcome.events.iter().map(|event| event.1);
    assert!(requests.is_sorted(), "an answer came to an earlier question");
    let (sent, fills) = rows(pieces);
    if fills {
        assert!(sent.starts_with(&told), "rows were told that were not sent");
        assert!(!outcome.is_whole || sent.len() == told.len(), "rows are missing");
    }
}

#[test]
fn streams_with_bits_flipped_and_bytes_added_and_removed() {
    let streams: Vec<Stream> = streams()
        .into_iter()
        .map(|(name, recording)| Stream {
            asked: Asked::of(&recording),
            is_slow: name.contains("scram") || name.contains("refused"),
            recording,
            name,
        })
        .collect();
    let numbers = Numbers::told(USUAL, LONG);
    let seed = numbers.seed;
    let (mut count, mut whole, mut memory, mut time) = (0_u64, 0_u64, 0, Duration::ZERO);
    for number in numbers.range() {
        let mut random = numbers.random(number);
        let mut stream = &streams[random.below(streams.len())];
        while stream.is_slow && random.below(64) > 0 {
            stream = &streams[random.below(streams.len())];
        }
        let pieces = mutate(&stream.recording, &mut random);
        let case = format!("mutation {number} of seed {seed}, of {}", stream.name);
        let tried = std::panic::catch_unwind(|| {
            let begun = Instant::now();
            let mut outcome = None;
            let held = measure(|| outcome = Some(play(stream, &pieces))).bytes_max;
            let took = begun.elapsed();
            let outcome = outcome.unwrap();
            look(&outcome.events);
            check(&pieces, &outcome);
            (held, took, outcome.is_whole)
        });
        let Ok((held, mut took, is_whole)) = tried else { panic!("{case} failed") };
        assert!(held <= MEMORY, "{case}: {held} bytes were held");
        // Once may be the machine's fault.
        for _ in 0..3 {
            if took > TIME {
                let begun = Instant::now();
                play(stream, &pieces);
                took = begun.elapsed();
            }
        }
        assert!(took <= TIME, "{case}: it took {took:?}");
        (memory, time) = (memory.max(held), time.max(took));
        count += 1;
        whole += u64::from(is_whole);
    }
    println!(
        "mutated: {count} mutations of {} streams by seed {seed}, {whole} of them still whole; \
         {memory} bytes and {time:?} at most",
        streams.len()
    );
}
