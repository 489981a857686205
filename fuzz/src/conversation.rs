//! A whole conversation from one fuzz input.
//!
//! The input is a byte for the [`Setup`], a byte for the number of actions, one byte for each [`Action`], and then what
//! the server sends.

use crate::action::Action;
use crate::caller::{Caller, Seen, Setup};

/// Plays the input in every way. The fuzzer takes one of them at a time.
#[allow(dead_code, reason = "the tests of protocol play in every way")]
pub(crate) fn play(input: &[u8]) {
    in_pieces(input);
    in_short(input);
}

/// Plays the input twice, in the pieces that it asks for and byte by byte: both must come to the same.
pub(crate) fn in_pieces(input: &[u8]) {
    let Some((setup, actions, server)) = parts(input) else { return };
    let pieces = run(Caller::start(setup), actions, server, usize::MAX);
    let bytes = run(Caller::start(setup), actions, server, 1);
    assert_eq!(pieces.error(), bytes.error(), "the error depends on how the bytes are cut");
    assert!(pieces.output() == bytes.output(), "the output depends on how the bytes are cut");
    assert!(
        same(&pieces, &bytes, |a, b| (a.answer, &a.body) == (b.answer, &b.body)),
        "the events depend on how the bytes are cut: {:?} and {:?}",
        pieces.seen(),
        bytes.seen()
    );
}

/// Plays the input twice, by the usual way and by the shorter ones: both must come to the same.
pub(crate) fn in_short(input: &[u8]) {
    let Some((setup, actions, server)) = parts(input) else { return };
    let usual = run(Caller::start(setup), actions, server, usize::MAX);
    let quick = run(Caller::start(setup).quickly(), actions, server, usize::MAX);
    assert_eq!(usual.error(), quick.error(), "a shorter way leads to another error");
    assert!(usual.output() == quick.output(), "a shorter way leads to other output");
    assert!(
        same(&usual, &quick, |usual, quick| {
            (usual.answer.event, &usual.body) == (quick.answer.event, &quick.body)
        }),
        "a shorter way leads to other events: {:?} and {:?}",
        usual.seen(),
        quick.seen()
    );
    let (usual, quick) = (usual.conversation(), quick.conversation());
    assert_eq!((usual.status(), usual.owed()), (quick.status(), quick.owed()));
}

/// Whether both saw as many events, each of them alike.
fn same(one: &Caller, other: &Caller, alike: impl Fn(&Seen, &Seen) -> bool) -> bool {
    let (one, other) = (one.seen(), other.seen());
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
}

/// The setup, the actions, and what the server sends.
fn parts(input: &[u8]) -> Option<(Setup, &[u8], &[u8])> {
    let (&[setup, count], rest) = input.split_first_chunk()?;
    let (actions, server) = rest.split_at(usize::from(count).min(rest.len()));
    Some((Setup(setup), actions, server))
}

/// Does the actions, and feeds what is left behind the last of them.
pub(crate) fn run(mut caller: Caller, actions: &[u8], mut server: &[u8], piece: usize) -> Caller {
    let mut feed = |caller: &mut Caller, count: usize| {
        let (mut now, later) = server.split_at(count.min(server.len()));
        server = later;
        while !now.is_empty() {
            // Behind an error, of which most inputs have one, it is enough to see that all else is ignored.
            let piece = if caller.error().is_some() { usize::MAX } else { piece };
            let (part, rest) = now.split_at(piece.min(now.len()));
            caller.feed(part);
            now = rest;
        }
    };
    for &byte in actions {
        match Action::from_byte(byte) {
            Action::Feed(power) => feed(&mut caller, 1 << power),
            action => caller.act(action),
        }
    }
    feed(&mut caller, usize::MAX);
    caller.finish();
    caller
}
