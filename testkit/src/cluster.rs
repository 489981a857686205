//! A primary and its streaming standby, for tests of failover.

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::server::{Server, ServerOptions, Shutdown};
use crate::sql;

/// Two servers of our own: a primary and a standby that follows it by streaming. Each may be
/// stopped and killed as a [`Server`]; whatever becomes of this process, nothing is left of them.
///
/// Commits wait for the disk (`synchronous_commit = on`), but not for the standby, unless
/// [`Cluster::set_synchronous`] says so.
#[derive(Debug)]
pub struct Cluster {
    servers: [Server; 2],
    /// Which of the two is the primary.
    primary: usize,
    synchronous: bool,
}

impl Cluster {
    /// Starts both, with the same options.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start(options: ServerOptions) -> Result<Cluster, Error> {
        let primary = Server::start(options.setting("synchronous_commit", "on"))?;
        let standby = primary.start_standby()?;
        Ok(Cluster { servers: [primary, standby], primary: 0, synchronous: false })
    }

    /// The server that takes writes, or took them last.
    pub fn primary(&self) -> &Server {
        &self.servers[self.primary]
    }

    /// The other one.
    pub fn standby(&self) -> &Server {
        &self.servers[1 - self.primary]
    }

    /// Both servers in the order of their start, which no failover changes.
    pub fn servers(&self) -> &[Server; 2] {
        &self.servers
    }

    /// The URL of a database by TCP that names both servers, in the order of their start
    /// ([manual, 34.1.1.3](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS)).
    pub fn url(&self, database: &str) -> String {
        let [first, second] = &self.servers;
        let (own, other) = (
            format!(":{}/", first.port()),
            format!(":{0},127.0.0.1:{1}/", first.port(), second.port()),
        );
        first.tcp_url(database).replacen(&own, &other, 1)
    }

    /// Says whether a commit of the primary waits until its standby shows it. Off at first; while
    /// it is on and the standby is away, commits wait for ever.
    ///
    /// # Errors
    /// When the primary refuses.
    pub fn set_synchronous(&mut self, synchronous: bool) -> Result<(), Error> {
        let primary = self.primary();
        let settings = match synchronous {
            true => [
                "alter system set synchronous_standby_names = '*'",
                "alter system set synchronous_commit = remote_apply",
            ],
            false => [
                "alter system reset synchronous_standby_names",
                "alter system reset synchronous_commit",
            ],
        };
        for statement in settings {
            run(primary.endpoint(), statement)?;
        }
        run(primary.endpoint(), "select pg_catalog.pg_reload_conf()")?;
        if synchronous {
            // Once it is in force, a commit comes back when the standby has it.
            primary.wait_for("synchronous replication", |server| {
                let kept = "select 1 from pg_catalog.pg_stat_replication where sync_state = 'sync'";
                Ok(!sql::run(server.endpoint(), server.maintenance_database(), kept)?.is_empty())
            })?;
        }
        self.synchronous = synchronous;
        Ok(())
    }

    /// Waits until the standby shows all that the primary has committed so far.
    ///
    /// # Errors
    /// As [`Server::wait_for_standby`].
    pub fn catch_up(&self) -> Result<(), Error> {
        self.primary().wait_for_standby(self.standby())
    }

    /// Stops the primary this way and promotes the standby, which is the primary from now on. The
    /// old one stays stopped until [`Cluster::rejoin`].
    ///
    /// # Errors
    /// As [`Server::stop`] and [`Server::promote`].
    pub fn fail_over(&mut self, how: Shutdown) -> Result<(), Error> {
        self.primary().stop(how)?;
        self.standby().promote()?;
        self.primary = 1 - self.primary;
        Ok(())
    }

    /// Makes the server that a failover has stopped a standby of the new primary, at its old port.
    /// What it alone had is lost.
    ///
    /// # Errors
    /// As [`Server::follow`].
    pub fn rejoin(&mut self) -> Result<(), Error> {
        self.standby().follow(self.primary())?;
        self.set_synchronous(self.synchronous)
    }
}

fn run(endpoint: &Endpoint, statement: &str) -> Result<(), Error> {
    sql::run(endpoint, "postgres", statement).map(drop)
}
