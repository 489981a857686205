//! Futures of a listener that are dropped at every poll.

use std::time::Duration;

use stellata_client::{Backoff, Connection, ListenEvent, Listener, ListenerOptions, Reconnecting};
use stellata_testkit::with_database;

use super::config;
use crate::dropped::poll_in_turns;

#[test]
fn no_notification_is_lost_by_futures_that_are_given_up() {
    with_database(async |database| {
        let mut listener = None;
        for polls in 0.. {
            listener = poll_in_turns(polls, Listener::connect(&config(database))).await;
            if listener.is_some() {
                break;
            }
        }
        let mut listener = listener.unwrap().unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        for round in 0..60_usize {
            let name = format!("channel {}", round % 5);
            // Given up at another moment each time: it is listened on from the next call that is not.
            poll_in_turns(round % 4, listener.listen(&name)).await;
            poll_in_turns(round % 3, listener.unlisten("channel 4")).await;
            listener.listen(&name).await.unwrap();
            poll_in_turns(round % 4, sender.notify("channel 9", "unheard")).await;
            // Nothing is there yet.
            assert!(poll_in_turns(1, listener.next()).await.is_none());
            sender.notify(&name, &round.to_string()).await.unwrap();
            let heard = loop {
                if let Some(event) = poll_in_turns(1, listener.next()).await {
                    break event.unwrap();
                }
            };
            let ListenEvent::Notification(heard) = heard else { panic!("{heard:?}") };
            assert_eq!(
                (&*heard.channel, &*heard.payload),
                (name.as_str(), round.to_string().as_str())
            );
        }
    });
}

#[test]
fn a_listener_that_is_polled_once_at_a_time_connects_again() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        listener.listen("c").await.unwrap();
        database
            .run(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .unwrap();
        let (mut events, mut polls) = (Vec::new(), 0);
        while events.len() < 2 {
            polls += 1;
            assert!(polls < 100_000, "{events:?}");
            if let Some(event) = poll_in_turns(1, listener.next()).await {
                events.push(event.unwrap());
            }
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        assert!(matches!(events[..], [ListenEvent::Disconnected(_), ListenEvent::Reconnected]));
        assert!(polls > 3, "{polls}");
        database.run("notify c, 'there'").unwrap();
        assert!(matches!(listener.next().await.unwrap(), ListenEvent::Notification(_)));
    });
}

#[test]
fn a_probe_is_not_begun_anew_by_each_future() {
    with_database(async |database| {
        let options = ListenerOptions::new()
            .with_probes(Duration::from_millis(1), Duration::from_secs(20))
            .with_backoff(Backoff::new().with_patience(None));
        let mut listener = Listener::connect_with(&config(database), options).await.unwrap();
        listener.listen("c").await.unwrap();
        for round in 0..200 {
            poll_in_turns(round % 3, listener.next()).await;
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        database.run("notify c, 'there'").unwrap();
        assert!(matches!(listener.next().await.unwrap(), ListenEvent::Notification(_)));
    });
}

#[test]
fn idle_connections_are_given_up_at_every_poll() {
    with_database(async |database| {
        let mut connection = Connection::connect(&config(database)).await.unwrap();
        connection.simple("listen c").await.unwrap();
        let mut database_connection = Reconnecting::new(&config(database));
        for round in 0..50_i64 {
            let polls = usize::try_from(round % 4).unwrap();
            poll_in_turns(polls, connection.idle()).await;
            poll_in_turns(polls, connection.query::<(i32,)>("select 1", ())).await;
            poll_in_turns(polls, connection.idle()).await;
            connection.notify("c", &round.to_string()).await.unwrap();
            poll_in_turns(polls, connection.idle()).await;
            let heard = match poll_in_turns(polls, connection.notification()).await {
                Some(heard) => heard.unwrap(),
                None => connection.notification().await.unwrap(),
            };
            assert_eq!(*heard.payload, round.to_string());
            poll_in_turns(polls, database_connection.get()).await;
            let answer = database_connection.get().await.unwrap();
            assert_eq!(answer.query_one::<(i64,)>("select $1", (round,)).await.unwrap(), (round,));
        }
        assert_eq!(database_connection.sessions(), 1);
    });
}
