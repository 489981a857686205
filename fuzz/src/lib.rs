//! One harness for every kind of hostile bytes. The first byte of an input chooses the kind.
//!
//! It is linked by libFuzzer (`fuzz_targets/wire.rs`), by a runner that needs no nightly toolchain (`main.rs`), and its
//! first modules by the tests of `protocol`.
//!
//! A [`Target`] looks at one kind of bytes, one message or one type alone: it is the same harness with the bytes that choose
//! held fast, so that all targets share one corpus, and every input means the same to all of them.

#[allow(dead_code, reason = "the tests of protocol write what is only read here")]
mod action;
#[allow(dead_code, reason = "the tests of protocol look at more of it")]
mod caller;
mod conversation;
mod message;
#[allow(dead_code, reason = "the tests of protocol measure how long a value is read")]
mod value;
mod copy;
mod replication;
mod kind;
pub mod mutation;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use kind::run;

/// The variable that names the target; without it all are tried.
pub const TARGET: &str = "STELLATA_FUZZ_TARGET";

/// No input may take longer.
const SLOWEST: Duration = Duration::from_millis(100);

/// A part of the harness that can be tried alone.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name: a kind, a kind and a message, or a kind and a type.
    pub name: String,
    /// What its inputs begin with.
    pub head: Vec<u8>,
}

impl Target {
    /// Runs an input, whatever it begins with.
    ///
    /// # Panics
    /// When a promise is broken, or when the input takes too long five times in a row: once may be the machine's fault.
    pub fn run(&self, input: &[u8]) {
        let rest = input.get(self.head.len()..).unwrap_or_default();
        let input = [&self.head, rest].concat();
        let is_slow = || {
            let start = Instant::now();
            run(&input);
            start.elapsed() > SLOWEST
        };
        assert!((0..5).any(|_| !is_slow()), "an input takes longer than {SLOWEST:?}");
    }
}

/// All targets: everything, each kind, each message, each type.
#[must_use]
pub fn targets() -> Vec<Target> {
    let target = |name: &str, head: &[u8]| Target { name: name.to_owned(), head: head.to_vec() };
    let mut targets = vec![
        target("wire", &[]),
        target("conversation", &[0]),
        target("conversation-in-short", &[1]),
        target("copy-reader", &[4, 0]),
        target("copy-writer", &[4, 1]),
        target("copy-text", &[4, 2]),
        target("stream", &[5]),
        target("pgoutput", &[6]),
    ];
    for (kind, reader) in (0_u8..).zip(message::READERS) {
        targets.push(target(&format!("message-{}", reader.name), &[2, kind]));
    }
    for (kind, reader) in (0_u8..).zip(value::READERS) {
        targets.push(target(&value_name(reader.name), &[3, kind]));
    }
    targets
}

/// The name of a type as that of a target and of a file.
fn value_name(rust: &str) -> String {
    let mut name = "value".to_owned();
    for part in
        rust.replace('&', "ref ").replace('[', "slice ").split(|c: char| !c.is_alphanumeric())
    {
        if !part.is_empty() && part != "_" {
            name.push('-');
            name.push_str(part);
        }
    }
    name
}

/// The bytes of an example of each type, behind what its target begins with, by the names of the targets.
#[must_use]
pub fn examples() -> Vec<(String, Vec<u8>)> {
    let own = u8::MAX; // Past the list of other types: the type's own number.
    let inputs = (0_u8..).zip(value::READERS).map(|(kind, reader)| {
        (value_name(reader.name), [&[3, kind, own][..], &(reader.seed)()].concat())
    });
    inputs.collect()
}

/// The target that the environment names.
///
/// # Panics
/// When there is none of that name.
pub fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var(TARGET).unwrap_or_else(|_| "wire".to_owned());
        let target = targets().into_iter().find(|target| target.name == name);
        target.unwrap_or_else(|| panic!("there is no target `{name}`"))
    })
}
