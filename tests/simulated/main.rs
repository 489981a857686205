//! The whole stack simulated: models, pool, connections and conversations over a server in memory, on paused time. What
//! happens hangs on a seed alone, so that a seed which fails fails again.
//!
//! The server keeps a table of notes and knows transactions. By chance it is slow, ends sessions before, after or in the
//! middle of an answer, goes away and comes back; callers give up by chance too. In the end what they were told is held
//! against what the server has.

mod numbers;
mod world;
mod session;
mod callers;

use std::panic::catch_unwind;
use std::thread;

use callers::{Tally, cut_and_go_on, simulate};
use world::Ending;

/// How many seeds are tried, from which one on: `STELLATA_SEED` names a single one.
fn seeds() -> std::ops::Range<u64> {
    let told = |name| std::env::var(name).ok().and_then(|value: String| value.parse().ok());
    match told("STELLATA_SEED") {
        Some(seed) => seed..seed + 1,
        None if std::env::var_os("STELLATA_LONG").is_some() => 1..1_000_001,
        None => 1..1_001,
    }
}

#[test]
fn whatever_happens_callers_are_told_the_truth() {
    let (seeds, threads) = (seeds(), 2);
    let tallies: Vec<Tally> = (0..threads)
        .map(|part| {
            let mine = seeds.clone().filter(move |seed| seed % threads == part);
            thread::spawn(move || {
                let mut tally = Tally::default();
                for seed in mine {
                    match catch_unwind(|| simulate(seed)) {
                        Ok(simulated) => tally.add(&simulated.tally),
                        Err(_) => panic!("seed {seed}: STELLATA_SEED={seed} repeats it"),
                    }
                }
                tally
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|thread| thread.join().expect("a seed has failed"))
        .collect();
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    println!("{} seeds: {all:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start > 100 {
        assert!(all.has_everything(), "some things never happened: {all:?}");
    }
}

#[test]
fn a_seed_gives_the_same_trace_each_time() {
    for seed in [1, 7, 40, 1_000] {
        let (one, two) = (simulate(seed), simulate(seed));
        for (at, (one, two)) in one.trace.iter().zip(&two.trace).enumerate() {
            assert_eq!(one, two, "seed {seed}, the {at}th happening");
        }
        assert_eq!(one.trace.len(), two.trace.len(), "seed {seed}");
        assert!(one.trace.len() > 100, "seed {seed}");
    }
    assert_ne!(simulate(1).trace, simulate(2).trace);
}

#[test]
fn a_session_that_ends_behind_any_byte_is_replaced() {
    let places = [Ending::Close, Ending::Silence]
        .map(|ending| (0..).take_while(|after| cut_and_go_on((*after, ending))).count());
    println!("sessions closed behind {} bytes each, silent behind {}", places[0], places[1]);
    assert!(places.iter().all(|places| *places > 200), "{places:?}");
}
