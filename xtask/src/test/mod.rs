//! `cargo xtask test`: the whole test suite with one command.

mod tally;

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use self::tally::{Skips, Tally};
use crate::journal::Journal;
use crate::{Failure, Outcome, pooler, server, shell, tidy, workspace};

const USAGE: &str =
    "usage: cargo xtask test [--servers 14,17 | --servers all] [-- arguments of `cargo test`]";

/// Tells the test kit where to note a test that it leaves out, one line each.
const SKIP_LOG: &str = "STELLATA_SKIP_LOG";

/// Tells the test kit which server to start.
const SERVER_PROGRAMS: &str = "STELLATA_PG_BIN";

/// Checks the rules of the house, then runs every test of the workspace against each server asked for, and looks for secrets
/// in what the tests tell tracers, loggers and their user meanwhile.
///
/// The test kit starts the servers: a process of tests has its own for as long as it lives, copied from a prepared
/// folder in about a tenth of a second, and a test that needs a special one starts that beside it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (own, passed_on) = match arguments.iter().position(|word| word == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, [].as_slice()),
    };
    let servers = match own {
        [] => {
            server::ensure()?;
            vec![None]
        }
        [flag, list] if flag == "--servers" => {
            let versions = server::versions(list)?;
            versions
                .into_iter()
                .map(|major| server::obtain(major).map(Some))
                .collect::<Result<_, _>>()?
        }
        _ => return Err(Failure::usage(USAGE)),
    };
    fetch_more();
    // A broken rule of the house must not hide a broken test: both are told.
    let tidy = tidy::run(&[]);
    let runs: Vec<Run> = servers
        .iter()
        .map(|programs| one_server(programs.as_deref(), passed_on))
        .collect::<Result<_, _>>()?;
    if runs.len() > 1 {
        println!("\nservers:");
        runs.iter().for_each(|run| println!("{run}"));
    }
    let failed: Vec<String> = runs
        .iter()
        .filter(|run| !run.passed)
        .map(|run| format!("tests failed with {}", run.server))
        .collect();
    if failed.is_empty() { tidy } else { Err(Failure::new(failed.join("\n"))) }
}

/// Sees to what a few tests need beside the server. What can't be had here is no failure: those tests are skipped, and
/// counted.
fn fetch_more() {
    let wanted = [
        ("the newest PostgreSQL", server::obtain_newest()),
        ("pgvector", server::ensure_pgvector()),
        ("PgBouncer", pooler::ensure()),
        ("a PgBouncer that follows prepared statements", pooler::ensure_tracking()),
    ];
    for (what, outcome) in wanted {
        if let Err(failure) = outcome {
            println!("tests with {what} are skipped: {}", failure.message);
        }
    }
}

/// What came of the tests with one server.
#[derive(Debug)]
struct Run {
    server: String,
    tally: Tally,
    skipped: u64,
    passed: bool,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, tally, skipped, passed } = self;
        let verdict = if *passed { "passed" } else { "FAILED" };
        write!(f, "  {verdict}  {server}: {tally}, {skipped} skipped")
    }
}

/// Runs the tests against one server, the default one when none is named.
fn one_server(programs: Option<&Path>, arguments: &[String]) -> Result<Run, Failure> {
    let log = fresh_log()?;
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).args(["test", "--no-fail-fast"]);
    // Cargo takes both, and tests everything: whoever names a package means that one.
    let names_package = |word: &String| word.starts_with("-p") || word.starts_with("--package");
    if !arguments.iter().take_while(|word| *word != "--").any(names_package) {
        cargo.arg("--workspace");
    }
    cargo.args(arguments);
    cargo.env(SKIP_LOG, &log).stdout(Stdio::piped());
    let journal = Journal::of(&mut cargo)?;
    let mut printed = journal.output("stdout.output")?;
    let mut server = "the server that is installed".to_owned();
    if let Some(folder) = programs {
        server = server::describe(folder);
        println!("\nserver: {server}");
        cargo.env(SERVER_PROGRAMS, folder).env_remove("DATABASE_URL");
    }
    shell::announce(&cargo);
    let mut child = cargo.spawn().map_err(|error| shell::not_started(&cargo, &error))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line);
            tally.add(&line);
            println!("{line}");
            writeln!(printed, "{line}").map_err(|error| {
                Failure::new(format!("can't keep what the tests print: {error}"))
            })?;
        }
    }
    let status = child.wait().map_err(|error| shell::not_started(&cargo, &error))?;
    println!("{tally}");
    let skipped = std::fs::read_to_string(&log).unwrap_or_default();
    let skips = Skips::of(&skipped);
    print!("{skips}");
    // A server of somebody else does not ask for our secrets, and of a part of the tests nobody knows how much they tell.
    let is_ours = programs.is_some() || std::env::var_os("DATABASE_URL").is_none();
    let searched = journal.search(is_ours && arguments.is_empty());
    if let Err(failure) = &searched {
        println!("{}", failure.message);
    }
    let passed = status.success() && searched.is_ok();
    Ok(Run { server, tally, skipped: skips.count(), passed })
}

/// An empty file of its own for this run's skipped tests.
fn fresh_log() -> Result<PathBuf, Failure> {
    let folder = workspace::root().join("target/xtask");
    let log = folder.join(format!("skipped-{}.log", std::process::id()));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&log, ""))
        .map_err(|error| Failure::new(format!("can't write {}: {error}", log.display())))?;
    Ok(log)
}
