//! An answer that is kept until it is fetched.

use smallvec::SmallVec;
use stellata_client::{Completion, Error, LaneTicket};

/// The most that one answer may hold, in bytes.
const MOST_OF_ONE: usize = 256 * 1024;
/// The most that all answers of a lane may hold that have not been fetched, in bytes.
const MOST_OF_ALL: usize = 4 * 1024 * 1024;

/// The rows of an answer: each behind its length. A row or two need no memory of their own.
pub(crate) type Rows = SmallVec<[u8; 256]>;

/// What became of a statement.
#[allow(clippy::large_enum_variant, reason = "it is handed on once, for less than a box costs")]
pub(crate) enum Answer {
    /// It has ended. The rows are to be read with the ticket.
    Rows(LaneTicket, Completion, Rows),
    /// It has failed; and whether it may run when it is sent once more.
    Failed(LaneTicket, Error, bool),
    /// It was not run, or its answer can't be read. It is to be sent once more, apart from others.
    Unanswered,
    /// Its answer is too large for a lane.
    TooLarge,
}

/// A statement and its answer, as far as that has come.
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) ticket: Option<LaneTicket>,
    pub(super) rows: Rows,
    pub(super) end: End,
    /// Its group is over, or its connection: the answer can be fetched, and nothing more is put here.
    pub(super) is_over: bool,
}

/// How far an answer has come.
pub(super) enum End {
    /// It is still to come.
    Open,
    Done(Completion),
    Failed(Error, bool),
    Unanswered,
    TooLarge,
}

impl Place {
    /// Keeps a row until it is fetched.
    #[inline]
    pub(super) fn push(&mut self, body: &[u8], held: &mut usize) {
        if !matches!(self.end, End::Open) {
            return;
        }
        let Some(ticket) = &self.ticket else { return };
        if !ticket.is_readable() {
            self.end = End::Unanswered;
            return;
        }
        let size = body.len() + 4;
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let is_large = self.rows.len() + size > MOST_OF_ONE;
        if is_large || *held + size > MOST_OF_ALL {
            if is_large {
                ticket.mark_unfit();
            }
            *held -= self.rows.len();
            self.rows = Rows::new();
            self.end = End::TooLarge;
            return;
        }
        *held += size;
        self.rows.extend_from_slice(&length.to_be_bytes());
        self.rows.extend_from_slice(body);
    }
}
