//! Installing a package with apt, where that needs no question.

use std::process::Command;

use super::{Failure, Outcome, shell};

/// Installs a package on Debian and Ubuntu as root or with a sudo that asks nothing.
///
/// Fails with exit code 2 and the line to run where only the user can install it.
pub(crate) fn install(package: &str) -> Outcome {
    let by_hand = format!("run `sudo apt-get install -y {package}`");
    if shell::which("apt-get").is_none() {
        return Err(Failure::usage(format!("install {package} with your system's packages")));
    }
    let Some(prefix) = prefix() else { return Err(Failure::usage(by_hand)) };
    println!("installing it with apt-get");
    // Without lists, or with old ones, the package is not found; when they can't be fetched the old ones may do.
    let _ = shell::run(&mut apt_get(&prefix, &["update", "--quiet=2"]));
    let words = ["install", "--quiet=2", "--yes", "--no-install-recommends", package];
    shell::run(&mut apt_get(&prefix, &words))
        .map_err(|failure| Failure::usage(format!("{}; {by_hand}", failure.message)))
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
