//! Sees that Python has a libpq that our reading of connection strings can be held against.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, Outcome, apt, shell, workspace};

/// The package that carries libpq 18 with it.
const PACKAGE: &str = "psycopg[binary]==3.3.*";

/// Succeeds where psycopg is there and its libpq is as new as the answers that the tests have.
const LOOK: &str = "from psycopg import pq; raise SystemExit(pq.version() < 180000)";

/// Fetches psycopg for a Python of the tests' own, unless a Python has it. The tests know where it is.
///
/// # Errors
/// Where there is no Python, or it can't reach its source. The tests that need it are then skipped.
pub(super) fn ensure() -> Outcome {
    let folder = workspace::root().join("target/psycopg");
    let own = python_of(&folder);
    if has_libpq(Path::new("python3")) || has_libpq(&own) {
        return Ok(());
    }
    println!("fetching psycopg (10 MB)");
    make_room(&folder).or_else(|failure| {
        // Debian has what it takes in a package of its own.
        apt::install("python3-venv").map_err(|_| failure).and_then(|()| make_room(&folder))
    })?;
    let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"];
    shell::succeed(Command::new(&own).args(words).args(["--only-binary=:all:", PACKAGE]))?;
    if has_libpq(&own) { Ok(()) } else { Err(Failure::new("psycopg has come without libpq 18")) }
}

/// An environment of Python's in an empty folder.
fn make_room(folder: &Path) -> Outcome {
    shell::succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

fn python_of(folder: &Path) -> PathBuf {
    folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn has_libpq(python: &Path) -> bool {
    shell::capture(Command::new(python).args(["-c", LOOK])).is_some()
}
