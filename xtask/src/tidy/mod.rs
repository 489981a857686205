//! `cargo xtask tidy`: the rules of the house that the compiler and clippy do not check.
//!
//! One file for each rule. A rule takes the files and gives findings; only this file knows about all of them.

mod report;
mod token;

mod source;

mod cancel;
mod crates;
mod features;
mod advisories;
mod lengths;
mod modules;
mod names;
mod paths;
mod words;

use crate::{Failure, Outcome, workspace};

use self::source::Source;

/// Checks every rule and prints what breaks one; lengths are only noted.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(unknown) = arguments.first() {
        return Err(Failure::usage(format!("`tidy` takes no `{unknown}`")));
    }
    let files = workspace::text_files(&workspace::root())?;
    let sources: Vec<Source> = files.iter().filter_map(Source::of).collect();
    let (mut findings, features) = features::check(&files, &sources);
    findings.extend(advisories::check(&files, &sources));
    findings.extend(cancel::check(&product(&files)));
    findings.extend(crates::check(&files));
    findings.extend(modules::check(&sources));
    findings.extend(names::check(&files));
    findings.extend(paths::check(&files));
    findings.extend(words::check(&sources));
    findings.sort();
    findings.dedup();
    for note in lengths::notes(&sources) {
        println!("note: {note}");
    }
    for finding in &findings {
        println!("error: {finding}");
    }
    println!(
        "tidy: {} files, {} of {} features done, {} problems",
        files.len(),
        features.done,
        features.rows,
        findings.len()
    );
    if findings.is_empty() { Ok(()) } else { Err(Failure::new("tidy found problems")) }
}

/// The Rust files of the crates that users compile.
fn product(files: &[workspace::TextFile]) -> Vec<Source> {
    let rooms =
        ["protocol/src/", "client/src/", "pool/src/", "orm/src/", "derive/src/", "cli/src/"];
    let is_product = |path: &str| rooms.iter().any(|room| path.starts_with(room));
    files.iter().filter(|file| is_product(&file.path)).filter_map(Source::of).collect()
}
