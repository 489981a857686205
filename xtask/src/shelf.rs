//! The shelf: where programs that were fetched for the tests are kept from one run to the next.
//!
//! The test kit looks for them in the same place.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Failure, Outcome, shell, workspace};

/// The folder. A server never runs as root, and the account it runs as then may not be able to enter the folder of the
/// project; it can enter this one.
pub(crate) fn path() -> PathBuf {
    let is_root =
        shell::capture(Command::new("id").arg("-u")).is_some_and(|user| user.trim() == "0");
    if is_root {
        PathBuf::from("/var/cache/stellata-servers")
    } else {
        workspace::root().join("target/servers")
    }
}

/// Fills `folder`, which is on the shelf, with what `make` leaves in the folder that it returns, inside the one that it
/// is given. The folder gets its name last, so that half of it is never taken for the whole.
pub(crate) fn fill(folder: &Path, make: impl FnOnce(&Path) -> Result<PathBuf, Failure>) -> Outcome {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.with_file_name(format!("unfinished-{name}-{}", std::process::id()));
    let cannot =
        |error: std::io::Error| Failure::new(format!("can't fill {}: {error}", folder.display()));
    std::fs::create_dir_all(&aside).map_err(cannot)?;
    let made = make(&aside).and_then(|made| {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::rename(made, folder).map_err(cannot)
    });
    let removed = std::fs::remove_dir_all(&aside).map_err(cannot);
    made.and(removed)
}
