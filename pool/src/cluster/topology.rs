//! Which server is what: decided from looks at each, without I/O and without a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use stellata_client::Error;
use stellata_client::replication::Lsn;
use tokio::time::Instant;

use super::lag::History;
use super::status::Role;

/// What a look at a server has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is a primary: how far its log is on disk, and on which timeline.
    Primary { flushed: Lsn, timeline: u32 },
    /// It is a standby: up to where it shows what its primary has written.
    Standby { replayed: Lsn },
}

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) role: Role,
    /// Whether it is a replica that may be read from.
    pub(super) is_fit: bool,
    pub(super) lag: Option<Duration>,
    pub(super) failure: Option<Arc<Error>>,
    replayed: Lsn,
}

/// All servers.
#[derive(Debug)]
pub(super) struct Topology {
    servers: Vec<Known>,
    primary: Option<usize>,
    /// The newest timeline that a primary was seen on. There is no way back to an older one: each promotion begins the
    /// next.
    timeline: u32,
    history: History,
    max_lag: Option<Duration>,
    failovers: u64,
}

impl Topology {
    pub(super) fn new(servers: usize, max_lag: Option<Duration>) -> Self {
        let unknown = || Known {
            role: Role::Unknown,
            is_fit: false,
            lag: None,
            failure: None,
            replayed: Lsn::INVALID,
        };
        Self {
            servers: (0..servers).map(|_| unknown()).collect(),
            primary: None,
            timeline: 0,
            history: History::default(),
            max_lag,
            failovers: 0,
        }
    }

    pub(super) fn servers(&self) -> &[Known] {
        &self.servers
    }

    /// The server that takes the writes, or took them last.
    pub(super) const fn primary(&self) -> Option<usize> {
        self.primary
    }

    pub(super) const fn failovers(&self) -> u64 {
        self.failovers
    }

    /// Whether the primary was there at the last look.
    pub(super) fn has_primary(&self) -> bool {
        self.primary
            .and_then(|primary| self.servers.get(primary))
            .is_some_and(|server| server.role == Role::Primary)
    }

    /// Takes note of a look at a server. Returns whether the primary is another one than before, or none.
    pub(super) fn note(
        &mut self,
        server: usize,
        seen: Result<Sight, Arc<Error>>,
        now: Instant,
    ) -> bool {
        let mut has_moved = false;
        let mut failure = None;
        let (role, replayed) = match seen {
            Ok(Sight::Primary { flushed, timeline }) => {
                if self.leads(server, timeline) {
                    has_moved = self.make_primary(Some(server));
                    self.timeline = timeline;
                    self.history.note(flushed, now);
                    (Role::Primary, Lsn::INVALID)
                } else {
                    if self.primary == Some(server) {
                        has_moved = self.make_primary(None);
                    }
                    (Role::Superseded, Lsn::INVALID)
                }
            }
            Ok(Sight::Standby { replayed }) => {
                if self.primary == Some(server) {
                    has_moved = self.make_primary(None);
                }
                (Role::Replica, replayed)
            }
            Err(error) => {
                failure = Some(error);
                // The primary stays who it was until another one shows itself: it may be the same in a moment.
                (Role::Away, Lsn::INVALID)
            }
        };
        if let Some(known) = self.servers.get_mut(server) {
            known.role = role;
            known.replayed = replayed;
            known.failure = failure;
        }
        self.judge();
        has_moved
    }

    /// Whether a server that says that it is a primary is to be believed.
    fn leads(&self, server: usize, timeline: u32) -> bool {
        if timeline != self.timeline {
            return timeline > self.timeline;
        }
        // Of two on the same timeline, who was there first: unless it is gone, as when a server has got another address.
        self.primary.is_none_or(|primary| primary == server || !self.has_primary())
    }

    /// Returns whether that is a change.
    fn make_primary(&mut self, server: Option<usize>) -> bool {
        let before = self.primary;
        if before == server {
            return false;
        }
        self.primary = server;
        self.history.clear();
        if server.is_some() && self.timeline != 0 {
            self.failovers = self.failovers.saturating_add(1);
        }
        if let Some(known) = before.and_then(|before| self.servers.get_mut(before))
            && known.role == Role::Primary
        {
            known.role = Role::Superseded;
        }
        true
    }

    /// Finds which replicas may be read from.
    fn judge(&mut self) {
        for known in &mut self.servers {
            let is_replica = known.role == Role::Replica;
            known.lag = if is_replica { self.history.lag(known.replayed) } else { None };
            known.is_fit = is_replica
                && self.max_lag.is_none_or(|most| known.lag.is_some_and(|lag| lag <= most));
        }
    }
}

#[cfg(test)]
mod tests {
    use stellata_client::ErrorKind;

    use super::*;

    const PRIMARY: fn(u64, u32) -> Result<Sight, Arc<Error>> =
        |flushed, timeline| Ok(Sight::Primary { flushed: Lsn(flushed), timeline });
    const STANDBY: fn(u64) -> Result<Sight, Arc<Error>> =
        |replayed| Ok(Sight::Standby { replayed: Lsn(replayed) });
    const NOTHING: fn() -> Result<Sight, Arc<Error>> =
        || Err(Arc::new(Error::new(ErrorKind::Connect, "gone")));

    fn roles(topology: &Topology) -> Vec<Role> {
        topology.servers().iter().map(|known| known.role).collect()
    }

    #[test]
    fn a_promoted_standby_takes_over_and_the_old_primary_never_again() {
        let now = Instant::now();
        let mut topology = Topology::new(3, None);
        assert!(!topology.note(1, STANDBY(90), now));
        assert!(topology.servers()[1].is_fit, "nobody has seen a primary that is further");
        assert!(topology.note(0, PRIMARY(100, 1), now));
        topology.note(2, STANDBY(100), now);
        assert_eq!((topology.primary(), topology.failovers()), (Some(0), 0));

        // Away is not the end: it may only be restarting.
        assert!(!topology.note(0, NOTHING(), now));
        assert_eq!((topology.primary(), topology.has_primary()), (Some(0), false));
        topology.note(0, PRIMARY(100, 1), now);
        assert!(topology.has_primary());

        topology.note(0, NOTHING(), now);
        assert!(topology.note(1, PRIMARY(110, 2), now));
        assert_eq!((topology.primary(), topology.failovers()), (Some(1), 1));
        // The old primary, started by somebody who did not know.
        assert!(!topology.note(0, PRIMARY(105, 1), now));
        assert_eq!(roles(&topology), [Role::Superseded, Role::Primary, Role::Replica]);
        // Also while the new one is away.
        topology.note(1, NOTHING(), now);
        topology.note(0, PRIMARY(105, 1), now);
        assert_eq!(topology.primary(), Some(1));
        // It is set right.
        assert!(!topology.note(0, STANDBY(110), now));
        assert_eq!(roles(&topology), [Role::Replica, Role::Away, Role::Replica]);
    }

    #[test]
    fn a_primary_that_has_become_a_standby_is_none_at_once() {
        let now = Instant::now();
        let mut topology = Topology::new(2, None);
        topology.note(0, PRIMARY(100, 1), now);
        assert!(topology.note(0, STANDBY(100), now));
        assert_eq!((topology.primary(), topology.has_primary()), (None, false));
        assert!(topology.note(1, PRIMARY(100, 2), now));
        assert_eq!(topology.failovers(), 1);
    }

    #[test]
    fn of_two_primaries_on_one_timeline_the_first_stays() {
        let now = Instant::now();
        let mut topology = Topology::new(2, None);
        topology.note(1, PRIMARY(100, 1), now);
        topology.note(0, PRIMARY(200, 1), now);
        assert_eq!(roles(&topology), [Role::Superseded, Role::Primary]);
        // A later promotion is seen while both say that they are primaries.
        assert!(topology.note(0, PRIMARY(200, 2), now));
        assert_eq!(roles(&topology), [Role::Primary, Role::Superseded]);
        topology.note(1, PRIMARY(300, 1), now);
        assert_eq!((topology.primary(), topology.failovers()), (Some(0), 1));
    }

    #[test]
    fn who_is_too_far_behind_is_not_read_from() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut topology = Topology::new(2, Some(Duration::from_secs(10)));
        topology.note(0, PRIMARY(100, 1), at(0));
        topology.note(1, STANDBY(100), at(1));
        assert!(topology.servers()[1].is_fit);
        topology.note(0, PRIMARY(150, 1), at(8));
        assert!(topology.servers()[1].is_fit);
        // It is judged by what the primary does, not only when it is looked at itself.
        topology.note(0, PRIMARY(150, 1), at(12));
        assert!(!topology.servers()[1].is_fit);
        assert_eq!(topology.servers()[1].lag, Some(Duration::from_secs(12)));
        topology.note(1, STANDBY(120), at(13));
        assert!(!topology.servers()[1].is_fit, "nearer is not there");
        topology.note(1, STANDBY(150), at(14));
        assert!(topology.servers()[1].is_fit);
        // Without a primary nobody falls behind.
        topology.note(0, NOTHING(), at(15));
        topology.note(1, STANDBY(150), at(100));
        assert!(topology.servers()[1].is_fit);
        topology.note(1, NOTHING(), at(101));
        assert!(!topology.servers()[1].is_fit);
    }
}
