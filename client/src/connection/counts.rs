//! Counts the statements of a connection.

/// How many statements a connection has sent. Each of a batch counts, and one that is sent again for being stale counts
/// twice; a COPY, and a text of [`Connection::simple`](crate::Connection::simple), count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementCounts {
    /// All that were sent.
    pub sent: u64,
    /// Those of them that the server had prepared before: their text was neither sent nor parsed.
    pub reused: u64,
}

/// The counters. The everyday way changes one of them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Statements with parameters of their own.
    pub(super) bound: u64,
    /// How many of those were sent with their text.
    pub(super) parsed: u64,
    /// Texts of simple queries, COPYs, and questions of the connection itself.
    pub(super) others: u64,
}

impl Counts {
    pub(super) fn read(&self) -> StatementCounts {
        StatementCounts {
            sent: self.bound + self.others,
            reused: self.bound.saturating_sub(self.parsed),
        }
    }
}
