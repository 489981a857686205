//! Operations of the model layer.

use stellata::PoolOptions;
use stellata::prelude::*;
use stellata_benches::{model as workload, schema};
use stellata_client::Config;

use crate::work::{Outcome, WARM_UP, check, keys, rows};

/// As many batches of new rows as any run inserts. They are made whether they are used or not, so that the difference
/// between two runs is what inserting costs, and not what making rows does.
const BATCHES: usize = 24;

/// As many new rows as any run inserts one by one, made beforehand for the same reason.
const NEW: usize = 500;

async fn open(config: Config) -> stellata::Result<Db> {
    Db::connect_with(config, PoolOptions::new().max(8)).await
}

/// W1 by `get`.
pub(super) async fn point(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    for id in keys(WARM_UP + times) {
        let user = workload::point(&db, id).await?;
        check(user.id.into_inner() == id)?;
    }
    Ok(())
}

/// W1 by `filter` and `first`.
pub(super) async fn filtered(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    for id in keys(WARM_UP + times) {
        let user = workload::filtered(&db, id).await?;
        check(user.is_some_and(|user| user.id.into_inner() == id))?;
    }
    Ok(())
}

pub(super) async fn all(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    for _ in 0..WARM_UP + times {
        let users = workload::all(&db).await?;
        check(users.len() == rows())?;
    }
    Ok(())
}

pub(super) async fn insert(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    let color = |number: usize| number.is_multiple_of(2).then_some("brown");
    let new: Vec<_> = (0..NEW).map(|at| workload::new_user("somebody", color(at))).collect();
    let wanted = usize::try_from(WARM_UP + times)?;
    check(wanted <= NEW)?;
    // All of them are dropped here or there.
    for (number, new) in new.into_iter().enumerate().take(wanted) {
        let user = new.insert(&db).await?;
        check(user.id.into_inner() > schema::USERS)?;
        check(user.hair_color.as_deref() == color(number))?;
    }
    Ok(())
}

pub(super) async fn insert_many<const ROWS: usize>(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    let batch =
        || (0..ROWS).map(|_| workload::new_user("somebody", Some("brown"))).collect::<Vec<_>>();
    let mut batches: Vec<_> = (0..BATCHES).map(|_| batch()).collect();
    for _ in 0..WARM_UP + times {
        let users = batches.pop().ok_or("more inserts than there are batches")?;
        let inserted = workload::insert_many(&db, users).await?;
        check(usize::try_from(inserted)? == ROWS)?;
    }
    Ok(())
}

/// W4: the authors, their posts, the comments on these.
pub(super) async fn graph(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    for _ in 0..WARM_UP + times {
        let users = workload::graph(&db, schema::AUTHORS).await?;
        let (mut posts, mut comments) = (0, 0);
        for post in users.iter().map(|user| user.posts.get()).collect::<Result<Vec<_>, _>>()? {
            posts += post.len();
            for post in post {
                comments += post.comments.get()?.len();
            }
        }
        let posts_wanted = schema::AUTHORS * schema::POSTS;
        check(posts == usize::try_from(posts_wanted)?)?;
        check(comments == usize::try_from(posts_wanted * schema::COMMENTS)?)?;
    }
    Ok(())
}

/// W6b: 64 tasks share 8 connections for `times` lookups in all, a multiple of 64.
pub(super) async fn crowd(config: Config, times: u32) -> Outcome {
    const TASKS: u32 = 64;
    let db = open(config).await?;
    for round in [WARM_UP, times / TASKS] {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    for id in keys(round) {
                        let user = workload::point(&db, id).await.map_err(|e| e.to_string())?;
                        check(user.id.into_inner() == id).map_err(|e| e.to_string())?;
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

pub(super) async fn transaction(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    for id in keys(WARM_UP + times) {
        workload::transaction(&db, id).await?;
    }
    Ok(())
}
