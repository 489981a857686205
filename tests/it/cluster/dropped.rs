//! Futures of a cluster that are dropped at every poll.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use stellata::prelude::*;
use stellata_testkit::{Cluster as Servers, ServerOptions, run_within};

use super::*;
use crate::dropped::poll_and_drop;

type Running<'d> = Pin<Box<dyn Future<Output = Result<(), stellata::Error>> + 'd>>;

/// A use of public functions that wait.
pub(crate) struct Case {
    /// What it uses, as `room Type::function`.
    pub(crate) items: &'static [&'static str],
    work: for<'d> fn(&'d Db) -> Running<'d>,
}

fn cluster(db: &Db) -> &Cluster {
    db.cluster().unwrap()
}

pub(crate) const CASES: &[Case] = &[
    Case {
        items: &["pool Cluster::acquire", "pool Cluster::acquire_reading"],
        work: |db| {
            Box::pin(async {
                let writing = cluster(db).acquire().await;
                let reading = cluster(db).acquire_reading().await;
                let second = cluster(db).acquire_reading().await;
                drop((writing, reading, second));
                Ok(())
            })
        },
    },
    Case {
        items: &["pool Cluster::check"],
        work: |db| {
            Box::pin(async {
                cluster(db).check().await;
                Ok(())
            })
        },
    },
    Case {
        items: &["orm ReadYourWrites::transaction"],
        work: |db| {
            Box::pin(async {
                let mine = db.read_your_writes();
                let note = new!(Note { text: "alone" }).insert(&mine).await?;
                Note::get(note.id, &mine).await?;
                mine.transaction(async |tx| new!(Note { text: "one" }).insert(tx).await).await?;
                Note::query().include(|n| n.remarks()).all(&mine).await.map(drop)
            })
        },
    },
    // Below is what has a cluster of its own.
    Case {
        items: &["orm Db::connect_cluster", "orm Db::connect_cluster_with", "pool Cluster::drain"],
        work: |_| Box::pin(async { Ok(()) }),
    },
];

/// Both servers answer, each the question that it was asked.
async fn is_whole(db: &Db, question: i32) {
    let ask = || db.sql("select $1 + 0").bind(question);
    assert_eq!(ask().one::<(i32,)>().await.unwrap(), (question,));
    assert_eq!(ask().read_only().one::<(i32,)>().await.unwrap(), (question,));
}

#[test]
fn every_call_on_a_cluster_is_dropped_at_every_poll() {
    let servers = Servers::start(ServerOptions::new()).unwrap();
    run_on(servers.primary(), TABLES);
    servers.catch_up().unwrap();
    run_within(Duration::from_secs(120), async {
        let config = config(&[servers.primary(), servers.standby()]);
        let options = options().primary(PoolOptions::new().max(2));
        let db = Db::connect_cluster_with(config.clone(), options.clone()).await.unwrap();
        let mut question = 0;
        for case in CASES {
            let mut polls = 0;
            loop {
                let ended = poll_and_drop(polls, (case.work)(&db)).await.is_some();
                question += 1;
                is_whole(&db, question).await;
                if ended || polls > 400 {
                    break;
                }
                polls += 1;
            }
            (case.work)(&db).await.unwrap();
        }
        for polls in 0..12 {
            poll_and_drop(polls, Db::connect_cluster_with(config.clone(), options.clone())).await;
            poll_and_drop(polls, Db::connect_cluster(&servers.url("postgres"))).await;
            let one = Db::connect_cluster_with(config.clone(), options.clone()).await.unwrap();
            poll_and_drop(polls, cluster(&one).drain(Duration::from_secs(5))).await;
            assert_eq!(cluster(&one).drain(Duration::from_secs(5)).await, 0);
        }
        seen(cluster(&db), "all have come back", |cluster| {
            let status = cluster.status();
            status.primary.lent == 0 && status.servers.iter().all(|server| server.pool.lent == 0)
        })
        .await;
        // The tasks of the clusters that are gone have ended, and with them their sessions.
        let looking = "select count(*) from pg_stat_activity where query like '%is_standby%'
            and backend_type = 'client backend' and pid <> pg_backend_pid()";
        seen(cluster(&db), "one looks", |_| run_on(servers.primary(), looking) == "1").await;
        assert!(question > 10, "{question}");
    });
}
