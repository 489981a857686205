//! What holds where nothing is said.

use std::time::Duration;

/// PostgreSQL's port.
pub(crate) const PORT: u16 = 5432;

/// How long an attempt at one address may take, the login included. libpq waits for ever unless told.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How many prepared statements are kept for reuse.
pub(crate) const STATEMENT_CACHE: usize = 256;

/// Where a server of this machine has its unix socket: Debian's and Red Hat's folder, then PostgreSQL's own. libpq knows
/// only the one it was built with.
pub(crate) const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Where a server is looked for that has no socket in those folders.
pub(crate) const HOST: &str = "localhost";

/// The folder of the service file of the whole machine, unless `PGSYSCONFDIR` says otherwise.
pub(crate) const SYSTEM_FOLDER: &str = "/etc/postgresql-common";
