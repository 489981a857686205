//! Tests that can't run here are skipped aloud.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::thread;

/// Says that the running test is skipped and why; the test then returns.
///
/// The line goes to standard error, past the capture of test output, and to the end of the file
/// that `STELLATA_SKIP_LOG` names, if it does, as `test<TAB>reason`, so that a runner can count.
pub fn skip(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let reason = reason.replace(['\n', '\t'], " ");
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
    let Some(path) = env::var_os("STELLATA_SKIP_LOG").filter(|path| !path.is_empty()) else {
        return;
    };
    let line = format!("{test}\t{reason}\n");
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(cause) = written {
        let _ = writeln!(std::io::stderr(), "writing to STELLATA_SKIP_LOG: {cause}");
    }
}
