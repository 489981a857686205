//! The harness without libFuzzer, for a machine that has no nightly toolchain: the corpus, then seeded mutations of it.
//!
//! `stellata-fuzz CORPUS RUNS [SEED]`, or `stellata-fuzz FILE` to run one input; `stellata-fuzz` names the targets, of which
//! `STELLATA_FUZZ_TARGET` chooses one.

use std::path::Path;
use std::process::ExitCode;

use stellata_fuzz::mutation::{Random, mutate};

/// The longest input that is made.
const LONGEST: usize = 4096;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [] => {
            stellata_fuzz::targets().iter().for_each(|target| println!("{}", target.name));
            Ok(())
        }
        [file] => one(Path::new(file)),
        [corpus, runs] => many(Path::new(corpus), runs, "1"),
        [corpus, runs, seed] => many(Path::new(corpus), runs, seed),
        _ => Err("usage: stellata-fuzz CORPUS RUNS [SEED] | stellata-fuzz FILE".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn one(file: &Path) -> Result<(), String> {
    let input = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    run(&input)
}

fn many(corpus: &Path, runs: &str, seed: &str) -> Result<(), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
    let (runs, seed): (u64, u64) = (number(runs)?, number(seed)?);
    let inputs = read(corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    inputs.iter().try_for_each(|input| run(input))?;
    for count in 0..runs {
        // A stream for each run, so that one that fails can be made again alone.
        let mut random = Random::new(seed.wrapping_mul(1 << 32).wrapping_add(count));
        run(&mutate(&inputs, &mut random, LONGEST))?;
    }
    println!(
        "Done {} runs: the {} inputs of the corpus, and {runs} mutations from seed {seed}",
        runs + inputs.len() as u64,
        inputs.len()
    );
    Ok(())
}

/// The corpus in order of name, so that a seed means the same everywhere.
fn read(corpus: &Path) -> std::io::Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(corpus)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths.into_iter().map(std::fs::read).collect()
}

/// Runs an input; one that fails or is slow is kept as a file.
fn run(input: &[u8]) -> Result<(), String> {
    if std::panic::catch_unwind(|| stellata_fuzz::chosen().run(input)).is_ok() {
        return Ok(());
    }
    let folder = Path::new("artifacts/wire");
    let file = folder.join(format!("crash-{:016x}", digest(input)));
    let kept = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, input));
    match kept {
        Ok(()) => Err(format!("an input broke a promise; it is kept as {}", file.display())),
        Err(error) => {
            Err(format!("an input broke a promise and can't be kept ({error}): {input:?}"))
        }
    }
}

/// FNV-1a, for a name.
fn digest(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
