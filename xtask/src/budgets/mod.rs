//! `cargo xtask budgets`: counts what the operations cost, and holds it against what they may cost.
//!
//! Only counts that do not depend on the machine's speed: round trips by a proxy, system calls by strace, instructions
//! and allocations by callgrind. Each is the difference between a run of n and one of 2n operations, divided by n, so
//! that start and end of the program, login and warm-up cancel out.

mod plan;

mod callgrind;
mod stage;
mod strace;
mod tools;

mod count;

mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::count::{Counter, Programs};
use self::plan::{OPERATIONS, Operation};
use self::stage::Stage;
use self::table::{Table, Verdict};
use self::tools::Tool;
use crate::{Failure, Outcome, server, shell, workspace};

const USAGE: &str = "\
usage: cargo xtask budgets [--gate | --record] [words]

  --gate     fail only for misses that are not among the known debts (xtask/src/budgets/plan.rs), or that have grown
  --record   also refresh the table in docs/performance.md
  words      count only the operations whose names contain one of them, such as `w3` or `client-w1`";

/// Where the table goes.
const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- counts: begin -->\n";
const END: &str = "<!-- counts: end -->\n";

/// Counts, prints, and fails when a budget is missed.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (options, words): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|word| word.starts_with("--"));
    let (record, gate) = match options.as_slice() {
        [] => (false, false),
        [option] if *option == "--record" => (true, false),
        [option] if *option == "--gate" => (false, true),
        _ => return Err(Failure::usage(USAGE)),
    };
    let wanted: Vec<&Operation> = OPERATIONS
        .iter()
        .filter(|operation| {
            words.is_empty() || words.iter().any(|word| operation.name.contains(word.as_str()))
        })
        .collect();
    if wanted.is_empty() || (record && !words.is_empty()) {
        return Err(Failure::usage(USAGE));
    }
    server::ensure()?;
    let missing = tools::missing();
    let programs = build()?;
    names_agree(&programs)?;
    let mut stage = Stage::start(&programs.stage)?;
    let versions = versions(&mut stage)?;
    let mut counter = Counter::new(&programs, stage, &missing)?;
    let mut table = Table::new(missing);
    for (at, operation) in wanted.iter().enumerate() {
        eprint!("\rcounting {:>2} of {}: {:<32}", at + 1, wanted.len(), operation.name);
        let _ = std::io::stderr().flush();
        table.add(operation, counter.count(operation)?);
    }
    eprint!("\r{:60}\r", "");
    println!("{}\n{versions}", table.text());
    if record {
        write_page(&format!("{}\n{versions}\n", table.markdown()))?;
    }
    let [owed, near, missed, repaid] =
        [Verdict::Owed, Verdict::Near, Verdict::Missed, Verdict::Repaid].map(|of| table.count(of));
    if owed + near + missed > 0 {
        println!(
            "{missed} counts are above their budgets, {near} by what another machine may make of them, {owed} are known debts"
        );
    }
    match missed + repaid + if gate { 0 } else { owed + near } {
        0 => Ok(()),
        _ if repaid > 0 => {
            Err(Failure::new(format!("{repaid} debts are repaid and still written down")))
        }
        missed => Err(Failure::new(format!("{missed} counts missed their budgets"))),
    }
}

/// Builds the two programs as they are measured: release code with symbols.
fn build() -> Result<Programs, Failure> {
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).args([
        "build",
        "--profile",
        "counting",
        "--package",
        "stellata-benches",
        "--bins",
    ]);
    shell::run(&mut cargo)?;
    cargo.args(["--quiet", "--message-format", "json"]);
    let messages = shell::capture(&mut cargo).unwrap_or_default();
    let program = |name: &str| {
        executables(&messages)
            .find(|path| path.file_stem().is_some_and(|stem| stem == name))
            .ok_or_else(|| Failure::new(format!("cargo built no program `{name}`")))
    };
    Ok(Programs { ops: program("ops")?, stage: program("stage")? })
}

/// The programs that cargo's messages tell of.
fn executables(messages: &str) -> impl Iterator<Item = PathBuf> {
    messages
        .split("\"executable\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|path| PathBuf::from(path.replace("\\\\", "\\")))
}

/// Every operation of the measured program is in the plan, and the other way round.
fn names_agree(programs: &Programs) -> Outcome {
    let known = shell::capture(Command::new(&programs.ops).arg("list")).unwrap_or_default();
    let mut known: Vec<&str> = known.lines().collect();
    let mut planned: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    known.sort_unstable();
    planned.sort_unstable();
    if known == planned {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the measured program's operations and the plan's differ:\n  {}\n  {}",
        known.join(" "),
        planned.join(" ")
    )))
}

/// What was measured with what, and when.
fn versions(stage: &mut Stage) -> Result<String, Failure> {
    let said = |program: &str, argument: &str| {
        shell::capture(Command::new(program).arg(argument)).unwrap_or_default().trim().to_owned()
    };
    let rustc = said("rustc", "--version");
    let rustc: Vec<&str> = rustc.split(' ').take(2).collect();
    let [valgrind, strace] = [Tool::Valgrind, Tool::Strace].map(Tool::version);
    Ok(format!(
        "counted on {} by {valgrind} and {strace}: {}, PostgreSQL {}, {}, TCP on one machine",
        said("date", "+%F"),
        rustc.join(" "),
        stage.version()?,
        std::env::consts::ARCH,
    ))
}

/// Puts the table between the two marks of the page.
fn write_page(table: &str) -> Outcome {
    let path = workspace::root().join(PAGE);
    let failed = |error| Failure::new(format!("{}: {error}", path.display()));
    let page = std::fs::read_to_string(&path).map_err(failed)?;
    let page = replace(&page, table)
        .ok_or_else(|| Failure::new(format!("{PAGE} has lost the marks of its table")))?;
    std::fs::write(&path, page).map_err(failed)?;
    println!("wrote {}", Path::new(PAGE).display());
    Ok(())
}

fn replace(page: &str, table: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{table}\n{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_put_between_the_marks() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let new = replace(&page, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n\n{END}b\n"));
        assert_eq!(replace(&new, "new\n").unwrap(), new);
        assert_eq!(replace("a\n", "new\n"), None);
    }

    #[test]
    fn programs_are_read_from_the_messages_of_cargo() {
        let messages = r#"{"reason":"a","executable":null}
{"reason":"compiler-artifact","executable":"/t/counting/ops","fresh":true}"#;
        assert_eq!(executables(messages).collect::<Vec<_>>(), [PathBuf::from("/t/counting/ops")]);
    }
}
