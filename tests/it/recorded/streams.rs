//! What real servers have sent, whole, in pieces of any length, and cut off at any byte.

use stellata_protocol::message::{PROTOCOL_3_0, PROTOCOL_3_2};
use stellata_testkit::{Direction, Recording};

use super::replay::{Asked, Player, Seen, streams};

/// The longest stream of which each prefix is played from its beginning, unless `STELLATA_LONG` is set: of a longer one the
/// next prefix goes on where the last one has ended.
const LONGEST: usize = 20_000;

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
fn play_prefix(recording: &Recording, asked: &Asked, end: usize) -> (Seen, bool) {
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
    let is_long = std::env::var_os("STELLATA_LONG").is_some();
    let (mut count, mut going_on, mut bytes) = (0, 0, 0);
    for (name, recording) in streams() {
        let whole = play(&recording, || usize::MAX);
        let prefixes = Prefixes { name: &name, whole: &whole, due: due(&recording) };
        let length = recording.bytes(Direction::ToClient).len();
        bytes += length;
        if length > LONGEST && !is_long {
            going_on += prefixes.hold_going_on(&recording);
        } else {
            count += prefixes.hold(&recording, length);
        }
    }
    println!("recorded: {count} prefixes from their beginnings, {going_on} one after the other");
    assert_eq!(count + going_on, bytes, "a prefix was left out");
    assert!(count > 30_000);
}

/// What is known of a stream, to hold its prefixes against.
struct Prefixes<'s> {
    name: &'s str,
    whole: &'s Seen,
    due: Vec<(usize, usize)>,
}

impl Prefixes<'_> {
    /// Plays every prefix from its beginning; returns how many there are.
    fn hold(&self, recording: &Recording, length: usize) -> usize {
        let asked = Asked::of(recording);
        for end in 0..length {
            let (seen, owed) = play_prefix(recording, &asked, end);
            let events = seen.events.len();
            assert!(self.whole.events.starts_with(&seen.events), "{}, {end}", self.name);
            self.hold_one(end, events, owed);
        }
        length
    }

    /// Plays the stream byte by byte, and looks at what was seen behind each.
    fn hold_going_on(&self, recording: &Recording) -> usize {
        let asked = Asked::of(recording);
        let mut player = Player::start(recording);
        let (mut number, mut end, mut known) = (0, 0, 0);
        for (direction, bytes) in recording.pieces() {
            if direction == Direction::ToServer {
                asked.ask(number, &mut player.conversation);
                number += 1;
                continue;
            }
            for byte in bytes {
                let events = player.events();
                let new = self.whole.events.get(known..events.len());
                assert_eq!(new, events.get(known..), "{}, {end}", self.name);
                known = events.len();
                self.hold_one(end, known, player.conversation.owed() > 0);
                player.receive(&[*byte]).unwrap();
                end += 1;
            }
        }
        end
    }

    /// Either all that was asked has been answered, or the conversation knows that it has not.
    fn hold_one(&self, end: usize, events: usize, owed: bool) {
        let due = self.due.iter().find(|piece| end < piece.0).unwrap().1;
        assert!(owed || events >= due, "{}, {end}: {events} events of {due}", self.name);
    }
}

/// For each piece of the server: where it ends, and how many events there are up to there.
fn due(recording: &Recording) -> Vec<(usize, usize)> {
    let asked = Asked::of(recording);
    let mut end = 0;
    let mut due = Vec::new();
    for (direction, bytes) in recording.pieces() {
        if direction == Direction::ToClient {
            end += bytes.len();
            due.push((end, play_prefix(recording, &asked, end).0.events.len()));
        }
    }
    due
}

/// Every way to log in that a server of the testkit offers is among the streams, with its last message of each kind.
#[test]
fn a_login_of_each_way_was_recorded() {
    let streams = streams();
    let asked = |code: u32| {
        let head = [&b"R"[..], &code.to_be_bytes()].concat();
        let is_asked = |bytes: Vec<u8>| {
            bytes.windows(9).any(|window| window[0] == head[0] && window[5..] == head[1..])
        };
        streams.iter().filter(|(_, of)| is_asked(of.bytes(Direction::ToClient))).count()
    };
    // Trust, a password as it is, MD5, and the three messages of SCRAM.
    for code in [0, 3, 5, 10, 11, 12] {
        assert!(asked(code) > 0, "{code}");
    }
    let bound = streams.iter().filter(|(_, recording)| {
        let sent = recording.bytes(Direction::ToServer);
        sent.windows(19).any(|window| window == b"SCRAM-SHA-256-PLUS\0")
    });
    assert!(bound.count() > 0, "no login is bound to its channel");
}
