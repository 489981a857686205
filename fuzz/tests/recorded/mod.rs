//! What real servers have sent to the tests of the project, as inputs.

use std::path::Path;

use crate::{keep_for, root, target};

/// The longest input that is kept.
const LONGEST: usize = 4096;

/// The files of a folder with this ending, in the order of their names.
fn files(folder: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort_unstable();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let file = |path: &Path| std::fs::read(path).expect("the file can be read");
    paths.iter().map(|path| (name(path), file(path))).collect()
}

/// The pieces of a recording, each with whether the server sent it (`stellata_testkit::Recording` tells the form).
fn pieces(file: &[u8]) -> Vec<(bool, &[u8])> {
    let mut rest = file.strip_prefix(b"stellata recording 1\n").expect("a recording");
    let mut pieces = Vec::new();
    while let Some((&[way, a, b, c, d], behind)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).expect("a length");
        let (bytes, later) = behind.split_at(length);
        pieces.push((way == b'<', bytes));
        rest = later;
    }
    pieces
}

/// The byte of the action by which a caller of the harness sends such a message (`src/action.rs`).
fn action(tag: u8, body: &[u8], next: Option<u8>) -> Option<u8> {
    let with_data = matches!(next, Some(b'd' | b'c' | b'f'));
    let of_portal = u8::from(body.first() == Some(&b'P')) << 4;
    Some(match tag {
        b'P' => 2,
        b'B' => 3,
        b'D' => 4 | of_portal,
        b'E' if with_data => 5 | 1 << 4,
        b'E' => 5,
        b'C' => 6 | of_portal,
        b'H' => 7,
        b'S' => 8,
        b'Q' if with_data => 9 | 1 << 4,
        b'Q' => 9,
        b'F' => 9 | 2 << 4,
        b'd' => 12 | 1 << 4,
        b'c' => 12 | 2 << 4,
        b'f' if !body.starts_with(b"no data was given") => 12 | 3 << 4,
        b'X' => 14,
        // The login, and what a conversation sends of itself.
        _ => return None,
    })
}

/// The messages of a client behind the first, which has no tag.
fn messages(mut bytes: &[u8], is_first: bool) -> Vec<(u8, &[u8])> {
    let mut messages = Vec::new();
    let length = |at: usize, bytes: &[u8]| {
        let length = bytes[at..].first_chunk().expect("a length");
        at + usize::try_from(u32::from_be_bytes(*length)).expect("a length")
    };
    if is_first {
        bytes = &bytes[length(0, bytes)..];
    }
    while let Some(&tag) = bytes.first() {
        let (message, rest) = bytes.split_at(length(1, bytes));
        messages.push((tag, &message[5..]));
        bytes = rest;
    }
    messages
}

/// Whole sessions: what the client asks becomes actions, what the server sends comes behind them.
#[test]
fn sessions() {
    let mut count = 0;
    for (name, file) in files("tests/data/streams", "bin") {
        let pieces = pieces(&file);
        let server: Vec<u8> =
            pieces.iter().filter(|piece| piece.0).flat_map(|piece| piece.1).copied().collect();
        if server.len() > LONGEST {
            continue;
        }
        let mut actions = Vec::new();
        let asked: Vec<(u8, &[u8])> = (pieces.iter().enumerate())
            .filter(|(_, piece)| !piece.0)
            .flat_map(|(index, piece)| messages(piece.1, index == 0))
            .collect();
        let mut asked = asked.iter().peekable();
        for (index, (from_server, bytes)) in pieces.iter().enumerate() {
            if *from_server {
                let powers = (0..16_u8).rev().filter(|power| bytes.len() >> power & 1 == 1);
                actions.extend(powers.map(|power| power << 4));
                // The keys, where the login waits for them.
                actions.push(13);
                continue;
            }
            let mut begun = false;
            for _ in messages(bytes, index == 0) {
                let Some((tag, body)) = asked.next() else { break };
                let next = asked.peek().map(|next| next.0);
                let Some(byte) = action(*tag, body, next) else { continue };
                if !begun && !matches!(tag, b'd' | b'c' | b'f' | b'X') {
                    actions.push(1);
                    begun = true;
                }
                actions.push(byte);
            }
        }
        let Ok(length) = u8::try_from(actions.len()) else { continue };
        // The password may be sent as it is.
        let input = [&[2, length][..], &actions, &server].concat();
        keep_for("conversation", &format!("recorded-{name}"), &input);
        target("conversation-in-short").run(&[&[1], &*input].concat());
        count += 1;
    }
    println!("fuzz: {count} recorded sessions");
    assert!(count >= 25);
}

/// The messages of a file of hexadecimal digits, one a line.
fn lines(file: &[u8]) -> Vec<Vec<u8>> {
    let file = str::from_utf8(file).expect("digits");
    let digits = |pair: &[u8]| {
        u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("digits")
    };
    file.lines().map(|line| line.as_bytes().chunks(2).map(digits).collect()).collect()
}

#[test]
fn replication() {
    for (name, file) in files("protocol/tests/data/pgoutput", "hex") {
        if name == "walsender" {
            for (number, message) in lines(&file).iter().enumerate() {
                keep_for("stream", &format!("stream-{number}"), message);
            }
            continue;
        }
        let version = match name.get(..2) {
            Some("v1") => 0,
            Some("v2") => 1,
            Some("v3") => 2,
            _ => 4,
        };
        let mut input = vec![version];
        for message in lines(&file) {
            let length = u16::try_from(message.len()).expect("a short message");
            input.extend_from_slice(&length.to_be_bytes());
            input.extend_from_slice(&message);
        }
        keep_for("pgoutput", &format!("pgoutput-{name}"), &input);
    }
}

#[test]
fn copies() {
    for (name, file) in files("protocol/tests/data/copy", "bin") {
        let columns = match &*name {
            "rows" => 6,
            "wide" => 2,
            "empty" => 1,
            _ => 0,
        };
        let input = [&[columns, 255, 3, 7, 1, 100][..], &file].concat();
        keep_for("copy-reader", &format!("copy-read-{name}"), &input);
    }
    keep_for("copy-writer", "copy-write", &[0x10, 0x22, 0x31, 0x07, 0x43, 0x54, 0x65, 0x76, 0xf0]);
}
