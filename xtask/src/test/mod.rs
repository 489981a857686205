//! `cargo xtask test`: the whole test suite with one command.

mod builds;
mod psycopg;
mod tally;

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use self::builds::BUILDS;
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
        .enumerate()
        .map(|(number, programs)| {
            // How the client is built is no matter of the server's version.
            let builds = if passed_on.is_empty() && number == 0 { BUILDS.as_slice() } else { &[] };
            one_server(programs.as_deref(), passed_on, builds)
        })
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
        ("other versions of PostgreSQL", server::obtain_all()),
        ("pgvector", server::ensure_pgvector()),
        ("PgBouncer", pooler::ensure()),
        ("a PgBouncer that follows prepared statements", pooler::ensure_tracking()),
        ("libpq 18", psycopg::ensure()),
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

/// Runs the tests against one server, the default one when none is named, and then the tests of other builds.
fn one_server(
    programs: Option<&Path>,
    arguments: &[String],
    builds: &[&[&str]],
) -> Result<Run, Failure> {
    let log = fresh_log()?;
    let server = programs.map(server::describe);
    if let Some(server) = &server {
        println!("\nserver: {server}");
    }
    let mut tally = Tally::default();
    // A server of somebody else does not ask for our secrets.
    let is_ours = programs.is_some() || std::env::var_os("DATABASE_URL").is_none();
    let is_whole = is_ours && arguments.is_empty();
    let mut passed = one_build(programs, &log, &whole(arguments), is_whole, &mut tally)?;
    for words in builds {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        passed &= one_build(programs, &log, &words, false, &mut tally)?;
    }
    println!("{tally}");
    let skipped = std::fs::read_to_string(&log).unwrap_or_default();
    let skips = Skips::of(&skipped);
    print!("{skips}");
    let server = server.unwrap_or_else(|| "the server that is installed".to_owned());
    Ok(Run { server, tally, skipped: skips.count(), passed })
}

/// The arguments with which the whole workspace is tested, unless they name a package.
fn whole(arguments: &[String]) -> Vec<String> {
    // Cargo takes both, and tests everything: whoever names a package means that one.
    let names_package = |word: &String| word.starts_with("-p") || word.starts_with("--package");
    let named = arguments.iter().take_while(|word| *word != "--").any(names_package);
    let workspace = (!named).then(|| "--workspace".to_owned());
    workspace.into_iter().chain(arguments.iter().cloned()).collect()
}

/// Runs `cargo test` with these arguments, adds up what it says and searches what the tests tell for secrets; tells whether
/// all tests passed. Of the `whole` suite it is known how much it tells.
fn one_build(
    programs: Option<&Path>,
    log: &Path,
    arguments: &[String],
    whole: bool,
    tally: &mut Tally,
) -> Result<bool, Failure> {
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).args(["test", "--no-fail-fast"]).args(arguments);
    cargo.env(SKIP_LOG, log).stdout(Stdio::piped());
    let journal = Journal::of(&mut cargo)?;
    let mut printed = journal.output("stdout.output")?;
    if let Some(folder) = programs {
        cargo.env(SERVER_PROGRAMS, folder).env_remove("DATABASE_URL");
    }
    shell::announce(&cargo);
    let mut child = cargo.spawn().map_err(|error| shell::not_started(&cargo, &error))?;
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
    let searched = journal.search(whole);
    if let Err(failure) = &searched {
        println!("{}", failure.message);
    }
    Ok(status.success() && searched.is_ok())
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
