//! The account a server runs as: PostgreSQL refuses to run as root.

use crate::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Another account than our own, taken when we are root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account for a server, or `None` for our own. `made_by_us` is any file or folder that
    /// this process made: its owner is whom we act as.
    pub(crate) fn for_servers(made_by_us: &Path) -> Result<Option<Account>, Error> {
        let owner = fs::metadata(made_by_us).map_err(|cause| {
            Error::while_doing(format!("looking at {}", made_by_us.display()), cause)
        })?;
        if owner.uid() != 0 {
            return Ok(None);
        }
        let known = ["postgres", "nobody"].into_iter().find_map(|name| {
            let (uid, gid) = (number_of(name, "-u")?, number_of(name, "-g")?);
            (uid != 0).then_some(Account { uid, gid })
        });
        match known {
            Some(account) => Ok(Some(account)),
            None => Err(Error::new(
                "PostgreSQL refuses to run as root, and there is neither an account `postgres` \
                 nor `nobody` to run it as",
            )),
        }
    }

    /// Makes `path` this account's.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Lets `command` run as this account. The supplementary groups go as well.
    pub(crate) fn take_over(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// A user's number, asked of `id`, which knows accounts that are in no file too.
fn number_of(name: &str, which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok().filter(|_| output.status.success())
}
