//! What the tests tell tracers, loggers and their own output, written down while they run, and searched for secrets.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;

use crate::{Failure, Outcome, shell, workspace};

/// Tells the test kit where to keep its journals.
const FOLDER: &str = "STELLATA_JOURNAL";

/// Runs these test programs of the whole system with journals, and searches those.
pub(crate) fn search(programs: &[&str]) -> Outcome {
    let name = format!("target/xtask/journal-{}", std::process::id());
    let folder = workspace::root().join(name);
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).args(["test", "-p", "stellata-tests", "--no-fail-fast"]);
    programs.iter().for_each(|program| drop(cargo.args(["--test", program])));
    // What passing tests print is searched too. Somebody else's server would not ask for our secrets.
    cargo.args(["--", "--nocapture"]).env(FOLDER, &folder).env_remove("DATABASE_URL");
    shell::announce(&cargo);
    let mut child = cargo
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| shell::not_started(&cargo, &error))?;
    let copies = [
        child.stdout.take().map(|from| {
            let to = File::create(folder.join("stdout.output")).map_err(failed)?;
            Ok(thread::spawn(move || copy(from, to, std::io::stdout())))
        }),
        child.stderr.take().map(|from| {
            let to = File::create(folder.join("stderr.output")).map_err(failed)?;
            Ok(thread::spawn(move || copy(from, to, std::io::stderr())))
        }),
    ];
    let mut copied = Ok(());
    for thread in copies.into_iter().flatten() {
        if let Ok(Err(error)) = thread?.join() {
            copied = Err(failed(error));
        }
    }
    let status = child.wait().map_err(|error| shell::not_started(&cargo, &error))?;
    copied?;
    let mut search = shell::cargo();
    search.current_dir(workspace::root());
    search.args(["run", "--quiet", "-p", "stellata-tests", "--example", "search", "--"]);
    shell::run(search.arg(&folder))
        .map_err(|failure| Failure::new(format!("{}: {}", folder.display(), failure.message)))?;
    if !status.success() {
        return Err(Failure::new(format!(
            "tests failed; their journals are in {}",
            folder.display()
        )));
    }
    std::fs::remove_dir_all(&folder).map_err(failed)
}

/// Copies what comes to a file and to the user.
fn copy(mut from: impl Read, mut file: File, mut user: impl Write) -> std::io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut piece)?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
        file.write_all(read)?;
        // Nobody may be looking.
        let _ = user.write_all(read).and_then(|()| user.flush());
    }
}
