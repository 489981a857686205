//! A database: what an application keeps and hands to its queries.

use stellata_client::Config;
use stellata_pool::{Cluster, ClusterOptions, Pool, PoolOptions, Role};

use crate::cluster::{Choice, Route};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Source, sealed};
use crate::failure;
use crate::schema::Schema;
use crate::transaction::{self, Transaction};

/// A database, reached by a pool of connections to its server, or by those of a cluster of servers. A clone is another
/// handle of the same pools.
#[derive(Clone, Debug)]
pub struct Db {
    reach: Reach,
}

#[derive(Clone, Debug)]
enum Reach {
    Pool(Pool),
    /// A pool over whose lanes reads go.
    Lanes(Pool),
    Cluster {
        cluster: Cluster,
        /// Whether reads go to replicas.
        spreads: bool,
    },
}

impl sealed::Sealed for Db {}

impl Executor for Db {
    #[inline]
    fn source(&self) -> Source<'_> {
        match &self.reach {
            Reach::Pool(pool) => Source::Pool(pool),
            Reach::Lanes(pool) => Source::Lanes(pool),
            Reach::Cluster { cluster, spreads } => Source::Cluster(
                Route { cluster, writes: None },
                Choice { spreads: *spreads, reads: false },
            ),
        }
    }
}

impl From<Pool> for Db {
    fn from(pool: Pool) -> Self {
        let reach = if pool.has_lanes() { Reach::Lanes(pool) } else { Reach::Pool(pool) };
        Self { reach }
    }
}

impl From<Cluster> for Db {
    fn from(cluster: Cluster) -> Self {
        Self { reach: Reach::Cluster { cluster, spreads: true } }
    }
}

impl Db {
    /// Connects to the database of a URL (`postgres://user@host:5432/name`), with the pool's defaults.
    ///
    /// A connection is opened at once, so that what is wrong with the URL, the server or the login shows here.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a URL that can't be read, [`ErrorKind::Timeout`] when no connection was there in time, and
    /// [`ErrorKind::Connection`] when the server can't be reached or refuses: [`Error::sqlstate`] is 28P01 for a wrong password,
    /// 28000 for a user or host that may not log in, 3D000 for a database that is not there.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection is closed.
    pub async fn connect(url: &str) -> Result<Self> {
        let config = Config::parse(url).map_err(|error| failure::of_client(None, error))?;
        Self::connect_with(config, PoolOptions::new()).await
    }

    /// Connects as a configuration says, with these limits of the pool.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    pub async fn connect_with(config: Config, options: PoolOptions) -> Result<Self> {
        let pool = Pool::new(config, options);
        drop(pool.acquire().await.map_err(failure::of_pool)?);
        Ok(pool.into())
    }

    /// Another handle of the same pool, on which reads don't share connections, whatever
    /// [`PoolOptions::lanes`] says: for queries that take long, behind which others would have to wait.
    #[must_use]
    pub fn without_lanes(&self) -> Self {
        match self.clone().reach {
            Reach::Lanes(pool) => Self { reach: Reach::Pool(pool) },
            reach => Self { reach },
        }
    }

    /// Connects to the cluster of a URL with several hosts (`postgres://user@one,two,three/name`), with the defaults of
    /// its pools: one of the hosts is the primary, the others are its streaming standbys, and which is which is found out,
    /// also after a promotion.
    ///
    /// Queries that read run on a replica; all that writes, transactions and SQL by hand run on the primary. What has just
    /// been written may not be at the replica yet: see [`primary`](Self::primary) and
    /// [`read_your_writes`](Self::read_your_writes).
    ///
    /// All servers are looked at and a connection to the primary is opened at once, so that what is wrong with the URL, the
    /// primary or the login shows here. A replica that is away is left out until it comes.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// When the future is dropped the connections are closed.
    pub async fn connect_cluster(url: &str) -> Result<Self> {
        let config = Config::parse(url).map_err(|error| failure::of_client(None, error))?;
        Self::connect_cluster_with(config, ClusterOptions::new()).await
    }

    /// Connects to the cluster of a configuration, with these settings.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// As [`connect_cluster`](Self::connect_cluster).
    pub async fn connect_cluster_with(config: Config, options: ClusterOptions) -> Result<Self> {
        let cluster = Cluster::new(config, options);
        let status = cluster.check().await;
        if status.servers.iter().any(|server| server.role == Role::Replica && !server.is_read_from)
        {
            // Now it is known where the primary was, and they may have come there.
            cluster.check().await;
        }
        drop(cluster.acquire().await.map_err(failure::of_pool)?);
        Ok(cluster.into())
    }

    /// The pool; of a cluster, that of its primary.
    #[inline]
    #[must_use]
    pub fn pool(&self) -> &Pool {
        match &self.reach {
            Reach::Pool(pool) | Reach::Lanes(pool) => pool,
            Reach::Cluster { cluster, .. } => cluster.primary(),
        }
    }

    /// The cluster, if it is one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        match &self.reach {
            Reach::Pool(_) | Reach::Lanes(_) => None,
            Reach::Cluster { cluster, .. } => Some(cluster),
        }
    }

    /// The same database, where all queries run on the primary: for a read that must see what was written last, by
    /// whomever. Of a single server it is the same.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Account { #[model(key, identity)] id: Id<Account>, balance: i64 }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// let account = Account::get(7, &db.primary()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn primary(&self) -> Self {
        match self.clone().reach {
            Reach::Cluster { cluster, .. } => {
                Self { reach: Reach::Cluster { cluster, spreads: false } }
            }
            reach => Self { reach },
        }
    }

    fn route(&self) -> Option<Route<'_>> {
        match self.source() {
            Source::Cluster(route, _) => Some(route),
            _ => None,
        }
    }

    /// Runs a closure inside a transaction: committed when it returns `Ok`, rolled back when it returns an error, panics,
    /// or the future is dropped.
    ///
    /// BEGIN rides along with the first statement; a transaction without a statement never reaches the server.
    ///
    /// ```no_run
    /// # use stellata::prelude::*;
    /// # #[derive(Model)]
    /// # struct Account { #[model(key, identity)] id: Id<Account>, balance: i64 }
    /// # async fn example(db: &Db) -> stellata::Result<()> {
    /// db.transaction(async |tx| {
    ///     Account::query().filter(|a| a.id.eq(1)).update(|a| a.balance.set(a.balance - 10)).exec(tx).await?;
    ///     Account::query().filter(|a| a.id.eq(2)).update(|a| a.balance.set(a.balance + 10)).exec(tx).await?;
    ///     Ok::<_, stellata::Error>(())
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the closure returns. [`ErrorKind::RolledBack`] when it returned `Ok` although a statement in it had failed,
    /// [`ErrorKind::OutcomeUnknown`] when the answer to COMMIT was lost.
    ///
    /// # Cancel safety
    /// When the future is dropped the transaction is rolled back at once, by a task of the pool. Dropped while COMMIT is
    /// under way, it may be committed.
    pub async fn transaction<T, E>(
        &self,
        run: impl AsyncFnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        transaction::begin(self.pool(), self.route(), None, run).await
    }

    /// Makes the tables of all models of a schema, in one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the models don't fit together, [`ErrorKind::Database`] when a table is there already.
    ///
    /// # Cancel safety
    /// When the future is dropped all tables may have been made, or none.
    pub async fn create_all(&self, schema: &Schema) -> Result<()> {
        self.script(schema.create_sql()).await
    }

    /// Makes the tables that are missing, in one transaction. What is there by its name is left as it is.
    ///
    /// # Errors
    /// As [`create_all`](Self::create_all).
    ///
    /// # Cancel safety
    /// As [`create_all`](Self::create_all).
    pub async fn create_missing(&self, schema: &Schema) -> Result<()> {
        self.script(schema.create_missing_sql()).await
    }

    /// Drops the tables of all models of a schema that are there, with their rows.
    ///
    /// # Errors
    /// [`ErrorKind::Database`] when another table refers to one of them.
    ///
    /// # Cancel safety
    /// When the future is dropped all tables may have been dropped, or none.
    pub async fn drop_all(&self, schema: &Schema) -> Result<()> {
        match schema.drop_sql() {
            Some(statement) => self.script(Ok(vec![statement])).await,
            None => Ok(()),
        }
    }

    async fn script(
        &self,
        statements: Result<Vec<String>, crate::schema::SchemaError>,
    ) -> Result<()> {
        let statements = statements
            .map_err(|error| Error::new(ErrorKind::Usage, error.to_string()).with_source(error))?;
        if statements.is_empty() {
            return Ok(());
        }
        let mut lease = self.pool().acquire().await.map_err(failure::of_pool)?;
        let script = statements.join(";\n");
        match lease.simple(&script).await {
            Ok(_) => {
                // Making and dropping tables leaves nothing in the session.
                lease.mark_clean();
                Ok(())
            }
            Err(error) => Err(failure::of_client(None, error)),
        }
    }
}
