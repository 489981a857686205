//! Requests that were put together and never leave.

use crate::connection::Connection;
use crate::statement::cache::Prepared;

impl Connection {
    /// Notes that the batch leaves: an answer of it was asked for.
    pub(super) fn let_go(&mut self) {
        if self.unsent {
            self.unsent = false;
            self.close_batch();
        }
    }

    /// Takes back what was put together since the call began, as if it had never been asked, unless a part of it has been
    /// written: then it returns false. Its tickets are of a batch that is over then.
    #[cold]
    pub(super) fn withdraw(&mut self) -> bool {
        self.unsent = false;
        let place = self.driver.conversation.place_before(self.call);
        let Some(withdrawn) = self.driver.conversation.withdraw(place) else { return false };
        self.close_batch();
        let mut asked = Vec::new();
        while let Some(parsing) = self.parsing.pop_back_if(|last| last.call >= self.call) {
            asked.push(parsing.slot);
        }
        self.counts.bound = self.counts.bound.saturating_sub(withdrawn.bound as u64);
        self.counts.parsed = self.counts.parsed.saturating_sub(asked.len() as u64);
        // The server was to forget them, and still is.
        if !self.cache.is_unnamed() {
            self.forgotten.extend(withdrawn.closed);
        }
        for slot in asked {
            let before = self.parsing.iter().rev().find(|before| before.slot == slot);
            match (before, self.cache.get_mut(slot)) {
                (Some(before), Some(entry)) => entry.prepared = Prepared::Asked(before.call),
                (None, Some(entry)) => {
                    // What is doubted may be there, and closing what is not there is no error.
                    if entry.doubted && !entry.name.is_empty() {
                        self.forgotten.push(entry.name.clone());
                    }
                    self.cache.remove(slot);
                }
                (_, None) => {}
            }
        }
        #[cfg(feature = "tracing")]
        self.watched.clear();
        self.call = self.driver.conversation.begin();
        true
    }
}
