//! PgBouncer in front of a test server.

use crate::endpoint::{self, Endpoint, Host};
use crate::error::Error;
use crate::kept::folder::Folder;
use crate::kept::keeper::{Death, Keeper};
use crate::roles::{MD5_USER, PASSWORD, PASSWORD_USER, SCRAM_USER};
use crate::server::Server;
use crate::shelf;
use crate::sql::{self, Rows, Session};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The first version that follows prepared statements through transactions.
const TRACKING: (u32, u32) = (1, 21);

/// How long a pooler may take to answer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// A free port may be taken by another process before the pooler has it.
const PORTS_TO_TRY: u32 = 5;

/// In whose name the pooler's own database may be asked.
const ADMIN: &str = "postgres";

/// What a pooler does unless it is told otherwise.
const SETTINGS: [(&str, &str); 6] = [
    ("pool_mode", "transaction"),
    ("auth_type", "trust"),
    ("admin_users", ADMIN),
    ("listen_addr", "127.0.0.1"),
    ("max_client_conn", "1000"),
    ("default_pool_size", "10"),
];

/// A program of PgBouncer that is here, and the settings to start it with.
#[derive(Clone, Debug)]
pub struct BouncerOptions {
    program: PathBuf,
    version: (u32, u32),
    settings: Vec<(String, String)>,
}

impl BouncerOptions {
    /// The PgBouncer that is installed, else one that `cargo xtask test` has fetched; `None` where
    /// there is none.
    pub fn find() -> Option<BouncerOptions> {
        programs().find_map(|program| BouncerOptions::of(program, (0, 0)))
    }

    /// A PgBouncer that follows prepared statements, as those from 1.21 on do unless
    /// `max_prepared_statements` is 0; `None` where there is none.
    pub fn find_tracking() -> Option<BouncerOptions> {
        programs().find_map(|program| BouncerOptions::of(program, TRACKING))
    }

    fn of(program: PathBuf, at_least: (u32, u32)) -> Option<BouncerOptions> {
        let said = Command::new(&program).arg("--version").output().ok()?.stdout;
        let said = String::from_utf8(said).ok()?;
        let mut numbers = said.lines().next()?.strip_prefix("PgBouncer ")?.split('.');
        let version = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        (version >= at_least).then(|| BouncerOptions { program, version, settings: Vec::new() })
    }

    /// Adds a line to the pooler's configuration. A later one wins over an earlier one, and over
    /// what it does unless told otherwise: transaction mode, no passwords
    /// (`auth_type = trust`; the passwords of the test roles are known to it), 10 connections to
    /// each database.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> BouncerOptions {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The program's version, such as (1, 24).
    pub fn version(&self) -> (u32, u32) {
        self.version
    }
}

/// A PgBouncer in front of all databases of a server. It is stopped and its files are removed when
/// the value is dropped or, at the latest, when this process ends in any way.
#[derive(Debug)]
pub struct Bouncer {
    // Dropped first: it stops the pooler before the folder goes.
    keeper: Mutex<Keeper>,
    folder: Folder,
    tcp: Endpoint,
    /// The superuser's.
    password: String,
    version: (u32, u32),
}

impl Bouncer {
    /// Starts a pooler and waits until it answers, 30 seconds at most.
    ///
    /// # Errors
    /// When it does not start; the message has its log.
    pub fn start(server: &Server, options: BouncerOptions) -> Result<Bouncer, Error> {
        let (folder, guard) = Folder::create(Path::new(""))?;
        fs::create_dir(folder.data())
            .map_err(|cause| Error::while_doing("making a folder for a pooler", cause))?;
        folder.hand_over(&folder.data())?;
        let password = server.endpoint().password().unwrap_or(PASSWORD).to_owned();
        let mut tries = 0;
        let (keeper, tcp) = loop {
            tries += 1;
            let tcp = Endpoint::tcp("127.0.0.1", endpoint::free_port()?, ADMIN);
            configure(&folder, server, &options, tcp.port())?;
            match launch(&folder, &options.program, &tcp, &password) {
                Ok(keeper) => break (keeper, tcp),
                Err(_) if tries < PORTS_TO_TRY && log_of(&folder).contains("in use") => {
                    let _ = fs::remove_file(folder.log());
                }
                Err(cause) => return Err(cause),
            }
        };
        guard.leave();
        let keeper = Mutex::new(keeper);
        Ok(Bouncer { keeper, folder, tcp, password, version: options.version })
    }

    /// The way to it by TCP, for the superuser of a server of our own.
    pub fn tcp(&self) -> &Endpoint {
        &self.tcp
    }

    /// The URL of a database behind it, by TCP.
    pub fn url(&self, database: &str) -> String {
        self.tcp.url(database)
    }

    /// Its version, such as (1, 24).
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Asks its own database, say for `show pools` or to `pause`
    /// ([its manual](https://www.pgbouncer.org/usage.html#admin-console)).
    ///
    /// # Errors
    /// Its own error, or that it can't be reached.
    pub fn admin(&self, command: &str) -> Result<Rows, Error> {
        sql::run(&self.admin_endpoint(), "pgbouncer", command)
    }

    /// Its process number while it runs.
    pub fn process(&self) -> Option<u32> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.child().filter(|_| !keeper.is_gone())
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        log_of(&self.folder)
    }

    fn admin_endpoint(&self) -> Endpoint {
        self.tcp.with_user(ADMIN, Some(&self.password))
    }
}

/// Where the program may be: in `PATH`, in the folder of system programs, on the shelf.
fn programs() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let system = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from);
    let fetched = shelf::folders().into_iter().map(|(_, folder)| folder);
    folders
        .into_iter()
        .chain(system)
        .chain(fetched)
        .map(|folder| folder.join("pgbouncer"))
        .filter(|program| program.is_file())
}

fn configure(
    folder: &Folder,
    server: &Server,
    options: &BouncerOptions,
    port: u16,
) -> Result<(), Error> {
    let data = folder.data();
    let behind = server.endpoint();
    let host = match behind.host() {
        Host::Tcp(host) => host.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    };
    let mut text = format!("[databases]\n* = host={host} port={}\n[pgbouncer]\n", behind.port());
    text += &format!("listen_port = {port}\n");
    for (name, value) in [
        ("unix_socket_dir", folder.sockets()),
        ("auth_file", &data.join("users")),
        ("pidfile", &data.join("pgbouncer.pid")),
    ] {
        text += &format!("{name} = {}\n", value.display());
    }
    let given = options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in SETTINGS.into_iter().chain(given) {
        text += &format!("{name} = {value}\n");
    }
    let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let own = behind.password().unwrap_or(PASSWORD);
    let mut users = format!("{} {}\n", quote(behind.user()), quote(own));
    for user in [MD5_USER, SCRAM_USER, PASSWORD_USER] {
        users += &format!("{} {}\n", quote(user), quote(PASSWORD));
    }
    folder.write(&data.join("users"), users.as_bytes())?;
    folder.write(&data.join("pgbouncer.ini"), text.as_bytes())
}

fn launch(
    folder: &Folder,
    program: &Path,
    tcp: &Endpoint,
    password: &str,
) -> Result<Keeper, Error> {
    let command = [program.to_owned(), folder.data().join("pgbouncer.ini")];
    let mut keeper = folder.run(&command, Death::Killed)?;
    let begun = Instant::now();
    let reason = loop {
        if keeper.wait_until_gone(Duration::ZERO) {
            break "the pooler ended as it was started".to_owned();
        }
        match Session::connect(&tcp.with_user(ADMIN, Some(password)), "pgbouncer") {
            Ok(_) => return Ok(keeper),
            Err(cause) if begun.elapsed() > START_LIMIT => {
                break format!("the pooler did not answer within {START_LIMIT:?} ({cause})");
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    let log = log_of(folder);
    if keeper.child().is_some() {
        keeper.signal("KILL");
        keeper.wait_until_gone(START_LIMIT);
    }
    keeper.leave();
    Err(Error::while_doing(reason, log))
}

fn log_of(folder: &Folder) -> String {
    let log = fs::read(folder.log()).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}
