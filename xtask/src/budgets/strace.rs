//! Counting system calls by strace.

use std::path::Path;

use crate::{Failure, shell};

/// The system calls of one run of a program, all its threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) all: u64,
    /// Those that received from a socket, those that found nothing included.
    pub(super) reads: u64,
    /// The bytes they received.
    pub(super) bytes: u64,
}

/// Runs `program` with `arguments` under strace; `out` takes its report.
pub(super) fn run(program: &Path, arguments: &[&str], out: &Path) -> Result<Calls, Failure> {
    let mut strace = shell::limited("strace");
    // Each thread's calls, no signals, no texts; a file of our own, since the program uses both standard streams.
    strace.args(["-f", "-qq", "--signal=none", "-s", "0", "-o"]);
    strace.arg(out).arg(program).args(arguments);
    shell::succeed(&mut strace)?;
    let report = std::fs::read(out)
        .map_err(|error| Failure::new(format!("can't read {}: {error}", out.display())))?;
    Ok(count(&String::from_utf8_lossy(&report)))
}

fn count(report: &str) -> Calls {
    let mut calls = Calls::default();
    for line in report.lines() {
        // The number of the thread stands in front. A call that another thread's interrupts is told in two lines.
        let Some((_, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let (name, begins) = match call.strip_prefix("<... ") {
            Some(resumed) => (resumed.split(' ').next().unwrap_or_default(), false),
            None => (call.split('(').next().unwrap_or_default(), true),
        };
        calls.all += u64::from(begins);
        if matches!(name, "recvfrom" | "recvmsg") {
            calls.reads += u64::from(begins);
            let result = call.rsplit_once(" = ").map(|(_, result)| result);
            let bytes = result.and_then(|result| result.split(' ').next()?.parse().ok());
            calls.bytes += bytes.unwrap_or(0_u64);
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_once_and_bytes_where_they_are_told() {
        let report = "\
12 sendto(9, \"\"..., 36, MSG_NOSIGNAL, NULL, 0) = 36
12 recvfrom(9, 0x55, 16384, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
12 epoll_wait(4,  <unfinished ...>
13 futex(0x7f, FUTEX_WAIT, 1, NULL <unfinished ...>
12 <... epoll_wait resumed>[{events=EPOLLIN, data={u32=1}}], 1024, -1) = 1
12 recvfrom(9,  <unfinished ...>
12 <... recvfrom resumed>\"\"..., 16384, 0, NULL, NULL) = 120
12 recvfrom(9, \"\"..., 16384, 0, NULL, NULL) = 80
";
        assert_eq!(count(report), Calls { all: 6, reads: 3, bytes: 200 });
    }
}
