//! A whole conversation from one fuzz input.
//!
//! The input is a byte for the [`Setup`], a byte for the number of actions, one byte for each [`Action`], and then what
//! the server sends.

use crate::action::Action;
use crate::caller::{Caller, Setup};

/// Plays the input twice, in the pieces that it asks for and byte by byte: both must come to the same.
pub(crate) fn play(input: &[u8]) {
    let Some((&[setup, count], rest)) = input.split_first_chunk() else { return };
    let (actions, server) = rest.split_at(usize::from(count).min(rest.len()));
    let setup = Setup(setup);
    let pieces = run(setup, actions, server, usize::MAX);
    let bytes = run(setup, actions, server, 1);
    assert_eq!(pieces.error(), bytes.error(), "the error depends on how the bytes are cut");
    assert!(pieces.output() == bytes.output(), "the output depends on how the bytes are cut");
    let events = |caller: &Caller| {
        let seen = caller.seen().iter();
        seen.map(|seen| (seen.answer, seen.body.clone())).collect::<Vec<_>>()
    };
    assert_eq!(events(&pieces), events(&bytes), "the events depend on how the bytes are cut");
}

/// Does the actions, and feeds what is left behind the last of them.
pub(crate) fn run(setup: Setup, actions: &[u8], mut server: &[u8], piece: usize) -> Caller {
    let mut caller = Caller::start(setup);
    let mut feed = |caller: &mut Caller, count: usize| {
        let (now, later) = server.split_at(count.min(server.len()));
        server = later;
        for part in now.chunks(piece) {
            caller.feed(part);
        }
    };
    for &byte in actions {
        match Action::from_byte(byte) {
            Action::Feed(power) => feed(&mut caller, 1 << power),
            action => caller.act(action),
        }
    }
    feed(&mut caller, usize::MAX);
    caller
}
