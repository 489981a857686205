//! `cargo xtask ci`: what the project asks of every change. The list itself is `.ci/run`, so that there is only one.

use std::process::Command;

use crate::{Failure, Outcome, shell, workspace};

/// Runs `.ci/run`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err(Failure::usage("usage: cargo xtask ci"));
    }
    shell::run(Command::new("bash").arg(".ci/run").current_dir(workspace::root()))
}
