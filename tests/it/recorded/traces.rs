//! Traces, held against those that libpq 18 wrote of the same bytes.

use std::path::PathBuf;

use stellata_protocol::trace::Tracer;
use stellata_testkit::{Direction, Recording};

use super::replay::streams;

/// The trace of a recording, as the lines of the client and those of the server.
fn trace(recording: &Recording, chunk: usize) -> [Vec<String>; 2] {
    let mut tracer = Tracer::new().with_secrets();
    let (mut frontend, mut backend) = (String::new(), String::new());
    for (direction, bytes) in recording.pieces() {
        for bytes in bytes.chunks(chunk) {
            match direction {
                Direction::ToServer => tracer.frontend(bytes, &mut frontend),
                Direction::ToClient => tracer.backend(bytes, &mut backend),
            }
        }
    }
    [frontend, backend].map(|text| text.lines().map(str::to_owned).collect())
}

#[test]
fn traces_are_those_of_libpq() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/traces");
    let (mut count, mut lines) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "trace") {
            continue;
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        let recording = Recording::read(path.with_extension("bin")).unwrap();
        for (side, mut ours) in ["F", "B"].into_iter().zip(trace(&recording, usize::MAX)) {
            // libpq 18 does not count the salt of AuthenticationMD5Password, and complains of itself.
            let theirs: Vec<&str> = golden.lines().filter(|line| line.starts_with(side)).collect();
            // Nor does it show AuthenticationOk, or what came last when a session ends with an error.
            ours.retain(|line| !line.ends_with("\tAuthenticationOk"));
            if ours.last().is_some_and(|line| line.contains("\tErrorResponse\t S \"FATAL\"")) {
                ours.truncate(theirs.len());
            }
            for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert_eq!(ours, theirs, "{}, line {number} of {side}", path.display());
            }
            assert_eq!(ours.len(), theirs.len(), "{}, {side}", path.display());
            lines += ours.len();
        }
        count += 1;
    }
    println!("traces: {count} of libpq, {lines} lines");
    assert!(count >= 13);
}

#[test]
fn a_trace_does_not_depend_on_how_the_bytes_are_cut() {
    for (name, recording) in streams() {
        let whole = trace(&recording, usize::MAX);
        for chunk in [1, 2, 5, 7] {
            assert!(trace(&recording, chunk) == whole, "{name} by {chunk}");
        }
        // Nothing that a real server or a right client sends is unknown, cut short or too long.
        for line in whole.iter().flatten() {
            assert!(!line.ends_with(')') && !line.contains("\tUnknown"), "{name}: {line}");
        }
    }
}
