//! Installing PostgreSQL with the system's package manager, where that needs no question.

use crate::{Failure, Outcome, apt, shell};

/// The line to run by hand, by the package manager that is found first.
const BY_HAND: [(&str, &str); 7] = [
    ("apt-get", "sudo apt-get install -y postgresql"),
    ("dnf", "sudo dnf install -y postgresql-server"),
    ("zypper", "sudo zypper install -y postgresql-server"),
    ("pacman", "sudo pacman -S --noconfirm postgresql"),
    ("apk", "sudo apk add postgresql"),
    ("brew", "brew install postgresql@17"),
    ("winget.exe", "winget install PostgreSQL.PostgreSQL.17"),
];

/// Installs the server on Debian and Ubuntu as root or with a sudo that asks nothing; else says what to run.
///
/// Debian's package may start a server of its own. Nothing here uses it, and it harms nothing.
pub(super) fn install() -> Outcome {
    apt::install("postgresql").map_err(|failure| {
        let line = BY_HAND
            .iter()
            .find(|(manager, _)| shell::which(manager).is_some())
            .map(|(_, line)| *line);
        let instead = match line {
            Some(line) => format!("run this once, then the same command again:\n\n    {line}\n"),
            None => "install PostgreSQL 14 or newer, or set DATABASE_URL to a server".to_owned(),
        };
        Failure::usage(format!("{}; {instead}", failure.message))
    })
}
