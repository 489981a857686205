//! The private folder of one server, and the removal of folders whose owners are all dead.

use crate::error::Error;
use crate::kept::account::Account;
use crate::kept::keeper::{Death, Job, Keeper, send_signal};
use crate::unique;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PREFIX: &str = "stellata-";

/// The longest path of a unix socket: 107 bytes on Linux, 103 on macOS.
const LONGEST_SOCKET: usize = 103;

/// What a server and a few test databases may need, in KiB. Containers often have a /dev/shm of
/// 64 MiB, which a server fills at once.
const ROOM_NEEDED: u64 = 512 * 1024;

/// A younger folder may belong to a process that has not locked it yet.
const SWEEP_AGE: Duration = Duration::from_secs(60);

/// One server's folder. Nobody else may enter it.
///
/// Its lock is held, through open files, by this process and by the keeper of a server; once both
/// are gone, whoever looks next may take the lock and remove the rest ([`sweep`]).
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    sockets: PathBuf,
    lock: File,
    account: Option<Account>,
}

impl Folder {
    /// Makes a folder in memory where there is room, else among the temporary files, and a guard
    /// that removes it, and `partial` with it, if this process dies before a server's own keeper
    /// takes that over.
    pub(crate) fn create(partial: &Path) -> Result<(Folder, Keeper), Error> {
        let name = format!("{PREFIX}{}-{}", std::process::id(), unique::word());
        let mut refused = Vec::new();
        let shared_memory = Path::new("/dev/shm");
        let temporary = [std::env::temp_dir(), PathBuf::from("/tmp")];
        let roomy = has_room(shared_memory).then(|| shared_memory.to_owned());
        for parent in roomy.into_iter().chain(temporary) {
            sweep(&parent);
            match Folder::create_at(parent.join(&name), partial) {
                Ok(made) => return Ok(made),
                Err(cause) => refused.push(cause.to_string()),
            }
        }
        Err(Error::while_doing("making a folder for the server", refused.join("; ")))
    }

    fn create_at(path: PathBuf, partial: &Path) -> Result<(Folder, Keeper), Error> {
        let sockets = sockets_for(&path);
        // The guard comes first, for this process may be killed at any moment.
        let guard = Keeper::guard([&path, &sockets, partial])?;
        make_private(&path)?;
        make_private(&sockets)?;
        let lock = File::create(path.join("lock"))
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|cause| Error::while_doing(format!("locking {}", path.display()), cause))?;
        let account = Account::for_servers(&path)?;
        let folder = Folder { path, sockets, lock, account };
        folder.hand_over(&folder.sockets)?;
        folder.hand_over(&folder.path)?;
        Ok((folder, guard))
    }

    /// Another guard, for when the first one had to make way.
    pub(crate) fn guard(&self, partial: &Path) -> Result<Keeper, Error> {
        Keeper::guard([&self.path, &self.sockets, partial])
    }

    /// Runs a command as the server's account, with a keeper that removes this folder when we
    /// are dead.
    pub(crate) fn run(&self, command: &[PathBuf], death: Death) -> Result<Keeper, Error> {
        let lock = self.lock.try_clone();
        Keeper::run(Job {
            log: &self.log(),
            folders: [&self.path, &self.sockets, Path::new("")],
            lock: lock.map_err(|cause| Error::while_doing("sharing a lock", cause))?,
            account: self.account,
            death,
            command,
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub(crate) fn account(&self) -> Option<Account> {
        self.account
    }

    /// Gives a file or folder to the account that runs the server.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<(), Error> {
        match self.account {
            Some(account) => account.own(path).map_err(|cause| {
                Error::while_doing(format!("giving {} away", path.display()), cause)
            }),
            None => Ok(()),
        }
    }

    /// Writes a file that only the server's account may read.
    pub(crate) fn write(&self, path: &Path, contents: &[u8]) -> Result<(), Error> {
        fs::write(path, contents)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
            .map_err(|cause| Error::while_doing(format!("writing {}", path.display()), cause))?;
        self.hand_over(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A keeper has removed both by now, unless it was itself killed.
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_dir_all(&self.sockets);
    }
}

/// The folder for the unix socket: inside, unless its path is too long for that.
fn sockets_for(path: &Path) -> PathBuf {
    let inside = path.join("s");
    match inside.join(".s.PGSQL.65535").as_os_str().len() <= LONGEST_SOCKET {
        true => inside,
        false => Path::new("/tmp").join(path.file_name().unwrap_or_default()),
    }
}

fn make_private(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|cause| Error::while_doing(format!("making {}", path.display()), cause))
}

/// Whether `df` sees enough free space in a folder; a folder that is not there has none.
fn has_room(folder: &Path) -> bool {
    let Ok(output) = Command::new("df").arg("-Pk").arg(folder).output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let free = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    free.is_some_and(|free: u64| free >= ROOM_NEEDED)
}

/// Removes what other test processes left in `parent` when they and their keepers were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let settled = entry.metadata().is_ok_and(|about| {
            let age = about.modified().ok().and_then(|time| time.elapsed().ok());
            about.is_dir() && age.is_some_and(|age| age >= SWEEP_AGE)
        });
        if !ours || !settled {
            continue;
        }
        let Ok(lock) = File::open(path.join("lock")) else { continue };
        if lock.try_lock().is_ok() {
            end_program_of(&path);
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Ends a program whose keeper is dead. The number in its file may have passed to another process
/// since: only a process that names this very folder is touched.
fn end_program_of(folder: &Path) {
    let data = folder.join("data");
    let file = ["postmaster.pid", "pgbouncer.pid"]
        .iter()
        .find_map(|name| fs::read_to_string(data.join(name)).ok())
        .unwrap_or_default();
    let Some(pid) = file.lines().next().and_then(|line| line.parse::<u32>().ok()) else { return };
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let names_it = |word: &[u8]| Path::new(OsStr::from_bytes(word)).starts_with(&data);
    if !command.split(|&byte| byte == 0).any(names_it) {
        return;
    }
    send_signal(pid, "QUIT");
    for _ in 0..100 {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    send_signal(pid, "KILL");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::FileTimes;
    use std::time::SystemTime;

    fn age(path: &Path) {
        let old = SystemTime::now() - 2 * SWEEP_AGE;
        File::open(path).unwrap().set_times(FileTimes::new().set_modified(old)).unwrap();
    }

    #[test]
    fn only_what_nobody_holds_is_swept() {
        let parent = std::env::temp_dir().join(format!("sweeping-{}", unique::word()));
        fs::create_dir(&parent).unwrap();
        let make = |name: &str| {
            let path = parent.join(name);
            let made = Folder::create_at(path.clone(), Path::new("")).unwrap();
            fs::write(path.join("data"), "x").unwrap();
            made
        };
        let (held, _guard) = make("stellata-1-held");
        let (abandoned, _guard) = make("stellata-1-abandoned");
        let (young, _guard) = make("stellata-1-young");
        let (other, _guard) = make("other");
        for folder in [&held, &abandoned, &other] {
            age(&folder.path);
        }
        for folder in [&abandoned, &young, &other] {
            folder.lock.unlock().unwrap();
        }
        sweep(&parent);
        assert!(held.path.exists());
        assert!(!abandoned.path.exists());
        assert!(young.path.exists());
        assert!(other.path.exists());
        drop((held, abandoned, young, other));
        fs::remove_dir(&parent).unwrap();
    }

    #[test]
    fn a_socket_path_is_never_too_long() {
        let parent = std::env::temp_dir().join(format!("{}-{}", "long".repeat(25), unique::word()));
        fs::create_dir(&parent).unwrap();
        let (folder, guard) =
            Folder::create_at(parent.join(unique::word()), Path::new("")).unwrap();
        assert!(folder.sockets().join(".s.PGSQL.65535").as_os_str().len() <= LONGEST_SOCKET);
        let sockets = folder.sockets().to_owned();
        assert!(sockets.exists());
        drop((guard, folder));
        assert!(!sockets.exists());
        fs::remove_dir(&parent).unwrap();
    }
}
