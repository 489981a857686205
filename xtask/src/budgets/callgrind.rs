//! Counting by valgrind: instructions and allocations by callgrind, bytes on the heap by massif.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::{Failure, shell};

/// What one run of a program cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) instructions: u64,
    pub(super) allocations: u64,
}

/// Runs `program` with `arguments` under callgrind; `out` takes its report.
pub(super) fn run(program: &Path, arguments: &[&str], out: &Path) -> Result<Cost, Failure> {
    let report = report(shell::limited("valgrind"), "callgrind", program, arguments, out)?;
    cost(&report).ok_or_else(|| Failure::new("callgrind's report has no totals"))
}

/// Runs `program` with `arguments` under massif; returns the most bytes that were on the heap at once.
pub(super) fn heap(program: &Path, arguments: &[&str], out: &Path) -> Result<u64, Failure> {
    let report = report(shell::limited("valgrind"), "massif", program, arguments, out)?;
    let sizes = report.lines().filter_map(|line| line.strip_prefix("mem_heap_B="));
    sizes
        .filter_map(|bytes| bytes.parse().ok())
        .max()
        .ok_or_else(|| Failure::new("massif's report has no sizes"))
}

fn report(
    mut valgrind: Command,
    tool: &str,
    program: &Path,
    arguments: &[&str],
    out: &Path,
) -> Result<String, Failure> {
    valgrind.args(["--quiet", &format!("--tool={tool}")]);
    if tool == "massif" {
        // The peak is to be exact, not within the usual one per cent.
        valgrind.arg("--peak-inaccuracy=0.0");
    }
    valgrind.arg(format!("--{tool}-out-file={}", out.display())).arg(program).args(arguments);
    shell::succeed(&mut valgrind)?;
    std::fs::read_to_string(out)
        .map_err(|error| Failure::new(format!("can't read {}: {error}", out.display())))
}

/// Reads callgrind's report (its manual, "Callgrind Format Specification"): `totals:`, and how often each function was
/// called. A name is given in full at its first use and by its number afterwards.
fn cost(report: &str) -> Option<Cost> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut cost = Cost::default();
    let mut called = "";
    let mut total = None;
    for line in report.lines() {
        if let Some(name) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            called = match name.split_once(' ') {
                Some((number, name)) => {
                    names.insert(number, name);
                    name
                }
                None => names.get(name).copied().unwrap_or(name),
            };
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if is_allocator(called) {
                let count = calls.split(' ').next().and_then(|count| count.parse().ok());
                cost.allocations += count.unwrap_or(0_u64);
            }
        } else if let Some(sum) = line.strip_prefix("totals: ") {
            total = sum.trim().parse().ok();
        }
    }
    cost.instructions = total?;
    Some(cost)
}

/// The C library's ways to get memory; a recursion is numbered, as in `malloc'2`.
fn is_allocator(function: &str) -> bool {
    let function = function.split('\'').next().unwrap_or_default();
    matches!(
        function,
        "malloc" | "calloc" | "realloc" | "aligned_alloc" | "posix_memalign" | "memalign"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_by_the_name_or_its_number() {
        let report = "\
events: Ir
fl=(1) a.rs
fn=(1) main
10 5
cfn=(2) malloc
calls=3 0
10 300
cfn=(3) free
calls=9 0
10 90
fn=(2)
0 100
cfn=(4) _int_malloc
calls=4 0
0 80
fn=(5) other
cfn=(2)
calls=2 7
3 30
cfn=(6) realloc'2
calls=1 7
3 30
totals: 4711
";
        assert_eq!(cost(report), Some(Cost { instructions: 4711, allocations: 6 }));
        assert_eq!(cost("events: Ir\n"), None);
    }
}
