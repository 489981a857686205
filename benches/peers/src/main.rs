//! Pools beside each other: 64 tasks share 8 connections, on two threads of one runtime, against one server.
//!
//! Each contestant has a short turn in every round, and each round begins with another one, so that whatever else the
//! machine does meanwhile befalls all of them. Rounds are compared by their quartiles. What comes out is a matter of this
//! machine and this hour; what it may prove is who is before whom.

#![allow(clippy::print_stdout, reason = "a program talks to its user")]

mod contestant;
mod contest;
mod report;

use std::time::Duration;

use contest::Contest;
use contestant::{Bb8, Deadpool, Failed, Lent, Models, Sqlx, Stellata, Work};
use stellata_pool::PoolOptions;
use stellata_testkit::{Database, Server};
use tokio::runtime::Builder;

const USAGE: &str = "usage: peers [--rounds N] [--turn MILLISECONDS]";

/// Threads of the runtime that all contestants share.
const THREADS: usize = 2;

/// How often each contestant has its turn, and for how long.
struct Settings {
    rounds: usize,
    turn: Duration,
}

impl Settings {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut settings = Self { rounds: 15, turn: Duration::from_millis(400) };
        while let Some(word) = words.next() {
            let number = words.next()?.parse().ok()?;
            match word.as_str() {
                "--rounds" => settings.rounds = usize::try_from(number).ok().filter(|n| *n > 0)?,
                "--turn" => settings.turn = Duration::from_millis(number),
                _ => return None,
            }
        }
        Some(settings)
    }
}

fn main() -> Result<(), Failed> {
    let settings = Settings::read(std::env::args().skip(1)).ok_or(USAGE)?;
    let server = Server::shared()?;
    let database = Database::create(server)?;
    database.run(
        "create table users (id int4 primary key, name text not null);
         insert into users select n, 'user ' || n from generate_series(1, 10000) n",
    )?;
    database.run("vacuum analyze users")?;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(async {
        let url = database.tcp_url();
        let mut contest = Contest::new();
        contest.add("stellata-pool", Lent(Stellata::new(&url)?));
        contest.add("stellata, models", Models::new(&url, PoolOptions::new())?);
        contest.add("deadpool-postgres", Lent(Deadpool::new(&url)?));
        contest.add("bb8-postgres", Lent(Bb8::new(&url).await?));
        contest.add("sqlx", Lent(Sqlx::new(&url)?));
        for work in [Work::Lend, Work::LookUp] {
            let rounds = contest.run(work, settings.rounds, settings.turn).await;
            report::print(work, &rounds);
        }
        Ok(())
    })
}
