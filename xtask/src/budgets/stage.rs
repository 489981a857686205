//! The process that runs the server, its databases and the counting proxy (`benches/src/bin/stage.rs`).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{Failure, shell};

/// A running stage. It ends when this value does.
#[derive(Debug)]
pub(super) struct Stage {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The ways to a database that is as good as new.
#[derive(Debug)]
pub(super) struct Urls {
    pub(super) direct: String,
    /// Through the proxy that counts.
    pub(super) counted: String,
}

impl Stage {
    pub(super) fn start(program: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| shell::not_started(&command, &error))?;
        let orders = child.stdin.take();
        match child.stdout.take() {
            Some(answers) => Ok(Self { child, orders, answers: BufReader::new(answers) }),
            None => Err(Failure::new("the stage has no output")),
        }
    }

    /// A database as good as new, for a role that everybody may be, or one that logs in by SCRAM.
    pub(super) fn fresh(&mut self, scram: bool) -> Result<Urls, Failure> {
        let answer = self.ask("fresh")?;
        let mut urls = answer.split('\t').skip(if scram { 2 } else { 0 }).map(str::to_owned);
        match (urls.next(), urls.next()) {
            (Some(direct), Some(counted)) => Ok(Urls { direct, counted }),
            _ => Err(Failure::new(format!("the stage answered `{answer}`"))),
        }
    }

    /// The round trips that `work` makes through the proxy.
    pub(super) fn trips(
        &mut self,
        work: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        self.ask("forget")?;
        work()?;
        self.number("counts")
    }

    /// The server's version, such as `15.18`.
    pub(super) fn version(&mut self) -> Result<String, Failure> {
        let number = self.number("version")?;
        Ok(format!("{}.{}", number / 10_000, number % 10_000))
    }

    fn number(&mut self, order: &str) -> Result<u64, Failure> {
        let answer = self.ask(order)?;
        answer.parse().map_err(|_| Failure::new(format!("the stage answered `{answer}`")))
    }

    fn ask(&mut self, order: &str) -> Result<String, Failure> {
        let lost = |_| Failure::new("the stage of the measurements ended");
        if let Some(orders) = &mut self.orders {
            writeln!(orders, "{order}").map_err(lost)?;
        }
        let mut answer = String::new();
        match self.answers.read_line(&mut answer).map_err(lost)? {
            0 => Err(Failure::new("the stage of the measurements ended")),
            _ => Ok(answer.trim_end().to_owned()),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The end of its input is its end; it stops the server first.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
