//! Futures that are dropped before they end: every public function that waits, at every poll.

mod polling;
mod reluctant;

mod answers;
mod copy;
mod large_objects;
mod left;
mod listening;
mod locks;
mod messages;
mod queries;
mod replication;
mod unconnected;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stellata_client::{Config, Connection, Error, TransactionStatus};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Server, run_within};

pub(crate) use polling::{poll_and_drop, poll_in_turns};
pub(crate) use reluctant::{Reluctant, Trickle};

/// Whether everything is tried. The short form leaves out many of the later polls, most of which wait for one more byte of
/// an answer.
pub(crate) fn is_long() -> bool {
    std::env::var_os("STELLATA_LONG").is_some()
}

/// After how many polls to drop next.
pub(crate) fn next(polls: usize) -> usize {
    if is_long() { polls + 1 } else { polls + 1 + polls / 4 }
}

type Running<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'c>>;

/// A use of public functions that wait, which is dropped at every poll.
struct Case {
    /// What it uses, as `room Type::function`.
    items: &'static [&'static str],
    work: for<'c> fn(&'c mut Connection) -> Running<'c>,
}

/// Cases that have something in common.
struct Subject {
    cases: &'static [Case],
    /// Questions to which the answer is yes whenever a call was dropped and the connection is at rest again.
    always: &'static [&'static str],
}

const SUBJECTS: [Subject; 5] =
    [queries::SUBJECT, copy::SUBJECT, large_objects::SUBJECT, locks::SUBJECT, messages::SUBJECT];

/// All functions that are dropped here at every poll.
pub(crate) fn items() -> impl Iterator<Item = &'static str> {
    let of_cases = SUBJECTS.iter().flat_map(|subject| subject.cases).flat_map(|case| case.items);
    of_cases
        .chain(unconnected::ITEMS)
        .chain(listening::ITEMS)
        .chain(replication::CASES.iter().flat_map(|case| case.items))
        .chain(replication::ITEMS)
        .copied()
}

/// The question that only one answer fits, on a connection where something was dropped.
async fn is_whole(connection: &mut Connection, question: i64) {
    // A transaction that was left open may have failed; whoever ends it finds the connection whole.
    let ended = connection.execute("rollback", ()).await;
    ended.unwrap();
    let (answer,): (i64,) = connection.query_one("select $1 + 0", (question,)).await.unwrap();
    assert_eq!(answer, question);
    assert!(connection.is_quiet());
    assert_eq!(connection.status(), TransactionStatus::Idle);
}

/// The name that the sessions of a test give themselves.
const NAME: &str = "dropped_cases";

/// A pool of one connection, slow while that is set.
fn pool(database: &Database, statements: usize) -> (Pool, Arc<AtomicBool>) {
    let is_slow = Arc::new(AtomicBool::new(false));
    let config = Config::parse(&database.tcp_url())
        .unwrap()
        .with_statement_cache(statements)
        .with_setting("application_name", NAME);
    let (port, slow) = (database.tcp().port(), Arc::clone(&is_slow));
    let open = move || {
        let (config, slow) = (config.clone(), Arc::clone(&slow));
        async move { Connection::over(Reluctant::connect(port, slow).await, &config).await }
    };
    let patience = Duration::from_secs(60);
    let options = PoolOptions::new().max(1).acquire_timeout(patience).clean_timeout(patience);
    (Pool::opened_by(open, options), is_slow)
}

/// Waits until none of our sessions is active or has a transaction open.
async fn at_rest(session: &mut stellata_testkit::sql::Session) {
    let busy = format!(
        "select state, query from pg_stat_activity where application_name = '{NAME}' and state <> 'idle'"
    );
    let quiet = async {
        while !session.run(&busy).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), quiet).await.unwrap();
}

#[test]
fn every_call_is_dropped_at_every_poll() {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    let limit = if is_long() { 3600 } else { 300 };
    run_within(Duration::from_secs(limit), async {
        database.run(copy::TABLES).unwrap();
        let mut watcher = database.session().unwrap();
        // Statements are let go at once, by turns, and never.
        let pools = [1, 4, 256].map(|statements| pool(&database, statements));
        let (mut question, mut drops, mut uses) = (0, 0, 0);
        for subject in &SUBJECTS {
            for case in subject.cases {
                let mut polls = 0;
                loop {
                    let (pool, is_slow) = &pools[polls % pools.len()];
                    let mut lease = pool.acquire().await.unwrap();
                    if polls % 2 == 1 {
                        (case.work)(&mut lease).await.unwrap();
                    }
                    is_slow.store(true, Ordering::Relaxed);
                    let ended = poll_and_drop(polls, (case.work)(&mut lease)).await;
                    is_slow.store(polls % 5 == 0, Ordering::Relaxed);
                    question += 1;
                    // The connection goes on as it is, or by way of the pool.
                    if polls % 4 >= 2 {
                        drop(lease);
                        // The pool cleans it by itself, not when somebody borrows.
                        at_rest(&mut watcher).await;
                        lease = pool.acquire().await.unwrap();
                        assert_eq!(lease.status(), TransactionStatus::Idle, "{:?}", case.items);
                        assert!(lease.is_quiet(), "{:?}", case.items);
                    }
                    is_whole(&mut lease, question).await;
                    for ask in subject.always {
                        let (is_so,): (bool,) = lease.query_one(ask, ()).await.unwrap();
                        assert!(is_so, "{:?} after {polls} polls: {ask}", case.items);
                    }
                    // And once more on the same connection: nothing of it is in the way.
                    (case.work)(&mut lease).await.unwrap();
                    is_slow.store(false, Ordering::Relaxed);
                    at_rest(&mut watcher).await;
                    assert_eq!((pool.status().lent, pool.status().opening), (1, 0));
                    drop(lease);
                    drops += 1;
                    if let Some(ended) = ended {
                        ended.unwrap();
                        break;
                    }
                    polls = next(polls);
                }
                uses += 1;
            }
        }
        for (pool, _) in &pools {
            drop(pool.acquire().await.unwrap());
            assert_eq!(pool.metrics().opened, 1, "none was lost: {:?}", pool.metrics());
            assert_eq!(pool.drain(Duration::from_secs(10)).await, 0);
        }
        println!("{drops} drops of {uses} uses");
        assert!(drops > 15 * uses, "{drops}");
    });
}
