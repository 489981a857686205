//! `cargo xtask peers`: our pool beside others, on one server, in turns. By hand only: it measures time, and builds what we
//! are compared with.

use crate::{Outcome, server, shell, workspace};

/// Builds the program of `benches/peers` and runs it; the words are its own.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    server::ensure()?;
    let root = workspace::root();
    let mut cargo = shell::cargo();
    cargo.current_dir(root.join("benches/peers")).args(["run", "--release", "--locked"]);
    // Beside everything else that is built, which this shares nothing with.
    cargo.arg("--target-dir").arg(root.join("target/peers"));
    shell::run(cargo.arg("--").args(arguments))
}
