//! Futures of replication that are dropped at every poll.

use std::time::Duration;

use stellata_client::Config;
use stellata_client::replication::{
    Event, LogicalOptions, NewSlot, PhysicalOptions, ReplicationConnection, SlotChange,
};

use super::{connect, slot_name, with_notes};
use crate::dropped::poll_in_turns;

#[test]
fn commands_are_dropped_at_every_poll() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let slot = slot_name();
        replication.create_slot(&NewSlot::logical(&slot)).await.unwrap();
        let options = LogicalOptions::new(&slot, ["everything"]);
        let system_id = replication.identify_system().await.unwrap().system_id;
        let start = PhysicalOptions::new(replication.identify_system().await.unwrap().position);
        for polls in 0..8 {
            let kept = slot_name();
            let new = NewSlot::physical(&kept, false).temporary();
            poll_in_turns(polls, replication.identify_system()).await;
            poll_in_turns(polls, replication.show("wal_level")).await;
            poll_in_turns(polls, replication.timeline_history(1)).await;
            poll_in_turns(polls, replication.simple("select 1")).await;
            poll_in_turns(polls, replication.read_slot("none")).await;
            poll_in_turns(polls, replication.create_slot(&new)).await;
            let change = SlotChange::new().failover(true);
            poll_in_turns(polls, replication.alter_slot(&kept, &change)).await;
            poll_in_turns(polls, replication.drop_slot(&kept, false)).await;
            poll_in_turns(polls, replication.start_logical(&options)).await;
            poll_in_turns(polls, replication.start_physical(&start)).await;
            poll_in_turns(polls, replication.drain(Duration::from_secs(5))).await;
            // An answer never reaches the wrong question.
            let identity = replication.identify_system().await.unwrap();
            assert_eq!(identity.system_id, system_id);
            assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
        }
        let config = Config::parse(&database.url()).unwrap();
        for polls in 0..12 {
            poll_in_turns(polls, ReplicationConnection::connect(&config)).await;
            poll_in_turns(polls, ReplicationConnection::connect_physical(&config)).await;
        }
        let closing = connect(&database.url()).await;
        poll_in_turns(1, closing.close()).await;
    });
}

#[test]
fn a_streams_futures_are_dropped_at_every_poll_and_no_message_is_lost() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let slot = slot_name();
        replication.create_slot(&NewSlot::logical(&slot)).await.unwrap();
        let options = LogicalOptions::new(&slot, ["everything"])
            .with_status_interval(Duration::from_millis(1));
        for round in 0..6_i64 {
            let mut replication = connect(&database.url()).await;
            let mut stream = replication.start_logical(&options).await.unwrap();
            let first = round * 1000;
            let insert = format!(
                "insert into notes select n, repeat('x', 900) from generate_series({}, {}) n",
                first + 1,
                first + 300
            );
            database.run(&insert).unwrap();
            let (mut next, mut calls, mut given_up) = (first, 0, 0);
            loop {
                calls += 1;
                poll_in_turns(
                    calls % 3,
                    stream.tend(tokio::time::sleep(Duration::from_micros(300))),
                )
                .await;
                let Some(message) = poll_in_turns(calls % 4, stream.next()).await else {
                    given_up += 1;
                    continue;
                };
                match message.unwrap().unwrap().event {
                    Event::Insert(insert) => {
                        let id = insert.new.get::<i64>("id").unwrap();
                        // What the round before has confirmed may not have reached the server.
                        if id > first {
                            next += 1;
                            assert_eq!(id, next);
                        }
                    }
                    Event::Commit(commit) => {
                        stream.confirm(commit.end_lsn);
                        if next > first {
                            break;
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!(next, first + 300);
            assert!(given_up > 50, "{given_up}");
            // The end is given up as well; the next command reads over what still comes.
            poll_in_turns(usize::try_from(round).unwrap(), stream.finish()).await;
            assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
            replication.close().await;
        }
        let position = replication.identify_system().await.unwrap().position;
        for polls in 0..6 {
            let options = PhysicalOptions::new(position);
            let mut stream = replication.start_physical(&options).await.unwrap();
            poll_in_turns(polls, stream.next()).await;
            poll_in_turns(polls, stream.tend(tokio::time::sleep(Duration::from_micros(300)))).await;
            poll_in_turns(polls, stream.finish()).await;
            assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
        }
    });
}
