//! Lookups of many tasks that share connections by pipelining.

use std::future::Future;

use stellata::PoolOptions;
use stellata::prelude::*;
use stellata_benches::model as workload;
use stellata_client::Config;

use crate::work::{Outcome, WARM_UP, check, keys};

const TASKS: u32 = 64;

async fn open(config: Config) -> stellata::Result<Db> {
    Db::connect_with(config, PoolOptions::new().max(8).lanes(8)).await
}

/// W6b over lanes, `times` lookups in all, a multiple of 64: reads of models, which may share a Sync.
pub(super) async fn crowd(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    shared(&db, times, |db, id| async move {
        let user = workload::point(&db, id).await.map_err(|e| e.to_string())?;
        Ok(user.id.into_inner())
    })
    .await
}

/// The same in SQL: a Sync for each.
pub(super) async fn crowd_apart(config: Config, times: u32) -> Outcome {
    let db = open(config).await?;
    shared(&db, times, |db, id| async move {
        let sql = db.sql(stellata_benches::client::BY_KEY).bind(id).shared();
        let user: stellata_benches::client::User = sql.one().await.map_err(|e| e.to_string())?;
        Ok(user.id)
    })
    .await
}

async fn shared<F>(
    db: &Db,
    times: u32,
    look_up: impl Fn(Db, i32) -> F + Copy + Send + 'static,
) -> Outcome
where
    F: Future<Output = Result<i32, String>> + Send,
{
    for round in [WARM_UP, times / TASKS] {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    for id in keys(round) {
                        check(look_up(db.clone(), id).await? == id).map_err(|e| e.to_string())?;
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
