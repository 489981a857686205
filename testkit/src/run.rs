//! Running a test: a runtime, a time limit, a database.

use crate::database::Database;
use crate::error::Error;
use crate::journal;
use crate::server::Server;
use crate::skip::skip;
use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a test may take. Whoever takes longer hangs: it is many times what a test needs where others build.
pub const LIMIT: Duration = Duration::from_secs(240);

/// A test that blocks its thread can't be failed by its own runtime. After this much more the
/// whole process ends.
const GRACE: Duration = Duration::from_secs(15);

/// Runs a test with a fresh database on the shared server.
///
/// # Panics
/// When no database can be had, or the test takes longer than [`LIMIT`].
pub fn with_database<R>(test: impl AsyncFnOnce(&Database) -> R) -> R {
    let server = expect("starting a server for tests", Server::shared());
    with_database_on(server, test)
}

/// Runs a test with a fresh database on `server`.
///
/// # Panics
/// As [`with_database`].
pub fn with_database_on<R>(server: &Server, test: impl AsyncFnOnce(&Database) -> R) -> R {
    let database = expect("making a database", Database::create(server));
    run(test(&database))
}

/// Runs a test with a fresh database on a server of this major version or a newer one: the shared
/// one, or else the newest that is here. Where none is new enough the test is skipped.
///
/// # Panics
/// As [`with_database`].
pub fn with_database_since(major: u32, test: impl AsyncFnOnce(&Database)) {
    match expect("starting a newer server for tests", Server::since(major)) {
        Some(server) => with_database_on(server, test),
        None => {
            skip(&format!("no PostgreSQL {major} or newer is here: `cargo xtask test` fetches it"))
        }
    }
}

/// Runs a future on a runtime of its own, in this thread, for [`LIMIT`] at most.
///
/// # Panics
/// When it takes longer.
pub fn run<F: Future>(test: F) -> F::Output {
    run_within(LIMIT, test)
}

/// Runs a future on a runtime of its own, in this thread, for `limit` at most. Where the future
/// never gives its thread back, the process is ended a little later instead.
///
/// # Panics
/// When it takes longer.
pub fn run_within<F: Future>(limit: Duration, test: F) -> F::Output {
    journal::begin();
    let _watch = watch(limit + GRACE);
    let runtime = expect("making a runtime", Builder::new_current_thread().enable_all().build());
    let runtime = Ending(Some(runtime));
    match &runtime.0 {
        Some(runtime) => runtime.block_on(within(limit, test)),
        None => unreachable!("it was put there two lines above"),
    }
}

/// Waits for a future for `limit` at most.
///
/// # Cancel safety
/// That of the future.
///
/// # Panics
/// When it takes longer.
pub async fn within<F: Future>(limit: Duration, future: F) -> F::Output {
    match tokio::time::timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("not done within {limit:?}"),
    }
}

/// A runtime that does not wait for ever for its blocking tasks when it is dropped.
struct Ending(Option<Runtime>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

fn watch(limit: Duration) -> Option<Sender<()>> {
    let (still_here, ended) = channel();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let watch = move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let mut output = std::io::stderr();
            let _ = writeln!(output, "{name} has blocked its thread for {limit:?}: giving up");
            std::process::abort();
        }
    };
    thread::Builder::new().spawn(watch).ok().map(|_| still_here)
}

fn expect<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(cause) => panic!("{}", Error::while_doing(what, cause)),
    }
}
