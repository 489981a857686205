//! Rule: inside a crate modules import one way.
//!
//! The `mod` lines of a file stand in the order of their imports, the lowest first. A module may use
//! - what stands above it in that list, at any depth;
//! - what its ancestors declare themselves (a trait of `types/mod.rs` in `types/int.rs`), but not what they only
//!   re-export, since that may come from further down the list;
//! - its own children, which is how a parent re-exports them.
//!
//! Only paths that begin with `crate`, `super` or `self` are looked at: other paths cross into another crate, or into a
//! child. Code under `#[cfg(test)]` is free.

mod paths;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use self::tree::{Module, Tree};
use super::report::Finding;
use super::source::Source;

/// The crates whose insides are checked.
const CRATES: [&str; 6] = ["protocol", "client", "pool", "derive", "orm", "cli"];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let roots = CRATES
        .iter()
        .flat_map(|name| [format!("{name}/src/lib.rs"), format!("{name}/src/main.rs")]);
    roots.filter_map(|root| Tree::read(sources, &root)).flat_map(|tree| check_tree(&tree)).collect()
}

fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut disordered = BTreeSet::new();
    for (path, module) in &tree.modules {
        for reference in &module.references {
            let depth = tree.depth_of(&reference.segments);
            let (target, item) = reference.segments.split_at(depth);
            let verdict = if path.starts_with(target) && path.len() > target.len() {
                from_ancestor(tree, target, item)
            } else if target.starts_with(path) {
                None
            } else {
                let shared =
                    path.iter().zip(target).take_while(|(own, other)| own == other).count();
                let parent = &tree.modules[&path[..shared]];
                let wrong = from_sibling(parent, &path[shared], &target[shared]);
                if wrong.is_some() {
                    disordered.insert(path[..shared].to_vec());
                }
                wrong
            };
            findings
                .extend(verdict.map(|message| Finding::new(&module.file, reference.line, message)));
        }
    }
    findings.extend(disordered.iter().map(|parent| advice(tree, parent)));
    findings
}

/// What is wrong with using `item` of an ancestor.
fn from_ancestor(tree: &Tree, ancestor: &[String], item: &[String]) -> Option<String> {
    let module = &tree.modules[ancestor];
    match item.first().map(String::as_str) {
        None => Some(format!("imports its ancestor `{}` as a whole", module.name())),
        Some("*") => {
            Some(format!("imports all of its ancestor `{}`: name what is used", module.name()))
        }
        Some(name) if module.items.contains(name) => None,
        Some(name) if ancestor.is_empty() && tree.macros.contains(name) => None,
        Some(name) => Some(format!(
            "`{name}` is not declared in {}: import it from the module that declares it",
            module.file
        )),
    }
}

/// What is wrong with module `own` using `other`, both children of `parent`.
fn from_sibling(parent: &Module, own: &str, other: &str) -> Option<String> {
    let place = |name: &str| parent.children.iter().position(|child| child == name);
    if place(other) < place(own) {
        return None;
    }
    Some(format!("`{own}` uses `{other}`, which does not stand above it in {}", parent.file))
}

/// An order of the children in which every import points upwards, or the modules that prevent one.
fn advice(tree: &Tree, parent: &[String]) -> Finding {
    let module = &tree.modules[parent];
    let depth = parent.len();
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, below) in
        tree.modules.iter().filter(|(path, _)| path.starts_with(parent) && path.len() > depth)
    {
        for reference in &below.references {
            if let [.., _] = &reference.segments[..tree.depth_of(&reference.segments)]
                && reference.segments.starts_with(parent)
                && let Some(other) = reference.segments.get(depth)
                && *other != path[depth]
                && module.children.contains(other)
            {
                uses.entry(&path[depth]).or_default().insert(other);
            }
        }
    }
    let mut left: Vec<&str> = module.children.iter().map(String::as_str).collect();
    let mut order: Vec<&str> = Vec::new();
    while let Some(at) = left.iter().position(|name| {
        uses.get(name).is_none_or(|used| used.iter().all(|other| order.contains(other)))
    }) {
        order.push(left.remove(at));
    }
    let message = if left.is_empty() {
        format!("an order that works: {}", order.join(", "))
    } else {
        format!(
            "no order works while these use each other, directly or through others: {}",
            left.join(", ")
        )
    };
    Finding::new(&module.file, 0, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&sources).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn downward_imports_pass() {
        let found = findings(&[
            (
                "client/src/lib.rs",
                "mod error;\npub mod wire;\nmod session;\npub use error::Error;\npub use session::S;",
            ),
            ("client/src/error.rs", "pub struct Error;"),
            (
                "client/src/wire/mod.rs",
                "mod low;\nmod high;\nuse crate::error::Error;\npub struct Frame;",
            ),
            ("client/src/wire/low.rs", "use super::Frame;\nuse crate::error;"),
            ("client/src/wire/high.rs", "use super::{Frame, low::L};\nuse crate::wire::low;"),
            (
                "client/src/session.rs",
                "use crate::{error::Error, wire::{self, Frame}};\nfn f() { crate::wire::go() }",
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn an_upward_import_is_found_and_an_order_proposed() {
        let found = findings(&[
            ("pool/src/lib.rs", "mod b;\nmod a;\nmod c;"),
            ("pool/src/a.rs", ""),
            ("pool/src/b.rs", "\nfn f() -> super::a::A { todo }"),
            ("pool/src/c.rs", ""),
        ]);
        assert_eq!(
            found,
            [
                "pool/src/b.rs:2: `b` uses `a`, which does not stand above it in pool/src/lib.rs",
                "pool/src/lib.rs: an order that works: a, b, c",
            ]
        );
    }

    #[test]
    fn a_cycle_is_named() {
        let found = findings(&[
            ("pool/src/lib.rs", "mod a;\nmod b;\nmod c;"),
            ("pool/src/a.rs", "use crate::b::B;"),
            ("pool/src/b.rs", "use crate::a::A;"),
            ("pool/src/c.rs", ""),
        ]);
        assert_eq!(
            found.last().map(String::as_str),
            Some(
                "pool/src/lib.rs: no order works while these use each other, directly or through others: a, b"
            )
        );
    }

    #[test]
    fn deep_modules_obey_the_order_of_their_ancestors() {
        let found = findings(&[
            ("orm/src/lib.rs", "mod low;\nmod high;"),
            ("orm/src/low.rs", "mod inner;"),
            ("orm/src/low/inner.rs", "use crate::high::H;\nuse super::super::high::x::Y;"),
            ("orm/src/high.rs", ""),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn re_exports_of_an_ancestor_are_refused_and_its_own_items_allowed() {
        let found = findings(&[
            ("orm/src/lib.rs", "mod error;\nmod types;\npub use error::Error;\npub struct Own;"),
            ("orm/src/error.rs", ""),
            ("orm/src/types.rs", "use crate::Error;\nuse crate::Own;\nuse super::*;"),
        ]);
        assert_eq!(
            found,
            [
                "orm/src/types.rs:1: `Error` is not declared in orm/src/lib.rs: import it from the module that declares it",
                "orm/src/types.rs:3: imports all of its ancestor `crate`: name what is used",
            ]
        );
    }

    #[test]
    fn exported_macros_and_visibility_are_no_imports() {
        let found = findings(&[
            ("orm/src/lib.rs", "mod a;\nmod b;"),
            ("orm/src/a.rs", "#[macro_export]\nmacro_rules! new { () => { $crate::b::x() } }"),
            (
                "orm/src/b.rs",
                "pub(crate) fn f() { crate::new!() }\npub(in crate::b) fn g(&self) { self.x }",
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn tests_are_free() {
        let found = findings(&[
            ("orm/src/lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod tests;"),
            ("orm/src/a.rs", "#[cfg(test)]\nmod tests { use super::*; use crate::b::B; }"),
            ("orm/src/b.rs", ""),
            ("orm/src/tests.rs", "use super::*;"),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn inline_modules_count_as_modules() {
        let found = findings(&[(
            "orm/src/lib.rs",
            "mod a { pub fn f() { super::b::g() } }\nmod b { pub(super) fn g() { self::h() } fn h() {} }",
        )]);
        assert_eq!(
            found,
            [
                "orm/src/lib.rs:1: `a` uses `b`, which does not stand above it in orm/src/lib.rs",
                "orm/src/lib.rs: an order that works: b, a",
            ]
        );
    }
}
