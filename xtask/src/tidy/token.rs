//! A small tokenizer for Rust: enough to tell code from comments and strings, and no more.

/// One piece of code. Comments that are not documentation are dropped; so is white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or keyword; a raw identifier without its `r#`.
    Word(String),
    /// One punctuation character. `::` is two of them.
    Mark(char),
    /// A string, character, byte or number, without its content; a lifetime too.
    Literal,
    /// The text of an outer documentation comment, one line or one block.
    Doc(String),
}

/// A piece of code and the line it begins on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    pub(crate) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Cuts Rust source into tokens. Broken source gives some tokens, never an error: the compiler reports it better.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut scanner = Scanner { rest: source, line: 1 };
    let mut found = Vec::new();
    while let Some(token) = scanner.next_token() {
        found.push(token);
    }
    found
}

struct Scanner<'s> {
    rest: &'s str,
    line: usize,
}

impl<'s> Scanner<'s> {
    /// Moves past `length` bytes and returns them. `length` is always a character boundary found in `rest`.
    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'s str {
        let length = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        self.take(length)
    }

    fn next_token(&mut self) -> Option<Token> {
        loop {
            self.take_while(char::is_whitespace);
            let line = self.line;
            let first = self.rest.chars().next()?;
            let kind = if self.rest.starts_with("//") {
                self.line_comment()
            } else if self.rest.starts_with("/*") {
                self.block_comment()
            } else if let Some(literal) = self.string() {
                Some(literal)
            } else if first == '\'' {
                Some(self.quote())
            } else if first.is_ascii_digit() {
                self.take_while(is_word);
                Some(Kind::Literal)
            } else if is_word(first) {
                if self.rest.starts_with("r#") {
                    self.take(2);
                }
                Some(Kind::Word(self.take_while(is_word).to_owned()))
            } else {
                self.take(first.len_utf8());
                Some(Kind::Mark(first))
            };
            if let Some(kind) = kind {
                return Some(Token { kind, line });
            }
        }
    }

    fn line_comment(&mut self) -> Option<Kind> {
        let text = self.take_while(|c| c != '\n');
        let doc = text.strip_prefix("///").filter(|rest| !rest.starts_with('/'))?;
        Some(Kind::Doc(doc.to_owned()))
    }

    fn block_comment(&mut self) -> Option<Kind> {
        let whole = self.rest;
        let mut depth = 0_usize;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
                if depth == 0 {
                    break;
                }
            } else {
                let length = self.rest.chars().next().map_or(0, char::len_utf8);
                self.take(length);
            }
        }
        let text = &whole[..whole.len() - self.rest.len()];
        let doc = text.strip_prefix("/**").filter(|rest| !rest.starts_with(['*', '/']))?;
        Some(Kind::Doc(doc.trim_end_matches("*/").to_owned()))
    }

    /// A string of any sort, or `None` when the next characters begin something else.
    fn string(&mut self) -> Option<Kind> {
        let prefix =
            self.rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
        let raw = self.rest[..prefix].contains('r');
        let after = &self.rest[prefix..];
        if raw {
            let hashes = after.len() - after.trim_start_matches('#').len();
            if !after[hashes..].starts_with('"') {
                return None;
            }
            self.take(prefix + hashes + 1);
            let end = format!("\"{}", "#".repeat(hashes));
            let length = self.rest.find(&end).map_or(self.rest.len(), |at| at + end.len());
            self.take(length);
            return Some(Kind::Literal);
        }
        if prefix == 1 && after.starts_with('\'') {
            self.take(1);
            return Some(self.quote());
        }
        if !after.starts_with('"') {
            return None;
        }
        self.take(prefix + 1);
        self.escaped_until('"');
        Some(Kind::Literal)
    }

    /// A character or a lifetime; both begin with `'`.
    fn quote(&mut self) -> Kind {
        self.take(1);
        let mut ahead = self.rest.chars();
        let (first, second) = (ahead.next(), ahead.next());
        if first.is_some_and(is_word) && second != Some('\'') {
            self.take_while(is_word);
        } else {
            self.escaped_until('\'');
        }
        Kind::Literal
    }

    fn escaped_until(&mut self, end: char) {
        while let Some(next) = self.rest.chars().next() {
            self.take(next.len_utf8());
            if next == end {
                return;
            }
            if next == '\\' {
                let length = self.rest.chars().next().map_or(0, char::len_utf8);
                self.take(length);
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_and_strings_hold_no_words() {
        let source = r####"
            // unsafe
            /* unsafe /* unsafe */ unsafe */
            let a = "unsafe \" unsafe"; let b = r#"unsafe " unsafe"#; let c = b"unsafe"; let d = br##"unsafe"##;
            let e = '"'; let f = b'"'; let g = '\''; h
        "####;
        let mut expected = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            expected.extend(["let", name]);
        }
        expected.push("h");
        assert_eq!(words(source), expected);
    }

    #[test]
    fn lifetimes_do_not_swallow_code() {
        assert_eq!(
            words("fn f<'a>(x: &'a str, y: &'static [u8]) -> char { 'x' }"),
            ["fn", "f", "x", "str", "y", "u8", "char"]
        );
    }

    #[test]
    fn raw_identifiers_lose_their_prefix_and_r_words_are_words() {
        assert_eq!(words("r#type row b c br"), ["type", "row", "b", "c", "br"]);
    }

    #[test]
    fn documentation_is_kept_with_its_line() {
        let found = tokens("\n/// One.\n//// ruler\n//! inner\nfn f() {}");
        assert_eq!(found[0], Token { kind: Kind::Doc(" One.".to_owned()), line: 2 });
        assert!(found[1].is_word("fn"));
        assert_eq!(found[1].line, 5);
    }

    #[test]
    fn broken_source_ends() {
        for source in ["\"", "r#\"", "'", "/*", "b'", "'\\", "\"\\", "r#"] {
            tokens(source);
        }
    }
}
