//! The keeper: a shell that runs one command for us and cleans up after us, even when we are
//! killed. See `keeper.sh` beside this file.

use crate::error::Error;
use crate::kept::account::Account;
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("keeper.sh");

/// How long a keeper may take to end: as long as it gives its command, and some more.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command to run and what to remove once it and we are gone.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// Where the command's standard error is appended.
    pub(crate) log: &'a Path,
    /// What is removed; empty paths count for nothing.
    pub(crate) folders: [&'a Path; 3],
    /// An open file that the keeper holds, and its command does not, for the sake of its lock.
    pub(crate) lock: File,
    /// Who runs it, if not ourselves.
    pub(crate) account: Option<Account>,
    pub(crate) death: Death,
    pub(crate) command: &'a [PathBuf],
}

/// What becomes of a command once we are dead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// It is stopped at once, as a server that gives back all its memory then.
    Stopped,
    /// It has nothing to lose and is killed.
    Killed,
    /// It comes to its own end soon, and would leave shared memory if it were stopped.
    Awaited,
}

impl Death {
    /// The signal, and the seconds until the command is killed.
    fn orders(self) -> [&'static str; 2] {
        match self {
            Death::Stopped => ["QUIT", "1"],
            Death::Killed => ["KILL", "1"],
            Death::Awaited => ["0", "20"],
        }
    }
}

/// One keeper with its command. Dropped, it stops the command, removes the folders and is waited
/// for.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    child: Option<u32>,
    /// Ends when the command and all its children are gone.
    lifeline: Receiver<()>,
}

impl Keeper {
    /// A keeper without a command, which only sees to it that the folders go, if they come. It
    /// runs as ourselves, for not all in them may be the server's account's.
    pub(crate) fn guard(folders: [&Path; 3]) -> Result<Keeper, Error> {
        let shell = command(Path::new(""), folders, Death::Stopped);
        Keeper::start(shell)
    }

    /// Starts a command and its keeper.
    pub(crate) fn run(job: Job<'_>) -> Result<Keeper, Error> {
        let mut shell = command(job.log, job.folders, job.death);
        shell.args(job.command).stderr(job.lock);
        if let Some(account) = job.account {
            account.take_over(&mut shell);
        }
        Keeper::start(shell)
    }

    fn start(mut shell: Command) -> Result<Keeper, Error> {
        let failed = |cause| Error::while_doing("starting a shell to keep the server", cause);
        let mut shell = shell.spawn().map_err(failed)?;
        let mut output = BufReader::new(shell.stdout.take().ok_or_else(|| {
            Error::new("the keeper's output was not piped, as it was asked to be")
        })?);
        let mut line = String::new();
        output.read_line(&mut line).map_err(failed)?;
        let (alive, lifeline) = channel();
        thread::Builder::new()
            .name("stellata-lifeline".to_owned())
            .spawn(move || {
                // Nothing is written there: the read ends when the last writer is gone.
                let mut rest = Vec::new();
                let _ = output.read_to_end(&mut rest);
                drop(alive);
            })
            .map_err(failed)?;
        Ok(Keeper { shell, child: line.trim().parse().ok(), lifeline })
    }

    /// The process number of the command.
    pub(crate) fn child(&self) -> Option<u32> {
        self.child
    }

    /// Sends the command a signal by its name without `SIG`; `KILL` goes to its children too.
    pub(crate) fn signal(&mut self, name: &str) {
        self.tell(name);
    }

    /// Whether the command and all its children are gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.lifeline.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits for the command and all its children to be gone; says whether they are.
    pub(crate) fn wait_until_gone(&mut self, limit: Duration) -> bool {
        let gone = self.lifeline.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected);
        if gone && let Some(child) = self.child.take() {
            self.tell("gone");
            wait_until_reaped(child);
        }
        gone
    }

    /// Lets the keeper end without removing the folders, because another one keeps them or they
    /// are still wanted; says whether the command had succeeded.
    pub(crate) fn leave(mut self) -> bool {
        self.tell("leave");
        self.end()
    }

    fn tell(&mut self, word: &str) {
        // A keeper that can't be told is dead, and `end` sees to that.
        if let Some(pipe) = &mut self.shell.stdin {
            let _ = pipe.write_all(format!("{word}\n").as_bytes());
        }
    }

    /// Closes the pipe and waits for the shell; says whether it ended well.
    fn end(&mut self) -> bool {
        if self.shell.stdin.take().is_none() {
            return false;
        }
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.shell.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                Err(_) => break,
            }
        }
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        false
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
        // Had somebody killed the keeper, its command would still be there.
        if let (Some(child), false) = (self.child, self.is_gone()) {
            for signal in ["QUIT", "KILL"] {
                send_signal(child, signal);
                if self.wait_until_gone(Duration::from_secs(5)) {
                    break;
                }
            }
        }
    }
}

/// The shell, yet without a command to run.
fn command(log: &Path, folders: [&Path; 3], death: Death) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", SCRIPT, "stellata-keeper"])
        .arg(log)
        .args(folders)
        .args(death.orders())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .env("LC_ALL", "C");
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            shell.env_remove(name);
        }
    }
    shell
}

/// Waits for the keeper to have taken note of the end of its command. Until then the process counts
/// as one that runs, and a server does not start where another one seems to run.
fn wait_until_reaped(child: u32) {
    let begun = Instant::now();
    while send_signal(child, "0") && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal by way of the shell: the standard library can only kill its own children. Says
/// whether there was a process to send it to; the signal `0` does nothing else.
pub(crate) fn send_signal(pid: u32, name: &str) -> bool {
    Command::new("/bin/sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
