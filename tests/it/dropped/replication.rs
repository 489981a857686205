//! Replication: commands, streams, and what becomes of the slot.

use std::pin::Pin;
use std::time::Duration;

use stellata_client::replication::{
    Event, LogicalOptions, NewSlot, PhysicalOptions, ReplicationConnection, SlotChange,
};
use stellata_client::{Config, Error, ErrorKind};
use stellata_testkit::{Database, run_within};

use super::reluctant::Trickle;
use super::unconnected::gone;
use super::{is_long, next, poll_and_drop};
use crate::replication::{server, slot_name};

pub(super) const ITEMS: &[&str] = &[
    "client ReplicationConnection::connect",
    "client ReplicationConnection::connect_physical",
    "client ReplicationConnection::close",
];

type Running<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'c>>;

/// A use of a connection, with a slot that is there.
pub(super) struct Case {
    pub(super) items: &'static [&'static str],
    work: for<'c> fn(&'c mut ReplicationConnection, &'c str) -> Running<'c>,
}

pub(super) const CASES: &[Case] = &[
    Case {
        items: &[
            "client ReplicationConnection::identify_system",
            "client ReplicationConnection::show",
            "client ReplicationConnection::simple",
        ],
        work: |c, _| {
            Box::pin(async {
                c.identify_system().await?;
                assert_eq!(c.show("wal_level").await?, "logical");
                c.simple("select 1; select 2").await.map(drop)
            })
        },
    },
    Case {
        items: &["client ReplicationConnection::timeline_history"],
        work: |c, _| {
            Box::pin(async {
                // The first timeline has none.
                let none = c.timeline_history(1).await.unwrap_err();
                assert_eq!(none.kind(), ErrorKind::Server);
                Ok(())
            })
        },
    },
    Case {
        items: &[
            "client ReplicationConnection::create_slot",
            "client ReplicationConnection::read_slot",
            "client ReplicationConnection::alter_slot",
            "client ReplicationConnection::drop_slot",
        ],
        work: |c, _| {
            Box::pin(async {
                let name = slot_name();
                c.create_slot(&NewSlot::physical(&name, true).temporary()).await?;
                // Since server 15. An error ends temporary slots.
                if c.read_slot(&name).await.is_err() {
                    c.create_slot(&NewSlot::physical(&name, true).temporary()).await?;
                }
                c.drop_slot(&name, true).await?;
                // An error ends temporary slots, so that it comes last: nothing is there to be changed.
                let gone = c.alter_slot(&name, &SlotChange::new().failover(true)).await;
                assert_eq!(gone.unwrap_err().kind(), ErrorKind::Server);
                Ok(())
            })
        },
    },
    Case {
        items: &["client ReplicationConnection::drain"],
        work: |c, _| {
            Box::pin(async {
                let _ = poll_and_drop(2, c.identify_system()).await;
                c.drain(Duration::from_secs(50)).await
            })
        },
    },
    Case {
        items: &[
            "client ReplicationConnection::start_logical",
            "client LogicalStream::next",
            "client LogicalStream::tend",
            "client LogicalStream::finish",
        ],
        work: |c, slot| {
            Box::pin(async {
                let options = LogicalOptions::new(slot, ["everything"])
                    .with_status_interval(Duration::from_millis(1));
                let mut stream = c.start_logical(&options).await?;
                while let Some(message) = stream.next().await? {
                    if let Event::Commit(commit) = message.event {
                        stream.confirm(commit.end_lsn);
                        break;
                    }
                    stream.tend(tokio::task::yield_now()).await;
                }
                stream.finish().await
            })
        },
    },
    Case {
        items: &[
            "client ReplicationConnection::start_physical",
            "client PhysicalStream::next",
            "client PhysicalStream::tend",
            "client PhysicalStream::finish",
        ],
        work: |c, _| {
            Box::pin(async {
                // So near to the end of the log that little comes.
                let position = c.identify_system().await?.position;
                let mut stream = c.start_physical(&PhysicalOptions::new(position)).await?;
                stream.tend(tokio::task::yield_now()).await;
                let soon = tokio::time::timeout(Duration::from_millis(1), stream.next());
                let _ = soon.await;
                stream.finish().await.map(drop)
            })
        },
    },
];

const NAME: &str = "dropped_replication";

/// What its connections that are dropped while they begin and end are called.
const ENDS: &str = "dropped_replication_ends";

fn config(database: &Database, slow: &Trickle, name: &str) -> Config {
    let config = Config::parse(&database.tcp_url()).unwrap().with_port(slow.port);
    config.with_setting("application_name", name)
}

fn limit() -> Duration {
    Duration::from_secs(if is_long() { 3600 } else { 300 })
}

#[test]
fn replication_is_dropped_at_every_poll() {
    let database = Database::create(server()).unwrap();
    run_within(limit(), async {
        let mut session = database.session().unwrap();
        session.run("create table notes (id int8 primary key, body text)").unwrap();
        session.run("create publication everything for all tables").unwrap();
        let slow = Trickle::start(&database).await;
        let config = config(&database, &slow, NAME);
        let slot = slot_name();
        let mut first = ReplicationConnection::connect(&config).await.unwrap();
        first.create_slot(&NewSlot::logical(&slot)).await.unwrap();
        first.close().await;
        let (mut number, mut drops) = (0_i64, 0);
        for case in CASES {
            let mut polls = 0;
            loop {
                number += 1;
                // All that there was is done with, so that only this is to be told.
                let advance = format!(
                    "select pg_replication_slot_advance('{slot}', pg_current_wal_lsn());
                     insert into notes values ({number}, 'n')"
                );
                session.run(&advance).unwrap();
                slow.set(false);
                let mut replication = ReplicationConnection::connect(&config).await.unwrap();
                slow.set(true);
                let ended = poll_and_drop(polls, (case.work)(&mut replication, &slot)).await;
                slow.set(polls % 5 == 0);
                if polls % 2 == 0 {
                    replication.drain(Duration::from_secs(50)).await.unwrap();
                }
                // The question that only one answer fits.
                let answer = replication.simple(&format!("select {number}")).await.unwrap();
                assert_eq!(answer[0].rows, [[Some(number.to_string())]], "{:?}", case.items);
                assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
                let active = format!(
                    "select active_pid from pg_replication_slots where slot_name = '{slot}' and active"
                );
                assert!(session.run(&active).unwrap().is_empty(), "{:?}: {polls}", case.items);
                slow.set(false);
                replication.close().await;
                drops += 1;
                if let Some(ended) = ended {
                    ended.unwrap();
                    break;
                }
                polls = next(polls);
            }
        }
        drop(session);
        let mut last = ReplicationConnection::connect(&config).await.unwrap();
        last.drop_slot(&slot, true).await.unwrap();
        last.close().await;
        gone(&database, NAME).await;
        println!("{drops} drops of {} uses", CASES.len());
        assert!(drops > 15 * CASES.len(), "{drops}");
    });
}

#[test]
fn replication_is_dropped_at_every_poll_while_it_connects_and_closes() {
    let database = Database::create(server()).unwrap();
    run_within(limit(), async {
        let slow = Trickle::start(&database).await;
        let config = config(&database, &slow, ENDS);
        let (mut polls, mut drops) = ([0; 3], 0);
        slow.set(true);
        loop {
            let connecting = ReplicationConnection::connect(&config);
            if poll_and_drop(polls[0], connecting).await.is_some() {
                break;
            }
            polls[0] = next(polls[0]);
            drops += 1;
        }
        loop {
            let connecting = ReplicationConnection::connect_physical(&config);
            if poll_and_drop(polls[1], connecting).await.is_some() {
                break;
            }
            polls[1] = next(polls[1]);
            drops += 1;
        }
        slow.set(false);
        loop {
            let replication = ReplicationConnection::connect(&config).await.unwrap();
            if poll_and_drop(polls[2], replication.close()).await.is_some() {
                break;
            }
            polls[2] = next(polls[2]);
            drops += 1;
        }
        gone(&database, ENDS).await;
        println!("{drops} drops, after {polls:?} polls at the most");
        assert!(polls[0] > 100 && polls[1] > 100);
    });
}
