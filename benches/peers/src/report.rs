//! What is printed of a contest.

use std::time::Duration;

use crate::contest::{Spread, Turn, Turns};
use crate::contestant::Work;

/// The quartiles of something over all turns.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Quartiles {
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    fn of(mut measured: Vec<f64>) -> Self {
        measured.sort_unstable_by(f64::total_cmp);
        // Between two neighbours, in proportion.
        let at = |share: f64| {
            let place = share * (measured.len() - 1) as f64;
            let (below, above) =
                (measured[place.floor() as usize], measured[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    fn shown(self, digits: usize) -> String {
        let Self { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
    }
}

/// Prints a table, and each of ours against each of the others.
pub(crate) fn print(work: Work, all: &[Turns]) {
    let (title, about) = match work {
        Work::Lend => ("Lending", "acquire, let the others run, give back"),
        Work::LookUp => ("Point lookups", "one row by its key"),
    };
    let rounds = all.first().map_or(0, |first| first.turns.len());
    println!(
        "\n## {title}: {about}\n\n64 tasks, 8 connections, 2 threads; medians of {rounds} rounds, with their quartiles\n\n\
         | | a second, thousands | waits, µs: median | 99 % | 99.9 % | all of it, µs: median | 99.9 % |\n\
         | --- | --- | --- | --- | --- | --- | --- |"
    );
    for Turns { name, turns } in all {
        let micros = |time: &dyn Fn(&Turn) -> Option<Duration>| {
            let all = turns.iter().map(|turn| Some(time(turn)?.as_secs_f64() * 1e6));
            let all: Option<Vec<f64>> = all.collect();
            all.map_or("-".to_owned(), |all| Quartiles::of(all).shown(0))
        };
        let wait = |of: fn(Spread) -> Duration| micros(&move |turn| turn.waits.map(of));
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} |",
            Quartiles::of(turns.iter().map(|turn| turn.rate / 1e3).collect()).shown(1),
            wait(|waits| waits.p50),
            wait(|waits| waits.p99),
            wait(|waits| waits.p999),
            micros(&|turn| Some(turn.took.p50)),
            micros(&|turn| Some(turn.took.p999)),
        );
    }
    println!();
    let is_ours = |turns: &&Turns| turns.name.starts_with("stellata");
    let (ours, theirs): (Vec<&Turns>, Vec<&Turns>) = all.iter().partition(is_ours);
    for ours in ours {
        for theirs in &theirs {
            println!("{}", verdict(ours, theirs));
        }
    }
}

/// Round by round, ours against theirs.
fn verdict(ours: &Turns, theirs: &Turns) -> String {
    let ratio = |measured: fn(&Turn) -> Option<f64>| {
        let pairs = ours.turns.iter().zip(&theirs.turns);
        let ratios = pairs.map(|(our, their)| Some(measured(our)? / measured(their)?.max(1e-9)));
        ratios.collect::<Option<_>>().map(Quartiles::of)
    };
    let holds = |holds| if holds { "" } else { " MISS" };
    let mut line = format!("{} against {}:", ours.name, theirs.name);
    if let Some(rate) = ratio(|turn| Some(turn.rate)) {
        line += &format!(" throughput x {}{}", rate.shown(2), holds(rate.median > 1.0));
    }
    if let Some(wait) = ratio(|turn| Some(turn.waits?.p999.as_secs_f64())) {
        line += &format!(", p99.9 wait x {}{}", wait.shown(2), holds(wait.median < 1.0));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let found = Quartiles::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(found, Quartiles { low: 1.75, median: 2.5, high: 3.25 });
    }
}
