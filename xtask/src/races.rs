//! Tests under the thread sanitizer, which sees two threads at one place in memory that nothing keeps apart. A part of
//! `cargo xtask rel Rnn --long`; it needs a nightly toolchain, and fails without one: what was not tried does not hold.
//!
//! Only code without locks can be tried: the standard library comes built without the sanitizer, which does not see that
//! who had to wait for one of its locks comes behind who had it.

use crate::{Failure, Outcome, nightly, shell, workspace};

/// Builds code in which every access is seen.
const FLAGS: &str = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer";

/// What the standard library and its harness of tests keep apart by themselves is not seen either.
const UNSEEN: &str = "race:std::sync::mpmc\nrace:test::event::CompletedTest\nrace:test::run_test\n";

/// Runs tests with the arguments of `cargo test` before and behind `--`.
pub(crate) fn run(of: &[&str], filter: &[&str]) -> Outcome {
    let Some(host) = nightly::host() else {
        return Err(Failure::new(
            "no nightly toolchain is here (`rustup toolchain install nightly` brings one): \
             nothing was run under the thread sanitizer",
        ));
    };
    let target = workspace::root().join("target/races");
    let unseen = target.join("unseen");
    std::fs::create_dir_all(&target)
        .and_then(|()| std::fs::write(&unseen, UNSEEN))
        .map_err(|error| Failure::new(format!("{}: {error}", unseen.display())))?;
    let mut cargo = nightly::program("cargo");
    cargo.current_dir(workspace::root()).env("RUSTFLAGS", FLAGS);
    cargo.env("TSAN_OPTIONS", format!("suppressions={}", unseen.display()));
    // With a target the flags stay away from build scripts; in a folder of their own, from everybody else's programs.
    cargo.args(["test", "--locked", "--target", &host, "--target-dir"]).arg(&target);
    shell::run(cargo.args(of).arg("--").args(filter).arg("--nocapture"))
}
