//! What the client sent, read back as SQL from the bytes that passed the proxy.

use std::collections::HashMap;

use stellata_testkit::{Direction, Proxy};

/// The statements that left together, before the client waited for an answer.
pub(crate) type Flight = Vec<String>;

/// Follows the messages of all connections of a proxy that keeps their bytes from the first one on.
#[derive(Default)]
pub(crate) struct Wire {
    /// How far the bytes of each connection have been read.
    read: HashMap<u64, usize>,
    /// The text of each prepared statement, by its connection and its name, so that it is known when only its name is sent.
    texts: HashMap<(u64, String), String>,
}

impl Wire {
    /// The statements that were sent since the last call. The proxy's counts begin anew.
    pub(crate) fn take(&mut self, proxy: &Proxy) -> Vec<Flight> {
        let sent = proxy.sent();
        proxy.reset_counts();
        let streams: Vec<Vec<u8>> = proxy
            .recordings()
            .iter()
            .map(|recording| recording.bytes(Direction::ToServer))
            .collect();
        let mut flights: Vec<((u64, u64), Flight)> = Vec::new();
        for message in sent {
            // They are kept in the order of acceptance, by which they are counted from 1.
            let index = usize::try_from(message.connection).unwrap_or_default();
            let stream = index.checked_sub(1).and_then(|index| streams.get(index));
            let read = self.read.entry(message.connection).or_default();
            let Some(bytes) = stream.and_then(|stream| stream.get(*read..)) else { continue };
            let (body, length) = body(bytes, message.tag);
            *read += length;
            let key = (message.connection, message.flight);
            if flights.iter().all(|(known, _)| *known != key) {
                flights.push((key, Flight::new()));
            }
            let Some((_, flight)) = flights.iter_mut().find(|(known, _)| *known == key) else {
                continue;
            };
            let mut words = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let mut word = || words.next().unwrap_or_default().into_owned();
            match message.tag {
                // Parse: a name and its text.
                'P' => {
                    let name = word();
                    self.texts.insert((message.connection, name), word());
                }
                // Bind: a portal, and the name of what is to be run.
                'B' => {
                    word();
                    flight.extend(self.texts.get(&(message.connection, word())).cloned());
                }
                // Query: several statements in one text.
                'Q' => flight.extend(word().split(";\n").map(str::to_owned)),
                _ => {}
            }
        }
        flights.retain(|(_, flight)| !flight.is_empty());
        flights.into_iter().map(|(_, flight)| flight).collect()
    }
}

/// The body of the message that the bytes begin with, and the length of all of it. `^` has no byte for its type.
fn body(bytes: &[u8], tag: char) -> (&[u8], usize) {
    let head = if tag == '^' { 0 } else { 1 };
    let length = bytes.get(head..).and_then(|bytes| bytes.first_chunk::<4>());
    let length = length.map_or(0, |length| u32::from_be_bytes(*length));
    let whole = head + usize::try_from(length).unwrap_or_default();
    (bytes.get(head + 4..whole).unwrap_or_default(), whole)
}
