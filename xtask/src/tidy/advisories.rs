//! Rule: every row of `docs/advisories.md` that is done names tests that exist, and none that is planned has its test.

use super::features::missing;
use super::report::Finding;
use super::source::Source;
use crate::workspace::TextFile;

const TABLE: &str = "docs/advisories.md";

pub(crate) fn check(files: &[TextFile], sources: &[Source]) -> Vec<Finding> {
    let Some(file) = files.iter().find(|file| file.path == TABLE) else {
        return vec![Finding::new(TABLE, 0, "the table of advisories is missing")];
    };
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for problem in problems(line, sources) {
            findings.push(Finding::new(TABLE, index + 1, problem));
        }
    }
    findings
}

/// What is wrong with a line; nothing with prose, with the heading and with the ruler below it.
fn problems(line: &str, sources: &[Source]) -> Vec<String> {
    let Some(inner) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
        return Vec::new();
    };
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    if cells[0] == "advisory" || cells[0].starts_with('-') {
        return Vec::new();
    }
    let [id, _, tests, status] = cells[..] else {
        return vec![format!("{}: {} cells, not 4", cells[0], cells.len())];
    };
    let tests =
        tests.split(", ").map(|test| test.trim_matches('`')).filter(|test| !test.is_empty());
    let mut tests = tests.peekable();
    if tests.peek().is_none() {
        return vec![format!("{id} names no test")];
    }
    let problem = |test: &str| match status {
        "done" => missing(test, sources),
        "planned" => begun(test, sources),
        _ => Some(format!("the status is `done` or `planned`, not `{status}`")),
    };
    tests.filter_map(|test| Some(format!("{id}: {}", problem(test)?))).collect()
}

/// The test whose name begins as was planned, which makes the row one that is done.
fn begun(prefix: &str, sources: &[Source]) -> Option<String> {
    sources.iter().find_map(|source| {
        let name = source.function_with_prefix(prefix)?;
        Some(format!("`{}::{name}` is there: name it, the row is done", source.path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(row: &str) -> Vec<String> {
        let sources = [Source::new("tests/it/a.rs", "#[test]\nfn cve_1_works() {}\n")];
        let text =
            format!("# A\n\n| advisory | what | our test | status |\n|---|---|---|---|\n{row}");
        let files = [TextFile { path: TABLE.to_owned(), text }];
        check(&files, &sources).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn rows_that_are_right_pass() {
        assert_eq!(found("| CVE-1 | a | `tests/it/a.rs::cve_1_works` | done |\n"), [""; 0]);
        assert_eq!(found("| CVE-2 | a | `cve_2` | planned |\n"), [""; 0]);
    }

    #[test]
    fn a_test_that_is_not_there_is_found_and_one_that_is() {
        assert_eq!(
            found("| CVE-1 | a | `tests/it/a.rs::cve_1_fails` | done |\n"),
            ["CVE-1: `tests/it/a.rs` has no test `cve_1_fails` that runs"]
        );
        assert_eq!(
            found("| CVE-1 | a | `cve_1` | planned |\n"),
            ["CVE-1: `tests/it/a.rs::cve_1_works` is there: name it, the row is done"]
        );
    }

    #[test]
    fn rows_that_say_too_little_are_found() {
        assert_eq!(found("| CVE-1 | a | | done |\n"), ["CVE-1 names no test"]);
        assert_eq!(found("| CVE-1 | a | `cve_1` |\n"), ["CVE-1: 3 cells, not 4"]);
        assert_eq!(
            found("| CVE-1 | a | `cve_2` | soon |\n"),
            ["CVE-1: the status is `done` or `planned`, not `soon`"]
        );
    }
}
