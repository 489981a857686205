//! Rule: no `unsafe`, no unfinished code, no debugging left behind, no test skipped without a reason.

use super::report::Finding;
use super::source::{Source, attribute_end};

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tokens = &source.all;
    for (at, token) in tokens.iter().enumerate() {
        let mut report =
            |message: String| findings.push(Finding::new(&source.path, token.line, message));
        match token.word() {
            Some("unsafe") => report("`unsafe` is used nowhere in this project".to_owned()),
            Some(name @ ("todo" | "unimplemented" | "dbg"))
                if tokens.get(at + 1).is_some_and(|next| next.is_mark('!')) =>
            {
                report(format!("`{name}!` is left in the code"));
            }
            _ => {}
        }
        if let Some(end) = attribute_end(tokens, at)
            && end == at + 4
            && tokens[at + 2].is_word("ignore")
        {
            report("an ignored test says why: `#[ignore = \"reason\"]`".to_owned());
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&[Source::new("a.rs", text)]).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn each_word_is_found_also_in_tests() {
        let text = "unsafe fn a() {}\nfn b() { todo!() }\nfn c() { unimplemented!() }\n\
                    #[cfg(test)]\nmod t { fn d() { dbg!(1); } }\n#[ignore]\nfn e() {}";
        assert_eq!(lines(text), [1, 2, 3, 5, 6]);
    }

    #[test]
    fn look_alikes_pass() {
        let text = "#![forbid(unsafe_code)]\n// todo!(\nfn todo() {}\nlet a = \"dbg!(\";\n\
                    #[ignore = \"needs a second machine\"]\nfn e() {}\n#[model(ignore)]\nstruct S;";
        assert_eq!(lines(text), [0_usize; 0]);
    }
}
