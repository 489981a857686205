//! The programs that count, and the columns that are left out where they can't be had.

use std::process::{Command, Stdio};

use crate::{Failure, apt, shell};

/// A program that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Valgrind,
    Strace,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Valgrind => "valgrind",
            Self::Strace => "strace",
        }
    }

    /// What can't be counted without it.
    fn columns(self) -> &'static str {
        match self {
            Self::Valgrind => "instructions, allocations and memory",
            Self::Strace => "system calls",
        }
    }

    /// A run that does nothing: a sandbox may forbid what the tool needs.
    fn trial(self) -> Command {
        let mut command = Command::new(self.name());
        match self {
            Self::Valgrind => command.args(["--quiet", "--tool=none", "true"]),
            Self::Strace => command.args(["-f", "-qq", "-o", "/dev/null", "true"]),
        };
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What the tool says it is.
    pub(super) fn version(self) -> String {
        let said = shell::capture(Command::new(self.name()).arg("--version")).unwrap_or_default();
        said.lines().next().unwrap_or_default().to_owned()
    }
}

/// A tool that can't be had, and why.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) tool: Tool,
    pub(super) reason: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "skipped: {} ({})", self.tool.columns(), self.reason)
    }
}

/// Sees that the tools are there, or installs them where that needs no question; tells which are not to be had.
pub(super) fn missing() -> Vec<Missing> {
    [Tool::Valgrind, Tool::Strace].into_iter().filter_map(look_for).collect()
}

fn look_for(tool: Tool) -> Option<Missing> {
    if shell::which(tool.name()).is_none() {
        println!("{} is not installed here", tool.name());
        if let Err(Failure { message, .. }) = apt::install(tool.name()) {
            let reason = format!("{} is missing; {}", tool.name(), message.trim());
            return Some(Missing { tool, reason });
        }
    }
    match tool.trial().status() {
        Ok(status) if status.success() => None,
        _ => Some(Missing { tool, reason: format!("{} can't run here", tool.name()) }),
    }
}
