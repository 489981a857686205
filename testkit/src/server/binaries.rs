//! Finding PostgreSQL's programs.

use crate::error::Error;
use crate::kept::account::Account;
use crate::shelf;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Takes `chosen`, or what `STELLATA_PG_BIN` names, or else the first that is there: what
    /// `pg_config --bindir` says, `PATH`, the folders where packages put it, newest first.
    pub(super) fn find(chosen: Option<&Path>) -> Result<Binaries, Error> {
        let named = env::var_os("STELLATA_PG_BIN").filter(|value| !value.is_empty());
        if let Some(folder) = chosen.map(PathBuf::from).or(named.map(PathBuf::from)) {
            return match is_complete(&folder) {
                true => Ok(Binaries { folder }),
                false => Err(Error::new(format!(
                    "{} does not hold `initdb` and `postgres`",
                    folder.display()
                ))),
            };
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let found = said_by_pg_config()
            .into_iter()
            .chain(env::split_paths(&path))
            .chain(usual_folders())
            .find(|folder| is_complete(folder));
        match found {
            Some(folder) => Ok(Binaries { folder }),
            None => Err(Error::new(
                "no PostgreSQL server is installed here: neither pg_config, nor PATH, nor the \
                 usual folders know `initdb` and `postgres`. Install one (Debian and Ubuntu: \
                 `apt-get install postgresql`, macOS: `brew install postgresql`), or set \
                 STELLATA_PG_BIN to its folder of programs, or DATABASE_URL to a running server",
            )),
        }
    }

    /// Those of a major version: installed, or fetched by `cargo xtask test`.
    pub(super) fn of_version(major: u32) -> Option<Binaries> {
        let fetched = shelf::folders().into_iter().map(|(name, folder)| {
            let major = name.split('.').next().and_then(|major| major.parse().ok());
            (major.unwrap_or_default(), folder.join("native/bin"))
        });
        versioned_folders()
            .into_iter()
            .chain(fetched)
            .filter(|(version, _)| *version == major)
            .map(|(_, folder)| folder)
            .find(|folder| is_complete(folder))
            .map(|folder| Binaries { folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// What `postgres --version` prints. Asked as the account that will run it, so that a folder
    /// which that account may not enter is found out here.
    pub(super) fn version(&self, account: Option<Account>) -> Result<String, Error> {
        let postgres = self.postgres();
        let mut command = Command::new(&postgres);
        command.arg("--version").current_dir("/");
        if let Some(account) = account {
            account.take_over(&mut command);
        }
        let output = command.output().map_err(|cause| {
            let who = if account.is_some() { " as an account other than root" } else { "" };
            Error::while_doing(format!("running {}{who}", postgres.display()), cause)
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(Error::while_doing(format!("running {}", postgres.display()), words));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn is_complete(folder: &Path) -> bool {
    // `initdb` may be a link into the right folder while `postgres` is not linked: both count.
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

fn said_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim()))
}

/// Where packages put versions side by side, the newest of each place first, then single places.
fn usual_folders() -> Vec<PathBuf> {
    let versioned = versioned_folders().into_iter().map(|(_, folder)| folder);
    let single =
        ["/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql/bin", "/usr/libexec/postgresql"];
    versioned.chain(single.map(PathBuf::from)).collect()
}

fn versioned_folders() -> Vec<(u32, PathBuf)> {
    let mut folders = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ] {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some((name.strip_prefix(prefix)?.parse().ok()?, entry.path().join("bin")))
            })
            .collect();
        versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        folders.append(&mut versions);
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_folder_must_hold_a_server() {
        let message = Binaries::find(Some(Path::new("/etc"))).unwrap_err().to_string();
        assert!(message.contains("/etc does not hold"), "{message}");
    }

    #[test]
    fn the_version_is_the_programs_own_word() {
        let binaries = Binaries::find(None).unwrap();
        assert!(binaries.version(None).unwrap().contains("PostgreSQL"));
    }
}
