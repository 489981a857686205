//! Looks for passwords and for values of parameters in what the tests have told, which a run with `STELLATA_JOURNAL` has
//! written down; `cargo xtask rel R30` does both.
//!
//! ```sh
//! STELLATA_JOURNAL=/tmp/told cargo test -p stellata-tests --test it
//! cargo run -p stellata-tests --example search -- /tmp/told
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command tells what it has found")]

use std::path::Path;
use std::process::ExitCode;

use stellata_testkit::Told;

/// What a run of all tests tells at least: a search through nothing finds nothing.
const LEAST: [(&str, u64); 7] = [
    ("stellata_client connect", 1_000),
    ("stellata_client query", 10_000),
    ("stellata_client batch", 100),
    ("events of stellata_client", 20),
    ("lines of rustls", 1_000),
    ("connections with the sentinel", 500),
    ("lines of output", 500),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, least) = match arguments.as_slice() {
        [folder] => (folder, [].as_slice()),
        [folder, word] if word == "--whole" => (folder, LEAST.as_slice()),
        _ => {
            eprintln!("usage: search FOLDER [--whole]");
            return ExitCode::from(2);
        }
    };
    let told = match Told::of(Path::new(folder)) {
        Ok(told) => told,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "searched: {} lines, {} bytes in {} files: {} spans with {} later notes, {} events and \
         lines of logs; {} connections with the sentinel",
        told.lines,
        told.bytes,
        told.files,
        told.span_count(),
        told.records,
        told.event_count(),
        told.connections
    );
    for (kinds, counts) in [("spans", &told.spans), ("events", &told.events), ("log", &told.logs)] {
        counts.iter().for_each(|(name, count)| println!("  {count:>8}  {kinds} of {name}"));
    }
    let mut is_sound = told.leak_count == 0;
    for leak in &told.leaks {
        println!(
            "FOUND: {} in {} at {}, behind: {}",
            leak.what,
            leak.file.display(),
            leak.at,
            leak.before
        );
    }
    println!("secrets found: {}", told.leak_count);
    for &(name, least) in least {
        let count = match name {
            "events of stellata_client" => told.events.get("stellata_client"),
            "lines of rustls" => told.logs.get("rustls"),
            "connections with the sentinel" => Some(&told.connections),
            "lines of output" => Some(&told.output_lines),
            name => told.spans.get(name),
        };
        let count = count.copied().unwrap_or_default();
        if count < least {
            println!("TOO FEW: {name}: {count}, of {least} at least");
            is_sound = false;
        }
    }
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
