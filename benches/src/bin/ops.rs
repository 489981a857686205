//! The program that `cargo xtask budgets` measures: `ops <operation> <times> <url>` does one operation so many times.
//!
//! Whatever it does before and after does not depend on `times`, so that the difference between two runs is what the
//! operations cost and nothing else. `ops list` names the operations.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use stellata_benches::{client, schema};
use stellata_client::{Config, Connection};
use stellata_pool::{Pool, PoolOptions};

type Outcome = Result<(), Box<dyn std::error::Error>>;
type Run = fn(Config, u32) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// Every operation, by its name.
const OPERATIONS: [(&str, Run); 16] = [
    ("client-w1", |config, times| Box::pin(point(config, times))),
    ("client-w1-cold", |config, times| Box::pin(cold(config, times))),
    ("client-w2", |config, times| Box::pin(all(config, times))),
    ("client-w2-waiting", |config, times| Box::pin(all_waiting(config, times))),
    ("client-w2-borrowed", |config, times| Box::pin(borrowed(config, times))),
    ("client-w3", |config, times| Box::pin(insert(config, times))),
    ("client-w3-100", |config, times| Box::pin(insert_many::<100>(config, times))),
    ("client-w3-1000", |config, times| Box::pin(insert_many::<1000>(config, times))),
    ("client-w5", |config, times| Box::pin(lookups(config, times))),
    ("client-w6a", |config, times| Box::pin(lend(config, times))),
    ("client-w6b", |config, times| Box::pin(crowd(config, times))),
    ("client-w8", |config, times| Box::pin(connect(config, times))),
    ("client-w8-scram", |config, times| Box::pin(connect(config, times))),
    ("client-idle", |config, times| Box::pin(idle(config, times))),
    ("client-transaction", |config, times| Box::pin(transaction(config, times, false))),
    ("client-transaction-joined", |config, times| Box::pin(transaction(config, times, true))),
];

/// Each operation is done so many times before it counts: statements are prepared and buffers have their sizes then.
const WARM_UP: u32 = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] => {
            OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        [operation, times, url] => run(operation, times, url),
        _ => Err("usage: ops list | ops <operation> <times> <url>".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(operation: &str, times: &str, url: &str) -> Outcome {
    let (_, run) = OPERATIONS
        .iter()
        .find(|(name, _)| *name == operation)
        .ok_or_else(|| format!("there is no operation `{operation}`"))?;
    let times: u32 = times.parse()?;
    // Slow under the tools that count: the limit must not be what ends it.
    let config = Config::parse(&format!("{url}?connect_timeout=60"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, times))
}

/// W1, with every key in turn.
async fn point(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for id in keys(WARM_UP + times) {
        let user = client::point(&mut connection, id).await?;
        check(user.id == id)?;
    }
    Ok(())
}

/// W1 with a text that the connection has not seen yet.
async fn cold(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for id in keys(WARM_UP + times) {
        let sql = format!("{} -- {id}", client::BY_KEY);
        let user: client::User = connection.query_one(&sql, (id,)).await?;
        check(user.id == id)?;
    }
    Ok(())
}

async fn all(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let users = client::all(&mut connection).await?;
        check(users.len() == rows())?;
    }
    Ok(())
}

/// W2 by a client so slow that the socket is full whenever it looks.
async fn all_waiting(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let mut users = pin!(client::all(&mut connection));
        let users = poll_fn(|cx| match users.as_mut().poll(cx) {
            Poll::Ready(users) => Poll::Ready(users),
            Poll::Pending => {
                thread::sleep(Duration::from_millis(20));
                Poll::Pending
            }
        })
        .await?;
        check(users.len() == rows())?;
    }
    Ok(())
}

async fn borrowed(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        check(client::letters(&mut connection).await? > rows())?;
    }
    Ok(())
}

async fn insert(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for number in 0..WARM_UP + times {
        let color = (number % 2 == 0).then_some("brown");
        check(client::insert(&mut connection, "somebody", color).await? > schema::USERS)?;
    }
    Ok(())
}

async fn insert_many<const ROWS: usize>(config: Config, times: u32) -> Outcome {
    let users = [("somebody", Some("brown")); ROWS];
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let inserted = client::insert_many(&mut connection, &users).await?;
        check(usize::try_from(inserted)? == ROWS)?;
    }
    Ok(())
}

async fn lookups(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    let ids: Vec<i32> = keys(100).collect();
    let mut users = Vec::with_capacity(ids.len());
    for _ in 0..WARM_UP + times {
        users.clear();
        client::lookups(&mut connection, &ids, &mut users).await?;
        check(users.iter().map(|user| user.id).eq(ids.iter().copied()))?;
    }
    Ok(())
}

/// W6a: a connection is lent and comes back; nobody else wants it.
async fn lend(config: Config, times: u32) -> Outcome {
    let pool = Pool::new(config, PoolOptions::new().max(8));
    for _ in 0..WARM_UP + times {
        drop(pool.acquire().await?);
    }
    check(pool.status().idle == 1)
}

/// W6b: 64 tasks share 8 connections for `times` lookups in all, a multiple of 64.
async fn crowd(config: Config, times: u32) -> Outcome {
    const TASKS: u32 = 64;
    let pool = Pool::new(config, PoolOptions::new().max(8));
    for round in [WARM_UP, times / TASKS] {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    for id in keys(round) {
                        let mut connection = pool.acquire().await.map_err(|e| e.to_string())?;
                        let user =
                            client::point(&mut connection, id).await.map_err(|e| e.to_string())?;
                        check(user.id == id).map_err(|e| e.to_string())?;
                    }
                    Ok::<_, String>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
    }
    Ok(())
}

/// W8: a session with one query in it.
async fn connect(config: Config, times: u32) -> Outcome {
    for _ in 0..WARM_UP + times {
        let mut connection = Connection::connect(&config).await?;
        let (one,): (i32,) = connection.query_one("select 1", ()).await?;
        check(one == 1)?;
    }
    Ok(())
}

/// So many connections, open and used at the same time, then idle.
async fn idle(config: Config, times: u32) -> Outcome {
    let mut connections = Vec::new();
    for id in keys(times) {
        let mut connection = Connection::connect(&config).await?;
        client::point(&mut connection, id).await?;
        check(client::letters(&mut connection).await? > rows())?;
        connections.push(connection);
    }
    Ok(())
}

async fn transaction(config: Config, times: u32, joined: bool) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for id in keys(WARM_UP + times) {
        client::transaction(&mut connection, id, joined).await?;
    }
    Ok(())
}

/// Keys in turn; every other user has a hair colour.
fn keys(count: u32) -> impl Iterator<Item = i32> + Send {
    (1..=schema::USERS).cycle().zip(0..count).map(|(id, _)| id)
}

fn rows() -> usize {
    usize::try_from(schema::USERS).unwrap_or_default()
}

/// The answer is what was asked for: a program that does less than it says would be quick.
fn check(holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err("the answer is wrong".into()) }
}
