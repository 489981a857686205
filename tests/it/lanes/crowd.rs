//! Many tasks, futures that are dropped at any time, sessions that are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_pool::{Pool, PoolOptions, Sharing};
use stellata_testkit::{Database, Server, run_within};
use tokio::runtime::Builder;

use super::{ask_by, config};
use crate::dropped::poll_and_drop;

const TASKS: usize = 64;

/// How many rounds of one task there are between two kills.
const ROUNDS_PER_KILL: usize = 10;

/// How many questions are asked: a short run, unless `STELLATA_LONG` is set.
fn questions() -> usize {
    if std::env::var("STELLATA_LONG").is_ok() { 1_000_000 } else { 12_800 }
}

#[test]
fn an_answer_on_a_lane_never_reaches_the_wrong_question() {
    let each = questions() / TASKS;
    let limit = Duration::from_secs(240 + questions() as u64 / 500);
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(limit, async {
        let options = PoolOptions::new().max(6).lanes(4).acquire_timeout(Duration::from_secs(50));
        let pool = Pool::new(config(&database), options);
        let [answered, dropped, killed, patient, patiently_answered] =
            [(); 5].map(|()| Arc::new(AtomicUsize::new(0)));
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (pool, answered) = (pool.clone(), Arc::clone(&answered));
                let (dropped, killed) = (Arc::clone(&dropped), Arc::clone(&killed));
                let patient = Arc::clone(&patient);
                let patiently_answered = Arc::clone(&patiently_answered);
                let mut killer = (task == 0).then(|| database.session().unwrap());
                runtime.spawn(async move {
                    for round in 0..each {
                        if let Some(killer) = &mut killer
                            && round % ROUNDS_PER_KILL == ROUNDS_PER_KILL / 2
                        {
                            let one = "select pg_terminate_backend(pid) from pg_stat_activity
                                where application_name = 'lanes' and datname = current_database()
                                order by random() limit 1";
                            let ended = tokio::task::block_in_place(|| killer.run(one).unwrap());
                            killed.fetch_add(ended.len(), Ordering::Relaxed);
                        }
                        let nonce = (task * each + round) as i64;
                        let (fails, is_patient) = (nonce % 23 == 0, nonce % 10 >= 7);
                        let ask = async {
                            let sharing = match nonce % 2 {
                                0 => Sharing::Apart,
                                _ => Sharing::Together,
                            };
                            // A few statements, some of them new; some fail, and take no other along.
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
                                    patiently_answered
                                        .fetch_add(usize::from(is_patient), Ordering::Relaxed);
                                }
                                Err(error) => {
                                    let text = error.to_string();
                                    let is_own = text.contains("22012");
                                    assert!(fails || !is_own, "{nonce}: {text}");
                                }
                            }
                        };
                        if is_patient {
                            patient.fetch_add(usize::from(!fails), Ordering::Relaxed);
                            ask.await;
                        } else if poll_and_drop(nonce as usize / 10 % 4, ask).await.is_none() {
                            dropped.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let [answered, dropped, killed, patient, patiently_answered] =
            [answered, dropped, killed, patient, patiently_answered]
                .map(|count| count.load(Ordering::Relaxed));
        // Who is killed takes at most one question of each task along; all others are answered.
        assert!(
            patiently_answered + TASKS * killed >= patient * 3 / 4,
            "{patiently_answered} of {patient} answered, {killed} kills"
        );
        assert!(dropped > 0 && killed > 0, "{dropped} dropped, {killed} kills");
        assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
        runtime.shutdown_background();
        println!(
            "{} questions on lanes: {answered} answered, {dropped} dropped, {killed} sessions killed, 0 mismatches",
            TASKS * each
        );
    });
}
