//! Prints what happens so that it can be read at a glance.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use stellata_testkit::Proxy;

use crate::wire::{Flight, Wire};

/// The widest line, and the widest cell.
const WIDTH: usize = 104;
const CELL: usize = 34;
/// The most lines of one statement.
const LINES: usize = 5;
/// The most statements of one flight; of more than these two are shown.
const STATEMENTS: usize = 7;

/// What a step has shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) flights: Vec<Flight>,
    pub(crate) trips: u64,
}

/// The stage: numbers the steps, and lets a proxy before the server tell what each of them sent.
pub(crate) struct Show {
    proxy: Proxy,
    wire: Wire,
    steps: Vec<Shown>,
    /// What is said below the SQL.
    body: Vec<String>,
    colour: bool,
}

impl Show {
    /// Takes a proxy that keeps what passes, from the first connection on.
    pub(crate) fn new(proxy: Proxy) -> Self {
        let colour = std::io::stdout().is_terminal();
        Self { proxy, wire: Wire::default(), steps: Vec::new(), body: Vec::new(), colour }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Says what is to be known before the first step.
    pub(crate) fn introduce(&self) {
        say(
            "The flights that left New York in the first week of 2013, as models. Of each step you see",
        );
        say(
            "what was sent, the rows, and how often the client waited for the server: a round trip.",
        );
        let (number, text) = (self.paint("2", "1>"), self.paint("36", "SQL of one flight"));
        say(&format!("   {number} {text}: all that left before the client waited"));
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, title: &str) {
        say(&format!("\n{}", self.paint("1", &format!("{}. {title}", self.steps.len() + 1))));
        // What was sent between the steps belongs to none, but its names count.
        self.wire.take(&self.proxy);
    }

    /// Says something in passing.
    pub(crate) fn note(&mut self, text: &str) {
        self.body.extend(text.lines().flat_map(|line| wrap(line, WIDTH)));
    }

    /// Says something that is laid out already.
    pub(crate) fn text(&mut self, text: &str) {
        self.body.extend(text.lines().map(str::to_owned));
    }

    /// Shows rows under their headings.
    pub(crate) fn table<const N: usize>(
        &mut self,
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
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            line.trim_end().to_owned()
        };
        self.body.push(self.paint("2", &line(head)));
        self.body.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    }

    /// Ends a step: its SQL, what was said in it, how many rows, and how often the client waited for the server.
    pub(crate) fn done(&mut self, rows: usize, what: &str) {
        let trips = self.proxy.counts().round_trips;
        let flights = self.wire.take(&self.proxy);
        self.sent(&flights);
        for line in std::mem::take(&mut self.body) {
            say(format!("   {line}").trim_end());
        }
        self.steps.push(Shown { flights, trips });
        let trips = format!("{trips} round {}", if trips == 1 { "trip" } else { "trips" });
        say(&format!("   {} {rows} {what}, {}", self.paint("32", "->"), self.paint("1", &trips)));
    }

    /// Shows what was sent, a number for each flight. Those that are alike and follow each other are shown once.
    fn sent(&self, flights: &[Flight]) {
        let mut number = 0;
        for alike in flights.chunk_by(|one, next| kind(one) == kind(next)) {
            let first = number + 1;
            number += alike.len();
            let numbers =
                if number == first { format!("{number}>") } else { format!("{first}-{number}>") };
            let mut lead = self.paint("2", &numbers);
            let mut blank = numbers.len();
            let statements = alike.first().map_or(&[][..], Vec::as_slice);
            let shown = if statements.len() > STATEMENTS { 2 } else { STATEMENTS };
            for text in statements.iter().take(shown) {
                let mut lines = wrap(&brief(text), WIDTH);
                if lines.len() > LINES {
                    lines.truncate(LINES);
                    lines.push("..".to_owned());
                }
                for line in lines {
                    let indent = " ".repeat(6_usize.saturating_sub(blank));
                    say(&format!("{indent}{lead} {}", self.paint("36", &line)));
                    (lead, blank) = (String::new(), 0);
                }
                (lead, blank) = (self.paint("2", "+"), 1);
            }
            if statements.len() > shown {
                say(&format!("     {lead} {} more", statements.len() - shown));
            }
        }
    }

    /// Says what all steps took; returns what they have shown.
    pub(crate) fn end(self) -> Vec<Shown> {
        let trips: u64 = self.steps.iter().map(|step| step.trips).sum();
        let flights = self.steps.iter().flat_map(|step| &step.flights);
        let statements: usize = flights.map(Vec::len).sum();
        say(&format!("\n{} steps: {statements} statements, {trips} round trips", self.steps.len()));
        self.steps
    }
}

/// What a flight is about: its statements, but for the names in them where it is a bulk load.
fn kind(flight: &Flight) -> Vec<&str> {
    flight.iter().map(|text| if text.contains("unnest(") { "unnest" } else { text }).collect()
}

/// The text of a statement, with what is between the first and the last of many names in a row left out.
fn brief(text: &str) -> String {
    /// The most names in a row that are shown.
    const NAMES: usize = 4;
    let is_name = |word: &&str| word.ends_with("\",");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut brief: Vec<String> = Vec::new();
    for run in words.chunk_by(|one, next| is_name(one) == is_name(next)) {
        match run {
            [first, second, rest @ ..] if is_name(first) && run.len() > NAMES => {
                brief.extend([*first, *second].map(str::to_owned));
                brief.push(format!("({} more),", rest.len()));
            }
            run => brief.extend(run.iter().map(|word| (*word).to_owned())),
        }
    }
    brief.join(" ")
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
