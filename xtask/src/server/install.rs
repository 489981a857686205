//! Installing PostgreSQL with the system's package manager, where that needs no question.

use std::process::Command;

use crate::{Failure, Outcome, shell};

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
    let by_hand = || {
        let line = BY_HAND
            .iter()
            .find(|(manager, _)| shell::which(manager).is_some())
            .map(|(_, line)| *line);
        Failure::usage(match line {
            Some(line) => format!("run this once, then the same command again:\n\n    {line}\n"),
            None => "install PostgreSQL 14 or newer, or set DATABASE_URL to a server".to_owned(),
        })
    };
    let Some(prefix) = prefix().filter(|_| shell::which("apt-get").is_some()) else {
        return Err(by_hand());
    };
    println!("installing it with apt-get");
    // Without lists, or with old ones, the package is not found; when they can't be fetched the old ones may do.
    let _ = shell::run(&mut apt_get(&prefix, &["update", "--quiet=2"]));
    let words = ["install", "--quiet=2", "--yes", "--no-install-recommends", "postgresql"];
    shell::run(&mut apt_get(&prefix, &words)).map_err(|failure| {
        let instead = by_hand();
        Failure { message: format!("{}; {}", failure.message, instead.message), code: instead.code }
    })
}

/// What stands before a command that needs root: nothing, or sudo when it asks nothing. `None` when neither is had.
fn prefix() -> Option<Vec<&'static str>> {
    let user = shell::capture(Command::new("id").arg("-u"))?;
    if user.trim() == "0" {
        return Some(vec!["env"]);
    }
    shell::capture(Command::new("sudo").args(["-n", "true"])).map(|_| vec!["sudo", "-n", "env"])
}

fn apt_get(prefix: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(words);
    command
}
