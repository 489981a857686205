//! The key derivation of SCRAM keeps off the threads that drive tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use stellata_client::{Config, Connection};
use stellata_testkit::{
    LIMIT, PASSWORD, Reply, SCRAM_USER, ScramServer, Script, ScriptedServer, Server, within,
};
use tokio::runtime::Builder;

use super::plain;

/// While the only thread for blocking work is held, a login waits for its keys, though nothing else could stop it; and
/// the thread of the runtime goes on turning.
#[test]
fn the_derivation_runs_on_a_thread_for_blocking_work_while_the_runtime_goes_on() {
    let challenged = Arc::new(AtomicBool::new(false));
    let proved = Arc::new(AtomicBool::new(false));
    let (on_challenge, on_proof) = (Arc::clone(&challenged), Arc::clone(&proved));
    let script = Script::new()
        .scram(
            ScramServer::new("secret", 4096),
            move |first| {
                on_challenge.store(true, Ordering::SeqCst);
                first
            },
            move |last| {
                on_proof.store(true, Ordering::SeqCst);
                last
            },
        )
        .send(Reply::logged_in())
        .serve();
    let server = ScriptedServer::start([script]).unwrap();
    let config = plain(server.port()).with_password("secret");

    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(within(LIMIT, async {
        let (release, held) = mpsc::channel::<()>();
        let holder = tokio::task::spawn_blocking(move || held.recv());
        let login = tokio::spawn(async move { Connection::connect(&config).await });
        let turn = || tokio::time::sleep(Duration::from_millis(1));
        while !challenged.load(Ordering::SeqCst) {
            turn().await;
        }
        let mut turns = 0;
        while turns < 100 {
            turn().await;
            turns += 1;
        }
        assert!(
            !login.is_finished() && !proved.load(Ordering::SeqCst),
            "the keys came from elsewhere"
        );
        release.send(()).unwrap();
        holder.await.unwrap().unwrap();
        let mut connection = login.await.unwrap().unwrap();
        assert!(proved.load(Ordering::SeqCst));
        let (n,): (i32,) = connection.query_one("select 7", ()).await.unwrap();
        assert_eq!(n, 7);
    }));
    drop(runtime);
    server.finish();
}

/// How long the calling thread has computed in all. Unlike the clock on the wall it does not go on while others have the
/// processor.
fn computed() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Beside 50 logins at once on a runtime with one thread, a ticker of 1 ms gets its turn before that thread has computed
/// for 20 ms. Fifty derivations on that thread would take ten times as long.
#[test]
#[allow(clippy::print_stdout, reason = "the figure is worth noting where it is asked for")]
fn a_ticker_beside_fifty_logins_waits_for_no_derivation() {
    let server = Server::shared().unwrap();
    if !server.is_own() || computed().is_none() {
        stellata_testkit::skip("no server with known login rules, or no clock of a thread's own");
        return;
    }
    let config = Config::new("127.0.0.1", SCRAM_USER)
        .with_port(server.port())
        .with_database(server.maintenance_database())
        .with_password(PASSWORD);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let longest_wait = || {
        runtime.block_on(async {
            let longest = Arc::new(AtomicU64::new(0));
            let note = Arc::clone(&longest);
            let ticker = tokio::spawn(async move {
                loop {
                    let before = computed().unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let took = computed().unwrap().saturating_sub(before).as_micros();
                    note.fetch_max(u64::try_from(took).unwrap(), Ordering::SeqCst);
                }
            });
            let logins: Vec<_> = (0..50)
                .map(|_| {
                    let config = config.clone();
                    tokio::spawn(async move { Connection::connect(&config).await.map(drop) })
                })
                .collect();
            for login in logins {
                login.await.unwrap().unwrap();
            }
            ticker.abort();
            let longest = Duration::from_micros(longest.load(Ordering::SeqCst));
            println!("the thread computed for {longest:?} at most between two ticks");
            longest
        })
    };
    // What a virtual machine's processor loses to others counts as time of the thread, but not each time.
    let least = (0..3).map(|_| longest_wait()).min().unwrap();
    assert!(least < Duration::from_millis(20), "{least:?}");
}
