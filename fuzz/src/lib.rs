//! One harness for every kind of hostile bytes. The first byte of an input chooses the kind.
//!
//! It is linked by libFuzzer (`fuzz_targets/wire.rs`), by a runner that needs no nightly toolchain (`main.rs`), and its
//! first modules by the tests of `protocol`.

#[allow(dead_code, reason = "the tests of protocol write what is only read here")]
mod action;
#[allow(dead_code, reason = "the tests of protocol look at more of it")]
mod caller;
mod conversation;
mod message;
mod value;
pub mod mutation;

/// Runs one input. It panics when a promise is broken, and on nothing else.
pub fn run(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    match kind % 4 {
        0 | 1 => conversation::play(rest),
        2 => message::read(rest),
        _ => value::read(rest),
    }
}
