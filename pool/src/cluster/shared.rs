//! What all handles of a cluster share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stellata_client::{Config, Connection, Error, ErrorKind, TargetSessionAttrs};
use tokio::sync::watch;
use tokio::time::Instant;

use super::options::ClusterOptions;
use super::server::{Server, unless};
use super::status::{ClusterStatus, ServerStatus};
use super::topology::{Sight, Topology};
use crate::lots::Lots;
use crate::pool::Pool;

/// A cluster's state.
#[derive(Debug)]
pub(super) struct Shared {
    /// The sessions for writes, on whichever server is the primary.
    pub(super) primary: Pool,
    pub(super) servers: Arc<[Arc<Server>]>,
    /// Only who looks at servers and who asks how things stand looks here.
    topology: Mutex<Topology>,
    /// The index of the primary, for who opens a connection to it.
    leader: watch::Sender<Option<usize>>,
    /// How often the replicas that may be read from have become others, for who waits for one.
    pub(super) moves: watch::Sender<u64>,
    pub(super) options: ClusterOptions,
    pub(super) watchers: Arc<AtomicU32>,
    lots: Lots,
}

impl Shared {
    pub(super) fn new(config: &Config, options: ClusterOptions) -> Self {
        let servers: Arc<[Arc<Server>]> = config
            .endpoints()
            .map(|endpoint| Arc::new(Server::new(config, endpoint, &options)))
            .collect();
        let leader = watch::Sender::new(None);
        let guide = Arc::new(Guide {
            all: config.clone().with_target_session_attrs(TargetSessionAttrs::ReadWrite),
            each: servers.iter().map(|server| server.writing()).collect(),
            servers: Arc::clone(&servers),
            leader: leader.subscribe(),
        });
        let primary = Pool::opened_by(
            move || {
                let guide = Arc::clone(&guide);
                async move { guide.connect().await }
            },
            options.primary.clone(),
        );
        Self {
            primary,
            topology: Mutex::new(Topology::new(servers.len(), options.max_lag)),
            servers,
            leader,
            moves: watch::Sender::new(0),
            watchers: Arc::new(AtomicU32::new(0)),
            lots: Lots::new(options.seed),
            options,
        }
    }

    fn topology(&self) -> MutexGuard<'_, Topology> {
        // Nothing that could panic runs under the lock.
        self.topology.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.primary.is_closed()
    }

    /// Takes note of a look at a server, and does what follows from it.
    pub(super) fn note(&self, index: usize, seen: Result<Sight, Arc<Error>>, now: Instant) {
        let mut topology = self.topology();
        let has_moved = topology.note(index, seen, now);
        let mut is_other = false;
        for (server, known) in self.servers.iter().zip(topology.servers()) {
            is_other |= server.is_fit.swap(known.is_fit, Ordering::AcqRel) != known.is_fit;
        }
        let primary = topology.primary();
        if has_moved {
            // First whom to connect to, then the pool: what is opened in between is of the generation before, and ends.
            self.leader.send_replace(primary);
        }
        // What follows reads what has come on idle connections, and tells functions of the application of it, which may
        // ask how things stand.
        drop(topology);
        if has_moved {
            self.primary.renew();
            if let Some(server) = primary.and_then(|primary| self.servers.get(primary)) {
                server.pool.renew();
            }
        }
        if is_other {
            self.moves.send_modify(|moves| *moves = moves.wrapping_add(1));
        }
    }

    /// How long to wait until the next look at a server.
    pub(super) fn pause(&self, alarmed: Duration) -> Duration {
        let usual = self.options.check_interval;
        let pause = if self.topology().has_primary() { usual } else { usual.min(alarmed) };
        self.lots.shorten(pause, 10)
    }

    /// Has all servers looked at, now.
    pub(super) fn recheck(&self) {
        for server in self.servers.iter() {
            server.wake.notify_one();
        }
    }

    /// A replica to read from: of two drawn by lot, the one with fewer callers.
    #[inline]
    pub(super) fn choose(&self) -> Option<&Arc<Server>> {
        let fit = || self.servers.iter().filter(|server| server.is_fit.load(Ordering::Acquire));
        let count = fit().count() as u64;
        let first_lot = match count {
            0 => return None,
            1 => return fit().next(),
            _ => self.lots.draw(),
        };
        // Two different ones. They may be fewer by now than they were counted.
        let first = first_lot % count;
        let second = (first + 1 + (first_lot >> 32) % (count - 1)) % count;
        let at = |place: u64| fit().nth(place as usize);
        let (Some(one), Some(other)) = (at(first), at(second)) else { return fit().next() };
        Some(if busy(&other.pool) < busy(&one.pool) { other } else { one })
    }

    pub(super) fn status(&self) -> ClusterStatus {
        let topology = self.topology();
        let servers = self.servers.iter().zip(topology.servers());
        ClusterStatus {
            servers: servers
                .map(|(server, known)| ServerStatus {
                    endpoint: server.endpoint.clone(),
                    role: known.role,
                    is_read_from: known.is_fit,
                    lag: known.lag,
                    failure: known.failure.clone(),
                    pool: server.pool.status(),
                })
                .collect(),
            primary: self.primary.status(),
            failovers: topology.failovers(),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The tasks that look at servers see that there is nothing left to look for.
        self.recheck();
    }
}

/// How many callers a pool has.
fn busy(pool: &Pool) -> usize {
    let status = pool.status();
    status.lent.saturating_add(status.waiting)
}

/// Finds the primary for who opens a connection to it.
struct Guide {
    all: Config,
    each: Vec<Config>,
    servers: Arc<[Arc<Server>]>,
    leader: watch::Receiver<Option<usize>>,
}

impl Guide {
    async fn connect(&self) -> Result<Connection, Error> {
        let mut leader = self.leader.clone();
        let known = *leader.borrow_and_update();
        // Where nobody has seen a primary yet, all are tried.
        let config = known.and_then(|known| self.each.get(known)).unwrap_or(&self.all);
        let moved = async {
            if leader.changed().await.is_err() {
                // The cluster is gone, and its pool is left to who has it still.
                std::future::pending::<()>().await;
            }
        };
        let opened = unless(Connection::connect(config), moved).await.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Connect,
                "another server became the primary while a connection was opened",
            ))
        });
        if opened.is_err() {
            self.servers.iter().for_each(|server| server.wake.notify_one());
        }
        opened
    }
}
