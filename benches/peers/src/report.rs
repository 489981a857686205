//! What is printed of a contest.

use std::time::Duration;

use crate::contest::{Turn, Turns, Work};

/// The quartiles of something over all turns.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Quartiles {
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    fn of(turns: &[Turn], measured: impl Fn(&Turn) -> f64) -> Self {
        let mut all: Vec<f64> = turns.iter().map(measured).collect();
        all.sort_unstable_by(f64::total_cmp);
        // Between two neighbours, in proportion.
        let at = |share: f64| {
            let place = share * (all.len() - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            all[below] + (all[above] - all[below]) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    fn shown(self, digits: usize) -> String {
        let Self { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
    }
}

/// Prints a table, the first contestant's against the others'.
pub(crate) fn print(work: Work, all: &[Turns]) {
    let (title, about) = match work {
        Work::Lend => ("Lending", "acquire, let the others run, give back"),
        Work::LookUp => ("Point lookups", "acquire, one row by its key, give back"),
    };
    let rounds = all.first().map_or(0, |first| first.turns.len());
    println!("\n## {title}: {about}\n");
    println!(
        "64 tasks, 8 connections, 2 threads; medians of {rounds} rounds, with their quartiles\n"
    );
    println!("| | a second, thousands | wait, median, µs | wait, p99, µs | wait, p99.9, µs |");
    println!("| --- | --- | --- | --- | --- |");
    for Turns { name, turns } in all {
        let micros = |wait: fn(&Turn) -> Duration| {
            Quartiles::of(turns, |turn| wait(turn).as_secs_f64() * 1e6).shown(0)
        };
        println!(
            "| {name} | {} | {} | {} | {} |",
            Quartiles::of(turns, |turn| turn.rate / 1e3).shown(1),
            micros(|turn| turn.p50),
            micros(|turn| turn.p99),
            micros(|turn| turn.p999),
        );
    }
    let Some((ours, others)) = all.split_first() else { return };
    println!();
    for theirs in others {
        println!("{}", verdict(ours, theirs));
    }
}

/// Round by round, ours against theirs.
fn verdict(ours: &Turns, theirs: &Turns) -> String {
    let ratio = |measured: fn(&Turn) -> f64| {
        let ratios = ours.turns.iter().zip(&theirs.turns).map(|(our, their)| Turn {
            rate: measured(our) / measured(their).max(1e-9),
            ..our.clone()
        });
        Quartiles::of(&ratios.collect::<Vec<_>>(), |turn| turn.rate)
    };
    let rate = ratio(|turn| turn.rate);
    let wait = ratio(|turn| turn.p999.as_secs_f64());
    let holds = |holds| if holds { "" } else { " MISS" };
    format!(
        "{} against {}: throughput x {}{}, p99.9 wait x {}{}",
        ours.name,
        theirs.name,
        rate.shown(2),
        holds(rate.median > 1.0),
        wait.shown(2),
        holds(wait.median < 1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let turn =
            |rate| Turn { rate, p50: Duration::ZERO, p99: Duration::ZERO, p999: Duration::ZERO };
        let turns: Vec<Turn> = [4.0, 1.0, 3.0, 2.0].map(turn).into();
        let found = Quartiles::of(&turns, |turn| turn.rate);
        assert_eq!(found, Quartiles { low: 1.75, median: 2.5, high: 3.25 });
    }
}
