//! Connections that many callers share by pipelining.

mod crowd;
mod drivers;
mod failures;
mod limits;
mod models;
mod poolers;
mod runtimes;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use stellata_client::{Params, Statement};
use stellata_pool::{Config, Pool, PoolOptions, SharedError, Sharing};
use stellata_testkit::Database;

type Asking<'p> = Pin<Box<dyn Future<Output = Result<i64, SharedError>> + Send + 'p>>;

fn config(database: &Database) -> Config {
    Config::parse(&database.url()).unwrap().with_setting("application_name", "lanes")
}

/// A pool that waits long, because tests share their machine.
fn pool(database: &Database, max: usize, lanes: usize) -> Pool {
    let options = PoolOptions::new().max(max).lanes(lanes).acquire_timeout(Duration::from_secs(20));
    Pool::new(config(database), options)
}

/// Asks a question that only one answer fits.
async fn ask(pool: &Pool, sharing: Sharing, question: i64) -> Result<i64, SharedError> {
    ask_by(pool, sharing, &"select $1::int8", question).await
}

/// Asks a statement with one parameter, that returns one number.
async fn ask_by(
    pool: &Pool,
    sharing: Sharing,
    statement: &dyn Statement,
    question: i64,
) -> Result<i64, SharedError> {
    let mut params = Params::new();
    params.push(&question).unwrap();
    let mut answer = None;
    pool.run_shared(
        statement,
        &params,
        sharing,
        |columns| columns.column::<i64>(),
        &mut |columns| {
            answer = Some(columns.next::<i64>()?);
            Ok(())
        },
    )
    .await?;
    Ok(answer.expect("a row"))
}

/// The same, to be polled by hand.
fn asking(pool: &Pool, sharing: Sharing, question: i64) -> Asking<'_> {
    Box::pin(ask(pool, sharing, question))
}

/// One that takes a while.
fn slowly(pool: &Pool, seconds: f64) -> Asking<'_> {
    Box::pin(async move {
        let sql = format!("select 1::int8 from pg_sleep({seconds})");
        let rows: Vec<(i64,)> = pool.query_shared(&sql, ()).await?;
        Ok(rows[0].0)
    })
}

/// Polls once, and lets whoever is woken by it be.
async fn poll_once(future: &mut Asking<'_>) -> Poll<Result<i64, SharedError>> {
    std::future::poll_fn(|cx: &mut Context<'_>| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Waits until something is so.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..15_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it has not come to pass: {what}");
}

/// How many sessions there are of the tests.
fn sessions(database: &Database) -> usize {
    let rows = database
        .run(
            "select count(*) from pg_stat_activity \
             where application_name = 'lanes' and datname = current_database()",
        )
        .unwrap();
    rows[0][0].as_deref().unwrap().parse().unwrap()
}
