//! `cargo xtask data`: makes the flight data of the tour from the package that publishes it.
//!
//! Every row is checked on the way: its shape, and that its UTC hour is the local hour its other columns tell.

mod hour;
mod package;
mod table;

use std::path::Path;

use self::table::{Table, Week};
use crate::{Failure, Outcome, workspace};

/// The week that is kept in the repository. It holds cancelled flights, planes and airports that the other tables lack,
/// and hours without weather.
const WEEK: Week = Week { month: 1, first_day: 1, last_day: 7 };

/// Where the small tables and the week are kept.
const KEPT: &str = "examples/data";

/// Where `--full` writes, below the root.
const FULL: &str = "target/nycflights13";

/// Writes the kept tables, or with `--full` every table whole.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => {
            let root = workspace::root();
            write(&package::fetch(&root)?, &root.join(KEPT), Some(WEEK))
        }
        [word] if word == "--full" => write_full(),
        _ => Err(Failure::usage("usage: cargo xtask data [--full]")),
    }
}

/// Writes every table whole, unless an earlier run did.
pub(crate) fn write_full() -> Outcome {
    let root = workspace::root();
    let folder = root.join(FULL);
    // The largest table is written last: when it is there, all are.
    if folder.join("flights.csv").is_file() {
        println!("data: {FULL} is there already");
        return Ok(());
    }
    write(&package::fetch(&root)?, &folder, None)
}

fn write(source: &Path, target: &Path, week: Option<Week>) -> Outcome {
    std::fs::create_dir_all(target).map_err(|error| cannot("make", target, &error))?;
    for (name, dated) in [
        ("airlines", false),
        ("airports", false),
        ("planes", false),
        ("weather", true),
        ("flights", true),
    ] {
        let file = source.join(name).with_extension("csv");
        let text = std::fs::read_to_string(&file).map_err(|error| cannot("read", &file, &error))?;
        let table = Table::read(&text, dated, week.filter(|_| dated))
            .map_err(|reason| Failure::new(format!("{name}.csv: {reason}")))?;
        let file = target.join(name).with_extension("csv");
        let unfinished = file.with_extension("part");
        std::fs::write(&unfinished, &table.text)
            .and_then(|()| std::fs::rename(&unfinished, &file))
            .map_err(|error| cannot("write", &file, &error))?;
        let shown = file.strip_prefix(workspace::root()).unwrap_or(&file).display();
        println!("data: {:>7} rows in {shown}", table.rows);
    }
    Ok(())
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("can't {verb} {}: {error}", path.display()))
}
