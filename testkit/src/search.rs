//! Looks for secrets in all that a run of tests has told.

use crate::error::Error;
use crate::journal::{EXTENSION, SEPARATOR};
use crate::sentinel;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// What is shown of the surroundings of a secret: bytes before it.
const BEFORE: usize = 200;

/// Leaks that are kept; more are counted.
const SHOWN: usize = 100;

/// A secret that stands where it should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The file that it stands in.
    pub file: PathBuf,
    /// Where it begins there.
    pub at: usize,
    /// Which secret, in which form.
    pub what: String,
    /// What stands before it.
    pub before: String,
}

/// What a run of tests has told, and the secrets in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Files: a journal of each process, and what was written to its output.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Their lines.
    pub lines: u64,
    /// Spans by target and name.
    pub spans: BTreeMap<String, u64>,
    /// What was noted in spans after they began.
    pub records: u64,
    /// Events by target.
    pub events: BTreeMap<String, u64>,
    /// Lines of logs by target, up to the first `::`.
    pub logs: BTreeMap<String, u64>,
    /// Lines of output.
    pub output_lines: u64,
    /// Connections that were opened to servers that ask for the sentinel.
    pub connections: u64,
    /// How many secrets there are.
    pub leak_count: u64,
    /// The first hundred of them.
    pub leaks: Vec<Leak>,
}

impl Told {
    /// Reads every file of a folder, and looks for the passwords of the shared server and for [`MARKER`](crate::MARKER), as
    /// they are, encoded in any way, and as what logins make of them.
    ///
    /// # Errors
    /// When the folder or a file can't be read.
    pub fn of(folder: &Path) -> Result<Told, Error> {
        let failed = |cause| Error::while_doing(format!("reading {}", folder.display()), cause);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        files.sort();
        let needles = Needles::new();
        let mut told = Told::default();
        for file in files {
            let bytes = fs::read(&file).map_err(failed)?;
            told.files += 1;
            told.bytes += bytes.len() as u64;
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            told.lines += lines;
            if file.extension().is_some_and(|extension| extension == EXTENSION) {
                told.count(&bytes);
            } else {
                told.output_lines += lines;
            }
            for (at, what) in needles.found_in(&bytes) {
                told.leak_count += 1;
                if told.leaks.len() < SHOWN {
                    let before = bytes.get(at.saturating_sub(BEFORE)..at).unwrap_or_default();
                    let before = String::from_utf8_lossy(before).into_owned();
                    let (file, what) = (file.clone(), what.to_owned());
                    told.leaks.push(Leak { file, at, what, before });
                }
            }
        }
        Ok(told)
    }

    /// Counts the entries of a journal.
    fn count(&mut self, journal: &[u8]) {
        let mut guarded = BTreeSet::new();
        let mut ports: HashMap<&str, &str> = HashMap::new();
        for entry in journal.split(|byte| *byte == SEPARATOR).skip(1) {
            // Of an entry that was cut off by a kill there is less.
            let entry = str::from_utf8(entry).unwrap_or_default();
            let mut words = entry.split_whitespace();
            let mut word = || words.next().unwrap_or_default();
            match (word(), word(), word()) {
                ("span", _, target) => {
                    let target = target.split("::").next().unwrap_or_default();
                    *self.spans.entry(format!("{target} {}", word())).or_default() += 1;
                }
                ("record", id, field) => {
                    self.records += 1;
                    if let Some(port) = field.strip_prefix("server.port=") {
                        ports.insert(id, port);
                    }
                    // The last that is noted of a connection that was opened.
                    let is_open = field.starts_with("tls.established=");
                    let is_guarded = ports.get(id).is_some_and(|port| guarded.contains(port));
                    self.connections += u64::from(is_open && is_guarded);
                }
                ("event", target, _) => {
                    let target = target.split("::").next().unwrap_or_default();
                    *self.events.entry(target.to_owned()).or_default() += 1;
                }
                ("log", target, _) => {
                    let target = target.split("::").next().unwrap_or_default();
                    *self.logs.entry(target.to_owned()).or_default() += 1;
                }
                ("guarded", port, _) => {
                    guarded.insert(port);
                }
                _ => {}
            }
        }
    }

    /// All spans.
    pub fn span_count(&self) -> u64 {
        self.spans.values().sum()
    }

    /// All events and lines of logs.
    pub fn event_count(&self) -> u64 {
        self.events.values().chain(self.logs.values()).sum()
    }
}

/// What is looked for, by the first two bytes.
struct Needles {
    forms: Vec<sentinel::Form>,
    starting: Vec<Vec<usize>>,
}

impl Needles {
    fn new() -> Needles {
        let forms = sentinel::forms();
        let mut starting = vec![Vec::new(); 1 << 16];
        for (index, form) in forms.iter().enumerate() {
            starting[place(form.bytes[0], form.bytes[1])].push(index);
        }
        Needles { forms, starting }
    }

    /// Where one begins, and which: of several the longest.
    fn found_in(&self, bytes: &[u8]) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let mut first = 0;
        // A plain loop: there are very many bytes, and tests are not optimised.
        for (behind, &second) in bytes.iter().enumerate() {
            let starting = &self.starting[place(first, second)];
            first = second;
            if starting.is_empty() || behind == 0 {
                continue;
            }
            let here = &bytes[behind - 1..];
            let forms = starting.iter().map(|index| &self.forms[*index]);
            let whole = forms.filter(|form| here.starts_with(&form.bytes));
            if let Some(form) = whole.max_by_key(|form| form.bytes.len()) {
                found.push((behind - 1, &*form.what));
            }
        }
        found
    }
}

fn place(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crate::sentinel::{MARKER, SENTINEL};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use std::fmt;
    use std::sync::Arc;

    /// A folder of its own among the temporary files, gone with the value.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Scratch {
            let name = format!("stellata-search-{}", crate::unique::word());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Scratch(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// What is found after `tell` has told a tracer of it.
    fn found_after(tell: impl FnOnce(&Journal)) -> Told {
        let folder = Scratch::new();
        let journal = Arc::new(Journal::create(&folder.0, "x.journal").unwrap());
        tracing::subscriber::with_default(Arc::clone(&journal), || tell(&journal));
        Told::of(&folder.0).unwrap()
    }

    #[derive(Debug)]
    struct Leaking;

    impl fmt::Display for Leaking {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nothing to see")
        }
    }

    impl std::error::Error for Leaking {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            static CAUSE: std::sync::LazyLock<Error> =
                std::sync::LazyLock::new(|| Error::new(SENTINEL));
            Some(&*CAUSE)
        }
    }

    type Way = fn(&Journal);

    #[test]
    fn a_secret_is_found_whatever_way_it_is_told() {
        let ways: [(&str, Way); 8] = [
            ("a span", |_| drop(tracing::trace_span!("a", password = SENTINEL))),
            ("a span's name for people", |_| {
                drop(tracing::info_span!("a", otel.name = format!("CONNECT {SENTINEL}")));
            }),
            ("a later note", |_| {
                let span = tracing::trace_span!("a", b = tracing::field::Empty);
                span.record("b", SENTINEL);
            }),
            ("an event", |_| tracing::trace!(b = ?Some(SENTINEL))),
            ("a message", |_| tracing::error!("no {SENTINEL} here")),
            ("an error's cause", |_| {
                let error: &(dyn std::error::Error + 'static) = &Leaking;
                tracing::warn!(error);
            }),
            ("a log", |journal| {
                let arguments = format_args!("no {SENTINEL} here");
                let record =
                    log::Record::builder().args(arguments).target("rustls::client").build();
                log::Log::log(journal, &record);
            }),
            ("a parameter", |_| tracing::info!(db.query.parameters = format!("$1={MARKER:?}"))),
        ];
        for (way, tell) in ways {
            let told = found_after(tell);
            assert!(told.leak_count >= 1, "{way}: {told:?}");
            assert!(told.span_count() + told.event_count() > 0, "{way}: {told:?}");
        }
    }

    #[test]
    fn a_secret_is_found_in_whatever_form_it_is_written() {
        let folder = Scratch::new();
        for form in sentinel::forms() {
            fs::write(folder.0.join("stdout.output"), [b"\n ", &*form.bytes, b"\n"].concat())
                .unwrap();
            let told = Told::of(&folder.0).unwrap();
            assert!(told.leak_count >= 1, "{form:?}");
        }
        let bytes = SENTINEL.as_bytes();
        for text in [
            format!("{bytes:?}"),
            format!("{bytes:#?}"),
            format!("{bytes:x?}"),
            format!("{:?}", SENTINEL),
            STANDARD.encode(format!("n,,n=,r={SENTINEL}")),
            crate::Endpoint::tcp("h", 1, "u").with_user("u", Some(SENTINEL)).url("x"),
        ] {
            fs::write(folder.0.join("stderr.output"), &text).unwrap();
            assert!(Told::of(&folder.0).unwrap().leak_count >= 1, "{text}");
        }
    }

    #[test]
    fn what_holds_no_secret_is_counted_and_passed() {
        let told = found_after(|journal| {
            let span = tracing::info_span!(
                target: "stellata_client::trace", "connect",
                server.port = 1, tls.established = tracing::field::Empty
            );
            // What the testkit notes of a server that asks for the sentinel.
            journal.note_guarded(77);
            span.record("server.port", 77);
            span.record("tls.established", false);
            let other = tracing::info_span!(
                target: "stellata_client::trace", "connect",
                server.port = 1, tls.established = tracing::field::Empty
            );
            other.record("server.port", 78);
            other.record("tls.established", false);
            tracing::debug!(target: "stellata_client::trace", "two\nlines");
        });
        assert_eq!(told.leak_count, 0, "{told:?}");
        assert_eq!(told.spans.get("stellata_client connect"), Some(&2));
        assert_eq!(told.events.get("stellata_client"), Some(&1));
        assert_eq!((told.connections, told.records, told.files), (1, 4, 1));
        assert_eq!(told.lines, 9, "{told:?}");
    }
}
