//! What the server still owes, and which message may come in answer to what.
//!
//! This is the state table of the extended and simple query protocols (manual: "Message Flow"). Whatever is not in it is
//! an error that ends the connection.

use std::collections::VecDeque;

use crate::error::{Error, ErrorKind, Result};

/// What an answer is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// The start-up, up to the first ReadyForQuery. It has a state machine of its own.
    Login,
    Parse,
    Bind,
    /// Describe of a statement, of which the parameters are to come.
    DescribeStatement,
    /// Describe of a portal, or of a statement of which the parameters have come.
    DescribeRows,
    Execute,
    /// Execute of a COPY that sends data.
    ExecuteCopyOut,
    /// Execute of a COPY that waited for data and was refused: only an error may come.
    ExecuteCopyIn,
    Close,
    Sync,
    /// A simple query between two results.
    Query,
    /// A simple query in the middle of a result.
    QueryRows,
    /// A simple query with a COPY that sends data.
    QueryCopyOut,
    /// A simple query with a COPY that waited for data and was refused: only an error may come.
    QueryCopyIn,
}

impl Owed {
    /// Whether a ReadyForQuery will come for it, and nothing can keep that away.
    const fn ends_with_ready(self) -> bool {
        matches!(
            self,
            Self::Sync | Self::Query | Self::QueryRows | Self::QueryCopyOut | Self::QueryCopyIn
        )
    }
}

/// What came, as far as the conversation has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// ParseComplete (`1`).
    ParseComplete,
    /// BindComplete (`2`).
    BindComplete,
    /// CloseComplete (`3`).
    CloseComplete,
    /// ParameterDescription (`t`).
    ParameterDescription,
    /// RowDescription (`T`).
    RowDescription,
    /// NoData (`n`): the statement returns no rows.
    NoData,
    /// DataRow (`D`).
    DataRow,
    /// CommandComplete (`C`).
    CommandComplete,
    /// EmptyQueryResponse (`I`).
    EmptyQuery,
    /// PortalSuspended (`s`): there are more rows than were asked for.
    PortalSuspended,
    /// CopyOutResponse (`H`): data follows.
    CopyOut,
    /// CopyData (`d`).
    CopyData,
    /// CopyDone (`c`).
    CopyDone,
    /// CopyInResponse (`G`). It has been refused: nothing was there to be sent.
    CopyInRefused,
    /// ErrorResponse (`E`). What else was asked before the next Sync is not answered.
    Error,
    /// ReadyForQuery (`Z`).
    ReadyForQuery,
    /// The login waits for a key that takes long to derive: see
    /// [`Conversation::key_derivation`](super::Conversation::key_derivation).
    KeyDerivation,
}

/// What becomes of the request that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Stays,
    IsDone,
    Becomes(Owed),
}

/// The requests in flight, oldest first, each with the number of the call that it belongs to.
#[derive(Debug, Default)]
pub(super) struct Queue {
    owed: VecDeque<(Owed, u64)>,
    /// An error came and no Sync stands in the queue yet: the server passes over all until one comes.
    skipping: bool,
}

impl Queue {
    pub(super) fn push(&mut self, owed: Owed, request: u64) {
        if owed == Owed::Sync {
            self.skipping = false;
        }
        if !self.skipping {
            self.owed.push_back((owed, request));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.owed.len()
    }

    /// Whether the last request ends a series, so that a simple query may follow.
    pub(super) fn ends_with_sync(&self) -> bool {
        !self.skipping && self.owed.back().is_none_or(|(owed, _)| owed.ends_with_ready())
    }

    /// How many ReadyForQuery are due.
    pub(super) fn syncs(&self) -> usize {
        self.owed.iter().filter(|(owed, _)| owed.ends_with_ready()).count()
    }

    /// How many Syncs stand behind the oldest request.
    pub(super) fn syncs_behind(&self) -> usize {
        self.owed.iter().skip(1).filter(|(owed, _)| *owed == Owed::Sync).count()
    }

    pub(super) fn finish_login(&mut self) {
        self.owed.pop_front();
    }

    /// Answers the oldest request with a message.
    #[inline]
    pub(super) fn answer(&mut self, tag: u8) -> Result<(Event, u64)> {
        let Some(&mut (ref mut owed, request)) = self.owed.front_mut() else {
            return Err(unexpected(tag));
        };
        let (event, then) = match table(*owed, tag) {
            Some(legal) => legal,
            None => return Err(unexpected(tag)),
        };
        match then {
            Then::Stays => {}
            Then::IsDone => {
                self.owed.pop_front();
            }
            Then::Becomes(next) => *owed = next,
        }
        Ok((event, request))
    }

    /// Answers the oldest request with an ErrorResponse: what stands before the next Sync will not be answered.
    pub(super) fn fail(&mut self) -> Option<u64> {
        let &mut (ref mut owed, request) = self.owed.front_mut()?;
        match owed {
            Owed::Login | Owed::Sync => {}
            Owed::Query | Owed::QueryRows | Owed::QueryCopyOut | Owed::QueryCopyIn => {
                *owed = Owed::Sync;
            }
            _ => {
                while self.owed.front().is_some_and(|front| front.0 != Owed::Sync) {
                    self.owed.pop_front();
                }
                self.skipping = self.owed.is_empty();
            }
        }
        Some(request)
    }
}

/// The messages that may answer each request. Errors, notices, notifications and reports of settings are not in it: they
/// may come at any time.
#[inline]
fn table(owed: Owed, tag: u8) -> Option<(Event, Then)> {
    use Then::{Becomes, IsDone, Stays};
    Some(match (owed, tag) {
        (Owed::Execute, b'D') => (Event::DataRow, Stays),
        (Owed::Bind, b'2') => (Event::BindComplete, IsDone),
        (Owed::Execute, b'C') => (Event::CommandComplete, IsDone),
        (Owed::Sync, b'Z') => (Event::ReadyForQuery, IsDone),
        (Owed::Parse, b'1') => (Event::ParseComplete, IsDone),
        (Owed::DescribeStatement, b't') => {
            (Event::ParameterDescription, Becomes(Owed::DescribeRows))
        }
        (Owed::DescribeRows, b'T') => (Event::RowDescription, IsDone),
        (Owed::DescribeRows, b'n') => (Event::NoData, IsDone),
        (Owed::Close, b'3') => (Event::CloseComplete, IsDone),
        (Owed::Execute, b'I') => (Event::EmptyQuery, IsDone),
        (Owed::Execute, b's') => (Event::PortalSuspended, IsDone),
        (Owed::Execute, b'G') => (Event::CopyInRefused, Becomes(Owed::ExecuteCopyIn)),
        (Owed::Execute, b'H') => (Event::CopyOut, Becomes(Owed::ExecuteCopyOut)),
        (Owed::ExecuteCopyOut | Owed::QueryCopyOut, b'd') => (Event::CopyData, Stays),
        (Owed::ExecuteCopyOut, b'c') => (Event::CopyDone, Becomes(Owed::Execute)),
        (Owed::Query, b'T') => (Event::RowDescription, Becomes(Owed::QueryRows)),
        (Owed::Query, b'C') => (Event::CommandComplete, Stays),
        (Owed::Query, b'I') => (Event::EmptyQuery, Stays),
        (Owed::Query, b'G') => (Event::CopyInRefused, Becomes(Owed::QueryCopyIn)),
        (Owed::Query, b'H') => (Event::CopyOut, Becomes(Owed::QueryCopyOut)),
        (Owed::Query, b'Z') => (Event::ReadyForQuery, IsDone),
        (Owed::QueryRows, b'D') => (Event::DataRow, Stays),
        (Owed::QueryRows, b'C') => (Event::CommandComplete, Becomes(Owed::Query)),
        (Owed::QueryCopyOut, b'c') => (Event::CopyDone, Becomes(Owed::Query)),
        _ => return None,
    })
}

#[cold]
pub(super) fn unexpected(tag: u8) -> Error {
    Error::new(
        ErrorKind::UnexpectedMessage,
        match tag {
            b'R' => "an Authentication message came where none may come",
            b'K' => "a BackendKeyData came where none may come",
            b'v' => "a NegotiateProtocolVersion came where none may come",
            b'Z' => "a ReadyForQuery came that no Sync asked for",
            b'D' => "a DataRow came where none may come",
            b'C' => "a CommandComplete came where none may come",
            b'T' => "a RowDescription came where none may come",
            b'1' | b'2' | b'3' | b't' | b'n' | b's' | b'I' => {
                "an answer came that belongs to another request"
            }
            b'G' | b'H' | b'W' | b'd' | b'c' => "a COPY message came where none may come",
            b'V' => "a FunctionCallResponse came where none may come",
            _ => "a message of an unknown type came",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Owed; 13] = [
        Owed::Parse,
        Owed::Bind,
        Owed::DescribeStatement,
        Owed::DescribeRows,
        Owed::Execute,
        Owed::ExecuteCopyOut,
        Owed::ExecuteCopyIn,
        Owed::Close,
        Owed::Sync,
        Owed::Query,
        Owed::QueryRows,
        Owed::QueryCopyOut,
        Owed::QueryCopyIn,
    ];

    #[test]
    fn every_request_meets_every_message() {
        let legal = |owed| -> &[u8] {
            match owed {
                Owed::Login | Owed::ExecuteCopyIn | Owed::QueryCopyIn => b"",
                Owed::Parse => b"1",
                Owed::Bind => b"2",
                Owed::DescribeStatement => b"t",
                Owed::DescribeRows => b"Tn",
                Owed::Execute => b"DCIsGH",
                Owed::ExecuteCopyOut | Owed::QueryCopyOut => b"dc",
                Owed::Close => b"3",
                Owed::Sync => b"Z",
                Owed::Query => b"TCIGHZ",
                Owed::QueryRows => b"DC",
            }
        };
        for owed in ALL {
            for tag in 0..=u8::MAX {
                let mut queue = Queue::default();
                queue.push(owed, 7);
                match queue.answer(tag) {
                    Ok((_, request)) => {
                        assert!(legal(owed).contains(&tag), "{owed:?} takes {tag}");
                        assert_eq!(request, 7);
                    }
                    Err(error) => {
                        assert!(!legal(owed).contains(&tag), "{owed:?} refuses {tag}");
                        assert_eq!(error.kind(), ErrorKind::UnexpectedMessage);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_may_come_when_nothing_is_owed() {
        for tag in 0..=u8::MAX {
            assert!(Queue::default().answer(tag).is_err());
        }
    }

    #[test]
    fn an_error_passes_over_everything_before_the_next_sync() {
        let mut queue = Queue::default();
        for owed in [Owed::Parse, Owed::Bind, Owed::Execute, Owed::Sync, Owed::Bind] {
            queue.push(owed, 1);
        }
        assert_eq!(queue.fail(), Some(1));
        assert_eq!(queue.answer(b'Z'), Ok((Event::ReadyForQuery, 1)));
        assert_eq!(queue.answer(b'2'), Ok((Event::BindComplete, 1)));
        assert!(queue.is_empty());
    }

    #[test]
    fn requests_after_an_error_without_sync_are_passed_over_until_the_sync() {
        let mut queue = Queue::default();
        queue.push(Owed::Bind, 1);
        assert_eq!(queue.fail(), Some(1));
        queue.push(Owed::Execute, 1);
        queue.push(Owed::Sync, 1);
        assert_eq!(queue.answer(b'Z'), Ok((Event::ReadyForQuery, 1)));
    }

    #[test]
    fn a_deferred_error_may_answer_the_sync_itself() {
        let mut queue = Queue::default();
        queue.push(Owed::Sync, 3);
        assert_eq!(queue.fail(), Some(3));
        assert_eq!(queue.answer(b'Z'), Ok((Event::ReadyForQuery, 3)));
    }
}
