//! A throwaway PostgreSQL server.

mod binaries;
mod copy;
mod options;
mod login;
mod standby;
mod template;

pub use options::ServerOptions;

use crate::endpoint::{self, Endpoint, Host};
use crate::error::Error;
use crate::journal;
use crate::kept::folder::Folder;
use crate::kept::keeper::{Death, Keeper, send_signal};
use crate::roles::SUPERUSER;
use crate::sql::{self, Session};
use binaries::Binaries;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use template::Template;

/// The major versions that stellata supports.
pub const VERSIONS: [u32; 5] = [14, 15, 16, 17, 18];

/// How long a server may take to answer its first query.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A free port may be taken by another process before the server has it.
const PORTS_TO_TRY: u32 = 5;

/// Unsafe where it saves time: what is in these servers is not meant to outlive a crash of the
/// machine. Shared memory lies in the data folder, where it is removed with it.
const SETTINGS: [(&str, &str); 19] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("wal_level", "logical"),
    ("max_wal_senders", "10"),
    ("max_replication_slots", "10"),
    ("max_connections", "200"),
    ("max_prepared_transactions", "20"),
    ("dynamic_shared_memory_type", "mmap"),
    ("huge_pages", "off"),
    // The data may lie in memory, which a query gone wild must not eat up.
    ("temp_file_limit", "1GB"),
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_permissions", "0777"),
    ("logging_collector", "off"),
    ("log_checkpoints", "off"),
    ("log_line_prefix", "%m [%p] %q%u@%d "),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// How to stop a server
/// ([manual, 19.5](https://www.postgresql.org/docs/current/server-shutdown.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Waits for all clients to leave.
    Smart,
    /// Ends all sessions, then stops in order.
    Fast,
    /// Stops at once; the next start recovers from the log.
    Immediate,
    /// Kills the server and its children, as a power cut would.
    Kill,
}

/// A PostgreSQL server for tests: one of our own, or the one that `DATABASE_URL` names.
///
/// A server of our own has its data in memory where there is room, a unix socket and a TCP port
/// on 127.0.0.1. Everybody may log in as anybody without a password, except that
/// [`MD5_USER`](crate::MD5_USER), [`SCRAM_USER`](crate::SCRAM_USER) and
/// [`PASSWORD_USER`](crate::PASSWORD_USER) have to show theirs over TCP, and the superuser of the
/// shared servers has to where `STELLATA_JOURNAL` names a folder for what the tests tell. It is
/// stopped and its files are removed when the value is dropped or, at the latest, when this
/// process ends in any way.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    tcp: Endpoint,
    /// The database for statements that belong to none.
    maintenance: String,
    version: u32,
    own: Option<Own>,
    tidied: Once,
}

/// What belongs to a server that we started. Fields are dropped in this order: the keeper stops
/// the server before the folder goes.
#[derive(Debug)]
struct Own {
    keeper: Mutex<Keeper>,
    folder: Folder,
    binaries: Binaries,
    /// What it was started with, for a standby to be like it.
    options: ServerOptions,
}

impl Server {
    /// The server that all tests of this process share: the one named by `DATABASE_URL` if that
    /// is set, else one of our own, started at the first call.
    ///
    /// # Errors
    /// As [`Server::start`], or when the server named by `DATABASE_URL` can't be reached; the
    /// same at each call.
    pub fn shared() -> Result<&'static Server, Error> {
        static SHARED: OnceLock<Result<Server, Error>> = OnceLock::new();
        let made = SHARED.get_or_init(|| match env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => Server::at(&url),
            _ => Server::start_guarded(ServerOptions::new()),
        });
        made.as_ref().map_err(Error::clone)
    }

    /// The server of this major version, 18 say, that all tests of this process share, started at
    /// the first call; `None` where that version is neither installed nor fetched (see
    /// [`ServerOptions::of_version`]). It is [`Server::shared`] where that has the version.
    ///
    /// # Errors
    /// As [`Server::start`]; the same at each call.
    pub fn of_version(major: u32) -> Result<Option<&'static Server>, Error> {
        static SHARED: [OnceLock<Result<Option<Server>, Error>>; VERSIONS.len()] =
            [const { OnceLock::new() }; VERSIONS.len()];
        if let Some(shared) = Server::shared().ok().filter(|shared| shared.version() == major) {
            return Ok(Some(shared));
        }
        let Some(place) = VERSIONS.iter().position(|version| *version == major) else {
            return Err(Error::new(format!("PostgreSQL {major} is not supported")));
        };
        let made = SHARED[place].get_or_init(|| {
            ServerOptions::of_version(major).map(Server::start_guarded).transpose()
        });
        made.as_ref().map(Option::as_ref).map_err(Error::clone)
    }

    /// A server of this major version or a newer one, that all tests of this process share:
    /// [`Server::shared`] where that will do, else the newest of those that are installed or
    /// fetched; `None` where none of them is new enough.
    ///
    /// # Errors
    /// As [`Server::of_version`].
    pub fn since(major: u32) -> Result<Option<&'static Server>, Error> {
        let shared = Server::shared()?;
        if shared.version() >= major {
            return Ok(Some(shared));
        }
        let newer = VERSIONS.into_iter().rev().filter(|version| *version >= major);
        newer.map(Server::of_version).find_map(Result::transpose).transpose()
    }

    /// A server that somebody else runs; its superuser, or one who may create databases, is
    /// named by the URL. Nothing is started or stopped.
    ///
    /// # Errors
    /// When the URL is none, or the server can't be reached or does not let us in.
    pub fn at(url: &str) -> Result<Server, Error> {
        let (endpoint, database) = Endpoint::parse(url)?;
        let maintenance = database.unwrap_or_else(|| SUPERUSER.to_owned());
        let version = ask_version(&endpoint, &maintenance)
            .map_err(|cause| Error::while_doing("asking a server for its version", cause))?;
        Ok(Server {
            tcp: endpoint.clone(),
            endpoint,
            maintenance,
            version,
            own: None,
            tidied: Once::new(),
        })
    }

    /// Starts a server of our own and waits until it answers, 60 seconds at most.
    ///
    /// # Errors
    /// When no PostgreSQL is installed, or it does not start; the message has the server's log.
    pub fn start(options: ServerOptions) -> Result<Server, Error> {
        journal::begin();
        let binaries = Binaries::find(options.binaries.as_deref())?;
        let partial = Template::fresh_place();
        let (folder, guard) = Folder::create(&partial)?;
        let version = binaries.version(folder.account())?;
        let template = Template::of(&binaries, &version, partial);
        let guard = template.fill(&folder, &binaries, guard)?;
        configure(&folder, &options, &[])?;
        let (keeper, endpoint) = launch_somewhere(&folder, &binaries)?;
        guard.leave();
        let maintenance = SUPERUSER.to_owned();
        let version = ask_version(&endpoint, &maintenance)?;
        sql::run(&endpoint, SUPERUSER, &login::roles())?;
        let tcp = endpoint.at("127.0.0.1", endpoint.port());
        let own = Own { keeper: Mutex::new(keeper), folder, binaries, options };
        Ok(Server { endpoint, tcp, maintenance, version, own: Some(own), tidied: Once::new() })
    }

    /// The way to the server for its superuser: the unix socket of a server of our own, or what
    /// `DATABASE_URL` says.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The way to the server by TCP, for its superuser.
    pub fn tcp(&self) -> &Endpoint {
        &self.tcp
    }

    /// Whether the server is one of our own, which may be stopped and started.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The folder of the unix socket, if the server has one that we know.
    pub fn socket_dir(&self) -> Option<&Path> {
        match self.endpoint.host() {
            Host::Unix(folder) => Some(folder),
            Host::Tcp(_) => None,
        }
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.tcp.port()
    }

    /// The URL of a database, by the unix socket where there is one.
    pub fn url(&self, database: &str) -> String {
        self.endpoint.url(database)
    }

    /// The URL of a database by TCP.
    pub fn tcp_url(&self, database: &str) -> String {
        self.tcp.url(database)
    }

    /// The database for statements that belong to none, such as `create database`: `postgres`,
    /// or the one `DATABASE_URL` names.
    pub fn maintenance_database(&self) -> &str {
        &self.maintenance
    }

    /// The name of the superuser.
    pub fn superuser(&self) -> &str {
        self.endpoint.user()
    }

    /// The server's version as a number, 150018 for 15.18.
    pub fn version_number(&self) -> u32 {
        self.version
    }

    /// The server's major version, such as 15.
    pub fn version(&self) -> u32 {
        self.version / 10_000
    }

    /// The process number of a running server of our own.
    pub fn process(&self) -> Option<u32> {
        let own = self.own.as_ref()?;
        let keeper = own.keeper();
        keeper.child().filter(|_| !keeper.is_gone())
    }

    /// The data folder of a server of our own.
    pub fn data_dir(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|own| own.folder.data())
    }

    /// All that a server of our own has logged so far.
    pub fn log(&self) -> String {
        self.own.as_ref().map(|own| own.log()).unwrap_or_default()
    }

    /// Stops the server and waits until all its processes are gone, 30 seconds at most. Its data
    /// stay for [`Server::start_again`]. Stopping a stopped server does nothing.
    ///
    /// This blocks the thread: a client that must act meanwhile needs another one.
    ///
    /// # Errors
    /// When it still runs after that time, or is not a server of our own.
    pub fn stop(&self, how: Shutdown) -> Result<(), Error> {
        let own = self.own()?;
        let mut keeper = own.keeper();
        if keeper.child().is_some() {
            keeper.signal(match how {
                Shutdown::Smart => "TERM",
                Shutdown::Fast => "INT",
                Shutdown::Immediate => "QUIT",
                Shutdown::Kill => "KILL",
            });
        }
        match keeper.wait_until_gone(STOP_LIMIT) {
            true => Ok(()),
            false => Err(Error::while_doing(
                format!("the server did not stop within {STOP_LIMIT:?}"),
                own.log(),
            )),
        }
    }

    /// Starts a stopped server again, with the same data at the same port, and waits until it
    /// answers, 60 seconds at most. A running server is left alone.
    ///
    /// # Errors
    /// As [`Server::start`], or when it is not a server of our own.
    pub fn start_again(&self) -> Result<(), Error> {
        let own = self.own()?;
        let mut keeper = own.keeper();
        if !keeper.wait_until_gone(Duration::ZERO) {
            return Ok(());
        }
        let started = launch(&own.folder, &own.binaries, &self.endpoint);
        // On failure the keeper of before still has the folders, so that another try can be made.
        let before = std::mem::replace(&mut *keeper, started?);
        before.leave();
        Ok(())
    }

    /// [`Server::stop`], then [`Server::start_again`].
    ///
    /// # Errors
    /// As those two.
    pub fn restart(&self, how: Shutdown) -> Result<(), Error> {
        self.stop(how)?;
        self.start_again()
    }

    /// Kills the process of a session at once (SIGKILL), as lack of memory would. The server then
    /// ends all other sessions too and recovers; [`Server::wait_until_ready`] waits for that.
    ///
    /// # Errors
    /// When this server has no session of that process, or is not a server of our own.
    pub fn kill_backend(&self, process: u32) -> Result<(), Error> {
        self.own()?;
        let sessions =
            format!("select pid from pg_catalog.pg_stat_get_activity(null) where pid = {process}");
        if sql::run(&self.endpoint, &self.maintenance, &sessions)?.is_empty() {
            return Err(Error::new(format!("process {process} is no session of this server")));
        }
        send_signal(process, "KILL");
        Ok(())
    }

    /// Waits until the server answers, 60 seconds at most.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_until_ready(&self) -> Result<(), Error> {
        self.wait_for("its first answer", |server| {
            Ok(sql::run(&server.endpoint, &server.maintenance, "select 1").is_ok())
        })
    }

    /// Asks again and again until the answer is yes, 60 seconds at most.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        is_so: impl Fn(&Server) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        while !is_so(self)? {
            if begun.elapsed() > START_LIMIT {
                let waiting = format!("{what} did not come within {START_LIMIT:?}");
                return Err(Error::while_doing(waiting, self.log()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Where tidying up what other processes left is done once.
    pub(crate) fn tidied(&self) -> &Once {
        &self.tidied
    }

    fn own(&self) -> Result<&Own, Error> {
        self.own.as_ref().ok_or_else(|| {
            Error::new("the server of DATABASE_URL is not ours to start or stop: use Server::start")
        })
    }
}

impl Own {
    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> String {
        read_log(&self.folder)
    }
}

fn read_log(folder: &Folder) -> String {
    let log = fs::read(folder.log()).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

fn ask_version(endpoint: &Endpoint, database: &str) -> Result<u32, Error> {
    let rows = sql::run(endpoint, database, "show server_version_num")?;
    let answer = rows.into_iter().flatten().flatten().next().unwrap_or_default();
    answer.parse().map_err(|_| Error::new(format!("{answer:?} is no version of a server")))
}

/// Writes the configuration; `more` are settings that win over all others.
fn configure(folder: &Folder, options: &ServerOptions, more: &[(&str, &str)]) -> Result<(), Error> {
    let data = folder.data();
    let mut settings = String::new();
    let given = options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in SETTINGS.into_iter().chain(given).chain(more.iter().copied()) {
        settings += &format!("{name} = {}\n", sql::quote_literal(value));
    }
    folder.write(&data.join("postgresql.conf"), settings.as_bytes())?;
    let rules = login::rules(options, "trust");
    folder.write(&data.join("pg_hba.conf"), rules.as_bytes())?;
    for (name, contents) in &options.files {
        folder.write(&data.join(name), contents)?;
    }
    Ok(())
}

/// Starts the server at a free port; another process may be quicker to take it, hence the tries.
fn launch_somewhere(folder: &Folder, binaries: &Binaries) -> Result<(Keeper, Endpoint), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = endpoint::free_port()?;
        let endpoint = Endpoint::unix(folder.sockets(), port, SUPERUSER);
        match launch(folder, binaries, &endpoint) {
            Ok(keeper) => return Ok((keeper, endpoint)),
            Err(_) if tries < PORTS_TO_TRY && read_log(folder).contains("already in use") => {
                let _ = fs::remove_file(folder.log());
            }
            Err(cause) => return Err(cause),
        }
    }
}

/// Starts the server at this port and waits for its first answer.
fn launch(folder: &Folder, binaries: &Binaries, endpoint: &Endpoint) -> Result<Keeper, Error> {
    let command = [
        binaries.postgres(),
        PathBuf::from("-D"),
        folder.data(),
        PathBuf::from("-k"),
        folder.sockets().to_owned(),
        PathBuf::from("-p"),
        PathBuf::from(endpoint.port().to_string()),
    ];
    let mut keeper = folder.run(&command, Death::Stopped)?;
    let begun = Instant::now();
    let reason = loop {
        if keeper.wait_until_gone(Duration::ZERO) {
            break "the server ended as it was started".to_owned();
        }
        match Session::connect(endpoint, SUPERUSER) {
            Ok(_) => return Ok(keeper),
            Err(cause) if begun.elapsed() > START_LIMIT => {
                break format!("the server did not answer within {START_LIMIT:?} ({cause})");
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    let log = read_log(folder);
    // The folders stay, for another try or for whoever guards them.
    if keeper.child().is_some() {
        keeper.signal("QUIT");
        keeper.wait_until_gone(STOP_LIMIT);
    }
    keeper.leave();
    Err(Error::while_doing(reason, log))
}
