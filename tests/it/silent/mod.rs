//! A network that goes silent without a word: every call ends at its own limit, or at its caller's, and dropping waits for
//! nothing.
//!
//! Time stands still from the moment of silence on, so that limits are met exactly.

mod calls;

use std::cell::Cell;
use std::time::Duration;

use stellata_client::replication::{
    LogicalOptions, NewSlot, PhysicalOptions, ReplicationConnection,
};
use stellata_client::{
    Backoff, Config, Connection, Error, ErrorKind, ListenEvent, Listener, ListenerOptions,
    QueryOptions, Reconnecting,
};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Ending, Pipe, Proxy, Reply, with_database, with_database_on};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::dropped::poll_and_drop;
use crate::replication::{server, slot_name};

/// The limit of each call, and how much later it may end.
const LIMIT: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_millis(100);

/// The limit for connecting.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The way to a server.
struct Network {
    proxy: Proxy,
    fell_silent: Cell<Option<Instant>>,
}

impl Network {
    fn to(database: &Database) -> Self {
        Self { proxy: Proxy::start(database.tcp()).unwrap(), fell_silent: Cell::new(None) }
    }

    fn config(&self, database: &Database) -> Config {
        let config = Config::parse(&database.tcp_url()).unwrap().with_port(self.proxy.port());
        config.with_connect_timeout(CONNECT_LIMIT)
    }

    /// Nothing passes from here on, and time stands still.
    fn fall_silent(&self) {
        self.proxy.pause();
        tokio::time::pause();
        self.fell_silent.set(Some(Instant::now()));
    }

    /// How long it has been silent.
    fn silent_for(&self) -> Duration {
        self.fell_silent.get().expect("the network fell silent").elapsed()
    }

    fn recover(&self) {
        tokio::time::resume();
        self.proxy.resume();
        self.fell_silent.set(None);
    }

    /// Holds the time since it fell silent against a limit.
    fn took(&self, limit: Duration, what: &str) {
        let took = self.silent_for();
        assert!(
            took + GRACE >= limit && took <= limit + GRACE,
            "{what} took {took:?} of {limit:?}"
        );
    }
}

/// Drops something, which must not wait.
fn drop_at_once<T>(thing: T, what: &str) {
    let start = std::time::Instant::now();
    drop(thing);
    assert!(start.elapsed() < Duration::from_secs(1), "{what}: dropping waits");
}

fn options() -> QueryOptions {
    QueryOptions::new().limit(LIMIT)
}

/// The caller waits for so long, and gives the call up.
async fn given_up<T>(call: impl Future<Output = Result<T, Error>>) -> Result<(), Error> {
    match timeout(LIMIT, call).await {
        Ok(done) => panic!("it has ended: {:?}", done.map(drop)),
        Err(_) => Err(Error::new(ErrorKind::Timeout, "given up")),
    }
}

#[test]
fn where_only_the_session_is_silent_its_cancellation_changes_nothing() {
    with_database(async |database| {
        let network = Network::to(database);
        let mut connection = Connection::connect(&network.config(database)).await.unwrap();
        // The server can still be told to cancel.
        network.proxy.sever(Ending::Silence);
        tokio::time::pause();
        network.fell_silent.set(Some(Instant::now()));
        let ran = connection.with(options()).query::<(i32,)>("select 1", ()).await;
        assert_eq!(ran.unwrap_err().kind(), ErrorKind::Timeout);
        network.took(LIMIT, "With::query");
        let start = Instant::now();
        connection.drain(LIMIT).await.unwrap_err();
        assert!(start.elapsed() <= LIMIT + Duration::from_millis(2));
        assert!(connection.is_closed());
        drop_at_once(connection, "a session");
        network.recover();
    });
}

#[test]
fn on_a_silent_network_connecting_and_cancelling_end_at_their_limit() {
    with_database(async |database| {
        let network = Network::to(database);
        let config = network.config(database);
        let connection = Connection::connect(&config).await.unwrap();
        let handle = connection.cancel_handle();

        network.fall_silent();
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        network.took(CONNECT_LIMIT, "connect");

        network.fell_silent.set(Some(Instant::now()));
        assert_eq!(handle.cancel().await.unwrap_err().kind(), ErrorKind::Timeout);
        network.took(CONNECT_LIMIT, "cancel");

        // Each host has its own time.
        let port = network.proxy.port();
        let hosts =
            format!("host=127.0.0.1,127.0.0.1 port={port},{port} user=me connect_timeout=2");
        network.fell_silent.set(Some(Instant::now()));
        let hosts = Config::parse(&hosts).unwrap();
        assert_eq!(Connection::connect(&hosts).await.unwrap_err().kind(), ErrorKind::Timeout);
        network.took(CONNECT_LIMIT * 2, "connect to two hosts");

        let (client, _server) = Pipe::pair(1024);
        network.fell_silent.set(Some(Instant::now()));
        assert_eq!(Connection::over(client, &config).await.unwrap_err().kind(), ErrorKind::Timeout);
        network.took(CONNECT_LIMIT, "over");

        network.fell_silent.set(Some(Instant::now()));
        let patience = Backoff::new().with_patience(Some(Duration::ZERO));
        let mut reconnecting = Reconnecting::with_backoff(&config, patience);
        assert_eq!(reconnecting.get().await.unwrap_err().kind(), ErrorKind::Timeout);
        network.took(CONNECT_LIMIT, "Reconnecting::get");

        // The goodbye is not heard, and not waited for.
        network.fell_silent.set(Some(Instant::now()));
        connection.close().await;
        network.took(Duration::ZERO, "close");
        network.recover();
    });
}

#[test]
fn a_goodbye_for_which_there_is_no_room_is_given_up() {
    stellata_testkit::run(async {
        let (client, mut server) = Pipe::pair(256);
        let config = Config::parse("postgres://me@localhost/x?sslmode=disable").unwrap();
        let logging_in = async {
            let mut asked = [0; 200];
            assert!(server.read(&mut asked).await.unwrap() > 8);
            server.write_all(Reply::logged_in().bytes()).await.unwrap();
        };
        let (connection, ()) = tokio::join!(Connection::over(client, &config), logging_in);
        let mut connection = connection.unwrap();
        let asked = connection.query::<(i32,)>("select length($1)", ("x".repeat(10_000),));
        assert!(poll_and_drop(1, asked).await.is_none());
        tokio::time::pause();
        let start = Instant::now();
        connection.close().await;
        let took = start.elapsed();
        assert!(
            took >= Duration::from_secs(1) && took <= Duration::from_secs(1) + GRACE,
            "{took:?}"
        );
        drop(server);
    });
}

#[test]
fn a_listener_finds_out_that_its_network_is_silent() {
    with_database(async |database| {
        let network = Network::to(database);
        let config = network.config(database);
        let backoff = Backoff::new()
            .with_first(Duration::from_millis(10))
            .with_patience(Some(Duration::ZERO));
        let options =
            ListenerOptions::new().with_probes(Duration::from_secs(1), LIMIT).with_backoff(backoff);
        // While it waits for notifications.
        let mut listener = Listener::connect_with(&config, options).await.unwrap();
        listener.listen("a").await.unwrap();
        network.fall_silent();
        let event = listener.next().await.unwrap();
        assert!(matches!(event, ListenEvent::Disconnected(_)), "{event:?}");
        network.took(Duration::from_secs(1) + LIMIT, "Listener::next");
        let error = listener.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        network.took(Duration::from_secs(1) + LIMIT + CONNECT_LIMIT, "connecting again");
        drop_at_once(listener, "a listener");
        network.recover();

        // While it is told to listen, or not to.
        for is_more in [true, false] {
            let mut listener = Listener::connect_with(&config, options).await.unwrap();
            listener.listen("a").await.unwrap();
            network.fall_silent();
            let told =
                if is_more { listener.listen("b").await } else { listener.unlisten("a").await };
            assert_eq!(told.unwrap_err().kind(), ErrorKind::Timeout);
            network.took(LIMIT + CONNECT_LIMIT, "Listener::listen");
            let event = listener.next().await.unwrap();
            assert!(matches!(event, ListenEvent::Disconnected(_)), "{event:?}");
            drop_at_once(listener, "a listener");
            network.recover();
        }
    });
}

#[test]
fn a_pool_gives_up_what_is_silent() {
    with_database(async |database| {
        let network = Network::to(database);
        let options = PoolOptions::new().max(1).acquire_timeout(LIMIT).clean_timeout(LIMIT).seed(1);
        let pool = Pool::new(network.config(database), options.clone());
        let mut lease = pool.acquire().await.unwrap();
        network.fall_silent();
        assert!(pool.acquire().await.is_err(), "it is lent");
        network.took(LIMIT, "acquire, exhausted");
        // What is owed when it comes back is waited for as long as cleaning may take.
        assert!(poll_and_drop(1, lease.execute("select 1", ())).await.is_none());
        network.fell_silent.set(Some(Instant::now()));
        drop_at_once(lease, "a lease");
        while pool.status().lent > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        network.took(LIMIT, "cleaning");
        network.fell_silent.set(Some(Instant::now()));
        assert!(pool.acquire().await.is_err(), "none can be opened");
        network.took(LIMIT, "acquire, opening");
        network.fell_silent.set(Some(Instant::now()));
        pool.drain(LIMIT).await;
        assert!(network.silent_for() <= LIMIT + GRACE, "drain");
        drop_at_once(pool, "a pool");

        let pool = Pool::new(network.config(database), options.min(1));
        network.fell_silent.set(Some(Instant::now()));
        assert!(pool.warm_up().await.is_err());
        assert!(network.silent_for() <= CONNECT_LIMIT + GRACE, "warm_up");
        network.recover();
    });
}

#[test]
fn replication_gives_up_a_silent_server() {
    with_database_on(server(), async |database| {
        database.run("create publication everything for all tables").unwrap();
        let network = Network::to(database);
        let config = network.config(database);
        let slot = slot_name();
        let mut replication = ReplicationConnection::connect(&config).await.unwrap();
        replication.create_slot(&NewSlot::logical(&slot)).await.unwrap();
        let logical = LogicalOptions::new(&slot, ["everything"]).with_silence(LIMIT);
        let position = replication.identify_system().await.unwrap().position;
        let physical = PhysicalOptions::new(position).with_silence(LIMIT);
        for step in 0..6 {
            let mut c = ReplicationConnection::connect(&config).await.unwrap();
            let ended = match step {
                0 => {
                    network.fall_silent();
                    c.start_logical(&logical).await.map(drop)
                }
                1 => {
                    // One that was begun before may have something to tell of it.
                    let mut stream = c.start_logical(&logical).await.unwrap();
                    network.fall_silent();
                    async {
                        while stream.next().await?.is_some() {}
                        Ok(())
                    }
                    .await
                }
                2 => {
                    let stream = c.start_logical(&logical).await.unwrap();
                    network.fall_silent();
                    stream.finish().await
                }
                3 => {
                    network.fall_silent();
                    c.start_physical(&physical).await.map(drop)
                }
                4 => {
                    let stream = c.start_physical(&physical).await.unwrap();
                    network.fall_silent();
                    stream.finish().await.map(drop)
                }
                _ => {
                    network.fall_silent();
                    given_up(c.identify_system()).await
                }
            };
            let error = ended.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "step {step}: {error}");
            network.took(LIMIT, &format!("step {step}"));
            assert!(c.is_closed() || step == 5, "step {step}");
            drop_at_once(c, "a replication connection");
            network.recover();
            // The server finds out by itself, or by the end of the socket.
            network.proxy.sever(Ending::Close);
            let free = async {
                let active = format!(
                    "select pg_terminate_backend(active_pid) from pg_replication_slots
                     where slot_name = '{slot}' and active"
                );
                while !database.run(&active).unwrap().is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(Duration::from_secs(20), free).await.unwrap();
        }
    });
}
