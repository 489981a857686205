//! `cargo xtask fuzz`: hostile bytes for the protocol, a bounded number of times.
//!
//! With a nightly toolchain the harness of `fuzz/` runs under libFuzzer, built by plain cargo: `cargo-fuzz` is not needed.
//! Without one the same harness runs on seeded mutations of the corpus, so that there is always a run that can fail.

use std::path::Path;
use std::process::Command;

use crate::{Failure, Outcome, shell, workspace};

/// Executions unless told otherwise.
const RUNS: u64 = 500_000;

/// What tells libFuzzer which branches an input took.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Where the inputs that every run begins with are kept, from `fuzz/`.
const CORPUS: &str = "corpus/wire";

/// Builds the harness and runs it; `--runs N` says how often.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let runs = match arguments {
        [] => RUNS,
        [word, number] if word == "--runs" => number
            .parse()
            .map_err(|_| Failure::usage(format!("`{number}` is not a number of runs")))?,
        _ => return Err(Failure::usage("usage: cargo xtask fuzz [--runs N]")),
    };
    let folder = workspace::root().join("fuzz");
    match nightly_host() {
        Some(host) => with_fuzzer(&folder, &host, runs),
        None => {
            println!(
                "no nightly toolchain is here (`rustup toolchain install nightly` brings one): \
                 random mutations of the corpus stand in for libFuzzer"
            );
            with_mutations(&folder, runs)
        }
    }
}

/// The platform that a nightly toolchain builds for, where one is installed.
fn nightly_host() -> Option<String> {
    let version = shell::capture(nightly("rustc").arg("-vV"))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// A program of the nightly toolchain.
fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    // What cargo tells the programs that it runs would choose the toolchain that runs us.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command.args(["run", "nightly", program]);
    command
}

fn with_fuzzer(folder: &Path, host: &str, runs: u64) -> Outcome {
    println!("building the harness for libFuzzer (a minute or two the first time)");
    let mut build = nightly("cargo");
    build.current_dir(folder).env("RUSTFLAGS", COVERAGE);
    // With a target the flags stay away from build scripts.
    build.args(["build", "--locked", "--release", "--bin", "wire", "--target", host]);
    // A folder of our own: the flags differ from everybody else's, and the program has to be found.
    let target = folder.join("target");
    shell::run(build.arg("--target-dir").arg(&target))?;

    // What is found on the way goes here; the corpus itself is written by tests.
    let found = target.join("found");
    let artifacts = folder.join("artifacts/wire");
    for made in [&found, &artifacts] {
        std::fs::create_dir_all(made)
            .map_err(|error| Failure::new(format!("{}: {error}", made.display())))?;
    }
    let mut fuzzer = Command::new(target.join(host).join("release").join("wire"));
    fuzzer.current_dir(folder).arg(&found).arg(CORPUS).args([
        &format!("-runs={runs}"),
        "-max_len=4096",
        "-rss_limit_mb=512",
        "-timeout=1",
        "-artifact_prefix=artifacts/wire/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]);
    finish(shell::run(&mut fuzzer), runs, "under libFuzzer")
}

fn with_mutations(folder: &Path, runs: u64) -> Outcome {
    let mut cargo = shell::cargo();
    cargo.current_dir(folder);
    cargo.args(["run", "--quiet", "--locked", "--release", "--no-default-features"]);
    cargo.args(["--bin", "stellata-fuzz", "--", CORPUS, &runs.to_string()]);
    finish(shell::run(&mut cargo), runs, "on seeded mutations")
}

fn finish(outcome: Outcome, runs: u64, how: &str) -> Outcome {
    outcome.map_err(|failure| {
        Failure::new(format!(
            "{}\nif an input was kept below fuzz/artifacts/wire, this runs it again, from fuzz/:\n\
             cargo run --no-default-features --bin stellata-fuzz -- artifacts/wire/NAME",
            failure.message
        ))
    })?;
    println!("fuzz: {runs} executions {how}, no promise broken");
    Ok(())
}
