//! Who may log in to a server of our own, and how.

use super::{Server, ServerOptions};
use crate::error::Error;
use crate::journal;
use crate::roles::{MD5_USER, PASSWORD, PASSWORD_USER, SCRAM_USER, SUPERUSER, UNGUARDED};
use crate::sentinel::{self, SENTINEL};
use crate::sql::{self, Session};

impl Server {
    /// Starts a server whose superuser has to show a password where a journal is kept, so that the password can be looked for
    /// in it.
    pub(super) fn start_guarded(options: ServerOptions) -> Result<Server, Error> {
        let mut server = Server::start(options)?;
        if journal::is_kept() {
            let password = sql::quote_literal(&sentinel::verifier());
            let own = server.own()?;
            let rules = rules(&own.options, "scram-sha-256");
            own.folder.write(&own.folder.data().join("pg_hba.conf"), rules.as_bytes())?;
            let guard = format!(
                "create role {UNGUARDED} superuser login replication; \
                 alter role {SUPERUSER} password {password}; select pg_catalog.pg_reload_conf()"
            );
            sql::run(&server.endpoint, SUPERUSER, &guard)?;
            for endpoint in [&mut server.endpoint, &mut server.tcp] {
                *endpoint = endpoint.with_user(SUPERUSER, Some(SENTINEL));
            }
            let stranger = server.tcp.with_user(SUPERUSER, None);
            server.wait_for("the demand for a password", |_| {
                Ok(Session::connect(&stranger, SUPERUSER).is_err())
            })?;
            journal::note_guarded(server.port());
        }
        Ok(server)
    }
}

/// Who may log in how; `superuser` is the method of the superuser.
pub(super) fn rules(options: &ServerOptions, superuser: &str) -> String {
    let mut rules = String::new();
    for line in &options.login_rules {
        rules += &format!("{line}\n");
    }
    for (user, method) in
        [(MD5_USER, "md5"), (SCRAM_USER, "scram-sha-256"), (PASSWORD_USER, "password")]
    {
        rules += &format!("host all {user} 127.0.0.1/32 {method}\n");
    }
    // A standby follows by the socket.
    rules += "local replication all trust\n";
    for (user, method) in [(SUPERUSER, superuser), ("all", "trust")] {
        rules += &format!("local all {user} {method}\n");
        for database in ["all", "replication"] {
            rules += &format!("host {database} {user} 127.0.0.1/32 {method}\n");
        }
    }
    rules
}

/// The statements that make the roles of login tests, each password stored as its method needs.
pub(super) fn roles() -> String {
    let password = sql::quote_literal(PASSWORD);
    format!(
        "set password_encryption = 'md5'; create role {MD5_USER} login password {password}; \
         set password_encryption = 'scram-sha-256'; \
         create role {SCRAM_USER} login password {password}; \
         create role {PASSWORD_USER} login password {password}"
    )
}
