//! Sees that there is a PostgreSQL server to test against, and installs one when it may.

mod install;
mod release;
mod pgvector;

pub(crate) use self::pgvector::ensure as ensure_pgvector;
pub(crate) use self::release::{obtain, obtain_all, versions};

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, Outcome, shell};

/// Finds a server, or installs one with the system's package manager when that needs no question.
///
/// Fails with exit code 2 and the one line to run when only the user can install it.
///
/// What is found here is only told to the user: the test kit looks in the same places when it starts the server. This
/// crate does not ask the test kit, so that it builds in seconds and checks a tree in which nothing else builds.
pub(crate) fn ensure() -> Outcome {
    if std::env::var_os("DATABASE_URL").is_some_and(|url| !url.is_empty()) {
        println!("server: the one DATABASE_URL names");
        return Ok(());
    }
    if let Some(folder) = find() {
        println!("server: {}", describe(&folder));
        return Ok(());
    }
    println!(
        "no PostgreSQL server is installed here (looked at pg_config, PATH and the usual folders)"
    );
    install::install()?;
    let folder = find().ok_or_else(|| {
        Failure::usage("PostgreSQL was installed, but its programs were not found")
    })?;
    println!("server: {}", describe(&folder));
    Ok(())
}

/// The folder with `postgres` and `initdb`: by `STELLATA_PG_BIN`, by `pg_config`, then by `PATH`, then in the usual folders, newest first.
fn find() -> Option<PathBuf> {
    let told = shell::capture(Command::new("pg_config").arg("--bindir"))
        .map(|line| PathBuf::from(line.trim()));
    let in_path = shell::which("postgres")
        .and_then(|file| Some(file.canonicalize().ok()?.parent()?.to_path_buf()));
    let chosen =
        std::env::var_os("STELLATA_PG_BIN").filter(|value| !value.is_empty()).map(PathBuf::from);
    chosen
        .into_iter()
        .chain(told)
        .chain(in_path)
        .chain(usual_folders())
        .find(|folder| holds_server(folder))
}

/// True when the folder holds what it takes to make a cluster and run it.
fn holds_server(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| {
        folder.join(program).is_file() || folder.join(program).with_extension("exe").is_file()
    })
}

/// Where packages put the programs of a server, the highest version of each place first.
fn usual_folders() -> Vec<PathBuf> {
    // The parent of the versioned folders, how their names begin, and the way from there to the programs.
    let places = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/Library/PostgreSQL", "", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
        ("C:/Program Files/PostgreSQL", "", "bin"),
    ];
    let mut folders = Vec::new();
    for (parent, prefix, rest) in places {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(version(name)));
        folders.extend(names.iter().map(|name| Path::new(parent).join(name).join(rest)));
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders
}

/// The first number in a folder's name, 0 when there is none.
fn version(name: &str) -> u32 {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// What the server says it is, and where.
pub(crate) fn describe(folder: &Path) -> String {
    let said = shell::capture(Command::new(folder.join("postgres")).arg("--version"));
    let said = said.unwrap_or_else(|| "a PostgreSQL server".to_owned());
    format!("{} in {}", said.trim(), folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_folder_names() {
        let names = ["17", "postgresql@16", "pgsql-15", "9.6", "latest"];
        assert_eq!(names.map(version), [17, 16, 15, 9, 0]);
    }

    #[test]
    fn a_folder_without_the_programs_is_no_server() {
        assert!(!holds_server(Path::new("src")));
    }
}
