//! Servers that end sessions, and networks that cut them off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stellata_pool::{Config, Pool, PoolOptions};
use stellata_testkit::{Direction, Ending, Proxy, with_database};

use super::{eventually, pool};

#[test]
fn a_dead_connection_is_not_lent() {
    with_database(async |database| {
        let pool = pool(database, 3);
        let mut lent = Vec::new();
        for _ in 0..3 {
            lent.push(pool.acquire().await.unwrap());
        }
        drop(lent);
        database
            .run(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .unwrap();
        // The goodbye may need a moment to come; then all three are noticed by the first who asks.
        let mut tries = 0;
        loop {
            let mut connection = pool.acquire().await.unwrap();
            if connection.execute("select 1", ()).await.is_ok() {
                break;
            }
            tries += 1;
            assert!(tries < 6);
        }
        assert_eq!(pool.metrics().closed.broken, 3);
        assert_eq!((pool.metrics().opened, pool.status().idle), (4, 1));
    });
}

#[test]
fn a_connection_that_is_cut_off_at_any_moment_is_replaced() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let options = PoolOptions::new().max(1).acquire_timeout(Duration::from_secs(20));
        let pool = Pool::new(config, options);
        for (round, ending) in
            [Ending::Close, Ending::Reset].into_iter().cycle().take(10).enumerate()
        {
            let mut lease = pool.acquire().await.unwrap();
            lease.execute("select 1", ()).await.unwrap();
            let in_use = round % 3 == 0;
            if in_use {
                proxy.sever(ending);
                assert!(lease.execute("select 1", ()).await.is_err());
                drop(lease);
            } else {
                drop(lease);
                proxy.sever(ending);
            }
            let mut tries = 0;
            while pool.acquire().await.unwrap().execute("select 1", ()).await.is_err() {
                tries += 1;
                assert!(tries < 3, "one connection can fail but once");
            }
        }
        assert_eq!(pool.status().waiting, 0);
        // One way silent: the caller's own limit ends it, and the pool replaces what does not answer.
        let mut lease = pool.acquire().await.unwrap();
        proxy.half_close(Direction::ToServer);
        let _ = tokio::time::timeout(Duration::from_secs(5), lease.execute("select 1", ())).await;
        lease.discard();
        let mut tries = 0;
        while pool.acquire().await.unwrap().execute("select 1", ()).await.is_err() {
            tries += 1;
            assert!(tries < 3);
        }
    });
}

#[test]
fn nobody_tries_again_for_those_who_went_away() {
    with_database(async |database| {
        let (there, opened) = (super::config(database), Arc::new(AtomicUsize::new(0)));
        let open = {
            let opened = Arc::clone(&opened);
            move || {
                // The first finds a server, all others none.
                let is_first = opened.fetch_add(1, Ordering::Relaxed) == 0;
                let there = there.clone();
                async move {
                    let nowhere = Config::parse("postgres://me@127.0.0.1:1/x?sslmode=disable")?;
                    stellata_client::Connection::connect(if is_first { &there } else { &nowhere })
                        .await
                }
            }
        };
        let options = PoolOptions::new().max(2).acquire_timeout(Duration::from_secs(20));
        let pool = Pool::opened_by(open, options);
        let lent = pool.acquire().await.unwrap();
        let wait = |pool: &Pool| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.acquire().await.map(drop) })
        };
        let first = wait(&pool);
        eventually("one waits", || pool.status().waiting == 1).await;
        let second = wait(&pool);
        eventually("two wait", || pool.status().waiting == 2).await;
        eventually("the server is away", || pool.metrics().failed_to_open > 0).await;
        // Its place in line stays where it is, behind the first.
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        drop(lent);
        first.await.unwrap().unwrap();
        assert_eq!((pool.status().waiting, pool.status().idle), (0, 1));
        eventually("nobody tries again", || pool.status().opening == 0).await;
    });
}
