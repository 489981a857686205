//! A Rust file as the rules see it: its tokens, with and without the code that only tests compile.

use super::token::{Kind, Token, tokens};
use crate::workspace::TextFile;

/// A tokenized Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    /// Everything.
    pub(crate) all: Vec<Token>,
    /// Without the items under `#[cfg(test)]`.
    pub(crate) product: Vec<Token>,
    /// How many lines are not under `#[cfg(test)]`.
    pub(crate) product_lines: usize,
}

impl Source {
    /// The file when it is Rust, else `None`.
    pub(crate) fn of(file: &TextFile) -> Option<Self> {
        file.path.ends_with(".rs").then(|| Self::new(&file.path, &file.text))
    }

    pub(crate) fn new(path: &str, text: &str) -> Self {
        let all = tokens(text);
        let (product, test_lines) = without_tests(&all);
        let product_lines = text.lines().count().saturating_sub(test_lines);
        Self { path: path.to_owned(), all, product, product_lines }
    }

    /// True when the file has a test of that name that runs.
    pub(crate) fn defines_test(&self, name: &str) -> bool {
        let mut attributes: Vec<&[Token]> = Vec::new();
        let mut at = 0;
        while let Some(token) = self.all.get(at) {
            if let Some(end) = attribute_end(&self.all, at) {
                attributes.push(&self.all[at..end]);
                at = end;
                continue;
            }
            if token.is_word("fn") {
                let says =
                    |word: &str| attributes.iter().copied().flatten().any(|of| of.is_word(word));
                let is_it = self.all.get(at + 1).is_some_and(|next| next.is_word(name));
                if is_it && says("test") && !says("ignore") {
                    return true;
                }
            }
            if !token.is_word("pub") && !token.is_word("async") {
                attributes.clear();
            }
            at += 1;
        }
        false
    }

    /// The first function whose name begins so.
    pub(crate) fn function_with_prefix(&self, prefix: &str) -> Option<&str> {
        let mut pairs = self.all.windows(2).filter(|pair| pair[0].is_word("fn"));
        pairs.find_map(|pair| pair[1].word().filter(|name| name.starts_with(prefix)))
    }
}

/// The tokens outside `#[cfg(test)]` items, and the number of lines those items cover.
fn without_tests(all: &[Token]) -> (Vec<Token>, usize) {
    let mut kept = Vec::with_capacity(all.len());
    let mut test_lines = 0;
    let mut at = 0;
    while at < all.len() {
        if let Some(end) = attribute_end(all, at)
            && is_test_only(&all[at..end])
        {
            let past = item_end(all, end);
            test_lines += all[past - 1].line - all[at].line + 1;
            at = past;
            continue;
        }
        kept.push(all[at].clone());
        at += 1;
    }
    (kept, test_lines)
}

/// When an outer or inner attribute begins at `at`, the index past its `]`.
pub(crate) fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    if !tokens.get(at)?.is_mark('#') {
        return None;
    }
    let open = if tokens.get(at + 1)?.is_mark('!') { at + 2 } else { at + 1 };
    tokens.get(open)?.is_mark('[').then(|| closed(tokens, open))
}

/// The index past the bracket that closes the one at `open`; the end of the tokens when none does.
pub(crate) fn closed(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// `#[cfg(test)]`, or `test` among the conditions of an `all`.
fn is_test_only(attribute: &[Token]) -> bool {
    let says = |word: &str| attribute.iter().any(|token| token.is_word(word));
    attribute.get(2).is_some_and(|token| token.is_word("cfg"))
        && says("test")
        && !says("not")
        && !says("any")
}

/// The index past the item that begins at `at`: its further attributes, and all up to its `;` or closing brace.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while let Some(end) = attribute_end(tokens, at) {
        at = end;
    }
    let is_import = tokens[at..]
        .iter()
        .take(6)
        .take_while(|token| !token.is_mark('{'))
        .any(|t| t.is_word("use"));
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Mark(';') => return at + 1,
            Kind::Mark('{') if !is_import => return closed(tokens, at),
            Kind::Mark('(' | '[' | '{') => at = closed(tokens, at),
            // The end of what encloses us: the attribute stood on a field or a variant.
            Kind::Mark(')' | ']' | '}') => return at,
            _ => at += 1,
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(text: &str) -> Vec<String> {
        let source = Source::new("x.rs", text);
        source.product.iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    }

    #[test]
    fn test_items_are_left_out() {
        let text = "
            fn kept() {}
            #[cfg(test)] use a::{b, c};
            #[cfg(test)] mod lost;
            #[cfg(all(test, unix))] #[allow(dead)] fn gone(x: [u8; 3]) -> [u8; 3] { x }
            #[cfg(not(test))] fn also() {}
            struct S { #[cfg(test)] a: u8 }
            #[cfg(test)] mod tests { fn t() { if x { y } } }
            fn last() {}";
        let words = product(text);
        for word in ["kept", "also", "S", "last"] {
            assert!(words.iter().any(|own| own == word), "{word} is missing in {words:?}");
        }
        for word in ["use", "lost", "gone", "t", "y", "u8"] {
            assert!(!words.iter().any(|own| own == word), "{word} is left in {words:?}");
        }
    }

    #[test]
    fn test_lines_do_not_count() {
        let source =
            Source::new("x.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
        assert_eq!(source.product_lines, 2);
    }

    #[test]
    fn tests_are_found_in_code_where_they_run() {
        let source = Source::new(
            "x.rs",
            "// #[test] fn a\n#[test] fn b() { \"#[test] fn c\" }\n#[cfg(test)] mod t { #[tokio::test] async fn d() {} fn e() {} }
             #[test] #[ignore = \"long\"] fn f() {} #[inline] fn g() {}",
        );
        let found = ["a", "b", "c", "d", "e", "f", "g"].map(|name| source.defines_test(name));
        assert_eq!(found, [false, true, false, true, false, false, false]);
    }
}
