//! Streaming standbys
//! ([manual, 27.2](https://www.postgresql.org/docs/current/warm-standby.html)).

use super::{Own, Server, configure, copy, launch, launch_somewhere};
use crate::endpoint::{Endpoint, Host};
use crate::error::Error;
use crate::kept::folder::Folder;
use crate::roles::SUPERUSER;
use crate::sql::{self, Session};
use crate::unique;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, Once};
use std::time::Duration;

/// How long a standby may take to become a primary.
const LIMIT: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a standby of this server: another one with the same programs and options, which
    /// begins as a copy and then follows by streaming, from a slot of its own. Databases must not
    /// lie in tablespaces.
    ///
    /// # Errors
    /// As [`Server::start`], or when this is not a server of our own.
    pub fn start_standby(&self) -> Result<Server, Error> {
        let primary = self.own()?;
        let (binaries, options) = (primary.binaries.clone(), primary.options.clone());
        let (folder, guard) = Folder::create(Path::new(""))?;
        begin_as_copy(self, primary, &folder)?;
        let (keeper, endpoint) = launch_somewhere(&folder, &binaries)?;
        guard.leave();
        Ok(Server {
            tcp: endpoint.at("127.0.0.1", endpoint.port()),
            endpoint,
            maintenance: self.maintenance.clone(),
            version: self.version,
            own: Some(Own { keeper: Mutex::new(keeper), folder, binaries, options }),
            tidied: Once::new(),
        })
    }

    /// Makes this server, which must be stopped, a standby of another one that runs: what it held
    /// is replaced by a copy, its port stays.
    ///
    /// # Errors
    /// As [`Server::start_standby`], or when it still runs.
    pub fn follow(&self, primary: &Server) -> Result<(), Error> {
        let own = self.own()?;
        let mut keeper = own.keeper();
        if !keeper.wait_until_gone(Duration::ZERO) {
            return Err(Error::new("a server must be stopped before it can follow another one"));
        }
        fs::remove_dir_all(own.folder.data())
            .map_err(|cause| Error::while_doing("removing what a server held", cause))?;
        begin_as_copy(primary, primary.own()?, &own.folder)?;
        let started = launch(&own.folder, &own.binaries, &self.endpoint);
        let before = std::mem::replace(&mut *keeper, started?);
        before.leave();
        Ok(())
    }

    /// Whether it is a standby, and has not been promoted.
    ///
    /// # Errors
    /// When it can't be reached.
    pub fn is_standby(&self) -> Result<bool, Error> {
        Ok(one(&self.endpoint, "select pg_catalog.pg_is_in_recovery()")? == "t")
    }

    /// Makes a standby a primary, and waits until it takes writes, 60 seconds at most.
    ///
    /// # Errors
    /// When it is no standby, can't be reached or takes longer.
    pub fn promote(&self) -> Result<(), Error> {
        let promoted = format!("select pg_catalog.pg_promote(true, {})", LIMIT.as_secs());
        match one(&self.endpoint, &promoted)?.as_str() {
            "t" => Ok(()),
            _ => Err(Error::while_doing("the standby was not promoted", self.log())),
        }
    }

    /// Waits until `standby` shows all that this server has committed so far, 60 seconds at most.
    ///
    /// # Errors
    /// When either can't be reached, or it takes longer.
    pub fn wait_for_standby(&self, standby: &Server) -> Result<(), Error> {
        // A commit that waits for the disk takes all before it along.
        let position = one(
            &self.endpoint,
            "set synchronous_commit = local; \
             select pg_catalog.pg_logical_emit_message(true, 'stellata', ''); \
             select pg_catalog.pg_current_wal_flush_lsn()",
        )?;
        let replayed = format!("select pg_catalog.pg_last_wal_replay_lsn() >= '{position}'");
        standby.wait_for("what the primary has", |standby| {
            Ok(one(&standby.endpoint, &replayed)? == "t")
        })
    }
}

/// The last value of the last row.
fn one(endpoint: &Endpoint, sql: &str) -> Result<String, Error> {
    let rows = sql::run(endpoint, SUPERUSER, sql)?;
    Ok(rows.into_iter().flatten().flatten().next_back().unwrap_or_default())
}

/// Fills a folder with a copy of a running server, ready to follow it.
fn begin_as_copy(primary: &Server, own: &Own, folder: &Folder) -> Result<(), Error> {
    let slot = format!("standby_{}", unique::word());
    let mut session = Session::connect(&primary.endpoint, SUPERUSER)?;
    session
        .run(&format!("select pg_catalog.pg_create_physical_replication_slot('{slot}', true)"))?;
    let (begin, end) = if primary.version() >= 15 {
        ("pg_backup_start('standby', true)", "pg_backup_stop(false)")
    } else {
        ("pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)")
    };
    session.run(&format!("select pg_catalog.{begin}"))?;
    copy::live(&own.folder.data(), &folder.data(), folder)
        .map_err(|cause| Error::while_doing("copying a running server", cause))?;
    let label = session.run(&format!("select labelfile from pg_catalog.{end}"))?;
    let label = label.into_iter().flatten().flatten().next().unwrap_or_default();
    folder.write(&folder.data().join("backup_label"), label.as_bytes())?;
    folder.write(&folder.data().join("standby.signal"), b"")?;
    let Host::Unix(sockets) = primary.endpoint.host() else {
        return Err(Error::new("a server of our own has a unix socket"));
    };
    let way = format!(
        "host={} port={} user={} application_name={slot}",
        quote(&sockets.to_string_lossy()),
        primary.endpoint.port(),
        primary.endpoint.user(),
    );
    let more = [("primary_conninfo", way.as_str()), ("primary_slot_name", slot.as_str())];
    configure(folder, &own.options, &more)
}

/// A value of a connection string
/// ([manual, 34.1.1.1](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE)).
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
