//! The counts beside the budgets.

use super::count::Counts;
use super::plan::{DEBTS, Measure, Operation, PIECES, PROCESSORS};
use super::tools::Missing;

/// The columns, each with what is counted in it.
const COLUMNS: [(&str, &[Measure]); 5] = [
    ("trips", &[Measure::Trips]),
    ("system calls", &[Measure::Calls]),
    ("allocations", &[Measure::Allocations]),
    ("instructions", &[Measure::Instructions]),
    ("other", &[Measure::Reads, Measure::Memory]),
];

/// All counts of a run.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
    missing: Vec<Missing>,
}

#[derive(Debug)]
struct Row {
    title: &'static str,
    cells: [String; COLUMNS.len()],
    /// What became of each count.
    verdicts: Vec<Verdict>,
}

impl Row {
    fn count(&self, verdict: Verdict) -> usize {
        self.verdicts.iter().filter(|other| **other == verdict).count()
    }
}

/// A count held against its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    /// Within its budget, but written down as a debt.
    Repaid,
    /// Above its budget by no more than another machine may make it.
    Near,
    /// One of the debts, and no worse than when it was last seen.
    Owed,
    /// Above its budget, or worse than its debt.
    Missed,
    Skipped,
}

impl Verdict {
    fn is_miss(self) -> bool {
        matches!(self, Self::Near | Self::Owed | Self::Missed)
    }
}

impl Table {
    pub(super) fn new(missing: Vec<Missing>) -> Self {
        Self { rows: Vec::new(), missing }
    }

    pub(super) fn add(&mut self, operation: &Operation, counts: Counts) {
        let mut row = Row {
            title: operation.title,
            cells: std::array::from_fn(|_| String::new()),
            verdicts: Vec::new(),
        };
        for (cell, (_, measures)) in row.cells.iter_mut().zip(COLUMNS) {
            let parts: Vec<String> = measures
                .iter()
                .filter_map(|&measure| {
                    let (text, verdict) = judge(operation, measure, &counts)?;
                    row.verdicts.push(verdict);
                    Some(text)
                })
                .collect();
            *cell = parts.join(", ");
        }
        self.rows.push(row);
    }

    /// How many counts came to this.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().map(|row| row.count(verdict)).sum()
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let lines: Vec<Vec<String>> = std::iter::once(header()).chain(self.body()).collect();
        let widths = widths(&lines);
        let mut text = String::new();
        for line in &lines {
            text += line_of(line, &widths, "  ").trim_end();
            text += "\n";
        }
        text += "\ncounted/budget; `a row` where the budget is for one row\n";
        text + &self.skips()
    }

    /// For a page.
    pub(super) fn markdown(&self) -> String {
        let rule = header().iter().map(|_| "---".to_owned()).collect();
        let mut text = String::new();
        for line in [header(), rule].into_iter().chain(self.body()) {
            text += &format!("| {} |\n", line.join(" | "));
        }
        text + &self.skips()
    }

    fn body(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.rows.iter().map(|row| {
            let verdict = match row {
                row if row.verdicts.iter().any(|verdict| verdict.is_miss()) => "MISS",
                row if row.count(Verdict::Skipped) > 0 => "skipped",
                _ => "ok",
            };
            let title = std::iter::once(row.title.to_owned());
            title.chain(row.cells.iter().cloned()).chain([verdict.to_owned()]).collect()
        })
    }

    fn skips(&self) -> String {
        self.missing.iter().map(|missing| format!("{missing}\n")).collect()
    }
}

fn header() -> Vec<String> {
    let columns = COLUMNS.iter().map(|(name, _)| *name);
    std::iter::once("operation").chain(columns).chain([""]).map(str::to_owned).collect()
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

fn line_of(line: &[String], widths: &[usize], gap: &str) -> String {
    let cells: Vec<String> =
        line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join(gap)
}

/// A cell: what was counted, and the budget where there is one. `None` where nothing is to be said.
fn judge(operation: &Operation, measure: Measure, counts: &Counts) -> Option<(String, Verdict)> {
    let limit = operation.limit(measure);
    let counted = match measure {
        Measure::Trips => Some(counts.trips),
        Measure::Calls if operation.races => None,
        Measure::Calls => counts.calls,
        Measure::Reads => counts.reads,
        Measure::Allocations => counts.allocations,
        Measure::Instructions => counts.instructions,
        Measure::Memory => counts.memory,
    };
    let shown = |value: f64| match measure {
        Measure::Memory => format!("{:.1} KB", value / 1024.0),
        Measure::Reads => format!("{} reads", number(value)),
        _ => number(value),
    };
    let Some(limit) = limit else {
        let only_with_budget = matches!(measure, Measure::Reads | Measure::Memory);
        let counted = counted.filter(|_| !only_with_budget)?;
        return Some((shown(exact(counted, measure)), Verdict::Holds));
    };
    let Some(counted) = counted else {
        return Some(("skipped".to_owned(), Verdict::Skipped));
    };
    let counted = exact(counted / limit.rows, measure);
    let at_most = match measure {
        // The budget is bytes for each read, and one read more.
        Measure::Reads => (counts.bytes / limit.at_most).floor() + 1.0,
        _ => limit.at_most,
    };
    let a_row = if limit.rows > 1.0 { " a row" } else { "" };
    let debt = DEBTS.iter().find(|(name, of, _)| *name == operation.name && *of == measure);
    let verdict = verdict(counted, at_most, debt.map(|(_, _, seen)| *seen), measure);
    let mark = if verdict.is_miss() { " MISS" } else { "" };
    let budget = match measure {
        Measure::Memory => shown(at_most),
        _ => number(at_most),
    };
    Some((format!("{}/{budget}{a_row}{mark}", shown(counted)), verdict))
}

fn verdict(counted: f64, at_most: f64, debt: Option<f64>, measure: Measure) -> Verdict {
    let leeway = |bound: f64| match measure {
        Measure::Instructions => bound * PROCESSORS,
        Measure::Trips | Measure::Calls => bound + PIECES,
        Measure::Reads | Measure::Allocations | Measure::Memory => bound,
    };
    match debt {
        Some(_) if counted <= at_most => Verdict::Repaid,
        Some(seen) if counted <= leeway(seen) => Verdict::Owed,
        None if counted <= at_most => Verdict::Holds,
        None if counted <= leeway(at_most) => Verdict::Near,
        _ => Verdict::Missed,
    }
}

/// A count without the traces of what is not the operation's: once in a while a thread is woken for nothing, a result's
/// list grows, a queue of the runtime does.
fn exact(counted: f64, measure: Measure) -> f64 {
    let grain = match measure {
        Measure::Trips | Measure::Calls | Measure::Reads => 10.0,
        Measure::Allocations => 20.0,
        Measure::Instructions | Measure::Memory => 1.0,
    };
    // Adding zero makes a zero of minus zero.
    (counted * grain).round() / grain + 0.0
}

/// Few digits, and no more than there are.
fn number(value: f64) -> String {
    let places = if value.fract() == 0.0 { 0 } else { 1 };
    match value.abs() {
        ..1e3 => format!("{value:.places$}"),
        ..1e5 => {
            let text = format!("{value:.0}");
            let (thousands, rest) = text.split_at(text.len() - 3);
            format!("{thousands} {rest}")
        }
        ..1e6 => format!("{:.1}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::plan::{Limit, OPERATIONS};

    fn operation() -> Operation {
        Operation {
            name: "x",
            title: "X",
            times: 1,
            scram: false,
            races: false,
            limits: &[
                Limit { measure: Measure::Trips, at_most: 1.0, rows: 1.0 },
                Limit { measure: Measure::Instructions, at_most: 250.0, rows: 100.0 },
                Limit { measure: Measure::Reads, at_most: 65_536.0, rows: 1.0 },
            ],
        }
    }

    #[test]
    fn a_count_is_held_against_its_budget() {
        let counts = Counts {
            trips: 1.02,
            calls: Some(3.0),
            reads: Some(3.0),
            bytes: 130_000.0,
            allocations: Some(0.0),
            instructions: Some(24_990.0),
            memory: None,
        };
        let mut table = Table::new(Vec::new());
        table.add(&operation(), counts);
        table.add(&operation(), Counts { trips: 2.0, instructions: Some(25_200.0), ..counts });
        assert_eq!(
            table.text(),
            "\
operation  trips     system calls  allocations  instructions        other
X          1/1       3             0            250/250 a row       3 reads/2 MISS  MISS
X          2/1 MISS  3             0            252/250 a row MISS  3 reads/2 MISS  MISS

counted/budget; `a row` where the budget is for one row
"
        );
        assert_eq!(table.count(Verdict::Missed), 3);
        assert_eq!(table.count(Verdict::Near), 1, "a few instructions more may be the processor's");
        let markdown = table.markdown();
        assert!(
            markdown.contains("\n| X | 1/1 | 3 | 0 | 250/250 a row | 3 reads/2 MISS | MISS |\n")
        );
    }

    #[test]
    fn a_debt_may_not_grow_and_goes_when_it_is_repaid() {
        let of = |counted| verdict(counted, 100.0, Some(150.0), Measure::Instructions);
        assert_eq!(
            [90.0, 110.0, 156.0, 160.0].map(of),
            [Verdict::Repaid, Verdict::Owed, Verdict::Owed, Verdict::Missed]
        );
        assert_eq!(verdict(3.0, 2.0, Some(3.0), Measure::Allocations), Verdict::Owed);
        assert_eq!(verdict(3.0, 2.0, None, Measure::Allocations), Verdict::Missed);
    }

    #[test]
    fn what_was_not_counted_is_not_called_good() {
        let mut table = Table::new(Vec::new());
        table.add(&operation(), Counts { trips: 1.0, ..Counts::default() });
        assert_eq!(table.count(Verdict::Missed), 0);
        assert!(table.text().contains("skipped"), "{}", table.text());
        assert!(!table.text().contains("ok"), "{}", table.text());
    }

    #[test]
    fn every_budget_has_a_column() {
        for limit in OPERATIONS.iter().flat_map(|operation| operation.limits) {
            assert!(COLUMNS.iter().any(|(_, measures)| measures.contains(&limit.measure)));
        }
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 1.5, 999.0, 1000.0, 4_031.0, 63_211.4, 210_000.0, 6_300_000.0];
        assert_eq!(
            texts.map(number),
            ["0", "1.5", "999", "1 000", "4 031", "63 211", "210.0k", "6.30M"]
        );
    }
}
