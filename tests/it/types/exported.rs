//! What `stellata::types` has is held against what `stellata_protocol` has: a value type that is added there must be
//! reachable here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a codec of a user's needs beside the types.
const OF_CODECS: [&str; 6] = ["Buffer", "Error", "ErrorKind", "Oid", "Reader", "Result"];

/// The parameters of a statement: they are not values, and the client's.
const OF_STATEMENTS: [&str; 3] = ["IntoParams", "Parameter", "Params"];

/// The files of `protocol` outside of its types that have value types.
const ELSEWHERE: [&str; 2] = ["replication/lsn.rs", "replication/xid.rs"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The last names of every `pub use` whose path begins so, and of every `pub mod`.
fn public(code: &str, begin: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for statement in code.split(';') {
        // Attributes and comments may stand in front.
        let line = statement.rfind("pub use ").map(|at| &statement[at + "pub use ".len()..]);
        if let Some(path) = line.filter(|path| path.starts_with(begin)) {
            let listed = path.split_once('{').map_or(path, |(_, list)| list.trim_end_matches('}'));
            names.extend(listed.split(',').map(|name| {
                let name = name.trim().trim_end_matches('}');
                name.rsplit("::").next().unwrap_or_default().trim().to_owned()
            }));
        }
        if let Some((_, module)) = statement.rsplit_once("pub mod ") {
            names.insert(module.trim().to_owned());
        }
    }
    names.remove("");
    names
}

#[test]
fn every_value_type_of_the_protocol_is_one_of_the_user() {
    let protocol = public(&read("protocol/src/lib.rs"), "types::");
    let modules = ["quote", "auth", "types", "textual", "message", "copy", "replication", "trace"];
    let mut wanted: BTreeSet<String> =
        protocol.into_iter().filter(|name| !modules.contains(&&**name)).collect();
    wanted.extend(public(&read("protocol/src/types/mod.rs"), ""));
    for file in ELSEWHERE {
        let code = read(&format!("protocol/src/{file}"));
        let (_, rest) = code.split_once("impl PgType for ").unwrap();
        wanted.insert(rest.split_whitespace().next().unwrap().to_owned());
    }
    for name in OF_STATEMENTS {
        assert!(wanted.remove(name), "{name} is no name of the protocol's any more");
    }
    wanted.extend(OF_CODECS.map(str::to_owned));
    let ours = public(&read("orm/src/types.rs"), "stellata_protocol");
    assert!(ours.len() > 50, "{ours:?}");
    assert_eq!(ours, wanted);
}

#[test]
fn no_other_file_of_the_protocol_has_a_value_type() {
    fn look(folder: &Path, found: &mut BTreeSet<String>, root: &Path) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if name != "types" {
                    look(&path, found, root);
                }
            } else if fs::read_to_string(&path).unwrap().contains("impl PgType for ") {
                found.insert(name);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src");
    let mut found = BTreeSet::new();
    look(&root, &mut found, &root);
    assert_eq!(found, ELSEWHERE.map(str::to_owned).into());
}
