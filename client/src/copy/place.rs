//! Where in the data of a COPY an error lies.

use std::collections::VecDeque;

use stellata_protocol::message::ServerError;

use crate::error::Error;

/// What the lines of the data are, by which the server counts.
#[derive(Debug)]
pub(super) enum Lines {
    /// Of the caller's own data nothing more is known.
    Own,
    /// Rows, one by one: the data is binary.
    Rows,
    /// Lines that were made here.
    Made(Made),
}

impl Lines {
    /// Adds where the error lies, if the server tells it.
    #[cold]
    pub(super) fn place(&self, error: Error, relation: Option<&str>) -> Error {
        let Some(line) = error.server().and_then(|said| line(said, relation)) else { return error };
        match self {
            Self::Own => error.with_line(line),
            Self::Rows => error.with_row(Some(line)),
            Self::Made(made) => match made.row(line) {
                Some(row) => error.with_row(Some(row)),
                None => error,
            },
        }
    }
}

/// Which rows the lines are that were made here: a header is none, and a row of CSV with line breaks is several.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// What is before the first run: lines, and rows.
    before: (u64, u64),
    /// Rows that follow each other, of which each has as many lines: how many lines, how many rows.
    runs: VecDeque<(u64, u64)>,
}

/// So many runs are known at most. Where rows of other lengths follow each other without end, the oldest are forgotten: the server
/// has stored their rows long since, or names none.
const MOST_RUNS: usize = 32 * 1024;

impl Made {
    /// Of data that begins with a header of so many lines.
    pub(super) fn behind(header: u64) -> Self {
        Self { before: (header, 0), runs: VecDeque::new() }
    }

    /// Another row is added, of so many lines.
    pub(super) fn add(&mut self, lines: u64) {
        match self.runs.back_mut() {
            Some((each, rows)) if *each == lines => *rows = rows.saturating_add(1),
            _ => {
                if self.runs.len() >= MOST_RUNS
                    && let Some(run) = self.runs.pop_front()
                {
                    self.before = after(self.before, run);
                }
                self.runs.push_back((lines, 1));
            }
        }
    }

    /// The row of a line, where it is known.
    fn row(&self, line: u64) -> Option<u64> {
        let mut before = self.before;
        for &(each, rows) in &self.runs {
            let within = line.checked_sub(before.0).filter(|&within| within > 0)?;
            let behind = after(before, (each, rows));
            if line <= behind.0 {
                return Some(before.1.saturating_add(within.div_ceil(each.max(1))));
            }
            before = behind;
        }
        None
    }
}

fn after((lines, rows): (u64, u64), (each, more): (u64, u64)) -> (u64, u64) {
    (lines.saturating_add(each.saturating_mul(more)), rows.saturating_add(more))
}

/// The line that the server names in the context of an error: `COPY tracks, line 3, column title: "..."`.
///
/// The word before the number is in the server's language. The name of the table may hold anything, so that where it is
/// known, the number is looked for behind it.
fn line(error: &ServerError, relation: Option<&str>) -> Option<u64> {
    // A trigger that fails adds lines of its own in front.
    error.context()?.lines().find_map(|line| number(line, relation))
}

fn number(line: &str, relation: Option<&str>) -> Option<u64> {
    let rest = line.strip_prefix("COPY ")?;
    let rest = match relation.and_then(|relation| rest.strip_prefix(relation)) {
        Some(rest) => rest.strip_prefix(", ")?,
        None => rest.split_once(", ")?.1,
    };
    let (_, number) = rest.split_once(' ')?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_behind_the_table_is_the_line() {
        for (line, relation, row) in [
            ("COPY t, line 3, column a: \"x, line 9\"", Some("t"), Some(3)),
            ("COPY t, line 3", None, Some(3)),
            ("COPY t, Zeile 12, Spalte a: \"x\"", Some("t"), Some(12)),
            ("COPY a, line 7, line 18446744073709551615", Some("a, line 7"), Some(u64::MAX)),
            ("COPY t, line 18446744073709551616", Some("t"), None),
            ("COPY t, line ", Some("t"), None),
            ("COPY t", Some("t"), None),
            ("PL/pgSQL function f() line 3 at RAISE", Some("t"), None),
        ] {
            assert_eq!(number(line, relation), row, "{line}");
        }
    }

    #[test]
    fn a_line_is_found_to_be_of_its_row() {
        let mut made = Made::behind(2);
        assert_eq!(made.row(1), None);
        for lines in [1, 1, 3, 1, 2, 2] {
            made.add(lines);
        }
        let rows = [None, None, None, Some(1), Some(2), Some(3), Some(3), Some(3), Some(4)];
        let rows = rows.into_iter().chain([Some(5), Some(5), Some(6), Some(6), None]);
        for (line, row) in (0..).zip(rows) {
            assert_eq!(made.row(line), row, "{line}");
        }
    }

    #[test]
    fn what_is_long_since_stored_is_forgotten_and_never_taken_for_another() {
        let mut made = Made::behind(1);
        let count = 3 * MOST_RUNS as u64;
        let lines = |row: u64| 1 + row % 2;
        for row in 1..=count {
            made.add(lines(row));
        }
        assert_eq!(made.runs.len(), MOST_RUNS);
        let mut line = 1;
        for row in 1..=count {
            line += lines(row);
            let known = row > count - MOST_RUNS as u64;
            if row % 997 == 0 || row + 3 > count {
                assert_eq!(made.row(line), known.then_some(row));
            }
        }
    }
}
