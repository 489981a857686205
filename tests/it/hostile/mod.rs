//! Servers that break the protocol, lie, stop or never stop: each time the client tells so, and the connection is closed or
//! still right.

#![allow(clippy::print_stdout, reason = "the number of cases is part of what the tests tell")]

mod case;
mod workflow;
mod conversations;
mod recording;

mod asynchronous;
mod authentication;
mod catalogue;
mod columns;
mod copy;
mod extended;
mod faults;
mod lengths;
mod prefixes;
mod gone;
mod simple;
mod startup;
mod tls;

/// Fewer would mean that a group was lost.
const FEWEST: usize = 150;

#[test]
fn cases_are_many_and_distinct() {
    let groups = [
        asynchronous::cases(),
        authentication::cases(),
        catalogue::cases(),
        columns::cases(),
        copy::cases(),
        extended::cases(),
        lengths::cases(),
        simple::cases(),
        startup::cases(),
        tls::cases(),
    ];
    let count: usize = groups.iter().map(Vec::len).sum();
    println!("hostile: {count} cases in {} groups", groups.len());
    assert!(count >= FEWEST, "{count}");
    assert!(case::are_distinct(groups.iter().flatten().map(|case| case.id)));
}
