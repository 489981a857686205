//! Many tasks, futures that are dropped at any time, sessions that are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use stellata_pool::{Pool, PoolOptions, Sharing};
use stellata_testkit::{Database, Server, run_within};
use tokio::runtime::Builder;

use super::{ask_by, config};

const TASKS: usize = 64;

/// How many questions are asked: a short run, unless `STELLATA_LONG` is set.
fn questions() -> usize {
    if std::env::var("STELLATA_LONG").is_ok() { 1_000_000 } else { 12_800 }
}

#[test]
fn an_answer_on_a_lane_never_reaches_the_wrong_question() {
    let each = questions() / TASKS;
    let limit = Duration::from_secs(60 + questions() as u64 / 500);
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(limit, async {
        let options = PoolOptions::new().max(6).lanes(4).acquire_timeout(Duration::from_secs(50));
        let pool = Pool::new(config(&database), options);
        let over = Arc::new(AtomicBool::new(false));
        let [answered, dropped] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let mut killer = database.session().unwrap();
        let killing = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                let mut killed = 0;
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(100));
                    let one = "select pg_terminate_backend(pid) from pg_stat_activity
                        where application_name = 'lanes' and datname = current_database() order by random() limit 1";
                    killed += killer.run(one).unwrap().len();
                }
                killed
            }
        });
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (pool, answered) = (pool.clone(), Arc::clone(&answered));
                let dropped = Arc::clone(&dropped);
                runtime.spawn(async move {
                    for round in 0..each {
                        let nonce = (task * each + round) as i64;
                        let ask = async {
                            let sharing = match nonce % 2 {
                                0 => Sharing::Apart,
                                _ => Sharing::Together,
                            };
                            // A few statements, some of them new; some fail, and take no other along.
                            let fails = nonce % 23 == 0;
                            let sql = match (fails, nonce % 11 == 0) {
                                (true, _) => "select 1 / ($1::int8 - $1::int8)".to_owned(),
                                (false, true) => format!("select $1::int8 -- {}", nonce % 900),
                                (false, false) => "select $1::int8".to_owned(),
                            };
                            // A killed session may answer nothing, but never another's answer.
                            match ask_by(&pool, sharing, &sql.as_str(), nonce).await {
                                Ok(told) => {
                                    assert_eq!(told, nonce);
                                    assert!(!fails);
                                    answered.fetch_add(1, Ordering::Relaxed);
                                }
                                Err(error) => {
                                    let text = error.to_string();
                                    let is_own = text.contains("22012");
                                    assert!(fails || !is_own, "{nonce}: {text}");
                                }
                            }
                        };
                        if nonce % 10 < 7 {
                            let limit = Duration::from_micros((nonce as u64 * 13) % 400);
                            if tokio::time::timeout(limit, ask).await.is_err() {
                                dropped.fetch_add(1, Ordering::Relaxed);
                            }
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
        let [answered, dropped] = [answered, dropped].map(|count| count.load(Ordering::Relaxed));
        assert!(answered >= TASKS * each / 2, "{answered} answers, {killed} kills");
        assert!(dropped > 0 && killed > 0, "{dropped} dropped, {killed} kills");
        assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
        runtime.shutdown_background();
        println!(
            "{} questions on lanes: {answered} answered, {dropped} dropped, {killed} sessions killed, 0 mismatches",
            TASKS * each
        );
    });
}
