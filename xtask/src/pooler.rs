//! Sees that there is a PgBouncer to test against, where one can be had without a question.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Failure, Outcome, apt, shelf, shell};

/// The folder on the shelf for a PgBouncer that follows prepared statements, as versions from 1.21 on do.
const FOLDER: &str = "pgbouncer-trixie";

/// The Debian release that has it.
const RELEASE: &str = "trixie";

/// Who signs Debian's releases.
const SIGNED_BY: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs the PgBouncer of the system's packages, unless one is there.
///
/// # Errors
/// When it is not there and can't be installed without asking. Tests that need it are then skipped.
pub(crate) fn ensure() -> Outcome {
    let there = shell::which("pgbouncer").is_some() || Path::new("/usr/sbin/pgbouncer").is_file();
    if there { Ok(()) } else { apt::install("pgbouncer") }
}

/// Fetches a PgBouncer that follows prepared statements, unless it was fetched before.
///
/// It comes with all its libraries from a Debian release that may not be the system's: apt is given a private view, and
/// the system's own is not touched.
///
/// # Errors
/// Where there is no apt for this machine, or it can't reach its source. Tests that need it are then skipped.
pub(crate) fn ensure_tracking() -> Outcome {
    let folder = shelf::path().join(FOLDER);
    if folder.join("pgbouncer").is_file() {
        return Ok(());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) || shell::which("dpkg").is_none() {
        return Err(Failure::usage("a newer PgBouncer is fetched for Debian on x86-64 only"));
    }
    let mirror =
        mirror().ok_or_else(|| Failure::usage("the system's packages are not Debian's"))?;
    println!("fetching a newer PgBouncer (a minute at most)");
    shelf::fill(&folder, |aside| {
        let view = aside.join("view");
        let cannot = |error| Failure::new(format!("can't write {}: {error}", view.display()));
        for part in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(view.join(part)).map_err(cannot)?;
        }
        let source = format!("deb [signed-by={SIGNED_BY}] {mirror} {RELEASE} main\n");
        std::fs::write(view.join("status"), "").map_err(cannot)?;
        std::fs::write(view.join("sources.list"), source).map_err(cannot)?;
        shell::output(apt_get(&view).args(["update"]))?;
        let words = ["install", "--yes", "--no-install-recommends", "--download-only", "pgbouncer"];
        shell::output(apt_get(&view).args(words))?;
        unpack(&view.join("cache/archives"), &aside.join("whole"))
    })
}

/// Where the system has its own Debian packages from.
fn mirror() -> Option<String> {
    let words = ["indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"];
    let targets = shell::capture(Command::new("apt-get").args(words))?;
    targets.lines().find_map(|line| line.strip_prefix("Debian Debian ").map(str::to_owned))
}

/// apt with sources, state and cache of its own, which knows of no installed package.
fn apt_get(view: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet=2");
    for (option, path) in [
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::State", ""),
        ("Dir::State::lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        command.arg("-o").arg(format!("{option}={}", view.join(path).display()));
    }
    for option in ["Dir::Etc::sourceparts=/dev/null", "Acquire::Languages=none"] {
        command.args(["-o", option]);
    }
    // Where apt may change its account it could not enter the folder any more.
    command.args(["-o", "APT::Sandbox::User=root"]);
    command
}

/// Takes the pooler and its libraries out of their packages, and starts it by the loader among them.
fn unpack(packages: &Path, whole: &Path) -> Result<PathBuf, Failure> {
    let cannot = |error| Failure::new(format!("can't unpack {}: {error}", packages.display()));
    for entry in std::fs::read_dir(packages).map_err(cannot)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let wanted = ["lib", "pgbouncer_", "zlib1g_"].iter().any(|begin| name.starts_with(begin));
        if wanted && name.ends_with(".deb") && !name.contains("perl") {
            shell::output(Command::new("dpkg").arg("-x").arg(entry.path()).arg(whole))?;
        }
    }
    let start = whole.join("pgbouncer");
    std::fs::write(&start, START).map_err(cannot)?;
    shell::output(Command::new("chmod").arg("755").arg(&start))?;
    // What was fetched must run here: an older kernel may not do for newer libraries.
    let said = shell::output(Command::new(&start).arg("--version"))?;
    println!("pooler: {}", said.lines().next().unwrap_or_default());
    Ok(whole.to_path_buf())
}

/// `exec` keeps the process number, by which the pooler is stopped.
const START: &str = "\
#!/bin/sh
here=$(dirname \"$0\")
libraries=$here/usr/lib/x86_64-linux-gnu
exec \"$libraries/ld-linux-x86-64.so.2\" --library-path \"$libraries\" \"$here/usr/sbin/pgbouncer\" \"$@\"
";
