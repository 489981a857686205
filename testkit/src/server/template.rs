//! Initialised data folders, kept from one run to the next: a copy takes a tenth of the time of
//! `initdb`.

use super::binaries::Binaries;
use super::copy;
use crate::error::Error;
use crate::kept::folder::Folder;
use crate::kept::keeper::{Death, Keeper};
use crate::roles::SUPERUSER;
use crate::shelf;
use crate::unique;
use std::env;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const PARTIAL: &str = "partial-";

/// An abandoned half-made template is removed at this age.
const ABANDONED: Duration = Duration::from_secs(600);

/// Where one kind of data folder is kept, and where a new one is built before it is named so.
#[derive(Debug)]
pub(super) struct Template {
    kept: PathBuf,
    partial: PathBuf,
}

impl Template {
    /// The template for these programs and our options of `initdb`, to be made at `partial`.
    pub(super) fn of(binaries: &Binaries, version: &str, partial: PathBuf) -> Template {
        let mut hasher = DefaultHasher::new();
        (version, binaries.initdb(), options()).hash(&mut hasher);
        Template { kept: parent().join(format!("data-{:016x}", hasher.finish())), partial }
    }

    /// A place where nobody else makes a template.
    pub(super) fn fresh_place() -> PathBuf {
        parent().join(format!("{PARTIAL}{}", unique::word()))
    }

    /// Fills the server's data folder, from the kept template if there is one; gives back the
    /// guard of the folder, or another in its place.
    pub(super) fn fill(
        &self,
        folder: &Folder,
        binaries: &Binaries,
        guard: Keeper,
    ) -> Result<Keeper, Error> {
        let data = folder.data();
        if is_ours(&self.kept) {
            match copy::settled(&self.kept, &data, Some(folder)) {
                Ok(()) => return Ok(guard),
                // Somebody may be removing it (`cargo clean`): a fresh one will do.
                Err(_) => {
                    let _ = fs::remove_dir_all(&data);
                }
            }
        }
        let mut initdb = start_initdb(folder, binaries)?;
        // The guard would remove the folder while initdb still works in it.
        guard.leave();
        let done = initdb.wait_until_gone(LIMIT);
        let guard = folder.guard(&self.partial)?;
        let succeeded = initdb.leave();
        if !done {
            return Err(Error::new(format!("initdb took longer than {LIMIT:?}")));
        }
        if !succeeded {
            let log = fs::read_to_string(folder.log()).unwrap_or_default();
            return Err(Error::while_doing(
                format!("running {}", binaries.initdb().display()),
                log,
            ));
        }
        // Keeping it saves the next run time and nothing more: a failure is no failure here.
        if self.keep(&data).is_err() {
            let _ = fs::remove_dir_all(&self.partial);
        }
        Ok(guard)
    }

    /// Copies the folder aside, then gives it its name in one step, so that nobody ever sees half
    /// of it; of several that do so at once the first wins.
    fn keep(&self, data: &Path) -> io::Result<()> {
        let parent = parent();
        DirBuilder::new().recursive(true).mode(0o700).create(&parent)?;
        sweep(&parent);
        copy::settled(data, &self.partial, None)?;
        fs::rename(&self.partial, &self.kept)
    }
}

fn options() -> [&'static str; 6] {
    // Only Linux is sure to have C.UTF-8.
    let locale = if cfg!(target_os = "linux") { "--locale=C.UTF-8" } else { "--locale=C" };
    ["--no-sync", "--encoding=UTF8", locale, "--auth=trust", "--username", SUPERUSER]
}

fn start_initdb(folder: &Folder, binaries: &Binaries) -> Result<Keeper, Error> {
    let mut command = vec![binaries.initdb(), PathBuf::from("--pgdata"), folder.data()];
    command.extend(options().map(PathBuf::from));
    folder.run(&command, Death::Awaited)
}

/// Cargo's target folder when our program is in it; else a folder of our own among the temporary
/// files.
fn parent() -> PathBuf {
    shelf::target().unwrap_or_else(env::temp_dir).join("stellata-testkit")
}

/// Whether the template is there and was made by us: anybody may put a folder among the temporary
/// files.
fn is_ours(kept: &Path) -> bool {
    let owner = |path: &Path| fs::symlink_metadata(path).map(|about| about.uid());
    let own_process = env::current_exe().and_then(|program| owner(&program));
    match (owner(kept), owner(Path::new("/proc/self"))) {
        (Ok(template), Ok(ourselves)) => template == ourselves,
        (Ok(template), Err(_)) => own_process.is_ok_and(|ourselves| template == ourselves),
        (Err(_), _) => false,
    }
}

/// Removes templates that were abandoned half-made.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let partial = entry.file_name().to_string_lossy().starts_with(PARTIAL);
        let age = entry.metadata().and_then(|about| about.modified()).map(|time| time.elapsed());
        if partial && matches!(age, Ok(Ok(age)) if age > ABANDONED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
