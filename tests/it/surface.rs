//! Every public function that waits is dropped at every poll: a list of them, read from the sources, is held against the
//! list of those that `dropped/` drops.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{cluster, dropped, orm};

/// What stands in a source file outside of its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The public functions of a file that are futures: `pub async fn`, `pub fn` that returns one, and those of public traits.
fn waiting(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut owner, mut is_trait) = (String::new(), false);
    let mut rest = code;
    while let Some(line_end) = rest.find('\n') {
        let line = &rest[..line_end];
        let declared = line.trim_start();
        if let Some(head) = declared.strip_prefix("impl") {
            (owner, is_trait) = (owner_of(head), false);
        } else if let Some(head) = declared.strip_prefix("pub trait ") {
            let name = head.split([':', '<', ' ', '{']).next();
            (owner, is_trait) = (name.unwrap_or_default().to_owned(), true);
        }
        let name = declared
            .strip_prefix("pub async fn ")
            .or_else(|| declared.strip_prefix("pub fn "))
            .or_else(|| declared.strip_prefix("fn ").filter(|_| is_trait));
        if let Some(name) = name {
            let end = rest.find(['{', ';']).unwrap_or(rest.len());
            let is_async = declared.starts_with("pub async fn ");
            if is_async || rest[..end].contains("-> impl Future<") {
                let name = name.split(['(', '<']).next().unwrap_or_default();
                // A function outside of an `impl` stands at the beginning of its line.
                found.push(match line.starts_with("pub") {
                    true => name.to_owned(),
                    false => format!("{owner}::{name}"),
                });
            }
        }
        rest = &rest[line_end + 1..];
    }
    found
}

/// The type that an `impl` is of.
fn owner_of(head: &str) -> String {
    let mut depth = 0;
    let plain: String = head
        .chars()
        .filter(|&character| {
            match character {
                '<' => depth += 1,
                '>' => depth -= 1,
                _ => return depth == 0,
            }
            false
        })
        .collect();
    let plain = plain.rsplit(" for ").next().unwrap_or_default();
    plain.split([' ', '{']).find(|word| !word.is_empty()).unwrap_or_default().to_owned()
}

/// The rooms that a program meets.
const ROOMS: [&str; 3] = ["client", "pool", "orm"];

#[test]
fn every_public_function_that_waits_is_dropped_at_every_poll() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut public = Vec::new();
    for room in ROOMS {
        let mut files = Vec::new();
        sources(&root.join(room).join("src"), &mut files);
        for file in files {
            public.extend(waiting(&code(&file)).into_iter().map(|name| format!("{room} {name}")));
        }
    }
    public.sort();
    public.dedup();
    let of_models = orm::dropped::CASES.iter().flat_map(|case| case.items);
    let of_clusters = cluster::dropped::CASES.iter().flat_map(|case| case.items);
    let cases = dropped::items().chain(of_models.copied()).chain(of_clusters.copied());
    let listed: Vec<&str> = cases.collect();
    let missing: Vec<&String> =
        public.iter().filter(|name| !listed.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "no case of `dropped/` drops {missing:#?}");
    let gone: Vec<&&str> =
        listed.iter().filter(|name| !public.iter().any(|known| known == *name)).collect();
    assert!(gone.is_empty(), "`dropped/` lists what is no public function that waits: {gone:#?}");
    println!("{} public functions that wait", public.len());
    assert!(public.len() >= 120, "{} are too few to have been found", public.len());
}

#[test]
fn functions_that_wait_are_found() {
    let code = "impl<'c> Rows<'c> {\n    pub async fn next(&mut self) {}\n    pub fn len(&self) -> usize { 0 }\n}\n\
                impl Connection {\n    pub fn run<'c>(\n        &'c mut self,\n    ) -> impl Future<Output = ()> + Send {\n    }\n    async fn hidden() {}\n}\n\
                pub async fn alone() {}\n\
                pub trait Entity: Model {\n    fn get(\n    ) -> impl Future<Output = ()> + Send {\n    }\n    fn plain();\n}\n";
    assert_eq!(waiting(code), ["Rows::next", "Connection::run", "alone", "Entity::get"]);
    assert_eq!(owner_of("<T: Into<A>> Stream for RowStream<'_, T> {"), "RowStream");
}

/// What stands at the root of the client and not of the model layer, where it is reached by `stellata::client`: what is done
/// with a connection, and what has a counterpart among the models.
const OF_CONNECTIONS: &[&str] = &[
    "AdvisoryLock",
    "Answers",
    "Backoff",
    "Batch",
    "CancelHandle",
    "ColumnError",
    "ColumnIndex",
    "Columns",
    "Completion",
    "Connection",
    "CopyFields",
    "CopyFormat",
    "CopyHeader",
    "CopyIn",
    "CopyOptions",
    "CopyOut",
    "CopyProgress",
    "CopyReader",
    "CopyRow",
    "CopyRowWriter",
    "CopyRows",
    "CopyTable",
    "CopyWriter",
    "Error",
    "ErrorKind",
    "Expect",
    "FieldDescription",
    "FromRow",
    "IntoParams",
    "Lane",
    "LaneEvent",
    "LaneTicket",
    "LargeObject",
    "LargeObjectMode",
    "LargeObjectStream",
    "ListenEvent",
    "Listener",
    "ListenerOptions",
    "LockKey",
    "LockMode",
    "Notification",
    "Oid",
    "Params",
    "Plan",
    "Portal",
    "QueryOptions",
    "Reconnecting",
    "Result",
    "Row",
    "RowStream",
    "Rows",
    "SimpleResult",
    "Statement",
    "StatementCounts",
    "StatementKey",
    "Ticket",
    "TransactionStatus",
    "TypeKind",
    "Unread",
    "UserType",
    "LimitedRows",
    "With",
];

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap()
}

/// The names that `pub use` takes from other modules; with `from`, from that crate alone.
fn used(code: &str, from: &str) -> Vec<String> {
    let statements = code.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let statements = statements.filter(|path| path.starts_with(from) && !path.contains(" as "));
    let names = statements.flat_map(|path| match path.split_once('{') {
        Some((_, list)) => list.trim_end_matches('}').split(',').collect(),
        None => path.rsplit("::").take(1).collect::<Vec<_>>(),
    });
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn all_that_a_configuration_is_made_of_is_in_the_model_layer() {
    let client = used(&code_of("client/src/lib.rs"), "");
    let models = used(&code_of("orm/src/lib.rs"), "stellata_client::");
    assert!(client.len() > 60 && models.len() > 20, "{client:?} {models:?}");
    let known = |name: &&String| models.contains(name) || OF_CONNECTIONS.contains(&name.as_str());
    let missing: Vec<&String> = client.iter().filter(|name| !known(name)).collect();
    assert!(
        missing.is_empty(),
        "neither in orm/src/lib.rs nor among what is of connections: {missing:?}"
    );
    let gone: Vec<&&str> = OF_CONNECTIONS
        .iter()
        .filter(|name| {
            !client.iter().any(|known| known == *name) || models.iter().any(|known| known == *name)
        })
        .collect();
    assert!(gone.is_empty(), "not at the root of the client, or of the models too: {gone:?}");
}

fn code_of(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    code(&root.join(path))
}

/// The features that a manifest declares, but for the default ones, and which of the default ones there are.
fn features(manifest: &str) -> (Vec<&str>, Vec<&str>) {
    let section = manifest.split("[features]").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = section.unwrap_or_default().lines().filter_map(|line| line.split_once(" = "));
    let (mut names, mut default) = (Vec::new(), Vec::new());
    for (name, list) in lines.filter(|(name, _)| !name.starts_with('#')) {
        match name {
            "default" => default = list.split('"').skip(1).step_by(2).collect(),
            _ => names.push(name),
        }
    }
    (names, default)
}

#[test]
fn the_features_of_the_client_are_those_of_the_model_layer() {
    let (client, models) = (text("client/Cargo.toml"), text("orm/Cargo.toml"));
    let ((of_client, mut its_default), (of_models, mut their_default)) =
        (features(&client), features(&models));
    assert!(of_client.len() > 10);
    for name in &of_client {
        assert!(of_models.contains(name), "`stellata` does not have the feature `{name}`");
        let forwarded = format!("\"stellata-client/{name}\"");
        assert!(models.contains(&forwarded), "`stellata` does not hand `{name}` on");
    }
    its_default.sort_unstable();
    their_default.sort_unstable();
    assert_eq!(its_default, their_default);
}

#[test]
fn names_that_are_used_in_public_are_found() {
    let code = "\nmod a;\npub use a::{B, C as D};\npub use a::{B,\n    C};\nuse x::Y;\npub use e::F;\npub use f as g;\n";
    assert_eq!(used(code, ""), ["B", "C", "F"]);
    assert_eq!(used(code, "e::"), ["F"]);
}
