//! Rounds of turns, and what is measured in them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::contestant::{Contestant, Work};

/// How many tasks want a connection at the same time.
const TASKS: i32 = 64;

/// How often each of them does before all begin again. Who lets some starve for the sake of others has that many waits of
/// the others to hide a long one behind: fewer than a thousand, so that it shows in what one in a thousand exceeds.
const EACH: i32 = 250;

/// What came of one turn.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// How often a task was served, in a second.
    pub(crate) rate: f64,
    /// How long tasks waited for their connections, where they were lent any.
    pub(crate) waits: Option<Spread>,
    /// How long all of it took.
    pub(crate) took: Spread,
}

/// The median of some times, and what one in 100 and one in 1 000 exceeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            times.get(index).or(times.last()).copied()
        };
        Some(Self { p50: at(0.5)?, p99: at(0.99)?, p999: at(0.999)? })
    }
}

/// The turns of one contestant.
pub(crate) struct Turns {
    pub(crate) name: &'static str,
    pub(crate) turns: Vec<Turn>,
}

type Running<'c> = Pin<Box<dyn Future<Output = Turn> + 'c>>;

/// Those who take turns.
pub(crate) struct Contest {
    contestants: Vec<Entrant>,
}

struct Entrant {
    name: &'static str,
    lends: bool,
    turn: Box<dyn Fn(Work, Duration) -> Running<'static>>,
}

impl Contest {
    pub(crate) fn new() -> Self {
        Self { contestants: Vec::new() }
    }

    pub(crate) fn add<C: Contestant>(&mut self, name: &'static str, contestant: C) {
        let contestant = Arc::new(contestant);
        let turn = move |work, limit| -> Running<'static> {
            Box::pin(take_turn(Arc::clone(&contestant), work, limit))
        };
        self.contestants.push(Entrant { name, lends: C::LENDS, turn: Box::new(turn) });
    }

    /// Lets all who can do the work have a turn in each round, behind one that does not count.
    pub(crate) async fn run(&self, work: Work, rounds: usize, turn: Duration) -> Vec<Turns> {
        let able = |entrant: &&Entrant| entrant.lends || work == Work::LookUp;
        let entrants: Vec<&Entrant> = self.contestants.iter().filter(able).collect();
        let mut all: Vec<Turns> = Vec::new();
        for entrant in &entrants {
            (entrant.turn)(work, turn).await;
            all.push(Turns { name: entrant.name, turns: Vec::new() });
        }
        for round in 0..rounds {
            for place in 0..entrants.len() {
                let index = (round + place) % entrants.len();
                let measured = (entrants[index].turn)(work, turn).await;
                all[index].turns.push(measured);
            }
        }
        all
    }
}

/// Lets all tasks work, from the first to the last again and again for some time.
async fn take_turn<C: Contestant>(contestant: Arc<C>, work: Work, limit: Duration) -> Turn {
    let start = Instant::now();
    let (mut waits, mut times) = (Vec::new(), Vec::new());
    while start.elapsed() < limit {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(go_on(Arc::clone(&contestant), work, task)))
            .collect();
        for task in tasks {
            for (wait, took) in task.await.expect("a task has failed") {
                waits.extend(wait);
                times.push(took);
            }
        }
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    Turn { rate, waits: Spread::of(waits), took: Spread::of(times).expect("nothing was done") }
}

/// What one task does. Returns how long it waited each time, and how long all of it took.
async fn go_on<C: Contestant>(
    contestant: Arc<C>,
    work: Work,
    task: i32,
) -> Vec<(Option<Duration>, Duration)> {
    let mut times = Vec::with_capacity(EACH as usize);
    for round in 0..EACH {
        let id = (round * TASKS + task) % 10_000 + 1;
        let start = Instant::now();
        let waited = contestant.serve(work, id).await.expect("no answer");
        times.push((waited, start.elapsed()));
    }
    times
}
