//! The conversation against a scripted server: what each message means, in which order, for which call.
//!
//! Every script is played all at once, byte by byte and in pieces of 1 to 7 bytes, and cut off after each of its bytes
//! (see [`script`]). The scripts are also where the fuzzer starts from.

#[path = "../../../fuzz/src/action.rs"]
mod action;
#[path = "../../../fuzz/src/caller.rs"]
mod caller;
#[path = "../../../fuzz/src/conversation.rs"]
mod fuzzed;

mod script;
mod server;

mod abandoned;
mod arbitrary;
mod asynchronous;
mod copy;
mod extended;
mod limits;
mod login;
mod misuse;
mod obedient;
mod policy;
mod simple;
mod token;
mod version;
