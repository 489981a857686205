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
    /// Bind of a statement and Execute of the portal that it makes.
    Run,
    /// Describe of a statement, of which the parameters are to come.
    DescribeStatement,
    /// Describe of a portal, or of a statement of which the parameters have come.
    DescribeRows,
    /// Execute. A COPY that wants data gets some when `data`, and is refused otherwise.
    Execute {
        data: bool,
    },
    /// Execute of a COPY that takes data.
    ExecuteCopyIn,
    /// Execute of a COPY that wanted data and was refused: only an error may come.
    ExecuteCopyRefused,
    /// Execute of a COPY that sends data.
    ExecuteCopyOut,
    Close,
    FunctionCall,
    Sync,
    /// A simple query of which nothing has been answered yet; `data` as for `Execute`.
    Query {
        data: bool,
    },
    /// A simple query behind a result: another may come, or the end. Data that was there has been used up by then.
    QueryNext {
        data: bool,
    },
    /// A simple query in the middle of a result.
    QueryRows {
        data: bool,
    },
    /// A simple query with a COPY that takes data.
    QueryCopyIn,
    /// A simple query with a COPY that wanted data and was refused: only an error may come.
    QueryCopyRefused,
    /// A simple query with a COPY that sends data.
    QueryCopyOut {
        data: bool,
    },
    /// A command of replication, with data both ways.
    QueryCopyBoth,
    /// The same, of which the server has said that its data has ended. In the middle of a large transaction a server says so
    /// at once when it is asked to, and still sends the rest.
    QueryCopyBothDone,
    /// The same, of which the server has completed the command. What the caller still sends of its data is taken.
    QueryCopyBothEnded,
}

impl Owed {
    /// Whether it is a simple query, in whatever state: a ReadyForQuery ends it.
    pub(super) const fn is_query(self) -> bool {
        matches!(
            self,
            Self::Query { .. }
                | Self::QueryNext { .. }
                | Self::QueryRows { .. }
                | Self::QueryCopyIn
                | Self::QueryCopyRefused
                | Self::QueryCopyOut { .. }
                | Self::QueryCopyBoth
                | Self::QueryCopyBothDone
                | Self::QueryCopyBothEnded
        )
    }

    /// Whether COPY data that is sent now belongs to it.
    pub(super) const fn takes_data(self) -> bool {
        matches!(
            self,
            Self::Execute { data: true }
                | Self::ExecuteCopyIn
                | Self::Query { data: true }
                | Self::QueryNext { data: true }
                | Self::QueryCopyIn
                | Self::QueryCopyBoth
                | Self::QueryCopyBothDone
                | Self::QueryCopyBothEnded
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
    /// FunctionCallResponse (`V`).
    FunctionResult,
    /// CopyInResponse (`G`): data is wanted.
    CopyIn,
    /// CopyBothResponse (`W`): data goes both ways.
    CopyBoth,
    /// CopyOutResponse (`H`): data follows.
    CopyOut,
    /// CopyData (`d`).
    CopyData,
    /// CopyDone (`c`).
    CopyDone,
    /// CopyInResponse (`G`) that nobody has data for: it has been refused.
    CopyInRefused,
    /// ErrorResponse (`E`). What else was asked before the next Sync is not answered.
    Error,
    /// ReadyForQuery (`Z`).
    ReadyForQuery,
    /// The login waits for a key that takes long to derive: see
    /// [`Conversation::key_derivation`](super::Conversation::key_derivation).
    KeyDerivation,
    /// The login waits for a password: see [`Conversation::provide_password`](super::Conversation::provide_password).
    Password,
    /// The login waits for an OAuth token: see [`Conversation::provide_token`](super::Conversation::provide_token).
    BearerToken,
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
    /// The last request was to take COPY data, and failed.
    failed_copy: bool,
}

impl Queue {
    #[inline]
    pub(super) fn push(&mut self, owed: Owed, request: u64) {
        if owed == Owed::Sync {
            self.skipping = false;
        }
        self.failed_copy = false;
        if !self.skipping {
            self.owed.push_back((owed, request));
        }
    }

    /// The call whose rows may come now.
    #[inline]
    pub(super) fn rows(&self) -> Option<u64> {
        match self.owed.front() {
            Some(&(Owed::Execute { .. }, request)) => Some(request),
            _ => None,
        }
    }

    /// The call whose COPY data may come now, of a statement that a Sync ends.
    #[inline]
    pub(super) fn copy_out(&self) -> Option<u64> {
        match self.owed.front() {
            Some(&(Owed::ExecuteCopyOut, request)) => Some(request),
            _ => None,
        }
    }

    /// Goes on from Bind to Execute, if that is the oldest request and belongs to a call after `abandoned`.
    #[inline]
    pub(super) fn pass_bind(&mut self, abandoned: u64) -> bool {
        match self.owed.front_mut() {
            Some((owed @ Owed::Run, request)) if *request > abandoned => {
                *owed = Owed::Execute { data: false };
                true
            }
            _ => false,
        }
    }

    /// Takes an Execute away, if it is the oldest request and belongs to a call after `abandoned`.
    #[inline]
    pub(super) fn pop_execute(&mut self, abandoned: u64) -> bool {
        self.pop_if(abandoned, |owed| matches!(owed, Owed::Execute { .. }))
    }

    /// Takes a Sync away, as [`Queue::pop_execute`] does an Execute.
    #[inline]
    pub(super) fn pop_sync(&mut self, abandoned: u64) -> bool {
        self.pop_if(abandoned, |owed| owed == Owed::Sync)
    }

    #[inline]
    fn pop_if(&mut self, abandoned: u64, is_it: impl FnOnce(Owed) -> bool) -> bool {
        match self.owed.front() {
            Some(&(owed, request)) if request > abandoned && is_it(owed) => {
                self.owed.pop_front();
                true
            }
            _ => false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// The call that the oldest request belongs to.
    pub(super) fn front(&self) -> Option<u64> {
        self.owed.front().map(|&(_, request)| request)
    }

    /// How many requests there are to be answered.
    pub(super) fn len(&self) -> usize {
        let runs = self.owed.iter().filter(|(owed, _)| *owed == Owed::Run).count();
        self.owed.len().saturating_add(runs)
    }

    /// All requests in flight, oldest first, each with the number of its call.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (Owed, u64)> {
        self.owed.iter().copied()
    }

    /// Leaves the oldest `count` requests.
    pub(super) fn truncate(&mut self, count: usize) {
        self.owed.truncate(count);
    }

    /// Whether the last request ends a series, so that a simple query may follow.
    pub(super) fn ends_with_sync(&self) -> bool {
        !self.skipping
            && self.owed.back().is_none_or(|(owed, _)| {
                matches!(owed, Owed::Sync | Owed::FunctionCall) || owed.is_query()
            })
    }

    /// Whether COPY data that is sent now belongs to the last request. `None`: it would have, but the request failed, and
    /// the server passes the data over.
    pub(super) fn takes_data(&self) -> Option<bool> {
        match self.owed.back() {
            Some((owed, _)) if owed.takes_data() => Some(true),
            _ if self.failed_copy => None,
            _ => Some(false),
        }
    }

    /// How many ReadyForQuery are due.
    pub(super) fn syncs(&self) -> usize {
        self.owed
            .iter()
            .filter(|(owed, _)| matches!(owed, Owed::Sync | Owed::FunctionCall) || owed.is_query())
            .count()
    }

    /// How many Syncs stand directly behind the oldest request.
    pub(super) fn syncs_behind(&self) -> usize {
        self.owed.iter().skip(1).take_while(|(owed, _)| *owed == Owed::Sync).count()
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
        let answered = *owed;
        if matches!(answered, Owed::FunctionCall) || answered.is_query() {
            *owed = Owed::Sync;
            self.failed_copy = answered.takes_data();
        } else if !matches!(answered, Owed::Login | Owed::Sync) {
            while let Some((passed, _)) = self.owed.front()
                && *passed != Owed::Sync
            {
                self.failed_copy = passed.takes_data();
                self.owed.pop_front();
            }
            self.skipping = self.owed.is_empty();
            self.failed_copy &= self.skipping;
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
        (Owed::Execute { .. }, b'D') => (Event::DataRow, Stays),
        (Owed::Run, b'2') => (Event::BindComplete, Becomes(Owed::Execute { data: false })),
        (Owed::Bind, b'2') => (Event::BindComplete, IsDone),
        (Owed::Execute { .. } | Owed::ExecuteCopyIn, b'C') => (Event::CommandComplete, IsDone),
        (Owed::Sync, b'Z') => (Event::ReadyForQuery, IsDone),
        (Owed::Parse, b'1') => (Event::ParseComplete, IsDone),
        (Owed::DescribeStatement, b't') => {
            (Event::ParameterDescription, Becomes(Owed::DescribeRows))
        }
        (Owed::DescribeRows, b'T') => (Event::RowDescription, IsDone),
        (Owed::DescribeRows, b'n') => (Event::NoData, IsDone),
        (Owed::Close, b'3') => (Event::CloseComplete, IsDone),
        (Owed::Execute { .. }, b'I') => (Event::EmptyQuery, IsDone),
        (Owed::Execute { .. }, b's') => (Event::PortalSuspended, IsDone),
        (Owed::Execute { data: false }, b'G') => {
            (Event::CopyInRefused, Becomes(Owed::ExecuteCopyRefused))
        }
        (Owed::Execute { data: true }, b'G') => (Event::CopyIn, Becomes(Owed::ExecuteCopyIn)),
        (Owed::Execute { .. }, b'H') => (Event::CopyOut, Becomes(Owed::ExecuteCopyOut)),
        (
            Owed::ExecuteCopyOut
            | Owed::QueryCopyOut { .. }
            | Owed::QueryCopyBoth
            | Owed::QueryCopyBothDone,
            b'd',
        ) => (Event::CopyData, Stays),
        (Owed::ExecuteCopyOut, b'c') => (Event::CopyDone, Becomes(Owed::Execute { data: false })),
        (Owed::FunctionCall, b'V') => (Event::FunctionResult, Becomes(Owed::Sync)),
        (Owed::Query { data } | Owed::QueryNext { data }, b'T') => {
            (Event::RowDescription, Becomes(Owed::QueryRows { data }))
        }
        (Owed::Query { data } | Owed::QueryNext { data }, b'C') => {
            (Event::CommandComplete, Becomes(Owed::QueryNext { data }))
        }
        (Owed::Query { data } | Owed::QueryNext { data }, b'I') => {
            (Event::EmptyQuery, Becomes(Owed::QueryNext { data }))
        }
        (Owed::Query { data: false } | Owed::QueryNext { data: false }, b'G') => {
            (Event::CopyInRefused, Becomes(Owed::QueryCopyRefused))
        }
        (Owed::Query { data: true } | Owed::QueryNext { data: true }, b'G') => {
            (Event::CopyIn, Becomes(Owed::QueryCopyIn))
        }
        (Owed::Query { data: true } | Owed::QueryNext { data: true }, b'W') => {
            (Event::CopyBoth, Becomes(Owed::QueryCopyBoth))
        }
        (Owed::Query { data } | Owed::QueryNext { data }, b'H') => {
            (Event::CopyOut, Becomes(Owed::QueryCopyOut { data }))
        }
        (Owed::QueryNext { .. } | Owed::QueryCopyBothEnded, b'Z') => (Event::ReadyForQuery, IsDone),
        (Owed::QueryRows { .. }, b'D') => (Event::DataRow, Stays),
        (Owed::QueryRows { data }, b'C') => {
            (Event::CommandComplete, Becomes(Owed::QueryNext { data }))
        }
        // Nobody has data for a second COPY: the caller has ended it once.
        (Owed::QueryCopyIn, b'C') => {
            (Event::CommandComplete, Becomes(Owed::QueryNext { data: false }))
        }
        (Owed::QueryCopyOut { data }, b'c') => (Event::CopyDone, Becomes(Owed::QueryNext { data })),
        (Owed::QueryCopyBoth, b'c') => (Event::CopyDone, Becomes(Owed::QueryCopyBothDone)),
        // A server that shuts down ends a stream without a CopyDone. Any server completes two commands behind it.
        (Owed::QueryCopyBoth | Owed::QueryCopyBothDone | Owed::QueryCopyBothEnded, b'C') => {
            (Event::CommandComplete, Becomes(Owed::QueryCopyBothEnded))
        }
        // Where the server's timeline goes on is told behind a physical stream.
        (Owed::QueryCopyBothDone, b'T') => {
            (Event::RowDescription, Becomes(Owed::QueryRows { data: false }))
        }
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
    use super::Then::{Becomes, IsDone, Stays};
    use super::*;

    /// Writes the table, and a `match` over the same states: one that is not in the table does not compile.
    macro_rules! table {
        ($($state:ident $({ $data:ident: $given:literal })? => [$($legal:expr),* $(,)?];)+) => {
            /// Every state, and the messages that may answer it: what each means, and what becomes of the request.
            const TABLE: &[(Owed, &[(u8, Event, Then)])] =
                &[$((Owed::$state $({ $data: $given })?, &[$($legal),*])),+];

            const fn is_in_the_table(owed: Owed) -> bool {
                match owed {
                    $(Owed::$state $({ $data: $given })? => true,)+
                }
            }
        };
    }

    const AGAIN: Owed = Owed::Execute { data: false };

    table! {
        Login => [];
        Parse => [(b'1', Event::ParseComplete, IsDone)];
        Bind => [(b'2', Event::BindComplete, IsDone)];
        Run => [(b'2', Event::BindComplete, Becomes(AGAIN))];
        DescribeStatement =>
            [(b't', Event::ParameterDescription, Becomes(Owed::DescribeRows))];
        DescribeRows => [(b'T', Event::RowDescription, IsDone), (b'n', Event::NoData, IsDone)];
        Execute { data: false } => [
            (b'D', Event::DataRow, Stays),
            (b'C', Event::CommandComplete, IsDone),
            (b'I', Event::EmptyQuery, IsDone),
            (b's', Event::PortalSuspended, IsDone),
            (b'G', Event::CopyInRefused, Becomes(Owed::ExecuteCopyRefused)),
            (b'H', Event::CopyOut, Becomes(Owed::ExecuteCopyOut)),
        ];
        Execute { data: true } => [
            (b'D', Event::DataRow, Stays),
            (b'C', Event::CommandComplete, IsDone),
            (b'I', Event::EmptyQuery, IsDone),
            (b's', Event::PortalSuspended, IsDone),
            (b'G', Event::CopyIn, Becomes(Owed::ExecuteCopyIn)),
            (b'H', Event::CopyOut, Becomes(Owed::ExecuteCopyOut)),
        ];
        ExecuteCopyIn => [(b'C', Event::CommandComplete, IsDone)];
        ExecuteCopyRefused => [];
        ExecuteCopyOut =>
            [(b'd', Event::CopyData, Stays), (b'c', Event::CopyDone, Becomes(AGAIN))];
        Close => [(b'3', Event::CloseComplete, IsDone)];
        FunctionCall => [(b'V', Event::FunctionResult, Becomes(Owed::Sync))];
        Sync => [(b'Z', Event::ReadyForQuery, IsDone)];
        Query { data: false } => [
            (b'T', Event::RowDescription, Becomes(Owed::QueryRows { data: false })),
            (b'C', Event::CommandComplete, Becomes(Owed::QueryNext { data: false })),
            (b'I', Event::EmptyQuery, Becomes(Owed::QueryNext { data: false })),
            (b'G', Event::CopyInRefused, Becomes(Owed::QueryCopyRefused)),
            (b'H', Event::CopyOut, Becomes(Owed::QueryCopyOut { data: false })),
        ];
        Query { data: true } => [
            (b'T', Event::RowDescription, Becomes(Owed::QueryRows { data: true })),
            (b'C', Event::CommandComplete, Becomes(Owed::QueryNext { data: true })),
            (b'I', Event::EmptyQuery, Becomes(Owed::QueryNext { data: true })),
            (b'G', Event::CopyIn, Becomes(Owed::QueryCopyIn)),
            (b'H', Event::CopyOut, Becomes(Owed::QueryCopyOut { data: true })),
            (b'W', Event::CopyBoth, Becomes(Owed::QueryCopyBoth)),
        ];
        QueryNext { data: false } => [
            (b'T', Event::RowDescription, Becomes(Owed::QueryRows { data: false })),
            (b'C', Event::CommandComplete, Stays),
            (b'I', Event::EmptyQuery, Stays),
            (b'G', Event::CopyInRefused, Becomes(Owed::QueryCopyRefused)),
            (b'H', Event::CopyOut, Becomes(Owed::QueryCopyOut { data: false })),
            (b'Z', Event::ReadyForQuery, IsDone),
        ];
        QueryNext { data: true } => [
            (b'T', Event::RowDescription, Becomes(Owed::QueryRows { data: true })),
            (b'C', Event::CommandComplete, Stays),
            (b'I', Event::EmptyQuery, Stays),
            (b'G', Event::CopyIn, Becomes(Owed::QueryCopyIn)),
            (b'H', Event::CopyOut, Becomes(Owed::QueryCopyOut { data: true })),
            (b'W', Event::CopyBoth, Becomes(Owed::QueryCopyBoth)),
            (b'Z', Event::ReadyForQuery, IsDone),
        ];
        QueryRows { data: false } => [
            (b'D', Event::DataRow, Stays),
            (b'C', Event::CommandComplete, Becomes(Owed::QueryNext { data: false })),
        ];
        QueryRows { data: true } => [
            (b'D', Event::DataRow, Stays),
            (b'C', Event::CommandComplete, Becomes(Owed::QueryNext { data: true })),
        ];
        QueryCopyIn =>
            [(b'C', Event::CommandComplete, Becomes(Owed::QueryNext { data: false }))];
        QueryCopyRefused => [];
        QueryCopyOut { data: false } => [
            (b'd', Event::CopyData, Stays),
            (b'c', Event::CopyDone, Becomes(Owed::QueryNext { data: false })),
        ];
        QueryCopyOut { data: true } => [
            (b'd', Event::CopyData, Stays),
            (b'c', Event::CopyDone, Becomes(Owed::QueryNext { data: true })),
        ];
        QueryCopyBoth => [
            (b'd', Event::CopyData, Stays),
            (b'c', Event::CopyDone, Becomes(Owed::QueryCopyBothDone)),
            (b'C', Event::CommandComplete, Becomes(Owed::QueryCopyBothEnded)),
        ];
        QueryCopyBothDone => [
            (b'd', Event::CopyData, Stays),
            (b'T', Event::RowDescription, Becomes(Owed::QueryRows { data: false })),
            (b'C', Event::CommandComplete, Becomes(Owed::QueryCopyBothEnded)),
        ];
        QueryCopyBothEnded => [
            (b'C', Event::CommandComplete, Stays),
            (b'Z', Event::ReadyForQuery, IsDone),
        ];
    }

    #[test]
    fn every_request_meets_every_message() {
        for &(owed, legal) in TABLE {
            assert!(is_in_the_table(owed));
            for tag in 0..=u8::MAX {
                let mut queue = Queue::default();
                queue.push(owed, 7);
                let found = queue.answer(tag);
                let Some((_, event, then)) = legal.iter().find(|legal| legal.0 == tag) else {
                    let kind = found.map_err(|error| error.kind());
                    assert_eq!(kind, Err(ErrorKind::UnexpectedMessage), "{owed:?} meets {tag}");
                    assert_eq!(queue.owed, [(owed, 7)], "{owed:?} meets {tag}");
                    continue;
                };
                assert_eq!(found, Ok((*event, 7)), "{owed:?} meets {tag}");
                let next = match then {
                    Stays => Some(owed),
                    IsDone => None,
                    Becomes(next) => Some(*next),
                };
                assert!(queue.owed.iter().map(|owed| owed.0).eq(next), "{owed:?} meets {tag}");
            }
        }
    }

    /// What the shorter ways pass over is what the table lets pass, and they know no other state.
    #[test]
    fn every_request_meets_the_shorter_ways() {
        for &(owed, _) in TABLE {
            let of = |request| {
                let mut queue = Queue::default();
                queue.push(owed, request);
                queue
            };
            let is_execute = matches!(owed, Owed::Execute { .. });
            assert_eq!(of(7).rows(), is_execute.then_some(7), "{owed:?}");
            let is_copy_out = owed == Owed::ExecuteCopyOut;
            assert_eq!(of(7).copy_out(), is_copy_out.then_some(7), "{owed:?}");
            for (passes, tag, is_it) in [
                (Queue::pass_bind as fn(&mut Queue, u64) -> bool, b'2', owed == Owed::Run),
                (Queue::pop_execute, b'C', is_execute),
                (Queue::pop_sync, b'Z', owed == Owed::Sync),
            ] {
                let (mut short, mut usual) = (of(7), of(7));
                assert_eq!(passes(&mut short, 6), is_it, "{owed:?} meets {tag}");
                if is_it {
                    usual.answer(tag).unwrap();
                }
                assert_eq!(short.owed, usual.owed, "{owed:?} meets {tag}");
                assert!(!passes(&mut of(7), 7), "{owed:?} was given up");
            }
        }
    }

    #[test]
    fn every_request_meets_an_error_and_goes_on_to_the_next_ready_for_query() {
        for &(owed, _) in TABLE {
            let mut queue = Queue::default();
            queue.push(owed, 1);
            queue.push(Owed::Sync, 1);
            queue.push(Owed::Sync, 2);
            assert_eq!(queue.fail(), Some(1), "{owed:?}");
            let due = match owed {
                Owed::Login => continue,
                Owed::Sync | Owed::FunctionCall => 3,
                owed if owed.is_query() => 3,
                _ => 2,
            };
            for _ in 0..due {
                assert_eq!(queue.answer(b'Z').map(|answer| answer.0), Ok(Event::ReadyForQuery));
            }
            assert!(queue.is_empty(), "{owed:?}");
        }
    }

    #[test]
    fn data_for_a_copy_that_failed_is_told_from_data_that_nobody_asked_for() {
        let mut queue = Queue::default();
        assert_eq!(queue.takes_data(), Some(false));
        queue.push(Owed::Execute { data: true }, 1);
        assert_eq!(queue.takes_data(), Some(true));
        queue.answer(b'G').unwrap();
        assert_eq!(queue.takes_data(), Some(true));
        queue.fail();
        assert_eq!(queue.takes_data(), None);
        queue.push(Owed::Sync, 1);
        assert_eq!(queue.takes_data(), Some(false));
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
        for owed in [Owed::Parse, Owed::Bind, Owed::Execute { data: false }, Owed::Sync, Owed::Bind]
        {
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
        queue.push(Owed::Execute { data: false }, 1);
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
