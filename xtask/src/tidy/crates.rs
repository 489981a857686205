//! Rule: crates import one way, cli -> orm -> pool -> client -> protocol.
//!
//! Only `[dependencies]` and `[build-dependencies]` count: a test may look at anything.

use super::report::Finding;
use crate::workspace::TextFile;

/// The rooms from the lowest to the highest: each may use those before it.
const ORDER: [&str; 5] = ["protocol", "client", "pool", "orm", "cli"];

/// Rooms of tools and tests, which may use any product room and `testkit`.
const WORKSHOPS: [&str; 4] = ["tests", "benches", "examples", "xtask"];

pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let Some(room) = file.path.strip_suffix("/Cargo.toml").filter(|room| !room.contains('/'))
        else {
            continue;
        };
        for (line, dependency) in own_dependencies(&file.text) {
            if let Some(reason) = refusal(room, &dependency) {
                findings.push(Finding::new(&file.path, line, reason));
            }
        }
    }
    findings
}

/// Why `room` may not depend on `dependency`, both named by their folders.
fn refusal(room: &str, dependency: &str) -> Option<String> {
    let rank = |name: &str| ORDER.iter().position(|own| *own == name);
    let order = || ORDER.iter().rev().copied().collect::<Vec<_>>().join(" -> ");
    if WORKSHOPS.contains(&dependency) {
        return Some(format!("nothing depends on `{dependency}`, `{room}` does"));
    }
    if room == "derive" {
        return Some(format!("`derive` depends on no room of ours, here on `{dependency}`"));
    }
    if dependency == "derive" {
        return (room != "orm")
            .then(|| format!("only `orm` depends on `derive`, `{room}` does too"));
    }
    match (rank(room), rank(dependency)) {
        (Some(own), Some(other)) if other < own => None,
        (Some(_), _) => {
            Some(format!("`{room}` may not depend on `{dependency}`: imports run {}", order()))
        }
        (None, _) => None,
    }
}

/// The folders of our own crates named in `[dependencies]` and `[build-dependencies]`, each with its line.
fn own_dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut counts = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let mut parts = section.rsplit('.');
            let last = parts.next().unwrap_or_default();
            let table =
                if own_room(last).is_some() { parts.next().unwrap_or_default() } else { last };
            counts = matches!(table, "dependencies" | "build-dependencies");
            if counts && let Some(room) = own_room(last) {
                found.push((index + 1, room));
            }
            continue;
        }
        if !counts || line.starts_with('#') {
            continue;
        }
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let renamed = line.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
        if let Some(room) = own_room(key).or_else(|| renamed.and_then(own_room)) {
            found.push((index + 1, room));
        }
    }
    found
}

/// The folder of one of our crates by its package name.
fn own_room(package: &str) -> Option<String> {
    match package.trim_matches('"').strip_prefix("stellata")? {
        "" => Some("orm".to_owned()),
        rest => rest.strip_prefix('-').map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(room: &str, manifest: &str) -> Vec<String> {
        let file = TextFile { path: format!("{room}/Cargo.toml"), text: manifest.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn the_order_is_allowed() {
        let manifest = "[dependencies]\nstellata-client.workspace = true\nstellata-protocol = { path = \"x\" }\n";
        assert!(findings("pool", manifest).is_empty());
        assert!(findings("orm", "[dependencies]\nstellata-derive.workspace = true\n").is_empty());
        assert!(
            findings("examples", "[dependencies]\nstellata-testkit.workspace = true\n").is_empty()
        );
    }

    #[test]
    fn a_lower_room_may_not_see_a_higher_one() {
        let found =
            findings("client", "[package]\n\n[dependencies]\nstellata-pool.workspace = true\n");
        assert_eq!(
            found,
            [
                "client/Cargo.toml:4: `client` may not depend on `pool`: imports run cli -> orm -> pool -> client -> protocol"
            ]
        );
        assert_eq!(findings("pool", "[dependencies]\nstellata.workspace = true\n").len(), 1);
        assert_eq!(findings("pool", "[dependencies.stellata]\npath = \"../orm\"\n").len(), 1);
        assert_eq!(findings("pool", "[dependencies]\norm = { package = \"stellata\" }\n").len(), 1);
        assert_eq!(
            findings("pool", "[target.'cfg(unix)'.dependencies]\nstellata-cli = \"1\"\n").len(),
            1
        );
        assert_eq!(
            findings("client", "[dependencies]\nstellata-testkit.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn derive_stands_apart() {
        assert_eq!(
            findings("derive", "[dependencies]\nstellata-protocol.workspace = true\n").len(),
            1
        );
        assert_eq!(
            findings("testkit", "[dependencies]\nstellata-derive.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn workshops_are_used_by_nobody() {
        assert_eq!(
            findings("testkit", "[dependencies]\nstellata-tests.workspace = true\n").len(),
            1
        );
        assert_eq!(
            findings("xtask", "[dependencies]\nstellata-examples.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn tests_may_look_anywhere() {
        let manifest = "[dev-dependencies]\nstellata.workspace = true\n[features]\nstellata = []\n";
        assert!(findings("client", manifest).is_empty());
    }
}
