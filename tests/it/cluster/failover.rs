//! Promotions under load (R16): no acknowledged write is missing, and only the new primary is in the pool soon.
//!
//! `STELLATA_LONG=1` makes 20 of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stellata::prelude::*;
use stellata_testkit::{Cluster as Servers, Server, ServerOptions, Shutdown, sql};
use tokio::runtime::{Builder, Runtime};

use super::*;

const WRITERS: usize = 16;
const READERS: usize = 8;
const MAX: usize = 6;
/// How long the pool may take until the new primary is the only one in it.
const SOON: Duration = Duration::from_secs(3);

/// What tasks do all the while.
struct Load {
    db: Db,
    over: AtomicBool,
    next: AtomicI64,
    /// The numbers whose writing was acknowledged.
    written: Mutex<BTreeSet<i64>>,
    refused: AtomicUsize,
    reads: AtomicUsize,
    failed_reads: AtomicUsize,
}

impl Load {
    fn start(db: Db, runtime: &Runtime) -> Arc<Self> {
        let load = Arc::new(Self {
            db,
            over: AtomicBool::new(false),
            next: AtomicI64::new(0),
            written: Mutex::new(BTreeSet::new()),
            refused: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            failed_reads: AtomicUsize::new(0),
        });
        for writer in 0..WRITERS {
            let load = Arc::clone(&load);
            runtime.spawn(async move {
                while !load.over.load(Ordering::Relaxed) {
                    load.write(writer).await;
                }
            });
        }
        for _ in 0..READERS {
            let load = Arc::clone(&load);
            runtime.spawn(async move {
                while !load.over.load(Ordering::Relaxed) {
                    let count = match Place::query().count(&load.db).await {
                        Ok(_) => &load.reads,
                        Err(_) => &load.failed_reads,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        load
    }

    /// Writes a number: alone, in a transaction, or by a handle that remembers.
    async fn write(&self, writer: usize) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = Id::<Note>::new(number);
        let note = || new!(Note { id, text: "written" });
        let done = match writer % 3 {
            0 => note().insert(&self.db).await.map(drop),
            1 => self.db.transaction(async |tx| note().insert(tx).await.map(drop)).await,
            _ => note().insert(&self.db.read_your_writes()).await.map(drop),
        };
        match done {
            Ok(()) => {
                self.written.lock().unwrap().insert(number);
            }
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    fn written(&self) -> usize {
        self.written.lock().unwrap().len()
    }

    /// The acknowledged numbers that are not in the table.
    fn missing(&self, primary: &Server) -> Vec<i64> {
        // First what was acknowledged, then what is there.
        let written = self.written.lock().unwrap().clone();
        let rows = sql::run(primary.endpoint(), "postgres", "select id from note").unwrap();
        let there: BTreeSet<i64> =
            rows.into_iter().flatten().flatten().map(|id| id.parse().unwrap()).collect();
        written.difference(&there).copied().collect()
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "it has not come to pass: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn no_acknowledged_write_is_missing_after_promotions() {
    let is_long = std::env::var_os("STELLATA_LONG").is_some();
    let promotions = if is_long { 20 } else { 2 };
    let mut servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    servers.catch_up().unwrap();
    servers.set_synchronous(true).unwrap();
    let all: Vec<&Server> = servers.servers().iter().collect();
    let config = config(&all).with_setting("application_name", "load");
    let pool = PoolOptions::new().max(MAX).acquire_timeout(Duration::from_secs(5));
    let options = ClusterOptions::new().primary(pool.clone()).replica(pool);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let db = runtime.block_on(Db::connect_cluster_with(config, options)).unwrap();
    let cluster = db.cluster().unwrap().clone();
    let load = Load::start(db, &runtime);
    let (mut longest, mut longest_write) = (Duration::ZERO, Duration::ZERO);
    for promotion in 0..promotions {
        let before = load.written();
        eventually("writes are acknowledged", || load.written() > before + 200);
        let how = [Shutdown::Kill, Shutdown::Immediate, Shutdown::Fast][promotion % 3];
        servers.fail_over(how).unwrap();
        let promoted = Instant::now();
        // It waits for no standby until there is one again; nobody promotes anything before that.
        run_on(servers.primary(), "alter system reset synchronous_standby_names");
        run_on(servers.primary(), "select pg_reload_conf()");
        let before = load.written();
        let port = i32::from(servers.primary().port());
        // As many connections as there may be, and each is to the new primary.
        runtime.block_on(async {
            let mut lent = Vec::new();
            while lent.len() < MAX {
                assert!(promoted.elapsed() < Duration::from_secs(120), "{how:?}");
                let Ok(mut lease) = cluster.acquire().await else { continue };
                match lease.query_one::<(i32,)>("select inet_server_port()", ()).await {
                    Ok((at,)) => {
                        assert!(at == port, "{how:?}: a connection to the old primary is lent");
                        lent.push(lease);
                    }
                    // Ended with the old primary, while it was lent.
                    Err(error) => assert!(error.is_fatal(), "{error}"),
                }
            }
        });
        let took = promoted.elapsed();
        longest = longest.max(took);
        // The wall clock is believed only where nothing else runs.
        assert!(
            !is_long || took <= SOON,
            "{how:?}: the new primary was alone in the pool after {took:?}"
        );
        let status = cluster.status();
        assert_eq!(status.failovers, promotion as u64 + 1, "{status:?}");
        eventually("writes are acknowledged again", || load.written() > before);
        longest_write = longest_write.max(promoted.elapsed());
        servers.rejoin().unwrap();
        assert_eq!(load.missing(servers.primary()), [0_i64; 0], "{how:?}");
        eventually("the new standby is read from", || {
            cluster.status().servers.iter().filter(|server| server.is_read_from).count() == 1
        });
    }
    load.over.store(true, Ordering::Relaxed);
    let left = runtime.block_on(cluster.drain(Duration::from_secs(20)));
    assert_eq!((left, load.missing(servers.primary())), (0, Vec::new()));
    let (reads, failed) =
        (load.reads.load(Ordering::Relaxed), load.failed_reads.load(Ordering::Relaxed));
    assert!(reads > failed * 10, "{failed} of {reads} reads failed");
    println!(
        "R16: {promotions} promotions, {} writes acknowledged, 0 missing, {} refused or unknown; {reads} reads, \
         {failed} failed; the new primary was alone in the pool after {longest:?} at the most, and the first write \
         acknowledged after {longest_write:?}",
        load.written(),
        load.refused.load(Ordering::Relaxed),
    );
    runtime.shutdown_background();
}

#[test]
fn a_pool_of_read_write_sessions_finds_the_new_primary() {
    let is_long = std::env::var_os("STELLATA_LONG").is_some();
    let promotions = if is_long { 20 } else { 1 };
    let mut servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    servers.catch_up().unwrap();
    servers.set_synchronous(true).unwrap();
    let ports: Vec<u16> = servers.servers().iter().map(Server::port).collect();
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!(
        "postgres://postgres@{}/postgres?target_session_attrs=read-write&application_name=load",
        hosts.join(",")
    );
    let options = PoolOptions::new().max(MAX).acquire_timeout(Duration::from_secs(5));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config::parse(&url).unwrap();
    let db = runtime.block_on(Db::connect_with(config, options)).unwrap();
    let pool = db.pool().clone();
    let load = Load::start(db, &runtime);
    let mut longest = Duration::ZERO;
    for promotion in 0..promotions {
        let before = load.written();
        eventually("writes are acknowledged", || load.written() > before + 200);
        let how = [Shutdown::Kill, Shutdown::Immediate, Shutdown::Fast][promotion % 3];
        servers.fail_over(how).unwrap();
        let promoted = Instant::now();
        run_on(servers.primary(), "alter system reset synchronous_standby_names");
        run_on(servers.primary(), "select pg_reload_conf()");
        let before = load.written();
        let port = i32::from(servers.primary().port());
        runtime.block_on(async {
            let mut lent = Vec::new();
            while lent.len() < MAX {
                assert!(promoted.elapsed() < Duration::from_secs(120), "{how:?}");
                let Ok(mut lease) = pool.acquire().await else { continue };
                match lease.query_one::<(i32,)>("select inet_server_port()", ()).await {
                    Ok((at,)) => {
                        assert!(at == port, "{how:?}: a connection to the old primary is lent");
                        lent.push(lease);
                    }
                    Err(error) => assert!(error.is_fatal(), "{error}"),
                }
            }
        });
        let took = promoted.elapsed();
        longest = longest.max(took);
        // The wall clock is believed only where nothing else runs.
        assert!(!is_long || took <= SOON, "{how:?}: the new primary alone after {took:?}");
        eventually("writes are acknowledged again", || load.written() > before);
        servers.rejoin().unwrap();
        assert_eq!(load.missing(servers.primary()), [0_i64; 0], "{how:?}");
    }
    load.over.store(true, Ordering::Relaxed);
    let left = runtime.block_on(pool.drain(Duration::from_secs(20)));
    assert_eq!((left, load.missing(servers.primary())), (0, Vec::new()));
    println!(
        "{promotions} promotions, {} acknowledged writes, 0 missing; the new primary after {longest:.2?} at most",
        load.written()
    );
    runtime.shutdown_background();
}
