//! One server of a cluster: where it is, its pool for reads, and looks at it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use stellata_client::replication::Lsn;
use stellata_client::{Config, Connection, Endpoint, Error, ErrorKind, TargetSessionAttrs};
use tokio::sync::{Notify, watch};

use super::options::ClusterOptions;
use super::topology::Sight;
use crate::pool::Pool;

/// What is asked of a server. The name of the file of the log that is written now begins with the timeline.
const LOOK: &str = "select is_standby, \
    case when is_standby then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_flush_lsn() end, \
    case when not is_standby then pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) end \
    from pg_catalog.pg_is_in_recovery() as is_standby";

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) endpoint: Endpoint,
    /// How to reach it, whatever it is.
    config: Config,
    /// Its sessions for reads: only such as are on a standby.
    pub(super) pool: Pool,
    /// Whether it is a replica that may be read from.
    pub(super) is_fit: AtomicBool,
    /// Ends the pause before the next look.
    pub(super) wake: Notify,
    /// How often a look was asked for.
    asked: AtomicU64,
    /// How many of these were answered.
    answered: watch::Sender<u64>,
}

impl Server {
    pub(super) fn new(all: &Config, endpoint: &Endpoint, options: &ClusterOptions) -> Self {
        let config = all.clone().with_only_endpoint(endpoint.clone());
        let standby = config.clone().with_target_session_attrs(TargetSessionAttrs::Standby);
        Self {
            endpoint: endpoint.clone(),
            config: config.with_target_session_attrs(TargetSessionAttrs::Any),
            pool: Pool::new(standby, options.replica.clone()),
            is_fit: AtomicBool::new(false),
            wake: Notify::new(),
            asked: AtomicU64::new(0),
            answered: watch::Sender::new(0),
        }
    }

    /// How to reach it as the primary.
    pub(super) fn writing(&self) -> Config {
        self.config.clone().with_target_session_attrs(TargetSessionAttrs::ReadWrite)
    }

    /// Asks for a look that begins from now on; returns its number.
    pub(super) fn ask(&self) -> u64 {
        let number = self.asked.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.wake.notify_one();
        number
    }

    /// The number of the newest look that was asked for: the next look answers it.
    pub(super) fn newest_asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// A look has answered all that were asked for up to this one.
    pub(super) fn answer(&self, number: u64) {
        self.answered.send_if_modified(|answered| {
            let is_newer = *answered < number;
            *answered = number.max(*answered);
            is_newer
        });
    }

    /// Waits until a look has answered.
    pub(super) async fn answered(&self, number: u64) {
        let mut answered = self.answered.subscribe();
        // The sender is `self`'s own.
        let _ = answered.wait_for(|answered| *answered >= number).await;
    }

    /// Looks what the server is, on a connection that is kept for the next look.
    pub(super) async fn look(
        &self,
        kept: &mut Option<Connection>,
        limit: Duration,
    ) -> Result<Sight, Error> {
        let seen = tokio::time::timeout(limit, self.ask_server(kept)).await.unwrap_or_else(|_| {
            let message = format!("{} did not say what it is within {limit:?}", self.endpoint);
            Err(Error::new(ErrorKind::Timeout, message))
        });
        if seen.is_err() {
            *kept = None;
        }
        seen
    }

    async fn ask_server(&self, kept: &mut Option<Connection>) -> Result<Sight, Error> {
        let alive = kept.take().filter(|connection| !connection.is_closed());
        let mut connection = match alive {
            Some(connection) => connection,
            None => Connection::connect(&self.config).await?,
        };
        let answer = connection.query_one(LOOK, ()).await;
        let seen = match answer {
            Ok((true, replayed, _)) => Sight::Standby { replayed: unwrap_place(replayed) },
            Ok((false, flushed, file)) => {
                Sight::Primary { flushed: unwrap_place(flushed), timeline: timeline(file)? }
            }
            Err(error) => return Err(error),
        };
        *kept = Some(connection);
        Ok(seen)
    }
}

/// A standby that has replayed nothing yet has no place.
fn unwrap_place(place: Option<Lsn>) -> Lsn {
    place.unwrap_or(Lsn::INVALID)
}

/// The timeline in the name of a file of the log (manual: "WAL Internals").
fn timeline(file: Option<String>) -> Result<u32, Error> {
    file.as_deref()
        .and_then(|file| file.get(..8))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the server did not tell its timeline"))
}

/// The output of `future`, unless `other` ends first.
pub(super) async fn unless<T>(
    future: impl Future<Output = T>,
    other: impl Future<Output = ()>,
) -> Option<T> {
    let (mut future, mut other) = (pin!(future), pin!(other));
    poll_fn(|cx| {
        if let Poll::Ready(output) = Pin::as_mut(&mut future).poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::as_mut(&mut other).poll(cx).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_is_read_from_the_name_of_a_file() {
        assert_eq!(timeline(Some("0000001A00000000000000F1".into())).unwrap(), 26);
        for wrong in [None, Some(String::new()), Some("0000000G00000000".into())] {
            assert!(timeline(wrong).is_err());
        }
    }
}
