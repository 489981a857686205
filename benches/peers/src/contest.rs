//! Rounds of turns, and what is measured in them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::contestant::Contestant;

/// How many tasks want a connection at the same time.
const TASKS: i32 = 64;

/// How often each of them does before all begin again. Who lets some starve for the sake of others has that many waits of
/// the others to hide a long one behind: fewer than a thousand, so that it shows in what one in a thousand exceeds.
const EACH: i32 = 250;

/// What a task does with a connection, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It lets the others run, and gives the connection back: only the pool is measured.
    Lend,
    /// It looks up a row by its key, and gives the connection back.
    LookUp,
}

/// What came of one turn.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// How often a connection was lent, in a second.
    pub(crate) rate: f64,
    /// How long callers waited for theirs: the median, and what one in 100 and one in 1 000 exceeded.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
}

/// The turns of one contestant.
pub(crate) struct Turns {
    pub(crate) name: &'static str,
    pub(crate) turns: Vec<Turn>,
}

type Running<'c> = Pin<Box<dyn Future<Output = Turn> + 'c>>;

/// Those who take turns.
pub(crate) struct Contest {
    contestants: Vec<(&'static str, Box<dyn Fn(Work, Duration) -> Running<'static>>)>,
}

impl Contest {
    pub(crate) fn new() -> Self {
        Self { contestants: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, contestant: impl Contestant) {
        let contestant = Arc::new(contestant);
        let turn = move |work, limit| -> Running<'static> {
            Box::pin(take_turn(Arc::clone(&contestant), work, limit))
        };
        self.contestants.push((name, Box::new(turn)));
    }

    /// Lets everybody have a turn in each round, behind one that does not count.
    pub(crate) async fn run(&self, work: Work, rounds: usize, turn: Duration) -> Vec<Turns> {
        let count = self.contestants.len();
        let mut all: Vec<Turns> =
            self.contestants.iter().map(|(name, _)| Turns { name, turns: Vec::new() }).collect();
        for (_, contestant) in &self.contestants {
            contestant(work, turn).await;
        }
        for round in 0..rounds {
            for place in 0..count {
                let index = (round + place) % count;
                let measured = (self.contestants[index].1)(work, turn).await;
                all[index].turns.push(measured);
            }
        }
        all
    }
}

/// Lets all tasks work with a pool, from the first to the last again and again for some time.
async fn take_turn<C: Contestant>(contestant: Arc<C>, work: Work, limit: Duration) -> Turn {
    let start = Instant::now();
    let mut waits = Vec::new();
    while start.elapsed() < limit {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(go_on(Arc::clone(&contestant), work, task)))
            .collect();
        for task in tasks {
            waits.extend(task.await.expect("a task has failed"));
        }
    }
    let took = start.elapsed();
    waits.sort_unstable();
    let at = |share: f64| {
        let index = (waits.len() as f64 * share) as usize;
        waits.get(index).or(waits.last()).copied().unwrap_or_default()
    };
    Turn {
        rate: waits.len() as f64 / took.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
    }
}

/// What one task does. Returns how long it waited each time.
async fn go_on<C: Contestant>(contestant: Arc<C>, work: Work, task: i32) -> Vec<Duration> {
    let mut waits = Vec::with_capacity(EACH as usize);
    for round in 0..EACH {
        let asked = Instant::now();
        let mut lease = contestant.acquire().await.expect("no connection");
        waits.push(asked.elapsed());
        match work {
            Work::Lend => tokio::task::yield_now().await,
            Work::LookUp => {
                let id = (round * TASKS + task) % 10_000 + 1;
                let name = C::look_up(&mut lease, id).await.expect("no answer");
                assert!(name.ends_with(&id.to_string()), "{name} is not {id}");
            }
        }
        drop(lease);
    }
    waits
}
