//! Cancellations that reach the server late: none hits the next statement.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stellata_client::{Config, Connection, Error, ErrorKind, Plan, QueryOptions, SqlState};
use stellata_testkit::{Database, Proxy, Server, run_within, with_database};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What a request to cancel begins with: its length, and 1234 and 5678.
const CANCEL: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];

/// How many sessions there are in the long form. Most of the time of each is waiting.
const SESSIONS: u64 = 16;

fn is_cancelled(error: &Error) -> bool {
    error.sqlstate() == Some(SqlState::QUERY_CANCELED)
}

async fn one(connection: &mut Connection, n: i64) {
    assert_eq!(connection.query_one::<(i64,)>("select $1 + 0", (n,)).await.unwrap(), (n,));
}

/// Numbers that look drawn, the same in every run.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A way to the server on which each request to cancel is late by what is drawn for it, and sessions are not. Returns its
/// port, and counts the requests.
async fn late_cancels(
    database: &Database,
    mut late: impl FnMut() -> Duration + Send + 'static,
) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = database.tcp().port();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let Ok((mut client, _)) = listener.accept().await else { continue };
            let mut first = [0; 8];
            if client.read_exact(&mut first).await.is_err() {
                continue;
            }
            let late = match first == CANCEL {
                true => late(),
                false => Duration::ZERO,
            };
            counted.fetch_add(u64::from(first == CANCEL), Ordering::Relaxed);
            tokio::spawn(async move {
                sleep(late).await;
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
                server.set_nodelay(true)?;
                client.set_nodelay(true)?;
                server.write_all(&first).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, count)
}

fn through(database: &Database, port: u16) -> Config {
    Config::parse(&database.tcp_url()).unwrap().with_port(port)
}

/// How the statements of a session ended.
#[derive(Default)]
struct Tally {
    cancelled: u64,
    done: u64,
}

/// Cancels statements that end about when their cancellation comes, by one way or another, each followed by a query.
async fn cancel_and_ask(config: Config, seed: u64, rounds: u64) -> Tally {
    let mut connection = Connection::connect(&config).await.unwrap();
    let handle = connection.cancel_handle();
    let mut drawn = Drawn(seed);
    let mut tally = Tally::default();
    for round in 0..rounds {
        let micros = drawn.below(3_000);
        // Now and then it is certain what comes first, on a busy machine too.
        let (sleep_for, micros) = match round % 48 {
            3 | 4 | 18 | 19 => (50_000, 1_000),
            9 | 10 | 24 | 25 => (0, 40_000),
            // Longer than draining waits before it cancels.
            20 => (5_000_000, 1_000),
            _ => (drawn.below(4_000), micros),
        };
        let sql = format!("select pg_sleep({})", sleep_for as f64 / 1e6);
        let limit = Duration::from_micros(micros);
        let ran = match round % 3 {
            0 => connection.with_limit(limit).execute(&sql, ()).await,
            1 => {
                let cancelling = async {
                    sleep(limit).await;
                    handle.cancel().await.unwrap();
                };
                tokio::join!(connection.execute(&sql, ()), cancelling).0
            }
            _ => {
                let dropped = tokio::time::timeout(limit, connection.execute(&sql, ())).await;
                connection.drain(Duration::from_secs(4)).await.unwrap();
                dropped.unwrap_or(Ok(0))
            }
        };
        match ran {
            Ok(_) => tally.done += 1,
            Err(error) => {
                assert!(is_cancelled(&error) || error.kind() == ErrorKind::Timeout, "{error}");
                tally.cancelled += 1;
            }
        }
        one(&mut connection, i64::try_from(round).unwrap()).await;
    }
    tally
}

#[test]
fn a_late_cancellation_never_hits_the_next_statement() {
    let (sessions, rounds) = match std::env::var_os("STELLATA_LONG") {
        Some(_) => (SESSIONS, 20_000 / SESSIONS),
        None => (4, 50),
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(60 + rounds), async {
        let mut drawn = Drawn(7);
        let late = move || Duration::from_micros(drawn.below(6_000));
        let (port, requests) = late_cancels(&database, late).await;
        let config = through(&database, port);
        let running: Vec<_> = (1..=sessions)
            .map(|seed| tokio::spawn(cancel_and_ask(config.clone(), seed, rounds)))
            .collect();
        let mut all = Tally::default();
        for session in running {
            let tally = session.await.unwrap();
            all.cancelled += tally.cancelled;
            all.done += tally.done;
        }
        let requests = requests.load(Ordering::Relaxed);
        println!(
            "{} statements in {sessions} sessions: {} cancelled, {} done, {requests} requests to cancel, 0 hit the next",
            sessions * rounds,
            all.cancelled,
            all.done,
        );
        assert!(requests >= sessions * rounds / 3);
        assert!(all.cancelled > 0 && all.done > 0);
    });
}

#[test]
fn a_second_limit_waits_for_the_cancellation_of_the_first() {
    with_database(async |database| {
        // The first request takes its time; a second one would overtake it.
        let mut sent = 0;
        let late = move || {
            sent += 1;
            if sent == 1 { Duration::from_millis(400) } else { Duration::ZERO }
        };
        let (port, requests) = late_cancels(database, late).await;
        let mut connection = Connection::connect(&through(database, port)).await.unwrap();
        let options = QueryOptions::new().limit(Duration::from_millis(20));
        // All but the first are never sent: the cancellation of the first is still under way when their time is over.
        for options in [options, options, options.plan(Plan::Custom)] {
            let ran = connection.with(options).execute("select pg_sleep(60)", ()).await;
            assert_eq!(ran.unwrap_err().kind(), ErrorKind::Timeout);
        }
        for n in 0..20 {
            one(&mut connection, n).await;
            let (slept,): (i64,) =
                connection.query_one("select $1 from pg_sleep(0.025)", (n,)).await.unwrap();
            assert_eq!(slept, n);
        }
        assert_eq!(requests.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn an_idle_connection_waits_for_a_cancellation_without_asking_again_and_again() {
    with_database(async |database| {
        let (port, _) = late_cancels(database, || Duration::from_millis(300)).await;
        let proxy = Proxy::start(&database.tcp().at("127.0.0.1", port)).unwrap();
        let mut connection = Connection::connect(&through(database, proxy.port())).await.unwrap();
        let limit = Duration::from_millis(10);
        let ran = connection.with_limit(limit).execute("select pg_sleep(60)", ()).await;
        assert_eq!(ran.unwrap_err().kind(), ErrorKind::Timeout);
        connection.check().unwrap();
        let idle = tokio::time::timeout(Duration::from_millis(600), connection.idle()).await;
        assert!(idle.is_err(), "nothing came");
        let syncs = proxy.frontend_tags().into_iter().filter(|sent| sent.1 == 'S').count();
        assert!(syncs <= 4, "{syncs} Syncs");
        assert!(connection.is_quiet());
        one(&mut connection, 1).await;
    });
}
