//! How far a COPY has come.

use std::fmt;

use stellata_protocol::SqlState;

use crate::connection::copy::CHANGED;
use crate::copy::place::Lines;
use crate::error::Error;

/// How far a COPY has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The rows that were written or read. Of raw bytes on the way in nobody counts rows: 0.
    pub rows: u64,
    /// The bytes of data that were handed to the socket, or came from it.
    pub bytes: u64,
}

/// What is told how far a COPY has come.
pub(super) struct Observer(Option<Box<dyn FnMut(CopyProgress) + Send>>);

impl Observer {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn new(observe: impl FnMut(CopyProgress) + Send + 'static) -> Self {
        Self(Some(Box::new(observe)))
    }

    pub(super) fn tell(&mut self, progress: CopyProgress) {
        if let Some(observe) = &mut self.0 {
            observe(progress);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

/// What is known of a COPY beside the data.
#[derive(Debug)]
pub(super) struct Report {
    /// The table's own name.
    pub(super) relation: Option<String>,
    /// What the lines are that the server names.
    pub(super) lines: Lines,
    pub(super) progress: CopyProgress,
    pub(super) observer: Observer,
}

impl Report {
    /// Adds the row or line that the server names, or what has become of the columns.
    #[cold]
    pub(super) fn place(&self, error: Error) -> Error {
        if error.is_stale_statement() {
            let note = match error.sqlstate() {
                Some(SqlState::FEATURE_NOT_SUPPORTED) => CHANGED,
                Some(
                    SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PREPARED_STATEMENT,
                ) => ELSEWHERE,
                _ => GONE,
            };
            return error.with_note(note.to_owned());
        }
        self.lines.place(error, self.relation.as_deref())
    }

    pub(super) fn tell(&mut self) {
        self.observer.tell(self.progress);
    }
}

const ELSEWHERE: &str = "the columns were asked for on another backend, as behind a pooler that lends its backends by \
                         transaction: the next COPY goes on without names of statements";
const GONE: &str =
    "a type of the columns is gone since they were asked for: the next COPY asks anew";
