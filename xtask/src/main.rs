//! The commands of the project, run as `cargo xtask <command>`.
//!
//! This file only dispatches; each command is a module of its name. The modules stand in the order of their imports.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its user")]

mod shell;
mod workspace;

mod apt;
mod nightly;
mod shelf;

mod pooler;
mod server;

mod data;

mod budgets;
mod ci;
mod cover;
mod demo;
mod fuzz;
mod journal;
mod peers;
mod races;
mod rel;
mod test;
mod tidy;

use std::process::ExitCode;

/// What stops a command: a sentence for the user and the process's exit code.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The work was done and the answer is no.
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The work could not begin: wrong arguments, or something the user has to install.
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }
}

/// What every command gives back.
type Outcome = Result<(), Failure>;

const USAGE: &str = "\
usage: cargo xtask <command> [options]

  demo   [--full]                   run the tour on real data against a throwaway server
  test   [--servers N,N|all] [-- ..]  run the whole test suite; what follows `--` goes to `cargo test`
  tidy                              check the rules of the house that the compiler does not
  budgets [--record] [words]        count what the operations cost, beside what they may cost
  fuzz   [--target NAME] [--runs N]  give the protocol hostile bytes, a bounded number of times
  rel    Rnn [--long]               prove one property of docs/reliability.md, and print its figure
  cover  [-p CRATE] [--missing]     count the lines that the tests of a crate run (needs LLVM's own tools)
  peers  [--rounds N] [--turn MS]   time our pool beside others, in turns (builds them; by hand)
  data   [--full]                   rebuild examples/data, or write every flight into target/nycflights13
  ci                                what .ci/run does: format, lints, documentation, tests";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_str() {
        "budgets" => budgets::run(&rest),
        "ci" => ci::run(&rest),
        "cover" => cover::run(&rest),
        "data" => data::run(&rest),
        "demo" => demo::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "peers" => peers::run(&rest),
        "rel" => rel::run(&rest),
        "test" => test::run(&rest),
        "tidy" => tidy::run(&rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        "" => Err(Failure::usage(USAGE)),
        unknown => Err(Failure::usage(format!("there is no command `{unknown}`\n\n{USAGE}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
