//! Many tasks on few connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{run_within, with_database};

use super::{config, eventually, number, threads};

#[test]
fn ten_thousand_tasks_share_sixteen_connections() {
    const MAX: usize = 16;
    const TASKS: usize = 10_000;
    with_database(async |database| {
        let config = config(database).with_setting("application_name", "crowd");
        let options = PoolOptions::new().max(MAX).acquire_timeout(Duration::from_secs(50));
        let pool = Pool::new(config, options);
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut watch = database.session().unwrap();
        let watching = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                let mut peak = 0;
                while !over.load(Ordering::Relaxed) {
                    let rows = watch
                        .run("select count(*) from pg_stat_activity where application_name = 'crowd'")
                        .unwrap();
                    peak = peak.max(number(&rows));
                }
                peak
            }
        });
        let runtime = threads();
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                let (pool, served) = (pool.clone(), Arc::clone(&served));
                runtime.spawn(async move {
                    let work = async {
                        let mut connection = pool.acquire().await.unwrap();
                        let asked = n as i64;
                        let (told,): (i64,) =
                            connection.query_one("select $1", (asked,)).await.unwrap();
                        assert_eq!(told, asked);
                    };
                    if n % 5 == 0 {
                        // Cancelled at some point between getting in line and giving back.
                        let limit = Duration::from_micros((n as u64 * 7) % 300_000);
                        let _ = tokio::time::timeout(limit, work).await;
                    } else {
                        work.await;
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(served.load(Ordering::Relaxed), TASKS - TASKS / 5);
        eventually("all are back", || pool.status().lent == 0 && pool.status().opening == 0).await;
        let status = pool.status();
        assert_eq!(status.waiting, 0);
        assert!((1..=MAX).contains(&status.idle), "{status:?}");
        assert_eq!(pool.metrics().timed_out, 0);
        over.store(true, Ordering::Relaxed);
        let peak = watching.join().unwrap();
        // Behind a connection that was closed the server's session may still be leaving.
        let leaving = usize::try_from(pool.metrics().closed.total()).unwrap();
        assert!((1..=MAX + leaving).contains(&peak), "{peak} sessions at once, {leaving} closed");
        assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
        runtime.shutdown_background();
    });
}

/// How many questions the test below asks: a short run, unless `STELLATA_NONCES` says how many.
fn nonces() -> usize {
    let told = std::env::var("STELLATA_NONCES").ok().and_then(|value| value.parse().ok());
    told.unwrap_or(6_000)
}

#[test]
fn an_answer_never_reaches_another_question() {
    const TASKS: usize = 32;
    let each = nonces() / TASKS;
    let limit = Duration::from_secs(60 + nonces() as u64 / 200);
    let server = stellata_testkit::Server::shared().unwrap();
    let database = stellata_testkit::Database::create(server).unwrap();
    run_within(limit, async {
        let config = config(&database).with_setting("application_name", "nonces");
        let options = PoolOptions::new().max(8).acquire_timeout(Duration::from_secs(50));
        let pool = Pool::new(config, options);
        let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut killer = database.session().unwrap();
        let killing = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                let mut killed = 0;
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(30));
                    let one = "select pg_terminate_backend(pid) from pg_stat_activity
                        where application_name = 'nonces' order by random() limit 1";
                    killer.run(one).unwrap();
                    killed += 1;
                }
                killed
            }
        });
        let runtime = threads();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (pool, answered) = (pool.clone(), Arc::clone(&answered));
                runtime.spawn(async move {
                    for round in 0..each {
                        let nonce = (task * each + round) as i64;
                        let ask = async {
                            let mut connection = pool.acquire().await.unwrap();
                            let asked = connection
                                .query_one::<(i64, String)>(
                                    "select $1::int8, repeat('x', ($1::int8 % 300)::int4)",
                                    (nonce,),
                                )
                                .await;
                            // A killed session may answer nothing, but never another's answer.
                            let Ok((told, filling)) = asked else { return };
                            assert_eq!(told, nonce);
                            assert_eq!(filling.len() as i64, nonce % 300);
                            answered.fetch_add(1, Ordering::Relaxed);
                        };
                        if nonce % 10 < 3 {
                            let limit = Duration::from_micros((nonce as u64 * 13) % 2_000);
                            let _ = tokio::time::timeout(limit, ask).await;
                        } else {
                            ask.await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
        let killed: usize = killing.join().unwrap();
        let answered = answered.load(Ordering::Relaxed);
        assert!(answered >= TASKS * each / 2, "{answered} answers, {killed} kills");
        eventually("all are back", || pool.status().lent == 0 && pool.status().opening == 0).await;
        assert_eq!(pool.status().waiting, 0);
        assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
        runtime.shutdown_background();
        println!("{answered} of {} answered, {killed} sessions killed, no mismatch", TASKS * each);
    });
}
