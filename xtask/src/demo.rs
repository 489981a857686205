//! `cargo xtask demo`: the tour through the library, on real flights, against a throwaway server.

use crate::{Failure, Outcome, data, server, shell, workspace};

/// Runs the tour; `--full` gives it every flight of the year instead of one week.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let full = match arguments {
        [] => false,
        [word] if word == "--full" => true,
        _ => return Err(Failure::usage("usage: cargo xtask demo [--full]")),
    };
    server::ensure()?;
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).args([
        "run",
        "--package",
        "stellata-examples",
        "--example",
        "tour",
    ]);
    if full {
        data::write_full()?;
        // A year of flights is worth an optimised build; for a week the quickest build to the first line wins, and
        // this command has already built most of it.
        println!("building the tour with optimisations (some minutes the first time)");
        cargo.args(["--release", "--", "--full"]);
    } else {
        println!("building the tour (a minute or two the first time)");
    }
    shell::run(&mut cargo)
}
