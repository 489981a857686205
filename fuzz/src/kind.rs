//! The kinds of hostile bytes: the first byte of an input chooses one.

use crate::{conversation, copy, message, replication, value};

/// The kinds. Whole conversations have two of them.
const KINDS: [fn(&[u8]); 7] = [
    conversation::in_pieces,
    conversation::in_short,
    message::read,
    value::read,
    copy,
    replication::stream,
    replication::pgoutput,
];

/// Runs one input. It panics when a promise is broken, and on nothing else.
pub fn run(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    KINDS[usize::from(kind) % KINDS.len()](rest);
}

fn copy(input: &[u8]) {
    match input.split_first() {
        Some((2, rest)) => copy::text(rest),
        Some((kind, rest)) if kind % 2 == 0 => copy::read(rest),
        Some((_, rest)) => copy::write(rest),
        None => {}
    }
}
