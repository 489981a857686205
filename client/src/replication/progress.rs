//! How far a stream has come, and when the server is to be told.

use std::time::{Duration, SystemTime};

use stellata_protocol::Buffer;
use stellata_protocol::replication::{Keepalive, Lsn, StandbyMessage, StandbyStatus, Timestamp};
use tokio::time::Instant;

/// How soon a server that has not asked is told again at the earliest.
pub(super) const LEAST: Duration = Duration::from_millis(10);

/// The positions of a stream.
#[derive(Debug)]
pub(super) struct Progress {
    /// The end of what has come.
    received: Lsn,
    /// The end of what the consumer has done with.
    confirmed: Lsn,
    /// The end of the last thing handed to the consumer that it can confirm.
    delivered: Lsn,
    /// Whether positions at which there was nothing to tell count as confirmed once all before them is.
    follows_keepalives: bool,
    /// What was confirmed when the server was told last.
    told: Lsn,
    /// When the server is to be told next.
    due: Instant,
    interval: Duration,
    /// The server wants to be told at once.
    wanted: bool,
    silence: Silence,
}

/// For how long nothing has come while it was waited for.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    since: Option<Instant>,
    /// When the server was asked for a sign of life.
    asked: Option<Instant>,
}

impl Progress {
    pub(super) fn new(interval: Duration, silence: Duration, follows_keepalives: bool) -> Self {
        Self {
            received: Lsn::INVALID,
            confirmed: Lsn::INVALID,
            delivered: Lsn::INVALID,
            follows_keepalives,
            told: Lsn::INVALID,
            due: later(Instant::now(), interval.max(LEAST)),
            interval: interval.max(LEAST),
            wanted: false,
            silence: Silence { limit: silence, since: None, asked: None },
        }
    }

    /// How long the server may be silent.
    pub(super) fn silence_limit(&self) -> Duration {
        self.silence.limit
    }

    pub(super) fn confirmed(&self) -> Lsn {
        self.confirmed
    }

    pub(super) fn received(&self) -> Lsn {
        self.received
    }

    /// The consumer has done with all before `position`. It never goes back.
    pub(super) fn confirm(&mut self, position: Lsn) {
        self.confirmed = self.confirmed.max(position);
    }

    /// Data up to `position` has come.
    pub(super) fn receive(&mut self, position: Lsn) {
        self.received = self.received.max(position);
    }

    /// Something was handed to the consumer that can be confirmed by `position`.
    pub(super) fn deliver(&mut self, position: Lsn) {
        self.delivered = self.delivered.max(position);
        self.receive(position);
    }

    /// The server is alive, and has sent all that it has to tell up to there. `between` transactions a stream has then
    /// nothing to wait for, and where all that was handed over is confirmed, so is this: else a slot would keep the log of
    /// all that does not concern it.
    pub(super) fn keepalive(&mut self, keepalive: &Keepalive, between: bool) {
        self.receive(keepalive.end);
        self.wanted |= keepalive.reply_requested;
        if self.follows_keepalives && between && self.confirmed >= self.delivered {
            self.confirm(keepalive.end);
        }
    }

    /// Whether the server is to be told now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wanted || now >= self.due
    }

    /// When the server is to be told, though nobody asks.
    pub(super) fn next_report(&self) -> Instant {
        self.due
    }

    /// Whether there is something that the server has not been told.
    pub(super) fn has_news(&self) -> bool {
        self.confirmed > self.told
    }

    /// When there is something to be done although nothing comes. While the server has not taken what it was told before, nothing
    /// more is to be told.
    pub(super) fn deadline(&mut self, now: Instant, is_sending: bool) -> Instant {
        let since = *self.silence.since.get_or_insert(now);
        let half = self.silence.limit / 2;
        let over = later(self.silence.asked.unwrap_or(since), half);
        if is_sending { over } else { self.due.min(over) }
    }

    /// Something has come.
    pub(super) fn hear(&mut self) {
        self.silence.since = None;
        self.silence.asked = None;
    }

    /// Nothing has come up to now. Returns false when that has lasted too long.
    pub(super) fn miss(&mut self, now: Instant) -> bool {
        let half = self.silence.limit / 2;
        match (self.silence.asked, self.silence.since) {
            (Some(asked), _) => now.duration_since(asked) < half,
            (None, Some(since)) if now.duration_since(since) >= half => {
                self.silence.asked = Some(now);
                self.wanted = true;
                true
            }
            _ => true,
        }
    }

    /// Writes what the server is to be told, and notes that it was.
    pub(super) fn write(&mut self, now: Instant, out: &mut Buffer) {
        let status = StandbyStatus {
            written: self.received.max(self.confirmed),
            flushed: self.confirmed,
            applied: self.confirmed,
            sent_at: clock(),
            reply_requested: self.silence.asked.is_some(),
        };
        out.clear();
        StandbyMessage::Status(status).write(out);
        self.told = self.confirmed;
        self.wanted = false;
        self.due = later(now, self.interval);
    }
}

/// The machine's clock, for the server's statistics.
fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(micros).unwrap_or_default()
}

/// So much later; a century, where that is more than there is.
fn later(now: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(wait.min(CENTURY)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keepalive(end: u64) -> Keepalive {
        Keepalive { end: Lsn(end), sent_at: Timestamp(0), reply_requested: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_confirms_what_the_server_passes_over() {
        let mut progress = Progress::new(SECOND, 60 * SECOND, true);
        progress.keepalive(&keepalive(10), true);
        assert_eq!(progress.confirmed(), Lsn(10));
        progress.deliver(Lsn(20));
        progress.keepalive(&keepalive(30), true);
        assert_eq!(progress.confirmed(), Lsn(10), "what was handed over is not confirmed yet");
        progress.confirm(Lsn(20));
        progress.keepalive(&keepalive(40), false);
        assert_eq!(progress.confirmed(), Lsn(20), "a transaction is being read");
        progress.keepalive(&keepalive(50), true);
        assert_eq!(progress.confirmed(), Lsn(50));
        progress.confirm(Lsn(5));
        assert_eq!(progress.confirmed(), Lsn(50), "it never goes back");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_only_received_is_never_flushed() {
        let mut progress = Progress::new(SECOND, 60 * SECOND, false);
        progress.deliver(Lsn(20));
        progress.keepalive(&keepalive(30), true);
        let mut out = Buffer::new();
        progress.write(Instant::now(), &mut out);
        let StandbyMessage::Status(status) = StandbyMessage::read(out.as_slice()).unwrap() else {
            panic!("no status");
        };
        assert_eq!((status.written, status.flushed, status.applied), (Lsn(30), Lsn(0), Lsn(0)));
        assert!(!status.reply_requested && status.sent_at > Timestamp(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_asked_halfway_and_given_up_at_the_end() {
        let mut progress = Progress::new(100 * SECOND, 60 * SECOND, true);
        let start = Instant::now();
        assert_eq!(progress.deadline(start, false), start + 30 * SECOND);
        assert!(progress.miss(start + 10 * SECOND) && !progress.is_due(start + 10 * SECOND));
        assert!(progress.miss(start + 30 * SECOND) && progress.is_due(start + 30 * SECOND));
        assert_eq!(progress.deadline(start + 30 * SECOND, false), start + 60 * SECOND);
        assert!(progress.miss(start + 59 * SECOND));
        assert!(!progress.miss(start + 60 * SECOND));
        progress.hear();
        assert!(progress.miss(start + 61 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_all_the_time_nor_while_the_last_was_not_taken() {
        let mut progress = Progress::new(Duration::ZERO, 60 * SECOND, true);
        let start = Instant::now();
        assert!(!progress.is_due(start) && progress.is_due(start + LEAST));
        assert_eq!(progress.deadline(start, false), start + LEAST);
        assert_eq!(progress.deadline(start, true), start + 30 * SECOND);
        progress.write(start + SECOND, &mut Buffer::new());
        assert_eq!(progress.next_report(), start + SECOND + LEAST);
    }
}
