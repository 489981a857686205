//! Copies of data folders.

use crate::kept::folder::Folder;
use std::fs::{self, DirBuilder, DirEntry};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// What a server writes for itself alone while it runs: the folders stay, empty.
const EMPTIED: [&str; 9] = [
    "pg_dynshmem",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_wal",
];

/// What another server must not find.
const LEFT_OUT: [&str; 6] = [
    "backup_label.old",
    "pg_internal.init",
    "postgresql.auto.conf",
    "postmaster.opts",
    "postmaster.pid",
    "standby.signal",
];

/// Copies a tree of folders and files that nobody changes; each new folder is given away before it
/// is filled, so that the server's account could remove it at any moment.
pub(super) fn settled(from: &Path, to: &Path, give_to: Option<&Folder>) -> io::Result<()> {
    tree(from, to, give_to, &|_| true, false)
}

/// Copies the data folder of a running server that is in backup mode, as the manual says (26.3.3):
/// without its log of changes, its locks and its slots, and without minding files that go.
pub(super) fn live(from: &Path, to: &Path, give_to: &Folder) -> io::Result<()> {
    let wanted = |entry: &DirEntry| {
        let parent = entry.path().parent().and_then(Path::file_name).map(ToOwned::to_owned);
        let emptied = parent.is_some_and(|parent| EMPTIED.iter().any(|name| parent == *name));
        !emptied && !LEFT_OUT.iter().any(|name| entry.file_name() == *name)
    };
    tree(from, to, Some(give_to), &wanted, true)
}

fn tree(
    from: &Path,
    to: &Path,
    give_to: Option<&Folder>,
    wanted: &dyn Fn(&DirEntry) -> bool,
    may_vanish: bool,
) -> io::Result<()> {
    let give = |path: &Path| match give_to {
        Some(folder) => folder.hand_over(path).map_err(io::Error::other),
        None => Ok(()),
    };
    DirBuilder::new().mode(0o700).create(to)?;
    give(to)?;
    let entries = match fs::read_dir(from) {
        Err(cause) if may_vanish && cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !wanted(&entry) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            tree(&entry.path(), &target, give_to, wanted, may_vanish)?;
            continue;
        }
        match fs::copy(entry.path(), &target) {
            Ok(_) => give(&target)?,
            Err(cause) if may_vanish && cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}
