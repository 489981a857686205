//! Programs of the nightly toolchain, for what stable has not.

use std::process::Command;

use super::shell;

/// The platform that a nightly toolchain builds for, where one is installed.
pub(crate) fn host() -> Option<String> {
    let version = shell::capture(program("rustc").arg("-vV"))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// A program of the nightly toolchain.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new("rustup");
    // What cargo tells the programs that it runs would choose the toolchain that runs us.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command.args(["run", "nightly", name]);
    command
}
