//! A fresh database for each test.

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::roles::UNGUARDED;
use crate::sentinel::SENTINEL;
use crate::server::Server;
use crate::sql::{self, Rows, Session};
use crate::unique;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A test that ends must not wait for long on a server that hangs.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

/// On a server that is not ours nobody removes what a killed test left; the next test process
/// does, once it is this old.
const ABANDONED: Duration = Duration::from_secs(6 * 3600);

const PREFIX: &str = "stellata_test_";

/// A database of its own, made in milliseconds, dropped with the value whoever is still connected.
///
/// A drop that fails (the server was stopped, say) is let be: on a server of our own it goes with
/// the server, on another one the next test process removes it after six hours.
#[derive(Debug)]
pub struct Database {
    name: String,
    endpoint: Endpoint,
    tcp: Endpoint,
    maintenance: String,
    version: u32,
}

impl Database {
    /// An empty database.
    ///
    /// # Errors
    /// When the server refuses or can't be reached.
    pub fn create(server: &Server) -> Result<Database, Error> {
        // template1 may be in use or have been filled by somebody, template0 can't.
        Database::create_from(server, "template0")
    }

    /// A copy of the database `template`, to which nobody may be connected meanwhile.
    ///
    /// # Errors
    /// As [`Database::create`], and when the template is not there or in use.
    pub fn create_from(server: &Server, template: &str) -> Result<Database, Error> {
        if !server.is_own() {
            remove_abandoned(server);
        }
        let database = Database {
            name: fresh_name(),
            endpoint: server.endpoint().clone(),
            tcp: server.tcp().clone(),
            maintenance: server.maintenance_database().to_owned(),
            version: server.version(),
        };
        database.copy(template)?;
        Ok(database)
    }

    /// A copy of this database, to which nobody may be connected meanwhile.
    ///
    /// # Errors
    /// As [`Database::create_from`].
    pub fn duplicate(&self) -> Result<Database, Error> {
        let copy = Database {
            name: fresh_name(),
            endpoint: self.endpoint.clone(),
            tcp: self.tcp.clone(),
            maintenance: self.maintenance.clone(),
            version: self.version,
        };
        copy.copy(&self.name)?;
        Ok(copy)
    }

    fn copy(&self, template: &str) -> Result<(), Error> {
        // The other way of copying writes every page to the log; 15 is the first with the choice.
        let strategy = if self.version >= 15 { " strategy file_copy" } else { "" };
        let (name, template) = (sql::quote_identifier(&self.name), sql::quote_identifier(template));
        let create = format!("create database {name} template {template}{strategy}");
        sql::run(&self.endpoint, &self.maintenance, &create)
            .map(drop)
            .map_err(|cause| Error::while_doing("making a database for a test", cause))
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL for the superuser, by the unix socket where there is one.
    pub fn url(&self) -> String {
        self.endpoint.url(&self.name)
    }

    /// Its URL for the superuser by TCP.
    pub fn tcp_url(&self) -> String {
        self.tcp.url(&self.name)
    }

    /// The way to its server for the superuser.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The way to its server by TCP for the superuser.
    pub fn tcp(&self) -> &Endpoint {
        &self.tcp
    }

    /// The same for a superuser who needs no password, in every run of the tests: without drawn
    /// numbers in its login a session can be played again.
    pub fn unguarded_tcp(&self) -> Endpoint {
        match self.tcp.password() {
            Some(SENTINEL) => self.tcp.with_user(UNGUARDED, None),
            _ => self.tcp.clone(),
        }
    }

    /// The major version of its server.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Runs statements in a session of the testkit's own, and gives the rows of all of them.
    ///
    /// # Errors
    /// The server's first error, or that it can't be reached.
    pub fn run(&self, sql: &str) -> Result<Rows, Error> {
        sql::run(&self.endpoint, &self.name, sql)
    }

    /// Opens a session of the testkit's own: a second pair of eyes on what a client does.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn session(&self) -> Result<Session, Error> {
        Session::connect(&self.endpoint, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop =
            format!("drop database if exists {} with (force)", sql::quote_identifier(&self.name));
        let _ = Session::connect_within(&self.endpoint, &self.maintenance, DROP_PATIENCE)
            .and_then(|mut session| session.run(&drop));
    }
}

/// A name that tells when and by whom it was made, and that no other test chooses.
fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}_{}_{count}_{}", seconds_now(), process::id(), unique::word())
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Drops the databases that tests have left on a server that is not ours, once per process.
fn remove_abandoned(server: &Server) {
    server.tidied().call_once(|| {
        let Ok(mut session) = Session::connect(server.endpoint(), server.maintenance_database())
        else {
            return;
        };
        let names = session.run("select datname from pg_catalog.pg_database").unwrap_or_default();
        for name in names.into_iter().flatten().flatten().filter(|name| is_abandoned(name)) {
            // Without force: somebody may look at it with a debugger.
            let _ = session.run(&format!("drop database {}", sql::quote_identifier(&name)));
        }
    });
}

fn is_abandoned(name: &str) -> bool {
    let made = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
    let made: Option<u64> = made.and_then(|seconds| seconds.parse().ok());
    made.is_some_and(|made| made.saturating_add(ABANDONED.as_secs()) < seconds_now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_names_of_ours_are_abandoned() {
        assert!(is_abandoned("stellata_test_1600000000_12_0_abcdef01"));
        assert!(!is_abandoned(&fresh_name()));
        assert!(!is_abandoned("stellata_test_x"));
        assert!(!is_abandoned("customers"));
    }
}
