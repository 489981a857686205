//! What comes on connections that nobody has borrowed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stellata_client::{Connection, SslMode, TlsSettings};
use stellata_pool::{Config, Pool, PoolOptions};
use stellata_testkit::{
    Authority, KeyKind, Leaf, Reply, Server, ServerOptions, Shutdown, run, run_within,
    with_database,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{config, eventually, threads};

/// After so long without use the pool listens to all idle connections.
const CALM: Duration = Duration::from_millis(1100);

/// Waits until something is so, while the clock of the runtime stands still.
async fn at_once(what: &str, mut holds: impl FnMut() -> bool) {
    let (start, real) = (Instant::now(), std::time::Instant::now());
    while !holds() {
        assert!(real.elapsed() < Duration::from_secs(30), "it has not come to pass: {what}");
        yield_now().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "{what}, by a timer");
}

/// Ends sessions of an idle pool one after the other, and sees that each is noticed by what the server sends, and replaced.
async fn ends_are_noticed(pool: &Pool, end: impl Fn(i32)) {
    pool.warm_up().await.unwrap();
    let idle = pool.status().idle;
    let opened = pool.metrics().opened;
    for round in 1..=3_u64 {
        let mut lease = pool.acquire().await.unwrap();
        lease.execute("select 1", ()).await.unwrap();
        let process = lease.process_id().unwrap();
        drop(lease);
        let lent = pool.metrics().waits.count();
        tokio::time::pause();
        tokio::time::sleep(CALM).await;
        end(process);
        at_once("it was noticed", || pool.metrics().closed.broken == round).await;
        tokio::time::resume();
        eventually("it was replaced", || {
            pool.status().idle == idle && pool.metrics().opened == opened + round
        })
        .await;
        assert_eq!(pool.metrics().waits.count(), lent, "nobody has borrowed one");
    }
    assert_eq!(pool.metrics().closed.total(), 3);
}

#[test]
fn a_session_that_the_server_ends_is_noticed_at_once_and_replaced() {
    with_database(async |database| {
        let pool = Pool::new(config(database), PoolOptions::new().max(4).min(2));
        let end = |process: i32| {
            database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        };
        ends_are_noticed(&pool, end).await;
    });
}

#[test]
fn an_encrypted_session_that_ends_is_noticed_too_and_so_is_a_restart() {
    let certificate = Authority::new("idle", KeyKind::P256).issue(&Leaf::new(&["localhost"]));
    let options = ServerOptions::new()
        .setting("ssl", "on")
        .setting("ssl_cert_file", "server.pem")
        .setting("ssl_key_file", "server.key")
        .file("server.pem", &*certificate.chain)
        .file("server.key", &*certificate.key);
    let server = Server::start(options).unwrap();
    run_within(Duration::from_secs(100), async {
        let config = Config::parse(&server.tcp_url(server.maintenance_database())).unwrap();
        let config = config.with_tls(TlsSettings::new(SslMode::Require));
        let pool = Pool::new(config, PoolOptions::new().max(8).min(3));
        let end = |process: i32| {
            let sql = format!("select pg_terminate_backend({process})");
            stellata_testkit::sql::run(server.endpoint(), server.maintenance_database(), &sql)
                .unwrap();
        };
        ends_are_noticed(&pool, end).await;
        assert!(pool.acquire().await.unwrap().is_encrypted());

        // A pool that nobody uses finds its server again, down to its minimum.
        let opened = pool.metrics().opened;
        server.stop(Shutdown::Fast).unwrap();
        eventually("the end was noticed", || pool.metrics().closed.broken == 6).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let failed = pool.metrics().failed_to_open;
        assert!((1..=12).contains(&failed), "one at a time: {failed}");
        server.start_again().unwrap();
        eventually("they are back", || pool.status().idle == 3).await;
        assert_eq!(pool.metrics().opened, opened + 3);
    });
}

#[test]
fn a_lane_that_ends_while_nobody_uses_it_is_noticed() {
    with_database(async |database| {
        let pool = Pool::new(config(database), PoolOptions::new().max(2).lanes(1));
        for round in 1..=2 {
            let process: Vec<(i32,)> =
                pool.query_shared("select pg_backend_pid()", ()).await.unwrap();
            assert_eq!(pool.lanes(), 1);
            database.run(&format!("select pg_terminate_backend({})", process[0].0)).unwrap();
            eventually("it was noticed", || pool.metrics().closed.broken == round).await;
            assert_eq!((pool.lanes(), pool.status().lent), (0, 0));
        }
    });
}

/// A server in memory whose sessions say what they are told to.
#[derive(Clone, Default)]
struct World {
    sessions: Arc<Mutex<Vec<UnboundedSender<Vec<u8>>>>>,
    /// How often a client has tried to read.
    reads: Arc<AtomicU64>,
    told: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn pool(&self, options: PoolOptions) -> Pool {
        let world = self.clone();
        Pool::opened_by(move || world.clone().connect(), options)
    }

    async fn connect(self) -> stellata_client::Result<Connection> {
        let (client, server) = tokio::io::duplex(1 << 16);
        let (say, mut said) = unbounded_channel();
        self.sessions.lock().unwrap().push(say);
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(server);
            let mut asked = [0; 512];
            if from.read(&mut asked).await.is_err() {
                return;
            }
            let mut next = Some(Reply::logged_in().bytes().to_vec());
            while let Some(bytes) = next {
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
                next = said.recv().await;
            }
        });
        let (notices, settings) = (Arc::clone(&self.told), Arc::clone(&self.told));
        let config = Config::parse("postgres://me@in.memory/x?sslmode=disable")?
            .with_on_notice(move |notice| notices.lock().unwrap().push(notice.message.to_string()))
            .with_on_parameter(move |name, value| {
                settings.lock().unwrap().push(format!("{name} is {value}"));
            });
        Connection::over(Counted { stream: client, reads: self.reads }, &config).await
    }

    fn say(&self, session: usize, reply: Reply) {
        self.sessions.lock().unwrap()[session].send(reply.bytes().to_vec()).unwrap();
    }
}

/// A stream that counts how often it is asked for bytes.
struct Counted {
    stream: DuplexStream,
    reads: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A pool of so many idle connections, which it listens to.
async fn calm(world: &World, connections: usize) -> Pool {
    let pool = world.pool(PoolOptions::new().max(connections).min(connections));
    pool.warm_up().await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(CALM).await;
    pool
}

#[test]
fn what_the_server_says_to_idle_connections_is_told_at_once() {
    run(async {
        let world = World::default();
        let pool = calm(&world, 3).await;
        let told = || world.told.lock().unwrap().clone();
        for round in 0..3 {
            world.say(1, Reply::new().notice("the server has something to say"));
            at_once("it was told", || told().len() == 1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let other = format!("radio {round}");
            world.say(1, Reply::new().parameter("application_name", &other));
            at_once("that was told", || told().len() == 2).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(
                told(),
                [
                    "the server has something to say".to_owned(),
                    format!("application_name is {other}")
                ]
            );
            world.told.lock().unwrap().clear();
        }
        assert_eq!((pool.status().idle, pool.metrics().closed.total()), (3, 0));
        // Its goodbye, and an end without a word.
        world.say(1, Reply::new().error("FATAL", "57P01", "terminating connection"));
        at_once("it was closed", || pool.metrics().closed.broken == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.sessions.lock().unwrap().swap_remove(0);
        at_once("so was the other", || pool.metrics().closed.broken == 2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((pool.status().idle, pool.metrics().opened), (3, 5), "they were replaced");
        // What nobody may say unasked, by one of the new ones.
        tokio::time::sleep(CALM).await;
        world.say(0, Reply::new().parse_complete());
        at_once("it is not believed", || pool.metrics().closed.broken == 3).await;
    });
}

#[test]
fn a_silent_pool_reads_nothing() {
    run(async {
        let world = World::default();
        let pool = calm(&world, 3).await;
        let reads = world.reads.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(world.reads.load(Ordering::Relaxed), reads);
        // Where a stream should forget to wake its reader, all are read now and then.
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(world.reads.load(Ordering::Relaxed), reads + 3);
        // One that was in use is listened to again.
        for round in 1..4 {
            drop(pool.acquire().await.unwrap());
            tokio::time::sleep(CALM).await;
            world.say(2, Reply::new().notice("x"));
            at_once("it was told", || world.told.lock().unwrap().len() == round).await;
        }
        assert_eq!(pool.metrics().closed.total(), 0);
    });
}

#[test]
fn a_server_that_floods_idle_connections_fills_no_memory() {
    run(async {
        let world = World::default();
        let pool = calm(&world, 1).await;
        let long = "x".repeat(900);
        let reads = world.reads.load(Ordering::Relaxed);
        for _ in 0..200 {
            let some = (0..50).fold(Reply::new(), |some, _| some.notification(7, "channel", &long));
            world.say(0, some);
        }
        // Ten megabytes are taken in, a hundred times a second at most.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let taken = world.reads.load(Ordering::Relaxed) - reads;
        println!("{taken} reads");
        let mut lease = pool.try_acquire().unwrap();
        assert!(lease.buffered() < 1 << 20, "{}", lease.buffered());
        let kept = std::iter::from_fn(|| lease.pop_notification()).count();
        assert!(kept <= 8192, "{kept}");
        assert_eq!(kept as u64 + lease.dropped_notifications(), 10_000);
    });
}

#[test]
fn a_function_that_panics_loses_no_connection() {
    run(async {
        let world = World::default();
        let pool = calm(&world, 2).await;
        // The list is poisoned, so that whoever is told of a notice panics.
        let list = Arc::clone(&world.told);
        std::thread::spawn(move || {
            let _held = list.lock().unwrap();
            panic!("for the test");
        })
        .join()
        .unwrap_err();
        world.say(0, Reply::new().notice("x"));
        tokio::time::sleep(CALM).await;
        assert_eq!((pool.status().idle, pool.status().lent), (2, 0));
        let both = [pool.try_acquire(), pool.try_acquire()];
        assert!(both.iter().all(Option::is_some));
    });
}

#[test]
fn who_comes_while_the_idle_connection_is_looked_at_waits_for_it() {
    let runtime = threads();
    let world = World::default();
    runtime.block_on(async {
        let pool = world.pool(PoolOptions::new().max(8).min(1));
        pool.warm_up().await.unwrap();
        tokio::time::sleep(CALM).await;
        // Whoever is told of the notice waits, and with it the look.
        let held = world.told.lock().unwrap();
        world.say(0, Reply::new().notice("x"));
        let start = std::time::Instant::now();
        while pool.status().idle > 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "nobody looks at it");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(pool.try_acquire().is_none());
        let mut acquiring = Box::pin(pool.acquire());
        let polled = acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(pool.status().opening, 0);
        drop(held);
        tokio::time::timeout(Duration::from_secs(20), acquiring).await.unwrap().unwrap();
        assert_eq!(pool.metrics().opened, 1);
    });
}
