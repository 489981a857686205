//! A pool, a server in memory and paused time: what happens hangs on a seed alone.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stellata_client::Connection;
use stellata_pool::{Config, Error, Pool, PoolOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const MAX: usize = 4;
const LIMIT: Duration = Duration::from_secs(5);
const CLEAN_LIMIT: Duration = Duration::from_secs(1);

/// Numbers that follow from a seed (xorshift; Marsaglia 2003).
struct Numbers(AtomicU64);

impl Numbers {
    fn below(&self, limit: u64) -> u64 {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Relaxed);
        x % limit
    }

    fn millis(&self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// When something happened, in microseconds; what; and to whom.
type Happening = (u128, &'static str, usize);

/// A server in memory. Each of its sessions may be clogged: it answers nothing until it is freed.
#[derive(Clone, Default)]
struct World {
    sessions: Arc<Mutex<Vec<watch::Sender<bool>>>>,
    trace: Arc<Mutex<Vec<Happening>>>,
}

impl World {
    fn note(&self, start: Instant, what: &'static str, who: usize) {
        self.trace.lock().unwrap().push((start.elapsed().as_micros(), what, who));
    }

    /// Clogs or frees a session by chance.
    fn turn(&self, numbers: &Numbers) {
        let sessions = self.sessions.lock().unwrap();
        if !sessions.is_empty() {
            let one = &sessions[numbers.below(sessions.len() as u64) as usize];
            one.send_modify(|clogged| *clogged = !*clogged);
        }
    }

    fn free_all(&self) {
        for session in self.sessions.lock().unwrap().iter() {
            session.send_replace(false);
        }
    }

    async fn connect(self) -> stellata_client::Result<Connection> {
        let (client, server) = tokio::io::duplex(4_096);
        let (clog, clogged) = watch::channel(false);
        self.sessions.lock().unwrap().push(clog);
        tokio::spawn(async move {
            let _ = serve(server, clogged).await;
        });
        Connection::over(client, &Config::new("in.memory", "me")).await
    }
}

/// Lets everybody in and answers every query, while it is not clogged.
async fn serve(
    mut stream: DuplexStream,
    mut clogged: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let length = stream.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    loop {
        let tag = stream.read_u8().await?;
        let length = stream.read_u32().await?;
        body.resize(length as usize - 4, 0);
        stream.read_exact(&mut body).await?;
        if tag == b'X' {
            return Ok(());
        }
        let _ = clogged.wait_for(|clogged| !clogged).await;
        stream.write_all(b"C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I").await?;
    }
}

/// Lets clients use a pool whose connections are clogged and freed; returns what happened when.
fn simulate(seed: u64) -> Vec<Happening> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::default();
        let numbers =
            Arc::new(Numbers(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)));
        let start = Instant::now();
        let opened_in = world.clone();
        let options = PoolOptions::new()
            .max(MAX)
            .acquire_timeout(LIMIT)
            .clean_timeout(CLEAN_LIMIT)
            .seed(seed);
        let pool = Pool::opened_by(move || opened_in.clone().connect(), options);
        let served = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..12)
            .map(|client| {
                let (pool, world) = (pool.clone(), world.clone());
                let (numbers, served) = (Arc::clone(&numbers), Arc::clone(&served));
                tokio::spawn(async move {
                    for _ in 0..6 {
                        sleep(numbers.millis(400)).await;
                        let asked = Instant::now();
                        let patience = numbers.millis(8_000);
                        match timeout(patience, pool.acquire()).await {
                            Ok(Ok(mut lease)) => {
                                assert!(asked.elapsed() <= LIMIT);
                                served.fetch_add(1, Ordering::Relaxed);
                                world.note(start, "lent", client);
                                let answer =
                                    timeout(numbers.millis(1_500), lease.simple("select")).await;
                                world.note(
                                    start,
                                    if answer.is_ok() { "answered" } else { "left" },
                                    client,
                                );
                            }
                            Ok(Err(Error::Timeout { waited, .. })) => {
                                assert!(
                                    waited >= LIMIT && waited <= LIMIT + Duration::from_millis(2)
                                );
                                world.note(start, "timed out", client);
                            }
                            Ok(Err(error)) => panic!("{error:?}"),
                            Err(_) => world.note(start, "gone", client),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..40 {
            sleep(numbers.millis(300)).await;
            world.turn(&numbers);
            let status = pool.status();
            assert!(status.lent + status.idle + status.opening <= MAX, "{status:?}");
        }
        world.free_all();
        for client in clients {
            client.await.unwrap();
        }
        sleep(CLEAN_LIMIT * 3).await;
        let (status, metrics) = (pool.status(), pool.metrics());
        assert_eq!((status.lent, status.opening, status.waiting), (0, 0, 0), "{metrics:?}");
        assert!(served.load(Ordering::Relaxed) > 0);
        // No slot is lost: all can be lent again, at once.
        let mut lent = Vec::new();
        for _ in 0..MAX {
            lent.push(timeout(Duration::from_millis(1), pool.acquire()).await.unwrap().unwrap());
        }
        assert!(pool.try_acquire().is_none());
        std::mem::take(&mut *world.trace.lock().unwrap())
    })
}

#[test]
fn clogged_connections_are_freed_in_any_order() {
    for seed in 1..=1_000 {
        let simulated = std::panic::catch_unwind(|| simulate(seed));
        assert!(simulated.is_ok(), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_course_of_events() {
    for seed in [1, 7, 1_000] {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
    assert_ne!(simulate(1), simulate(2));
}
