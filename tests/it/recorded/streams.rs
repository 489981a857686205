//! What real servers have sent, whole, in pieces of any length, and cut off at any byte.

use stellata_protocol::message::{PROTOCOL_3_0, PROTOCOL_3_2};
use stellata_testkit::{Direction, Recording};

use super::replay::{Asked, Player, Seen, streams};

/// The most prefixes of one stream that are tried, and the most bytes in them; of longer ones not all.
const MOST: usize = 2_000;
const MOST_BYTES: usize = 8 << 20;

/// The same where each prefix costs the derivation of a key.
const MOST_WITH_KEYS: usize = 40;

/// Plays a whole recording, with the server's bytes cut into pieces as `chunk` says.
fn play(recording: &Recording, mut chunk: impl FnMut() -> usize) -> Seen {
    let asked = Asked::of(recording);
    let mut player = Player::start(recording);
    let mut number = 0;
    for (direction, mut bytes) in recording.pieces() {
        if direction == Direction::ToServer {
            asked.ask(number, &mut player.conversation);
            number += 1;
            continue;
        }
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(chunk().min(bytes.len()));
            player.receive(piece).unwrap();
            bytes = rest;
        }
    }
    player.seen()
}

/// Plays a recording until the server has sent `end` bytes. Returns what was seen, and whether an answer is still owed.
fn play_prefix(recording: &Recording, end: usize) -> (Seen, bool) {
    let asked = Asked::of(recording);
    let mut player = Player::start(recording);
    let (mut number, mut left) = (0, end);
    for (direction, bytes) in recording.pieces() {
        if direction == Direction::ToServer {
            asked.ask(number, &mut player.conversation);
            number += 1;
            continue;
        }
        let piece = &bytes[..left.min(bytes.len())];
        player.receive(piece).unwrap();
        left -= piece.len();
        if piece.len() < bytes.len() {
            break;
        }
    }
    let owed = player.conversation.owed() > 0;
    (player.seen(), owed)
}

#[test]
fn streams_are_there_and_small() {
    let streams = streams();
    let size: usize = streams
        .iter()
        .flat_map(|(_, recording)| {
            recording.pieces().map(|piece| piece.1.len()).collect::<Vec<_>>()
        })
        .sum();
    println!("recorded: {} streams, {size} bytes", streams.len());
    assert!(streams.len() >= 50);
    assert!(size < 1_000_000);
}

/// The length of a CancelRequest without its key, and of the keys of each protocol version.
const CANCEL: usize = 12;
const SHORT_KEY: usize = 4;
const LONG_KEY: usize = 32;

#[test]
fn servers_speak_the_newer_protocol_or_come_down_to_theirs() {
    let mut count = 0;
    for (name, recording) in streams().iter().filter(|(name, _)| name.contains("newer")) {
        let seen = play(recording, || usize::MAX);
        let (protocol, key) = match name.starts_with("18/") {
            true => (PROTOCOL_3_2, LONG_KEY),
            false => (PROTOCOL_3_0, SHORT_KEY),
        };
        assert_eq!(seen.protocol, protocol, "{name}");
        assert_eq!(seen.cancel.unwrap().len(), CANCEL + key, "{name}");
        // An older server says that it is one; a newer one only that it does not know an option.
        let negotiates = recording.bytes(Direction::ToClient).first() == Some(&b'v');
        assert_eq!(negotiates, protocol == PROTOCOL_3_0 || name.contains("option"), "{name}");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn however_a_stream_is_cut_it_means_the_same() {
    let mut runs = 0;
    for (name, recording) in streams() {
        let whole = play(&recording, || usize::MAX);
        assert!(!whole.events.is_empty(), "{name}");
        for size in 1..=7 {
            assert!(play(&recording, || size) == whole, "{name} by {size}");
        }
        // Pieces of 1 to 7 bytes, drawn from a fixed seed.
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mixed = play(&recording, || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % 7) as usize + 1
        });
        assert!(mixed == whole, "{name} by 1 to 7");
        runs += 9;
    }
    println!("recorded: {runs} chunkings");
}

#[test]
fn a_stream_that_is_cut_off_gives_no_whole_answer() {
    let mut count = 0;
    for (name, recording) in streams() {
        let whole = play(&recording, || usize::MAX);
        let length = recording.bytes(Direction::ToClient).len();
        let most =
            if name.contains("scram") { MOST_WITH_KEYS } else { MOST.min(MOST_BYTES / length) };
        let due = due(&recording);
        for end in (0..length).step_by(length.div_ceil(most)) {
            let (seen, owed) = play_prefix(&recording, end);
            let events = seen.events.len();
            assert!(whole.events.starts_with(&seen.events), "{name}, {end} of {length}");
            // Either all that was asked has been answered, or the conversation knows that it has not.
            let due = due.iter().find(|piece| end < piece.0).unwrap().1;
            assert!(owed || events >= due, "{name}, {end} of {length}: {events} events of {due}");
            count += 1;
        }
    }
    println!("recorded: {count} prefixes");
}

/// For each piece of the server: where it ends, and how many events there are up to there.
fn due(recording: &Recording) -> Vec<(usize, usize)> {
    let mut end = 0;
    let mut due = Vec::new();
    for (direction, bytes) in recording.pieces() {
        if direction == Direction::ToClient {
            end += bytes.len();
            due.push((end, play_prefix(recording, end).0.events.len()));
        }
    }
    due
}
