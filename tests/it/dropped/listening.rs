//! What has a connection of its own: listeners, and connections that are opened anew.

use std::time::Duration;

use stellata_client::{Backoff, Config, ListenEvent, Listener, ListenerOptions, Reconnecting};
use stellata_testkit::{Database, Server, run_within};

use super::reluctant::Trickle;
use super::unconnected::gone;
use super::{is_long, next, poll_and_drop};

pub(super) const ITEMS: &[&str] = &[
    "client Listener::connect",
    "client Listener::connect_with",
    "client Listener::listen",
    "client Listener::next",
    "client Listener::unlisten",
    "client Reconnecting::get",
];

/// Ends the sessions of a name.
fn kill(name: &str) -> String {
    format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{name}'"
    )
}

fn quick() -> Backoff {
    Backoff::new()
        .with_first(Duration::from_millis(1))
        .with_longest(Duration::from_millis(10))
        .with_patience(Some(Duration::from_secs(60)))
}

fn config(database: &Database, slow: &Trickle, name: &str) -> Config {
    let config = Config::parse(&database.tcp_url()).unwrap().with_port(slow.port);
    config.with_setting("application_name", name)
}

fn limit() -> Duration {
    Duration::from_secs(if is_long() { 1800 } else { 120 })
}

/// The next notification, and whether the connection was lost before it.
async fn heard(listener: &mut Listener) -> (String, String, bool) {
    let mut was_lost = false;
    loop {
        match listener.next().await.unwrap() {
            ListenEvent::Notification(heard) => {
                return (heard.channel.to_string(), heard.payload.to_string(), was_lost);
            }
            event => was_lost |= event.is_gap(),
        }
    }
}

#[test]
fn a_listener_is_dropped_at_every_poll() {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(limit(), async {
        let slow = Trickle::start(&database).await;
        let name = "dropped_listener";
        let config = config(&database, &slow, name);
        let options = ListenerOptions::new().with_backoff(quick());
        slow.set(true);
        let mut polls = 0;
        let mut drops = 0;
        while poll_and_drop(polls, Listener::connect(&config)).await.is_none() {
            polls = next(polls);
            drops += 1;
        }
        polls = 0;
        let mut listener = loop {
            let connecting = Listener::connect_with(&config, options);
            match poll_and_drop(polls, connecting).await {
                Some(listener) => break listener.unwrap(),
                None => polls = next(polls),
            }
            drops += 1;
        };
        let mut sender = database.session().unwrap();
        polls = 0;
        loop {
            slow.set(true);
            let use_it = async {
                listener.listen("a").await.unwrap();
                listener.listen("b").await.unwrap();
                sender.run("notify a, 'first'; notify b, 'second'").unwrap();
                while heard(&mut listener).await.1 != "second" {}
                listener.unlisten("b").await.unwrap();
            };
            let ended = poll_and_drop(polls, use_it).await.is_some();
            slow.set(polls % 5 == 0);
            // What is listened on is heard, what is not is not, and the connection is the one it was.
            listener.listen("c").await.unwrap();
            listener.unlisten("a").await.unwrap();
            listener.unlisten("b").await.unwrap();
            let number = polls.to_string();
            sender.run(&format!("notify a, 'no'; notify b, 'no'; notify c, '{number}'")).unwrap();
            assert_eq!(heard(&mut listener).await, ("c".to_owned(), number, false));
            assert!(listener.channels().eq(["c"]));
            drops += 1;
            if ended {
                break;
            }
            polls = next(polls);
        }
        let in_one_session = polls;
        // The same while the connection is lost and another is made.
        polls = 0;
        loop {
            slow.set(true);
            let killed = sender.run(&kill(name)).unwrap().len();
            let come_back = async {
                while !matches!(listener.next().await.unwrap(), ListenEvent::Reconnected) {}
                listener.listen("d").await.unwrap();
            };
            let ended = poll_and_drop(polls, come_back).await.is_some();
            slow.set(polls % 5 == 0);
            listener.listen("e").await.unwrap();
            let notify = format!("notify e, '{polls}'");
            sender.run(&notify).unwrap();
            loop {
                match listener.next().await.unwrap() {
                    ListenEvent::Notification(heard) => {
                        // Of two that were sent the second may come a use later.
                        if *heard.payload == polls.to_string() {
                            break;
                        }
                    }
                    // What was sent meanwhile may have been missed.
                    event if event.is_gap() => drop(sender.run(&notify).unwrap()),
                    event => assert!(matches!(event, ListenEvent::Disconnected(_))),
                }
            }
            assert!(killed <= 1, "{killed} sessions of one listener");
            drops += 1;
            if ended {
                break;
            }
            polls = next(polls);
        }
        drop(listener);
        gone(&database, name).await;
        println!("{drops} drops, after {in_one_session} polls and {polls} at the most");
        assert!(in_one_session > 50 && polls > 100);
    });
}

#[test]
fn a_connection_that_is_opened_anew_is_dropped_at_every_poll() {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(limit(), async {
        let slow = Trickle::start(&database).await;
        let name = "dropped_reconnecting";
        let config = config(&database, &slow, name);
        let mut watcher = database.session().unwrap();
        let (mut polls, mut drops) = (0, 0);
        loop {
            slow.set(true);
            let mut reconnecting = Reconnecting::with_backoff(&config, quick());
            let opened = poll_and_drop(polls, reconnecting.get()).await.is_some();
            let connection = reconnecting.get().await.unwrap();
            let number = i64::try_from(polls).unwrap();
            assert_eq!(
                connection.query_one::<(i64,)>("select $1", (number,)).await.unwrap(),
                (number,)
            );
            assert_eq!(reconnecting.sessions(), 1, "the attempt has gone on");
            watcher.run(&kill(name)).unwrap();
            let again = async {
                while reconnecting.sessions() < 2 {
                    reconnecting.get().await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let reopened = poll_and_drop(polls, again).await.is_some();
            while reconnecting.sessions() < 2 {
                reconnecting.get().await.unwrap();
                tokio::task::yield_now().await;
            }
            slow.set(false);
            let connection = reconnecting.get().await.unwrap();
            assert_eq!(connection.query_one::<(i32,)>("select 2", ()).await.unwrap(), (2,));
            assert_eq!(reconnecting.sessions(), 2);
            drops += 2;
            if opened && reopened {
                break;
            }
            polls = next(polls);
        }
        gone(&database, name).await;
        println!("{drops} drops, after {polls} polls at the most");
        assert!(polls > 100);
    });
}
