//! Adds up what the test programs say.

use std::collections::BTreeMap;
use std::fmt;

/// The sums over all test programs of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    programs: u64,
}

impl Tally {
    /// Takes note of a line when it is a test program's last: `test result: ok. 3 passed; 0 failed; 1 ignored; ..`.
    pub(super) fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.programs += 1;
        for part in counts.split("; ") {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, ignored, programs } = self;
        write!(
            f,
            "tests: {passed} passed, {failed} failed, {ignored} ignored in {programs} programs"
        )
    }
}

/// The tests that were left out, counted by reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Skips<'l> {
    reasons: BTreeMap<&'l str, u64>,
}

impl<'l> Skips<'l> {
    /// Reads the test kit's log: a line for each test, its name, a tab, the reason.
    pub(super) fn of(log: &'l str) -> Self {
        let mut reasons = BTreeMap::new();
        for line in log.lines().filter(|line| !line.trim().is_empty()) {
            let reason = line.split_once('\t').map_or(line, |(_, reason)| reason);
            *reasons.entry(reason).or_default() += 1;
        }
        Self { reasons }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.reasons.values().sum()
    }
}

impl fmt::Display for Skips<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "skipped: {}", self.count())?;
        self.reasons.iter().try_for_each(|(reason, count)| writeln!(f, "  {count:>4}  {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s",
            "test result: FAILED. 36 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.08s",
            "test result: none",
        ] {
            tally.add(line);
        }
        assert_eq!(tally.to_string(), "tests: 39 passed, 2 failed, 1 ignored in 2 programs");
    }

    #[test]
    fn skips_are_counted_by_reason() {
        let log = "a::b\tno server\nc::d\tno server\n\ne::f\tneeds two machines\n";
        assert_eq!(
            Skips::of(log).to_string(),
            "skipped: 3\n     1  needs two machines\n     2  no server\n"
        );
        assert_eq!(Skips::of("").to_string(), "skipped: 0\n");
    }
}
