//! How far replicas are behind, by our own clock.

use std::collections::VecDeque;
use std::time::Duration;

use stellata_client::replication::Lsn;
use tokio::time::Instant;

/// The most places that are remembered, an even number. When there are more, every second one is forgotten.
const PLACES: usize = 256;

/// Where the primary's log was, and when.
#[derive(Debug, Default)]
pub(super) struct History {
    places: VecDeque<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    lsn: Lsn,
    /// When the primary was seen there last.
    at: Instant,
}

impl History {
    /// The primary is here now.
    pub(super) fn note(&mut self, lsn: Lsn, now: Instant) {
        match self.places.back_mut() {
            Some(last) if last.lsn >= lsn => last.at = now,
            _ => self.places.push_back(Place { lsn, at: now }),
        }
        if self.places.len() > PLACES {
            // An odd number of them: the newest stays, and the oldest.
            let mut stays = false;
            self.places.retain(|_| {
                stays = !stays;
                stays
            });
        }
    }

    /// How far behind is who has come to this place; `None` where that is before the first one that was seen.
    pub(super) fn lag(&self, replayed: Lsn) -> Option<Duration> {
        let Some(newest) = self.places.back() else { return Some(Duration::ZERO) };
        let reached = self.places.iter().rev().find(|place| place.lsn <= replayed)?;
        Some(newest.at.saturating_duration_since(reached.at))
    }

    /// Forgets all: another server is the primary.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_as_far_behind_as_the_primary_has_been_elsewhere() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seconds = Duration::from_secs;
        let mut history = History::default();
        assert_eq!(history.lag(Lsn(5)), Some(seconds(0)), "nobody knows better");
        history.note(Lsn(100), at(0));
        history.note(Lsn(100), at(10));
        assert_eq!(history.lag(Lsn(100)), Some(seconds(0)), "a quiet primary leaves nobody behind");
        history.note(Lsn(200), at(11));
        assert_eq!(history.lag(Lsn(199)), Some(seconds(1)));
        history.note(Lsn(200), at(40));
        assert_eq!(history.lag(Lsn(199)), Some(seconds(30)), "the same place, for longer");
        assert_eq!(history.lag(Lsn(250)), Some(seconds(0)));
        assert_eq!(history.lag(Lsn(99)), None);
        history.clear();
        assert_eq!(history.lag(Lsn(99)), Some(seconds(0)));
    }

    #[test]
    fn a_long_history_is_thinned_and_keeps_both_ends() {
        let start = Instant::now();
        let mut history = History::default();
        for second in 0..10_000_u64 {
            history.note(Lsn(second + 1), start + Duration::from_secs(second));
        }
        assert!(history.places.len() <= PLACES);
        assert_eq!(history.lag(Lsn(10_000)), Some(Duration::ZERO));
        assert_eq!(history.lag(Lsn(1)), Some(Duration::from_secs(9_999)));
    }
}
