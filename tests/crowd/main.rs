//! Ten thousand tasks on sixteen connections, a fifth of them given up, on one thread: there the order in which callers
//! come, the order in which they are served, and what is left on the heap can be counted exactly.

#![allow(clippy::print_stdout, reason = "the figures are what the test is for")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use stellata_pool::{Config, Pool, PoolOptions};
use stellata_testkit::{Database, Server};
use tokio::runtime::Builder;

const MAX: usize = 16;
const TASKS: usize = 10_000;

/// What a crowd notes, without a further allocation.
struct Notes {
    /// The tasks in the order in which they asked, and in which they were served.
    asked: Vec<usize>,
    served: Vec<usize>,
    waits: Vec<Duration>,
    answered: usize,
}

impl Notes {
    fn new() -> Self {
        let (asked, served) = (Vec::with_capacity(TASKS), Vec::with_capacity(TASKS));
        Self { asked, served, waits: Vec::with_capacity(TASKS), answered: 0 }
    }

    fn clear(&mut self) {
        self.asked.clear();
        self.served.clear();
        self.waits.clear();
        self.answered = 0;
    }
}

async fn ask(pool: Pool, notes: Arc<Mutex<Notes>>, task: usize) {
    let start = Instant::now();
    notes.lock().unwrap().asked.push(task);
    let mut lease = pool.acquire().await.unwrap();
    notes.lock().unwrap().served.push(task);
    notes.lock().unwrap().waits.push(start.elapsed());
    let (told,): (i64,) = lease.query_one("select $1", (task as i64,)).await.unwrap();
    assert_eq!(told, task as i64);
    notes.lock().unwrap().answered += 1;
}

/// How many sockets this process has.
fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let names = open.filter_map(|file| std::fs::read_link(file.path()).ok());
    names.filter(|name| name.to_string_lossy().starts_with("socket:")).count()
}

/// Lets everybody in, and waits until all is as before.
async fn crowd(pool: &Pool, notes: &Arc<Mutex<Notes>>) {
    notes.lock().unwrap().clear();
    let mut tasks = Vec::with_capacity(TASKS);
    for task in 0..TASKS {
        let work = ask(pool.clone(), Arc::clone(notes), task);
        tasks.push(tokio::spawn(async move {
            if task % 5 == 0 {
                // Given up at some point between getting in line and giving back.
                let limit = Duration::from_micros((task as u64 * 7_919) % 400_000);
                let _ = tokio::time::timeout(limit, work).await;
            } else {
                work.await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let is_back = || {
        let status = pool.status();
        (status.lent, status.opening, status.waiting, status.idle) == (0, 0, 0, MAX)
    };
    let start = Instant::now();
    while !is_back() {
        assert!(start.elapsed() < Duration::from_secs(120), "{:?}", pool.status());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn ten_thousand_tasks_are_served_in_order_and_leave_nothing_on_the_heap() {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    let config = Config::parse(&database.url()).unwrap();
    let options = PoolOptions::new().max(MAX).min(MAX).acquire_timeout(Duration::from_secs(120));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let others = sockets();
    let (pool, notes) = (Pool::new(config, options), Arc::new(Mutex::new(Notes::new())));
    let run = || runtime.block_on(crowd(&pool, &notes));
    // The first time places in line are made, connections are opened, and buffers grow to what is needed.
    run();
    run();
    let opened = pool.metrics().opened;
    let heap = measure(run);
    let mut notes = notes.lock().unwrap();
    assert_eq!(notes.asked.len(), TASKS);
    assert!(notes.asked.is_sorted());
    // One whose time is over just then is woken by that, and may find its connection before those who were given theirs
    // earlier have had their turn.
    let patient = notes.served.iter().filter(|task| *task % 5 != 0);
    assert!(patient.is_sorted(), "somebody was overtaken");
    assert!(notes.answered >= TASKS - TASKS / 5, "{}", notes.answered);
    assert!(notes.answered < TASKS, "some were given up");
    let is_long = std::env::var_os("STELLATA_LONG").is_some();
    if is_long {
        // The wall clock is believed only where nothing else runs. All came at once, so that one with `ahead` before it is
        // due when so many of the crowd have been served.
        let whole = notes.waits.iter().max().copied().unwrap_or_default();
        for (ahead, wait) in notes.waits.iter().enumerate() {
            let share = whole.mul_f64(ahead as f64 / notes.waits.len() as f64);
            let bound = (share * 2).max(Duration::from_millis(50));
            assert!(*wait <= bound, "the {ahead}th has waited for {wait:?}, not {bound:?}");
        }
    }
    notes.waits.sort_unstable();
    let at = |share: f64| notes.waits[(notes.waits.len() as f64 * share) as usize];
    let ratio = at(0.999).as_secs_f64() / at(0.5).as_secs_f64();
    assert!(
        !is_long || ratio <= 5.0,
        "99.9 % of the waits are {ratio} times as long as half of them"
    );
    println!(
        "{TASKS} tasks: {} served in the order in which they came, {} answered; waits: median {:.1?}, 99.9 % {:.1?}, \
         x {:.2}; {} connections opened meanwhile; heap: {} allocations, {} bytes left",
        notes.served.len(),
        notes.answered,
        at(0.5),
        at(0.999),
        ratio,
        pool.metrics().opened - opened,
        heap.count_total,
        heap.bytes_current,
    );
    // A connection that was opened anew may have buffers of another size than the one it replaces.
    assert!(heap.bytes_current.abs() < 64 * 1024, "{} bytes are left", heap.bytes_current);
    assert_eq!(sockets(), others + MAX);
    let left = runtime.block_on(pool.drain(Duration::from_secs(20)));
    assert_eq!(left, 0);
    assert_eq!(sockets(), others);
}
