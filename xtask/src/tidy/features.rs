//! Rule: `docs/features.md` has one row for every feature, and a row marked done names tests that exist.

use std::collections::BTreeMap;

use super::report::Finding;
use super::source::Source;
use crate::workspace::TextFile;

const TABLE: &str = "docs/features.md";

/// The families of features, by their letters, each with its last number.
const FAMILIES: [(char, u32); 16] = [
    ('M', 24),
    ('T', 19),
    ('C', 10),
    ('R', 16),
    ('Q', 25),
    ('W', 12),
    ('X', 9),
    ('I', 4),
    ('S', 6),
    ('D', 11),
    ('F', 4),
    ('L', 10),
    ('H', 4),
    ('P', 13),
    ('E', 2),
    ('O', 7),
];

/// What the table holds, for the last line of the report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) rows: usize,
    pub(crate) done: usize,
}

pub(crate) fn check(files: &[TextFile], sources: &[Source]) -> (Vec<Finding>, Count) {
    let Some(file) = files.iter().find(|file| file.path == TABLE) else {
        return (
            vec![Finding::new(TABLE, 0, "the table of features is missing")],
            Count::default(),
        );
    };
    let mut findings = Vec::new();
    let mut families: BTreeMap<char, BTreeMap<u32, usize>> = BTreeMap::new();
    let mut count = Count::default();
    for (index, line) in file.text.lines().enumerate() {
        let Some(row) = Row::of(line) else { continue };
        let mut report = |message: String| findings.push(Finding::new(TABLE, index + 1, message));
        match row.feature() {
            Some((family, number)) => {
                if let Some(first) = families.entry(family).or_default().insert(number, index + 1) {
                    report(format!("{} has a row already, in line {first}", row.id));
                }
            }
            None => {
                let letters: String = FAMILIES.iter().map(|(family, _)| *family).collect();
                report(format!("`{}` is no feature: a letter of {letters} and two digits", row.id))
            }
        }
        count.rows += 1;
        count.done += usize::from(row.status == "done");
        row.problems(sources).into_iter().for_each(report);
    }
    for (family, last) in FAMILIES {
        let numbers = families.remove(&family).unwrap_or_default();
        for number in (1..=last).filter(|number| !numbers.contains_key(number)) {
            findings.push(Finding::new(TABLE, 0, format!("{family}{number:02} has no row")));
        }
        for number in numbers.keys().filter(|number| !(1..=last).contains(*number)) {
            findings.push(Finding::new(TABLE, 0, format!("{family}{number:02} is no feature")));
        }
    }
    (findings, count)
}

/// A row of the table: `| ID | what | API | test | status |`.
struct Row<'t> {
    id: &'t str,
    test: &'t str,
    status: &'t str,
    cells: usize,
}

impl<'t> Row<'t> {
    /// The row of a line; `None` for prose, for the heading and for the ruler below it.
    fn of(line: &'t str) -> Option<Self> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let id = *cells.first()?;
        if id == "ID" || id.starts_with(['-', ':']) {
            return None;
        }
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        Some(Self { id, test: cell(3), status: cell(4), cells: cells.len() })
    }

    fn feature(&self) -> Option<(char, u32)> {
        let mut characters = self.id.chars();
        let family = characters.next()?;
        FAMILIES.iter().find(|(letter, _)| *letter == family)?;
        let digits = characters.as_str();
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten().map(|number| (family, number))
    }

    fn problems(&self, sources: &[Source]) -> Vec<String> {
        let mut problems = Vec::new();
        if self.cells != 5 {
            problems
                .push(format!("{}: {} cells, not 5 (write `\\|` as \"or\")", self.id, self.cells));
        }
        if !matches!(self.status, "done" | "planned") {
            problems.push(format!(
                "{}: the status is `done` or `planned`, not `{}`",
                self.id, self.status
            ));
        }
        let tests: Vec<&str> = self.test.split(", ").map(|test| test.trim_matches('`')).collect();
        let tests: Vec<&str> = tests.into_iter().filter(|test| !test.is_empty()).collect();
        if self.status == "done" && tests.is_empty() {
            problems.push(format!("{} is done but names no test", self.id));
        }
        problems.extend(
            tests
                .into_iter()
                .filter_map(|test| Some(format!("{}: {}", self.id, missing(test, sources)?))),
        );
        problems
    }
}

/// Why the named test is not there; `None` when it is.
pub(super) fn missing(test: &str, sources: &[Source]) -> Option<String> {
    let Some((path, name)) = test.split_once(".rs::") else {
        return Some(format!("`{test}` is not of the form `path.rs::test_name`"));
    };
    let path = format!("{path}.rs");
    let name = name.rsplit("::").next().unwrap_or(name);
    match sources.iter().find(|source| source.path == path) {
        None => Some(format!("there is no file `{path}`")),
        Some(source) if source.defines_test(name) => None,
        Some(_) => Some(format!("`{path}` has no test `{name}` that runs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with all rows but the first three of M, and the given ones.
    fn messages(rows: &str) -> Vec<String> {
        let mut text = String::from(
            "# Features\n\n| ID | what | API | test | status |\n|---|---|---|---|---|\n",
        );
        for (family, last) in FAMILIES {
            let first = if family == 'M' { 4 } else { 1 };
            for number in first..=last {
                text.push_str(&format!("| {family}{number:02} | a | | | planned |\n"));
            }
        }
        text.push_str(rows);
        let files = [TextFile { path: TABLE.to_owned(), text }];
        let source = "#[test]\nfn works() {}\n#[test]\n#[ignore]\nfn waits() {}\nfn aids() {}\n";
        let sources = [Source::new("tests/it/a.rs", source)];
        check(&files, &sources).0.into_iter().map(|finding| finding.message).collect()
    }

    const SECOND_AND_THIRD: &str = "| M02 | b | | | planned |\n| M03 | c | | | planned |\n";

    /// What is found where M01 is this.
    fn messages_of(row: &str) -> Vec<String> {
        messages(&format!("{row}\n{SECOND_AND_THIRD}"))
    }

    #[test]
    fn a_whole_table_passes() {
        let row = "| M01 | a | `x` | `tests/it/a.rs::works`, `tests/it/a.rs::works` | done |";
        assert_eq!(messages_of(row), [""; 0]);
    }

    #[test]
    fn a_gap_a_double_and_a_stranger_are_found() {
        assert_eq!(messages(SECOND_AND_THIRD), ["M01 has no row"]);
        assert_eq!(
            messages("| M01 | a | | | planned |\n| M02 | b | | | planned |\n"),
            ["M03 has no row"]
        );
        let double = messages_of("| M01 | a | | | planned |\n| M01 | a | | | planned |");
        assert_eq!(double.len(), 1);
        assert!(double[0].starts_with("M01 has a row already, in line "), "{double:?}");
        for stranger in ["Z01", "M25", "M00"] {
            let row = format!("| M01 | a | | | planned |\n| {stranger} | a | | | planned |");
            assert_eq!(messages_of(&row).len(), 1, "{stranger}");
        }
    }

    #[test]
    fn done_needs_a_test_that_runs() {
        let of =
            |test: &str, status: &str| messages_of(&format!("| M01 | a | x | {test} | {status} |"));
        assert_eq!(of("", "done"), ["M01 is done but names no test"]);
        assert_eq!(of("`tests/it/b.rs::works`", "done"), ["M01: there is no file `tests/it/b.rs`"]);
        for name in ["fails", "waits", "aids"] {
            assert_eq!(
                of(&format!("`tests/it/a.rs::{name}`"), "planned"),
                [format!("M01: `tests/it/a.rs` has no test `{name}` that runs")]
            );
        }
        assert_eq!(of("works", "done"), ["M01: `works` is not of the form `path.rs::test_name`"]);
    }

    #[test]
    fn other_words_for_status_are_refused() {
        assert_eq!(
            messages_of("| M01 | a | x | | soon |"),
            ["M01: the status is `done` or `planned`, not `soon`"]
        );
    }
}
