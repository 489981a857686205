//! Every public function that waits is dropped at every poll: a list of them, read from the sources, is held against the
//! list of those that `dropped/` drops.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{dropped, orm};

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
    let listed: Vec<&str> = dropped::items().chain(of_models.copied()).collect();
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
