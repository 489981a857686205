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
    beside(|aside| {
        let made = make(aside)?;
        let _ = std::fs::remove_dir_all(folder);
        std::fs::rename(made, folder)
            .map_err(|error| Failure::new(format!("can't fill {}: {error}", folder.display())))
    })
}

/// Does something with a folder that is on the shelf as long as it takes, and is gone afterwards.
pub(crate) fn beside(work: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let aside = path().join(format!("unfinished-{}", std::process::id()));
    let cannot =
        |error: std::io::Error| Failure::new(format!("can't use {}: {error}", aside.display()));
    std::fs::create_dir_all(&aside).map_err(cannot)?;
    let done = work(&aside);
    let removed = std::fs::remove_dir_all(&aside).map_err(cannot);
    done.and(removed)
}
