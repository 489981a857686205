//! How a private server differs from the ordinary one.

use super::VERSIONS;
use super::binaries::Binaries;
use std::path::{Path, PathBuf};

/// Settings, login rules and files for a server of its own.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    pub(super) settings: Vec<(String, String)>,
    pub(super) login_rules: Vec<String>,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) binaries: Option<PathBuf>,
}

impl ServerOptions {
    /// The ordinary server.
    pub fn new() -> ServerOptions {
        ServerOptions::default()
    }

    /// The ordinary server in this major version, 18 say, or `None` where it is neither installed
    /// nor fetched; `cargo xtask test` fetches what is not installed.
    pub fn of_version(major: u32) -> Option<ServerOptions> {
        let binaries = Binaries::of_version(major)?;
        Some(ServerOptions::new().binaries(binaries.folder()))
    }

    /// The ordinary server in the newest version that is here, of this major version at least.
    pub fn since(major: u32) -> Option<ServerOptions> {
        let mut new_enough = VERSIONS.into_iter().rev().filter(|version| *version >= major);
        new_enough.find_map(ServerOptions::of_version)
    }

    /// Adds a line to `postgresql.conf`; the value needs no quotes. A later one wins.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> ServerOptions {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a line to `pg_hba.conf`, before the ordinary ones
    /// ([manual, 21.1](https://www.postgresql.org/docs/current/auth-pg-hba-conf.html)).
    #[must_use]
    pub fn login_rule(mut self, line: &str) -> ServerOptions {
        self.login_rules.push(line.to_owned());
        self
    }

    /// Puts a file into the data folder before the server starts, readable by the server alone,
    /// as it demands of a private key.
    #[must_use]
    pub fn file(mut self, name: &str, contents: impl Into<Vec<u8>>) -> ServerOptions {
        self.files.push((name.to_owned(), contents.into()));
        self
    }

    /// Takes `initdb` and `postgres` from this folder.
    #[must_use]
    pub fn binaries(mut self, folder: impl AsRef<Path>) -> ServerOptions {
        self.binaries = Some(folder.as_ref().to_owned());
        self
    }
}
