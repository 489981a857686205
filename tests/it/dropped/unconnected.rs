//! Functions that have no connection yet, or use it up.

use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, SqlState};
use stellata_testkit::{Database, Server, run_within};

use super::reluctant::{Reluctant, Trickle};
use super::{is_long, is_whole, next, poll_and_drop};

pub(super) const ITEMS: &[&str] = &[
    "client Connection::connect",
    "client Connection::over",
    "client Connection::close",
    "client CancelHandle::cancel",
    "client CancelHandle::cancel_over",
];

/// Waits until no session of this name is left.
pub(super) async fn gone(database: &Database, name: &str) {
    let sessions = format!("select pid from pg_stat_activity where application_name = '{name}'");
    let gone = async {
        while !database.run(&sessions).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[test]
fn functions_without_a_connection_are_dropped_at_every_poll() {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(if is_long() { 1800 } else { 120 }), async {
        let name = "dropped_all";
        let config =
            Config::parse(&database.tcp_url()).unwrap().with_setting("application_name", name);
        let slow = Trickle::start(&database).await;
        let slowly = config.clone().with_port(slow.port);
        slow.set(true);
        let (mut polls, mut drops) = ([0; 4], 0);
        while poll_and_drop(polls[0], Connection::connect(&slowly)).await.is_none() {
            polls[0] = next(polls[0]);
            drops += 1;
        }
        loop {
            let stream = Reluctant::always(&database).await;
            if poll_and_drop(polls[1], Connection::over(stream, &config)).await.is_some() {
                break;
            }
            polls[1] = next(polls[1]);
            drops += 1;
        }
        loop {
            let stream = Reluctant::always(&database).await;
            let connection = Connection::over(stream, &config).await.unwrap();
            if poll_and_drop(polls[2], connection.close()).await.is_some() {
                break;
            }
            polls[2] = next(polls[2]);
            drops += 1;
        }
        loop {
            let mut connection = Connection::connect(&config).await.unwrap();
            let handle = connection.cancel_handle();
            let one = poll_and_drop(polls[3], handle.cancel()).await;
            let stream = Reluctant::always(&database).await;
            let other = poll_and_drop(polls[3], handle.cancel_over(stream)).await;
            // What was dropped may still reach the server, as is written there; then all is as it was. This one was asked
            // for later: the server has come to those before it.
            handle.cancel().await.unwrap();
            let mut cancelled = 0;
            while let Err(error) = connection.execute("select pg_sleep(0.1)", ()).await {
                assert_eq!(error.kind(), ErrorKind::Server);
                assert_eq!(error.sqlstate(), Some(SqlState::QUERY_CANCELED));
                cancelled += 1;
                // There were three, and a postmaster signals the session and its process group for each.
                assert!(cancelled <= 6, "{cancelled}");
            }
            is_whole(&mut connection, 1).await;
            if one.is_some() && other.is_some() {
                break;
            }
            polls[3] = next(polls[3]);
            drops += 1;
        }
        gone(&database, name).await;
        println!("{drops} drops of {} functions, after {polls:?} polls at the most", ITEMS.len());
        assert!(polls[0] > 100 && polls[1] > 100 && polls[2] > 1 && polls[3] > 2, "{polls:?}");
    });
}
