//! `cargo xtask fuzz`: hostile bytes for the protocol, a bounded number of times.
//!
//! With a nightly toolchain the harness of `fuzz/` runs under libFuzzer, built by plain cargo: `cargo-fuzz` is not needed.
//! Without one the same harness runs on seeded mutations of the corpus, so that there is always a run that can fail.

use std::path::Path;
use std::process::Command;

use crate::nightly::{host as nightly_host, program as nightly};
use crate::{Failure, Outcome, shell, workspace};

const USAGE: &str = "usage: cargo xtask fuzz [--target NAME | --target all | --list] [--runs N]";

/// Executions unless told otherwise.
const RUNS: u64 = 1_000_000;

/// Executions of each target when all are tried one by one.
const RUNS_EACH: u64 = 5_000_000;

/// The target that tries everything.
const EVERYTHING: &str = "wire";

/// Tells the harness its target.
const TARGET: &str = "STELLATA_FUZZ_TARGET";

/// What tells libFuzzer which branches an input took. Each crate in one piece: in several, the smallest functions are
/// instrumented before they are inlined, and a run takes twice as long.
const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Where the inputs that every run begins with are kept, from `fuzz/`.
const CORPUS: &str = "corpus/wire";

/// Builds the harness and runs it: `--runs N` says how often, `--target` on what alone.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (mut target, mut runs) = (EVERYTHING, None);
    let folder = workspace::root().join("fuzz");
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("--list", None) if arguments.len() == 1 => {
                targets(&folder)?.iter().for_each(|name| println!("{name}"));
                return Ok(());
            }
            ("--target", Some(name)) => target = name,
            ("--runs", Some(number)) => {
                let parsed = number
                    .parse()
                    .map_err(|_| Failure::usage(format!("`{number}` is not a number of runs")))?;
                runs = Some(parsed);
            }
            _ => return Err(Failure::usage(USAGE)),
        }
    }
    let names = match target {
        EVERYTHING => vec![EVERYTHING.to_owned()],
        "all" => targets(&folder)?,
        name => {
            let known = targets(&folder)?;
            if !known.iter().any(|known| known == name) {
                return Err(Failure::usage(format!(
                    "there is no target `{name}`; `cargo xtask fuzz --list` names them"
                )));
            }
            vec![name.to_owned()]
        }
    };
    if target == EVERYTHING {
        seeds(&folder)?;
    }
    let runs = runs.unwrap_or(if target == "all" { RUNS_EACH } else { RUNS });
    let host = nightly_host();
    match &host {
        Some(host) => build(&folder, host)?,
        None => println!(
            "no nightly toolchain is here (`rustup toolchain install nightly` brings one): \
             random mutations of the corpus stand in for libFuzzer"
        ),
    }
    for name in &names {
        match &host {
            Some(host) => with_fuzzer(&folder, host, name, runs)?,
            None => with_mutations(&folder, name, runs)?,
        }
    }
    Ok(())
}

/// Sees that the corpus holds an input for everything that can be read, as it is read today.
fn seeds(folder: &Path) -> Outcome {
    let mut cargo = shell::cargo();
    cargo.current_dir(folder);
    shell::run(cargo.args(["test", "--quiet", "--locked"]))
}

/// The names of all targets, as the harness tells them.
fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let listed = shell::capture(&mut stable(folder))
        .ok_or_else(|| Failure::new("the harness can't be built: see `cargo build` in fuzz/"))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// The harness without libFuzzer.
fn stable(folder: &Path) -> Command {
    let mut cargo = shell::cargo();
    cargo.current_dir(folder);
    cargo.args(["run", "--quiet", "--locked", "--release"]);
    cargo.args(["--bin", "stellata-fuzz", "--"]);
    cargo
}

fn build(folder: &Path, host: &str) -> Outcome {
    println!("building the harness for libFuzzer (a minute or two the first time)");
    let mut build = nightly("cargo");
    build.current_dir(folder).env("RUSTFLAGS", COVERAGE);
    // With a target the flags stay away from build scripts.
    build.args(["build", "--locked", "--release", "--features", "libfuzzer", "--bin", "wire"]);
    // A folder of our own: the flags differ from everybody else's, and the program has to be found.
    shell::run(build.args(["--target", host, "--target-dir"]).arg(folder.join("target")))
}

fn with_fuzzer(folder: &Path, host: &str, name: &str, runs: u64) -> Outcome {
    let target = folder.join("target");
    // What is found on the way goes here; the corpus itself is written by tests.
    let found = target.join("found").join(name);
    let artifacts = folder.join("artifacts/wire");
    for made in [&found, &artifacts] {
        std::fs::create_dir_all(made)
            .map_err(|error| Failure::new(format!("{}: {error}", made.display())))?;
    }
    let mut fuzzer = Command::new(target.join(host).join("release").join("wire"));
    // The harness itself sees to it that no input takes longer than a tenth of a second; what hangs is ended here.
    fuzzer.current_dir(folder).env(TARGET, name).arg(&found).arg(CORPUS).args([
        &format!("-runs={runs}"),
        "-max_len=4096",
        // Nobody else puts inputs where this one puts its own.
        "-reload=0",
        "-rss_limit_mb=512",
        "-timeout=10",
        "-artifact_prefix=artifacts/wire/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]);
    finish(shell::run(&mut fuzzer), name, runs, "under libFuzzer")
}

fn with_mutations(folder: &Path, name: &str, runs: u64) -> Outcome {
    let mut cargo = stable(folder);
    cargo.env(TARGET, name).args([CORPUS, &runs.to_string()]);
    finish(shell::run(&mut cargo), name, runs, "on seeded mutations")
}

fn finish(outcome: Outcome, name: &str, runs: u64, how: &str) -> Outcome {
    outcome.map_err(|failure| {
        Failure::new(format!(
            "{}\nif an input was kept below fuzz/artifacts/wire, this runs it again, from fuzz/:\n\
             {TARGET}={name} cargo run --bin stellata-fuzz -- \
             artifacts/wire/NAME",
            failure.message
        ))
    })?;
    println!("fuzz: {name}: {runs} executions {how}, no promise broken");
    Ok(())
}
