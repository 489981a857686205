//! A connection for one statement or batch.

use std::ops::{Deref, DerefMut};

use stellata_client::Connection;
use stellata_pool::Lease;
use tokio::sync::{MappedMutexGuard, MutexGuard};

use crate::error::Result;
use crate::executor::Source;
use crate::executor::command::Command;
use crate::failure;

/// A connection for one statement or batch, and the commands that go ahead of it.
#[derive(Debug)]
pub(crate) enum Guard<'a> {
    Lent(Lease),
    Held(MappedMutexGuard<'a, Connection>, Vec<Command>),
}

impl<'a> Guard<'a> {
    fn held(lease: MutexGuard<'a, Lease>, pending: Vec<Command>) -> Self {
        Self::Held(MutexGuard::map(lease, |lease| &mut **lease), pending)
    }
}

impl Deref for Guard<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Lent(lease) => lease,
            Self::Held(connection, _) => connection,
        }
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Lent(lease) => lease,
            Self::Held(connection, _) => connection,
        }
    }
}

/// A connection from the source, where one is there at once.
#[inline]
pub(super) fn lease_now(source: Source<'_>) -> Result<Option<Guard<'_>>> {
    match source {
        Source::Pool(pool) | Source::Lanes(pool) | Source::Lane(pool, _) => {
            Ok(pool.try_acquire().map(Guard::Lent))
        }
        Source::Held(held, depth) => {
            let Ok(lease) = held.connection.try_lock() else { return Ok(None) };
            held.check(depth)?;
            Ok(Some(Guard::held(lease, held.take_pending())))
        }
        // Asked where it is waited for: this is inlined into the everyday way.
        Source::Connection(_) | Source::Cluster(..) | Source::Named(..) | Source::Set(..) => {
            Ok(None)
        }
    }
}

/// A connection from the source, as soon as one is there.
pub(super) async fn lease(source: Source<'_>) -> Result<Guard<'_>> {
    match source {
        Source::Pool(pool) | Source::Lanes(pool) | Source::Lane(pool, _) => {
            match pool.acquire().await {
                Ok(lease) => Ok(Guard::Lent(lease)),
                Err(error) => Err(failure::of_pool(error)),
            }
        }
        Source::Held(held, depth) => {
            held.check(depth)?;
            let lease = held.connection.lock().await;
            // Asked again: a transaction may have been opened inside while this one waited.
            held.check(depth)?;
            Ok(Guard::held(lease, held.take_pending()))
        }
        Source::Connection(session) => match session.now()? {
            Some(connection) => Ok(Guard::Held(connection, Vec::new())),
            None => Ok(Guard::Held(session.wait().await?, Vec::new())),
        },
        Source::Cluster(route, _) => match route.cluster.acquire().await {
            Ok(lease) => Ok(Guard::Lent(lease)),
            Err(error) => Err(failure::of_pool(error)),
        },
        Source::Named(..) => Box::pin(lease(source.of(None)?)).await,
        Source::Set(configured, effect) => Box::pin(lease(configured.inner().with(effect))).await,
    }
}
