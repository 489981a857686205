//! No answer reaches the wrong question, however many are cancelled, dropped, or lose their session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use stellata_client::{Config, Connection, Error, ErrorKind, SqlState};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Server, run_within};
use tokio::runtime::Builder;

use crate::dropped::poll_and_drop;

const TASKS: u64 = 16;
const CONNECTIONS: usize = 8;
const NAME: &str = "crosstalk";

/// Numbers that follow from a seed (xorshift; Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A number that no other question has.
fn fresh() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many of what there were.
#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    answered: AtomicU64,
    dropped: AtomicU64,
    cancelled: AtomicU64,
    lost: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Asks in one of many ways a question that only one answer fits.
async fn ask(connection: &mut Connection, way: u64) -> Result<(), Error> {
    let n = fresh();
    match way {
        0..4 => {
            let (answer,): (i64,) = connection.query_one("select $1 + 0", (n,)).await?;
            assert_eq!(answer, n);
        }
        4 => {
            let sql = "select $1, m from generate_series(1, 20) m";
            let rows: Vec<(i64, i32)> = connection.query(sql, (n,)).await?;
            assert!(rows.into_iter().eq((1..=20).map(|m| (n, m))));
        }
        5 => {
            let results = connection.simple(&format!("select {n}; select -{n}")).await?;
            let values: Vec<_> = results.into_iter().flat_map(|result| result.rows).collect();
            assert_eq!(values, [[Some(n.to_string())], [Some((-n).to_string())]]);
        }
        6 => {
            let mut batch = connection.batch()?;
            batch.add("select $1 + 0", (n,))?.sync()?;
            batch.add("select 1 / ($1 - $1)", (n,))?.sync()?;
            batch.add("select $1, 'text'", (n,))?;
            let mut answers = batch.send()?;
            assert_eq!(answers.one::<(i64,)>().await?, (n,));
            let error = answers.count().await.unwrap_err();
            if error.is_fatal() {
                return Err(error);
            }
            assert_eq!(error.sqlstate().map(|state| state.to_string()).as_deref(), Some("22012"));
            assert_eq!(answers.one::<(i64, String)>().await?, (n, "text".to_owned()));
        }
        7 => {
            // Some of the rows only: the next call passes over the others.
            let sql = "select $1, repeat('x', 100) from generate_series(1, 50)";
            let mut rows = connection.lend(sql, (n,))?;
            for _ in 0..3 {
                assert_eq!(rows.next::<(i64, &str)>().await?.map(|row| row.0), Some(n));
            }
        }
        8 => {
            connection.execute("begin", ()).await?;
            let (answer,): (i64,) = connection.query_one("select $1 - 1", (n,)).await?;
            assert_eq!(answer, n - 1);
            connection.execute("rollback", ()).await?;
        }
        9 => {
            let rows = connection.copy_in("crosstalk", &["n"]).rows([(n,), (n,), (n,)]).await?;
            assert_eq!(rows, 3);
            let deleted = connection.execute("delete from crosstalk where n = $1", (n,)).await?;
            assert_eq!(deleted, 3);
        }
        _ => {
            let mut copied = Vec::new();
            let query = format!("select {n} from generate_series(1, 3)");
            connection.copy_out_query(&query).write_to(&mut copied).await?;
            assert_eq!(String::from_utf8(copied).unwrap(), format!("{n}\n").repeat(3));
        }
    }
    Ok(())
}

/// Asks, and gives the question up in one of many ways. A connection that is to be returned as it is, is not asked again.
async fn ask_in_vain(
    connection: &mut Connection,
    random: &mut Random,
    counts: &Counts,
) -> Result<bool, Error> {
    let n = fresh();
    let sql = "select $1 from pg_sleep(0.025)";
    let ran = match random.below(30) {
        // Most are dropped: the server need not be told.
        0..27 => {
            let (polls, way) = (random.below(3), random.below(11));
            let asked = poll_and_drop(usize::try_from(polls).unwrap(), ask(connection, way)).await;
            match asked {
                Some(Ok(())) => return Ok(true),
                Some(Err(error)) => Err(error),
                None => {
                    add(&counts.dropped);
                    let is_returned = random.below(4) == 0;
                    if !is_returned && way == 8 {
                        // The transaction may have begun.
                        connection.execute("rollback", ()).await?;
                    }
                    return Ok(!is_returned);
                }
            }
        }
        27..29 => {
            let limit = Duration::from_micros(random.below(9_000));
            let ran = connection.with_limit(limit).query_one::<(i64,)>(sql, (n,)).await;
            // A batch is refused while a cancellation is under way.
            connection.drain(Duration::from_secs(20)).await?;
            ran
        }
        _ => {
            let handle = connection.cancel_handle();
            let micros = random.below(9_000);
            let cancelling = async {
                tokio::time::sleep(Duration::from_micros(micros)).await;
                // A session that was killed meanwhile has nothing to cancel.
                let _ = handle.cancel().await;
            };
            tokio::join!(connection.query_one::<(i64,)>(sql, (n,)), cancelling).0
        }
    };
    match ran {
        Ok((answer,)) => {
            assert_eq!(answer, n);
            Ok(true)
        }
        Err(error)
            if error.kind() == ErrorKind::Timeout
                || error.sqlstate() == Some(SqlState::QUERY_CANCELED) =>
        {
            add(&counts.cancelled);
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Asks until there are enough questions.
async fn go_on_asking(pool: Pool, seed: u64, counts: Arc<Counts>, enough: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    while counts.asked.load(Ordering::Relaxed) < enough {
        let mut lease = pool.acquire().await.unwrap();
        for _ in 0..=random.below(12) {
            add(&counts.asked);
            let asked = if random.below(2) == 0 {
                ask_in_vain(&mut lease, &mut random, &counts).await
            } else {
                let way = random.below(11);
                ask(&mut lease, way).await.map(|()| {
                    add(&counts.answered);
                    true
                })
            };
            match asked {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    assert!(error.is_fatal(), "seed {seed}: {error:?}");
                    assert!(lease.is_closed(), "seed {seed}: {error:?}");
                    add(&counts.lost);
                    break;
                }
            }
        }
    }
}

#[test]
fn an_answer_never_reaches_the_wrong_question_under_cancels_and_kills() {
    let enough = match std::env::var_os("STELLATA_LONG") {
        Some(_) => 1_000_000,
        None => 5_000,
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(60 + enough / 200), async {
        let config = Config::parse(&database.url()).unwrap().with_setting("application_name", NAME);
        database.run("create unlogged table crosstalk (n int8)").unwrap();
        database.run("create index on crosstalk (n)").unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let options =
            PoolOptions::new().max(CONNECTIONS).acquire_timeout(Duration::from_secs(60)).seed(1);
        let pool = Pool::new(config, options);
        let counts = Arc::new(Counts::default());
        let tasks: Vec<_> = (1..=TASKS)
            .map(|seed| {
                let asking = go_on_asking(pool.clone(), seed, Arc::clone(&counts), enough);
                runtime.spawn(asking)
            })
            .collect();
        let is_over = AtomicBool::new(false);
        let kill = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{NAME}'
             order by random() limit 1"
        );
        let mut killed = 0;
        let killing = async {
            let mut session = database.session().unwrap();
            while !is_over.load(Ordering::Relaxed) {
                killed += session.run(&kill).unwrap().len();
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        };
        let asking = async {
            for task in tasks {
                task.await.unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        };
        tokio::join!(killing, asking);
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        println!(
            "{} questions: {} answered, {} dropped, {} cancelled, {} lost with one of {killed} sessions killed; 0 mismatches",
            count(&counts.asked),
            count(&counts.answered),
            count(&counts.dropped),
            count(&counts.cancelled),
            count(&counts.lost),
        );
        assert!(count(&counts.asked) >= enough && count(&counts.answered) > enough / 3);
        assert!(count(&counts.dropped) + count(&counts.cancelled) > enough * 3 / 10);
        assert!(count(&counts.cancelled) > 0 && killed > 0);
        assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
        runtime.shutdown_background();
    });
}
