//! `cargo xtask rel R04`: the command behind a row of `docs/reliability.md`, and with `--long` the same with bigger numbers.
//!
//! Whoever proves a property adds its row to [`PROPERTIES`]. A test reads `STELLATA_LONG` for its bigger numbers, and prints
//! the figure that it counted.

use crate::{Failure, Outcome, fuzz, journal, races, shell, workspace};

const USAGE: &str = "usage: cargo xtask rel Rnn [--long] | cargo xtask rel --list";

/// Tells a test to try as much as it has numbers for.
const LONG: &str = "STELLATA_LONG";

/// A property and what proves it.
struct Property {
    /// Its row in `docs/reliability.md`.
    id: &'static str,
    steps: &'static [Step],
}

/// One command.
enum Step {
    /// Arguments of `cargo test`, before and behind `--`.
    Test { of: &'static [&'static str], filter: &'static [&'static str] },
    /// The same of a test that does nothing but compute, and is built for that where it runs for long.
    Computing { of: &'static [&'static str], filter: &'static [&'static str] },
    /// The same where time is measured: it is always built for that, with every check.
    Quick { of: &'static [&'static str], filter: &'static [&'static str] },
    /// Arguments of `cargo test`, for a run under the thread sanitizer where it may take long.
    Races { of: &'static [&'static str], filter: &'static [&'static str] },
    /// Arguments of `cargo xtask fuzz`, usually and for long.
    Fuzz { usual: &'static [&'static str], long: &'static [&'static str] },
    /// Test programs of the whole system that run while all that they tell is kept, and is searched for secrets then.
    Search { programs: &'static [&'static str] },
}

/// Chooses quick code with every check of the usual one.
const OPTIMISED: &[&str] = &["--profile", "long"];

const PROTOCOL: &str = "stellata-protocol";
const TESTS: &str = "stellata-tests";

/// Tests of the whole system whose names have one of these parts.
const fn whole(filter: &'static [&'static str]) -> Step {
    Step::Test { of: &["-p", TESTS, "--test", "it"], filter }
}

/// The properties in order of their rows.
const PROPERTIES: &[Property] = &[
    Property { id: "R01", steps: &[Step::Fuzz { usual: &[], long: &["--target", "all"] }] },
    Property {
        id: "R02",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--test", "conversation"], filter: &[] },
            Step::Fuzz {
                usual: &["--target", "conversation"],
                long: &["--target", "conversation", "--runs", "20000000"],
            },
            Step::Fuzz {
                usual: &["--target", "conversation-in-short"],
                long: &["--target", "conversation-in-short", "--runs", "20000000"],
            },
        ],
    },
    Property {
        id: "R03",
        steps: &[
            whole(&["recorded", "prefixes"]),
            Step::Test {
                of: &["-p", PROTOCOL, "--test", "recorded", "--test", "conversation"],
                filter: &[],
            },
        ],
    },
    Property {
        id: "R04",
        steps: &[Step::Computing { of: &["-p", TESTS, "--test", "mutated"], filter: &[] }],
    },
    Property {
        id: "R05",
        steps: &[
            whole(&["recorded"]),
            Step::Test { of: &["-p", PROTOCOL, "--test", "conversation"], filter: &[] },
        ],
    },
    Property { id: "R06", steps: &[whole(&["oracle"])] },
    Property {
        id: "R07",
        steps: &[
            Step::Quick {
                of: &["-p", PROTOCOL, "--all-features", "--test", "hostile_values"],
                filter: &[],
            },
            Step::Quick {
                of: &["-p", PROTOCOL, "--all-features", "--test", "allocation"],
                filter: &["hostile_value"],
            },
            Step::Test { of: &["-p", PROTOCOL, "--all-features", "--lib"], filter: &["types"] },
        ],
    },
    Property { id: "R08", steps: &[whole(&["hostile"])] },
    Property {
        id: "R09",
        steps: &[
            Step::Test {
                of: &["-p", PROTOCOL, "--all-features", "--test", "allocation"],
                filter: &[],
            },
            Step::Test { of: &["-p", PROTOCOL, "--test", "conversation"], filter: &["limits"] },
        ],
    },
    Property {
        id: "R10",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--all-features"], filter: &["small_stack"] },
            whole(&["may_be_deep"]),
        ],
    },
    Property { id: "R11", steps: &[whole(&["dropped", "surface"])] },
    Property { id: "R12", steps: &[whole(&["wrong_question"])] },
    Property { id: "R13", steps: &[whole(&["cancellation"])] },
    Property {
        id: "R14",
        steps: &[
            whole(&["hostile::gone", "hostile::prefixes", "copy::failures"]),
            Step::Test { of: &["-p", TESTS, "--test", "simulated"], filter: &["behind_any_byte"] },
        ],
    },
    Property { id: "R15", steps: &[whole(&["outlives_the_restarts"])] },
    Property { id: "R16", steps: &[whole(&["cluster::failover", "cluster::roles"])] },
    Property { id: "R17", steps: &[whole(&["silent"])] },
    Property { id: "R18", steps: &[whole(&["clogged_connections"])] },
    Property {
        id: "R19",
        steps: &[
            Step::Test { of: &["-p", "stellata-pool-models"], filter: &[] },
            Step::Test { of: &["-p", "stellata-pool-schedules"], filter: &[] },
            Step::Test { of: &["-p", "stellata-pool", "--lib"], filter: &["lending", "lanes"] },
            Step::Races { of: &["-p", "stellata-pool", "--lib"], filter: &["lending"] },
        ],
    },
    Property {
        id: "R20",
        steps: &[
            whole(&["ten_thousand"]),
            Step::Test { of: &["-p", TESTS, "--test", "crowd"], filter: &[] },
        ],
    },
    Property { id: "R21", steps: &[whole(&["pool::deadlines", "pool::hooks", "lanes::limits"])] },
    Property { id: "R22", steps: &[whole(&["pool::cleaning"])] },
    Property {
        id: "R24",
        steps: &[
            Step::Test { of: &["-p", TESTS, "--test", "streaming"], filter: &[] },
            whole(&["copy_out_that_is_dropped", "no_memory_grows"]),
        ],
    },
    Property {
        id: "R25",
        steps: &[whole(&[
            "full_buffers",
            "copy::flow",
            "slow_consumer",
            "way_to_the_server_is_full",
        ])],
    },
    Property {
        id: "R26",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--lib"], filter: &["auth"] },
            whole(&["login::passwords"]),
        ],
    },
    Property {
        id: "R27",
        steps: &[
            Step::Test {
                of: &["-p", PROTOCOL, "--test", "conversation"],
                filter: &["login", "policy", "token"],
            },
            whole(&["login", "hostile::authentication", "tls::modes"]),
        ],
    },
    Property { id: "R28", steps: &[whole(&["tls::"])] },
    Property { id: "R29", steps: &[whole(&["named", "hostile_names"])] },
    Property {
        id: "R30",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--test", "secrets"], filter: &[] },
            whole(&["login::secrets", "login::passwords", "a_password_"]),
            Step::Test {
                of: &["-p", "stellata-testkit", "--lib"],
                filter: &["search", "sentinel"],
            },
            Step::Search {
                programs: &["it", "memory", "mutated", "streaming", "crowd", "simulated"],
            },
        ],
    },
    Property {
        id: "R31",
        steps: &[Step::Test { of: &["-p", "stellata-client", "--lib"], filter: &["config"] }],
    },
    Property { id: "R32", steps: &[whole(&["commit::"])] },
    Property { id: "R37", steps: &[whole(&["joins"])] },
    Property {
        id: "R38",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--lib"], filter: &["conversation"] },
            Step::Test { of: &["-p", PROTOCOL, "--test", "conversation"], filter: &[] },
        ],
    },
    Property { id: "R39", steps: &[whole(&["faults"])] },
    Property {
        id: "R40",
        steps: &[
            Step::Computing { of: &["-p", TESTS, "--test", "simulated"], filter: &[] },
            whole(&["pool::simulated"]),
        ],
    },
];

/// Runs what proves a property.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (id, long) = match arguments {
        [word] if word == "--list" => {
            PROPERTIES.iter().for_each(|property| println!("{}", property.id));
            return Ok(());
        }
        [id] => (id, false),
        [id, word] if word == "--long" => (id, true),
        _ => return Err(Failure::usage(USAGE)),
    };
    let Some(property) = PROPERTIES.iter().find(|property| property.id == id) else {
        return Err(Failure::usage(format!("nothing proves `{id}` by this command\n{USAGE}")));
    };
    property.steps.iter().try_for_each(|step| prove(step, long))?;
    println!("\n{id} holds{}", if long { ", with the big numbers" } else { "" });
    Ok(())
}

fn prove(step: &Step, long: bool) -> Outcome {
    match step {
        Step::Test { of, filter } => test(of, filter, &[], long),
        Step::Computing { of, filter } => {
            test(of, filter, if long { OPTIMISED } else { &[] }, long)
        }
        Step::Quick { of, filter } => test(of, filter, OPTIMISED, long),
        Step::Races { of, filter } if long => races::run(of, filter),
        Step::Races { .. } => Ok(()),
        Step::Fuzz { usual, long: more } => {
            let words = if long { more } else { usual };
            fuzz::run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        }
        Step::Search { programs } => journal::prove(programs),
    }
}

/// Runs tests, with more arguments of `cargo test`.
fn test(of: &[&str], filter: &[&str], more: &[&str], long: bool) -> Outcome {
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace::root()).arg("test").args(of).args(more);
    cargo.arg("--").args(filter).arg("--nocapture");
    if long {
        cargo.env(LONG, "1");
    }
    shell::run(&mut cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_each_has_steps() {
        assert!(PROPERTIES.is_sorted_by(|one, other| one.id < other.id));
        assert!(PROPERTIES.iter().all(|property| !property.steps.is_empty()));
    }

    /// What is proven by another command.
    const OTHERWISE: [&str; 3] = ["R23", "R41", "R42"];

    #[test]
    fn the_page_names_the_command_of_each_property() {
        let page = std::fs::read_to_string(workspace::root().join("docs/reliability.md")).unwrap();
        let mut rows = Vec::new();
        for line in page.lines().filter(|line| line.starts_with("| R")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (id, command, status) = (cells[1], cells[3], cells[5]);
            if status == "planned" {
                continue;
            }
            rows.push(id);
            if PROPERTIES.iter().any(|property| property.id == id) {
                assert!(command.contains(&format!("`cargo xtask rel {id}`")), "{id}: {command}");
            } else {
                assert!(OTHERWISE.contains(&id), "{id} is proven by `{command}`");
            }
        }
        for Property { id, .. } in PROPERTIES {
            assert!(rows.contains(id), "the page says of {id} that it is not proven");
        }
        assert!(rows.len() > 30, "{}", rows.len());
    }

    #[test]
    fn an_unknown_property_is_refused() {
        for words in [vec![], vec!["R00"], vec!["R04", "--short"]] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert!(run(&words).is_err());
        }
    }
}
