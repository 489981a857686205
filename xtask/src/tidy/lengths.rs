//! Notes, not a gate: functions and files that have grown long are worth a second look.

use super::report::Finding;
use super::source::{Source, closed};
use super::token::Kind;

/// Lines of a function from its signature to its closing brace.
const FUNCTION_LINES: usize = 60;
/// Lines of a file, its tests not counted.
const FILE_LINES: usize = 500;

pub(crate) fn notes(sources: &[Source]) -> Vec<Finding> {
    let mut notes = Vec::new();
    for source in sources.iter().filter(|source| !is_test(&source.path)) {
        if source.product_lines > FILE_LINES {
            let message = format!("{} lines: is it one subject?", source.product_lines);
            notes.push(Finding::new(&source.path, 0, message));
        }
        for (name, line, length) in functions(source) {
            if length > FUNCTION_LINES {
                notes.push(Finding::new(
                    &source.path,
                    line,
                    format!("`{name}` has {length} lines"),
                ));
            }
        }
    }
    notes
}

/// True for a file that holds nothing but tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// Name, first line and length of every function with a body, tests left out.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let tokens = &source.product;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) =
            tokens.get(at + 1).and_then(|next| next.word()).filter(|_| token.is_word("fn"))
        else {
            continue;
        };
        let mut body = at + 2;
        while let Some(next) = tokens.get(body) {
            match next.kind {
                Kind::Mark('{') => {
                    let last = &tokens[closed(tokens, body) - 1];
                    found.push((name.to_owned(), token.line, last.line - token.line + 1));
                    break;
                }
                Kind::Mark(';') => break,
                Kind::Mark('(' | '[') => body = closed(tokens, body),
                _ => body += 1,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_from_signature_to_brace() {
        let source = Source::new(
            "a.rs",
            "trait T { fn a(&self); }\nfn b(x: [u8; 3])\nwhere\n{\n  c({ 1 })\n}\n",
        );
        assert_eq!(functions(&source), [("b".to_owned(), 2, 5)]);
    }

    #[test]
    fn only_long_ones_are_noted() {
        let text = format!("fn short() {{}}\nfn long() {{\n{}}}\n", "    x();\n".repeat(60));
        let notes = notes(&[Source::new("a.rs", &text), Source::new("a/tests.rs", &text)]);
        assert_eq!(notes, [Finding::new("a.rs", 2, "`long` has 62 lines")]);
    }
}
