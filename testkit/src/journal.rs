//! What a process of tests tells tracers and loggers, kept in a file where somebody asks for it.

use std::env;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Names the folder of the journals.
const FOLDER: &str = "STELLATA_JOURNAL";

/// The name of a program whose tests have a tracer of their own: a process has one only.
const APART: &str = "traced-";

/// Stands before each entry: what is told may have lines of its own.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// The end of a journal's name.
pub(crate) const EXTENSION: &str = "journal";

/// Everything that is told: every span with its fields, what is noted in it later, every event, every line of a log, of
/// every level. Entering and leaving a span is not.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    spans: AtomicU64,
}

/// Keeps what this process tells tracers and loggers from now on, in a file of the folder that `STELLATA_JOURNAL` names, if it
/// does. All runners, servers, proxies and streams of the testkit begin with it: only a test that uses none of them has to.
pub fn begin() {
    kept();
}

/// Whether what is told is kept, so that secrets should be used that can be looked for.
pub(crate) fn is_kept() -> bool {
    kept().is_some()
}

/// Notes that the server at this port asks the superuser for the sentinel.
pub(crate) fn note_guarded(port: u16) {
    if let Some(journal) = kept() {
        journal.note_guarded(port);
    }
}

fn kept() -> Option<&'static Arc<Journal>> {
    static KEPT: OnceLock<Option<Arc<Journal>>> = OnceLock::new();
    static TOLD: OnceLock<()> = OnceLock::new();
    let kept = KEPT.get_or_init(|| {
        let folder = env::var_os(FOLDER).filter(|folder| !folder.is_empty())?;
        let program = program();
        if program.starts_with(APART) {
            return None;
        }
        let name = format!("{program}-{}.{EXTENSION}", process::id());
        match Journal::create(Path::new(&folder), &name) {
            Ok(journal) => Some(Arc::new(journal)),
            Err(cause) => panic!("a journal in {}: {cause}", folder.display()),
        }
    });
    let kept = kept.as_ref()?;
    TOLD.get_or_init(|| {
        let refused = "a process has one tracer and one logger, and this one has them already";
        tracing::subscriber::set_global_default(Arc::clone(kept)).expect(refused);
        log::set_logger(&**kept).expect(refused);
        log::set_max_level(log::LevelFilter::Trace);
    });
    Some(kept)
}

fn program() -> String {
    let path = env::current_exe().unwrap_or_else(|_| PathBuf::from("tests"));
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Journal {
    /// An empty journal in this folder, which is made if it is not there.
    pub(crate) fn create(folder: &Path, name: &str) -> io::Result<Journal> {
        fs::create_dir_all(folder)?;
        let file = File::options().create(true).append(true).open(folder.join(name))?;
        Ok(Journal { file, spans: AtomicU64::new(0) })
    }

    pub(crate) fn note_guarded(&self, port: u16) {
        self.write(&format!("guarded {port}"));
    }

    /// Writes an entry in one piece, so that those of several threads do not mix and none is lost when the process is killed.
    fn write(&self, entry: &str) {
        let entry = [&[SEPARATOR], entry.as_bytes(), b"\n"].concat();
        (&self.file).write_all(&entry).expect("the journal can be written to");
    }
}

/// Fields as text.
struct Fields<'e>(&'e mut String);

impl Fields<'_> {
    fn push(&mut self, field: &Field, value: &dyn Debug) {
        // A string takes all that is written to it.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut cause = Some(value);
        while let Some(error) = cause {
            let _ = write!(self.0, " {}={error} {error:?}", field.name());
            cause = error.source();
        }
    }
}

impl Subscriber for Journal {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(Level::TRACE.into())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.spans.fetch_add(1, Ordering::Relaxed) + 1;
        let metadata = span.metadata();
        let mut entry = format!("span {id} {} {}", metadata.target(), metadata.name());
        span.record(&mut Fields(&mut entry));
        self.write(&entry);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut entry = format!("record {}", span.into_u64());
        values.record(&mut Fields(&mut entry));
        self.write(&entry);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut entry = format!("event {} {}", metadata.target(), metadata.level());
        event.record(&mut Fields(&mut entry));
        self.write(&entry);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl log::Log for Journal {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.write(&format!("log {} {} {}", record.target(), record.level(), record.args()));
    }

    fn flush(&self) {}
}
