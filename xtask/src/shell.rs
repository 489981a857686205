//! Starting other programs: every command line is shown before it runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Failure, Outcome};

/// The cargo that runs this task, so that a toolchain chosen with `cargo +name` is kept.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Prints the command as a user would type it, runs it, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    announce(command);
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} failed ({status})", name(command))))
    }
}

/// Runs the command silently; its standard output when it succeeds.
pub(crate) fn capture(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the command silently; when it fails, what it wrote to standard error is part of the failure.
pub(crate) fn succeed(command: &mut Command) -> Outcome {
    output(command).map(drop)
}

/// As [`succeed`], and gives what the command wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| not_started(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{} failed ({}): {}", line(command), output.status, said.trim())))
}

/// Prints the command line that is about to run.
pub(crate) fn announce(command: &Command) {
    eprintln!("\n$ {}", line(command));
}

/// A program that could not be started, in words.
pub(crate) fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} could not be started: {error}", name(command)))
}

/// A program that is ended after five minutes, and what it has started with it: a server that stops answering must not hold
/// up whoever waits for it. By `timeout` of the coreutils, so that the program needs no thread that watches it.
pub(crate) fn limited(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "300"]).arg(program);
    command
}

/// The first executable of that name in `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn line(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(name(command))
        .chain(command.get_args().map(|word| word.to_string_lossy().into_owned()))
        .collect();
    words.join(" ")
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
