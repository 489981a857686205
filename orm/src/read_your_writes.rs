//! Reading what one has written, from replicas.

use std::sync::Arc;

use stellata_client::replication::Lsn;

use crate::cluster::{Route, Writes};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::executor::{Executor, Source, sealed};
use crate::transaction::{self, Transaction};

/// A database that shows what was written through this handle, though it reads from replicas. Made by
/// [`Db::read_your_writes`].
///
/// It remembers up to where in the server's log its writes reach. A replica that has not come so far is not believed: the
/// read is made again on the primary. A clone is another handle of the same memory; let each user, or each request, have
/// one of its own.
///
/// What it costs: a write asks for the place in the log in the same flush, so that it takes no further round trip, but one
/// more small statement of the server. A read asks the replica in the same flush whether it has come so far; only where it
/// has not, a second round trip goes to the primary, and the rows of the first are thrown away. Before the first write
/// nothing is asked. Of a single server nothing is ever asked.
///
/// ```no_run
/// # use stellata::prelude::*;
/// # #[derive(Model)]
/// # struct Album { #[model(key, identity)] id: Id<Album>, title: String }
/// # async fn example(db: &Db) -> stellata::Result<()> {
/// let mine = db.read_your_writes();
/// let album = new!(Album { title: "Malibu" }).insert(&mine).await?;
/// let same = Album::get(album.id, &mine).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReadYourWrites {
    db: Db,
    writes: Arc<Writes>,
}

impl Db {
    /// The same database, where reads show what was written through the handle that this gives.
    #[must_use]
    pub fn read_your_writes(&self) -> ReadYourWrites {
        self.read_your_writes_since(Lsn::INVALID)
    }

    /// The same, where reads also show all that was in the log at a place: what [`ReadYourWrites::place`] said in an
    /// earlier request of the same user, or in another process.
    #[must_use]
    pub fn read_your_writes_since(&self, place: Lsn) -> ReadYourWrites {
        ReadYourWrites { db: self.clone(), writes: Arc::new(Writes::since(place)) }
    }
}

impl sealed::Sealed for ReadYourWrites {}

impl Executor for ReadYourWrites {
    fn source(&self) -> Source<'_> {
        match self.db.source() {
            Source::Cluster(route, choice) => Source::Cluster(self.with_writes(route), choice),
            source => source,
        }
    }
}

impl ReadYourWrites {
    fn with_writes<'a>(&'a self, route: Route<'a>) -> Route<'a> {
        Route { writes: Some(&self.writes), ..route }
    }

    /// Up to where in the log the writes reach, to be kept where the user's next request finds it: in a cookie, say.
    /// `None` before the first write. After a write whose outcome is not known (its future was dropped, its connection
    /// lost) it is the last place there can be, and all reads go to the primary from then on.
    #[must_use]
    pub fn place(&self) -> Option<Lsn> {
        Some(self.writes.place()).filter(|place| place.is_valid())
    }

    /// Runs a closure inside a transaction on the primary: see [`Db::transaction`]. What it commits is among the writes.
    ///
    /// # Errors
    /// As [`Db::transaction`].
    ///
    /// # Cancel safety
    /// As [`Db::transaction`].
    pub async fn transaction<T, E>(
        &self,
        run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        let route = match self.source() {
            Source::Cluster(route, _) => Some(route),
            _ => None,
        };
        transaction::begin(self.db.pool(), route, None, run).await
    }
}
