//! Prints what happens so that it can be read at a glance.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use stellata_testkit::Proxy;

/// The widest line of SQL and the widest cell.
const WIDTH: usize = 100;
const CELL: usize = 34;

/// The stage: numbers the steps, and counts round trips by the proxy that stands before the server.
pub(crate) struct Show {
    proxy: Proxy,
    step: u32,
    colour: bool,
}

impl Show {
    pub(crate) fn new(proxy: Proxy) -> Self {
        Self { proxy, step: 0, colour: std::io::stdout().is_terminal() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        say(&format!("\n{}", self.paint("1", &format!("{}. {title}", self.step))));
        self.proxy.reset_counts();
    }

    /// Shows a statement.
    pub(crate) fn sql(&self, sql: &str) {
        for line in wrap(sql, WIDTH) {
            say(&format!("   {}", self.paint("36", &line)));
        }
    }

    /// Says something in passing.
    pub(crate) fn note(&self, text: &str) {
        for line in text.lines().flat_map(|line| wrap(line, WIDTH)) {
            say(&format!("   {line}"));
        }
    }

    /// Shows rows under their headings.
    pub(crate) fn table<const N: usize>(
        &self,
        head: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let rows: Vec<[String; N]> =
            rows.into_iter().map(|row| row.map(|cell| shorten(&cell, CELL))).collect();
        let mut widths = head.map(|name| name.chars().count());
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; N]| {
            let mut line = String::from("   ");
            for (cell, width) in cells.iter().zip(widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            line.trim_end().to_owned()
        };
        say(&self.paint("2", &line(head)));
        for row in &rows {
            say(&line(row.each_ref().map(String::as_str)));
        }
    }

    /// Ends a step: how many rows, and how often the client waited for the server.
    pub(crate) fn done(&self, rows: usize, what: &str) {
        let trips = self.proxy.counts().round_trips;
        let trips = format!("{trips} round {}", if trips == 1 { "trip" } else { "trips" });
        say(&format!("   {} {rows} {what}, {}", self.paint("32", "->"), self.paint("1", &trips)));
    }
}

/// What stands for NULL.
pub(crate) fn or_dash<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn say(line: &str) {
    // A reader who closes the pipe has seen enough.
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width - 2).collect();
    short.push_str("..");
    short
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width
        {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
