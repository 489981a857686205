//! A whole conversation from one fuzz input.
//!
//! The input is a byte for the [`Setup`], a byte for the number of actions, one byte for each [`Action`], and then what
//! the server sends.

use crate::action::Action;
use crate::caller::{Caller, Setup};

/// Plays the input three times, in the pieces that it asks for, byte by byte, and by the shorter ways: all must come to the
/// same.
pub(crate) fn play(input: &[u8]) {
    let Some((&[setup, count], rest)) = input.split_first_chunk() else { return };
    let (actions, server) = rest.split_at(usize::from(count).min(rest.len()));
    let setup = Setup(setup);
    let pieces = run(Caller::start(setup), actions, server, usize::MAX);
    let bytes = run(Caller::start(setup), actions, server, 1);
    assert_eq!(pieces.error(), bytes.error(), "the error depends on how the bytes are cut");
    assert!(pieces.output() == bytes.output(), "the output depends on how the bytes are cut");
    let events = |caller: &Caller| {
        let seen = caller.seen().iter();
        seen.map(|seen| (seen.answer, seen.body.clone())).collect::<Vec<_>>()
    };
    assert_eq!(events(&pieces), events(&bytes), "the events depend on how the bytes are cut");

    let quick = run(Caller::start(setup).quickly(), actions, server, usize::MAX);
    assert_eq!(pieces.error(), quick.error(), "a shorter way leads to another error");
    assert!(pieces.output() == quick.output(), "a shorter way leads to other output");
    let usual = pieces.seen().iter().map(|seen| (seen.answer.event, &seen.body));
    assert!(
        usual.eq(quick.seen().iter().map(|seen| (seen.answer.event, &seen.body))),
        "a shorter way leads to other events"
    );
    let (pieces, quick) = (pieces.conversation(), quick.conversation());
    assert_eq!((pieces.status(), pieces.owed()), (quick.status(), quick.owed()));
}

/// Does the actions, and feeds what is left behind the last of them.
pub(crate) fn run(mut caller: Caller, actions: &[u8], mut server: &[u8], piece: usize) -> Caller {
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
