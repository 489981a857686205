//! What the tests tell tracers, loggers and their own output, written down while they run, and searched for secrets.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use crate::{Failure, Outcome, shell, workspace};

/// Tells the test kit where to keep its journals.
const FOLDER: &str = "STELLATA_JOURNAL";

/// A folder for what one run of tests tells.
pub(crate) struct Journal(PathBuf);

impl Journal {
    /// An empty one, which the tests that this command runs will fill.
    pub(crate) fn of(tests: &mut Command) -> Result<Self, Failure> {
        let name = format!("target/xtask/journal-{}", std::process::id());
        let journal = Self(workspace::root().join(name));
        let _ = fs::remove_dir_all(&journal.0);
        fs::create_dir_all(&journal.0).map_err(|error| journal.failed(&error))?;
        tests.env(FOLDER, &journal.0);
        Ok(journal)
    }

    /// A file for what the tests print.
    pub(crate) fn output(&self, name: &str) -> Result<File, Failure> {
        File::create(self.0.join(name)).map_err(|error| self.failed(&error))
    }

    /// Searches all of it. Of the `whole` suite it is known how much it tells at least. What was found stays to be looked at.
    pub(crate) fn search(self, whole: bool) -> Outcome {
        let mut search = shell::cargo();
        search.current_dir(workspace::root());
        search.args(["run", "--quiet", "-p", "stellata-tests", "--example", "search", "--"]);
        search.arg(&self.0).args(whole.then_some("--whole"));
        shell::run(&mut search).map_err(|_| {
            let folder = self.0.display();
            Failure::new(format!("the tests told a secret, or too little: see {folder}"))
        })?;
        fs::remove_dir_all(&self.0).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::new(format!("{}: {error}", self.0.display()))
    }
}

/// Runs test programs of the whole system, and searches all that they tell. What passing tests print is part of it.
pub(crate) fn prove(programs: &[&str]) -> Outcome {
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).args(["test", "-p", "stellata-tests", "--no-fail-fast"]);
    cargo.args(programs.iter().flat_map(|program| ["--test", program]));
    // Somebody else's server would not ask for our secrets.
    cargo.args(["--", "--nocapture"]).env_remove("DATABASE_URL");
    let journal = Journal::of(&mut cargo)?;
    let (out, err) = (journal.output("stdout.output")?, journal.output("stderr.output")?);
    shell::announce(&cargo);
    cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = cargo.spawn().map_err(|error| shell::not_started(&cargo, &error))?;
    let copies = [
        child.stdout.take().map(|from| thread::spawn(move || copy(from, out, io::stdout()))),
        child.stderr.take().map(|from| thread::spawn(move || copy(from, err, io::stderr()))),
    ];
    let status = child.wait().map_err(|error| shell::not_started(&cargo, &error))?;
    for copied in copies.into_iter().flatten() {
        match copied.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(journal.failed(&error)),
            Err(_) => return Err(Failure::new("the output of the tests was not kept")),
        }
    }
    journal.search(true)?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("tests failed ({status})"))) }
}

/// Copies what comes to a file and to the user.
fn copy(mut from: impl Read, mut file: File, mut user: impl Write) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut piece)?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
        file.write_all(read)?;
        // Nobody may be looking.
        let _ = user.write_all(read).and_then(|()| user.flush());
    }
}
