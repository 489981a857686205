//! What a configuration takes from the program's surroundings.

use std::env;
use std::path::PathBuf;

use crate::config::account;

/// Where the defaults of a configuration come from: environment variables, the user's name and home folder.
///
/// [`Process`] reads those of this process. A closure from a variable's name to its value is an environment too, with
/// `USER` and `HOME` among the variables; so a test needs not touch the process.
///
/// ```
/// use stellata_client::Config;
///
/// let variables = |name: &str| match name {
///     "USER" => Some("anna".to_owned()),
///     "PGHOST" => Some("db.example".to_owned()),
///     _ => None,
/// };
/// let config = Config::parse_with("dbname=music", &variables)?;
/// assert_eq!((config.user(), config.database()), ("anna", Some("music")));
/// # Ok::<(), stellata_client::Error>(())
/// ```
pub trait Environment {
    /// The value of a variable; `None` where it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The name of the account that runs the program. Provided: the variable `USER`, or `LOGNAME`.
    fn user_name(&self) -> Option<String> {
        let set = |name| self.variable(name).filter(|name| !name.is_empty());
        set("USER").or_else(|| set("LOGNAME"))
    }

    /// The home folder of that account. Provided: the variable `HOME`.
    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// The surroundings of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    /// By the number that owns the process and the system's list of accounts (Linux); else by the variable `USER`,
    /// `LOGNAME` or `USERNAME`.
    fn user_name(&self) -> Option<String> {
        let set = |name| self.variable(name).filter(|name| !name.is_empty());
        account::own_name()
            .or_else(|| set("USER"))
            .or_else(|| set("LOGNAME"))
            .or_else(|| set("USERNAME"))
    }

    /// On Windows the folder where programs keep their data, as libpq has it there.
    fn home(&self) -> Option<PathBuf> {
        let home =
            if cfg!(windows) { env::var_os("APPDATA").map(PathBuf::from) } else { env::home_dir() };
        home.filter(|home| !home.as_os_str().is_empty())
    }
}
