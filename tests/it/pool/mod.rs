//! The pool: lending, deadlines, cleaning, crowds, outages.

mod memory;

mod cleaning;
mod crowd;
mod deadlines;
mod hooks;
mod idle;
mod lending;
mod limits;
mod metrics;
mod minimum;
mod outages;
mod restarts;
mod runtimes;
mod simulated;

use std::time::Duration;

use stellata_pool::{Config, Pool, PoolOptions};
use stellata_testkit::Database;
use stellata_testkit::sql::Rows;
use tokio::runtime::{Builder, Runtime};

fn config(database: &Database) -> Config {
    Config::parse(&database.url()).unwrap()
}

/// A pool that waits long, because tests share their machine.
fn pool(database: &Database, max: usize) -> Pool {
    let options = PoolOptions::new().max(max).acquire_timeout(Duration::from_secs(20));
    Pool::new(config(database), options)
}

/// Waits until something is so.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..15_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it has not come to pass: {what}");
}

/// Waits until something is so, and lets the thread go only for so long as others need to make it so.
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it has not come to pass: {what}");
}

/// The number that a query gave.
fn number(rows: &Rows) -> usize {
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

/// Threads of their own for tasks, so that they truly race.
fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}
