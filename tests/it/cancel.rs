//! Cancelling what runs: by a handle, by a time limit, by dropping; and that no cancellation hits another statement.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stellata_client::{
    Config, Connection, Error, ErrorKind, LockMode, Plan, ProtocolVersion, QueryOptions, SqlState,
    TransactionStatus,
};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Proxy, Server, run_within, with_database, with_database_since};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::dropped::poll_and_drop;

/// What a request to cancel begins with: its length, and 1234 and 5678.
const CANCEL: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];

/// How many sessions there are in the long form. Most of the time of each is waiting.
const SESSIONS: u64 = 16;

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

fn is_cancelled(error: &Error) -> bool {
    error.sqlstate() == Some(SqlState::QUERY_CANCELED)
}

async fn one(connection: &mut Connection, n: i64) {
    assert_eq!(connection.query_one::<(i64,)>("select $1 + 0", (n,)).await.unwrap(), (n,));
}

/// Waits until the session with this process sleeps: a cancellation that comes earlier is lost.
async fn asleep(watcher: &mut Connection, process: Option<i32>) {
    let sleeping =
        "select count(*) from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
    while watcher.query_one::<(i64,)>(sleeping, (process,)).await.unwrap() == (0,) {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What a statement of a minute ends with that was cancelled at its limit. A busy machine may take longer than the call
/// waits to know of that: then it is tried again.
async fn cancelled_at(limit: Duration, connection: &mut Connection) -> Error {
    for _ in 0..20 {
        let sleeping = "select 1 from pg_sleep(60)";
        let error = connection.with_limit(limit).query::<(i32,)>(sleeping, ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        if error.to_string().contains("was cancelled") {
            return error;
        }
        assert!(error.to_string().ends_with("what became of it is not known"), "{error}");
        connection.drain(Duration::from_secs(20)).await.unwrap();
    }
    panic!("no call has seen its statement cancelled");
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
            let late = if first == CANCEL { late() } else { Duration::ZERO };
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

#[test]
fn a_handle_cancels_from_another_task() {
    with_database(async |database| {
        for url in [database.url(), database.tcp_url()] {
            let mut connection = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap();
            let handle = connection.cancel_handle();
            let (other, process) = (handle.clone(), connection.process_id());
            let mut watcher = connect(database).await;
            let cancelling = tokio::spawn(async move {
                asleep(&mut watcher, process).await;
                other.cancel().await
            });
            let error = connection.execute("select pg_sleep(60)", ()).await.unwrap_err();
            assert!(is_cancelled(&error), "{error}");
            cancelling.await.unwrap().unwrap();
            one(&mut connection, 1).await;
            // With nothing to cancel it is no harm.
            handle.cancel().await.unwrap();
            one(&mut connection, 2).await;
            let shown = format!("{handle:?}");
            assert!(shown.contains(&connection.process_id().unwrap().to_string()), "{shown}");
            connection.close().await;
            handle.cancel().await.unwrap();
        }
    });
}

#[test]
fn a_session_over_a_given_stream_is_cancelled_over_another() {
    with_database(async |database| {
        let address = (Ipv4Addr::LOCALHOST, database.tcp().port());
        let config = Config::parse(&database.tcp_url()).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut connection = Connection::over(stream, &config).await.unwrap();
        let handle = connection.cancel_handle();
        assert_eq!(handle.cancel().await.unwrap_err().kind(), ErrorKind::Usage);
        let (mut watcher, process) = (connect(database).await, connection.process_id());
        let cancelling = async {
            asleep(&mut watcher, process).await;
            handle.cancel_over(TcpStream::connect(address).await.unwrap()).await
        };
        let (ran, cancelled) =
            tokio::join!(connection.execute("select pg_sleep(60)", ()), cancelling);
        assert!(is_cancelled(&ran.unwrap_err()));
        cancelled.unwrap();
        one(&mut connection, 3).await;
    });
}

#[test]
fn the_longer_keys_of_protocol_3_2_cancel_too() {
    // Servers before 18 speak protocol 3.0 alone.
    with_database_since(18, async |database| {
        let config = Config::parse(&database.url())
            .unwrap()
            .with_protocol_versions(ProtocolVersion::V3_0, ProtocolVersion::V3_2);
        let mut connection = Connection::connect(&config).await.unwrap();
        cancelled_at(Duration::from_millis(20), &mut connection).await;
        one(&mut connection, 1).await;
    });
}

#[test]
fn a_statement_ends_at_its_limit_and_the_connection_goes_on() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let limit = Duration::from_millis(30);
        let error = cancelled_at(limit, &mut connection).await;
        assert!(error.to_string().ends_with("took longer than 30ms, and was cancelled"), "{error}");
        assert_eq!(error.sql(), Some("select 1 from pg_sleep(60)"));
        assert!(!error.is_fatal());
        one(&mut connection, 1).await;
        assert!(connection.is_quiet());
        let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(60)%' \
                       and datname = current_database() and pid <> pg_backend_pid()";
        assert_eq!(connection.query_one::<(i64,)>(running, ()).await.unwrap(), (0,));

        // What is done in time is not disturbed, with all verbs.
        let mut with = connection.with_limit(Duration::from_secs(30));
        assert_eq!(with.query::<(i32,)>("values (1), (2)", ()).await.unwrap(), [(1,), (2,)]);
        assert_eq!(with.query_opt::<(i32,)>("select 1 where false", ()).await.unwrap(), None);
        assert_eq!(with.execute("select 1", ()).await.unwrap(), 1);
        assert_eq!(with.query_each("values (1), (2)", (), |_| Ok(())).await.unwrap(), 2);
        let error = with.query_one::<(i32,)>("select 1/0", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::from_text("22012"));

        // Inside a transaction the limit fails the transaction, as any error does.
        connection.execute("begin", ()).await.unwrap();
        let error =
            connection.with_limit(limit).execute("select pg_sleep(60)", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        connection.drain(Duration::from_secs(20)).await.unwrap();
        assert_eq!(connection.status(), TransactionStatus::Failed);
        connection.execute("rollback", ()).await.unwrap();
        one(&mut connection, 2).await;
    });
}

/// How the statements of a session ended.
#[derive(Default)]
struct Tally {
    cancelled: u64,
    done: u64,
    /// A busy machine may take longer to cancel than draining may take.
    closed: u64,
}

/// Cancels statements that end about when their cancellation comes, by one way or another, each followed by a query; so
/// many times at least, and until so many requests to cancel have been made by all sessions together.
async fn cancel_and_ask(
    config: Config,
    seed: u64,
    rounds: u64,
    (wanted, requests): (u64, Arc<AtomicU64>),
) -> Tally {
    let mut connection = Connection::connect(&config).await.unwrap();
    let mut handle = connection.cancel_handle();
    let mut drawn = Drawn(seed);
    let mut tally = Tally::default();
    let enough = |round| round >= rounds && requests.load(Ordering::Relaxed) >= wanted;
    for round in (0..).take_while(|round| !enough(*round)) {
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
                // Half of this is waited for before it cancels.
                if let Err(error) = connection.drain(Duration::from_secs(4)).await {
                    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
                    assert!(connection.is_closed());
                    connection = Connection::connect(&config).await.unwrap();
                    handle = connection.cancel_handle();
                    tally.closed += 1;
                }
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
fn a_limit_that_is_too_long_to_be_named_is_none() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for plan in [Plan::Session, Plan::Custom] {
            let options = QueryOptions::new().limit(Duration::MAX).plan(plan);
            let rows = connection.with(options).query::<(i32,)>("select 1", ()).await.unwrap();
            assert_eq!(rows, [(1,)]);
        }
        let mut batch = connection.batch().unwrap().limit(Duration::MAX);
        batch.add("select 2", ()).unwrap();
        batch.send().unwrap().end().await.unwrap();
        let given_up = connection.execute("select 3 from pg_sleep(0.1)", ());
        assert!(poll_and_drop(1, given_up).await.is_none());
        connection.drain(Duration::MAX).await.unwrap();
        let lock = connection.lock(1, LockMode::Exclusive, Duration::MAX).await.unwrap();
        lock.release().await.unwrap();
        one(&mut connection, 4).await;
    });
}

#[test]
fn a_lock_is_given_back_though_its_release_waits_for_a_cancellation() {
    with_database(async |database| {
        let (port, _) = late_cancels(database, || Duration::from_millis(300)).await;
        let config = through(database, port);
        let pool = Pool::new(config, PoolOptions::new().max(1));
        let mut lease = pool.acquire().await.unwrap();
        let mut lock = lease.try_lock(1, LockMode::Exclusive).await.unwrap().unwrap();
        let limit = Duration::from_millis(10);
        let ran = lock.with_limit(limit).execute("select pg_sleep(60)", ()).await;
        assert_eq!(ran.unwrap_err().kind(), ErrorKind::Timeout);
        assert!(poll_and_drop(1, lock.release()).await.is_none());
        drop(lease);
        let mut lease = pool.acquire().await.unwrap();
        let held =
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
        assert_eq!(lease.query_one::<(i64,)>(held, ()).await.unwrap(), (0,));
        assert_eq!(pool.metrics().opened, 1);
    });
}

#[test]
fn a_late_cancellation_never_hits_the_next_statement() {
    let (sessions, rounds, wanted) = match std::env::var_os("STELLATA_LONG") {
        Some(_) => (SESSIONS, 20_000 / SESSIONS, 20_000),
        None => (4, 50, 50),
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(60 + 2 * rounds), async {
        let mut drawn = Drawn(7);
        let late = move || Duration::from_micros(drawn.below(6_000));
        let (port, requests) = late_cancels(&database, late).await;
        let config = through(&database, port);
        let running: Vec<_> = (1..=sessions)
            .map(|seed| {
                tokio::spawn(cancel_and_ask(
                    config.clone(),
                    seed,
                    rounds,
                    (wanted, Arc::clone(&requests)),
                ))
            })
            .collect();
        let mut all = Tally::default();
        for session in running {
            let tally = session.await.unwrap();
            all.cancelled += tally.cancelled;
            all.done += tally.done;
            all.closed += tally.closed;
        }
        let requests = requests.load(Ordering::Relaxed);
        println!(
            "{} statements in {sessions} sessions: {} cancelled, {} done, {requests} requests to cancel, 0 hit the next; \
             {} sessions closed because cancelling took too long",
            all.cancelled + all.done,
            all.cancelled,
            all.done,
            all.closed,
        );
        assert!(requests >= wanted, "{requests} of {wanted}");
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
        for options in [options.clone(), options.clone(), options.plan(Plan::Custom)] {
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
        for tries in 0.. {
            let idle = tokio::time::timeout(Duration::from_millis(600), connection.idle()).await;
            assert!(idle.is_err(), "nothing came");
            if connection.is_quiet() {
                break;
            }
            assert!(tries < 30, "it is not cancelled");
        }
        let syncs = proxy.frontend_tags().into_iter().filter(|sent| sent.1 == 'S').count();
        assert!(syncs <= 4, "{syncs} Syncs");
        one(&mut connection, 1).await;
    });
}

#[test]
fn while_a_cancellation_is_under_way_no_statement_is_sent() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, proxy.port())).await.unwrap();
        connection.execute("create temp table t (n int)", ()).await.unwrap();
        for held_up in 0..8 {
            // Everything is held up for longer than a call waits for its cancellation.
            proxy.set_delay(Duration::from_millis(150), Duration::ZERO);
            let limit = Duration::from_millis(100);
            for tries in 0.. {
                let ran = connection.with_limit(limit).execute("select pg_sleep(60)", ()).await;
                let error = ran.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout);
                if error.to_string().contains("not known") {
                    break;
                }
                // This thread stood still for so long that the cancellation overtook it.
                assert!(error.to_string().contains("was cancelled") && tries < 20, "{error}");
            }
            assert!(!connection.is_quiet());
            // Whatever waits, waits for its end. What can't wait puts its requests together, and they wait.
            match held_up {
                0 => one(&mut connection, 1).await,
                1 => drop(connection.simple("select 1").await.unwrap()),
                2 => drop(connection.query_rows("select 1", ()).await.unwrap()),
                3 => {
                    let mut batch = connection.batch().unwrap();
                    batch.add("select $1", (5,)).unwrap().sync().unwrap();
                    batch.add("select 1 from pg_sleep(0.2)", ()).unwrap();
                    let mut answers = batch.send().unwrap();
                    assert_eq!(answers.one::<(i32,)>().await.unwrap(), (5,));
                    assert_eq!(answers.count().await.unwrap(), 1);
                }
                4 => {
                    connection.batch().unwrap().add("select 'given up'", ()).unwrap();
                    drop(connection.batch().unwrap().send().unwrap());
                    one(&mut connection, 4).await;
                }
                5 => {
                    let mut writer = connection.copy_in("t", &[]).writer().unwrap();
                    writer.write(b"1\n2\n").await.unwrap();
                    assert_eq!(writer.finish().await.unwrap(), 2);
                }
                6 => {
                    let writer = connection.copy_in("t", &[]).writer().unwrap();
                    assert_eq!(writer.finish().await.unwrap(), 0);
                    drop(connection.copy_in("t", &[]).writer().unwrap());
                    one(&mut connection, 6).await;
                }
                _ => connection.drain(Duration::from_secs(20)).await.unwrap(),
            }
            proxy.set_delay(Duration::ZERO, Duration::ZERO);
            assert!(connection.is_quiet(), "{held_up}");
            one(&mut connection, 2).await;
        }
        let (copied,): (i64,) = connection.query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(copied, 2);
    });
}

#[test]
fn draining_cancels_what_does_not_end() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let sleeping = connection.execute("select pg_sleep(60)", ());
        assert!(tokio::time::timeout(Duration::from_millis(10), sleeping).await.is_err());
        connection.drain(Duration::from_secs(8)).await.unwrap();
        assert!(connection.is_quiet());
        assert_eq!(connection.status(), TransactionStatus::Idle);
        one(&mut connection, 1).await;

        // Rows without end are read away until the cancellation comes.
        let endless =
            connection.query::<(i32,)>("select n from generate_series(1, 2000000000) n", ());
        assert!(tokio::time::timeout(Duration::from_millis(10), endless).await.is_err());
        connection.drain(Duration::from_secs(8)).await.unwrap();
        one(&mut connection, 2).await;
    });
}

#[test]
fn draining_cancels_what_stands_behind_a_cancellation_that_is_under_way() {
    with_database(async |database| {
        // So late that the call does not wait for it.
        let (port, requests) = late_cancels(database, || Duration::from_millis(400)).await;
        let mut connection = Connection::connect(&through(database, port)).await.unwrap();
        let mut batch = connection.batch().unwrap().limit(Duration::from_millis(100));
        for _ in 0..2 {
            batch.add("select pg_sleep(60)", ()).unwrap().sync().unwrap();
        }
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.count().await.unwrap_err().kind(), ErrorKind::Timeout);
        drop(answers);
        assert!(!connection.is_quiet());
        connection.drain(Duration::from_secs(20)).await.unwrap();
        // One for each of the two; but the server signals twice for each, which now and then hits both.
        assert!((1..=2).contains(&requests.load(Ordering::Relaxed)));
        one(&mut connection, 1).await;
    });
}

#[test]
fn plans_are_made_as_asked_in_one_trip() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, proxy.port())).await.unwrap();
        connection
            .simple(
                "create table t (n int4 not null); insert into t select 1 from generate_series(1, 20000);
                 insert into t values (2); create index on t (n); analyze t",
            )
            .await
            .unwrap();
        // What the server says of the plans that it has made for the statement.
        let plans =
            "select custom_plans, generic_plans from pg_prepared_statements where statement = $1";
        let sql = "select count(*) from t where n = $1";
        for (plan, want) in
            [(Plan::Generic, (0, 3)), (Plan::Custom, (3, 3)), (Plan::Session, (4, 3))]
        {
            let rounds = if plan == Plan::Session { 1 } else { 3 };
            for _ in 0..rounds {
                proxy.reset_counts();
                let options = QueryOptions::new().plan(plan);
                let (count,): (i64,) =
                    connection.with(options).query_one(sql, (2_i32,)).await.unwrap();
                assert_eq!(count, 1);
                assert_eq!(proxy.flights().len(), 1);
            }
            let made: (i64, i64) = connection.query_one(plans, (sql,)).await.unwrap();
            assert_eq!(made, want, "{plan:?}");
        }
        // The setting is gone again, outside of a transaction and within.
        let mode = "select current_setting('plan_cache_mode')";
        assert_eq!(connection.query_one::<(String,)>(mode, ()).await.unwrap().0, "auto");
        connection.execute("begin", ()).await.unwrap();
        connection.execute("set local plan_cache_mode = force_generic_plan", ()).await.unwrap();
        let custom = QueryOptions::new().plan(Plan::Custom);
        let (during,): (String,) = connection.with(custom).query_one(mode, ()).await.unwrap();
        assert_eq!(during, "force_custom_plan");
        assert_eq!(
            connection.query_one::<(String,)>(mode, ()).await.unwrap().0,
            "force_generic_plan"
        );
        connection.execute("rollback", ()).await.unwrap();
    });
}
