//! What a proxy has seen: counts, flights and the messages in them.

use super::recording::Recording;
use super::settings::Direction;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What has passed through a proxy, over all its connections, since it began or was last told to
/// forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Bytes the client sent.
    pub bytes_to_server: u64,
    /// Bytes the server sent.
    pub bytes_to_client: u64,
    /// Times the proxy found bytes of the client: its writes, where the network joins none.
    pub writes_to_server: u64,
    /// Times the proxy found bytes of the server.
    pub writes_to_client: u64,
    /// A round trip is counted when bytes come from the client of a connection, and they are its
    /// first, or bytes of the server were handed to it since its last ones.
    ///
    /// What the client sends before it was handed an answer belongs to the same round trip, even
    /// if the server has already answered. A delay towards the client makes that sharp: without
    /// one, an answer may be handed over between two writes of a client that did not wait for it.
    pub round_trips: u64,
}

/// One message of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The connection, counted from 1 in the order of acceptance.
    pub connection: u64,
    /// The round trip of that connection it belongs to, counted from 1.
    pub flight: u64,
    /// The type byte of the message, or `^` for those that have none: StartupMessage,
    /// SSLRequest, GSSENCRequest and CancelRequest.
    pub tag: char,
    /// When its first byte came, since the proxy began.
    pub at: Duration,
}

/// Everything seen so far, shared by the connections and whoever asks.
#[derive(Debug)]
pub(super) struct Record {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recording: bool,
    /// Whether the bytes of the connections to come are kept.
    keeping: bool,
    kept: BTreeMap<u64, Recording>,
    counts: Counts,
    sent: Vec<Sent>,
    accepted: u64,
    links: HashMap<u64, Link>,
}

#[derive(Debug)]
struct Link {
    /// Whether the next bytes of the client begin a flight.
    turned: bool,
    flight: u64,
    framing: Framing,
}

impl Record {
    pub(super) fn new() -> Record {
        let state = State {
            recording: true,
            keeping: false,
            kept: BTreeMap::new(),
            counts: Counts::default(),
            sent: Vec::new(),
            accepted: 0,
            links: HashMap::new(),
        };
        Record { begun: Instant::now(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection; gives its number.
    pub(super) fn open(&self) -> u64 {
        let mut state = self.state();
        state.accepted += 1;
        state.counts.connections += 1;
        let number = state.accepted;
        if state.keeping {
            state.kept.insert(number, Recording::default());
        }
        state.links.insert(number, Link { turned: true, flight: 0, framing: Framing::Untagged });
        number
    }

    pub(super) fn close(&self, connection: u64) {
        self.state().links.remove(&connection);
    }

    /// How many connections there are now.
    pub(super) fn open_connections(&self) -> usize {
        self.state().links.len()
    }

    /// Bytes have come from their sender.
    pub(super) fn arrived(&self, connection: u64, direction: Direction, bytes: &[u8]) {
        let at = self.begun.elapsed();
        let mut state = self.state();
        let State { recording, counts, sent, links, kept, .. } = &mut *state;
        if let Some(kept) = kept.get_mut(&connection) {
            kept.add(direction, bytes);
        }
        let length = bytes.len() as u64;
        match direction {
            Direction::ToClient => {
                counts.bytes_to_client += length;
                counts.writes_to_client += 1;
            }
            Direction::ToServer => {
                counts.bytes_to_server += length;
                counts.writes_to_server += 1;
                let Some(link) = links.get_mut(&connection) else { return };
                if std::mem::take(&mut link.turned) {
                    counts.round_trips += 1;
                    link.flight += 1;
                }
                let flight = link.flight;
                link.framing.feed(bytes, |tag| {
                    if *recording {
                        sent.push(Sent { connection, flight, tag, at });
                    }
                });
            }
        }
    }

    /// Bytes of the server are being handed to the client.
    pub(super) fn handed_to_client(&self, connection: u64) {
        if let Some(link) = self.state().links.get_mut(&connection) {
            link.turned = true;
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    pub(super) fn set_recording(&self, recording: bool) {
        self.state().recording = recording;
    }

    pub(super) fn set_keeping(&self, keeping: bool) {
        self.state().keeping = keeping;
    }

    pub(super) fn kept(&self) -> Vec<Recording> {
        self.state().kept.values().cloned().collect()
    }

    /// Forgets all counts and messages; the next bytes of each client begin its first flight.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        state.counts = Counts::default();
        state.sent.clear();
        for link in state.links.values_mut() {
            link.turned = true;
            link.flight = 0;
        }
    }
}

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// Where in the client's stream of messages the last byte seen was
/// ([manual, 55.1](https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS)).
#[derive(Debug)]
enum Framing {
    /// Before a message that has no type byte.
    Untagged,
    /// In the length and code of such a message.
    UntaggedHead { head: u64, seen: u32 },
    /// Before a message with a type byte.
    Tagged,
    /// In the length of such a message.
    TaggedHead { head: u64, seen: u32 },
    /// In the rest of a message, after which comes one with or without a type byte.
    Body { left: u64, tagged_next: bool },
    /// Encrypted, or no message of this protocol.
    Opaque,
}

impl Framing {
    /// Goes through the bytes and calls `begins` at the first byte of each message.
    fn feed(&mut self, mut bytes: &[u8], mut begins: impl FnMut(char)) {
        while let [byte, rest @ ..] = bytes {
            *self = match *self {
                Framing::Opaque => return,
                // A startup packet is short, so its length begins with a zero; TLS never does.
                Framing::Untagged if *byte != 0 => Framing::Opaque,
                Framing::Untagged => {
                    begins('^');
                    Framing::UntaggedHead { head: 0, seen: 1 }
                }
                Framing::Tagged => {
                    begins(char::from(*byte));
                    Framing::TaggedHead { head: 0, seen: 0 }
                }
                Framing::UntaggedHead { head, seen } => {
                    let head = head << 8 | u64::from(*byte);
                    match seen + 1 {
                        8 => Framing::after_untagged_head(head),
                        seen => Framing::UntaggedHead { head, seen },
                    }
                }
                Framing::TaggedHead { head, seen } => {
                    let head = head << 8 | u64::from(*byte);
                    match seen + 1 {
                        4 => Framing::body(head.saturating_sub(4), true),
                        seen => Framing::TaggedHead { head, seen },
                    }
                }
                Framing::Body { left, tagged_next } => {
                    let here = left.min(bytes.len() as u64);
                    // `here` is no more than the length of a slice.
                    bytes = bytes.get(here as usize..).unwrap_or_default();
                    *self = Framing::body(left - here, tagged_next);
                    continue;
                }
            };
            bytes = rest;
        }
    }

    fn after_untagged_head(head: u64) -> Framing {
        let left = (head >> 32).saturating_sub(8);
        match (head & u64::from(u32::MAX)) as u32 {
            SSL_REQUEST | GSS_REQUEST => Framing::body(left, false),
            CANCEL_REQUEST => Framing::Opaque,
            _ => Framing::body(left, true),
        }
    }

    fn body(left: u64, tagged_next: bool) -> Framing {
        match (left, tagged_next) {
            (0, true) => Framing::Tagged,
            (0, false) => Framing::Untagged,
            _ => Framing::Body { left, tagged_next },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn untagged(code: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&length[..], &code.to_be_bytes(), body].concat()
    }

    fn tags(stream: &[u8], chunk: usize) -> String {
        let mut framing = Framing::Untagged;
        let mut tags = String::new();
        for bytes in stream.chunks(chunk) {
            framing.feed(bytes, |tag| tags.push(tag));
        }
        tags
    }

    #[test]
    fn messages_are_found_however_they_are_chunked() {
        let stream = [
            untagged(SSL_REQUEST, b""),
            untagged(GSS_REQUEST, b""),
            untagged(196_608, b"user\0x\0\0"),
            message(b'p', b"secret\0"),
            message(b'P', b"\0select 1\0\0\0"),
            message(b'B', &[0; 300]),
            message(b'S', b""),
            message(b'X', b""),
        ]
        .concat();
        for chunk in 1..=stream.len() {
            assert_eq!(tags(&stream, chunk), "^^^pPBSX", "in chunks of {chunk}");
        }
    }

    #[test]
    fn what_is_encrypted_is_left_alone() {
        let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
        assert_eq!(tags(&hello, 4), "");
        assert_eq!(tags(&[&untagged(SSL_REQUEST, b"")[..], &hello].concat(), 5), "^");
        assert_eq!(tags(&untagged(CANCEL_REQUEST, &[1; 8]), 3), "^");
    }

    #[test]
    fn a_round_trip_begins_after_an_answer_was_handed_over() {
        let record = Record::new();
        let link = record.open();
        let startup = untagged(196_608, b"\0");
        record.arrived(link, Direction::ToServer, &startup[..5]);
        record.arrived(link, Direction::ToServer, &startup[5..]);
        assert_eq!(record.counts().round_trips, 1);
        record.arrived(link, Direction::ToClient, b"Z");
        record.arrived(link, Direction::ToServer, &message(b'Q', b"\0"));
        assert_eq!(record.counts().round_trips, 1, "the client has not seen the answer yet");
        record.handed_to_client(link);
        record.arrived(link, Direction::ToServer, &message(b'Q', b"\0"));
        assert_eq!(record.counts().round_trips, 2);
        assert_eq!(record.counts().writes_to_server, 4);
        let flights: Vec<_> = record.sent().iter().map(|sent| (sent.flight, sent.tag)).collect();
        assert_eq!(flights, [(1, '^'), (1, 'Q'), (2, 'Q')]);
        record.reset();
        record.arrived(link, Direction::ToServer, &message(b'X', b""));
        assert_eq!(record.counts().round_trips, 1);
        assert_eq!(record.sent()[0].flight, 1);
    }
}
