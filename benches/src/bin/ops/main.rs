//! The program that `cargo xtask budgets` measures: `ops <operation> <times> <url>` does one operation so many times.
//!
//! Whatever it does before and after does not depend on `times`, so that the difference between two runs is what the
//! operations cost and nothing else. `ops list` names the operations. It has one thread: with a second one every system call
//! and every allocation of the C library is dearer, which no operation is to blame for.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod work;

mod client;
mod lanes;
mod model;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use stellata_client::Config;

use crate::work::Outcome;

type Run = fn(Config, u32) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// Every operation, by its name.
const OPERATIONS: [(&str, Run); 29] = [
    ("client-w1", |config, times| Box::pin(client::point(config, times))),
    ("client-w1-cold", |config, times| Box::pin(client::cold(config, times))),
    ("client-w2", |config, times| Box::pin(client::all(config, times))),
    ("client-w2-waiting", |config, times| Box::pin(client::all_waiting(config, times))),
    ("client-w2-borrowed", |config, times| Box::pin(client::borrowed(config, times))),
    ("client-w3", |config, times| Box::pin(client::insert(config, times))),
    ("client-w3-100", |config, times| Box::pin(client::insert_many::<100>(config, times))),
    ("client-w3-1000", |config, times| Box::pin(client::insert_many::<1000>(config, times))),
    ("client-w5", |config, times| Box::pin(client::lookups(config, times))),
    ("client-w6a", |config, times| Box::pin(client::lend(config, times))),
    ("client-w6b", |config, times| Box::pin(client::crowd(config, times))),
    ("client-w7-in", |config, times| Box::pin(client::copy_in(config, times))),
    ("client-w7-out", |config, times| Box::pin(client::copy_out(config, times))),
    ("client-w8", |config, times| Box::pin(client::connect(config, times))),
    ("client-w8-scram", |config, times| Box::pin(client::connect(config, times))),
    ("client-idle", |config, times| Box::pin(client::idle(config, times))),
    ("client-transaction", |config, times| Box::pin(client::transaction(config, times, false))),
    ("client-transaction-joined", |config, times| {
        Box::pin(client::transaction(config, times, true))
    }),
    ("model-w1", |config, times| Box::pin(model::point(config, times))),
    ("model-w1-filter", |config, times| Box::pin(model::filtered(config, times))),
    ("model-w2", |config, times| Box::pin(model::all(config, times))),
    ("model-w3", |config, times| Box::pin(model::insert(config, times))),
    ("model-w3-100", |config, times| Box::pin(model::insert_many::<100>(config, times))),
    ("model-w3-1000", |config, times| Box::pin(model::insert_many::<1000>(config, times))),
    ("model-w4", |config, times| Box::pin(model::graph(config, times))),
    ("model-w6b", |config, times| Box::pin(model::crowd(config, times))),
    ("lanes-w6b", |config, times| Box::pin(lanes::crowd(config, times))),
    ("lanes-w6b-apart", |config, times| Box::pin(lanes::crowd_apart(config, times))),
    ("model-transaction", |config, times| Box::pin(model::transaction(config, times))),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] => {
            OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        [operation, times, url] => run(operation, times, url),
        _ => Err("usage: ops list | ops <operation> <times> <url>".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(operation: &str, times: &str, url: &str) -> Outcome {
    let (_, run) = OPERATIONS
        .iter()
        .find(|(name, _)| *name == operation)
        .ok_or_else(|| format!("there is no operation `{operation}`"))?;
    let times: u32 = times.parse()?;
    // Slow under the tools that count: the limit must not be what ends it.
    let config = Config::parse(&format!("{url}?connect_timeout=60&sslmode=disable"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, times))
}
