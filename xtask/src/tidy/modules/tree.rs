//! The modules of one crate: what each declares, in which order it lists its children, and what it refers to.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Reference, references};
use crate::tidy::source::{Source, attribute_end, closed};
use crate::tidy::token::{Kind, Token};

/// One module, in a file of its own or inside another's.
#[derive(Debug)]
pub(crate) struct Module {
    /// From the root of the workspace.
    pub(crate) file: String,
    /// Names of the child modules, in the order of their `mod` lines.
    pub(crate) children: Vec<String>,
    /// Names of the items that are declared here, not only imported.
    pub(crate) items: BTreeSet<String>,
    pub(crate) references: Vec<Reference>,
    path: Vec<String>,
}

impl Module {
    /// The last part of its path; `crate` for the root.
    pub(crate) fn name(&self) -> &str {
        self.path.last().map_or("crate", String::as_str)
    }
}

/// All modules of a crate that are not only for tests, by their paths from its root.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) modules: BTreeMap<Vec<String>, Module>,
    /// Every macro by example; an exported one is named from the root wherever it stands.
    pub(crate) macros: BTreeSet<String>,
}

impl Tree {
    /// Reads the crate whose root file is `root`; `None` when there is no such file.
    pub(crate) fn read(sources: &[Source], root: &str) -> Option<Self> {
        let source = sources.iter().find(|source| source.path == root)?;
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut tree = Self { modules: BTreeMap::new(), macros: BTreeSet::new() };
        tree.add(sources, source, &source.product, Vec::new(), folder);
        Some(tree)
    }

    /// How many of the leading segments name a module.
    pub(crate) fn depth_of(&self, segments: &[String]) -> usize {
        (0..=segments.len())
            .rev()
            .find(|depth| self.modules.contains_key(&segments[..*depth]))
            .unwrap_or(0)
    }

    /// Adds the module made of `tokens`, whose children have their files in `folder`, and those children.
    fn add(
        &mut self,
        sources: &[Source],
        source: &Source,
        tokens: &[Token],
        path: Vec<String>,
        folder: &str,
    ) {
        let outline = Outline::of(tokens);
        let child = |name: &str| path.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
        for name in &outline.files {
            let candidates = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
            if let Some(file) = sources.iter().find(|source| candidates.contains(&source.path)) {
                self.add(sources, file, &file.product, child(name), &format!("{folder}/{name}"));
            }
        }
        let mut own = Vec::new();
        let mut past = 0;
        for (name, start, end) in outline.inline {
            own.extend_from_slice(&tokens[past..start]);
            self.add(
                sources,
                source,
                &tokens[start..end],
                child(&name),
                &format!("{folder}/{name}"),
            );
            past = end;
        }
        own.extend_from_slice(&tokens[past..]);
        self.macros.extend(outline.macros);
        let module = Module {
            file: source.path.clone(),
            children: outline.children,
            items: outline.items,
            references: references(&path, &own),
            path: path.clone(),
        };
        self.modules.insert(path, module);
    }
}

/// What stands at the top level of a module.
#[derive(Debug, Default)]
struct Outline {
    children: Vec<String>,
    /// The children with a file of their own.
    files: Vec<String>,
    /// The children written here: name and the range of tokens between the braces.
    inline: Vec<(String, usize, usize)>,
    items: BTreeSet<String>,
    macros: BTreeSet<String>,
}

impl Outline {
    fn of(tokens: &[Token]) -> Self {
        let mut outline = Self::default();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let Some(end) = attribute_end(tokens, at) {
                at = end;
                continue;
            }
            if matches!(token.kind, Kind::Mark('(' | '[' | '{')) {
                at = closed(tokens, at);
                continue;
            }
            at = match token.word() {
                Some("use") => past_semicolon(tokens, at),
                Some("mod") => outline.module(tokens, at),
                Some("macro_rules") => {
                    if let Some(name) = tokens.get(at + 2).and_then(Token::word) {
                        outline.macros.insert(name.to_owned());
                        outline.items.insert(name.to_owned());
                    }
                    at + 3
                }
                Some(
                    "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static",
                ) => {
                    let name = tokens.get(at + 1).and_then(Token::word);
                    outline.items.extend(name.map(str::to_owned));
                    at + 1
                }
                _ => at + 1,
            };
        }
        outline
    }

    /// Reads `mod name;` or `mod name { .. }` at `at`; returns the index past it.
    fn module(&mut self, tokens: &[Token], at: usize) -> usize {
        let Some(name) = tokens.get(at + 1).and_then(Token::word) else { return at + 1 };
        if !self.children.iter().any(|own| own == name) {
            self.children.push(name.to_owned());
        }
        if tokens.get(at + 2).is_some_and(|next| next.is_mark('{')) {
            let end = closed(tokens, at + 2);
            self.inline.push((name.to_owned(), at + 3, end.saturating_sub(1).max(at + 3)));
            return end;
        }
        self.files.push(name.to_owned());
        at + 2
    }
}

fn past_semicolon(tokens: &[Token], at: usize) -> usize {
    let length = tokens[at..].iter().position(|token| token.is_mark(';'));
    length.map_or(tokens.len(), |length| at + length + 1)
}
