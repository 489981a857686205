//! Lanes over encrypted connections: what one poll decrypts belongs to many.

use std::time::Duration;

use stellata_client::{Config, SslMode};
use stellata_pool::{Pool, PoolOptions, SharedError};
use stellata_testkit::{Ending, Proxy, with_database_on};
use tokio::task::JoinSet;

use super::server::{config, shared};
use super::trusting;

fn lanes(config: Config, lanes: usize) -> Pool {
    let options = PoolOptions::new().max(4).lanes(lanes).acquire_timeout(Duration::from_secs(20));
    Pool::new(config, options)
}

/// Asks for a text that is long enough to be cut by records.
async fn ask(pool: &Pool, question: i64) -> Result<(), SharedError> {
    let sql = "select $1::int8, repeat(chr(65 + ($1 % 26)::int4), ($1 % 7 * 997)::int4)";
    let rows: Vec<(i64, String)> = pool.query_shared(sql, (question,)).await?;
    let [(told, text)] = rows.as_slice() else { panic!("not one row: {rows:?}") };
    let letter = char::from(65 + u8::try_from(question % 26).unwrap());
    assert_eq!(*told, question);
    assert_eq!(text.len() as i64, question % 7 * 997);
    assert!(text.chars().all(|one| one == letter));
    Ok(())
}

#[test]
fn many_tasks_share_an_encrypted_connection() {
    with_database_on(shared(), async |database| {
        let pool = lanes(config(database, "only_encrypted", trusting(SslMode::VerifyFull)), 1);
        let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let rows: Vec<(bool,)> = pool.query_shared(sql, ()).await.unwrap();
        assert_eq!(rows, [(true,)]);
        let mut tasks = JoinSet::new();
        for task in 0..32_i64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for round in 0..20 {
                    let asking = ask(&pool, task * 1_000 + round);
                    if round % 5 == 0 {
                        // Dropped with its answer perhaps half decrypted.
                        let limit = Duration::from_micros((task * 31 + round) as u64 * 3);
                        let _ = tokio::time::timeout(limit, asking).await;
                    } else {
                        asking.await.unwrap();
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!((pool.lanes(), pool.metrics().opened), (1, 1));
        let counts = pool.metrics().lanes;
        assert!(counts.writes < counts.statements && counts.read_by_others > 0, "{counts:?}");
    });
}

#[test]
fn an_encrypted_connection_that_is_cut_fails_what_was_in_flight_and_no_more() {
    with_database_on(shared(), async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let tls = trusting(SslMode::VerifyFull);
        let config = config(database, "postgres", tls).with_port(proxy.port());
        let pool = lanes(config, 1);
        for round in 0..3_i64 {
            ask(&pool, round).await.unwrap();
            let asking: Vec<_> = (0..8)
                .map(|n| {
                    let pool = pool.clone();
                    tokio::spawn(async move {
                        let sql = format!("select {n} from pg_sleep(20) -- {round}");
                        pool.query_shared::<(i32,)>(&sql, ()).await
                    })
                })
                .collect();
            let running = format!(
                "select 1 from pg_stat_activity \
                 where datname = current_database() and query like '%pg_sleep(20) -- {round}'"
            );
            while database.run(&running).unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            proxy.sever(Ending::Reset);
            for asked in asking {
                let error = asked.await.unwrap().unwrap_err();
                assert!(matches!(error, SharedError::Statement(_)), "{error:?}");
            }
        }
        ask(&pool, 7).await.unwrap();
    });
}
