//! Finds the paths that begin with `crate`, `super` or `self`, in imports and in code.

use crate::tidy::token::Token;

/// A path from the root of its crate, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Every such path in the tokens of `module`, made absolute. A group in an import gives one path for each member.
pub(crate) fn references(module: &[String], tokens: &[Token]) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let mut base = match token.word() {
            Some("crate") => Vec::new(),
            Some("self") => module.to_vec(),
            Some("super") => parent(module),
            _ => {
                at += 1;
                continue;
            }
        };
        let before = at.checked_sub(1).map(|index| &tokens[index]);
        let in_macro = before.is_some_and(|own| own.is_mark('$'));
        let in_visibility = before.is_some_and(|own| own.is_word("in"));
        at += 1;
        if in_macro || in_visibility || !colons(tokens, at) {
            continue;
        }
        while colons(tokens, at) && tokens.get(at + 2).is_some_and(|next| next.is_word("super")) {
            base = parent(&base);
            at += 3;
        }
        at = if colons(tokens, at) { branch(tokens, at + 2, base, &mut found) } else { at };
    }
    found
}

fn parent(module: &[String]) -> Vec<String> {
    module[..module.len().saturating_sub(1)].to_vec()
}

fn colons(tokens: &[Token], at: usize) -> bool {
    tokens.get(at..at + 2).is_some_and(|pair| pair.iter().all(|token| token.is_mark(':')))
}

/// Reads what follows `prefix::` at `at`; returns the index past it.
fn branch(
    tokens: &[Token],
    mut at: usize,
    mut prefix: Vec<String>,
    found: &mut Vec<Reference>,
) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        if token.is_mark('{') {
            return group(tokens, at + 1, &prefix, found);
        }
        if token.is_mark('*') {
            prefix.push("*".to_owned());
            at += 1;
            break;
        }
        let Some(word) = token.word() else { break };
        if word != "self" {
            prefix.push(word.to_owned());
        }
        at += 1;
        if !colons(tokens, at) {
            break;
        }
        at += 2;
    }
    found.push(Reference { segments: prefix, line });
    at
}

/// Reads the members of a group up to its `}`; returns the index past it.
fn group(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Reference>) -> usize {
    while let Some(token) = tokens.get(at) {
        if token.is_mark('}') {
            return at + 1;
        }
        if token.is_mark(',') {
            at += 1;
        } else if token.is_word("as") {
            at += 2;
        } else {
            // A member is a word, a `*` or a group; anything else is broken source and is stepped over.
            at = branch(tokens, at, prefix.to_vec(), found).max(at + 1);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::token::tokens;

    fn paths(source: &str) -> Vec<String> {
        let module = ["a".to_owned(), "b".to_owned()];
        references(&module, &tokens(source))
            .into_iter()
            .map(|found| found.segments.join("::"))
            .collect()
    }

    #[test]
    fn groups_are_taken_apart() {
        assert_eq!(paths("use crate::{x::{self, Y as Z, *}, w};"), ["x", "x::Y", "x::*", "w"]);
    }

    #[test]
    fn relative_paths_become_absolute() {
        assert_eq!(
            paths("super::x(); super::super::y; self::z::Z::<u8>::new(); self.field"),
            ["a::x", "y", "a::b::z::Z"]
        );
    }

    #[test]
    fn paths_inside_types_are_found() {
        assert_eq!(
            paths("fn f(x: Vec<crate::x::X<super::Y>>) -> crate::Z {}"),
            ["x::X", "a::Y", "Z"]
        );
    }
}
