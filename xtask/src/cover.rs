//! `cargo xtask cover`: which lines of a crate its tests run. By hand only: it needs the `llvm-profdata` and `llvm-cov`
//! of the compiler's own major version of LLVM, and builds everything once more.
//!
//! `rustup component add llvm-tools` brings them; else a distribution's package does, in `PATH` or named by `--llvm FOLDER`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, Outcome, shell, workspace};

const USAGE: &str = "usage: cargo xtask cover [-p CRATE] [--llvm FOLDER] [--missing]";

/// The crate whose lines are counted unless told otherwise.
const CRATE: &str = "protocol";

/// The tests of the whole system that are a crate's own: their program, and which of them.
const ELSEWHERE: &[(&str, &[(&str, &str)])] =
    &[("pool", &[("it", "pool::"), ("it", "lanes::"), ("crowd", ""), ("simulated", "")])];

/// Runs the tests of a crate with counters, and prints how many lines of each file ran; with `--missing` those that did not.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (mut name, mut folder, mut missing) = (CRATE, None, false);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--missing" => missing = true,
            "-p" => name = words.next().ok_or_else(|| Failure::usage(USAGE))?,
            "--llvm" => folder = Some(words.next().ok_or_else(|| Failure::usage(USAGE))?),
            _ => return Err(Failure::usage(USAGE)),
        }
    }
    let root = workspace::root();
    if !root.join(name).join("src").is_dir() {
        return Err(Failure::usage(format!("there is no crate in `{name}`")));
    }
    let tools = tools(folder.map(Path::new))?;
    let target = root.join("target/cover");
    let profiles = target.join("profiles");
    // Counters of an earlier run would add to these.
    let _ = std::fs::remove_dir_all(&profiles);
    let elsewhere = ELSEWHERE.iter().find(|(owner, _)| *owner == name).map_or(&[][..], |of| of.1);
    // Of the protocol every type is tried; the features of others choose between things.
    let all = ["--lib", "--tests", "--all-features"];
    let which = if name == CRATE { &all[..] } else { &all[..2] };
    let mut programs = programs(&root.join(name), &target, which)?;
    for program in &programs {
        count(program, &root.join(name), &profiles, "")?;
    }
    for (test, filter) in elsewhere {
        for program in self::programs(&root.join("tests"), &target, &["--test", test])? {
            count(&program, &root.join("tests"), &profiles, filter)?;
            programs.push(program);
        }
    }
    println!("{} test programs", programs.len());
    let merged = target.join("merged.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "-sparse", "-o"]).arg(&merged).arg(&profiles);
    shell::run(&mut merge)?;
    let mut cov = Command::new(tools.join("llvm-cov"));
    if missing {
        cov.args(["show", "--show-branches=count", "--use-color=false"]);
    } else {
        cov.args(["report", "--show-functions=false", "--show-region-summary=false"]);
    }
    cov.arg("--instr-profile").arg(&merged);
    for (index, program) in programs.iter().enumerate() {
        if index > 0 {
            cov.arg("--object");
        }
        cov.arg(program);
    }
    cov.arg("--sources").arg(root.join(name).join("src"));
    if !missing {
        return shell::run(&mut cov);
    }
    let shown = shell::capture(&mut cov).ok_or_else(|| Failure::new("llvm-cov failed"))?;
    let root = format!("{}/", root.display());
    for line in lines_not_run(&shown) {
        println!("{}", line.replace(&root, ""));
    }
    Ok(())
}

/// Runs those of a program's tests that have a filter's words in their names; each process leaves a profile.
fn count(program: &Path, folder: &Path, profiles: &Path, filter: &str) -> Outcome {
    let mut tests = Command::new(program);
    tests.arg("--quiet").current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
    if !filter.is_empty() {
        tests.arg(filter);
    }
    shell::run(tests.env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw")))
}

/// Where the programs of LLVM are.
fn tools(told: Option<&Path>) -> Result<PathBuf, Failure> {
    let version = shell::capture(Command::new("rustc").arg("-vV")).unwrap_or_default();
    let line = |name: &str| version.lines().find_map(|line| line.strip_prefix(name));
    let (host, llvm) = (line("host: ").unwrap_or_default(), line("LLVM version: "));
    let sysroot = shell::capture(Command::new("rustc").args(["--print", "sysroot"]));
    let own =
        sysroot.map(|path| PathBuf::from(path.trim()).join("lib/rustlib").join(host).join("bin"));
    let in_path = shell::which("llvm-cov").and_then(|file| file.parent().map(Path::to_path_buf));
    let found = match told {
        Some(folder) => vec![folder.to_path_buf()],
        None => own.into_iter().chain(in_path).collect(),
    };
    let major = llvm.and_then(|version| version.split('.').next()).unwrap_or("?");
    let fits = |folder: &PathBuf| {
        let said = shell::capture(Command::new(folder.join("llvm-cov")).arg("--version"));
        said.is_some_and(|said| said.contains(&format!("version {major}.")))
    };
    found.into_iter().find(fits).ok_or_else(|| {
        Failure::usage(format!(
            "there is no llvm-cov of LLVM {major}: `rustup component add llvm-tools`, or name its \
             folder by --llvm"
        ))
    })
}

/// Builds tests of the crate in a folder with counters; returns the programs.
fn programs(folder: &Path, target: &Path, which: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut cargo = shell::cargo();
    cargo.current_dir(folder).env("RUSTFLAGS", "-Cinstrument-coverage");
    cargo.args(["test", "--no-run", "--message-format=json"]).args(which);
    shell::announce(cargo.arg("--target-dir").arg(target));
    let messages = shell::capture(&mut cargo)
        .ok_or_else(|| Failure::new(format!("{} can't be built", folder.display())))?;
    let program = |line: &str| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        rest.split_once('"').map(|(path, _)| PathBuf::from(path))
    };
    Ok(messages.lines().filter_map(program).collect())
}

/// The lines that never ran, each with its file and number, of what `llvm-cov show` prints: the number of a line, how often
/// it ran, and the line, with bars between them.
fn lines_not_run(shown: &str) -> Vec<String> {
    let (mut file, mut found) = ("", Vec::new());
    for line in shown.lines() {
        let mut cells = line.splitn(3, '|');
        match (cells.next(), cells.next(), cells.next()) {
            (Some(number), Some(count), Some(text)) if count.trim() == "0" => {
                found.push(format!("{file}:{}: {}", number.trim(), text.trim()));
            }
            (Some(name), None, None) if name.ends_with(':') => file = name.trim_end_matches(':'),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_never_ran_are_found() {
        let shown = "/a/b.rs:\n    1|      3|fn a() {\n    2|      0|    b | c;\n    3|       |}\n\n\
                     /a/c.rs:\n    9|      0|x\n";
        assert_eq!(lines_not_run(shown), ["/a/b.rs:2: b | c;", "/a/c.rs:9: x"]);
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        for words in [vec!["-p"], vec!["--llvm"], vec!["x"], vec!["-p", "nowhere"]] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert!(run(&words).is_err());
        }
    }
}
