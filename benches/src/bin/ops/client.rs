//! Operations of the connection and the pool.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use stellata_benches::{client as workload, schema};
use stellata_client::{Config, Connection};
use stellata_pool::{Pool, PoolOptions};

use crate::work::{Outcome, WARM_UP, check, keys, rows};

/// W1, with every key in turn.
pub(super) async fn point(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for id in keys(WARM_UP + times) {
        let user = workload::point(&mut connection, id).await?;
        check(user.id == id)?;
    }
    Ok(())
}

/// W1 with a text that the connection has not seen yet.
pub(super) async fn cold(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for id in keys(WARM_UP + times) {
        let sql = format!("{} -- {id}", workload::BY_KEY);
        let user: workload::User = connection.query_one(&sql, (id,)).await?;
        check(user.id == id)?;
    }
    Ok(())
}

pub(super) async fn all(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let users = workload::all(&mut connection).await?;
        check(users.len() == rows())?;
    }
    Ok(())
}

/// W2 by a client so slow that the socket is full whenever it looks.
pub(super) async fn all_waiting(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let mut users = pin!(workload::all(&mut connection));
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

pub(super) async fn borrowed(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        check(workload::letters(&mut connection).await? > rows())?;
    }
    Ok(())
}

pub(super) async fn insert(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for number in 0..WARM_UP + times {
        let color = (number % 2 == 0).then_some("brown");
        check(workload::insert(&mut connection, "somebody", color).await? > schema::USERS)?;
    }
    Ok(())
}

pub(super) async fn insert_many<const ROWS: usize>(config: Config, times: u32) -> Outcome {
    let users = [("somebody", Some("brown")); ROWS];
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let inserted = workload::insert_many(&mut connection, &users).await?;
        check(usize::try_from(inserted)? == ROWS)?;
    }
    Ok(())
}

pub(super) async fn lookups(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    let ids: Vec<i32> = keys(100).collect();
    let mut users = Vec::with_capacity(ids.len());
    for _ in 0..WARM_UP + times {
        users.clear();
        workload::lookups(&mut connection, &ids, &mut users).await?;
        check(users.iter().map(|user| user.id).eq(ids.iter().copied()))?;
    }
    Ok(())
}

/// W6a: a connection is lent and comes back; nobody else wants it.
pub(super) async fn lend(config: Config, times: u32) -> Outcome {
    let pool = Pool::new(config, PoolOptions::new().max(8));
    for _ in 0..WARM_UP + times {
        drop(pool.acquire().await?);
    }
    check(pool.status().idle == 1)
}

/// W6b: 64 tasks share 8 connections for `times` lookups in all, a multiple of 64.
pub(super) async fn crowd(config: Config, times: u32) -> Outcome {
    const TASKS: u32 = 64;
    let pool = Pool::new(config, PoolOptions::new().max(8));
    for round in [WARM_UP, times / TASKS] {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    for id in keys(round) {
                        let mut connection = pool.acquire().await.map_err(|e| e.to_string())?;
                        let user = workload::point(&mut connection, id)
                            .await
                            .map_err(|e| e.to_string())?;
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

/// W7 in: rows that are made while they are copied.
pub(super) async fn copy_in(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        let copied = workload::copy_in(&mut connection, schema::COPY_ROWS).await?;
        check(i32::try_from(copied)? == schema::COPY_ROWS)?;
    }
    Ok(())
}

/// W7 out.
pub(super) async fn copy_out(config: Config, times: u32) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for _ in 0..WARM_UP + times {
        check(workload::copy_out(&mut connection).await? > usize::try_from(schema::COPY_ROWS)?)?;
    }
    Ok(())
}

/// W8: a session with one query in it.
pub(super) async fn connect(config: Config, times: u32) -> Outcome {
    for _ in 0..WARM_UP + times {
        let mut connection = Connection::connect(&config).await?;
        let (one,): (i32,) = connection.query_one("select 1", ()).await?;
        check(one == 1)?;
    }
    Ok(())
}

/// So many connections, open and used at the same time, then idle.
pub(super) async fn idle(config: Config, times: u32) -> Outcome {
    let mut connections = Vec::new();
    for id in keys(times) {
        let mut connection = Connection::connect(&config).await?;
        workload::point(&mut connection, id).await?;
        check(workload::letters(&mut connection).await? > rows())?;
        connections.push(connection);
    }
    Ok(())
}

pub(super) async fn transaction(config: Config, times: u32, joined: bool) -> Outcome {
    let mut connection = Connection::connect(&config).await?;
    for id in keys(WARM_UP + times) {
        workload::transaction(&mut connection, id, joined).await?;
    }
    Ok(())
}
