//! Counting one operation: each count is the difference between two runs.

use std::path::PathBuf;
use std::thread;

use super::callgrind::{self, Cost};
use super::plan::{Measure, Operation};
use super::stage::{Stage, Urls};
use super::strace::{self, Calls};
use super::tools::{Missing, Tool};
use crate::{Failure, shell, workspace};

/// The programs of `stellata-benches`.
#[derive(Debug)]
pub(super) struct Programs {
    /// The one that is measured.
    pub(super) ops: PathBuf,
    /// The one that it talks to.
    pub(super) stage: PathBuf,
}

/// What one operation costs. `None` where the tool is missing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) trips: f64,
    pub(super) calls: Option<f64>,
    pub(super) reads: Option<f64>,
    /// Bytes that were read from the socket.
    pub(super) bytes: f64,
    pub(super) allocations: Option<f64>,
    pub(super) instructions: Option<f64>,
    /// Counted only where there is a budget for it.
    pub(super) memory: Option<f64>,
}

/// Runs the measured program under the tools there are.
#[derive(Debug)]
pub(super) struct Counter<'p> {
    programs: &'p Programs,
    stage: Stage,
    valgrind: bool,
    strace: bool,
    /// A folder of this process's own for what the tools report.
    reports: PathBuf,
}

impl<'p> Counter<'p> {
    pub(super) fn new(
        programs: &'p Programs,
        stage: Stage,
        missing: &[Missing],
    ) -> Result<Self, Failure> {
        let has = |tool| missing.iter().all(|missing| missing.tool != tool);
        let reports =
            workspace::root().join(format!("target/xtask/budgets-{}", std::process::id()));
        std::fs::create_dir_all(&reports)
            .map_err(|error| Failure::new(format!("can't make {}: {error}", reports.display())))?;
        let (valgrind, strace) = (has(Tool::Valgrind), has(Tool::Strace));
        Ok(Self { programs, stage, valgrind, strace, reports })
    }

    /// Counts everything that there is a tool for.
    pub(super) fn count(&mut self, operation: &Operation) -> Result<Counts, Failure> {
        let urls = self.stage.fresh(operation.scram)?;
        let mut counts = Counts { trips: self.trips(operation, &urls)?, ..Counts::default() };
        let per_operation = |few: u64, many: u64| {
            // A shorter run that cost more than the longer one is noise about nothing.
            (many as f64 - few as f64) / f64::from(operation.times)
        };
        if self.strace {
            let [few, many] = self.pair(operation, &urls, |counter, arguments, report| {
                strace::run(&counter.programs.ops, arguments, report)
            })?;
            let part = |part: fn(&Calls) -> u64| per_operation(part(&few), part(&many));
            counts.calls = Some(part(|calls| calls.all));
            counts.reads = Some(part(|calls| calls.reads));
            counts.bytes = part(|calls| calls.bytes);
        }
        if self.valgrind {
            let [few, many] = self.pair(operation, &urls, |counter, arguments, report| {
                callgrind::run(&counter.programs.ops, arguments, report)
            })?;
            let part = |part: fn(&Cost) -> u64| per_operation(part(&few), part(&many));
            counts.allocations = Some(part(|cost| cost.allocations));
            counts.instructions = Some(part(|cost| cost.instructions));
        }
        if self.valgrind && operation.limit(Measure::Memory).is_some() {
            let [few, many] = self.pair(operation, &urls, |counter, arguments, report| {
                callgrind::heap(&counter.programs.ops, arguments, report)
            })?;
            counts.memory = Some(per_operation(few, many));
        }
        Ok(counts)
    }

    /// Both runs go through the same proxy, one after the other.
    fn trips(&mut self, operation: &Operation, urls: &Urls) -> Result<f64, Failure> {
        let mut seen = [0; 2];
        for (times, seen) in [1, 2].into_iter().zip(&mut seen) {
            let times = (operation.times * times).to_string();
            let mut ops = shell::limited(&self.programs.ops);
            ops.args([operation.name, &times, &urls.counted]);
            *seen = self.stage.trips(|| shell::succeed(&mut ops))?;
        }
        let [few, many] = seen;
        Ok((many as f64 - few as f64) / f64::from(operation.times))
    }

    /// The shorter and the longer run, at the same time: neither notices the other, as far as counts go.
    fn pair<T: Send>(
        &self,
        operation: &Operation,
        urls: &Urls,
        run: impl Fn(&Self, &[&str], &std::path::Path) -> Result<T, Failure> + Sync,
    ) -> Result<[T; 2], Failure> {
        let run = |factor: u32| {
            let times = (operation.times * factor).to_string();
            let report = self.reports.join(format!("{}-{factor}", operation.name));
            run(self, &[operation.name, &times, &urls.direct], &report)
        };
        thread::scope(|scope| {
            let few = scope.spawn(|| run(1));
            let many = run(2);
            let few = few.join().map_err(|_| Failure::new("a run of the counting ended"))?;
            Ok([few?, many?])
        })
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.reports);
    }
}
