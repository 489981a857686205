//! How far a COPY has come.

use std::fmt;

use crate::copy::place;
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
    pub(super) progress: CopyProgress,
    pub(super) observer: Observer,
}

impl Report {
    /// Adds the row that the server names, or what has become of the columns.
    #[cold]
    pub(super) fn place(&self, error: Error) -> Error {
        if error.is_stale_statement() {
            let note =
                "the columns have changed since they were asked for: the next COPY asks anew";
            return error.with_note(note.to_owned());
        }
        let row = error.server().and_then(|said| place::row(said, self.relation.as_deref()));
        if row.is_some() { error.with_row(row) } else { error }
    }

    pub(super) fn tell(&mut self) {
        self.observer.tell(self.progress);
    }
}
