//! `cargo xtask rel R04`: the command behind a row of `docs/reliability.md`, and with `--long` the same with bigger numbers.
//!
//! Whoever proves a property adds its row to [`PROPERTIES`]. A test reads `STELLATA_LONG` for its bigger numbers, and prints
//! the figure that it counted.

use crate::{Failure, Outcome, fuzz, shell, workspace};

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
    /// Arguments of `cargo xtask fuzz`, usually and for long.
    Fuzz { usual: &'static [&'static str], long: &'static [&'static str] },
}

const PROTOCOL: &str = "stellata-protocol";
const TESTS: &str = "stellata-tests";

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
            Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["recorded", "prefixes"] },
            Step::Test {
                of: &["-p", PROTOCOL, "--test", "recorded", "--test", "conversation"],
                filter: &[],
            },
        ],
    },
    Property {
        id: "R04",
        steps: &[
            Step::Computing { of: &["-p", TESTS, "--test", "mutated"], filter: &[] },
            Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["garbled"] },
        ],
    },
    Property {
        id: "R05",
        steps: &[
            Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["recorded"] },
            Step::Test { of: &["-p", PROTOCOL, "--test", "conversation"], filter: &[] },
        ],
    },
    Property {
        id: "R07",
        steps: &[
            Step::Test {
                of: &["-p", PROTOCOL, "--test", "allocation"],
                filter: &["hostile_value", "--include-ignored"],
            },
            // The time of a `BigDecimal` of all digits that there may be is that of its crate.
            Step::Test {
                of: &["-p", PROTOCOL, "--all-features", "--test", "allocation"],
                filter: &["hostile_value"],
            },
            Step::Test { of: &["-p", PROTOCOL, "--all-features", "--lib"], filter: &["types"] },
        ],
    },
    Property {
        id: "R08",
        steps: &[Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["hostile"] }],
    },
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
            Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["may_be_deep"] },
        ],
    },
    Property {
        id: "R16",
        steps: &[Step::Test {
            of: &["-p", TESTS, "--test", "it"],
            filter: &["cluster::failover", "cluster::roles"],
        }],
    },
    Property {
        id: "R26",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--lib"], filter: &["auth"] },
            Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["login::passwords"] },
        ],
    },
    Property {
        id: "R27",
        steps: &[
            Step::Test {
                of: &["-p", PROTOCOL, "--test", "conversation"],
                filter: &["login", "policy", "token"],
            },
            Step::Test {
                of: &["-p", TESTS, "--test", "it"],
                filter: &["login", "hostile::authentication", "tls::modes"],
            },
        ],
    },
    Property {
        id: "R30",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--test", "secrets"], filter: &[] },
            Step::Test {
                of: &["-p", TESTS, "--test", "it"],
                filter: &["login::secrets", "login::passwords", "a_password_"],
            },
            Step::Test { of: &["-p", TESTS, "--test", "memory"], filter: &[] },
        ],
    },
    Property {
        id: "R38",
        steps: &[
            Step::Test { of: &["-p", PROTOCOL, "--lib"], filter: &["conversation"] },
            Step::Test { of: &["-p", PROTOCOL, "--test", "conversation"], filter: &[] },
        ],
    },
    Property {
        id: "R39",
        steps: &[Step::Test { of: &["-p", TESTS, "--test", "it"], filter: &["faults"] }],
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
            test(of, filter, if long { &["--profile", "long"] } else { &[] }, long)
        }
        Step::Fuzz { usual, long: more } => {
            let words = if long { more } else { usual };
            fuzz::run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        }
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

    #[test]
    fn an_unknown_property_is_refused() {
        for words in [vec![], vec!["R00"], vec!["R04", "--short"]] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert!(run(&words).is_err());
        }
    }
}
