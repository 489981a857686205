//! Where `cargo xtask test` keeps the programs that it has fetched for the tests.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// For root, whose servers run as an account that may not be able to enter the project's folder.
const FOR_ROOT: &str = "/var/cache/stellata-servers";

/// The names and the paths of all that is kept there, in the order of the names.
pub(crate) fn folders() -> Vec<(String, PathBuf)> {
    let for_others = target().map(|target| target.join("servers"));
    let mut folders: Vec<(String, PathBuf)> = for_others
        .into_iter()
        .chain([PathBuf::from(FOR_ROOT)])
        .filter_map(|shelf| fs::read_dir(shelf).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    folders.sort();
    folders
}

/// Cargo's target folder, which carries a tag, when our program is in one.
pub(crate) fn target() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
}
