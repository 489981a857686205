//! Rule: every public async function of the product says what dropping its future does.
//!
//! Counted as such: `pub async fn`, `pub fn .. -> impl Future`, and both inside the body of a `pub trait`.

use super::report::Finding;
use super::source::{Source, attribute_end, closed};
use super::token::{Kind, Token};

/// The heading that has to stand in the documentation.
const HEADING: &str = "# Cancel safety";

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        scan(source, &source.product, false, &mut findings);
    }
    findings
}

/// Looks through a run of items; `public` when they are public by where they stand (in a public trait).
fn scan(source: &Source, tokens: &[Token], public: bool, findings: &mut Vec<Finding>) {
    let mut documented = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Kind::Doc(text) = &token.kind {
            documented |= text.contains(HEADING);
            at += 1;
            continue;
        }
        if let Some(end) = attribute_end(tokens, at) {
            at = end;
            continue;
        }
        // `pub(crate)` and its like are not public.
        let is_pub =
            token.is_word("pub") && !tokens.get(at + 1).is_some_and(|next| next.is_mark('('));
        let start = if is_pub { at + 1 } else { at };
        if (is_pub || public)
            && !documented
            && let Some(name) = async_function(&tokens[start..])
        {
            let message =
                format!("public async `{name}` needs a `{HEADING}` heading in its documentation");
            findings.push(Finding::new(&source.path, token.line, message));
        }
        if is_pub && tokens[start..].iter().take(2).any(|next| next.is_word("trait")) {
            let open = (start..tokens.len())
                .find(|index| tokens[*index].is_mark('{'))
                .unwrap_or(tokens.len());
            let end = closed(tokens, open);
            if open + 1 < end {
                scan(source, &tokens[open + 1..end - 1], true, findings);
            }
            at = end;
        } else {
            // Past the words that begin the signature: `const`, `async`, `fn`, the name.
            let words = tokens[start..].iter().take_while(|next| next.word().is_some()).count();
            at = start + words.max(1);
        }
        documented = false;
    }
}

/// The name of the function that begins here when awaiting its result is what it is for.
fn async_function(tokens: &[Token]) -> Option<&str> {
    let keywords = tokens.iter().take_while(|token| {
        ["const", "async", "extern"].iter().any(|word| token.is_word(word))
            || token.kind == Kind::Literal
    });
    let keyword_count = keywords.count();
    let is_async = tokens[..keyword_count].iter().any(|token| token.is_word("async"));
    tokens.get(keyword_count).filter(|token| token.is_word("fn"))?;
    let name = tokens.get(keyword_count + 1)?.word()?;
    (is_async || returns_future(&tokens[keyword_count + 2..])).then_some(name)
}

/// True when the signature that begins here says `-> impl Future`, under whatever path.
fn returns_future(signature: &[Token]) -> bool {
    let mut at = 0;
    while let Some(token) = signature.get(at) {
        match token.kind {
            Kind::Mark('{' | ';') => return false,
            Kind::Mark('(' | '[') => at = closed(signature, at),
            Kind::Mark('>') if at > 0 && signature[at - 1].is_mark('-') => {
                let result = &signature[at + 1..];
                let until = result
                    .iter()
                    .position(|t| t.is_mark('{') || t.is_mark(';') || t.is_word("where"));
                let result = &result[..until.unwrap_or(result.len())];
                return result.first().is_some_and(|t| t.is_word("impl"))
                    && result.iter().any(|t| t.is_word("Future"));
            }
            _ => at += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&[Source::new("a.rs", text)]).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_missing_heading_is_found() {
        let text = "impl A {\n/// Does.\npub async fn a() {}\nfn b() {}\n\
                    pub fn c() -> impl Future<Output = ()> + Send { async {} }\n}\n\
                    pub trait T {\n/// Does.\nasync fn d(&self);\nfn e(&self) -> impl std::future::Future;\n}";
        assert_eq!(lines(text), [3, 5, 9, 10]);
    }

    #[test]
    fn a_heading_satisfies_also_across_attributes() {
        let text = "/// Does.\n///\n/// # Cancel safety\n///\n/// Safe.\n#[inline]\npub async fn a() {}\n\
                    pub trait T {\n/// # Cancel safety\n/// Safe.\nasync fn b(&self) -> u8 { 1 }\n}";
        assert_eq!(lines(text), [0_usize; 0]);
    }

    #[test]
    fn what_is_not_public_or_not_async_passes() {
        let text = "pub(crate) async fn a() {}\nasync fn b() {}\npub fn c(f: impl Future) -> u8 { 1 }\n\
                    trait T { async fn d(&self); }\n#[cfg(test)] mod t { pub async fn e() {} }";
        assert_eq!(lines(text), [0_usize; 0]);
    }

    #[test]
    fn a_heading_belongs_to_its_own_function() {
        let text = "/// # Cancel safety\npub async fn a() {}\npub async fn b() {}";
        assert_eq!(lines(text), [3]);
    }
}
