//! Backends that are killed and servers that are restarted under load.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stellata_pool::{Config, Error, Pool, PoolOptions};
use stellata_testkit::sql::Session;
use stellata_testkit::{Server, ServerOptions, Shutdown, run_within};
use tokio::runtime::Runtime;

use super::{eventually, soon, threads};

const TASKS: u64 = 64;

/// How long a caller waits for a connection.
const LIMIT: Duration = Duration::from_secs(3);

/// What befalls a server.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// One session is ended by a command.
    EndOne,
    /// All are.
    EndAll,
    /// The process of a session is killed, so that the server ends all others and recovers.
    KillOne,
    Restart(Shutdown),
}

const EVENTS: [Event; 6] = [
    Event::EndAll,
    Event::Restart(Shutdown::Fast),
    Event::EndOne,
    Event::KillOne,
    Event::Restart(Shutdown::Immediate),
    Event::Restart(Shutdown::Kill),
];

impl Event {
    /// Returns when the server can be used again.
    fn happen(self, server: &Server) {
        let ask = |sql: &str| {
            stellata_testkit::sql::run(server.endpoint(), server.maintenance_database(), sql)
        };
        let one = "select pid from pg_stat_activity where application_name = 'restarts'
            order by random() limit 1";
        match self {
            Self::EndOne => {
                ask(&format!("select pg_terminate_backend(pid) from ({one}) s")).unwrap();
            }
            Self::EndAll => {
                ask("select pg_terminate_backend(pid) from pg_stat_activity
                     where application_name = 'restarts'")
                .unwrap();
            }
            Self::KillOne => {
                let found = ask(one).unwrap();
                let process = found.first().and_then(|row| row[0].as_deref()).map(str::parse);
                let (endpoint, database) = (server.endpoint(), server.maintenance_database());
                let mut other = Session::connect(endpoint, database).unwrap();
                // It may have ended by itself meanwhile.
                if let Some(Ok(process)) = process
                    && server.kill_backend(process).is_ok()
                {
                    // The others are ended a moment later.
                    soon("the server has noticed", || other.run("select 1").is_err());
                }
                server.wait_until_ready().unwrap();
            }
            Self::Restart(how) => server.restart(how).unwrap(),
        }
    }
}

/// What all tasks count together.
#[derive(Default)]
struct Counts {
    over: AtomicBool,
    served: AtomicU64,
    /// Queries that a connection failed under.
    failed: AtomicU64,
    timed_out: AtomicU64,
    /// By how many microseconds the latest acquire missed its deadline.
    overdue: AtomicU64,
    /// How late, at the worst, this machine let a task go on that nothing kept it from.
    lateness: AtomicU64,
}

impl Counts {
    fn told(&self, events: usize, longest: Duration) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let micros = |counter: &AtomicU64| Duration::from_micros(count(counter));
        format!(
            "{events} events: {} served, {} failed, {} gave up; at most {:.1?} past a deadline, {longest:.1?} without \
             service; this machine was late by up to {:.1?}",
            count(&self.served),
            count(&self.failed),
            count(&self.timed_out),
            micros(&self.overdue),
            micros(&self.lateness),
        )
    }
}

/// Asks for a connection and by it for an answer, again and again.
async fn go_on(pool: Pool, counts: Arc<Counts>, task: u64) {
    let mut asked = task as i64;
    while !counts.over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let lent = pool.acquire().await;
        let overdue = start.elapsed().saturating_sub(LIMIT).as_micros() as u64;
        counts.overdue.fetch_max(overdue, Ordering::Relaxed);
        match lent {
            Ok(mut lease) => {
                asked += TASKS as i64;
                match lease.query_one::<(i64,)>("select $1::int8", (asked,)).await {
                    Ok((told,)) => {
                        assert_eq!(told, asked, "another's answer");
                        counts.served.fetch_add(1, Ordering::Relaxed)
                    }
                    Err(_) => counts.failed.fetch_add(1, Ordering::Relaxed),
                };
            }
            Err(Error::Timeout { .. }) => {
                counts.timed_out.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error:?}"),
        }
        tokio::task::yield_now().await;
    }
}

/// Sleeps, and notes by how much too long.
async fn measure_lateness(counts: Arc<Counts>) {
    const PAUSE: Duration = Duration::from_millis(5);
    while !counts.over.load(Ordering::Relaxed) {
        let start = Instant::now();
        tokio::time::sleep(PAUSE).await;
        let late = start.elapsed().saturating_sub(PAUSE).as_micros() as u64;
        counts.lateness.fetch_max(late, Ordering::Relaxed);
    }
}

fn start(runtime: &Runtime, pool: &Pool, counts: &Arc<Counts>) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = vec![runtime.spawn(measure_lateness(Arc::clone(counts)))];
    tasks.extend(
        (0..TASKS).map(|task| runtime.spawn(go_on(pool.clone(), Arc::clone(counts), task))),
    );
    tasks
}

/// How many sockets lead to a port of this machine, and are not closed on our side.
fn sockets(port: u16) -> usize {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let open = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        let (to, state) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // Connecting, connected, or closed by the other side alone.
        to.ends_with(&format!(":{port:04X}")) && matches!(state, "01" | "02" | "08")
    };
    table.lines().filter(open).count()
}

#[test]
fn a_pool_outlives_the_restarts_of_its_server() {
    let is_long = std::env::var_os("STELLATA_LONG").is_some();
    let events = if is_long { 500 } else { EVENTS.len() };
    let server = Server::start(ServerOptions::new()).unwrap();
    run_within(Duration::from_secs(150 + 10 * events as u64), async {
        let config = Config::parse(&server.tcp_url(server.maintenance_database()))
            .unwrap()
            .with_setting("application_name", "restarts");
        let pool = Pool::new(config, PoolOptions::new().max(8).acquire_timeout(LIMIT));
        let (runtime, counts) = (threads(), Arc::new(Counts::default()));
        let tasks = start(&runtime, &pool, &counts);
        let served = || counts.served.load(Ordering::Relaxed);
        let (mut longest, mut chance) = (Duration::ZERO, 1_u64);
        for number in 0..events {
            let before = served();
            soon("it serves", || served() > before + 300);
            // All in turn, then by chance (an LCG; Knuth, MMIX).
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = if is_long { (chance >> 33) as usize } else { number } % EVENTS.len();
            EVENTS[at].happen(&server);
            let (before, start) = (served(), Instant::now());
            soon("it serves again", || served() > before);
            longest = longest.max(start.elapsed());
            if number % 50 == 49 {
                println!("{}", counts.told(number + 1, longest));
            }
        }
        counts.over.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        eventually("all are back", || pool.status().lent == 0 && pool.status().opening == 0).await;
        println!("{}", counts.told(events, longest));
        let micros = |counter: &AtomicU64| Duration::from_micros(counter.load(Ordering::Relaxed));
        let (overdue, lateness) = (micros(&counts.overdue), micros(&counts.lateness));
        // The machine is shared: what it is late by itself is allowed for, and in the short run much more.
        let slack = if is_long { lateness } else { LIMIT * 2 };
        assert!(overdue <= Duration::from_millis(100) + slack, "{overdue:?} past a deadline");
        assert!(longest <= Duration::from_secs(2) + slack * 3, "{longest:?} without service");
        let metrics = pool.metrics();
        assert!(metrics.closed.broken >= 5 && pool.status().idle <= 8, "{metrics:?}");
        assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
        assert_eq!(sockets(server.port()), 0, "sockets that nobody has");
        runtime.shutdown_background();
    });
}
