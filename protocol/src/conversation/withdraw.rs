//! What was asked and never leaves: requests taken back before a byte of them was written.

use crate::conversation::Conversation;
use crate::conversation::owed::Owed;
use crate::wire::frame::HEAD;

/// What was taken back by [`Conversation::withdraw`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// How many statements would have been bound.
    pub bound: usize,
    /// The statements that the server would have been asked to forget; not those which it would have been asked to prepare
    /// anew at once.
    pub closed: Vec<Box<str>>,
}

impl Conversation {
    /// How many requests are in flight, a Bind with its Execute counted as one: a place that
    /// [`Conversation::withdraw`] can go back to.
    #[must_use]
    pub fn place(&self) -> usize {
        self.queue.iter().count()
    }

    /// The place before all that a call has asked, and the calls behind it.
    #[must_use]
    pub fn place_before(&self, call: u64) -> usize {
        let since = self.queue.iter().rev().take_while(|(_, request)| *request >= call).count();
        self.place().saturating_sub(since)
    }

    /// Takes back all that was asked since the conversation was at `place`, as if it had never been: it is not written, and
    /// not owed. `None`, and nothing is done, where a byte of it has been written, or where it holds other requests than
    /// those of the extended query protocol.
    ///
    /// ```
    /// # use stellata_protocol::{Conversation, Event, Login};
    /// # let mut conversation = Conversation::start(Login::new("me", [7; 18])).unwrap();
    /// # conversation.wrote(conversation.output().len());
    /// # conversation.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    /// # while conversation.advance().unwrap().is_some() {}
    /// let place = conversation.place();
    /// conversation.close_statement("old").unwrap();
    /// conversation.parse("new", "select 1", &[]).unwrap();
    /// let withdrawn = conversation.withdraw(place).unwrap();
    /// assert_eq!(withdrawn.closed, ["old".into()]);
    /// assert!(conversation.is_quiet());
    /// ```
    pub fn withdraw(&mut self, place: usize) -> Option<Withdrawn> {
        let mut withdrawn = Withdrawn::default();
        let mut tags = Vec::new();
        for (owed, _) in self.queue.iter().skip(place) {
            tags.extend_from_slice(tags_of(owed)?);
            withdrawn.bound =
                withdrawn.bound.saturating_add(usize::from(matches!(owed, Owed::Run | Owed::Bind)));
        }
        let messages = messages(self.output.as_slice())?;
        let first = messages.len().checked_sub(tags.len())?;
        let unsent = messages.get(first..)?;
        let Some(start) = unsent.first().map(|message| message.start) else {
            return Some(withdrawn);
        };
        // Some of what is owed has been written, or what is unsent is not owed.
        if start < self.written || unsent.iter().map(|message| message.tag).ne(tags) {
            return None;
        }
        for (at, message) in unsent.iter().enumerate() {
            if let Some(name) = message.closes()
                && unsent.get(at.saturating_add(1)).is_none_or(|next| next.parses() != Some(name))
            {
                withdrawn.closed.push(String::from_utf8_lossy(name).into());
            }
        }
        self.output.truncate(start);
        self.queue.truncate(place);
        // Nothing more was written; where nothing is left, the place of a large request is given back.
        self.wrote(0);
        Some(withdrawn)
    }
}

/// The messages by which something is asked; `None` where it may have been more than these.
fn tags_of(owed: Owed) -> Option<&'static [u8]> {
    Some(match owed {
        Owed::Parse => b"P",
        Owed::Bind => b"B",
        Owed::Run => b"BE",
        Owed::DescribeStatement | Owed::DescribeRows => b"D",
        Owed::Execute { data: false } => b"E",
        Owed::Close => b"C",
        Owed::Sync => b"S",
        _ => return None,
    })
}

/// A message that was put together here.
struct Message<'a> {
    tag: u8,
    start: usize,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The name of the statement that the server is to forget.
    fn closes(&self) -> Option<&'a [u8]> {
        match (self.tag, self.body) {
            (b'C', [b'S', name @ .., 0]) => Some(name),
            _ => None,
        }
    }

    /// The name of the statement that the server is to prepare.
    fn parses(&self) -> Option<&'a [u8]> {
        if self.tag == b'P' { self.body.split(|byte| *byte == 0).next() } else { None }
    }
}

/// All messages of the output. `None` where it holds something else.
fn messages(mut output: &[u8]) -> Option<Vec<Message<'_>>> {
    let mut messages = Vec::new();
    let mut start = 0_usize;
    while let Some(&[tag, a, b, c, d]) = output.first_chunk::<HEAD>() {
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?.checked_add(1)?;
        let (message, rest) = output.split_at_checked(size)?;
        messages.push(Message { tag, start, body: message.get(HEAD..)? });
        start = start.checked_add(size)?;
        output = rest;
    }
    output.is_empty().then_some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::login::Login;
    use crate::message::extended::BindHead;
    use crate::message::row::Format;
    use crate::types::params::Params;
    use proptest::prelude::*;

    fn ready() -> Conversation {
        let mut conversation = Conversation::start(Login::new("me", [7; 18])).unwrap();
        conversation.wrote(conversation.output().len());
        conversation.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        while conversation.advance().unwrap().is_some() {}
        conversation
    }

    /// Asks for something, told by a number.
    fn ask(conversation: &mut Conversation, what: u8) {
        let none = Params::new();
        match what % 7 {
            0 => conversation.parse("s", "select 1", &[]),
            1 => conversation.describe_statement("s"),
            2 => conversation.bind("s", &none, Format::Binary),
            3 => conversation.execute(0),
            4 => conversation.run(&BindHead::new("s").unwrap(), &none),
            5 => conversation.close_statement("t"),
            _ => conversation.sync(),
        }
        .unwrap();
    }

    proptest! {
        #[test]
        fn what_is_taken_back_was_never_asked(
            before in proptest::collection::vec(any::<u8>(), 0..12),
            written in 0_usize..40,
            after in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut conversation = ready();
            conversation.begin();
            before.iter().for_each(|what| ask(&mut conversation, *what));
            conversation.wrote(written.min(conversation.output().len()));
            let call = conversation.begin();
            let (output, owed) = (conversation.output().to_vec(), conversation.owed());
            let place = conversation.place();
            after.iter().for_each(|what| ask(&mut conversation, *what));
            prop_assert_eq!(conversation.place_before(call), place);
            let bound = after.iter().filter(|what| matches!(*what % 7, 2 | 4)).count();
            let closed = after.iter().filter(|what| *what % 7 == 5).count();
            let withdrawn = conversation.withdraw(place).unwrap();
            prop_assert_eq!((withdrawn.bound, withdrawn.closed.len()), (bound, closed));
            prop_assert_eq!(conversation.output(), output);
            prop_assert_eq!(conversation.owed(), owed);
        }

        #[test]
        fn what_has_begun_to_leave_stays(
            asked in proptest::collection::vec(any::<u8>(), 1..12),
            written in 1_usize..200,
        ) {
            let mut conversation = ready();
            let call = conversation.begin();
            asked.iter().for_each(|what| ask(&mut conversation, *what));
            conversation.wrote(written.min(conversation.output().len()));
            let (output, owed) = (conversation.output().to_vec(), conversation.owed());
            prop_assert_eq!(conversation.withdraw(conversation.place_before(call)), None);
            prop_assert_eq!(conversation.output(), output);
            prop_assert_eq!(conversation.owed(), owed);
        }
    }

    #[test]
    fn a_statement_that_is_prepared_anew_is_not_among_those_to_be_closed() {
        let mut conversation = ready();
        conversation.close_statement("a").unwrap();
        conversation.close_statement("b").unwrap();
        conversation.parse("b", "select 1", &[]).unwrap();
        conversation.close_statement("c").unwrap();
        let closed = conversation.withdraw(0).unwrap().closed;
        assert_eq!(closed, ["a".into(), "c".into()]);
    }

    #[test]
    fn the_place_of_a_large_request_is_given_back() {
        let mut conversation = ready();
        conversation.parse("", &"x".repeat(1 << 20), &[]).unwrap();
        conversation.withdraw(0).unwrap();
        assert!(conversation.buffered() < 1 << 19, "{}", conversation.buffered());
    }

    #[test]
    fn a_simple_query_is_not_taken_back() {
        let mut conversation = ready();
        conversation.query("select 1").unwrap();
        assert_eq!(conversation.withdraw(0), None);
        assert!(!conversation.is_quiet());
    }
}
